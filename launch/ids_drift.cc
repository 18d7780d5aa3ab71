#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "launch/commands.h"
#include "launch/ids_change.h"
#include "launch/options.h"

namespace tutti::launch {
namespace {

constexpr double kAnotherSpace = 1.0;  // dB that turning gains: vectors that were trained again

// From where on a tier no longer serves. docs/ids.md says what the defaults come from.
struct Limits {
  double refresh_gain = 0.3;   // dB that tracks would gain by moving
  double rebuild_loss = 1.5;   // dB that the known codes stand worse for the vectors than they did
  double rebuild_share = 0.2;  // of training entries, of tracks without an ID
  double rebuild_group = 2;    // times the largest group of the table
  double new_loss = 3.0, new_share = 0.5;
};

struct Drift {
  double unknown_share = 0;
  double loss = 0;  // dB, of what the old report promises
  double gain = 0;  // dB, if everybody moved to the best codes
  double turning = 0;
  double group = 0;  // the largest group by the largest before; 0: not known
};

void add_limits(Options& options, Limits& limits) {
  options
      .add("refresh-gain", &limits.refresh_gain,
           "dB of SNR that moving tracks would gain, above which refresh is advised")
      .add(
          "rebuild-loss", &limits.rebuild_loss,
          "dB that the known codes stand worse for the vectors than the table's report says, above "
          "which rebuild is advised")
      .add("rebuild-share", &limits.rebuild_share,
           "the same for the share of training entries of tracks without an ID")
      .add("rebuild-group", &limits.rebuild_group,
           "the same for the largest group, as a multiple of the table's")
      .add("new-loss", &limits.new_loss, "dB lost above which new IDs are advised")
      .add("new-share", &limits.new_share,
           "share of entries without an ID above which new IDs are advised");
}

void check(const Limits& limits) {
  const auto require = [](const char* option, double value, double least) {
    if (value >= least) return;
    throw UsageError({"", option, fmt::format("{}", value), fmt::format("at least {}", least), ""});
  };
  require("--refresh-gain", limits.refresh_gain, 0);
  require("--rebuild-loss", limits.rebuild_loss, 0);
  require("--rebuild-share", limits.rebuild_share, 0);
  require("--rebuild-group", limits.rebuild_group, 1);
  require("--new-loss", limits.new_loss, limits.rebuild_loss);
  require("--new-share", limits.new_share, limits.rebuild_share);
}

std::string advice(const Drift& drift, const Limits& limits) {
  const auto why = [](const char* what, double found, double limit, const char* unit) {
    return fmt::format("{} {:.2f}{} > {}{}", what, found, unit, limit, unit);
  };
  const auto by_share = [&](double limit) {
    return why("share of entries without an ID", drift.unknown_share, limit, "");
  };
  const auto by_loss = [&](double limit) { return why("SNR loss", drift.loss, limit, " dB"); };
  if (drift.loss > limits.new_loss) {
    return "new IDs, `tutti ids build`: " + by_loss(limits.new_loss);
  }
  if (drift.unknown_share > limits.new_share) {
    return "new IDs, `tutti ids build`: " + by_share(limits.new_share);
  }
  if (drift.loss > limits.rebuild_loss) return "rebuild: " + by_loss(limits.rebuild_loss);
  if (drift.unknown_share > limits.rebuild_share) {
    return "rebuild: " + by_share(limits.rebuild_share);
  }
  if (drift.group > limits.rebuild_group) {
    return "rebuild: " +
           why("the largest group has grown,", drift.group, limits.rebuild_group, " times");
  }
  if (drift.turning > kAnotherSpace) {
    return "refresh: " + why("the vectors are turned, by", drift.turning, kAnotherSpace, " dB");
  }
  if (drift.gain > limits.refresh_gain) {
    return "refresh: " + why("gain of moving", drift.gain, limits.refresh_gain, " dB");
  }
  return "append: the codes serve as they are";
}

}  // namespace

int run_ids_drift(const std::vector<std::string>& args, Communicator& comm) {
  ChangeArgs a;
  Limits limits;
  Options options("ids drift",
                  "Says how far a catalogue has moved away from an ID table and which tier of `ids "
                  "rebuild` that calls for. Writes nothing.",
                  "tutti ids drift --from ids --old-dataset data --dataset data-new --embeddings "
                  "embeddings-new --rebuild-loss 0.5");
  add_change_options(options, a);
  add_limits(options, limits);
  if (!options.parse(args)) return 0;
  check(limits);
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
    const int64_t largest = old.contains("groups") ? old["groups"].value("largest", int64_t{0}) : 0;
    if (largest > 0) {
      drift.group = static_cast<double>(report.groups.largest) / static_cast<double>(largest);
    }
    fmt::print("SNR when the table was made {:.2f} dB, largest group {}\n", promised, largest);
  }
  fmt::print(
      "SNR of the known codes in these vectors {:.2f} dB, with codebooks turned to them "
      "{:.2f} dB\n{}",
      report.snr_as_they_were, report.snr_turned, describe(report.outcomes));
  fmt::print("after a refresh at tolerance {}: SNR of all tracks {:.2f} dB, largest group {}\n",
             a.tolerance, report.levels.back().snr_db, report.groups.largest);
  fmt::print("calls for {}\n", advice(drift, limits));
  return 0;
}

}  // namespace tutti::launch
