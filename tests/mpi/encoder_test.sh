#!/usr/bin/env bash
# encoder_test.sh TUTTI RUN_MPI: a frozen BERT on two ranks, plain, with --zero and in bf16: each rank reads its half of the titles,
# a run that stops and goes on ends with the bytes of one that went through, and what the titles became is that of one rank.
set -euo pipefail
tutti="$1" run_mpi="$2"
support="$(cd "$(dirname "${BASH_SOURCE[0]}")/../support" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
# shellcheck source=tests/support/tiny_run.sh
source "$support/tiny_run.sh"
tiny_data "$tutti"
python3 "$support/small_bert.py" bert

quietly() {
  "$@" >out.txt 2>&1 </dev/null || { cat out.txt && fail "$@"; }
}
words=("$tutti" train --dataset data --ids ids --titles-per-step 6 --d-model 16 --d-kv 8 --num-heads 2 --d-ff 16 --num-decoder-layers 1
  --encoder bert --schedule constant --checkpoint-every 5)

for form in plain zero bf16; do
  options=(--train decoder)
  if [[ $form == zero ]]; then options+=(--zero); fi
  if [[ $form == bf16 ]]; then options+=(--precision bf16); fi
  quietly "$run_mpi" 2 "${words[@]}" "${options[@]}" --out $form --steps 10
  quietly "$run_mpi" 2 "${words[@]}" "${options[@]}" --out $form-twice --steps 5
  quietly "$run_mpi" 2 "${words[@]}" "${options[@]}" --out $form-twice --steps 10 --resume
  grep -q 'distinct titles.* found$' out.txt || fail "$form: the second half read the titles again"
  for file in $form/checkpoints/*10/{model,optimizer}*.safetensors; do cmp "$file" "${file/$form/$form-twice}"; done
  quietly "${words[@]}" "${options[@]}" --out $form-alone --steps 10
  echo "ok: two ranks, $form"
done
quietly "$run_mpi" 2 "${words[@]}" --train decoder --zero --out thawed --steps 8 --thaw-at 5
grep -q 'all parameters train from step 6 on' out.txt || fail "no thaw on two ranks"

python3 - <<'PYTHON'
import glob, json, struct

def tensors(pattern):
    found = {}
    for path in glob.glob(pattern):
        with open(path, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            content = file.read()
        header.pop("__metadata__", None)
        found.update({name: content[slice(*entry["data_offsets"])] for name, entry in header.items()})
    return found

def losses(run):
    return [r["loss"] for r in map(json.loads, open(run + "/log.jsonl")) if r["event"] == "step"]

for form in ("plain", "zero", "bf16"):
    two, one = tensors(form + "/title-states/*/states-*.safetensors"), tensors(form + "-alone/title-states/*/states.safetensors")
    assert len(glob.glob(form + "/title-states/*/states-*.safetensors")) == 2
    assert two and two == one, form + ": what titles became depends on the number of ranks"
    for a, b in zip(losses(form), losses(form + "-alone")):
        assert abs(a - b) <= (2e-2 if form == "bf16" else 1e-4) * abs(b), (form, a, b)
assert len(set(map(str, map(glob.glob, ["plain/title-states/*", "bf16/title-states/*"])))) == 2
print("ok: the same states on one rank and on two")
PYTHON
