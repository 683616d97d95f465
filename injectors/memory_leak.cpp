// memory_leak: a process takes ever more memory and gives none back, until a limit, as a job's data loader with a leak
// does. The floor of free memory stops it before the OOM killer would.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "harness/base/clock.hpp"
#include "harness/os/memory.hpp"
#include "injectors/faults.hpp"
#include "injectors/memory_floor.hpp"
#include "injectors/memory_level.hpp"
#include "injectors/pacer.hpp"
#include "injectors/worker.hpp"

namespace grit {
namespace {

// As a program leaks: many small pieces, each made in one go.
constexpr std::int64_t kPiece_bytes = std::int64_t{256} << 10;
constexpr useconds_t kPeriod_us = 5000;
constexpr std::int64_t kFirstPieceTimeout_ns = kNsPerS;

void leak(std::int64_t limit_bytes, double bytes_per_s, WorkerPage& page) {
  MemoryLevel level(page, limit_bytes);
  page.wait_for_start();
  Pacer pacer(bytes_per_s);
  for (;;) {
    const auto memory = read_memory();
    if (!memory) ::_exit(1);
    const std::int64_t above_floor = memory->available_bytes - memory_floor_bytes(*memory);
    if (above_floor < 0) level.change(above_floor);
    if (above_floor < kPiece_bytes || level.held_bytes() >= limit_bytes) {
      ::usleep(kPeriod_us);
    } else {
      pacer.wait(kPiece_bytes);
      level.change(kPiece_bytes);
    }
  }
}

class LeakWorkers final : public WorkerFault {
 public:
  static Result<std::unique_ptr<Fault>> make(const Params& params) {
    const std::int64_t limit_bytes = params.integer("limit");
    const double bytes_per_s = static_cast<double>(params.integer("rate")) / 8;
    std::unique_ptr<LeakWorkers> load(
        new LeakWorkers([limit_bytes, bytes_per_s](WorkerPage& page) { leak(limit_bytes, bytes_per_s, page); }));
    GRIT_CHECK(load->make_workers());
    return std::unique_ptr<Fault>(std::move(load));
  }

  [[nodiscard]] std::int64_t patience_ns() const override { return kFirstPieceTimeout_ns; }

  Result<Reading> read() override {
    GRIT_TRY(Reading reading, WorkerFault::read());
    GRIT_TRY(const Memory memory, read_memory());
    const std::int64_t resident_bytes = usage().anonymous_bytes;
    reading.holds = reading.holds && resident_bytes >= kPiece_bytes;
    reading.details["resident_bytes"] = resident_bytes;
    reading.details["available_bytes"] = memory.available_bytes;
    reading.details["floor_bytes"] = memory_floor_bytes(memory);
    return reading;
  }

 private:
  explicit LeakWorkers(Body body) : WorkerFault("grit-leak", {std::move(body)}, {}, {KernelCounter::faulted_bytes}) {}
};

class MemoryLeak final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "memory_leak",
        .summary = "A process takes more and more memory, up to a limit",
        .params = {{"rate",
                    Unit::bits_per_s,
                    std::int64_t{8} * 64'000'000,
                    "how fast it grows, such as \"64MB/s\"; 0: as fast as it goes",
                    {},
                    0.0,
                    {}},
                   {"limit",
                    Unit::bytes,
                    1'000'000'000,
                    "where it stops; it starts anew with every block",
                    {},
                    static_cast<double>(std::int64_t{1} << 20),
                    {}}},
        .mechanisms = {"anonymous memory"},
        .needs = {"as much available memory above the floor: 256 MiB or 2 % of all, whichever is more"},
        .undo = UndoClass::process};
    return info;
  }

  [[nodiscard]] std::int64_t memory_bytes(const Node&, const Params& params) const override {
    return params.integer("limit");
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    const auto memory = read_memory();
    if (!memory) return memory.error().message;
    return why_below_floor(*memory, target.params.integer("limit"));
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    return without_undo(LeakWorkers::make(target.params));
  }

  /// By the kernel's count of what it gave.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return after.value("faulted_bytes", 0LL) - before.value("faulted_bytes", 0LL) >= kPiece_bytes;
  }
};

}  // namespace

const Injector& memory_leak() {
  static const MemoryLeak injector;
  return injector;
}

}  // namespace grit
