"""Writes a folder as BertModel.save_pretrained does, of random weights, with the standard library alone.

    python3 small_bert.py FOLDER [SEED]
"""

import pathlib
import sys

import random_folder

tokenizer = random_folder.tokenizer_of("bert_uncased")
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

random_folder.write(pathlib.Path(sys.argv[1]), shapes, {
    "architectures": ["BertModel"], "model_type": "bert", "vocab_size": words, "hidden_size": width,
    "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": 3, "hidden_act": "gelu",
    "max_position_embeddings": positions, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute"}, tokenizer,
    seed=int(sys.argv[2]) if len(sys.argv) > 2 else 1)
