#!/usr/bin/env bash
# evaluate_test.sh TUTTI: requests in training, resume and evaluation; a bi-encoder beside the model; examples in the report; and
# vectors of which nobody said what they know are refused, through the IDs made of them too.
set -euo pipefail
# shellcheck source=tests/support/program_test.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/program_test.sh" "$1"

python3 "$support/small_playlists.py" 400 >playlists.csv
python3 "$support/small_playlists.py" 300 >other.csv
python3 "$support/small_bert.py" bert
quietly "$tutti" import csv playlists.csv --out data
quietly "$tutti" import csv other.csv --out other
quietly "$tutti" embed cf --dataset data --out embeddings --dim 64 --epochs 2
quietly "$tutti" ids build --embeddings embeddings --dataset data --out ids --levels 2 --num-codes 4

# A run whose titles are requests now and then goes on with the same ones, and no others.
printf '[training]\nwould you mind some {}\n[evaluation]\n{} if you have it\n' >requests.txt
train=("$tutti" train --dataset data --titles-per-step 4 --d-model 16 --d-kv 4 --num-heads 2 --d-ff 16
  --num-layers 1 --num-decoder-layers 1 --schedule constant)
half=(--request-share 0.5)
quietly "${train[@]}" --ids ids "${half[@]}" --requests requests.txt --steps 6 --checkpoint-every 3 --out whole
quietly "${train[@]}" --ids ids "${half[@]}" --requests requests.txt --steps 3 --out run
refused 2 'templates' "${train[@]}" --ids ids "${half[@]}" --steps 6 --out run --resume
refused 2 '--request-share: found 0.25' "${train[@]}" --ids ids --requests requests.txt --request-share 0.25 --steps 6 --out run --resume
quietly "${train[@]}" --ids ids "${half[@]}" --requests requests.txt --steps 6 --out run --resume
cmp whole/checkpoints/*6/model.safetensors run/checkpoints/*6/model.safetensors
refused 2 '--request-share: found 1.5' "${train[@]}" --ids ids --request-share 1.5 --steps 6 --out none
refused 2 'none where --request-share is 0' "${train[@]}" --ids ids --request-share 0 --requests requests.txt --steps 6 --out none
echo "ok: requests and --resume"

# Bi-encoders.
quietly "$tutti" train-biencoder --dataset data --base bert --steps 0 --out zero
quietly "$tutti" train-biencoder --dataset data --base bert --steps 3 --batch 12 --hard-negatives 1 --documents both --request-share 0.5 --out tuned
quietly "$tutti" train-biencoder --dataset other --base bert --steps 0 --out of_other
quietly "$tutti" inspect tuned --verify
refused 2 '--batch' "$tutti" train-biencoder --dataset data --base bert --batch 1 --out none
refused 2 '--documents' "$tutti" train-biencoder --dataset data --base bert --documents lyrics --out none
refused 2 'minilm' "$tutti" train-biencoder --dataset data --base nothere --out none
refused 2 '--overwrite' "$tutti" train-biencoder --dataset data --base bert --steps 0 --out zero

evaluate=("$tutti" evaluate --run run --ids ids --dataset data --max-queries 8 --beam 10)
quietly "${evaluate[@]}" --requests requests.txt --bi-encoder zero --bi-encoder tuned --embeddings embeddings --json scores.json --dump-run trec
python3 - <<'PYTHON'
import json, re
scores = json.load(open("scores.json"))
names = [block["name"] for block in scores["blocks"]]
assert [name + " as requests" for name in names[:3]] == names[3:], names
for block in scores["blocks"]:
    if block["queries"] == 0:
        continue
    rows = [row["ranker"] for row in block["rows"]]
    assert any(row.startswith("bi-encoder zero-shot") for row in rows), rows
    assert any(row.startswith("bi-encoder fine-tuned") for row in rows), rows
    assert rows[-1] == "generative", rows
    assert block["examples"], block["name"]
    for example in block["examples"]:
        assert [system["ranker"] for system in example["systems"]] == rows
        is_bare = re.fullmatch(r"[a-z]+ \d", example["prompt"]) is not None
        assert ("as requests" in block["name"]) != is_bare, example["prompt"]
PYTHON
quietly "$tutti" report scores.json --out page
grep -qF 'Example prompts' page/report.html
quietly "${evaluate[@]}" --prompts bare --json bare.json
[[ "$(grep -c 'as requests' bare.json)" == 0 ]] || { echo 'FAILED: --prompts bare asks in requests'; exit 1; }
printf '[evaluation]\nWould you mind some {}?\n' >overlap.txt
refused 3 'was not trained with' "${evaluate[@]}" --requests overlap.txt
refused 2 'none with --prompts bare' "${evaluate[@]}" --prompts bare --requests requests.txt
refused 2 '--prompts' "${evaluate[@]}" --prompts sung
refused 3 'made from dataset' "${evaluate[@]}" --bi-encoder of_other
refused 3 'tutti train-biencoder' "${evaluate[@]}" --bi-encoder ids
echo "ok: evaluate beside bi-encoders, in requests"

# Imported vectors.
python3 - <<'PYTHON'
import csv, struct
keys = sorted({row["track_id"] for row in csv.DictReader(open("playlists.csv"))})
values = b"".join(struct.pack("<3f", float(i), i % 7 - 3.0, 0.5) for i in range(len(keys)))
header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(keys)}, 3), }}".ljust(117).encode() + b"\n"
open("vectors.npy", "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + values)
open("keys.txt", "w").write("\n".join(keys) + "\n")
PYTHON
import=("$tutti" embed import vectors.npy --key-file keys.txt --dataset data)
refused 2 '--held-out' "${import[@]}" --held-out maybe --out none
for said in unknown unseen; do
  quietly "${import[@]}" --held-out "$said" --out "$said"
  quietly "$tutti" ids build --embeddings "$said" --dataset data --out "$said-ids" --levels 2 --num-codes 4
done
refused 3 'tutti embed import --held-out unseen' "${evaluate[@]}" --embeddings unknown
quietly "${evaluate[@]}" --embeddings unseen
grep -qF 'declared not to know' out.txt
quietly "${evaluate[@]}" --embeddings unknown --allow-unknown --json unknown.json
grep -qF 'NOT CHECKED' unknown.json
quietly "${train[@]}" --ids unknown-ids --steps 1 --out unknown-run
refused 3 'tutti embed import --held-out unseen' "$tutti" evaluate --run unknown-run --ids unknown-ids --dataset data --max-queries 2
[[ ! -e none ]] || { echo "FAILED: a refused command left its folder"; exit 1; }
