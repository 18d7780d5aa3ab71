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
refused 3 'playlists of a single title' "$tutti" train-biencoder --dataset data --base bert --steps 2 --out lonely
refused 2 'minilm' "$tutti" train-biencoder --dataset data --base nothere --out none
refused 2 '--overwrite' "$tutti" train-biencoder --dataset data --base bert --steps 0 --out zero

# Stopped by a signal, then killed, then gone on with: the same bytes as in one go.
fine=("$tutti" train-biencoder --dataset data --base bert --documents both --steps 150 --batch 12 --hard-negatives 1 --checkpoint-every 5)
newest() { readlink stopped.training/checkpoints/latest 2>/dev/null || true; }
begin_and_wait_past() { # CHECKPOINT [OPTION]: leaves the job running, with a newer checkpoint than that
  "${fine[@]}" --out stopped "${@:2}" >out.txt 2>&1 &
  local tries
  for tries in $(seq 600); do
    [[ "$(newest)" == "$1" ]] || return 0
    sleep 0.05
  done
  echo "FAILED: no checkpoint after $tries looks"; cat out.txt; exit 1
}
quietly "${fine[@]}" --out at_once
[[ ! -e at_once.training ]] || { echo 'FAILED: checkpoints are left behind'; exit 1; }
begin_and_wait_past ''
kill -USR1 $!
code=0; wait $! || code=$?
[[ "$code" == 5 && ! -e stopped ]] || { echo "FAILED: stopped with $code"; cat out.txt; exit 1; }
refused 2 '--resume goes on' "${fine[@]}" --out stopped
refused 2 '--learning-rate: found 0.001' "${fine[@]}" --out stopped --resume --learning-rate 1e-3
begin_and_wait_past "$(newest)" --resume
kill -KILL $!
code=0; wait $! 2>/dev/null || code=$?
[[ "$code" == 137 && ! -e stopped ]] || { echo "FAILED: killed, $code"; cat out.txt; exit 1; }
quietly "${fine[@]}" --out stopped --resume
for file in model tracks; do cmp at_once/$file.safetensors stopped/$file.safetensors; done
[[ ! -e stopped.training ]] || { echo 'FAILED: checkpoints are left behind'; exit 1; }
echo "ok: train-biencoder --resume"

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
    ratio = block.get("to_baseline")
    assert ratio is None or ratio["low"] <= ratio["ratio"] <= ratio["high"], ratio
    assert block["examples"], block["name"]
    for example in block["examples"]:
        assert [system["ranker"] for system in example["systems"]] == rows
        is_bare = re.fullmatch(r"[a-z]+ \d", example["prompt"]) is not None
        assert ("as requests" in block["name"]) != is_bare, example["prompt"]
PYTHON
quietly "$tutti" report scores.json --out page
# Whatever changes the figures is in the signature.
python3 - zero tuned <<'PYTHON'
import json, sys
signature = json.load(open("scores.json"))["signature"]
short = lambda folder: json.load(open(folder + "/manifest.json"))["hash"][:12]
for part in [f"bi-encoder {short(folder)}" for folder in sys.argv[1:]] + [f"embeddings {short('embeddings')}", "prompts both, requests "]:
    assert part in signature, (part, signature)
PYTHON
grep -qF 'Example prompts' page/report.html
quietly "${evaluate[@]}" --prompts bare --json bare.json
grep -qF '| prompts bare |' bare.json
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
