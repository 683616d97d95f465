#include "workloads/input_batch.hpp"

#include <algorithm>
#include <cstring>
#include <random>

namespace grit {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
constexpr std::size_t kBatchStride = 61;

std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

/// Of the words of a batch: calls `each` with a stretch of the batch and the equally long one of the period.
template <class Words, class Each>
void along_period(Words words, const std::vector<std::uint64_t>& period, std::uint64_t batch, Each each) {
  std::size_t place = static_cast<std::size_t>(batch % period.size()) * kBatchStride % period.size();
  for (std::size_t done = 0; done < words.size();) {
    const std::size_t length = std::min(words.size() - done, period.size() - place);
    each(words.subspan(done, length), &period[place]);
    done += length;
    place = 0;
  }
}

}  // namespace

void recode(std::span<std::uint64_t> words, std::int64_t passes) {
  std::uint64_t state = 0;
  for (std::int64_t pass = 0; pass < passes; ++pass)
    for (std::uint64_t& word : words) word ^= mixed(state += kGolden);
}

InputPattern::InputPattern(int sample) : period_(kPeriod) {
  std::mt19937_64 generator(static_cast<std::uint64_t>(sample));
  std::ranges::generate(period_, generator);
}

void InputPattern::fill(std::span<std::uint64_t> words, std::uint64_t batch) const {
  along_period(words, period_, batch, [](std::span<std::uint64_t> stretch, const std::uint64_t* from) {
    std::memcpy(stretch.data(), from, stretch.size_bytes());
  });
}

std::uint64_t InputPattern::count_wrong(std::span<const std::uint64_t> words, std::uint64_t batch) const {
  std::uint64_t wrong = 0;
  along_period(words, period_, batch, [&](std::span<const std::uint64_t> stretch, const std::uint64_t* expected) {
    if (std::memcmp(stretch.data(), expected, stretch.size_bytes()) == 0) return;
    for (std::size_t i = 0; i < stretch.size(); ++i) wrong += stretch[i] != expected[i] ? 1U : 0U;
  });
  return wrong;
}

}  // namespace grit
