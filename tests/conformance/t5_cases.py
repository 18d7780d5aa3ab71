"""Random T5 models with what transformers computes of them, in fp64: the other side of tests/support/model_case.h.

A case is one safetensors file. Its metadata has the model's shape ("config", as in our state.json) and the versions of
the peer; its tensors are the weights ("w.NAME", our names: text and ID rows apart), titles, an ID table, the
(title, track) pairs, and of all pairs the summed loss, the first logits and every gradient ("g.NAME").
"""

import contextlib
import json

import torch
import transformers
from safetensors.torch import save_file
from transformers import T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5LayerNorm

import lora_cases

SHAPES = {
    # One form each; the inner dimension is never d_model.
    "v10_tied": dict(form="relu", tied=True),
    "v11_untied": dict(form="gated-gelu", tied=False),
    "v10_untied": dict(form="relu", tied=False, heads=3, d_kv=2, layers=1, decoder_layers=2),
    "v11_tied": dict(form="gated-gelu", tied=True, heads=1, d_kv=5, layers=2, decoder_layers=1),
    # Titles past the last bucket: of few buckets, and of T5's own 32 up to 128.
    "few_buckets": dict(form="gated-gelu", tied=False, buckets=8, max_distance=20, longest=40),
    "long_titles": dict(form="gated-gelu", tied=False, longest=150, titles=2),
}


@contextlib.contextmanager
def all_in_fp64():
    """T5 of transformers rounds norms and attention to fp32, also in an fp64 model. A reference must not."""
    to_float, norm = torch.Tensor.float, T5LayerNorm.forward

    def exact_norm(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)

    torch.Tensor.float = lambda x: x if x.dtype == torch.float64 else to_float(x)
    T5LayerNorm.forward = exact_norm
    try:
        yield
    finally:
        torch.Tensor.float, T5LayerNorm.forward = to_float, norm


def make_model(*, form, tied, text_rows=21, id_rows, d_model=8, d_kv=3, heads=2, d_ff=12, layers=2,
               decoder_layers=2, buckets=32, max_distance=128, longest=9, titles=5, deviation=0.3):
    """`deviation`: of all weights; None leaves matrices as transformers initialises them, which keeps the attention of
    wider models from saturating (it has no scale), where fp32 itself is no longer good to 1e-5."""
    config = T5Config(
        vocab_size=text_rows + id_rows, d_model=d_model, d_kv=d_kv, num_heads=heads, d_ff=d_ff,
        num_layers=layers, num_decoder_layers=decoder_layers, feed_forward_proj=form,
        relative_attention_num_buckets=buckets, relative_attention_max_distance=max_distance,
        tie_word_embeddings=tied, dropout_rate=0.0, decoder_start_token_id=0)
    model = T5ForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("layer_norm.weight"):
                weight.normal_(1.0, 0.3)
            elif deviation is not None:
                weight.normal_(0.0, deviation)
    return model


def our_names(name, tensor, text_rows):
    """Text and ID rows apart, as tutti keeps them."""
    if name == "shared.weight":
        return {"shared.weight": tensor[:text_rows], "id_embedding.weight": tensor[text_rows:]}
    if name == "lm_head.weight":
        return {"lm_head.text.weight": tensor[:text_rows], "lm_head.id.weight": tensor[text_rows:]}
    return {name: tensor}


def our_config(config, text_rows):
    return {
        "arch": "t5", "text_rows": text_rows, "id_tokens": config.vocab_size - text_rows,
        "feed_forward_proj": config.feed_forward_proj, "layer_norm_epsilon": config.layer_norm_epsilon,
        "tie_word_embeddings": config.tie_word_embeddings,
        "scale_decoder_outputs": config.tie_word_embeddings,
        "text_head": not config.tie_word_embeddings,
        **{name: getattr(config, name) for name in (
            "d_model", "d_kv", "num_heads", "d_ff", "num_layers", "num_decoder_layers",
            "relative_attention_num_buckets", "relative_attention_max_distance")},
    }


def make_ids(codes, num_tracks, generator):
    """IDs of len(codes) code levels and a suffix level: levels [L, 2], ids [num_tracks, L]."""
    code = torch.stack([torch.randint(n, (num_tracks,), generator=generator) for n in codes], 1)
    taken, suffix = {}, []
    for row in code.tolist():
        suffix.append(taken.setdefault(tuple(row), 0))
        taken[tuple(row)] += 1
    sizes = [*codes, max(suffix) + 1]
    first = [sum(sizes[:level]) for level in range(len(sizes))]
    ids = torch.cat([code, torch.tensor(suffix).unsqueeze(1)], 1) + torch.tensor(first)
    return torch.tensor(list(zip(first, sizes))), ids


def make_titles(num_titles, longest, text_rows, generator):
    """Padded to the longest, which is among them; the end of each is eos."""
    lengths = torch.randint(1, longest + 1, (num_titles,), generator=generator)
    lengths[0] = longest
    tokens = torch.zeros(num_titles, longest, dtype=torch.long)
    for title, length in enumerate(lengths.tolist()):
        tokens[title, : length - 1] = torch.randint(3, text_rows, (length - 1,), generator=generator)
        tokens[title, length - 1] = 1
    return tokens, lengths


def reference(model, tokens, lengths, labels, title_of, num_logits):
    """One (title, track) pair at a time, as HF trains: loss summed over all, first logits, gradients."""
    model = model.double()
    model.zero_grad()
    total = 0.0
    first_logits = []
    with all_in_fp64():
        for first in range(0, len(labels), 64):
            titles = title_of[first : first + 64]
            mask = torch.arange(tokens.shape[1]) < lengths[titles, None]
            target = labels[first : first + 64]
            logits = model(input_ids=tokens[titles], attention_mask=mask.long(), labels=target).logits
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), target.flatten(), reduction="sum")
            loss.backward()
            total += loss.item()
            first_logits.append(logits.detach())
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
    return total, torch.cat(first_logits)[:num_logits], gradients


def write_case(path, shape, *, codes=(3, 4), num_tracks=30, tracks_per_title=6, text_rows=21, seed=1, lora=None):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    levels, ids = make_ids(codes, num_tracks, generator)
    model = make_model(**shape, text_rows=text_rows, id_rows=int(levels[-1].sum()))
    if lora:
        model = lora_cases.adapted(model, **lora)
    tokens, lengths = make_titles(shape.get("titles", 5), shape.get("longest", 9), text_rows, generator)
    counts = torch.randint(1, 2 * tracks_per_title, (len(tokens),), generator=generator)
    tracks = torch.randint(num_tracks, (int(counts.sum()),), generator=generator)
    title_of = torch.repeat_interleave(torch.arange(len(tokens)), counts)
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    config = our_config(model.config, text_rows) | ({"lora": lora_cases.our_config(**lora)} if lora else {})
    loss, logits, gradients = reference(model, tokens, lengths, ids[tracks] + text_rows, title_of, 8)
    tensors = {
        "title_tokens": tokens, "title_lengths": lengths, "levels": levels, "ids": ids,
        "pair_title": title_of, "pair_track": tracks,
        "loss": torch.tensor([loss], dtype=torch.float64), "logits": logits.float(),
    }
    for kind, values in (("w.", weights), ("g.", gradients)):
        for name, value in values.items():
            for ours, rows in our_names(lora_cases.plain_name(name), value, text_rows).items():
                tensors[kind + ours] = rows.float().contiguous()
    save_file(tensors, path, metadata={
        "config": json.dumps(config), "transformers": transformers.__version__,
        "torch": torch.__version__})
