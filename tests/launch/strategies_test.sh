#!/usr/bin/env bash
# strategies_test.sh TUTTI: IDs of names and integers go the whole road, refuse what they are not made for, and stand beside each other in
# the table of compare-ids, which goes on where it was left.
set -euo pipefail
# shellcheck source=tests/support/program_test.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/program_test.sh" "$1"

python3 "$support/small_playlists.py" 400 >playlists.csv
quietly "$tutti" import csv playlists.csv --out data
quietly "$tutti" embed cf --dataset data --out embeddings --dim 64 --epochs 2
model=(--titles-per-step 4 --d-model 16 --d-kv 4 --num-heads 2 --d-ff 16 --num-layers 1 --num-decoder-layers 1 --vocabulary-size 300)
build=("$tutti" ids build --dataset data)
train=("$tutti" train --dataset data "${model[@]}" --checkpoint-every 2)

# Names, digits and number tokens: build, train, resume, evaluate, recommend, export.
for options in "artist-track-name --pieces 300" track-integer artist-track-integer "track-integer --integer-tokens" \
  "artist-track-integer --integer-tokens"; do
  name="${options// /}"
  # shellcheck disable=SC2086  # options are words
  quietly "${build[@]}" --strategy $options --out "$name"
  quietly "${train[@]}" --steps 4 --ids "$name" --out "run-$name" --validate-every 2 --validation-queries 4
  quietly "$tutti" evaluate --run "run-$name" --ids "$name" --dataset data --max-queries 8 --beam 10 --prompts bare
  quietly "$tutti" recommend --run "run-$name" --ids "$name" --dataset data --k 10 --json "piano 1"
  python3 -c 'import json; assert len(json.load(open("out.txt"))[0]["recommendations"]) == 10'
  quietly "$tutti" export --run "run-$name" --ids "$name" --dataset data --out "export-$name"
  echo "ok: $name"
done
python3 - <<'PYTHON'
import json
config = json.load(open("export-track-integer/generation_config.json"))
line = json.loads(open("export-track-integer/id_map.jsonl").readline())
assert line["ids"][-1] == config["eos_token_id"], (line, config)
assert line["tokens"][-1] == "<END>"
PYTHON

# Trained in one go, or in two: the same. Over all ID rows, since text has no levels; children too.
quietly "${train[@]}" --ids track-integer --out halves --steps 2 --schedule constant
quietly "${train[@]}" --ids track-integer --out halves --steps 4 --schedule constant --resume
quietly "${train[@]}" --ids track-integer --out whole --steps 4 --schedule constant
cmp whole/checkpoints/*4/model.safetensors halves/checkpoints/*4/model.safetensors
grep -q '"softmax": "ids"' whole/checkpoints/*4/state.json
quietly "${train[@]}" --ids artist-track-name--pieces300 --steps 4 --out trie --softmax trie
quietly "$tutti" evaluate --run trie --ids artist-track-name--pieces300 --dataset data --max-queries 8 --beam 10 --prompts bare
echo "ok: resume and softmax"

# The same bytes again; another seed, other numbers.
quietly "${build[@]}" --strategy track-integer --out again
cmp again/ids.h5 track-integer/ids.h5
quietly "${build[@]}" --strategy track-integer --seed 1 --out other
! cmp -s other/ids.h5 track-integer/ids.h5 || exit 1

# What does not go together.
refused 2 '--strategy' "${build[@]}" --strategy artist-name --out none
refused 2 '--embeddings' "${build[@]}" --out none
refused 2 '--embeddings' "${build[@]}" --strategy track-integer --embeddings embeddings --out none
refused 2 '--integer-tokens' "${build[@]}" --strategy artist-track-name --integer-tokens --out none
refused 2 '--integer-tokens' "${build[@]}" --embeddings embeddings --integer-tokens --out none
refused 2 '--levels' "${build[@]}" --strategy track-integer --levels 2 --out none
refused 2 '--seed' "${build[@]}" --strategy artist-track-name --seed 2 --out none
refused 2 '--pieces' "${build[@]}" --embeddings embeddings --pieces 300 --out none
refused 2 '--vocabulary' "${build[@]}" --strategy track-integer --vocabulary nothere --out none
refused 2 '--vocabulary' "${build[@]}" --strategy track-integer --integer-tokens --vocabulary whole/checkpoints/*4/spiece.model --out none
refused 3 'track-integer' "$tutti" ids report --ids track-integer --out none
change=(--from track-integer --old-dataset data --dataset data --embeddings embeddings)
refused 3 'track-integer' "$tutti" ids rebuild "${change[@]}" --out none
refused 3 'track-integer' "$tutti" ids drift "${change[@]}"
refused 3 'id-table' "$tutti" evaluate --run run-track-integer --ids other --dataset data

# Names in the pieces of a T5: its rows are where training starts.
quietly "$tutti" ids build --dataset data --embeddings embeddings --out ids --levels 2 --num-codes 4
quietly "${train[@]}" --ids ids --steps 2 --out before --softmax full
quietly "$tutti" export --run before --ids ids --dataset data --out base
quietly "${build[@]}" --strategy artist-track-name --vocabulary base --out in-pieces
quietly "$tutti" train --dataset data --titles-per-step 4 --ids in-pieces --base base --out on-base --steps 1
grep -q 'ID rows start from' out.txt
quietly "$tutti" train --dataset data --titles-per-step 4 --ids track-integer --base base --out digits-on-base --steps 1 --start-ids text
! grep -q 'ID rows start from' out.txt || exit 1

# The table. A study that is stopped goes on; a strategy that is added is all that is made anew.
cat >study.ini <<'INI'
[compare-ids]
reference = names
beam = 10
max-queries = 20
free-titles = 8
[embed cf]
dim = 64
epochs = 2
[train]
steps = 4
softmax = ids
validate-every = 0
titles-per-step = 4
d-model = 16
d-kv = 4
num-heads = 2
d-ff = 16
num-layers = 1
num-decoder-layers = 1
vocabulary-size = 300
[ids names]
strategy = artist-track-name
pieces = 300
[ids codes]
embeddings = cf
levels = 2
num-codes = 4
INI
compare=("$tutti" compare-ids --config study.ini --dataset data --out study)
TUTTI_STEPS=9 TUTTI_LEVELS=3 quietly "${compare[@]}"
cp study/comparison.json first.json
touch -d '2001-01-01' study/*/ids/manifest.json study/*/run/log.jsonl study/*/result-*.json
printf '[ids integers]\nstrategy = track-integer\n' >>study.ini
quietly "${compare[@]}"
python3 - <<'PYTHON'
import csv, glob, json, os, time
first, second = (json.load(open(name)) for name in ("first.json", "study/comparison.json"))
assert [row["strategy"] for row in second["rows"]] == ["names", "codes", "integers"], second["rows"]
assert second["rows"][:2] == first["rows"], "kept"
assert second["rows"][0]["ratio"] in (0, 1), second["rows"][0]
for row, cell in zip(second["rows"], second["cells"]):
    hits = sum(cell["hits"].values(), [])
    assert abs(row["hits@10"] - sum(hits) / len(hits)) < 1e-12, row
    assert 0 <= row["invalid_share"] <= 1 and row["decoding_steps"] > 0 and row["rows_added"] > 0
    assert cell["step"] == 4, "variables of the environment do not reach the commands of a study"
