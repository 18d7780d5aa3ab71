#include <string_view>

#include <fmt/core.h>

#include "checkpoints/export/hf_parts.h"
#include "checkpoints/softmax.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace {

// Joined, not formatted: the braces are Python's. tests/conformance runs the code blocks.
constexpr const char* kLoad = R"md(
## Load it and get valid IDs

```python
import bisect, json
from safetensors.torch import load_file
from transformers import AutoTokenizer, CLASS

tokenizer = AutoTokenizer.from_pretrained(folder)
model = CLASS.from_pretrained(folder).eval()
)md";

constexpr const char* kUse =
    R"md(prompt = json.load(open(folder + "/config.json", encoding="utf-8"))["tutti"]["prompt"]
tracks = [json.loads(line) for line in open(folder + "/id_map.jsonl", encoding="utf-8")]
trie = load_file(folder + "/trie.safetensors")
row, token, target = (trie[name].tolist() for name in ("row", "token", "target"))

def walk(ids):  # tokens of an ID -> trie node, -1 - track, or None
    node = 0
    for t in ids:
        if node < 0:  # the ID is whole: padding
            break
        edge = bisect.bisect_left(token, t, row[node], row[node + 1])
        if edge == row[node + 1] or token[edge] != t:
            return None
        node = target[edge]
    return node

def allowed(batch, ids):  # what may follow; pad for a beam that has left the trie
    node = walk(ids[start:].tolist())
    return [model.config.pad_token_id] if node is None or node < 0 else token[row[node] : row[node + 1]]

inputs = tokenizer([prompt.replace("{title}", "rainy evening piano")], return_tensors="pt")
)md";

constexpr const char* kStartOfDecoder = "start = 1  # IDs begin behind the decoder's start token\n";
constexpr const char* kStartBehindPrompt =
    "start = inputs.input_ids.shape[1]  # IDs begin behind the prompt\n";

constexpr const char* kGenerate =
    R"md(found = model.generate(**inputs, prefix_allowed_tokens_fn=allowed)
for ids in found:
    print(tracks[-1 - walk(ids[start:].tolist())])
```

Feed and read IDs as integers: the text forms `<L0_17>` are for people.
)md";

constexpr const char* kNoTextHead =
    R"(The head has no rows for text (they are zero): without the trie the model's output means
nothing.
)";

constexpr const char* kLevelText =
    R"(The model was trained with `softmax: level`: the logits of a position are normalised over the
rows of that position's level (`level_first`, `level_size` in `trie.safetensors`); at the last
position, the suffix, over the children that exist in the trie.)";
constexpr const char* kLevelCode = R"(            d = len(beam) - start
            first, size = (trie[name].tolist()[d] for name in ("level_first", "level_size"))
            over = slice(first, first + size) if d + 1 < len(trie["level_first"]) else children
)";

constexpr const char* kTrieText =
    R"(The model was trained with `softmax: trie`: the logits of a position are normalised over the
children that exist in the trie.)";
constexpr const char* kTrieCode = "            over = children\n";

constexpr const char* kIdsText =
    R"(The model was trained with `softmax: ids`: the logits of a position are normalised over the
rows of all ID tokens.)";
constexpr const char* kIdsCode =
    R"(            first, size = (trie[name].tolist() for name in ("level_first", "level_size"))
            over = slice(first[0], first[-1] + size[-1])
)";

constexpr const char* kFullText =
    R"(The model was trained with `softmax: full`: the logits of a position are normalised over the
whole vocabulary, as engines do: a mask alone gives the scores and the ranking of training. The
same by hand:
)";
constexpr const char* kFullCode = "            over = slice(None)\n";

constexpr const char* kMaskAlone = R"md(

`prefix_allowed_tokens_fn` alone masks what is not in the trie but normalises over the whole
vocabulary: every result is a track, but scores are lower and beams rank a little differently. An
engine that only offers a mask behaves the same. For the scores that tutti itself uses, and with
them its ranking, normalise as in training:
)md";

constexpr const char* kExact = R"md(
```python
import torch
from transformers import LogitsProcessor, LogitsProcessorList

class TrainedSoftmax(LogitsProcessor):
    def __call__(self, ids, scores):
        out = torch.full_like(scores, float("-inf"))
        for b, beam in enumerate(ids):
            children = allowed(None, beam)
)md";
constexpr const char* kExactEnd =
    R"md(            out[b, children] = scores[b, children] - scores[b, over].logsumexp(-1)
        return out

exact = model.generate(**inputs, logits_processor=LogitsProcessorList([TrainedSoftmax()]),
                       return_dict_in_generate=True, output_scores=True)
# exact.sequences, exact.sequences_scores: the log probability of each ID
```

