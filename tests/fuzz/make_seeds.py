#!/usr/bin/env python3
"""Small good files that libFuzzer starts from: make_seeds.py TARGET FOLDER"""

import json
import pathlib
import struct
import sys

root = pathlib.Path(__file__).resolve().parents[2]


def safetensors():
    header = {"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
              "b": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [8, 12]}}
    text = json.dumps(header).encode()
    yield struct.pack("<Q", len(text)) + text + bytes(12)


def gguf():
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()

    pairs = [text("general.architecture") + struct.pack("<I", 8) + text("llama"),
             text("llama.block_count") + struct.pack("<II", 4, 1), text("f") + struct.pack("<If", 6, 0.5),
             text("is") + struct.pack("<IB", 7, 1), text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b"),
             text("types") + struct.pack("<IIQii", 9, 5, 2, 1, -3)]
    tensors, data = [], b""
    for number, (kind, size) in enumerate([(0, 128), (1, 64), (30, 64), (2, 18), (3, 20), (8, 34)]):
        tensors.append(text(f"t{number}") + struct.pack("<IQIQ", 1, 32, kind, len(data)))
        data += bytes(size) + bytes(-size % 32)
    file = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs) + b"".join(tensors)
    yield file + bytes(-len(file) % 32) + data


def tokenizer_json():
    for path in sorted(root.glob("tests/data/goldens/*_tokenizer.json")):
        yield json.dumps(json.loads(path.read_text(encoding="utf-8"))["tokenizer"]).encode()
    pieces = [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["\u2581", -2.0], ["a", -3.0], ["ab", -4.0]]
    added = [{"id": i, "content": text, "special": True} for i, (text, _) in enumerate(pieces[:3])]
    yield json.dumps({"added_tokens": added, "pre_tokenizer": {"type": "Metaspace"},
                      "model": {"type": "Unigram", "unk_id": 2, "vocab": pieces}}).encode()


def config_json():
    sizes = {"vocab_size": 32, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 64}
    yield json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"], **sizes, "rope_scaling": scaling}).encode()
    yield json.dumps({"model_type": "qwen3", "head_dim": 4, "num_key_value_heads": 1, **sizes}).encode()
    yield json.dumps({"model_type": "bert", "hidden_act": "gelu", **sizes}).encode()
    yield json.dumps({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "vocab_size": 9, "d_model": 8,
                      "d_kv": 4, "d_ff": 8, "num_heads": 2, "num_layers": 1, "feed_forward_proj": "gated-gelu"}).encode()
    yield json.dumps({"arch": "bert", "layer_norm_eps": 1e-12, "max_position_embeddings": 9, "type_vocab_size": 2,
                      **sizes}).encode()


target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
for number, seed in enumerate(globals()[target]()):
    (folder / f"seed{number}").write_bytes(seed)
