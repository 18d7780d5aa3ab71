"""The tokenizers that models ship, read by huggingface/tokenizers and by us: the same ids for texts of all scripts."""

import io
import json
import pathlib
import random
import sys
import tempfile

import peers

peers.require("tokenizers", "transformers", "sentencepiece", "gguf")
peers.require_bases("smollm2", "minilm")

import gguf
import sentencepiece
import tokenizers
import transformers
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import T5TokenizerFast

import tokenizer_cases

transformers.logging.set_verbosity_error()
work = tempfile.TemporaryDirectory(prefix="tutti-conformance-")
folder = pathlib.Path(work.name)
BLOCKS = [(0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE80), (0x1E00, 0x2070),
          (0x2190, 0x2600), (0x3000, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xFF00, 0xFFF0), (0x1F300, 0x1FA00)]


def random_texts(count, seed):
    rng = random.Random(seed)
    words = " ".join(tokenizer_cases.WORDS).split()
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 8)):
            kind = rng.randrange(6)
            if kind == 0:
                block = rng.choice(BLOCKS)
                parts.append("".join(chr(rng.randrange(*block)) for _ in range(rng.randint(1, 6))))
            elif kind == 1:
                parts.append(rng.choice([" ", "  ", "\n", "\r\n ", "\t", "\u00a0", "\u3000"]))
            elif kind == 2:
                parts.append(str(rng.randrange(10 ** rng.randint(1, 8))))
            elif kind == 3:
                parts.append(rng.choice("!?.,:;-_/()[]{}<>|@#$%^&*+=~`'\""))
            else:
                parts.append(rng.choice(["", " "]) + rng.choice(words))
        texts.append("".join(parts))
    return texts


def compare(name, tokenizer, texts, path=None):
    """`tokenizer`: of huggingface/tokenizers; ours reads `path`, or what theirs writes."""
    if path is None:
        path = folder / f"{name}.json"
        path.write_text(tokenizer.to_str(), encoding="utf-8")
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    ours = json.loads(peers.ours("tokenize", path, folder / "texts.json"))
    theirs = tokenizer_cases.record(tokenizer, texts)
    wrong = [(t["text"], t[kind], o[kind]) for t, o in zip(theirs, ours, strict=True) for kind in ("ids", "part")
             if t[kind] != o[kind]]
    assert not wrong, f"{name}: {len(wrong)} of {len(texts)}: {wrong[:3]}"


def small_tokenizers_of_every_form_agree():
    texts = tokenizer_cases.TEXTS + random_texts(3000, 1)
    found = tokenizer_cases.small_tokenizers()
    for name, tokenizer in found.items():
        compare(name, tokenizer, texts)
    return f"{', '.join(found)}: {len(texts)} texts each"


def every_character_alone_and_in_a_word():
    """Where tables of Unicode of other versions would show: letters, blanks, accents, punctuation, case."""
    assigned = [chr(c) for c in range(0x20000) if not 0xD800 <= c < 0xE000]
    texts = ["".join(assigned[i : i + 64]) for i in range(0, len(assigned), 64)] + ["a" + c + "b" for c in assigned[:0x3000]]
    notes = []
    for name, tokenizer in tokenizer_cases.small_tokenizers().items():
        path = folder / f"{name}.json"
        path.write_text(tokenizer.to_str(), encoding="utf-8")
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        ours = json.loads(peers.ours("tokenize", path, folder / "texts.json"))
        theirs = tokenizer_cases.record(tokenizer, texts)
        wrong = [t["text"] for t, o in zip(theirs, ours, strict=True) if t["part"] != o["part"]]
        # Characters that one side's Unicode does not know yet: a handful of blocks of rare scripts.
        assert len(wrong) <= 24, f"{name}: {len(wrong)} of {len(texts)}: {[hex(ord(w[0])) for w in wrong]}"
        notes.append(f"{name} {len(texts) - len(wrong)} of {len(texts)}")
    return ", ".join(notes)


def minilm_agrees():
    path = pathlib.Path(peers.ours("base-path", "minilm"), "tokenizer.json")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    texts = tokenizer_cases.TEXTS + random_texts(3000, 2)
    compare("minilm", tokenizer, texts, path)
    return f"{len(texts)} texts"


def smollm2_agrees():
    """Theirs is built here from the GGUF file by the gguf package: its vocabulary, merges, and smollm's split."""
    path = peers.ours("base-path", "smollm2")
    fields = gguf.GGUFReader(path).fields
    tokens, merges, types = (fields["tokenizer.ggml." + key].contents() for key in ("tokens", "merges", "token_type"))
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)},
                                     [tuple(merge.split(" ")) for merge in merges]))
    assert fields["tokenizer.ggml.pre"].contents() == "smollm"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t, kind in zip(tokens, types) if kind == 3])
    peers.ours("source", "llama", path, folder / "smollm2")
    texts = tokenizer_cases.TEXTS + random_texts(3000, 3)
    compare("smollm2", tokenizer, texts, folder / "smollm2" / "tokenizer.json")
    return f"{len(texts)} texts, {len(tokens)} pieces"


def t5_from_tokenizer_json_alone():
    """Trained with T5's nmt_nfkc rules; theirs is the fast tokenizer, and ours from spiece.model."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(tokenizer_cases.WORDS * 20), model_writer=written, vocab_size=300,
        hard_vocab_limit=False, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2, character_coverage=1.0)
    base = folder / "t5"
    base.mkdir()
    (base / "spiece.model").write_bytes(written.getvalue())
    fast = T5TokenizerFast(str(base / "spiece.model"), add_prefix_space=True)  # as T5's own tokenizer.json
    fast.save_pretrained(base)
    assert json.loads((base / "tokenizer.json").read_text())["normalizer"], "with the normalisation table"
    texts = tokenizer_cases.TEXTS + random_texts(3000, 4)
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    from_json, from_model = (json.loads(peers.ours("tokenize", base / file, folder / "texts.json"))
                             for file in ("tokenizer.json", "spiece.model"))
    assert from_json == from_model, "the same as SentencePiece itself"
    # Precompiled of the fast tokenizer drops marks (see hf_conformance.py); titles are compared.
    for text in tokenizer_cases.WORDS + ["Rainy  EVENING piano ", "ＦＵＬＬ ﬁne ½"]:
        (folder / "texts.json").write_text(json.dumps([text]), encoding="utf-8")
        ours = json.loads(peers.ours("tokenize", base / "tokenizer.json", folder / "texts.json"))[0]["ids"]
        assert ours == fast(text).input_ids, text
    return f"{len(texts)} texts"


print(f"tokenizers {tokenizers.__version__}, transformers {transformers.__version__}, "
      f"sentencepiece {sentencepiece.__version__}, Python {sys.version}")
peers.run_checks(
    small_tokenizers_of_every_form_agree,
    every_character_alone_and_in_a_word,
    minilm_agrees,
    smollm2_agrees,
    t5_from_tokenizer_json_alone,
)
