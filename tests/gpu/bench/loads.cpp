// Faults that load a GPU: the share that they come to beside the one that was asked for, and the rate of copies within
// the GPU's memory as a fault makes them, beside a loop of cudaMemcpyAsync alone.
#include <algorithm>
#include <thread>

#include "harness/base/clock.hpp"
#include "injectors/injector.hpp"
#include "tests/gpu/bench/bench.hpp"
#include "tests/gpu/bench/check_cuda.hpp"

namespace grit::bench {
namespace {

struct Load {
  std::string fault;
  Json given;
};

/// The fault's counters after so many seconds in force. It makes its GPU process by fork(2), so nothing of CUDA's has
/// run in this one before.
Result<Json> counters_after(const Load& load, double seconds) {
  const Injector* injector = find_injector(load.fault);
  if (injector == nullptr) return unavailable_error("there is no fault " + load.fault);
  GRIT_TRY(Json params, complete_params(injector->info().params, load.given));
  GRIT_TRY(const Prepared prepared, injector->prepare({.params = Params(std::move(params))}));
  GRIT_CHECK(prepared.fault->start());
  // From when it has come into force.
  const std::int64_t deadline_ns = monotonic_ns() + 10 * kNsPerS;
  for (;;) {
    GRIT_TRY(const Reading reading, prepared.fault->read());
    if (reading.holds) break;
    if (monotonic_ns() > deadline_ns) return unavailable_error(load.fault + " does not come into force");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  Result<Json> counters = prepared.fault->counters();
  GRIT_CHECK(prepared.fault->stop());
  return counters;
}

Json row_of(const Load& load, double seconds) {
  Json row{{"fault", load.fault}, {"given", load.given}};
  const Result<Json> counters = counters_after(load, seconds);
  if (!counters) {
    row["unavailable"] = counters.error().message;
    return row;
  }
  row["counters"] = *counters;
  row["asked"] = load.given.at("share");
  row["achieved"] = counters->value("achieved_ppm", 0.0) / 1e6;
  if (counters->value("moved_bytes", 0.0) > 0)
    row["gb_per_s"] = counters->value("moved_bytes", 0.0) / counters->value("in_force_ns", 1.0);
  return row;
}

}  // namespace

Json measure_contention(const Options& options) {
  Json rows = Json::array();
  for (const char* resource : {"sm", "time", "hbm"})
    for (const double share : {0.25, 0.5, 0.75})
      rows.push_back(
          row_of({"gpu_contention", {{"resource", resource}, {"share", share}, {"gpu", "0"}}}, options.seconds));
  rows.push_back(
      row_of({"pcie_contention", {{"direction", "to_host"}, {"share", 0.5}, {"gpu", "0"}}}, options.seconds));
  return rows;
}

Json measure_hog(const Options& options) {
  return Json::array(
      {row_of({"gpu_contention", {{"resource", "hbm"}, {"share", 1.0}, {"gpu", "0"}}}, options.seconds)});
}

Json measure_memory_copies(const Options& options) {
  const auto device = open_device(options.rank);
  const BareStream stream;
  const auto bytes = static_cast<std::size_t>(options.bytes);
  const DeviceBuffer from = device->allocate(bytes), to = device->allocate(bytes);
  double moved_bytes = 0;
  const std::int64_t began_ns = monotonic_ns(), end_ns = began_ns + static_cast<std::int64_t>(options.seconds * 1e9);
  while (monotonic_ns() < end_ns) {
    for (int i = 0; i < 16; ++i)
      check_cuda(cudaMemcpyAsync(to.data(), from.data(), bytes, cudaMemcpyDeviceToDevice, stream.get()),
                 "cudaMemcpyAsync");
    stream.wait();
    moved_bytes += 16 * 2.0 * static_cast<double>(bytes);  // read and written
  }
  return Json::array(
      {Json{{"bytes", bytes}, {"gb_per_s", moved_bytes / static_cast<double>(monotonic_ns() - began_ns)}}});
}

}  // namespace grit::bench
