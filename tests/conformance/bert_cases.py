"""Random BERT encoders with what transformers computes of them: the other side of tests/trainer/bert_encoder_test.cc.

A case is one safetensors file. Its metadata has the shape ("config", as in our state.json) and the versions of the
peer; its tensors are the weights ("w.NAME", BertModel's names), titles of several lengths, the token states of each
("states", without padding), a random "slope" of the same shape and the gradients of sum(states * slope) ("g.NAME"),
all computed in fp64, one title at a time.
"""

import json

import torch
import transformers
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

SHAPES = {
    "small": dict(hidden=24, inner=40, layers=2, heads=3, words=50, positions=16),
    "one_head": dict(hidden=8, inner=12, layers=3, heads=1, words=30, positions=64, types=1),
}


def our_config(config):
    return {"arch": "bert", **{name: getattr(config, name) for name in (
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "max_position_embeddings", "type_vocab_size", "layer_norm_eps")}}


def make_model(*, hidden, inner, layers, heads, words, positions, types=2, deviation=0.3):
    """`deviation`: of all weights. Large ones saturate the attention of wide models, where fp32 is no longer good to 1e-5."""
    model = BertModel(BertConfig(
        vocab_size=words, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, max_position_embeddings=positions, type_vocab_size=types,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="eager"),
        add_pooling_layer=False).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(1.0 if name.endswith("LayerNorm.weight") else 0.0, deviation)
    return model


def write_case(path, shape, *, titles=5, seed=1):
    torch.manual_seed(seed)
    model = make_model(**shape)
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    longest = shape["positions"]
    lengths = torch.randint(1, longest + 1, (titles,))
    lengths[0] = longest
    tokens = torch.randint(1, shape["words"], (titles, longest))  # 0 pads: transformers gives it no gradient
    tokens[torch.arange(longest) >= lengths[:, None]] = 0
    model = model.double()
    states, slopes = [], []
    for row, length in zip(tokens, lengths.tolist()):
        state = model(input_ids=row[None, :length]).last_hidden_state[0]
        slope = torch.randn_like(state)
        (state * slope).sum().backward()
        states.append(state.detach())
        slopes.append(slope)
    tensors = {"title_tokens": tokens, "title_lengths": lengths,
               "states": torch.cat(states).float(), "slope": torch.cat(slopes).float()}
    for name, weight in model.named_parameters():
        tensors["w." + name] = weights[name]
        tensors["g." + name] = weight.grad.float().contiguous()
    save_file(tensors, path, metadata={
        "config": json.dumps(our_config(model.config)), "transformers": transformers.__version__,
        "torch": torch.__version__})
