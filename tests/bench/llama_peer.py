"""The peer of llama_bench.py: transformers' decoder-only model from the same GGUF file with fused AdamW on (title, ID) pairs, one JSON
line a batch size. At its best: sdpa, prompts padded on the left, so that IDs are the ends of all rows, and logits there alone.

Usage: llama_peer.py PAIRS PRECISION THREADS LORA_RANK STEPS BATCH...   (PRECISION: fp32, autocast or bf16: weights, too)
"""
import contextlib
import json
import random
import sys
import time

import torch
import transformers
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint


def read_pairs(path):
    """Pairs (prompt tokens, ID tokens behind the text rows), and what the last lines say."""
    titles, facts = [], {}
    with open(path, encoding="utf-8") as file:
        for record in map(json.loads, file):
            if "title" in record:
                titles.append(record)
            else:
                facts.update(record)
    pairs = [(record["title"], tokens) for record in titles for tokens in record["ids"]]
    random.Random(1).shuffle(pairs)
    return pairs, facts


def load(path, id_tokens):
    """The base with random rows for ID tokens in its tied vocabulary."""
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**load_gguf_checkpoint(path)["config"],
                                                                   attn_implementation="sdpa", use_cache=False))
    tensors = load_gguf_checkpoint(path, return_tensors=True, model_to_load=model)["tensors"]
    missing, unexpected = model.load_state_dict({name: torch.as_tensor(v) for name, v in tensors.items()}, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    text_rows = model.config.vocab_size
    old = model.model.embed_tokens.weight.detach()
    new = torch.cat([old, old.std() * torch.randn(id_tokens, old.shape[1])])
    model.model.embed_tokens.weight = model.lm_head.weight = torch.nn.Parameter(new)
    model.config.vocab_size = model.vocab_size = len(new)
    return model.train(), text_rows


def batch_of(rows, text_rows):
    """input_ids, attention_mask [B, longest prompt + longest ID], labels [B, longest ID]."""
    prompt, end = max(len(title) for title, _ in rows), max(len(tokens) for _, tokens in rows)
    ids, mask, labels = [], [], []
    for title, tokens in rows:
        before, behind = prompt - len(title), end - len(tokens)
        tokens = [text_rows + token for token in tokens]
        ids.append([0] * before + title + tokens + [0] * behind)
        mask.append([0] * before + [1] * (len(title) + len(tokens)) + [0] * behind)
        labels.append(tokens + [-100] * behind)
    return torch.tensor(ids), torch.tensor(mask), torch.tensor(labels)


def main():
    path, precision, threads, lora_rank, steps = sys.argv[1:6]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    pairs, facts = read_pairs(path)
    model, text_rows = load(facts["base"], facts["id_tokens"])
    if int(lora_rank) > 0:
        import peft
        model = peft.get_peft_model(model, peft.LoraConfig(r=int(lora_rank), lora_alpha=16, target_modules="all-linear"))
        model.get_base_model().model.embed_tokens.weight.requires_grad_(True)  # ID rows train
    if precision == "bf16":
        model = model.to(torch.bfloat16)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=True)
    for batch in map(int, sys.argv[6:]):
        begin, seconds = 0, 0.0
        for step in range(1 + int(steps)):  # one to warm up
            rows = [pairs[(begin + i) % len(pairs)] for i in range(batch)]
            begin += batch
            start = time.perf_counter()
            ids, mask, labels = batch_of(rows, text_rows)
            keep = labels.shape[1] + 1  # the prompt's last position predicts the first token
            with torch.autocast("cpu", torch.bfloat16) if precision == "autocast" else contextlib.nullcontext():
                logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=keep,
                               position_ids=(mask.cumsum(1) - 1).clamp(min=0)).logits[:, :-1]
                loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]).float(), labels.reshape(-1))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if step > 0:
                seconds += time.perf_counter() - start
        print(json.dumps({"batch": batch, "pairs_per_s": batch * int(steps) / seconds, "loss": loss.item()}), flush=True)
    print(json.dumps({"versions": f"transformers {transformers.__version__}, torch {torch.__version__}"}))


if __name__ == "__main__":
    main()
