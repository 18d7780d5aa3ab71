#!/usr/bin/env python3
"""Records tests/data/goldens/*_tokenizer.json: small tokenizers that huggingface/tokenizers trained, with the ids that
it gives for texts of many scripts. Run by hand when the cases change: make_tokenizer_goldens.py FOLDER"""

import json
import pathlib
import sys

import tokenizers

import tokenizer_cases

folder = pathlib.Path(sys.argv[1])
for name, tokenizer in tokenizer_cases.small_tokenizers().items():
    document = {
        "tokenizers": tokenizers.__version__,
        "tokenizer": json.loads(tokenizer.to_str()),
        "cases": tokenizer_cases.record(tokenizer, tokenizer_cases.TEXTS),
    }
    text = json.dumps(document, ensure_ascii=False, indent=None, separators=(",", ":"))
    (folder / f"{name}_tokenizer.json").write_text(text + "\n", encoding="utf-8")
    print(name, len(text), "bytes,", len(document["cases"]), "cases")
