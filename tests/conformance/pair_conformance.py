"""The export of a BERT under T5's decoder, joined by the lines of Python in its README.md: same tokens, same logits, same tracks."""

import contextlib
import io
import json
import pathlib
import re
import sys
import tempfile

import peers

peers.require("torch", "transformers", "safetensors")

import torch
import transformers
from safetensors.torch import load_file

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)
TOLERANCE = 1e-4  # of fp32 logits and scores

work = tempfile.TemporaryDirectory(prefix="tutti-conformance-")
goldens = json.loads((pathlib.Path(__file__).parent.parent / "data/goldens/bert_uncased_tokenizer.json").read_text())
tokenizer_json = pathlib.Path(work.name, "tokenizer.json")
tokenizer_json.write_text(json.dumps(goldens["tokenizer"]))


def case_of(softmax):
    """What we computed, and what the README's blocks define for a title."""
    folder = pathlib.Path(work.name, softmax)
    if not folder.exists():
        folder.mkdir()
        peers.ours("hf", folder, softmax, tokenizer_json)
    return folder, json.loads((folder / "case.json").read_text(encoding="utf-8"))


def run_readme(folder, title):
    readme = (folder / "export/README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 2
    names = {"folder": str(folder / "export")}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for block in blocks:
            assert "rainy evening piano" in readme
            exec(block.replace("rainy evening piano", title), names)
    return names, printed.getvalue()


def titles_become_our_tokens():
    folder, case = case_of("level")
    names, _ = run_readme(folder, "rock")
    for text, ids in zip(case["texts"], case["text_ids"]):
        assert names["tokenizer"](text).input_ids == ids, text
    return f"{len(case['texts'])} texts"


def logits_are_ours():
    folder, case = case_of("level")
    names, _ = run_readme(folder, "rock")
    stored = load_file(folder / "logits.safetensors")
    inputs = names["tokenizer"](case["titles"], return_tensors="pt", padding=True)
    assert not inputs.attention_mask.all(), "titles of several lengths"
    norm, size = 0.0, 0.0
    for p, prefix in enumerate(case["prefixes"]):
        decoder = torch.tensor([[0] + [1 + t for t in prefix]] * len(case["titles"]))
        with torch.no_grad():
            logits = names["model"](**inputs, decoder_input_ids=decoder).logits[:, -1]
        assert not logits[:, 0].any(), "nothing predicts the start"
        ours = torch.stack([stored[str(b)][p] for b in range(len(case["titles"]))])
        norm += (logits[:, 1:] - ours).double().square().sum().item()
        size += ours.double().square().sum().item()
    relative = (norm / size) ** 0.5
    assert relative <= TOLERANCE, relative
    return f"relative {relative:.1e}"


def the_code_of_the_readme_finds_our_tracks():
    notes = []
    for softmax in ("level", "trie", "ids"):
        folder, case = case_of(softmax)
        tracks = [json.loads(line) for line in open(folder / "export/id_map.jsonl", encoding="utf-8")]
        real_ids = {tuple(track["ids"]): i for i, track in enumerate(tracks)}
        worst = 0.0
        for title, expected in zip(case["titles"], case["found"]):
            names, printed = run_readme(folder, title)
            found = [tuple(ids[1:].tolist()) for ids in names["found"]]
            assert len(set(found)) == 20 and all(ids in real_ids for ids in found)
            assert printed.count("'track': ") == 20
            theirs = [real_ids[tuple(ids[1:].tolist())] for ids in names["exact"].sequences]
            assert theirs[: len(expected)] == [track for track, _ in expected], title
            for (_, score), other in zip(expected, names["exact"].sequences_scores.tolist()):
                worst = max(worst, abs(score - other))
        assert worst <= TOLERANCE, worst
        notes.append(f"{softmax}: {len(case['titles'])} titles, largest difference of a score {worst:.1e}")
    return "; ".join(notes)


print(f"transformers {transformers.__version__}, torch {torch.__version__}, Python {sys.version}")
peers.run_checks(titles_become_our_tokens, logits_are_ours, the_code_of_the_readme_finds_our_tracks)
