"""Writes tests/trainer/goldens/*.safetensors: what T5 of transformers computes (tests/conformance/t5_cases.py).

    python tests/conformance/make_t5_goldens.py
"""

import pathlib

import t5_cases

folder = pathlib.Path(__file__).parent.parent / "trainer" / "goldens"
folder.mkdir(exist_ok=True)
for name, shape in t5_cases.SHAPES.items():
    t5_cases.write_case(folder / f"t5_{name}.safetensors", shape)
