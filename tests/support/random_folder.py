"""Writes a folder as save_pretrained of transformers does, of random weights, with the standard library alone."""

import json
import pathlib
import random
import struct

GOLDENS = pathlib.Path(__file__).parent.parent / "data" / "goldens"


def tokenizer_of(golden):
    return json.loads((GOLDENS / f"{golden}_tokenizer.json").read_text())["tokenizer"]


def write(folder, shapes, config, tokenizer, deviation=0.3, seed=1):
    """`shapes` by tensor name; norms are drawn about 1, all else about 0."""
    draw = random.Random(seed)
    header, content = {}, b""
    for name, shape in shapes.items():
        size = shape[0] * (shape[1] if len(shape) > 1 else 1)
        mean = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
        data = struct.pack(f"<{size}f", *(draw.gauss(mean, deviation) for _ in range(size)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(content), len(content) + len(data)]}
        content += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "config.json").write_text(json.dumps(config))
