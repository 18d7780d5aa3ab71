#include "trainer/models/few_rows.h"

#include <algorithm>

#include <ATen/Parallel.h>

#include "ids/vectorize.h"
#include "trainer/models/fused_support.h"
#include "trainer/models/vector_math.h"

namespace tutti::trainer {
namespace {

using lanes::Vec;

struct View {
  const float *x, *w;
  float* out;
  int64_t rows, columns, k;
  bool add;
};

// R rows of x by C rows of w: each vector that is loaded meets R or C others in registers.
template <int64_t R, int64_t C>
[[gnu::always_inline]] inline void tile(const View& v, int64_t row, int64_t column) {
  const float *x = v.x + row * v.k, *w = v.w + column * v.k;
  Vec sums[R][C] = {};
  lanes::each(
      v.k, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        Vec from_w[C];
        for (int64_t c = 0; c < C; ++c) lanes::get(w + c * v.k + i, n, from_w[c]);
        for (int64_t r = 0; r < R; ++r) {
          Vec from_x;
          lanes::get(x + r * v.k + i, n, from_x);
          for (int64_t c = 0; c < C; ++c) sums[r][c] += from_x * from_w[c];
        }
      });
  for (int64_t r = 0; r < R; ++r) {
    float* to = v.out + (row + r) * v.columns + column;
    for (int64_t c = 0; c < C; ++c) {
      const float sum = lanes::sum_of(sums[r][c]);
      to[c] = v.add ? to[c] + sum : sum;
    }
  }
}

template <int64_t C>
[[gnu::always_inline]] inline void all_rows(const View& v, int64_t column) {
  int64_t row = 0;
  for (; row + 4 <= v.rows; row += 4) tile<4, C>(v, row, column);
  if (row + 2 <= v.rows) {
    tile<2, C>(v, row, column);
    row += 2;
  }
  if (row < v.rows) tile<1, C>(v, row, column);
}

TUTTI_VECTORIZED void some_columns(const View& v, int64_t first, int64_t last) {
  int64_t column = first;
  for (; column + 4 <= last; column += 4) all_rows<4>(v, column);
  for (; column < last; ++column) all_rows<1>(v, column);
}

}  // namespace

void multiply_few_rows(const float* x, int64_t rows, const float* w, int64_t columns, int64_t k,
                       float* out, bool add) {
  const View view = {
      .x = x, .w = w, .out = out, .rows = rows, .columns = columns, .k = k, .add = add};
  const int64_t grain = std::max<int64_t>(4, rows_per_task(rows * k));
  at::parallel_for(0, columns, grain,
                   [&](int64_t first, int64_t last) { some_columns(view, first, last); });
}

}  // namespace tutti::trainer
