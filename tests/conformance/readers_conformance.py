"""Models to start from, read by transformers or the gguf package and by us: the same values, every tensor accounted for."""

import json
import pathlib
import sys
import tempfile

import peers

peers.require("torch", "transformers", "safetensors", "gguf", "tokenizers")
peers.require_bases("smollm2", "minilm")

import gguf
import numpy
import torch
import transformers
from safetensors.torch import load_file
from transformers import (BertConfig, BertForMaskedLM, BertModel, LlamaConfig, LlamaForCausalLM,
                          Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

import llama_cases
import tokenizer_cases

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)
work = tempfile.TemporaryDirectory(prefix="tutti-conformance-")
folder = pathlib.Path(work.name)


def read(kind, path, name):
    out = folder / name
    peers.ours("source", kind, path, out)
    return (load_file(out / "tensors.safetensors"), json.loads((out / "config.json").read_text()),
            json.loads((out / "ignored.json").read_text()))


def all_equal(ours, theirs):
    assert ours.keys() == theirs.keys(), ours.keys() ^ theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor.float()), name


def random_folder(name, model, tokenizer, **options):
    path = folder / name
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.5)
    model.save_pretrained(path, **options)
    (path / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    return path


def folders_of_language_models():
    shape = dict(vocab_size=560, hidden_size=24, intermediate_size=20, num_hidden_layers=2, num_attention_heads=6,
                 num_key_value_heads=2, max_position_embeddings=99)
    tokenizer = tokenizer_cases.small_tokenizers()["llama3"]
    llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=64)
    kinds = [
        (LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=True, rope_theta=1e5)), {}),
        (LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=False, rope_scaling=llama3)),
         dict(max_shard_size="8KB")),
        (LlamaForCausalLM(LlamaConfig(**shape, head_dim=8)).to(torch.bfloat16), {}),
        (Qwen2ForCausalLM(Qwen2Config(**shape)), {}),
        (Qwen2ForCausalLM(Qwen2Config(**shape, tie_word_embeddings=True)).to(torch.float16), dict(max_shard_size="8KB")),
        (Qwen3ForCausalLM(Qwen3Config(**shape, head_dim=10, tie_word_embeddings=True)), {}),
    ]
    for number, (model, options) in enumerate(kinds):
        path = random_folder(f"lm{number}", model, tokenizer, **options)
        ours, config, ignored = read("llama", path, f"lm{number}-read")
        theirs = dict(model.state_dict())
        if model.config.tie_word_embeddings:
            theirs.pop("lm_head.weight")
        all_equal(ours, theirs)
        assert not ignored
        assert config["family"] == model.config.model_type
        assert config["head_dim"] == getattr(model.config, "head_dim", None) or 4
        assert config["rms_norm_eps"] == model.config.rms_norm_eps
        assert config["rope_theta"] == model.config.rope_theta
        assert config["tie_word_embeddings"] == model.config.tie_word_embeddings
        assert ("rope_scaling" in config) == (model.config.rope_scaling is not None)
    return f"{len(kinds)} folders"


def folders_of_bert():
    shape = dict(vocab_size=420, hidden_size=24, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
                 max_position_embeddings=40)
    tokenizer = tokenizer_cases.small_tokenizers()["bert_uncased"]
    for number, model in enumerate([BertModel(BertConfig(**shape)), BertForMaskedLM(BertConfig(**shape))]):
        path = random_folder(f"bert{number}", model, tokenizer)
        ours, config, ignored = read("bert", path, f"bert{number}-read")
        encoder = model if number == 0 else model.bert
        all_equal(ours, {n: t for n, t in encoder.state_dict().items() if not n.startswith("pooler.")})
        on_disk = load_file(path / "model.safetensors")
        assert len(ours) + len(ignored) == len(on_disk)
        assert config["layer_norm_eps"] == model.config.layer_norm_eps


def minilm():
    path = peers.ours("base-path", "minilm")
    ours, config, ignored = read("bert", path, "minilm")
    theirs = load_file(path + "/model.safetensors")
    all_equal(ours, {name: tensor for name, tensor in theirs.items() if name not in ignored})
    assert sorted(ignored) == ["embeddings.position_ids", "pooler.dense.bias", "pooler.dense.weight"]
    assert config["hidden_size"] == 384 and config["num_hidden_layers"] == 6
    return f"{len(ours)} tensors, {sum(t.numel() for t in ours.values())} values"


