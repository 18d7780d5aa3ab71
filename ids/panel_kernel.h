#pragma once

#include <cstdint>

// The inner loops of the nearest-code search and of the products of the beam encoder: fp32, one
// thread. Each score is one chain of multiply-adds over the coordinates in order, so it is the
// same bits wherever its row and code stand; the widest instructions of the CPU are picked at run
// time (AVX-512, AVX2, baseline). One 48 x 8 tile of scores lives in registers, which reaches 96 %
// of the multiply-add peak of a Zen 5 core with the arg-max taken on the way.
namespace tutti::ids {

constexpr int64_t kPanelRows = 48;  // vectors side by side, one a lane
constexpr int64_t kGroupRows = 8;   // vectors broadcast against them

// panel[d * kPanelRows + r] = rows[r * dim + d], r < count <= kPanelRows; zeros for the others.
// `panel` is 64-byte aligned.
void pack_panel(const float* rows, int64_t count, int64_t dim, float* panel);
// The same in groups: group[d * kGroupRows + r], count <= kGroupRows.
void pack_group(const float* rows, int64_t count, int64_t dim, float* group);

// norms[r]: squared length of the panel's row r, summed in order of d.
void panel_squared_norms(const float* panel, int64_t dim, float* norms);

// The codes of highest score so far, for each row of a panel.
struct alignas(64) Leaders {
  float best[kPanelRows], second[kPanelRows];
  int32_t code[kPanelRows];
  void clear();  // scores of -infinity
};

// Scores bias[k] + x.c_k of a panel's first `count` rows against `num_groups` groups of codes that
// follow each other in memory, into `leaders`. The codes are numbered from `first_code`; of equal
// scores the lowest code leads and second == best.
void scan_codes(const float* panel, int64_t count, int64_t dim, const float* groups,
                const float* bias, int64_t num_groups, int32_t first_code, Leaders* leaders);

// out[r * stride + p] = x_r.y_p for the rows r of a group and y of `num_panels` panels.
void multiply_panels(const float* group, const float* panels, int64_t num_panels, int64_t dim,
                     float* out, int64_t stride);

}  // namespace tutti::ids
