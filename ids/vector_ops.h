#pragma once

#include <cstdint>
#include <span>

// Small loops over fp32 rows, one thread, in a fixed order of additions: a row gives the same bytes
// wherever it stands. Rows are contiguous.
namespace tutti::ids {

double squared_distance(const float* a, const float* b, int64_t dim);  // in fp64
// |a - sum of terms|^2, in fp64
double squared_distance(const float* a, std::span<const float* const> terms, int64_t dim);
double squared_norm(const float* a, int64_t dim);  // in fp64
float max_abs(const float* a, int64_t n);          // NaN and Inf are skipped: see find_non_finite
// Index of the first value that is NaN or infinite, or -1.
int64_t find_non_finite(const float* a, int64_t n);

// out[i] = rows[i] . v, rows [n, dim]
void rows_times_vector(const float* rows, int64_t n, int64_t dim, const float* v, float* out);
// out[j] += sum_i weights[i] * rows[i][j], rows [n, dim], in order of i
void add_weighted_rows(const float* rows, int64_t n, int64_t dim, const float* weights, float* out);
// sums[j] += a[j] * scale as an integer (truncated)
void add_fixed_point(const float* a, int64_t dim, double scale, int64_t* sums);
// The same for a row that moves: added to `to` and, unless it is null, taken off `from`.
void move_fixed_point(const float* a, int64_t dim, double scale, int64_t* to, int64_t* from);
// sum_j sums[j] * v[j], in fp64
double dot(const int64_t* sums, const float* v, int64_t dim);
// out[j] = a[j] * factor, the product in fp64
void scale(const float* a, int64_t dim, double factor, float* out);
// out[j] += factor * a[j]
void add_scaled(const double* a, int64_t dim, double factor, double* out);
void subtract(const float* b, int64_t dim, float* a);  // a -= b

}  // namespace tutti::ids
