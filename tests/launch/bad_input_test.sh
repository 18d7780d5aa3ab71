#!/usr/bin/env bash
# bad_input_test.sh TUTTI: what the program does with input that it cannot use. Each case must end with its exit code and
# one line on standard error that says what is wrong, and leave nothing behind.
# shellcheck disable=SC2016  # backquotes in the expected text are meant as they stand
set -euo pipefail
tutti="$1"
support="$(cd "$(dirname "${BASH_SOURCE[0]}")/../support" && pwd)"
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

python3 "$support/small_playlists.py" 300 >playlists.csv
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
echo hello >text.h5
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
refused 2 'cpu or cuda or auto' "$tutti" train --dataset data --ids ids --out out/x --device gpu
CUDA_VISIBLE_DEVICES='' refused 2 'no CUDA device' "$tutti" train --dataset data --ids ids --out out/x --device cuda
refused 2 'level, trie, ids or full' "$tutti" train --dataset data --ids ids --out out/x --softmax soft
refused 2 'all without a --base' "$tutti" train --dataset data --ids ids --out out/x --train decoder
refused 2 'all, id-rows or decoder' "$tutti" train --dataset data --ids ids --out out/x --train some
refused 2 '--dropout' "$tutti" train --dataset data --ids ids --out out/x --dropout 1
refused 2 '--step-limit' "$tutti" train --dataset data --ids ids --out out/x --step-limit 0.5
refused 3 'nothere' "$tutti" train --dataset data --ids ids --out out/x --resume nothere
refused 2 'exclude each other' "$tutti" train --dataset data --ids ids --out out/x --resume --overwrite
refused 3 'no checkpoint' "$tutti" checkpoint prune data
refused 2 '--keep' "$tutti" checkpoint prune run --keep 0
refused 3 'nothere' "$tutti" checkpoint verify nothere
cp -r run damaged
printf 'x' | dd of="$(echo damaged/checkpoints/step-*/model.safetensors)" bs=1 seek=200 conv=notrunc status=none
refused 3 '1 damaged of 1 checkpoints' "$tutti" checkpoint verify damaged
refused 3 'only damaged checkpoints' "$tutti" train --dataset data --ids ids --out damaged --resume
refused 2 '--d-model' "$tutti" train --dataset data --ids ids --out out/x --base b --d-model 32
refused 2 '--vocabulary' "$tutti" train --dataset data --ids ids --out out/x --base b --vocabulary v
refused 2 'smollm2, or minilm' "$tutti" train --dataset data --ids ids --out out/x --base nothere
refused 3 'no GGUF file' "$tutti" train --dataset data --ids ids --out out/x --base playlists.csv
made "$tutti" export --run run --ids ids --dataset data --out base
rm base/spiece.model
made "$tutti" train --dataset data --ids ids --out from_json --base base --steps 1
rm base/tokenizer.json
refused 3 'T5Tokenizer' "$tutti" train --dataset data --ids ids --out out/x --base base
sed -i 's/"T5ForConditionalGeneration"/"T5EncoderModel"/' base/config.json
refused 3 'T5EncoderModel' "$tutti" train --dataset data --ids ids --out out/x --base base
refused 3 'data' "$tutti" recommend --run data --ids ids --dataset data piano
refused 2 'a divisor of --beam' "$tutti" recommend --run run --ids ids --dataset data --beam 10 --groups 3 piano
refused 2 '--diversity' "$tutti" evaluate --run run --ids ids --dataset data --groups 2 --diversity -1
refused 3 "made from dataset $(hash_of data)" "$tutti" evaluate --run run --ids ids --dataset data --embeddings unheld_embeddings
refused 2 'numbers of 0 or more' "$tutti" sweep --run run --ids ids --dataset data --penalties much --out out/x
refused 2 'divides a beam' "$tutti" sweep --run run --ids ids --dataset data --beams 10 --groups 3 --out out/x
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
refused 3 'damaged' "$tutti" ids build --embeddings flipped_embeddings --dataset data --out out/x --num-codes 4

# Vectors of one's own: a good file of each form gives the same bytes, then what is wrong with others.
python3 - data <<'PYTHON'
import csv, json, struct
keys = sorted({row["track_id"] for row in csv.DictReader(open("playlists.csv"))})
rows = [[float(i), i % 7 - 3.0, 0.5] for i in range(len(keys))]
values = b"".join(struct.pack("<3f", *row) for row in rows)

def npy(name, shape, data, descr="<f4"):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    open(name, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)

def safetensors(name, tensors):
    header, at = {}, 0
    for tensor, (dtype, shape, data) in tensors.items():
        header[tensor] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(name, "wb").write(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))

