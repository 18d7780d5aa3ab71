#include "trainer/models/training_form.h"

#include "dist/runtime/errors.h"

namespace tutti::trainer {

TrainedPart trained_part_from_name(const std::string& name) {
  if (name == "all") return TrainedPart::kAll;
  if (name == "id-rows") return TrainedPart::kIdRows;
  if (name == "decoder") return TrainedPart::kDecoder;
  throw UsageError(Problem{.file = {},
                           .place = "--train",
                           .found = name,
                           .expected = "all, id-rows or decoder",
                           .cure = {}});
}

}  // namespace tutti::trainer
