"""BERT of transformers against ours: token states and gradients of random shapes, token states and pooled vectors of all-MiniLM-L6-v2."""

import json
import pathlib
import sys
import tempfile

import peers

peers.require("torch", "transformers", "safetensors")

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertModel

import bert_cases

transformers.logging.set_verbosity_error()
work = tempfile.TemporaryDirectory(prefix="tutti-conformance-")
folder = pathlib.Path(work.name)

SHAPES = {
    **bert_cases.SHAPES,
    "wide": dict(hidden=96, inner=160, layers=4, heads=8, words=300, positions=80, deviation=0.1),
    "odd": dict(hidden=35, inner=51, layers=1, heads=7, words=77, positions=33, types=3),
}
TITLES = ["rainy evening piano", "Chill Vibes 🌊 2019", "x", "été à la plage", "workout!!! (high energy) mix vol. 3",
          "日本のロック", "songs to cry to at 3am", "R&B/Soul", " ", "supercalifragilisticexpialidocious " * 20]


def random_shapes_have_their_token_states_and_gradients():
    worst = 0.0
    for shape in SHAPES.values():
        bert_cases.write_case(folder / "case.safetensors", shape, titles=12, seed=7)
        errors = json.loads(peers.ours("bert", folder / "case.safetensors"))
        # Attention does not change when all keys move alike: the true gradient of their bias is zero.
        wrong = {name: e for name, e in errors.items() if not e <= 1e-5 and not name.endswith("key.bias")}
        assert len(errors) > 20 and not wrong, wrong
        worst = max(worst, *(e for name, e in errors.items() if not name.endswith("key.bias")))
    return f"{len(SHAPES)} shapes, largest relative error {worst:.1e}"


def minilm_has_their_token_states_and_vectors():
    minilm = pathlib.Path(peers.ours("base-path", "minilm"))
    (folder / "titles.json").write_text(json.dumps(TITLES))
    peers.ours("encode", minilm, folder / "titles.json", folder / "ours.safetensors")
    ours = load_file(folder / "ours.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    model = BertModel.from_pretrained(minilm).double().eval()
    worst = pooled = 0.0
    with torch.no_grad():
        for number, title in enumerate(TITLES):
            tokens = tokenizer(title, return_tensors="pt").input_ids
            assert ours[f"tokens.{number}"].tolist() == tokens[0].tolist(), title
            theirs = model(input_ids=tokens).last_hidden_state[0]
            worst = max(worst, (ours[f"states.{number}"].double() - theirs).abs().max().item())
            mean = theirs.mean(0)  # as sentence-transformers pools: 1_Pooling of mean tokens, 2_Normalize
            pooled = max(pooled, (ours["vectors"][number].double() - mean / mean.norm()).abs().max().item())
    assert worst <= 1e-4 and pooled <= 1e-4, (worst, pooled)
    return f"{len(TITLES)} titles, largest difference of states {worst:.1e}, of pooled vectors {pooled:.1e}"


print(f"transformers {transformers.__version__}, torch {torch.__version__}, Python {sys.version}")
peers.run_checks(
    random_shapes_have_their_token_states_and_gradients,
    minilm_has_their_token_states_and_vectors,
)