assert second["rows"][1]["tracks_not_alone"] > 0 and second["rows"][2]["tracks_not_alone"] == 0
old = [path for path in glob.glob("study/*/run/log.jsonl") if os.path.getmtime(path) < time.time() - 1e8]
assert len(old) == 2, old
assert len(list(csv.reader(open("study/comparison.csv")))) == 4
assert "| integers |" in open("study/comparison.md").read()
PYTHON
sed -i 's/^steps = 4/steps = 40/' study.ini
status=0
"$tutti" compare-ids --config study.ini --dataset data --out stopping >out.txt 2>&1 </dev/null &
pid=$!
for ((i = 0; i < 2000; ++i)); do
  if grep -qs '"step"' stopping/names-*/run/log.jsonl; then break; fi  # only then signals are heard
  sleep 0.01
done
kill -USR2 "$pid"
wait "$pid" || status=$?
[[ "$status" == 5 || "$status" == 0 ]] || { cat out.txt && exit 1; }
quietly "$tutti" compare-ids --config study.ini --dataset data --out stopping
python3 -c 'import json; assert all(cell["step"] == 40 for cell in json.load(open("stopping/comparison.json"))["cells"])'
refused 2 '[ids' "$tutti" compare-ids --config study.ini --dataset data --out none --reference nobody
refused 2 '--dataset' "$tutti" compare-ids --config study.ini --out none
printf '[trane]\nsteps = 1\n' >>study.ini
refused 2 '[trane]' "$tutti" compare-ids --config study.ini --dataset data --out none
# Every option of the studies that are shipped is one.
python3 - "$tutti" "$support/../../launch/studies"/*.ini <<'PYTHON'
import configparser, functools, re, subprocess, sys
@functools.cache
def options(command):
    return set(re.findall(r"^  --([a-z-]+)", subprocess.run([sys.argv[1], *command.split(), "--help"], capture_output=True, text=True).stdout, re.M))
for path in sys.argv[2:]:
    study = configparser.ConfigParser()
    study.read(path)
    for section in study.sections():
        command = "ids build" if section.startswith("ids ") else section
        assert set(study[section]) <= options(command), (path, section, set(study[section]) - options(command))
PYTHON
echo "ok: compare-ids"
