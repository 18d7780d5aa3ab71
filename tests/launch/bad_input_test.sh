#!/usr/bin/env bash
# bad_input_test.sh TUTTI: what the program does with input that it cannot use. Each case must end with its exit code and
# one line on standard error that says what is wrong, and leave nothing behind.
# shellcheck disable=SC2016  # backquotes in the expected text are meant as they stand
set -euo pipefail
tutti="$1"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
export OMP_NUM_THREADS=1
failed=0

# refused CODE TEXT COMMAND...: the command must end with CODE and one line of error that holds TEXT; the folder out/ must
# stay empty, hidden files included.
refused() {
  local code="$1" text="$2" found=0 problem=""
  shift 2
  rm -rf out
  mkdir out
  "$@" >stdout.txt 2>stderr.txt </dev/null || found=$?
  ((found == code)) || problem="exit code $found, expected $code"
  # Warnings and notes may stand before it.
  [[ "$(grep -cvE '^[0-9:]+ (info|warning) ' stderr.txt)" == 1 ]] || problem="${problem:-there is not one line of error}"
  tail -n 1 stderr.txt | grep -qF -- "$text" || problem="${problem:-the error does not hold: $text}"
  [[ -z "$(ls -A out)" ]] || problem="${problem:-left behind: $(ls -A out)}"
  if [[ -n "$problem" ]]; then
    printf 'FAILED: %s\n  %s\n' "${*/#$tutti/tutti}" "$problem"
    sed 's/^/  | /' stderr.txt
    failed=1
  else
    printf 'ok: %s\n' "${*/#$tutti/tutti}"
  fi
}

# The first digits of an artefact's hash, as errors name it.
hash_of() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1] + "/manifest.json"))["hash"][:12])' "$1"; }

# made COMMAND...: the good artefacts that the cases start from.
made() {
  "$@" >made.txt 2>&1 </dev/null || {
    echo "could not make the artefacts: ${*/#$tutti/tutti}"
    cat made.txt
    exit 1
  }
}

python3 - <<'PYTHON'
import random
random.seed(1)
with open("playlists.csv", "w") as file:
    print("playlist_id,title,track_id,artist,name", file=file)
    for p in range(300):
        theme = p % 6
        title = ["piano", "rock", "jazz", "techno", "folk", "sleep"][theme]
        for t in random.sample(range(theme * 10, theme * 10 + 10), 5):
            print(f"p{p},{title} {p % 3},t{t},artist {t // 5},name {t}", file=file)
PYTHON
made "$tutti" import csv playlists.csv --out data
made "$tutti" import csv playlists.csv --out other_data --min-tracks 1 --seed 9
made "$tutti" embed cf --dataset data --out embeddings --dim 64 --epochs 2
made "$tutti" ids build --embeddings embeddings --dataset data --out ids --levels 2 --num-codes 4
made "$tutti" ids build --embeddings embeddings --dataset data --out other_ids --levels 1 --num-codes 4
made "$tutti" import csv playlists.csv --out unheld --unseen-titles 0 --held-out 0
made "$tutti" embed cf --dataset unheld --out unheld_embeddings --dim 64 --epochs 2
made "$tutti" ids build --embeddings unheld_embeddings --dataset unheld --out unheld_ids --levels 1 --num-codes 4
made "$tutti" train --dataset data --ids ids --out run --steps 2 --titles-per-step 2 --d-model 16 --d-kv 8 --num-heads 2 \
  --d-ff 16 --num-layers 1 --num-decoder-layers 1 --vocabulary-size 300

# The command line.
refused 2 'did you mean `tutti train`' "$tutti" trian
refused 2 'did you mean `tutti import mpd`' "$tutti" import mdp x
refused 2 'expected one of `tutti ids build`' "$tutti" ids
refused 2 'did you mean --dataset' "$tutti" embed cf --datset data --out out/x
refused 2 'missing option --out' "$tutti" embed cf --dataset data
refused 2 "--dim: found 'many'" "$tutti" embed cf --dataset data --out out/x --dim many
refused 2 'TUTTI_DIM' env TUTTI_DIM=many "$tutti" embed cf --dataset data --out out/x
refused 2 'nothere.ini' "$tutti" embed cf --config nothere.ini
printf '[embed cf]\ndataset = data\nout = out/x\ndims = 3\n' >typo.ini
refused 2 'typo.ini: line 4' "$tutti" embed cf --config typo.ini
refused 2 '--overwrite' "$tutti" import csv playlists.csv --out data

# Files that are missing, cut off or malformed.
refused 3 'nothere.csv' "$tutti" import csv nothere.csv --out out/x
refused 3 'nothere.tsv.gz' "$tutti" import tags nothere.tsv.gz --out out/x
refused 3 'nothere' "$tutti" import mpd nothere --out out/x
refused 3 'nothere' "$tutti" embed cf --dataset nothere --out out/x
refused 3 'nothere' "$tutti" inspect nothere
gzip -k playlists.csv
head -c 2000 playlists.csv.gz >cut.csv.gz
refused 3 'cut.csv.gz' "$tutti" import csv cut.csv.gz --out out/x
printf 'playlist_id,title\np1,x\n' >columns.csv
refused 3 'track_id' "$tutti" import csv columns.csv --out out/x
printf 'track_id\tartist_id\nt1\ta1\n' >broken.tsv
refused 3 'broken.tsv' "$tutti" import tags broken.tsv --out out/x
mkdir slices empty
printf '{"info": {}, "playlists": [{"name": "a", "pid": 0, "tracks": [}]}' >slices/mpd.slice.0-999.json
refused 3 'mpd.slice.0-999.json: byte 6' "$tutti" import mpd slices --out out/x
printf '{"info": {}, "playlists": [{"name": 7, "pid": 0, "tracks": []}]}' >slices/mpd.slice.0-999.json
refused 3 'playlist 0' "$tutti" import mpd slices --out out/x
refused 3 'empty' "$tutti" import mpd empty --out out/x

