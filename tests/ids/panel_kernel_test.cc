#include "ids/panel_kernel.h"

#include <bit>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "ids/matrix.h"
#include "tests/ids/random_rows.h"

namespace tutti::ids {
namespace {

double dot(const float* a, const float* b, int64_t dim) {
  double sum = 0;
  for (int64_t d = 0; d < dim; ++d) sum += double(a[d]) * b[d];
  return sum;
}

AlignedFloats groups_of(const std::vector<float>& rows, int64_t dim) {
  const int64_t n = std::ssize(rows) / dim;
  AlignedFloats groups((n + kGroupRows - 1) / kGroupRows * kGroupRows * dim);
  for (int64_t r = 0; r < n; r += kGroupRows) {
    pack_group(&rows[r * dim], std::min(kGroupRows, n - r), dim, groups.data() + r * dim);
  }
  return groups;
}

TEST(PanelKernel, PacksRowsAsColumnsAndZerosBehindThem) {
  for (const int64_t dim : {1, 5, 16, 37}) {
    for (const int64_t count : {0, 1, 16, 47, 48}) {
      const auto rows = clustered_rows(std::max<int64_t>(1, count), dim, 3, 1);
      AlignedFloats panel(kPanelRows * dim);
      std::fill_n(panel.data(), panel.size(), NAN);
      pack_panel(rows.data(), count, dim, panel.data());
      for (int64_t d = 0; d < dim; ++d) {
        for (int64_t r = 0; r < kPanelRows; ++r) {
          EXPECT_EQ(panel[d * kPanelRows + r], r < count ? rows[r * dim + d] : 0);
        }
      }
    }
  }
}

TEST(PanelKernel, FindsBestAndSecondOfAllScores) {
  const int64_t dim = 19, num_codes = 40;
  const auto codes = clustered_rows(num_codes, dim, 40, 2);
  const auto groups = groups_of(codes, dim);
  std::vector<float> bias(num_codes);
  for (int64_t k = 0; k < num_codes; ++k) bias[k] = 0.01F * static_cast<float>(k % 7);
  for (const int64_t count : {1, 15, 16, 17, 33, 48}) {
    const auto rows = clustered_rows(count, dim, 9, 3);
    AlignedFloats panel(kPanelRows * dim);
    pack_panel(rows.data(), count, dim, panel.data());
    Leaders leaders;
    leaders.clear();
    // In two calls, as tiles of codes come.
    scan_codes(panel.data(), count, dim, groups.data(), bias.data(), 2, 0, &leaders);
    scan_codes(panel.data(), count, dim, groups.data() + 16 * dim, bias.data() + 16, 3, 16,
               &leaders);
    for (int64_t r = 0; r < count; ++r) {
      std::vector<std::pair<double, int32_t>> scores;
      scores.reserve(num_codes);
      for (int32_t k = 0; k < num_codes; ++k) {
        scores.emplace_back(-(bias[k] + dot(&rows[r * dim], &codes[k * dim], dim)), k);
      }
      std::sort(scores.begin(), scores.end());
      EXPECT_NEAR(leaders.best[r], -scores[0].first, 1e-4);
      EXPECT_NEAR(leaders.second[r], -scores[1].first, 1e-4);
      if (scores[1].first - scores[0].first > 1e-3) {
        EXPECT_EQ(leaders.code[r], scores[0].second);
      }
    }
  }
}

TEST(PanelKernel, GivesAScoreTheSameBitsWhereverItsRowStands) {
  const int64_t dim = 33;
  const auto rows = clustered_rows(kPanelRows, dim, 9, 4);
  const auto codes = clustered_rows(kGroupRows, dim, 8, 5);
  const auto groups = groups_of(codes, dim);
  const std::vector<float> bias(kGroupRows, 0.25F);
  AlignedFloats panel(kPanelRows * dim);
  pack_panel(rows.data(), kPanelRows, dim, panel.data());
  Leaders all;
  all.clear();
  scan_codes(panel.data(), kPanelRows, dim, groups.data(), bias.data(), 1, 0, &all);
  for (int64_t r = 0; r < kPanelRows; ++r) {
    pack_panel(&rows[r * dim], 1, dim, panel.data());
    Leaders alone;
    alone.clear();
    scan_codes(panel.data(), 1, dim, groups.data(), bias.data(), 1, 0, &alone);
    EXPECT_EQ(std::bit_cast<uint32_t>(alone.best[0]), std::bit_cast<uint32_t>(all.best[r]));
    EXPECT_EQ(alone.code[0], all.code[r]);
  }
}

TEST(PanelKernel, MultipliesAGroupByPanels) {
  const int64_t dim = 21, num_panels = 2;
  const auto rows = clustered_rows(kGroupRows, dim, 5, 6);
  const auto others = clustered_rows(num_panels * kPanelRows, dim, 30, 7);
  const auto group = groups_of(rows, dim);
  AlignedFloats panels(num_panels * kPanelRows * dim);
  for (int64_t p = 0; p < num_panels; ++p) {
    pack_panel(&others[p * kPanelRows * dim], kPanelRows, dim,
               panels.data() + p * kPanelRows * dim);
  }
  const int64_t stride = num_panels * kPanelRows + 3;
  std::vector<float> out(kGroupRows * stride, -1);
  multiply_panels(group.data(), panels.data(), num_panels, dim, out.data(), stride);
  for (int64_t r = 0; r < kGroupRows; ++r) {
    for (int64_t p = 0; p < num_panels * kPanelRows; ++p) {
      EXPECT_NEAR(out[r * stride + p], dot(&rows[r * dim], &others[p * dim], dim), 1e-4);
    }
    EXPECT_EQ(out[r * stride + stride - 1], -1);
  }
}

}  // namespace
}  // namespace tutti::ids
