"""transformers loads our exports of decoder-only models: same tokens, logits, tracks; adapters are merged as peft would;
folders come in and go out bit by bit."""

import contextlib
import io
import json
import pathlib
import re
import sys
import tempfile

import peers

peers.require("torch", "transformers", "safetensors", "tokenizers")

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

import llama_cases

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)
TOLERANCE = 1e-4  # of fp32 logits and scores
FAMILIES = ("llama", "qwen2", "qwen3")

work = tempfile.TemporaryDirectory(prefix="tutti-conformance-")
goldens = pathlib.Path(__file__).parent.parent / "data/goldens"


def tokenizer_file(name):
    path = pathlib.Path(work.name, name + "-tokenizer.json")
    path.write_text(json.dumps(json.loads((goldens / f"{name}_tokenizer.json").read_text())["tokenizer"]))
    return path


def case_of(family, softmax="level"):
    folder = pathlib.Path(work.name, f"{family}-{softmax}")
    if not folder.exists():
        folder.mkdir()
        peers.ours("hf", folder, softmax, tokenizer_file("smollm"), family)
    return folder, json.loads((folder / "case.json").read_text(encoding="utf-8"))


def prompt_of(folder):
    return json.loads((folder / "export/config.json").read_text())["tutti"]["prompt"]


def titles_become_our_tokens():
    folder, case = case_of("llama")
    tokenizer, prompt = AutoTokenizer.from_pretrained(folder / "export"), prompt_of(folder)
    assert prompt.startswith("<|im_start|>")
    for text, ids in zip(case["texts"], case["text_ids"]):
        theirs = tokenizer(prompt.replace("{title}", text)).input_ids
        assert theirs == ids, f"{text!r}: {theirs}, ours {ids}"
    return f"{len(case['texts'])} texts"


def id_tokens_keep_their_names_and_numbers():
    for family in FAMILIES:
        folder, case = case_of(family)
        tokenizer = AutoTokenizer.from_pretrained(folder / "export")
        tracks = [json.loads(line) for line in open(folder / "export/id_map.jsonl", encoding="utf-8")]
        assert len(tokenizer) == case["text_rows"] + len({t for track in tracks for t in track["ids"]})
        for track in tracks:
            assert tokenizer.convert_tokens_to_ids(track["tokens"]) == track["ids"]
            assert tokenizer.convert_ids_to_tokens(track["ids"]) == track["tokens"]
            text = tokenizer.decode(track["ids"], skip_special_tokens=True)
            assert text.replace(" ", "") == "".join(track["tokens"]), text


def all_weights_are_used_and_adapters_are_merged():
    for family in FAMILIES:
        folder, _ = case_of(family)
        model, info = AutoModelForCausalLM.from_pretrained(folder / "export", output_loading_info=True)
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            assert not info[kind], f"{kind}: {info[kind]}"
        assert model.config.model_type == family and model.dtype == torch.float32
        lora = json.loads(next((folder / "run/checkpoints").glob("step-*/state.json")).read_text())["model"]["lora"]
        stored = load_file(next((folder / "run/checkpoints").glob("step-*/model.safetensors")))
        merged = 0
        for name, weight in model.named_parameters():
            if name not in stored or "embed_tokens" in name or not name.endswith(".weight"):
                continue
            expected = stored[name]
            a, b = (stored.get(name.replace(".weight", f".lora_{half}.weight")) for half in "AB")
            if a is not None:
                merged += 1
                expected = (expected.double() + lora["alpha"] / lora["rank"] * b.double() @ a.double()).float()
            assert torch.allclose(weight, expected, rtol=1e-5, atol=1e-7), name
        assert merged == 9, merged


def logits_are_ours():
    """Titles of several lengths in one batch, padded on the left."""
    worst = 0.0
    for family in FAMILIES:
        folder, case = case_of(family)
        model = AutoModelForCausalLM.from_pretrained(folder / "export").eval()
        tokenizer, prompt = AutoTokenizer.from_pretrained(folder / "export"), prompt_of(folder)
        stored = load_file(folder / "logits.safetensors")
        inputs = tokenizer([prompt.replace("{title}", t) for t in case["titles"]], return_tensors="pt", padding=True)
        assert inputs.attention_mask[:, -1].all() and not inputs.attention_mask[:, 0].all()
        norm, size = 0.0, 0.0
        for p, prefix in enumerate(case["prefixes"]):
            ids = torch.tensor([[case["text_rows"] + t for t in prefix]] * len(case["titles"]), dtype=torch.long)
            mask = torch.cat([inputs.attention_mask, torch.ones_like(ids)], 1)
            with torch.no_grad():
                logits = model(input_ids=torch.cat([inputs.input_ids, ids], 1), attention_mask=mask,
                               position_ids=(mask.cumsum(1) - 1).clamp(min=0)).logits[:, -1, case["text_rows"]:]
            ours = torch.stack([stored[str(b)][p] for b in range(len(case["titles"]))])
            norm += (logits - ours).double().square().sum().item()
            size += ours.double().square().sum().item()
        worst = max(worst, (norm / size) ** 0.5)
    assert worst <= TOLERANCE, worst
    return f"{len(FAMILIES)} families, relative {worst:.1e}"