# Artefacts of another kind, of another origin, or damaged.
refused 3 'embeddings' "$tutti" embed cf --dataset embeddings --out out/x
refused 3 'data' "$tutti" ids build --embeddings data --dataset data --out out/x
refused 3 'data' "$tutti" train --dataset data --ids data --out out/x
refused 3 "made from dataset $(hash_of other_data)" "$tutti" ids build --embeddings embeddings --dataset other_data --out out/x
refused 3 "made from dataset $(hash_of other_data)" "$tutti" train --dataset other_data --ids ids --out out/x
refused 3 "made from id-table $(hash_of other_ids)" "$tutti" recommend --run run --ids other_ids --dataset data piano
refused 3 "made from id-table $(hash_of ids)" "$tutti" export --run run --ids other_ids --dataset data --out out/x
refused 3 'catalog.h5' "$tutti" train --dataset data --ids ids --out out/x --vocabulary data/catalog.h5
refused 2 'pair or playlist' "$tutti" train --dataset data --ids ids --out out/x --weight pears
refused 2 'playlist or title' "$tutti" train --dataset data --ids ids --out out/x --group tracks
refused 2 'stop or skip' "$tutti" train --dataset data --ids ids --out out/x --non-finite ignore
refused 2 'cosine or inverse-sqrt' "$tutti" train --dataset data --ids ids --out out/x --schedule cosin
refused 2 'add --validate-every' "$tutti" train --dataset data --ids ids --out out/x --patience 3
refused 2 '--micro-batch' "$tutti" train --dataset data --ids ids --out out/x --micro-batch -1
refused 3 'no validation playlist' "$tutti" train --dataset unheld --ids unheld_ids --out out/x --validate-every 1
refused 2 'level, trie, ids or full' "$tutti" train --dataset data --ids ids --out out/x --softmax soft
refused 2 'all without a --base' "$tutti" train --dataset data --ids ids --out out/x --train decoder
refused 2 'all, id-rows or decoder' "$tutti" train --dataset data --ids ids --out out/x --train some
refused 2 '--dropout' "$tutti" train --dataset data --ids ids --out out/x --dropout 1
refused 2 '--d-model' "$tutti" train --dataset data --ids ids --out out/x --base b --d-model 32
refused 2 '--vocabulary' "$tutti" train --dataset data --ids ids --out out/x --base b --vocabulary v
refused 3 'nothere/config.json' "$tutti" train --dataset data --ids ids --out out/x --base nothere
made "$tutti" export --run run --ids ids --dataset data --out base
rm base/spiece.model
refused 3 'T5Tokenizer' "$tutti" train --dataset data --ids ids --out out/x --base base
sed -i 's/"T5ForConditionalGeneration"/"T5EncoderModel"/' base/config.json
refused 3 'T5EncoderModel' "$tutti" train --dataset data --ids ids --out out/x --base base
refused 3 'data' "$tutti" recommend --run data --ids ids --dataset data piano
cp -r data cut_data
truncate -s -100 cut_data/catalog.h5
refused 3 'catalog.h5' "$tutti" embed cf --dataset cut_data --out out/x
cp -r run cut_run
truncate -s -100 cut_run/checkpoints/*/model.safetensors
refused 3 'cut_run' "$tutti" recommend --run cut_run --ids ids --dataset data piano
cp -r data bad_manifest
echo '{"kind": ' >bad_manifest/manifest.json
refused 3 'manifest.json' "$tutti" embed cf --dataset bad_manifest --out out/x
# The vectors fill most of the file: bytes in its middle are theirs. (A NaN under a right checksum is a case of ids_test.)
cp -r embeddings flipped_embeddings
python3 - flipped_embeddings/embeddings.h5 <<'PYTHON'
import os, sys
with open(sys.argv[1], "r+b") as file:
    file.seek(os.path.getsize(sys.argv[1]) // 2)
    file.write(b"\x00\x00\xc0\x7f")
PYTHON
refused 3 'damaged' "$tutti" ids build --embeddings flipped_embeddings --dataset data --out out/x

# Places that cannot be written.
touch file
refused 7 'file' "$tutti" import csv playlists.csv --out file/x
refused 7 'file' "$tutti" embed cf --dataset data --out file/x --epochs 1
refused 7 'file' "$tutti" ids build --embeddings embeddings --dataset data --out file/x --levels 1 --num-codes 4
refused 7 'file' "$tutti" train --dataset data --ids ids --out file/x --steps 1
refused 7 'file' "$tutti" export --run run --ids ids --dataset data --out file/x

exit "$failed"
