// The C++ side of the conformance tests, started by the Python side:
//   conformance_case hf FOLDER SOFTMAX [TOKENIZER_JSON [FAMILY]]   see hf_case.h
//   conformance_case hf-text FOLDER SOFTMAX
//   conformance_case model CASE             relative errors, see tests/support/model_case.h
//   conformance_case bert CASE              likewise, see tests/support/bert_case.h
//   conformance_case encode FOLDER TITLES OUT  see encoder_case.h
//   conformance_case base FOLDER OUT        see base_case.h
//   conformance_case evaluate FOLDER        see evaluate_case.h
//   conformance_case score-run FILE         likewise
//   conformance_case types FILE             writes a safetensors file of all types
//   conformance_case rewrite FROM TO        reads a safetensors file and writes it again
//   conformance_case source KIND PATH OUT   see reader_case.h
//   conformance_case tokenize FILE TEXTS    likewise
//   conformance_case base-path NAME         where --base NAME points
//   conformance_case check FILE...          a line a file: "ok", or why it is refused

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "checkpoints/safetensors.h"
#include "dist/runtime/errors.h"
#include "launch/train/known_bases.h"
#include "tests/conformance/base_case.h"
#include "tests/conformance/encoder_case.h"
#include "tests/conformance/evaluate_case.h"
#include "tests/conformance/hf_case.h"
#include "tests/conformance/reader_case.h"
#include "tests/support/bert_case.h"
#include "tests/support/model_case.h"

namespace {

namespace checkpoints = tutti::checkpoints;
using checkpoints::TensorType;

void write_types(const std::string& path) {
  std::vector<unsigned char> bytes(96);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i % 2);
  std::vector<checkpoints::NamedTensor> tensors{
      {"scalar", TensorType::kF32, {}, bytes.data()},
      {"empty", TensorType::kI64, {3, 0}, bytes.data()},
      {"\xc3\xa9 \"quoted\"\\\n", TensorType::kF32, {2, 2}, bytes.data()}};
  for (const TensorType type :
       {TensorType::kF32, TensorType::kF64, TensorType::kF16, TensorType::kBF16, TensorType::kI8,
        TensorType::kU8, TensorType::kI16, TensorType::kI32, TensorType::kI64, TensorType::kBool}) {
    tensors.push_back({checkpoints::name_of(type), type, {4, 3}, bytes.data()});
  }
  checkpoints::write_safetensors(path, tensors, {{"format", "pt"}});
}

std::string verdict_on(const std::string& path) {
  try {
    checkpoints::SafetensorsFile::open(path);
    return "ok";
  } catch (const tutti::DataError& refusal) {
    return refusal.what();
  }
}

int run(const std::vector<std::string>& args) {
  const std::string mode = args.empty() ? "" : args[0];
  if (mode == "hf" && args.size() >= 3 && args.size() <= 5) {
    tutti::conformance::write_hf_case(args[1], checkpoints::softmax_from_name(args[2]),
                                      args.size() > 3 ? args[3] : "",
                                      args.size() > 4 ? args[4] : "");
  } else if (mode == "hf-text" && args.size() == 3) {
    tutti::conformance::write_hf_case(args[1], checkpoints::softmax_from_name(args[2]), "", "",
                                      /*text_ids=*/true);
  } else if (mode == "model" && args.size() == 2) {
    fmt::print("{}\n", nlohmann::json(tutti::relative_errors_of_case(args[1])).dump());
  } else if (mode == "bert" && args.size() == 2) {
    fmt::print("{}\n", nlohmann::json(tutti::relative_errors_of_bert_case(args[1])).dump());
  } else if (mode == "encode" && args.size() == 4) {
    tutti::conformance::write_token_states(args[1], args[2], args[3]);
  } else if (mode == "base" && args.size() == 3) {
    tutti::conformance::write_base_case(args[1], args[2]);
  } else if (mode == "evaluate" && args.size() == 2) {
    tutti::conformance::write_evaluation_case(args[1]);
  } else if (mode == "score-run" && args.size() == 2) {
    tutti::conformance::print_metrics_of_run(args[1]);
  } else if (mode == "types" && args.size() == 2) {
    write_types(args[1]);
  } else if (mode == "rewrite" && args.size() == 3) {
    const auto file = checkpoints::SafetensorsFile::open(args[1]);
    checkpoints::write_safetensors(args[2], file.tensors(), file.metadata());
  } else if (mode == "source" && args.size() == 4) {
    tutti::conformance::write_source(args[1], args[2], args[3]);
  } else if (mode == "tokenize" && args.size() == 3) {
    tutti::conformance::print_tokens(args[1], args[2]);
  } else if (mode == "base-path" && args.size() == 2) {
    fmt::print("{}", tutti::launch::find_base(args[1]).string());
  } else if (mode == "check") {
    for (size_t i = 1; i < args.size(); ++i) fmt::print("{}\n", verdict_on(args[i]));
  } else {
    fmt::print(stderr, "see the head of conformance_case.cc\n");
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
