#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "dist/communicator.h"
#include "launch/compare/measure.h"
#include "launch/compare/study.h"

namespace tutti::launch {

// Makes what a study needs, below one folder, by the commands' own functions in this process. What
// is there already is kept: every folder is named by what it was made of, and its settings.
//
//   data-KEY/                 the dataset, of [synth]
//   cf-KEY/                   vectors of [embed cf]
//   NAME-KEY/ids, run         a strategy's table and run
//   NAME-KEY/result-KEY.json  what was measured
class Cells {
 public:
  // `dataset`: a folder, or empty where the study simulates one. `threads`: of each command.
  Cells(const Study& study, std::filesystem::path out, std::string dataset, int threads,
        Communicator& comm);

  const std::string& dataset() const { return dataset_; }
  // The strategy's result, measured now or before. Null when the run was asked to stop: its
  // checkpoint is written, and the same command goes on with it.
  nlohmann::json result(const StudyStrategy& strategy, const MeasureOptions& options);

 private:
  // Runs a command unless `folder` is an artefact already.
  void make(const std::string& command, const std::filesystem::path& folder,
            const Settings& settings, const Settings& artefacts);
  int run(const std::string& command, const std::filesystem::path& out, const Settings& settings,
          const Settings& artefacts);
  bool train(const std::filesystem::path& cell, double* seconds);
  std::string vectors(const std::string& name);  // their folder
  nlohmann::json made_by(const std::string& vectors) const;
  bool exists(const std::filesystem::path& file) const;  // as rank 0 sees it

  const Study& study_;
  std::filesystem::path out_;
  std::string dataset_, dataset_hash_;
  int threads_;
  Communicator& comm_;
};

}  // namespace tutti::launch
