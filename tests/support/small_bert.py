"""Writes a folder as BertModel.save_pretrained does, of random weights, with the standard library alone.

    python3 small_bert.py FOLDER [SEED]
"""

import json
import pathlib
import random
import struct
import sys

folder = pathlib.Path(sys.argv[1])
goldens = pathlib.Path(__file__).parent.parent / "data" / "goldens"
tokenizer = json.loads((goldens / "bert_uncased_tokenizer.json").read_text())["tokenizer"]
words, width, inner, layers, positions = len(tokenizer["model"]["vocab"]), 12, 20, 2, 32

shapes = {"embeddings.word_embeddings.weight": [words, width],
          "embeddings.position_embeddings.weight": [positions, width],
          "embeddings.token_type_embeddings.weight": [2, width]}


def dense(name, rows, columns):
    shapes.update({name + ".weight": [rows, columns], name + ".bias": [rows]})


def norm(name):
    shapes.update({name + ".weight": [width], name + ".bias": [width]})


norm("embeddings.LayerNorm")
for layer in (f"encoder.layer.{i}." for i in range(layers)):
    for part in ("query", "key", "value"):
        dense(layer + "attention.self." + part, width, width)
    dense(layer + "attention.output.dense", width, width)
    norm(layer + "attention.output.LayerNorm")
    dense(layer + "intermediate.dense", inner, width)
    dense(layer + "output.dense", width, inner)
    norm(layer + "output.LayerNorm")
dense("pooler.dense", width, width)

draw = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
header, content = {}, b""
for name, shape in shapes.items():
    size = shape[0] * (shape[1] if len(shape) > 1 else 1)
    mean = 1.0 if name.endswith("LayerNorm.weight") else 0.0
    data = struct.pack(f"<{size}f", *(draw.gauss(mean, 0.3) for _ in range(size)))
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(content), len(content) + len(data)]}
    content += data
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
folder.mkdir()
(folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content)
(folder / "tokenizer.json").write_text(json.dumps(tokenizer))
(folder / "config.json").write_text(json.dumps({
    "architectures": ["BertModel"], "model_type": "bert", "vocab_size": words, "hidden_size": width,
    "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": 3, "hidden_act": "gelu",
    "max_position_embeddings": positions, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute"}))
