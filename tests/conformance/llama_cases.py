"""Random Llama, Qwen2 and Qwen3 models with what transformers computes of them, in fp64: cases as in t5_cases.py, of
prompts (titles) that go on with an ID.
"""

import contextlib
import json

import torch
import transformers
from safetensors.torch import save_file
from transformers import (LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config,
                          Qwen3ForCausalLM)
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

import lora_cases
import t5_cases

FAMILIES = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM),
            "qwen3": (Qwen3Config, Qwen3ForCausalLM)}
LONG_CONTEXT = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16}
SHAPES = {
    "tied": dict(family="llama", tied=True),
    "untied": dict(family="llama", tied=False, heads=3, kv_heads=3, theta=100000.0),
    "long_context": dict(family="llama", tied=False, scaling=LONG_CONTEXT, longest=40),
    "qwen2": dict(family="qwen2", tied=True),
    "qwen3": dict(family="qwen3", tied=False, head_dim=6, heads=6, kv_heads=2),
}


@contextlib.contextmanager
def all_in_fp64():
    """Norms and attention of transformers round to fp32, also in an fp64 model. A reference must not; angles stay fp32."""
    to, softmax = torch.Tensor.to, torch.nn.functional.softmax

    def exact_to(self, *args, **kwargs):
        if self.dtype == torch.float64 and args and args[0] == torch.float32:
            return self
        return to(self, *args, **kwargs)

    def exact_softmax(x, dim=None, dtype=None, **kwargs):
        return softmax(x, dim=dim, dtype=None if x.dtype == torch.float64 else dtype, **kwargs)

    torch.Tensor.to, torch.nn.functional.softmax = exact_to, exact_softmax
    try:
        yield
    finally:
        torch.Tensor.to, torch.nn.functional.softmax = to, softmax


def make_model(*, family, tied, rows, hidden=16, inner=20, layers=2, heads=4, kv_heads=2, head_dim=4, theta=10000.0,
               scaling=None, longest=9, titles=5):
    config_class, model_class = FAMILIES[family]
    model = model_class(config_class(
        vocab_size=rows, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim, rope_theta=theta,
        rope_scaling=scaling, tie_word_embeddings=tied, max_position_embeddings=64, pad_token_id=None,
        attn_implementation="eager")).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(1.0 if "norm" in name else 0.0, 0.3)
    return model


def our_names(name, tensor, text_rows):
    """Text and ID rows apart, as tutti keeps them."""
    apart = {"model.embed_tokens.weight": ("model.embed_tokens.weight", "id_embedding.weight"),
             "lm_head.weight": ("lm_head.text.weight", "lm_head.id.weight")}
    if name not in apart:
        return {name: tensor}
    text, ids = apart[name]
    return {text: tensor[:text_rows], ids: tensor[text_rows:]}


def our_config(shape, config, text_rows):
    ours = {
        "arch": "llama", "family": shape["family"], "text_rows": text_rows, "id_tokens": config.vocab_size - text_rows,
        "head_dim": getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        "qkv_bias": shape["family"] == "qwen2", "qk_norm": shape["family"] == "qwen3",
        "text_head": not config.tie_word_embeddings, "rope_theta": shape.get("theta", 10000.0),
        **{name: getattr(config, name) for name in (
            "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
            "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings")},
    }
    if "scaling" in shape:
        ours["rope_scaling"] = {name: value for name, value in shape["scaling"].items() if name != "rope_type"}
    return ours


def reference(model, tokens, lengths, ids, title_of, num_logits):
    """One (title, track) pair at a time, without padding: loss summed over all, first logits, gradients."""
    model = model.double()
    total, first_logits = 0.0, []
    with all_in_fp64():
        for title, target in zip(title_of.tolist(), ids):
            length = int(lengths[title])
            inputs = torch.cat([tokens[title, :length], target[:-1]])
            logits = model(input_ids=inputs[None]).logits[0, length - 1 :]
            loss = torch.nn.functional.cross_entropy(logits, target, reduction="sum")
            loss.backward()
            total += loss.item()
            first_logits.append(logits.detach())
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
    return total, torch.stack(first_logits[:num_logits]), gradients


def from_gguf(path):
    """What from_pretrained(gguf_file=...) does, but for accelerate, which only places the tensors."""
    model = LlamaForCausalLM(LlamaConfig(**load_gguf_checkpoint(path)["config"], attn_implementation="eager")).eval()
    tensors = load_gguf_checkpoint(path, return_tensors=True, model_to_load=model)["tensors"]
    tensors = {name: torch.as_tensor(values) for name, values in tensors.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    return model, tensors


def grown(model, rows):
    """The model with this many more, random rows in its tied vocabulary."""
    old = model.model.embed_tokens.weight
    new = torch.cat([old.detach(), old.detach().std() * torch.randn(rows, old.shape[1])])
    model.model.embed_tokens.weight = model.lm_head.weight = torch.nn.Parameter(new)
    model.config.vocab_size = len(new)
    return model


def write_base_case(path, base, **case):
    """The real weights of a GGUF file, which stay there, under random ID rows."""
    model, _ = from_gguf(base)
    write_case(path, dict(family="llama", titles=3), base=(base, model), text_rows=len(model.lm_head.weight), **case)


def write_case(path, shape, *, codes=(3, 4), num_tracks=30, tracks_per_title=6, text_rows=21, seed=1, base=None, lora=None):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    levels, ids = t5_cases.make_ids(codes, num_tracks, generator)
    num_ids = int(levels[-1].sum())
    model = grown(base[1], num_ids) if base else make_model(**shape, rows=text_rows + num_ids)
    if lora:
        model = lora_cases.adapted(model, **lora)
    tokens, lengths = t5_cases.make_titles(shape.get("titles", 5), shape.get("longest", 9), text_rows, generator)
    counts = torch.randint(1, 2 * tracks_per_title, (len(tokens),), generator=generator)
    tracks = torch.randint(num_tracks, (int(counts.sum()),), generator=generator)
    title_of = torch.repeat_interleave(torch.arange(len(tokens)), counts)
    # A base's own weights lie in its file.
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters()
               if not base or name == "model.embed_tokens.weight"}
    config = our_config(shape, model.config, text_rows) | ({"lora": lora_cases.our_config(**lora)} if lora else {})
    metadata = {"base": str(base[0])} if base else {"config": json.dumps(config)}
    loss, logits, gradients = reference(model, tokens, lengths, ids[tracks] + text_rows, title_of, 8)
    tensors = {
        "title_tokens": tokens, "title_lengths": lengths, "levels": levels, "ids": ids,
        "pair_title": title_of, "pair_track": tracks,
        "loss": torch.tensor([loss], dtype=torch.float64), "logits": logits.float(),
    }
    for kind, values in (("w.", weights), ("g.", gradients)):
        for name, value in values.items():
            for ours, rows in our_names(lora_cases.plain_name(name), value, text_rows).items():
                if not (base and kind + ours == "w.model.embed_tokens.weight"):
                    tensors[kind + ours] = rows.float().contiguous()
    save_file(tensors, path, metadata={
        **metadata, "transformers": transformers.__version__, "torch": torch.__version__})
