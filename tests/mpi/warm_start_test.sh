#!/usr/bin/env bash
# warm_start_test.sh TUTTI: a trained model goes on under the IDs of a catalogue that changed, on one rank and two; what is refused.
set -euo pipefail
tutti="$1"
run_mpi="$(cd "$(dirname "$0")" && pwd)/run_mpi.sh"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
fail() { echo "FAILED: $*"; failed=1; }

# The newer playlists hold more tracks on the same themes.
python3 - <<'PYTHON'
import random
def write(name, tracks, playlists):
    random.seed(3)
    with open(name, "w") as file:
        print("playlist_id,title,track_id,artist,album", file=file)
        for p in range(playlists):
            theme = random.randrange(12)
            for t in sorted({theme * 50 + random.randrange(50) for _ in range(9)}):
                if t < tracks:
                    print(f"p{p},theme {theme} mix {p % 5},track-{t:04},artist {t // 10},album {t // 5}", file=file)
write("old.csv", 540, 700)
write("new.csv", 600, 800)
PYTHON
"$tutti" import csv old.csv --out data --min-tracks 1 >/dev/null
"$tutti" import csv new.csv --out data-new --min-tracks 1 >/dev/null
"$tutti" import csv new.csv --out data-other-split --min-tracks 1 --seed 9 >/dev/null
"$tutti" embed cf --dataset data --dim 16 --epochs 4 --out embeddings >/dev/null
"$tutti" embed fold-in --embeddings embeddings --old-dataset data --dataset data-new --out folded >/dev/null
"$tutti" ids build --embeddings embeddings --dataset data --out ids --levels 2 --num-codes 12,8 >/dev/null
"$tutti" ids rebuild --from ids --old-dataset data --dataset data-new --embeddings folded --out ids-new >/dev/null
"$tutti" ids rebuild --from ids-new --old-dataset data-new --dataset data --embeddings embeddings --out ids-third >/dev/null
small=(--d-model 32 --d-kv 16 --num-heads 2 --d-ff 48 --num-layers 1 --num-decoder-layers 1 --vocabulary-size 300 --validate-every 0)
"$tutti" train --dataset data --ids ids --out run --steps 40 "${small[@]}" >/dev/null 2>&1

go_on() { "$tutti" train --warm-start run --dataset data-new --ids ids-new --validate-every 0 "$@"; }
go_on --out warm --steps 6 >warm.txt 2>&1 || { fail 'a warm start'; cat warm.txt; }
grep -q 'step 40 goes on under the new IDs' warm.txt || { fail 'the log does not say where it came from'; cat warm.txt; }
python3 - <<'PYTHON' || failed=1
import glob, json
def records(run):
    return [json.loads(line) for line in open(f"{run}/log.jsonl")]
def losses(run):
    return [r["loss"] for r in records(run) if "loss" in r]
cold, warm = losses("run"), losses("warm")
assert warm[0] < (cold[0] + cold[-1]) / 2, (cold[0], cold[-1], warm[0])  # it knows already
before = json.load(open("run/checkpoints/step-000000040/manifest.json"))["hash"]
for manifest in glob.glob("warm/checkpoints/step-*/manifest.json"):
    assert json.load(open(manifest))["made_from"]["warm-start"] == before, manifest
PYTHON

# Where it came from survives a stop; two ranks come to the same.
go_on --out stopped --steps 3 --schedule constant >/dev/null 2>&1
go_on --out stopped --steps 6 --schedule constant --resume >/dev/null 2>&1 || fail 'a warm-started run does not resume'
go_on --out whole --steps 6 --schedule constant >/dev/null 2>&1
diff -r stopped/checkpoints/step-000000006 whole/checkpoints/step-000000006 || fail 'stopped and resumed, it is another run'
"$run_mpi" 2 "$tutti" train --warm-start run --dataset data-new --ids ids-new --validate-every 0 --out two --steps 6 --schedule constant >/dev/null 2>&1 || fail 'two ranks'
python3 - <<'PYTHON' || failed=1
import json
def losses(run):
    return [r["loss"] for r in map(json.loads, open(f"{run}/log.jsonl")) if "loss" in r]
one, two = losses("whole"), losses("two")
assert len(one) == len(two) and all(abs(a - b) < 1e-4 * a for a, b in zip(one, two)), (one, two)
PYTHON
"$tutti" evaluate --run warm --ids ids-new --dataset data-new --max-queries 20 >/dev/null 2>&1 || fail 'the model is not evaluated under the new IDs'

refused() { # CODE TEXT COMMAND...
  local code="$1" text="$2" found=0
  shift 2
  "$@" >/dev/null 2>error.txt || found=$?
  ((found == code)) || fail "exit code $found, expected $code: $*"
  grep -qF -- "$text" error.txt || { fail "the error does not say '$text'"; cat error.txt; }
  [[ ! -e out ]] || fail "left behind: $*"
}
refused 3 'go on with --resume' "$tutti" train --warm-start run --dataset data --ids ids --out out --steps 3
refused 3 'follows from' "$tutti" train --warm-start run --dataset data --ids ids-third --out out --steps 3
refused 3 'made from' "$tutti" train --resume run --dataset data-new --ids ids-new --out out --steps 3
refused 2 '--d-model' go_on --out out --steps 3 --d-model 64
refused 2 '--base' go_on --out out --steps 3 --base minilm
refused 2 '--softmax' go_on --out out --steps 3 --softmax full
refused 3 'held-out playlists that data trains on' \
  "$tutti" embed fold-in --embeddings embeddings --old-dataset data --dataset data-other-split --out out
exit "$failed"
