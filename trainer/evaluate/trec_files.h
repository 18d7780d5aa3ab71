#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/string_table.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

// Files of the TREC conferences, which trec_eval, ir_measures and ranx read:
//   run    "qid Q0 docno rank score tag", a line a recommendation
//   qrels  "qid 0 docno 1", a line a relevant track
// The topic of query i of a set is "NAME-i" (the set's name, blanks as '_', and the number of the
// query); a docno is the track's key, where blanks, control characters and '%' are written %XX.
//
// trec_eval orders by score alone, as fp32, and equal scores by docno, so scores are written
// strictly decreasing: one that is not below its predecessor becomes the next smaller fp32 number.
class TrecNames {
 public:
  // `track_keys` must outlive it.
  explicit TrecNames(const data::StringTable& track_keys) : track_keys_(&track_keys) {}

  static std::string topic(const QuerySet& queries, int64_t query);
  std::string docno(int32_t track) const;
  const data::StringTable& track_keys() const { return *track_keys_; }

 private:
  const data::StringTable* track_keys_;
};

// lists: of each distinct title of the set, as Evaluation keeps them. StorageError when it cannot
// be written; `tag`: the system's name, without blanks.
void write_trec_run(const std::filesystem::path& path, const QuerySet& queries,
                    std::span<const std::vector<Recommendation>> lists, const TrecNames& names,
                    const std::string& tag);
void write_trec_qrels(const std::filesystem::path& path, const QuerySet& queries,
                      const TrecNames& names);
// "qid<TAB>title": what another system has to answer.
void write_trec_topics(const std::filesystem::path& path, const QuerySet& queries);

// The lists of another system for the queries of one set.
struct TrecRun {
  std::string tag;
  std::vector<std::vector<Recommendation>> lists;  // [num_queries], best first, as trec_eval orders
  int64_t unanswered = 0;                          // queries without a line: empty lists
};

// Reads the lines of `queries`; lines of other topics are left to other sets. DataError with the
// line: fields missing, a score that is no number, a docno that is no track, a track twice for a
// topic; and when no line belongs to any topic of the set.
TrecRun read_trec_run(const std::filesystem::path& path, const QuerySet& queries,
                      const TrecNames& names);

}  // namespace tutti::trainer
