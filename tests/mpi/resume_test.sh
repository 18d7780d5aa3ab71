#!/usr/bin/env bash
# resume_test.sh TUTTI RUN_MPI: a run of two ranks that one of them is told to stop (USR1), and that is taken up again, must end
# with the bytes of a run that went through: model, moments, the best validation, every loss.
set -euo pipefail
tutti="$1" run_mpi="$2"
support="$(cd "$(dirname "${BASH_SOURCE[0]}")/../support" && pwd)"
work="$(mktemp -d)"
job=""
trap '[[ -z "$job" ]] || kill "$job" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

python3 "$support/small_playlists.py" 600 >playlists.csv
{
  "$tutti" import csv playlists.csv --out data
  "$tutti" embed cf --dataset data --out embeddings --dim 64 --epochs 2
  "$tutti" ids build --embeddings embeddings --dataset data --out ids --levels 2 --num-codes 4
} >made.txt 2>&1 || { cat made.txt; exit 1; }

train=("$run_mpi" 2 "$tutti" train --dataset data --ids ids --steps 600 --titles-per-step 6 --micro-batch 2 --group title
  --d-model 16 --d-kv 8 --num-heads 2 --d-ff 16 --num-layers 1 --num-decoder-layers 1 --vocabulary-size 300 --text-rows sparse
  --validate-every 100 --patience 50 --checkpoint-every 1000)
"${train[@]}" --out through

"${train[@]}" --out stopped &
job=$!
for ((i = 0; i < 3000; ++i)); do
  if [[ -e stopped/log.jsonl && $(wc -l <stopped/log.jsonl) -ge 120 ]]; then break; fi
  sleep 0.01
done
read -r -a ranks <"/proc/$job/task/$job/children" || true  # no newline at the end
kill -USR1 "${ranks[-1]}"
code=0
wait "$job" || code=$?
job=""
((code == 5)) || { echo "the stopped run ended with $code, expected 5"; exit 1; }
"${train[@]}" --out stopped --resume auto

# Another number of ranks goes on from the same files, and a branch can start from any of them.
"$tutti" checkpoint verify stopped
step="$(ls -d stopped/checkpoints/step-* | head -1)"
"${train[@]:2}" --out branch --resume "$step"
code=0
"${train[@]:2}" --out stopped --resume "$step" 2>refused.txt || code=$?
((code == 2)) && grep -q "train into another --out" refused.txt || { echo "going back within a run ended with $code"; cat refused.txt; exit 1; }

python3 - <<'PYTHON'
import json, pathlib, sys
def last(run):
    return sorted(pathlib.Path(run, "checkpoints").glob("step-*"))[-1]
def results(run):
    keys = ("event", "step", "loss", "level_loss", "grad_norm", "hits_at_10", "pairs")
    return [{key: record[key] for key in keys if key in record}
            for record in map(json.loads, pathlib.Path(run, "log.jsonl").read_text().splitlines())
            if record["event"] in ("step", "validation")]  # slow ranks are as they are
stopped_at = [int(path.name[5:]) for path in pathlib.Path("stopped/checkpoints").glob("step-*")]
if sorted(stopped_at)[-1] != 600 or not 100 < min(stopped_at) < 600:
    sys.exit(f"checkpoints at {stopped_at}, expected one between 100 and 600 and one at 600")
# Every file of them, the manifest with all hashes too: two shards of model and optimizer, and what they share.
names = sorted(path.name for path in last("through").iterdir())
if len([name for name in names if name.endswith("of-00002.safetensors")]) != 4:
    sys.exit(f"files {names}, expected those of two ranks")
pairs = [(last("through") / name, last("stopped") / name) for name in names]
pairs.append((last("through/best") / "model.safetensors", last("stopped/best") / "model.safetensors"))
for one, other in pairs:
    if one.read_bytes() != other.read_bytes():
        sys.exit(f"{one} and {other} differ")
if results("through") != results("stopped"):
    sys.exit("the logs differ")
print("the same bytes")
PYTHON
