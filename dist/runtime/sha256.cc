#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>
#include <vector>

#include <openssl/evp.h>

#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"

namespace tutti {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    TUTTI_CHECK(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }

  void add(const void* data, size_t num_bytes) {
    TUTTI_CHECK(EVP_DigestUpdate(context_.get(), data, num_bytes) == 1);
  }

  std::string hex_digits() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    TUTTI_CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), &length) == 1 && length == 32);
    std::string hex;
    for (size_t i = 0; i < length; ++i) {
      hex += "0123456789abcdef"[digest[i] >> 4];
      hex += "0123456789abcdef"[digest[i] & 15];
    }
    return hex;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256_of_bytes(const void* data, int64_t num_bytes) {
  Sha256 hash;
  hash.add(data, static_cast<size_t>(num_bytes));
  return hash.hex_digits();
}

std::string sha256_of_file(const std::filesystem::path& path) {
  auto fail = [&path](int error) {
    throw StorageError(Problem{.file = path.string(),
                               .place = "",
                               .found = std::generic_category().message(error),
                               .expected = "a readable file",
                               .cure = ""});
  };
  const std::unique_ptr<std::FILE, decltype(&std::fclose)> file(std::fopen(path.c_str(), "rb"),
                                                                &std::fclose);
  if (!file) fail(errno);
  Sha256 hash;
  std::vector<char> buffer(size_t{1} << 20);
  while (true) {
    const size_t n = std::fread(buffer.data(), 1, buffer.size(), file.get());
    if (n > 0) hash.add(buffer.data(), n);
    if (n < buffer.size()) break;
  }
  if (std::ferror(file.get()) != 0) fail(errno);
  return hash.hex_digits();
}

}  // namespace tutti
