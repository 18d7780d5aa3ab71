#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tutti::checkpoints {

// Element types that are read; numbers as in ggml. The quantised ones store blocks of 32 values.
enum class GgufType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ40 = 2,  // scale fp16, 32 x 4 bits: scale * (q - 8)
  kQ41 = 3,  // scale and offset fp16, 32 x 4 bits: scale * q + offset
  kQ80 = 8,  // scale fp16, 32 x int8: scale * q
  kBF16 = 30,
};
const char* name_of(GgufType type);

struct GgufTensor {
  std::string name;
  GgufType type = GgufType::kF32;
  std::vector<int64_t> shape;  // as torch writes it, slowest dimension first
  std::string_view data;       // of the mapped file

  int64_t num_elements() const;
};

// Whole numbers of all widths are int64 here, real ones double.
using GgufValue = std::variant<bool, int64_t, double, std::string, std::vector<bool>,
                               std::vector<int64_t>, std::vector<double>, std::vector<std::string>>;

// The values of a tensor, row by row; `out` has num_elements() places.
void copy_as_fp32(const GgufTensor& tensor, std::span<float> out);

struct GgufContent {
  std::map<std::string, GgufValue> metadata;
  std::vector<GgufTensor> tensors;  // in file order; data points into the bytes given
};
// Reads and checks a whole file: magic, version (2 or 3, little-endian), counts against what is
// left of the file, names once, types, shapes that fit their blocks, alignment, data one after the
// other up to the end. Nothing is allocated for a count before the file is known to be long enough
// for it. DataError naming what is wrong and where.
GgufContent parse_gguf(std::string_view file_bytes, const std::string& path);

// Such a file, mapped read-only.
class GgufFile {
 public:
  static GgufFile open(const std::filesystem::path& path);
  ~GgufFile();
  GgufFile(GgufFile&&) noexcept;
  GgufFile& operator=(GgufFile&&) noexcept;

  const std::string& path() const;
  const std::vector<GgufTensor>& tensors() const;
  const GgufTensor* find_tensor(const std::string& name) const;  // nullptr when absent
  const GgufValue* find(const std::string& key) const;           // nullptr when absent

  // DataError naming the key when it is absent (and there is no value for that) or of another type.
  int64_t size(const std::string& key, std::optional<int64_t> absent = std::nullopt) const;  // > 0
  int64_t whole(const std::string& key) const;
  double number(const std::string& key, std::optional<double> absent = std::nullopt) const;  // > 0
  bool flag(const std::string& key, bool absent) const;
  std::string text(const std::string& key, std::optional<std::string> absent = std::nullopt) const;
  const std::vector<std::string>& texts(const std::string& key) const;
  const std::vector<int64_t>& whole_numbers(const std::string& key) const;
  [[noreturn]] void fail(const std::string& place, const std::string& found,
                         const std::string& expected, const std::string& cure = "") const;

 private:
  template <typename T>
  const T& get(const std::string& key, const char* expected) const;

  struct Impl;
  explicit GgufFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::checkpoints
