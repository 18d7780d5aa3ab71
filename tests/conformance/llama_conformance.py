"""Llama, Qwen2 and Qwen3 of transformers against ours: loss of packed titles, logits of stepwise decoding, gradients."""

import json
import pathlib
import sys
import tempfile

import peers

peers.require("torch", "transformers", "safetensors", "gguf", "peft")
peers.require_bases("smollm2")

import peft
import torch
import transformers

import llama_cases

transformers.logging.set_verbosity_error()
TOLERANCE = 1e-5  # of a tensor: |ours - theirs| / |theirs|, theirs in fp64, ours in fp32

work = tempfile.TemporaryDirectory(prefix="tutti-conformance-")
folder = pathlib.Path(work.name)


def errors_of(shape, **case):
    llama_cases.write_case(folder / "case.safetensors", shape, **case)
    errors = json.loads(peers.ours("model", folder / "case.safetensors"))
    assert len(errors) > 8
    wrong = {name: error for name, error in errors.items() if not error <= TOLERANCE}
    assert not wrong, wrong
    return max(errors.values())


def every_family_has_their_loss_logits_and_gradients():
    worst = max(errors_of(shape, seed=7) for shape in llama_cases.SHAPES.values())
    return f"{len(llama_cases.SHAPES)} shapes, largest relative error {worst:.1e}"


def packed_titles_have_the_loss_and_gradients_of_their_pairs():
    """Titles with dozens of tracks, IDs of two code levels and a suffix: hundreds of pairs, one packed batch."""
    shape = dict(family="llama", tied=False, hidden=48, head_dim=16, heads=4, kv_heads=2, inner=64, longest=12, titles=6)
    worst = errors_of(shape, codes=(32, 32), num_tracks=1500, tracks_per_title=50, text_rows=300)
    return f"largest relative error {worst:.1e}"


def adapters_have_the_loss_logits_and_gradients_of_peft():
    every = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    cases = [("tied", dict(rank=3, alpha=5.0, targets=every)), ("qwen2", dict(rank=1, alpha=1.0, targets=["v_proj", "q_proj"])),
             ("qwen3", dict(rank=4, alpha=2.0, targets=["k_proj", "up_proj"]))]
    worst = max(errors_of(llama_cases.SHAPES[shape], seed=7, lora=lora) for shape, lora in cases)
    return f"{len(cases)} choices of layers, largest relative error {worst:.1e}"


def the_weights_of_smollm2_have_their_logits_and_gradients():
    """Both read the same GGUF file; the rows of ID tokens are random."""
    base = pathlib.Path(peers.ours("base-path", "smollm2"))
    llama_cases.write_base_case(folder / "case.safetensors", base, tracks_per_title=2)
    errors = json.loads(peers.ours("model", folder / "case.safetensors"))
    assert len(errors) > 270
    assert errors["logits"] <= 1e-4 and errors["loss"] <= 1e-4, errors
    wrong = {name: error for name, error in errors.items() if not error <= 1e-3}
    assert not wrong, wrong
    return f"relative errors: logits {errors['logits']:.1e}, loss {errors['loss']:.1e}, gradients {max(errors.values()):.1e}"


print(f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}, Python {sys.version}")
peers.run_checks(
    every_family_has_their_loss_logits_and_gradients,
    packed_titles_have_the_loss_and_gradients_of_their_pairs,
    adapters_have_the_loss_logits_and_gradients_of_peft,
    the_weights_of_smollm2_have_their_logits_and_gradients,
)
