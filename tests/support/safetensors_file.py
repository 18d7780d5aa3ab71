"""Reads safetensors files without a library, so that the tests of the program see what is in them."""

import json
import struct


def entries(path):
    """{name: (header entry, bytes)}"""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        content = file.read()
    header.pop("__metadata__", None)
    return {name: (entry, content[slice(*entry["data_offsets"])]) for name, entry in header.items()}


def tensors(path):
    """{name: bytes}"""
    return {name: data for name, (_, data) in entries(path).items()}
