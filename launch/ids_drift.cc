#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "launch/commands.h"
#include "launch/ids_change.h"
#include "launch/options.h"

namespace tutti::launch {
namespace {

// From where on a tier no longer serves.
constexpr double kRefreshGain = 0.3;  // dB that tracks would gain by moving
constexpr double kRebuildLoss =
    1.0;  // dB that codebooks stand worse for the tracks they were made of
constexpr double kRebuildShare = 0.2;  // of training entries, of tracks without an ID
constexpr double kAnewLoss = 3.0, kAnewShare = 0.5;
constexpr double kAnotherSpace = 1.0;  // dB that turning gains

struct Drift {
  double unknown_share = 0;
  double loss = 0;  // dB, of what the old report promises
  double gain = 0;  // dB, if everybody moved to the best codes
  double turning = 0;
};

std::string advice(const Drift& drift) {
  const auto why = [](const char* what, double found, double limit, const char* unit) {
    return fmt::format("{} {:.2f}{} > {}{}", what, found, unit, limit, unit);
  };
  const auto by_share = [&](double limit) {
    return why("share of entries without an ID", drift.unknown_share, limit, "");
  };
  const auto by_loss = [&](double limit) { return why("SNR loss", drift.loss, limit, " dB"); };
  if (drift.loss > kAnewLoss) return "new IDs, `tutti ids build`: " + by_loss(kAnewLoss);
  if (drift.unknown_share > kAnewShare) {
    return "new IDs, `tutti ids build`: " + by_share(kAnewShare);
  }
  if (drift.loss > kRebuildLoss) return "rebuild: " + by_loss(kRebuildLoss);
  if (drift.unknown_share > kRebuildShare) return "rebuild: " + by_share(kRebuildShare);
  if (drift.turning > kAnotherSpace) {
    return "refresh: " + why("the vectors are turned, by", drift.turning, kAnotherSpace, " dB");
  }
  if (drift.gain > kRefreshGain) {
    return "refresh: " + why("gain of moving", drift.gain, kRefreshGain, " dB");
  }
  return "append: the codes serve as they are";
}

}  // namespace

int run_ids_drift(const std::vector<std::string>& args, Communicator& comm) {
  ChangeArgs a;
  Options options("ids drift",
                  "Says how far a catalogue has moved away from an ID table and which tier of `ids "
                  "rebuild` that calls for. Writes nothing.",
                  "tutti ids drift --from ids --old-dataset data --dataset data-new --embeddings "
                  "embeddings-new");
  add_change_options(options, a);
  if (!options.parse(args)) return 0;
  CatalogueChange change(a, comm);
  const auto ids = change.rebuild(change.options(ids::RebuildTier::kRefresh), comm);
  if (!comm.is_root()) return 0;

  const auto& report = ids.report;
  const double known = std::max(report.snr_as_they_were, report.snr_turned);
  Drift drift;
  drift.unknown_share = change.unknown_share();
  drift.turning = report.snr_turned - report.snr_as_they_were;
  drift.gain = report.outcomes.front().snr_db - report.outcomes.back().snr_db;
  fmt::print("{}", describe(change));
  const auto& old = change.old_report();
  if (old.contains("levels") && !old["levels"].empty()) {
    const double promised = old["levels"].back().value("snr_db", known);
    drift.loss = promised - known;
    fmt::print("SNR when the table was made {:.2f} dB, largest group {}\n", promised,
               old.contains("groups") ? old["groups"].value("largest", int64_t{0}) : 0);
  }
  fmt::print(
      "SNR of the known codes in these vectors {:.2f} dB, with codebooks turned to them "
      "{:.2f} dB\n{}",
      report.snr_as_they_were, report.snr_turned, describe(report.outcomes));
  fmt::print("after a refresh at tolerance {}: SNR of all tracks {:.2f} dB, largest group {}\n",
             a.tolerance, report.levels.back().snr_db, report.groups.largest);
  fmt::print("calls for {}\n", advice(drift));
  return 0;
}

}  // namespace tutti::launch
