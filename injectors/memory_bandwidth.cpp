// memory_bandwidth: processes write to memory past the caches, at a rate or as fast as it goes: what a neighbour's data
// loader, a large copy or a bad placement takes from the ranks.
//
// Each process goes round and round a buffer that no cache holds. On x86 its stores are non-temporal (MOVNTDQ, Intel
// SDM vol. 1, 10.4.6.2): they go to memory without reading the line first, so that what is counted is what crossed the
// memory bus. Elsewhere they are plain ones and every line crosses it twice or more.
#include <sys/mman.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cstring>

#include "harness/os/memory.hpp"
#include "injectors/faults.hpp"
#include "injectors/memory_floor.hpp"
#include "injectors/pacer.hpp"
#include "injectors/worker.hpp"

namespace grit {
namespace {

constexpr std::int64_t kPortion_bytes = std::int64_t{256} << 10;

enum Counter { kWritten };

#if defined(__SSE2__)
constexpr const char* kMechanism = "non-temporal stores";

void write_portion(char* to, std::int64_t bytes, int value) {
  const __m128i line = _mm_set1_epi32(value);
  for (char* at = to; at < to + bytes; at += sizeof line) _mm_stream_si128(reinterpret_cast<__m128i*>(at), line);
  _mm_sfence();
}
#else
constexpr const char* kMechanism = "plain stores";

void write_portion(char* to, std::int64_t bytes, int value) {
  std::memset(to, value, static_cast<std::size_t>(bytes));
  asm volatile("" : : "r"(to) : "memory");  // or the compiler might leave out what nobody reads
}
#endif

void write_memory(std::int64_t buffer_bytes, double bytes_per_s, WorkerPage& page) {
  void* memory = ::mmap(nullptr, static_cast<std::size_t>(buffer_bytes), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) page.fail("cannot allocate the buffer to write to");
  char* buffer = static_cast<char*>(memory);
  std::memset(buffer, 1, static_cast<std::size_t>(buffer_bytes));  // every page is there before the block starts
  page.wait_for_start();
  Pacer pacer(bytes_per_s);
  int round = 0;
  for (std::int64_t at = 0;; at += kPortion_bytes) {
    if (at + kPortion_bytes > buffer_bytes) at = 0, ++round;
    pacer.wait(kPortion_bytes);
    write_portion(buffer + at, kPortion_bytes, round);
    page.counters[kWritten].fetch_add(kPortion_bytes, std::memory_order_relaxed);
  }
}

class BandwidthWorkers final : public WorkerFault {
 public:
  static Result<std::unique_ptr<Fault>> make(const Params& params) {
    const std::int64_t threads = params.integer("threads");
    const double bytes_per_s = static_cast<double>(params.integer("rate")) / 8 / static_cast<double>(threads);
    const std::int64_t buffer_bytes = params.integer("buffer");
    std::vector<Body> bodies(static_cast<std::size_t>(threads), [buffer_bytes, bytes_per_s](WorkerPage& page) {
      write_memory(buffer_bytes, bytes_per_s, page);
    });
    std::unique_ptr<BandwidthWorkers> load(new BandwidthWorkers(std::move(bodies)));
    GRIT_CHECK(load->make_workers());
    return std::unique_ptr<Fault>(std::move(load));
  }

  Status start() override {
    if (since_ns_ != 0) return {};
    GRIT_CHECK(WorkerFault::start());
    since_ns_ = monotonic_ns();
    return {};
  }

  Status stop() override {
    GRIT_CHECK(WorkerFault::stop());
    if (since_ns_ != 0) past_ns_ += monotonic_ns() - since_ns_;
    since_ns_ = 0;
    return {};
  }

  Result<Reading> read() override {
    GRIT_TRY(Reading reading, WorkerFault::read());
    reading.details["mechanism"] = kMechanism;
    return reading;
  }

  /// With what it came to per second while it was in force.
  Result<Json> counters() override {
    GRIT_TRY(Json all, WorkerFault::counters());
    const std::int64_t in_force_ns = past_ns_ + (since_ns_ == 0 ? 0 : monotonic_ns() - since_ns_);
    all["in_force_ns"] = in_force_ns;
    if (in_force_ns > 0)
      all["stored_bits_per_s"] = static_cast<std::int64_t>(8e9 * static_cast<double>(all.value("stored_bytes", 0LL)) /
                                                           static_cast<double>(in_force_ns));
    return all;
  }

 private:
  explicit BandwidthWorkers(std::vector<Body> bodies)
      : WorkerFault("grit-membw", std::move(bodies), {"stored_bytes"}, {KernelCounter::cpu_ns}) {}

  std::int64_t since_ns_ = 0;  // 0: not in force
  std::int64_t past_ns_ = 0;   // of earlier starts
};

class MemoryBandwidth final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "memory_bandwidth",
        .summary = "Processes write to memory past the caches, at a rate or as fast as it goes",
        .params = {{"rate",
                    Unit::bits_per_s,
                    0,
                    "how much they write in all, such as \"8GB/s\"; 0: as fast as it goes",
                    {},
                    0.0,
                    {}},
                   {"threads", Unit::count, 2, "how many processes share the work", {}, 1.0, 256.0},
                   {"buffer",
                    Unit::bytes,
                    std::int64_t{64} << 20,
                    "what each goes round in; must be larger than its share of the last cache",
                    {},
                    static_cast<double>(kPortion_bytes),
                    {}}},
        .mechanisms = {kMechanism},
        .needs = {"memory for the buffers above the floor: 256 MiB or 2 % of all, whichever is more"},
        .undo = UndoClass::process};
    return info;
  }

  [[nodiscard]] std::int64_t memory_bytes(const Node&, const Params& params) const override {
    return params.integer("threads") * params.integer("buffer");
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    const auto memory = read_memory();
    if (!memory) return memory.error().message;
    return why_below_floor(*memory, target.params.integer("threads") * target.params.integer("buffer"));
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    return without_undo(BandwidthWorkers::make(target.params));
  }

  /// Bytes were stored, and the kernel gave CPU time for it.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "stored_bytes") && grew(before, after, "cpu_ns");
  }
};

}  // namespace

const Injector& memory_bandwidth() {
  static const MemoryBandwidth injector;
  return injector;
}

}  // namespace grit
