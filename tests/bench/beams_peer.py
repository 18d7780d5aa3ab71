"""The peer of beams_bench.py: transformers' generate() with group beams and a prefix callback over a nested-dict trie.

Usage: beams_peer.py IDS BEAM GROUPS PENALTY THREADS TITLES CALLS   (transformers up to 4.56: group beams left it then)
"""
import json
import random
import sys
import time
import warnings

import torch
import transformers

transformers.logging.set_verbosity_error()
warnings.simplefilter("ignore")
TEXT_ROWS, TITLE_TOKENS = 32128, 8


def main():
    path, beams, groups, penalty, threads, titles, calls = sys.argv[1:8]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    trie, id_tokens, length = {}, 0, 0
    for line in open(path, encoding="utf-8"):
        ids = [int(word) for word in line.split()]
        id_tokens, length = max(id_tokens, ids[-1] + 1), len(ids)
        node = trie
        for token in ids:
            node = node.setdefault(TEXT_ROWS + token, {})
    config = transformers.T5Config(vocab_size=TEXT_ROWS + id_tokens, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
                                   d_model=512, d_kv=64, num_heads=6, d_ff=1024, num_layers=8, num_decoder_layers=8,
                                   decoder_start_token_id=0, eos_token_id=None)
    model = transformers.T5ForConditionalGeneration(config).eval()

    def allowed(batch, ids):
        node = trie
        for token in ids[1:].tolist():
            node = node[token]
        return list(node)

    random.seed(1)
    seconds = []
    for call in range(1 + int(calls)):  # one to warm up
        inputs = torch.tensor([[random.randrange(3, 300) for _ in range(TITLE_TOKENS - 1)] + [1] for _ in range(int(titles))])
        start = time.perf_counter()
        with torch.inference_mode():
            # The suffix, nearly always certain, is left out: the peer is given the shorter task.
            model.generate(input_ids=inputs, attention_mask=torch.ones_like(inputs), prefix_allowed_tokens_fn=allowed,
                           num_beams=int(beams), num_beam_groups=int(groups), diversity_penalty=float(penalty),
                           length_penalty=0.0, num_return_sequences=10, max_new_tokens=length - 1, do_sample=False)
        if call > 0:
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"call_seconds": seconds, "versions": f"transformers {transformers.__version__}, torch {torch.__version__}"}))


if __name__ == "__main__":
    main()
