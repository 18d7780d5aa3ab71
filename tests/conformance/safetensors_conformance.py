"""Our safetensors files and the reference library's: each reads the other's, byte for byte."""

import json
import pathlib
import random
import sys
import tempfile

import peers

peers.require("numpy", "torch", "safetensors")

import numpy
import safetensors
import safetensors.torch
import torch

work = tempfile.TemporaryDirectory(prefix="tutti-conformance-")
folder = pathlib.Path(work.name)
TYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16,
         "I8": torch.int8, "U8": torch.uint8, "I16": torch.int16, "I32": torch.int32,
         "I64": torch.int64, "BOOL": torch.bool}


def the_reference_reads_our_file():
    peers.ours("types", folder / "ours.safetensors")
    tensors = safetensors.torch.load_file(folder / "ours.safetensors")
    raw = bytes(i % 2 for i in range(96))
    assert len(tensors) == len(TYPES) + 3
    for name, dtype in TYPES.items():
        expected = torch.frombuffer(bytearray(raw), dtype=dtype)[:12].reshape(4, 3)
        assert tensors[name].dtype == dtype, name
        same = tensors[name].view(torch.uint8), expected.contiguous().view(torch.uint8)
        assert torch.equal(*same), name
    assert tensors["scalar"].shape == () and tensors["empty"].shape == (3, 0)
    assert 'é "quoted"\\\n' in tensors
    with safetensors.safe_open(folder / "ours.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def the_reference_writes_the_bytes_that_we_write():
    tensors = safetensors.torch.load_file(folder / "ours.safetensors")
    safetensors.torch.save_file(tensors, folder / "theirs.safetensors", {"format": "pt"})
    ours = (folder / "ours.safetensors").read_bytes()
    assert ours == (folder / "theirs.safetensors").read_bytes()
    peers.ours("rewrite", folder / "theirs.safetensors", folder / "again.safetensors")
    assert ours == (folder / "again.safetensors").read_bytes()


def the_reference_agrees_on_damaged_files():
    """What we take, the reference takes; what it takes and we refuse is on a short list."""
    stricter = ("field '", "twice", "nothing but spaces", "one of BOOL")
    rng = random.Random(5)
    header = {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
              "b": {"dtype": "I8", "shape": [4], "data_offsets": [16, 20]}}
    text = json.dumps(header).encode()
    good = len(text).to_bytes(8, "little") + text + bytes(20)
    paths = []
    for i in range(1500):
        data = bytearray(good)
        for _ in range(rng.randint(0, 2)):
            at = rng.randrange(len(data))
            kind = rng.randrange(4)
            if kind == 0:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                data[at] = rng.choice(b"0123456789[]{},:\" abF")
            elif kind == 2:
                del data[at]
            else:
                data.insert(at, rng.choice(b"0123456789[]{},:\" ab"))
        paths.append(folder / f"{i}.safetensors")
        paths[-1].write_bytes(data)
    verdicts = peers.ours("check", *paths).splitlines()
    assert len(verdicts) == len(paths)
    taken = 0
    for path, verdict in zip(paths, verdicts):
        try:
            with safetensors.safe_open(path, "np") as file:
                for name in file.keys():
                    file.get_tensor(name)
            refusal = ""
        except Exception as error:
            refusal = str(error) or type(error).__name__
        if verdict == "ok":
            assert not refusal, f"{path.read_bytes()} taken, but the reference says {refusal}"
            taken += 1
        elif not refusal:
            assert any(word in verdict for word in stricter), (path.read_bytes(), verdict)
    assert taken > 50
    return f"{len(paths)} files, {taken} of them good"


print(f"safetensors {safetensors.__version__}, numpy {numpy.__version__}, Python {sys.version}")
peers.run_checks(
    the_reference_reads_our_file,
    the_reference_writes_the_bytes_that_we_write,
    the_reference_agrees_on_damaged_files,
)
