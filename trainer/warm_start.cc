#include "trainer/warm_start.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "trainer/id_rows.h"

namespace tutti::trainer {
namespace {

// The tensors with a row for each ID token.
bool has_id_rows(const Parameter& p) {
  return p.name == "id_embedding.weight" || p.name == "lm_head.id.weight";
}

}  // namespace

LoadedModel load_predecessor(const std::filesystem::path& run_or_checkpoint,
                             const ids::LoadedIdTable& ids) {
  const auto before = ids.manifest.made_from.find("id-table");
  const checkpoints::Checkpoint checkpoint = checkpoints::open_checkpoint(run_or_checkpoint);
  const std::string trained_for = checkpoint.manifest.made_from.at("id-table");
  const std::string follows =
      before == ids.manifest.made_from.end() ? "no other table" : before->second;
  if (trained_for != follows) {
    throw DataError(
        Problem{checkpoint.path.string(), "made_from.id-table", trained_for,
                fmt::format("{}, which the ID table {} follows from", follows, ids.manifest.hash),
                trained_for == ids.manifest.hash
                    ? "it was trained for these very IDs: go on with --resume"
                    : "give the model of the table that `tutti ids rebuild --from` was given"});
  }
  return load_model(checkpoint);
}

nlohmann::json shape_under(const IdModel& model, const ids::IdTable& table) {
  nlohmann::json shape = model.shape();
  shape["id_tokens"] = table.num_tokens();
  leave_out_unread_tokens(shape, table);
  return shape;
}

int64_t carry_over(const IdModel& from, const ids::IdTable& table, IdModel& to) {
  const int64_t known = from.id_tokens(), added = table.num_tokens() - known;
  const int64_t last_level = table.levels.back().first_token;
  if (added < 0 || known <= last_level) {
    throw DataError(Problem{"ID table", "", fmt::format("{} tokens", table.num_tokens()),
                            fmt::format("those {} that the model knows, and more", known),
                            "give the table that `tutti ids rebuild` made of the model's"});
  }
  const c10::NoGradGuard no_grad;
  for (const Parameter& p : from.parameters()) {
    Parameter* copy = to.find(p.name);
    TUTTI_CHECK(copy != nullptr, "the same model");
    const at::Tensor& value = copy->value;
    if (!has_id_rows(p)) {
      value.copy_(p.value);
      continue;
    }
    // Rows of tokens that nobody reads are in neither of two models, or in the older one.
    const int64_t kept = std::min(p.value.size(0), value.size(0));
    value.narrow(0, 0, kept).copy_(p.value.narrow(0, 0, kept));
    if (value.size(0) == kept) continue;
    TUTTI_CHECK(kept == known && value.size(0) == known + added, "rows of the tokens of both");
    value.narrow(0, known, added)
        .copy_(p.value.narrow(0, last_level, known - last_level).mean(0, /*keepdim=*/true));
  }
  return added;
}

}  // namespace tutti::trainer
