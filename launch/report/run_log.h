#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

// The log of a run folder, log.jsonl: one record a line.
namespace tutti::launch {

struct LogRecord {
  std::string event;   // "step", "validation"
  int64_t step = 0;    // steps done
  double seconds = 0;  // of the steps and validations up to this record
  const nlohmann::json* json = nullptr;
};

// Calls `use` for every record in order. A last line that a killed job left without its end is
// passed over; DataError naming the line for anything else that is no record.
void read_log(const std::string& file, const std::function<void(const LogRecord&)>& use);

struct LoggedStep {
  int64_t step = 0;
  double seconds = 0, loss = 0;  // loss: NaN when it was not finite
};

struct LoggedValidation {
  int64_t step = 0;
  double seconds = 0, hits = 0, seen_hits = 0, unseen_hits = 0, trie_nats = 0;
};

struct RunLog {
  std::string name;    // of the run: its folder's
  std::string folder;  // as given
  std::string config;  // config.ini
  // What its checkpoints were made from; empty: it has none.
  std::string dataset_hash, id_table_hash;
  int64_t num_parameters = 0;
  std::vector<LoggedStep> steps;
  std::vector<LoggedValidation> validations;
};

// Reads config.ini, log.jsonl and the manifests of the checkpoints. DataError.
RunLog read_run_log(const std::string& folder);

// At most `most` points of a long log: means of the loss over equal shares of the steps.
std::vector<LoggedStep> thinned(const std::vector<LoggedStep>& steps, int64_t most);

}  // namespace tutti::launch
