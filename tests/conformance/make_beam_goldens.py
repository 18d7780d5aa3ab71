"""Writes tests/trainer/goldens/group_beams.json: diverse beams of transformers over a trie, on a random T5.

    python tests/conformance/make_beam_goldens.py

transformers took grouped beam search out after 4.56: run this with transformers 4.50 to 4.56. The file holds the logits of every prefix,
so that the search is compared and no model. No group has more beams than the root has children: transformers fills such a group
with copies at -1e9, which count as chosen.
"""

import json
import pathlib
import random

import torch
import transformers

CODES, LEVELS, FIRST = 5, 3, 2  # tokens: 0 pads, 1 ends, then CODES a level
TITLES = [[2, 3, 4], [7, 5]]


def tiny_model():
    torch.manual_seed(5)
    config = transformers.T5Config(
        vocab_size=FIRST + CODES * LEVELS, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0, pad_token_id=0,
        eos_token_id=1, dropout_rate=0.0)
    model = transformers.T5ForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.5 if parameter.dim() > 1 else 0.1) + (parameter.dim() == 1))
    return model


def random_ids():
    """IDs of three tokens, sorted; some prefixes have a single child."""
    draw = random.Random(7)
    ids = {tuple(FIRST + CODES * level + draw.randrange(CODES) for level in range(LEVELS)) for _ in range(40)}
    return sorted(ids)


def main():
    model, ids = tiny_model(), random_ids()
    prefixes = sorted({i[:n] for i in ids for n in range(LEVELS)})
    allowed = {p: sorted({i[len(p)] for i in ids if i[: len(p)] == p}) for p in prefixes}
    document = {"transformers": transformers.__version__, "torch": torch.__version__, "first_token": FIRST, "codes": CODES, "ids": ids,
                "titles": [], "cases": []}
    with torch.no_grad():
        for title in TITLES:
            logits = {}
            for prefix in prefixes:
                out = model(input_ids=torch.tensor([title]), decoder_input_ids=torch.tensor([[0, *prefix]]))
                logits[" ".join(map(str, prefix))] = [round(x, 6) for x in out.logits[0, -1].tolist()]
            document["titles"].append(logits)
        for beams, groups, penalty in ((12, 6, 0.25), (12, 4, 1.0), (6, 6, 0.5), (10, 2, 0.25)):
            for renormalize in (False, True):
                lists = []
                for title in TITLES:
                    out = model.generate(
                        input_ids=torch.tensor([title]), num_beams=beams, num_beam_groups=groups, diversity_penalty=penalty,
                        num_return_sequences=beams, max_new_tokens=LEVELS, min_new_tokens=LEVELS, length_penalty=0.0, do_sample=False,
                        renormalize_logits=renormalize, output_scores=True, return_dict_in_generate=True,
                        prefix_allowed_tokens_fn=lambda _, sent: allowed[tuple(sent.tolist()[1:])])
                    lists.append([[s[1:], round(v, 6)] for s, v in zip(out.sequences.tolist(), out.sequences_scores.tolist()) if v > -1e8])
                document["cases"].append({"beams": beams, "groups": groups, "penalty": penalty, "renormalize": renormalize, "lists": lists})
    path = pathlib.Path(__file__).parent.parent / "trainer" / "goldens" / "group_beams.json"
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    print(len(ids), "ids,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
