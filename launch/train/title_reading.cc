#include "launch/train/title_reading.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "dist/runtime/log.h"
#include "launch/progress.h"
#include "trainer/title_state_cache.h"

namespace tutti::launch {

void read_training_titles(trainer::IdModel& model, const data::Dataset& dataset,
                          const data::Tokenizer& tokenizer, const std::string& folder,
                          const std::filesystem::path& out, Communicator& comm,
                          const std::function<void()>& alive) {
  if (model.title_memo() == nullptr || folder == "none") return;
  const trainer::TitleList titles = trainer::training_titles(dataset, tokenizer);
  std::optional<Progress> progress;  // none where nothing is read
  const trainer::TitleStatesReport report = trainer::know_titles(
      model, titles, folder.empty() ? out / "title-states" : std::filesystem::path(folder), comm,
      [&](int64_t done) {
        alive();
        if (!progress) {
          progress.emplace("reading titles", titles.size() / comm.size(), "titles",
                           ProgressView::of_process(comm));
        }
        progress->set(std::min(done, titles.size() / comm.size()));
      });
  if (progress) progress->finish();
  log::info(fmt::format("{}: states of {} distinct titles, {:.1f} MiB, {}", report.path.string(),
                        count_words(report.num_titles),
                        static_cast<double>(report.num_bytes) / (1 << 20),
                        report.was_there ? "found" : "read"));
}

}  // namespace tutti::launch
