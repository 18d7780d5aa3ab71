"""Writes tests/trainer/goldens/*.safetensors: what T5, BERT, Llama and Qwen of transformers
compute (t5_cases.py, bert_cases.py, llama_cases.py).

    python tests/conformance/make_model_goldens.py
"""

import pathlib

import bert_cases
import llama_cases
import t5_cases

folder = pathlib.Path(__file__).parent.parent / "trainer" / "goldens"
folder.mkdir(exist_ok=True)
for name, shape in t5_cases.SHAPES.items():
    t5_cases.write_case(folder / f"t5_{name}.safetensors", shape)
for name, shape in bert_cases.SHAPES.items():
    bert_cases.write_case(folder / f"bert_{name}.safetensors", shape)
for name, shape in llama_cases.SHAPES.items():
    llama_cases.write_case(folder / f"llama_{name}.safetensors", shape)
