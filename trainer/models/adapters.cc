#include "trainer/models/adapters.h"

#include <cmath>

namespace tutti::trainer {

// peft draws A from a uniform distribution up to in^-0.5: its deviation is (3 in)^-0.5.
double adapter_deviation(const Parameter& adapter) {
  if (adapter.name.ends_with(".lora_B.weight")) return 0;
  return std::pow(3 * static_cast<double>(adapter.shape[1]), -0.5);
}

}  // namespace tutti::trainer