n = len(keys)
npy("vectors.npy", f"({n}, 3)", values)
npy("none.npy", "(0, 3)", b"")
npy("cut.npy", f"({n}, 3)", values[:-1])
npy("integers.npy", f"({n}, 3)", values, "<i4")
bad = bytearray(values)
bad[12 * 5:12 * 5 + 4] = struct.pack("<f", float("nan"))
npy("nan.npy", f"({n}, 3)", bytes(bad))
npy("equal.npy", f"({n}, 3)", struct.pack("<3f", 1, 2, 3) * n)
open("keys.txt", "w").write("\n".join(keys) + "\n")
open("short_keys.txt", "w").write("\n".join(keys[:-1]) + "\n")
open("twice_keys.txt", "w").write("\n".join(keys[:-1] + keys[:1]) + "\n")
open("other_keys.txt", "w").write("\n".join(f"x{key}" for key in keys) + "\n")
padded = b"".join(key.encode().ljust(8, b"\0") for key in keys)
vectors = ("F32", [n, 3], values)
safetensors("vectors.safetensors", {"vectors": vectors, "keys": ("U8", [n, 8], padded)})
safetensors("flat.safetensors", {"vectors": ("F32", [n * 3], values), "keys": ("U8", [n, 8], padded)})
safetensors("odd_keys.safetensors", {"vectors": vectors, "keys": ("F32", [n, 2], padded)})
safetensors("no_keys.safetensors", {"vectors": vectors})
open("cut.safetensors", "wb").write(open("vectors.safetensors", "rb").read()[:-1])
open("lost.txt", "w").write(keys[5])
PYTHON
import_npy=("$tutti" embed import vectors.npy --dataset data)
made "${import_npy[@]}" --key-file keys.txt --out imported
made "$tutti" embed import vectors.safetensors --dataset data --out imported_too
[[ "$(hash_of imported)" == "$(hash_of imported_too)" ]] || { echo 'FAILED: .npy and .safetensors differ'; failed=1; }
made "$tutti" ids build --embeddings imported --dataset data --out imported_ids --levels 2 --num-codes 4
# Equal vectors are a legitimate result of an encoder: all tracks on one code, told apart by their suffix.
made "$tutti" embed import equal.npy --key-file keys.txt --dataset data --out equal
made "$tutti" ids build --embeddings equal --dataset data --out equal_ids --levels 2 --num-codes 4
grep -qF 'on 1 distinct codes' made.txt || { echo 'FAILED: equal vectors'; cat made.txt; failed=1; }
made "$tutti" ids report --ids equal_ids --embeddings equal --dataset data --out equal_report
refused 3 'no keys' "${import_npy[@]}" --out out/x
refused 3 '60 rows and 59 keys' "${import_npy[@]}" --key-file short_keys.txt --out out/x
refused 3 "of row 0 again" "${import_npy[@]}" --key-file twice_keys.txt --out out/x
refused 3 'no key of the catalogue' "${import_npy[@]}" --key-file other_keys.txt --out out/x
refused 3 'nothere.txt' "${import_npy[@]}" --key-file nothere.txt --out out/x
refused 2 'error, mean or artist' "${import_npy[@]}" --key-file keys.txt --missing drop --out out/x
refused 2 'ignore or error' "${import_npy[@]}" --key-file keys.txt --unknown drop --out out/x
refused 2 "the ending '.csv'" "$tutti" embed import playlists.csv --dataset data --out out/x
refused 3 'a matrix of 0 x 3' "$tutti" embed import none.npy --key-file keys.txt --dataset data --out out/x
refused 3 'bytes behind the header' "$tutti" embed import cut.npy --key-file keys.txt --dataset data --out out/x
refused 3 'two-dimensional' "$tutti" embed import integers.npy --key-file keys.txt --dataset data --out out/x
refused 3 "row 5 (track $(cat lost.txt)), column 0: found nan" "$tutti" embed import nan.npy --key-file keys.txt \
  --dataset data --out out/x
refused 3 'cut.safetensors' "$tutti" embed import cut.safetensors --dataset data --out out/x
refused 3 'no keys' "$tutti" embed import no_keys.safetensors --dataset data --out out/x
refused 3 "tensor 'vectors': found F32 [180]" "$tutti" embed import flat.safetensors --dataset data --out out/x
refused 3 "tensor 'keys'" "$tutti" embed import odd_keys.safetensors --dataset data --out out/x
refused 3 'one of vectors, keys' "$tutti" embed import vectors.safetensors --vectors weights --dataset data --out out/x
refused 3 'not a readable HDF5 file' "$tutti" embed import text.h5 --dataset data --out out/x

# IDs that their vectors do not carry, and reports of what does not belong together.
refused 3 'at least one a code, 4096' "$tutti" ids build --embeddings imported --dataset data --out out/x --num-codes 4096
refused 2 '--num-codes' "$tutti" ids build --embeddings imported --dataset data --out out/x --num-codes 99999999999999999999
refused 2 '--group-cap' "$tutti" ids build --embeddings imported --dataset data --out out/x --num-codes 4 --group-cap -1
refused 2 '--beam' "$tutti" ids build --embeddings imported --dataset data --out out/x --num-codes 4 --group-cap 4 --beam 1
refused 3 "made from embeddings $(hash_of embeddings)" "$tutti" ids report --ids imported_ids --embeddings embeddings --out out/x
refused 3 "made from dataset $(hash_of other_data)" "$tutti" ids report --ids imported_ids --dataset other_data --out out/x
refused 3 'imported' "$tutti" ids report --ids imported --out out/x
refused 2 '--queries' "$tutti" ids report --ids imported_ids --out out/x --queries 0

