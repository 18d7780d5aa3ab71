"""T5 of transformers against ours: loss, logits, gradients; their folders into our trainer and out again."""

import io
import json
import pathlib
import sys
import tempfile

import peers

peers.require("torch", "transformers", "sentencepiece", "safetensors", "peft")

import sentencepiece
import torch
import transformers
from safetensors.torch import load_file
from transformers import T5ForConditionalGeneration, T5Tokenizer

import t5_cases

transformers.logging.set_verbosity_error()
TOLERANCE = 1e-5  # of a tensor: |ours - theirs| / |theirs|, theirs in fp64, ours in fp32

work = tempfile.TemporaryDirectory(prefix="tutti-conformance-")
folder = pathlib.Path(work.name)


def errors_of(shape, **case):
    t5_cases.write_case(folder / "case.safetensors", shape, **case)
    errors = json.loads(peers.ours("model", folder / "case.safetensors"))
    assert len(errors) > 15
    wrong = {name: error for name, error in errors.items() if not error <= TOLERANCE}
    assert not wrong, wrong
    return max(errors.values())


def every_form_has_their_loss_logits_and_gradients():
    worst = max(errors_of(shape, seed=7) for shape in t5_cases.SHAPES.values())
    return f"{len(t5_cases.SHAPES)} shapes, largest relative error {worst:.1e}"


def packed_titles_have_the_loss_and_gradients_of_their_pairs():
    """Titles with dozens of tracks, IDs of two code levels and a suffix: hundreds of pairs, one packed batch."""
    shape = dict(form="gated-gelu", tied=False, d_model=48, d_kv=16, heads=2, d_ff=64, longest=12, titles=12,
                 deviation=None)
    worst = errors_of(shape, codes=(32, 32), num_tracks=1500, tracks_per_title=50, text_rows=300)
    return f"largest relative error {worst:.1e}"


def adapters_have_the_loss_logits_and_gradients_of_peft():
    cases = [("v11_untied", dict(rank=3, alpha=5.0, targets=["q", "k", "v", "o", "wi_0", "wi_1", "wo"])),
             ("v10_tied", dict(rank=2, alpha=1.0, targets=["q", "v", "wi"]))]
    worst = max(errors_of(t5_cases.SHAPES[shape], seed=7, lora=lora) for shape, lora in cases)
    return f"{len(cases)} choices of layers, largest relative error {worst:.1e}"


def write_base(path, *, tied, form, dtype, max_shard_size):
    """A folder as a user has it: weights in one file or many, T5's tokenizer with its 100 sentinels."""
    words = ["rainy evening piano", "energetic rock vibes", "Summer Party 2019", "late night drive"]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words * 20), model_writer=written, vocab_size=120, hard_vocab_limit=False,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2)
    path.mkdir()
    (path / "spiece.model").write_bytes(written.getvalue())
    T5Tokenizer(str(path / "spiece.model")).save_pretrained(path)
    model = t5_cases.make_model(form=form, tied=tied, text_rows=256, id_rows=0).to(dtype)
    model.save_pretrained(path, max_shard_size=max_shard_size)


def their_folders_come_back_bit_by_bit():
    kinds = [
        dict(form="relu", tied=True, dtype=torch.float32, max_shard_size="1GB"),
        dict(form="gated-gelu", tied=False, dtype=torch.float32, max_shard_size="1GB"),
        dict(form="gated-gelu", tied=False, dtype=torch.float32, max_shard_size="8KB"),
        dict(form="relu", tied=True, dtype=torch.bfloat16, max_shard_size="8KB"),
        dict(form="gated-gelu", tied=False, dtype=torch.float16, max_shard_size="1GB"),
    ]
    for number, kind in enumerate(kinds):
        base, out = folder / f"base{number}", folder / f"out{number}"
        write_base(base, **kind)
        out.mkdir()
        peers.ours("base", base, out)
        theirs = T5ForConditionalGeneration.from_pretrained(base, dtype=torch.float32).eval()
        back, info = T5ForConditionalGeneration.from_pretrained(out / "export", output_loading_info=True)
        assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
        weights = dict(theirs.named_parameters(remove_duplicate=False))
        stored = load_file(out / "export" / "model.safetensors")
        for name, tensor in stored.items():
            if name == "lm_head.weight" and kind["tied"]:
                expected = weights["shared.weight"] * torch.tensor(theirs.config.d_model**-0.5)
            else:
                expected = weights[name]
            assert torch.equal(tensor[: len(expected)], expected), (kind, name)

        report = json.loads((out / "report.json").read_text())
        files = [load_file(file) for file in base.glob("*.safetensors")]
        on_disk = {name: tensor for file in files for name, tensor in file.items()}
        assert len(files) == 1 or kind["max_shard_size"] == "8KB"
        assert sorted(report["loaded"] + [i["tensor"] for i in report["ignored"]]) == sorted(on_disk)
        assert report["num_loaded_values"] == sum(on_disk[name].numel() for name in report["loaded"])
        assert report["added"] == ["id_embedding.weight"] + ([] if kind["tied"] else ["lm_head.id.weight"])

        tokenizer = T5Tokenizer.from_pretrained(base)
        for case in json.loads((out / "case.json").read_text()):
            assert tokenizer(case["text"]).input_ids == case["ids"], case
        inputs = tokenizer(["rainy evening piano"], return_tensors="pt")
        labels = torch.tensor([[5, 6, 1]])
        with torch.no_grad():
            wanted = theirs(**inputs, labels=labels).logits
            found = back(**inputs, labels=labels).logits[..., : wanted.shape[-1]]
        assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-5), kind
    return f"{len(kinds)} folders"


print(f"transformers {transformers.__version__}, torch {torch.__version__}, Python {sys.version}")
peers.run_checks(
    every_form_has_their_loss_logits_and_gradients,
    packed_titles_have_the_loss_and_gradients_of_their_pairs,
    adapters_have_the_loss_logits_and_gradients_of_peft,
    their_folders_come_back_bit_by_bit,
)
