#!/usr/bin/env bash
# base_test.sh TUTTI: a run exported for Hugging Face is the base of others, under every softmax and freezing; all of them
# train, resume, recommend, evaluate and export. Python only looks at the JSON.
set -euo pipefail
# shellcheck source=tests/support/program_test.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/program_test.sh" "$1"

python3 "$support/small_playlists.py" 300 >playlists.csv
quietly "$tutti" import csv playlists.csv --out data
quietly "$tutti" embed cf --dataset data --out embeddings --dim 64 --epochs 2
quietly "$tutti" ids build --embeddings embeddings --dataset data --out ids --levels 2 --num-codes 4
train=("$tutti" train --dataset data --ids ids --titles-per-step 4)
quietly "${train[@]}" --out new --steps 2 --softmax full --d-model 16 --d-kv 4 --num-heads 2 --d-ff 16 --num-layers 1 \
  --num-decoder-layers 1 --vocabulary-size 300
quietly "$tutti" export --run new --ids ids --dataset data --out base

for kind in "level all 0" "trie decoder 0.1" "ids id-rows 0" "full all 0.2"; do
  read -r softmax part dropout <<<"$kind"
  run="run-$softmax"
  options=(--out "$run" --base base --softmax "$softmax" --train "$part" --dropout "$dropout" --checkpoint-every 2)
  quietly "${train[@]}" "${options[@]}" --steps 2
  quietly "${train[@]}" "${options[@]}" --steps 4 --resume
  quietly "$tutti" recommend --run "$run" --ids ids --dataset data "piano 1"
  quietly "$tutti" evaluate --run "$run" --ids ids --dataset data --max-queries 5 --json "$run.json"
  quietly "$tutti" export --run "$run" --ids ids --dataset data --out "$run-served"
  python3 - "$run" "$softmax" "$part" <<'PYTHON'
import glob, json, math, sys
from safetensors_file import tensors

run, softmax, part = sys.argv[1:]

state = json.load(open(glob.glob(run + "/checkpoints/*4/state.json")[0]))
assert state["softmax"] == softmax, state
report = json.load(open(run + "/base.json"))
base, model = tensors("base/model.safetensors"), {}
for path in glob.glob(run + "/checkpoints/*4/model*.safetensors"):
    model.update(tensors(path))
assert report["added"] == ["id_embedding.weight", "lm_head.id.weight"], report
assert ("lm_head.weight" in report["loaded"]) == (softmax == "full"), report
assert set(report["loaded"]) | {i["tensor"] for i in report["ignored"]} == set(base)
changed = {name for name in base if name in model and model[name] != base[name]}
assert changed == {name for name in base if name in model and (part == "all" or (part == "decoder" and "decoder." in name))}, changed
nats = json.load(open(run + ".json"))["trie_nats"]["seen titles"]["nats_a_track"]
assert 0 < nats < 2 * math.log(60), nats
assert json.load(open(run + "-served/config.json"))["tutti"]["softmax"] == softmax
PYTHON
  echo "ok: --softmax $softmax --train $part --dropout $dropout"
done

