#include "tests/gpu/bench/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace grit::bench {
namespace {

template <class Number>
void read_number(std::string_view name, std::string_view text, Number& number) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size())
    give_up(fmt::format("{}: not a number: {}", name, text));
}

}  // namespace

void give_up(const std::string& why) {
  fmt::print(stderr, "bench_gpu: {}\n", why);
  std::fflush(nullptr);
  std::_Exit(1);  // no destructor, which might wait for a device or a rank that fails
}

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 0; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 == argc) give_up(fmt::format("{}: no value", name));
    const std::string_view value = argv[i + 1];
    if (name == "--rounds") {
      read_number(name, value, options.rounds);
    } else if (name == "--round-ms") {
      read_number(name, value, options.round_ms);
    } else if (name == "--size") {
      read_number(name, value, options.size);
    } else if (name == "--bytes") {
      read_number(name, value, options.bytes);
    } else if (name == "--seconds") {
      read_number(name, value, options.seconds);
    } else if (name == "--rank") {
      read_number(name, value, options.rank);
    } else if (name == "--ranks") {
      read_number(name, value, options.ranks);
    } else if (name == "--directory") {
      options.directory = value;
    } else {
      give_up(fmt::format("no such option: {}", name));
    }
  }
  return options;
}

std::unique_ptr<CudaDevice> open_device(int rank) {
  const auto module = need(AcceleratorModule::load());
  const auto devices = static_cast<int>(need(module->devices()).size());
  return need(CudaDevice::make(need(Accelerator::open(module, rank % devices))));
}

Pairs measure_pairs(int rounds, const std::function<double()>& ours_ns, const std::function<double()>& bare_ns) {
  Pairs pairs;
  for (int round = 0; round < rounds; ++round) {
    const bool ours_first = round % 2 == 0;
    if (ours_first) pairs.ours_ns.push_back(ours_ns());
    pairs.bare_ns.push_back(bare_ns());
    if (!ours_first) pairs.ours_ns.push_back(ours_ns());
  }
  return pairs;
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) give_up("nothing was measured");
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

Json spread(const std::vector<double>& values) {
  return {{"median", quantile(values, 0.5)}, {"p10", quantile(values, 0.1)}, {"p90", quantile(values, 0.9)}};
}

Json summary(const Pairs& pairs, std::string_view name, double amount) {
  std::vector<double> shares;
  for (std::size_t i = 0; i < pairs.ours_ns.size(); ++i) shares.push_back(pairs.bare_ns[i] / pairs.ours_ns[i]);
  return {{fmt::format("ours_{}", name), amount / quantile(pairs.ours_ns, 0.5)},
          {fmt::format("bare_{}", name), amount / quantile(pairs.bare_ns, 0.5)},
          {"share", spread(shares)},
          {"rounds", shares.size()}};
}

}  // namespace grit::bench
