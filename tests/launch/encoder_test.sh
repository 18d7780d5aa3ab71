#!/usr/bin/env bash
# encoder_test.sh TUTTI: a BERT folder reads the titles under a new decoder, frozen and trained: train, resume, recommend,
# evaluate; what does not go with it is refused. Python writes the folder and looks at what came out.
set -euo pipefail
# shellcheck source=tests/support/program_test.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/program_test.sh" "$1"

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
  for file in "$part"/checkpoints/*4/model*.safetensors; do cmp "$file" "${file/$part/$part-resumed}"; done
  run="$part-resumed"
  quietly "$tutti" recommend --run "$run" --ids ids --dataset data "piano 1"
  quietly "$tutti" export --run "$run" --ids ids --dataset data --out "$part-served"
  quietly "$tutti" evaluate --run "$run" --ids ids --dataset data --max-queries 5
  python3 - "$part" <<'PYTHON'
import glob, json, sys
from safetensors_file import tensors

part = sys.argv[1]

base = tensors("bert/model.safetensors")
model = {name: value for path in glob.glob(part + "-resumed/checkpoints/*4/model*.safetensors") for name, value in tensors(path).items()}
report = json.load(open(part + "/base.json"))
assert set(report["loaded"]) == {name for name in base if not name.startswith("pooler")}, report
assert {i["tensor"] for i in report["ignored"]} == {name for name in base if name.startswith("pooler")}, report
assert set(report["added"]) == {name for name in model if not name.startswith("bert.")}, report
served = tensors(part + "-served/model.safetensors")
assert {name for name in served if name.startswith("encoder.")} == {"encoder." + name for name in model if name.startswith("bert.")}
assert all(served["encoder." + name] == value for name, value in model.items() if name.startswith("bert."))
assert all(value == model[name] for name, value in served.items() if name.startswith("decoder."))
same = {name for name in report["loaded"] if model["bert." + name] == base[name]}
assert (same == set(report["loaded"])) == (part == "decoder"), same
PYTHON
  echo "ok: --encoder --train $part"
done

# Adapters on the encoder: it stays, they and the decoder train.
quietly "${train[@]}" --encoder bert --lora-rank 2 --lora-targets query,value --out lora --steps 2 --checkpoint-every 2
quietly "${train[@]}" --encoder bert --lora-rank 2 --lora-targets query,value --out lora --steps 4 --resume
quietly "$tutti" recommend --run lora --ids ids --dataset data "piano 1"
quietly "$tutti" export --run lora --ids ids --dataset data --out lora-served
python3 - <<'PYTHON'
import glob
from safetensors_file import tensors

base, out = tensors("bert/model.safetensors"), tensors("lora-served/model.safetensors")
checkpoint = glob.glob("lora/checkpoints/*4")[0]
trained, frozen = tensors(checkpoint + "/model.safetensors"), tensors(checkpoint + "/model-frozen.safetensors")
encoder = {name for name in base if not name.startswith("pooler")}
assert set(frozen) == {"bert." + name for name in encoder} and all(frozen["bert." + name] == base[name] for name in encoder)
changed = {name for name in encoder if out["encoder.bert." + name] != base[name]}
assert changed == {name for name in encoder if name.endswith(("query.weight", "value.weight"))}, changed
assert sum("lora_" in name for name in trained) == 2 * len(changed) and "shared.weight" in trained
PYTHON
echo "ok: adapters on the encoder"

# What is frozen is on the disk once, and each checkpoint is whole by itself.
frozen=model-frozen.safetensors
[[ ! -e all/$frozen && decoder/$frozen -ef "$(echo decoder/checkpoints/*2/$frozen)" && decoder/$frozen -ef "$(echo decoder/checkpoints/*4/$frozen)" ]] ||
  { echo "FAILED: the frozen encoder is not linked"; ls -li decoder decoder/checkpoints/*; exit 1; }
cp -r decoder/checkpoints/*4 alone  # no link any more
quietly "$tutti" recommend --run alone --ids ids --dataset data "piano 1"
cp decoder/$frozen other
printf '\1' | dd of=alone/$frozen bs=1 seek=4000 conv=notrunc status=none
refused 3 "$frozen" "$tutti" recommend --run alone --ids ids --dataset data "piano 1"
cmp other decoder/$frozen
echo "ok: what is frozen is written once"

# Titles are read once, for all runs that share a folder; what was damaged or made from another encoder is made again.
options=(--train decoder --schedule constant --checkpoint-every 2 --steps 4)
shared=("${options[@]}" --title-states states)
quietly "${train[@]}" "${shared[@]}" --encoder bert --out first
grep -q 'distinct titles.* read$' out.txt || { echo "FAILED: not read"; cat out.txt; exit 1; }
quietly "${train[@]}" "${shared[@]}" --encoder bert --out second
grep -q 'distinct titles.* found$' out.txt || { echo "FAILED: not found"; cat out.txt; exit 1; }
printf '\1' | dd of="$(echo states/*/states.safetensors)" bs=1 seek=4000 conv=notrunc status=none
quietly "${train[@]}" "${shared[@]}" --encoder bert --out third
grep -q 'titles are read again' out.txt || { echo "FAILED: damage was not seen"; cat out.txt; exit 1; }
python3 "$support/small_bert.py" other_bert 2
quietly "${train[@]}" "${shared[@]}" --encoder other_bert --out fourth
[[ "$(ls states | wc -l)" == 2 ]] || { echo "FAILED: two encoders, one cache"; ls states; exit 1; }
quietly "${train[@]}" "${options[@]}" --encoder bert --title-states none --out fifth
[[ ! -e fifth/title-states && -e decoder/title-states ]] || { echo "FAILED: where titles are kept"; exit 1; }
for run in second third decoder; do cmp first/checkpoints/*4/model.safetensors $run/checkpoints/*4/model.safetensors; done
echo "ok: titles are read once"

# The decoder first, then all: as one run, and stopped in either half.
options=(--encoder bert --train decoder --schedule constant --checkpoint-every 3 --thaw-at 4)
quietly "${train[@]}" "${options[@]}" --out thawed --steps 6
grep -q 'all parameters train from step 5 on' out.txt || { echo "FAILED: no thaw"; cat out.txt; exit 1; }
for steps in 3 4 5; do
  quietly "${train[@]}" "${options[@]}" --out thawed-$steps --steps $steps
  quietly "${train[@]}" "${options[@]}" --out thawed-$steps --steps 6 --resume
  cmp thawed/checkpoints/*6/model.safetensors thawed-$steps/checkpoints/*6/model.safetensors
  cmp thawed/checkpoints/*6/optimizer.safetensors thawed-$steps/checkpoints/*6/optimizer.safetensors
done
[[ ! -e "$(echo thawed/checkpoints/*6)/$frozen" ]] || { echo "FAILED: a thawed encoder is frozen"; exit 1; }
quietly "$tutti" recommend --run thawed --ids ids --dataset data "piano 1"
refused 2 '--thaw-at' "${train[@]}" "${options[@]/#4/5}" --steps 8 --out thawed --resume
refused 2 '--rate' "${train[@]}" "${options[@]}" --out thawed --steps 8 --resume --rate encoder=0.2
echo "ok: --thaw-at"

# Rates by part: kept with the run, what is not said is a tenth for the encoder and its words.
rates() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["train"]["rate"])' "$1"/checkpoints/*"$2"/state.json; }
quietly "${train[@]}" --encoder bert --out rated --steps 2 --rate id-rows=0,encoder=0
[[ "$(rates thawed 6) $(rates rated 2)" == "encoder=0.1,text-rows=0.1 encoder=0,id-rows=0,text-rows=0.1" ]] || { echo "FAILED: $(rates thawed 6) $(rates rated 2)"; exit 1; }
quietly "${train[@]}" --encoder bert --out rated --steps 4 --resume
python3 - <<'PYTHON'
import glob
from safetensors_file import tensors

before, after = (tensors(glob.glob(f"rated/checkpoints/*{step}/model.safetensors")[0]) for step in (2, 4))
words = "bert.embeddings.word_embeddings.weight"
stayed = {name for name in before if before[name] == after[name]}
expected = {name for name in before if name in ("id_embedding.weight", "lm_head.id.weight") or (name.startswith("bert.") and name != words)}
assert stayed == expected, stayed ^ expected
PYTHON
echo "ok: --rate"

quietly "${train[@]}" --encoder bert --out from-text --steps 2 --start-ids text

out=(--out out)
refused 2 'none beside --encoder' "${train[@]}" "${out[@]}" --encoder bert --base other
refused 2 '--vocabulary' "${train[@]}" "${out[@]}" --encoder bert --vocabulary v
refused 2 '--num-layers' "${train[@]}" "${out[@]}" --encoder bert --num-layers 3
refused 2 'all or decoder' "${train[@]}" "${out[@]}" --encoder bert --train id-rows
refused 2 'level, trie or ids' "${train[@]}" "${out[@]}" --encoder bert --softmax full
refused 2 '0 or more' "${train[@]}" "${out[@]}" --encoder bert --rate encoder=-1
refused 2 'PART=FACTOR' "${train[@]}" "${out[@]}" --encoder bert --rate bert=1
refused 2 'behind the =' "${train[@]}" "${out[@]}" --encoder bert --rate encoder
refused 2 'behind the =' "${train[@]}" "${out[@]}" --encoder bert --rate encoder=0.1x,id-rows=3
refused 2 'each part once' "${train[@]}" "${out[@]}" --encoder bert --rate encoder=0.1,encoder=0.2
refused 2 'PART=FACTOR' "${train[@]}" "${out[@]}" --encoder bert --rate encoder=0.1,
refused 2 'freezes encoder' "${train[@]}" "${out[@]}" --encoder bert --train decoder --rate encoder=0.2
refused 2 'there is no adapters' "${train[@]}" "${out[@]}" --encoder bert --rate adapters=2
refused 2 '--thaw-at' "${train[@]}" "${out[@]}" --encoder bert --thaw-at 2
refused 2 '--start-ids' "${train[@]}" "${out[@]}" --start-ids text
refused 2 'pip install --no-deps' env -u VIRTUAL_ENV -u TUTTI_CONFORMANCE_PYTHON TUTTI_CACHE="$work" "${train[@]}" "${out[@]}" --base minilm
refused 2 'minilm' "${train[@]}" "${out[@]}" --encoder nothere
[[ ! -e out ]] || { echo "FAILED: a refused run left its folder"; exit 1; }
