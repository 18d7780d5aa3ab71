#pragma once

#include <cstdint>

// Small loops over fp32 rows, one thread, in a fixed order of additions: a row gives the same bytes
// wherever it stands. Rows are contiguous.
namespace tutti::ids {

double squared_distance(const float* a, const float* b, int64_t dim);  // in fp64
double squared_norm(const float* a, int64_t dim);                      // in fp64
float max_abs(const float* a, int64_t n);  // NaN and Inf are skipped: see find_non_finite
// Index of the first value that is NaN or infinite, or -1.
int64_t find_non_finite(const float* a, int64_t n);

// out[i] = rows[i] . v, rows [n, dim]
void rows_times_vector(const float* rows, int64_t n, int64_t dim, const float* v, float* out);
// out[j] += sum_i weights[i] * rows[i][j], rows [n, dim], in order of i
void add_weighted_rows(const float* rows, int64_t n, int64_t dim, const float* weights, float* out);
// sums[j] += a[j] * scale as an integer (truncated)
void add_fixed_point(const float* a, int64_t dim, double scale, int64_t* sums);
void subtract(const float* b, int64_t dim, float* a);  // a -= b

}  // namespace tutti::ids