## Known differences

)md";

constexpr const char* kDifferencesOfT5 =
    R"md(- The fast tokenizer drops a combining mark behind a letter that it also rewrites ("M" with a
  tilde); SentencePiece on `spiece.model`, which training used, and `T5Tokenizer` of transformers 4
  keep it.
- Text that spells a special or added token ("<pad>", "<L0_17>") becomes that token in transformers
  and stays text in tutti.
- transformers 4 sizes its decoder cache by `num_layers`: with more decoder than encoder layers pass
  `use_cache=False`.
)md";

struct TextAndCode {
  std::string_view text, code;
};
TextAndCode text_and_code(Softmax softmax) {
  switch (softmax) {
    case Softmax::kLevel:
      return {kLevelText, kLevelCode};
    case Softmax::kTrie:
      return {kTrieText, kTrieCode};
    case Softmax::kIds:
      return {kIdsText, kIdsCode};
    case Softmax::kFull:
      return {kFullText, kFullCode};
  }
  fail_check("a known softmax", "");
}

}  // namespace

std::string hf_loading(const std::string& model_class) {
  constexpr std::string_view kClass = "CLASS";
  std::string text = kLoad;
  for (size_t at = text.find(kClass); at != std::string::npos; at = text.find(kClass, at)) {
    text.replace(at, kClass.size(), model_class);
    at += model_class.size();
  }
  return text;
}

std::string hf_readme(const ReadmeOf& of, const ExportSource& source) {
  const ids::IdTable& table = source.ids.table;
  std::string text = fmt::format(
      "# A generative retrieval model\n\n"
      "Exported by tutti: words in, track IDs out. {}\n"
      "that emits IDs of {} tokens for {} tracks.\n\n"
      "| made from | hash |\n| --- | --- |\n| checkpoint | {} |\n| ID table | {} |\n"
      "| dataset | {} |\n\n"
      "| file | what it is |\n| --- | --- |\n"
      "| `model.safetensors`, `config.json`, `generation_config.json` | the model; ID token k is "
      "vocabulary id `config.tutti.levels[0].first_token` + k; `config.tutti.prompt`: what it "
      "reads of a title |\n"
      "| {} |\n"
      "| `trie.safetensors` | all IDs as CSR arrays: the edges of node n are `row[n]` to "
      "`row[n + 1]`; `token`: vocabulary id, ascending; `target`: a node, or -1 - line of "
      "`id_map.jsonl` |\n"
      "| `id_map.jsonl` | a line a track: key, artist, name, vocabulary ids, token names |\n"
      "| `manifest.json` | sizes and SHA-256 of all files, and the hashes above |\n",
      of.model, table.id_length(), table.num_tracks(), source.checkpoint.manifest.hash,
      source.ids.manifest.hash, source.dataset.hash, of.tokenizer_files);
  text += of.loading;
  text += kUse;
  text += of.is_decoder_only ? kStartBehindPrompt : kStartOfDecoder;
  text += kGenerate;
  if (!of.has_text_head) text += kNoTextHead;
  text += "\n## Scores as in training\n\n";
  const auto [meaning, code] =
      text_and_code(softmax_of(source.checkpoint.state, source.checkpoint.path));
  text += meaning;
  if (code != kFullCode) text += kMaskAlone;
  text += kExact;
  text += code;
  text += kExactEnd;
  text += of.differences;
  return text;
}

std::string hf_t5_readme(const T5Config& t5, const ExportSource& source) {
  const bool is_pair = t5.encoder.has_value();
  return hf_readme(
      {.model = fmt::format("{} ({}, untied head, fp32)",
                            is_pair ? "A BERT under T5's decoder" : "A T5 encoder-decoder",
                            t5.feed_forward == FeedForwardForm::kRelu ? "ReLU" : "gated GELU"),
       .tokenizer_files =
           is_pair ? "`tokenizer.json`, `tokenizer_config.json` | the encoder's tokenizer; ID "
                     "tokens are the decoder's alone"
                   : "`tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json`, "
                     "`added_tokens.json`, `spiece.model` | the tokenizer, with ID tokens added "
                     "(not special)",
       .loading = is_pair ? std::string(pair_loading()) : hf_loading("T5ForConditionalGeneration"),
       .is_decoder_only = false,
       .has_text_head = t5.tie_word_embeddings || t5.text_head,
       .differences = is_pair ? pair_differences() : std::string_view(kDifferencesOfT5)},
      source);
}

}  // namespace tutti::checkpoints