# Reports: of nothing, of files that are none of ours, and of what does not belong together.
made "$tutti" evaluate --dataset data --ids ids --run run --json scores.json --dump-run trec --beam 10
made "$tutti" report scores.json run trec data --out page --tensorboard board
made "$tutti" report run --tensorboard other_board
cmp board/run/events.out.tfevents.0.tutti other_board/run/events.out.tfevents.0.tutti || failed=1
refused 2 '--out' "$tutti" report scores.json
refused 2 'no run folder' "$tutti" report scores.json --tensorboard out/x
refused 2 '--examples' "$tutti" report scores.json --out out/x --examples -1
refused 2 'dataset' "$tutti" report scores.json trec --out out/x
refused 2 'a second dataset' "$tutti" report data other_data --out out/x
refused 2 '--overwrite' "$tutti" report scores.json --out page
refused 3 'nothere.json' "$tutti" report nothere.json --out out/x
refused 3 'playlists.csv: byte 1' "$tutti" report playlists.csv --out out/x
refused 3 'of kind embeddings' "$tutti" report embeddings --out out/x
refused 3 "dataset $(hash_of other_data)" "$tutti" report other_data scores.json --out out/x
refused 3 "id-table $(hash_of equal_ids)" "$tutti" report run equal_report --out out/x
head -c 3000 scores.json >cut_scores.json
refused 3 'cut_scores.json: byte' "$tutti" report cut_scores.json --out out/x
cp -r run torn_run
sed -i '1s/.*/{"event": "st/' torn_run/log.jsonl
refused 3 'log.jsonl: line 1' "$tutti" report torn_run --out out/x
cp -r trec torn_trec
sed -i '1s/^[^\t]*/what/' torn_trec/seen_titles.topics.tsv
refused 3 'seen_titles.topics.tsv: line 1' "$tutti" report torn_trec data --out out/x
touch file
refused 7 'file' "$tutti" report scores.json --out file/x
refused 7 'file' "$tutti" report run --tensorboard file/x

# Places that cannot be written.
touch file
refused 7 'file' "$tutti" import csv playlists.csv --out file/x
# Evaluating and folding in: a newer dataset has ten tracks more; the known ones keep their vectors.
cp playlists.csv newer.csv
for p in $(seq 300 320); do printf 'n%s,piano new,t1,artist 0,name 1\nn%s,piano new,new%s,artist 0,name new\n' "$p" "$p" $((p % 10)); done >>newer.csv
made "$tutti" import csv newer.csv --out newer_data
fold_in=("$tutti" embed fold-in --embeddings embeddings)
made "${fold_in[@]}" --old-dataset data --dataset newer_data --out newer_embeddings
grep -q '10 folded in' made.txt || { echo "FAILED: fold-in: $(cat made.txt)"; failed=1; }
refused 3 "made from dataset $(hash_of data)" "${fold_in[@]}" --old-dataset newer_data --dataset newer_data --out out/x
refused 3 "option 'unobserved-weight'" "$tutti" embed fold-in --embeddings imported --old-dataset data --dataset data --out out/x
refused 2 '--threads' "${fold_in[@]}" --old-dataset data --dataset data --out out/x --threads 0
refused 2 '--playlists' "$tutti" embed evaluate --dataset data --playlists 0
refused 2 '--prior-strength' "$tutti" embed evaluate --dataset data --prior-strength -1
refused 2 '--regularization' "$tutti" embed cf --dataset data --out out/x --regularization -1
refused 2 '--cutoff' "$tutti" embed cf --dataset data --out out/x --cutoff 0
refused 2 '--sample' "$tutti" ids build --embeddings embeddings --dataset data --out out/x --levels 1 --num-codes 4 --sample 3
awk -F, 'NR == 1 || ++seen[$1] <= 3' playlists.csv >short.csv
made "$tutti" import csv short.csv --out short_data
refused 3 'no playlist was drawn' "$tutti" embed evaluate --dataset short_data --epochs 1 --dim 4

refused 7 'file' "$tutti" embed cf --dataset data --out file/x --epochs 1
refused 7 'file' "$tutti" ids build --embeddings embeddings --dataset data --out file/x --levels 1 --num-codes 4
refused 7 'file' "${import_npy[@]}" --key-file keys.txt --out file/x
refused 7 'file' "$tutti" ids report --ids ids --out file/x
refused 7 'file' "$tutti" train --dataset data --ids ids --out file/x --steps 1
refused 7 'file' "$tutti" export --run run --ids ids --dataset data --out file/x

exit "$failed"
