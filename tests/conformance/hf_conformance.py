"""transformers loads our export: same tokens, same logits, same tracks."""

import contextlib
import io
import json
import pathlib
import re
import sys
import tempfile
import unicodedata

import group_beams
import peers

peers.require("torch", "transformers", "sentencepiece", "safetensors")

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoTokenizer, T5ForConditionalGeneration, T5Tokenizer

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)
TOLERANCE = 1e-4  # of fp32 logits

work = tempfile.TemporaryDirectory(prefix="tutti-conformance-")
folder = pathlib.Path(work.name)
peers.ours("hf", folder, "level")
export = str(folder / "export")
case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
text_rows = case["text_rows"]
tracks = [json.loads(line) for line in open(export + "/id_map.jsonl", encoding="utf-8")]
real_ids = {tuple(track["ids"]): i for i, track in enumerate(tracks)}


def tokenizers():
    found = {"fast": AutoTokenizer.from_pretrained(export)}
    if hasattr(T5Tokenizer, "sp_model") or transformers.__version__.startswith("4."):
        found["slow"] = T5Tokenizer.from_pretrained(export)
    return found


def has_loose_mark(text):
    """A combining mark that no letter takes in."""
    return any(unicodedata.combining(c) for c in unicodedata.normalize("NFC", text))


def titles_become_our_tokens():
    notes = []
    for name, tokenizer in tokenizers().items():
        compared = 0
        for text, ids in zip(case["texts"], case["text_ids"]):
            theirs = tokenizer(text).input_ids
            # The fast tokenizers' Precompiled step looks up a letter and its marks as one key and
            # drops the marks when only the letter is found. SentencePiece keeps them.
            if name == "fast" and has_loose_mark(text):
                continue
            compared += 1
            assert theirs == ids, f"{name} tokenizer: {text!r}: {theirs}, ours {ids}"
        assert compared > 1000
        notes.append(f"{name}: {compared} of {len(case['texts'])} texts")
    return ", ".join(notes)


def id_tokens_keep_their_names_and_numbers():
    for name, tokenizer in tokenizers().items():
        assert len(tokenizer) == text_rows + len({t for i in real_ids for t in i}), name
        for track in tracks:
            assert tokenizer.convert_tokens_to_ids(track["tokens"]) == track["ids"], name
            assert tokenizer.convert_ids_to_tokens(track["ids"]) == track["tokens"], name
            # Not special: they stay when special tokens are skipped.
            text = tokenizer.decode(track["ids"], skip_special_tokens=True)
            assert text.replace(" ", "") == "".join(track["tokens"]), (name, text)
            assert tokenizer(text).input_ids == track["ids"] + [1], name


