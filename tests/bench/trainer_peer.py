"""The peer of trainer_bench.py: transformers' T5 with fused AdamW on (title, ID) pairs, one JSON line a batch size.

Usage: trainer_peer.py PAIRS SHAPE PRECISION THREADS STEPS BATCH...   (PRECISION: fp32, autocast or bf16: weights, too)
"""
import contextlib
import json
import random
import sys
import time

import torch
import transformers

SHAPES = {
    "flan-t5-small": dict(d_model=512, d_kv=64, num_heads=6, d_ff=1024, num_layers=8, num_decoder_layers=8),
    "flan-t5-base": dict(d_model=768, d_kv=64, num_heads=12, d_ff=2048, num_layers=12, num_decoder_layers=12),
}
TEXT_ROWS = 32128


def read_pairs(path):
    pairs, id_tokens = [], 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if "id_tokens" in record:
                id_tokens = record["id_tokens"]
            else:
                pairs += [(record["title"], [TEXT_ROWS + token for token in tokens]) for tokens in record["ids"]]
    random.Random(1).shuffle(pairs)
    return pairs, id_tokens


def padded(rows, fill):
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [fill] * (longest - len(row)) for row in rows])


def main():
    path, shape, precision, threads, steps = sys.argv[1:6]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    pairs, id_tokens = read_pairs(path)
    config = transformers.T5Config(vocab_size=TEXT_ROWS + id_tokens, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
                                   dropout_rate=0.0, decoder_start_token_id=0, use_cache=False, **SHAPES[shape])
    model = transformers.T5ForConditionalGeneration(config).train()
    if precision == "bf16":
        model = model.to(torch.bfloat16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    warm_up = 3
    for batch in map(int, sys.argv[6:]):
        begin, seconds = 0, 0.0
        for step in range(warm_up + int(steps)):
            rows = [pairs[(begin + i) % len(pairs)] for i in range(batch)]
            begin += batch
            start = time.perf_counter()
            inputs, labels = padded([title for title, _ in rows], 0), padded([tokens for _, tokens in rows], -100)
            mask = padded([[1] * len(title) for title, _ in rows], 0)
            with torch.autocast("cpu", torch.bfloat16) if precision == "autocast" else contextlib.nullcontext():
                loss = model(input_ids=inputs, attention_mask=mask, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if step >= warm_up:
                seconds += time.perf_counter() - start
        print(json.dumps({"batch": batch, "pairs_per_s": batch * int(steps) / seconds, "loss": loss.item()}), flush=True)
    print(json.dumps({"versions": f"transformers {transformers.__version__}, torch {torch.__version__}"}))


if __name__ == "__main__":
    main()
