#!/usr/bin/env bash
# not_finite_test.sh TUTTI RUN_MPI: a run of two ranks whose weights overflow ends with exit code 6 and a whole checkpoint of the last good
# step; told to skip such steps, it makes no update in them, counts them and ends in the same way at its limit.
set -euo pipefail
tutti="$1" run_mpi="$2"
# shellcheck source=tests/support/tiny_run.sh
source "$(cd "$(dirname "${BASH_SOURCE[0]}")/../support" && pwd)/tiny_run.sh"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
tiny_data "$tutti"

# A rate at which the first update carries the weights out of fp32's range of squares.
explode=("$run_mpi" 2 "$tutti" "${tiny_train[@]}" --steps 50 --learning-rate 1e30 --warmup-steps 0 --clip-norm 0 --checkpoint-every 1000)

code=0
"${explode[@]}" --out stopped 2>stopped.txt || code=$?
((code == 6)) || { cat stopped.txt; fail "the run ended with $code, expected 6"; }
grep -q 'expected finite numbers' stopped.txt || { cat stopped.txt; fail "the message does not say what was not finite"; }
"$tutti" checkpoint verify stopped

code=0
"${explode[@]}" --out skipping --non-finite skip --non-finite-limit 3 2>skipping.txt || code=$?
((code == 6)) || { cat skipping.txt; fail "the run that skips ended with $code, expected 6"; }
"$tutti" checkpoint verify skipping

python3 - <<'PYTHON'
import json, pathlib
for run, skipped in (("stopped", 0), ("skipping", 3)):
    exit_record = json.loads(pathlib.Path(run, "exit.json").read_text())
    assert exit_record["code"] == 6, exit_record
    steps = [r for r in map(json.loads, pathlib.Path(run, "log.jsonl").read_text().splitlines()) if r["event"] == "step"]
    assert [r["skipped"] for r in steps[-skipped:]] == [True] * skipped if skipped else not any(r["skipped"] for r in steps), steps
    state = json.loads(next(pathlib.Path(run, "checkpoints").rglob("state.json")).read_text())["progress"]
    assert state["step"] == len(steps) and state["skipped"] == skipped, (state, len(steps))
PYTHON
