#include "workloads/compute/gemm_tile.hpp"

#include <cblas.h>
#include <fmt/format.h>

#include <random>

namespace grit {
namespace {

constexpr std::size_t kRows = GemmTile::kSize;
constexpr int kLargestEntry = 4;  // 2 · 256² · 4³ < 2^24: the largest |alpha·C·x| is an exact float
static_assert(2LL * GemmTile::kSize * GemmTile::kSize * kLargestEntry * kLargestEntry * kLargestEntry < (1LL << 24));

std::vector<float> random_integers(std::size_t count, bool zero_allowed, std::minstd_rand& generator) {
  std::vector<float> values(count);
  for (float& value : values) {
    const auto draw = static_cast<int>(generator() % (2 * kLargestEntry)) - kLargestEntry;
    value = static_cast<float>(draw == 0 && !zero_allowed ? kLargestEntry : draw);
  }
  return values;
}

std::vector<std::int64_t> times_vector(const std::vector<float>& matrix, const std::vector<std::int64_t>& vector) {
  std::vector<std::int64_t> result(kRows, 0);
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t column = 0; column < kRows; ++column) {
      result[row] += static_cast<std::int64_t>(matrix[row * kRows + column]) * vector[column];
    }
  }
  return result;
}

}  // namespace

GemmTile::GemmTile() : c_(kRows * kRows), cx_(kRows) {
  openblas_set_num_threads(1);
  std::minstd_rand generator(20261);
  a_ = random_integers(kRows * kRows, true, generator);
  b_ = random_integers(kRows * kRows, true, generator);
  x_ = random_integers(kRows, false, generator);
  abx_ = times_vector(a_, times_vector(b_, std::vector<std::int64_t>(x_.begin(), x_.end())));
}

void GemmTile::multiply() {
  alpha_ = 3 - alpha_;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, kSize, kSize, kSize, static_cast<float>(alpha_), a_.data(),
              kSize, b_.data(), kSize, 0.0F, c_.data(), kSize);
}

Status GemmTile::check() {
  cblas_sgemv(CblasRowMajor, CblasNoTrans, kSize, kSize, 1.0F, c_.data(), kSize, x_.data(), 1, 0.0F, cx_.data(), 1);
  for (std::size_t row = 0; row < kRows; ++row) {
    const auto expected = static_cast<float>(alpha_ * abx_[row]);
    // Written so that a NaN is wrong as well.
    if (!(cx_[row] == expected)) {
      return internal_error(
          fmt::format("a matrix product is wrong: row {} times the check vector should be {} and is {}; this CPU or "
                      "its memory computes "
                      "wrongly: take the node out of service and test it",
                      row, expected, cx_[row]));
    }
  }
  return {};
}

}  // namespace grit
