"""Tokenizers of huggingface/tokenizers in the forms that models use, and texts of many scripts to compare ids on."""

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

TEXTS = [
    "", " ", "   ", "a", "rainy evening piano", "Energetic ROCK vibes!!", "90s hip-hop  &  R&B", "summer 2019",
    "1234567 beats in 12:34", "don't stop we'll they've I'M HE'S 'tis", "IT'\u017f", "line\nbreak\r\n\n  two\t tabs ",
    "trailing space ", "  leading", "café Beyoncé naïve", "cafe\u0301 e\u0301\u0323", "Ünïcödé STRASSE straße İstanbul ı",
    "日本のロック", "中文歌曲 2020年", "한국 인디 음악", "Русский рок 80-х", "Ελληνικά ΟΔΟΣ ς", "موسيقى عربية ١٢٣",
    "שירים בעברית", "हिन्दी गाने", "ไทยป๊อป", "🔥🔥 party 🎉", "👨‍👩‍👧‍👦 family 👍🏽", "🇧🇷 funk", "e\u200bzero\u200dwidth\ufeff",
    "nbsp\u00a0here\u2003em\u3000ideo\u0085nel\u180emvs", "½ cup Ⅷ ² ①", "ﬁne ﬂow ＦＵＬＬ", "x^2 + y_3 = #tag @user $9.99",
    "C++/C# & \"quotes\" «guillemets» — dash… ‘x’", "<|im_start|>user\nhello<|im_end|>", "<|endoftext|>a<|endoftext|>",
    "[CLS] text [SEP] [MASK]", "<tool> called <tool>", "word<unit>word <unit> <unit>s", "a" * 120, "zażółć gęślą jaźń",
    "\u0000nul\u0007bell\ufffdbad", "ﷺ \U00020000\U0002a700 㐀", "Ǆ ǆ ŉ", "mixed日本text中文123한국", "ɑ̃ ʔ ǃ", "a\u0300\u0301b",
]

WORDS = [
    "rainy evening piano for studying", "energetic rock vibes summer party 2019", "late night drive hip hop beats",
    "日本のロック 音楽", "中文歌曲 年", "русский рок музыка", "ελληνικά τραγούδια", "한국 인디 음악", "café jazz naïve",
    "don't stop the music we'll dance they've", "the best of the 80s and 90s", "workout motivation running",
]


def trained_bpe():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(WORDS * 4, trainers.BpeTrainer(
        vocab_size=520, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"]))
    return tokenizer.to_str()


def bpe(trained, pre_tokenizer, *, normalizer=None, post_processor=None, ignore_merges=False):
    tokenizer = Tokenizer.from_str(trained)
    tokenizer.model.ignore_merges = ignore_merges
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if post_processor is not None:
        tokenizer.post_processor = post_processor
    tokenizer.add_tokens([
        AddedToken("<tool>", normalized=False, lstrip=True, rstrip=True), AddedToken("<unit>", single_word=True),
        AddedToken("Café", normalized=True)])
    return tokenizer


def small_tokenizers():
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    only_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    def split(pattern):
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), only_bytes])

    trained = trained_bpe()
    bos = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)])])
    found = {
        "gpt2": bpe(trained, byte_level, post_processor=processors.ByteLevel(trim_offsets=False)),
        "smollm": bpe(trained, pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])),
        "llama3": bpe(trained, split(LLAMA3), post_processor=bos, ignore_merges=True),
        "qwen2": bpe(trained, split(QWEN2), normalizer=normalizers.NFC()),
    }
    for name, options in {"bert_uncased": dict(lowercase=True), "bert_cased": dict(lowercase=False)}.items():
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(**options)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.train_from_iterator(WORDS * 4, trainers.WordPieceTrainer(
            vocab_size=400, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False,
            initial_alphabet=list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789é音中")))
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        found[name] = tokenizer
    return found


def record(tokenizer, texts):
    """What each text becomes: whole, with special tokens as text; a part with them as tokens."""
    tokenizer.encode_special_tokens = True
    whole = [tokenizer.encode(text).ids for text in texts]
    tokenizer.encode_special_tokens = False
    parts = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    return [{"text": text, "ids": ids, "part": part} for text, ids, part in zip(texts, whole, parts)]