def smollm2():
    """Values as the gguf package unpacks them, q and k in the order in which transformers reads the same file."""
    path = pathlib.Path(peers.ours("base-path", "smollm2"))
    ours, config, ignored = read("llama", path, "smollm2")
    model, theirs = llama_cases.from_gguf(path)
    assert config["tie_word_embeddings"] and model.config.tie_word_embeddings
    all_equal(ours, theirs)
    assert not ignored
    for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                 "rms_norm_eps", "rope_theta", "max_position_embeddings"):
        assert config[name] == getattr(model.config, name), name
    stored = {t.name: t for t in gguf.GGUFReader(path).tensors}
    for number in (0, 29):
        for ours_name, name in (("mlp.down_proj", "ffn_down"), ("self_attn.v_proj", "attn_v")):
            tensor = stored[f"blk.{number}.{name}.weight"]
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            assert numpy.array_equal(ours[f"model.layers.{number}.{ours_name}.weight"].numpy(), values), name
    kinds = sorted({t.tensor_type.name for t in stored.values()})
    return f"{len(ours)} tensors, {sum(t.numel() for t in ours.values())} values, {', '.join(kinds)}"


def every_type_that_the_gguf_package_writes():
    rng = numpy.random.default_rng(5)
    types = gguf.GGMLQuantizationType
    shape = dict(vocab_size=530, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                 num_key_value_heads=2)
    tokenizer = json.loads(tokenizer_cases.small_tokenizers()["qwen2"].to_str())
    vocab = tokenizer["model"]["vocab"]
    added = {token["id"]: token for token in tokenizer["added_tokens"]}
    tokens = {i: t for t, i in vocab.items()} | {i: t["content"] for i, t in added.items()}
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
             "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    model = Qwen3ForCausalLM(Qwen3Config(**shape, head_dim=32, tie_word_embeddings=False))
    for kind in (types.F32, types.F16, types.BF16, types.Q8_0, types.Q4_0, types.Q4_1):
        path = folder / f"{kind.name}.gguf"
        writer = gguf.GGUFWriter(path, "qwen3")
        writer.add_context_length(99)
        writer.add_embedding_length(64)
        writer.add_block_count(2)
        writer.add_feed_forward_length(96)
        writer.add_head_count(4)
        writer.add_head_count_kv(2)
        writer.add_key_length(32)
        writer.add_value_length(32)
        writer.add_layer_norm_rms_eps(1e-6)
        writer.add_rope_freq_base(1e6)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2")
        writer.add_token_list([tokens.get(i, f"[PAD{i}]") for i in range(530)])
        writer.add_token_types([4 if i in added else 1 if i in tokens else 5 for i in range(530)])
        writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
        expected = {}
        for name, weight in model.state_dict().items():
            values = rng.normal(size=weight.shape).astype(numpy.float32)
            parts = name.split(".")
            if name.startswith("model.layers."):
                stored_as = f"blk.{parts[2]}.{names['.'.join(parts[3:-1])]}.weight"
            else:
                stored_as = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                             "lm_head.weight": "output.weight"}[name]
            of_tensor = kind if values.ndim == 2 else types.F32
            packed = gguf.quants.quantize(values, of_tensor)
            writer.add_tensor(stored_as, packed, raw_dtype=of_tensor)
            expected[name] = torch.from_numpy(numpy.array(gguf.quants.dequantize(packed, of_tensor)))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        ours, config, ignored = read("llama", path, kind.name)
        all_equal(ours, expected)
        assert config["head_dim"] == 32 and config["qk_norm"] and not ignored
    return "F32, F16, BF16, Q8_0, Q4_0, Q4_1"


print(f"transformers {transformers.__version__}, gguf package, numpy {numpy.__version__}, Python {sys.version}")
peers.run_checks(
    folders_of_language_models,
    folders_of_bert,
    minilm,
    smollm2,
    every_type_that_the_gguf_package_writes,
)
