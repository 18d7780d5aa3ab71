"""Writes a folder as save_pretrained of a decoder-only model does, of random weights, with the standard library alone.

    python3 small_llama.py FOLDER llama|qwen2|qwen3 tied|untied [CONFIG_FIELD=NUMBER]...

Fields given last go into config.json after the weights are made: a config that does not fit them.
"""

import pathlib
import sys

import random_folder

folder, family, tying, *wrong = sys.argv[1:]
tokenizer = random_folder.tokenizer_of("smollm")
rows = max([*tokenizer["model"]["vocab"].values(), *(t["id"] for t in tokenizer["added_tokens"])]) + 1
width, inner, layers, heads, kv_heads, head = 12, 20, 2, 3, 1, 4

shapes = {"model.embed_tokens.weight": [rows, width]}
for layer in (f"model.layers.{i}." for i in range(layers)):
    for part, size in (("q", heads * head), ("k", kv_heads * head), ("v", kv_heads * head)):
        shapes[layer + f"self_attn.{part}_proj.weight"] = [size, width]
        if family == "qwen2":
            shapes[layer + f"self_attn.{part}_proj.bias"] = [size]
        if family == "qwen3" and part != "v":
            shapes[layer + f"self_attn.{part}_norm.weight"] = [head]
    shapes[layer + "self_attn.o_proj.weight"] = [width, heads * head]
    shapes[layer + "mlp.gate_proj.weight"] = shapes[layer + "mlp.up_proj.weight"] = [inner, width]
    shapes[layer + "mlp.down_proj.weight"] = [width, inner]
    shapes[layer + "input_layernorm.weight"] = shapes[layer + "post_attention_layernorm.weight"] = [width]
shapes["model.norm.weight"] = [width]
if tying == "untied":
    shapes["lm_head.weight"] = [rows, width]

config = {
    "architectures": [{"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3"}[family] + "ForCausalLM"], "model_type": family,
    "vocab_size": rows, "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers,
    "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head, "hidden_act": "silu",
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": tying == "tied"}
config.update({name: int(value) for name, value in (field.split("=") for field in wrong)})
random_folder.write(pathlib.Path(folder), shapes, config, tokenizer)