def the_code_of_the_readme_finds_our_tracks():
    notes = []
    for family, softmax in (("llama", "level"), ("qwen2", "trie"), ("qwen3", "ids"), ("llama", "full"), ("qwen2", "full")):
        folder, case = case_of(family, softmax)
        readme = (folder / "export/README.md").read_text(encoding="utf-8")
        blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
        assert len(blocks) == 2 and all("rainy evening piano" in readme for _ in blocks)
        tracks = [json.loads(line) for line in open(folder / "export/id_map.jsonl", encoding="utf-8")]
        real_ids = {tuple(track["ids"]): i for i, track in enumerate(tracks)}
        worst = 0.0
        for title, expected in zip(case["titles"], case["found"]):
            names = {"folder": str(folder / "export")}
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                for block in blocks:
                    exec(block.replace("rainy evening piano", title), names)
            start = names["start"]
            found = [tuple(ids[start:].tolist()) for ids in names["found"]]
            assert len(set(found)) == 20 and all(ids in real_ids for ids in found)
            assert printed.getvalue().count("'track': ") == 20
            theirs = [real_ids[tuple(ids[start:].tolist())] for ids in names["exact"].sequences]
            assert theirs[: len(expected)] == [track for track, _ in expected], title
            for (_, score), other in zip(expected, names["exact"].sequences_scores.tolist()):
                worst = max(worst, abs(score - other))
        assert worst <= TOLERANCE, worst
        notes.append(f"{family} {softmax}: {worst:.1e}")
    return "largest difference of a score: " + ", ".join(notes)


def their_folders_come_back_bit_by_bit():
    """Of each family: weights in one file or many, fp32 or half, tokenizers whose added tokens are in the vocabulary or not."""
    kinds = [("tied", "smollm", torch.float32, "1GB"), ("untied", "llama3", torch.float32, "8KB"),
             ("qwen2", "qwen2", torch.bfloat16, "8KB"), ("qwen3", "qwen2", torch.float16, "1GB"),
             ("long_context", "gpt2", torch.float32, "1GB")]
    for number, (shape, tokenizer, dtype, shard) in enumerate(kinds):
        base, out = pathlib.Path(work.name, f"base{number}"), pathlib.Path(work.name, f"out{number}")
        out.mkdir()
        text = json.loads(tokenizer_file(tokenizer).read_text())
        rows = 1 + max([*text["model"]["vocab"].values(), *(t["id"] for t in text["added_tokens"])])
        options = {key: value for key, value in llama_cases.SHAPES[shape].items() if key != "longest"}
        llama_cases.make_model(**options, rows=rows + 5).to(dtype).save_pretrained(base, max_shard_size=shard)
        (base / "tokenizer.json").write_text(json.dumps(text))
        peers.ours("base", base, out)
        theirs = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        back, info = AutoModelForCausalLM.from_pretrained(out / "export", output_loading_info=True)
        assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
        assert type(back) is type(theirs) and back.config.vocab_size == rows + 5 + 9
        weights, stored = dict(theirs.named_parameters()), load_file(out / "export/model.safetensors")
        assert stored.keys() == weights.keys(), stored.keys() ^ weights.keys()
        for name, expected in weights.items():
            assert torch.equal(stored[name][: len(expected)], expected), (shape, name)
        ids = torch.tensor([[5, 6, 1, 7, 3]])
        with torch.no_grad():
            assert torch.allclose(back(ids).logits[..., : rows + 5], theirs(ids).logits, rtol=1e-5, atol=1e-5), shape
        # Not AutoTokenizer: without a tokenizer_config.json it would take the class of Llama 2, which adds tokens of its own.
        fast = PreTrainedTokenizerFast(tokenizer_file=str(base / "tokenizer.json"))
        ours = AutoTokenizer.from_pretrained(out / "export")
        for case in json.loads((out / "case.json").read_text()):
            assert fast(case["text"]).input_ids == case["ids"] == ours(case["text"]).input_ids, case
        # And comes in again: an export is a base as any other.
        again = pathlib.Path(work.name, f"again{number}")
        again.mkdir()
        peers.ours("base", out / "export", again)
        twice = load_file(again / "export/model.safetensors")
        assert all(torch.equal(twice[name][: len(values)], values) for name, values in stored.items()), shape
    return f"{len(kinds)} folders"


print(f"transformers {transformers.__version__}, torch {torch.__version__}, Python {sys.version}")
peers.run_checks(
    titles_become_our_tokens,
    id_tokens_keep_their_names_and_numbers,
    all_weights_are_used_and_adapters_are_merged,
    logits_are_ours,
    the_code_of_the_readme_finds_our_tracks,
    their_folders_come_back_bit_by_bit,
)
