//   bench_gpu WHAT [--NAME VALUE]...
//
// Prints one line of JSON: {"device", "is_fake", "rows": [...]}. tests/gpu/run starts it, and says what is in the rows.
#include <fmt/format.h>

#include <cstdio>
#include <map>

#include "tests/gpu/bench/bench.hpp"

namespace grit::bench {
namespace {

const std::map<std::string_view, Json (*)(const Options&)> kMeasurements{
    {"count", count_gpus},
    {"products", measure_products},
    {"check", measure_check},
    {"copies", measure_copies},
    {"clock", measure_clock},
    {"discovery", measure_discovery},
    {"operations", measure_operations},
    {"hooks", measure_hooks},
    {"traffic", measure_traffic},
    {"steps", measure_steps},
    {"contention", measure_contention},
    {"hog", measure_hog},
    {"memory_copies", measure_memory_copies},
};

/// Of the first GPU, as CUDA tells of it.
Json describe_device() {
  const auto module = need(AcceleratorModule::load());
  const AcceleratorFacts facts = need(module->devices()).front();
  return {{"name", facts.name},
          {"memory_bytes", facts.memory_bytes},
          {"multiprocessors", facts.multiprocessors},
          {"capability", facts.capability},
          {"driver", facts.driver},
          {"module", module->describe()},
          {"is_fake", facts.is_fake}};
}

int run(int argc, char** argv) {
  const auto found = argc < 2 ? kMeasurements.end() : kMeasurements.find(argv[1]);
  if (found == kMeasurements.end()) {
    std::string names;
    for (const auto& [name, measure] : kMeasurements) names += fmt::format(" {}", name);
    give_up(fmt::format("what to measure? One of{}", names));
  }
  const Options options = read_options(argc - 2, argv + 2);
  const Json rows = found->second(options);
  const Json device = describe_device();  // after it, as some start processes that use CUDA
  if (options.rank == 0)
    fmt::print("{}\n", Json{{"device", device}, {"is_fake", device.at("is_fake")}, {"rows", rows}}.dump());
  return 0;
}

}  // namespace
}  // namespace grit::bench

int main(int argc, char** argv) { return grit::bench::run(argc, argv); }