# A frozen encoder reads its titles once, for all runs over it; one that is trained reads them as it goes.
frozen=(--base base --train decoder --steps 2 --title-states states)
quietly "${train[@]}" "${frozen[@]}" --out frozen
grep -q 'distinct titles.* read$' out.txt || { echo "FAILED: not read"; cat out.txt; exit 1; }
quietly "${train[@]}" "${frozen[@]}" --out frozen-again --softmax trie
grep -q 'distinct titles.* found$' out.txt || { echo "FAILED: not found"; cat out.txt; exit 1; }
[[ -e run-ids/title-states && ! -e run-level/title-states ]] || { echo "FAILED: where titles are kept"; exit 1; }
echo "ok: titles of a frozen encoder"
# A run that is older than an option did what the option says by default.
quietly "${train[@]}" --out older --base base --text-rows dense --steps 2
python3 "$support/older_run.py" older/checkpoints/*2 prompt text-rows dropout thaw-at request-share rate lora-rank lora-alpha lora-targets
refused 2 '--dropout' "${train[@]}" --out older --base base --dropout 0.1 --steps 4 --resume
quietly "${train[@]}" --out older --base base --steps 4 --resume

# Adapters on T5: only they and ID rows change, and they are in the export.
lora=(--out lora --base base --lora-rank 2 --lora-targets q,wi_1 --checkpoint-every 2)
quietly "${train[@]}" "${lora[@]}" --steps 2
quietly "${train[@]}" "${lora[@]}" --steps 4 --resume
quietly "$tutti" recommend --run lora --ids ids --dataset data "piano 1"
quietly "$tutti" export --run lora --ids ids --dataset data --out lora-served
python3 - <<'PYTHON'
import glob
from safetensors_file import tensors

base, out = tensors("base/model.safetensors"), tensors("lora-served/model.safetensors")
trained = tensors(glob.glob("lora/checkpoints/*4/model.safetensors")[0])
changed = {name for name in base if out[name] != base[name] and name not in ("shared.weight", "lm_head.weight")}
assert changed == {name for name in base if name.endswith((".q.weight", ".wi_1.weight"))}, changed
assert set(trained) == {"id_embedding.weight", "lm_head.id.weight"} | {
    name.replace(".weight", f".lora_{half}.weight") for name in changed for half in "AB"}, set(trained)
PYTHON
echo "ok: adapters on T5"
refused 2 'q, k, v, o, wi_0, wi_1, wo' "${train[@]}" --out out --base base --lora-rank 2 --lora-targets q_proj

# --text-rows auto: dense in a new model, sparse over a base; a run that goes on keeps its own, whatever else is left out.
text_rows() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["train"]["text-rows"])' "$1"/checkpoints/step-*"$2"/state.json; }
quietly "${train[@]}" --out run-level --softmax level --steps 6 --resume
quietly "${train[@]}" --out new --softmax full --steps 4 --resume
for expected in "new 4 dense" "run-level 4 sparse" "run-level 6 sparse"; do
  read -r run step rows <<<"$expected"
  [[ "$(text_rows "$run" "$step")" == "$rows" ]] || { echo "$run, step $step: text rows $(text_rows "$run" "$step"), expected $rows"; exit 1; }
done
# A vocabulary that the model has no rows for, and a width that its tensors do not have.
cp -r base wide
sed -i 's/"vocab_size": [0-9]*/"vocab_size": 299/' wide/config.json
refused 3 'shared.weight' "${train[@]}" --base wide --out refused
sed 's/"d_model": 16/"d_model": 32/' base/config.json >wide/config.json
refused 3 'shared.weight' "${train[@]}" --base wide --out refused
python3 - <<'PYTHON'
import json, struct

# The first 64 rows of the vocabulary, in config and tensors.
with open("base/model.safetensors", "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    content = file.read()
data, out = b"", {}
for name, entry in header.items():
    if name == "__metadata__":
        continue
    own = content[slice(*entry["data_offsets"])]
    if name in ("shared.weight", "lm_head.weight"):
        entry["shape"][0] = 64
        own = own[:64 * entry["shape"][1] * 4]
    out[name] = {**entry, "data_offsets": [len(data), len(data) + len(own)]}
    data += own
text = json.dumps(out).encode()
open("wide/model.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)
config = json.load(open("base/config.json"))
config["vocab_size"] = 64
json.dump(config, open("wide/config.json", "w"))
PYTHON
refused 3 "at most the model's 64 rows" "${train[@]}" --base wide --out refused
[[ ! -e refused ]] || { echo "FAILED: a refused run left its folder"; exit 1; }
echo "ok: what does not fit"

code=0
"${train[@]}" --out new --softmax full --steps 6 --text-rows sparse --resume >out.txt 2>&1 || code=$?
((code == 2)) && grep -q -- --text-rows out.txt || { echo "other text rows were taken, code $code"; cat out.txt; exit 1; }
echo "ok: --text-rows auto"