def all_weights_are_used():
    model, info = T5ForConditionalGeneration.from_pretrained(export, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[kind], f"{kind}: {info[kind]}"
    stored = load_file(export + "/model.safetensors")
    for name in ("shared", "lm_head"):
        weight = model.get_parameter(name + ".weight")
        assert torch.equal(weight, stored[name + ".weight"]), name
    assert torch.equal(model.encoder.embed_tokens.weight, model.shared.weight)
    assert model.dtype == torch.float32


def logits_are_ours():
    model = T5ForConditionalGeneration.from_pretrained(export).eval()
    tokenizer = AutoTokenizer.from_pretrained(export)
    stored = load_file(folder / "logits.safetensors")
    inputs = tokenizer(case["titles"], return_tensors="pt", padding=True)
    largest, norm, size = 0.0, 0.0, 0.0
    for p, prefix in enumerate(case["prefixes"]):
        decoder = torch.tensor([[0] + [text_rows + t for t in prefix]] * len(case["titles"]))
        with torch.no_grad():
            logits = model(**inputs, decoder_input_ids=decoder).logits[:, -1]
        assert not logits[:, :text_rows].any(), "the head has no text rows"
        ours = torch.stack([stored[str(b)][p] for b in range(len(case["titles"]))])
        difference = (logits[:, text_rows:] - ours).double()
        largest = max(largest, difference.abs().max().item())
        norm += difference.square().sum().item()
        size += ours.double().square().sum().item()
    relative = (norm / size) ** 0.5
    assert largest <= TOLERANCE and relative <= TOLERANCE, (largest, relative)
    return f"largest difference {largest:.1e}, relative {relative:.1e}"


def the_code_of_the_readme_finds_our_tracks():
    return ranking_of_readme(export, case)


def so_it_does_for_the_other_softmaxes():
    notes = []
    for softmax in ("trie", "ids", "full"):
        other = folder / softmax
        other.mkdir()
        peers.ours("hf", other, softmax)
        found = json.loads((other / "case.json").read_text(encoding="utf-8"))
        notes.append(f"{softmax}: {ranking_of_readme(str(other / 'export'), found)}")
    return "; ".join(notes)


def so_it_does_for_ids_that_are_text():
    """Their lengths differ, and one is often the beginning of another but for its end.

    Not for the full softmax, where a beam that is too narrow for all prefixes shows: IDs that are whole keep their place
    among our beams, transformers keeps them apart.
    """
    notes = []
    for softmax in ("ids", "trie"):
        other = folder / f"text-{softmax}"
        other.mkdir()
        peers.ours("hf-text", other, softmax)
        found = json.loads((other / "case.json").read_text(encoding="utf-8"))
        lines = [json.loads(line) for line in open(other / "export/id_map.jsonl", encoding="utf-8")]
        assert len({len(line["ids"]) for line in lines}) == 3
        ends = {line["ids"][-1] for line in lines}
        assert ends == {json.loads((other / "export/generation_config.json").read_text())["eos_token_id"]}
        notes.append(f"{softmax}: {ranking_of_readme(str(other / 'export'), found, lines)}")
    return "; ".join(notes)


def ranking_of_readme(export, case, lines=tracks):
    """Runs the README's own blocks for every title: only real IDs, and our ranking and scores."""
    readme = pathlib.Path(export, "README.md").read_text(encoding="utf-8")
    real_ids = {tuple(line["ids"]): i for i, line in enumerate(lines)}
    last = {ids[-1] for ids in real_ids}

    def id_of(ids):  # behind the start, without padding, which is the pad or what ends an ID that is text
        tokens = [t for t in ids[1:].tolist() if t != 0]
        return tuple(tokens[: tokens.index(*last) + 1] if len(last) == 1 else tokens)

    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 2
    worst = 0.0
    for title, expected in zip(case["titles"], case["found"]):
        names = {"folder": export}
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            for block in blocks:
                exec(block.replace("rainy evening piano", title), names)
        found = [id_of(ids) for ids in names["found"]]
        assert len(found) == 20 and len(set(found)) == 20, "num_beams results, all different"
        assert all(ids in real_ids for ids in found), "an ID that no track has"
        assert printed.getvalue().count("'track': ") == 20
        exact = names["exact"]
        theirs = [real_ids[id_of(ids)] for ids in exact.sequences]
        assert theirs[: len(expected)] == [track for track, _ in expected], title
        for (_, score), other in zip(expected, exact.sequences_scores.tolist()):
            worst = max(worst, abs(score - other))
    assert worst <= TOLERANCE, worst
    return f"{len(case['titles'])} titles, largest difference of a score {worst:.1e}"


def diverse_beams_are_those_of_transformers():
    """Under the mask alone (a model of the full softmax) and renormalised over the children (a model of the trie's)."""
    notes, compared, repeated, worst = [], 0, 0, 0.0
    for softmax in ("full", "trie"):
        files = folder / f"diverse-{softmax}"
        files.mkdir()
        peers.ours("hf", files, softmax)
        found = json.loads((files / "case.json").read_text(encoding="utf-8"))
        assert (found["text_rows"], found["titles"]) == (text_rows, case["titles"])
        model = T5ForConditionalGeneration.from_pretrained(files / "export").eval()
        tokenizer = AutoTokenizer.from_pretrained(files / "export")
        children = {}
        for ids in real_ids:
            for length in range(len(ids)):
                children.setdefault(ids[:length], set()).add(ids[length])
        allowed = lambda batch, ids: sorted(children[tuple(ids[1:].tolist())])
        for setting in found["diverse"]:
            for title, expected in zip(found["titles"], setting["found"]):
                theirs = {}
                for ids, score in group_beams.search(
                        model, tokenizer([title], return_tensors="pt"), allowed, num_beams=setting["beam"],
                        num_beam_groups=setting["groups"], diversity_penalty=setting["penalty"],
                        renormalize_logits=softmax == "trie", id_length=len(tracks[0]["ids"])):
                    track = real_ids[tuple(ids)]
                    repeated += track in theirs
                    theirs[track] = max(score, theirs.get(track, score))
                assert len(theirs) == len(expected), (softmax, setting, title)
                for track, score in expected:
                    worst = max(worst, abs(score - theirs[track]))
                compared += len(expected)
    assert worst <= TOLERANCE, worst
    assert repeated > 0, "groups never met"
    return f"{group_beams.source()}: {compared} tracks, {repeated} found twice, largest difference {worst:.1e}"


def the_config_says_what_engines_look_for():
    config = json.loads(pathlib.Path(export, "config.json").read_text())
    generation = json.loads(pathlib.Path(export, "generation_config.json").read_text())
    assert config["vocab_size"] == len(load_file(export + "/model.safetensors")["shared.weight"])
    assert config["decoder_start_token_id"] == generation["decoder_start_token_id"] == 0
    assert generation["max_new_tokens"] == len(tracks[0]["ids"])
    assert T5ForConditionalGeneration.from_pretrained(export).generation_config.num_beams == 20


print(f"transformers {transformers.__version__}, torch {torch.__version__}, Python {sys.version}")
peers.run_checks(
    titles_become_our_tokens,
    id_tokens_keep_their_names_and_numbers,
    all_weights_are_used,
    logits_are_ours,
    the_code_of_the_readme_finds_our_tracks,
    so_it_does_for_the_other_softmaxes,
    so_it_does_for_ids_that_are_text,
    diverse_beams_are_those_of_transformers,
    the_config_says_what_engines_look_for,
)
