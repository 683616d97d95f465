// What the communicator over MPI costs beside MPI alone, and what a span costs.
//
//   mpirun -n 2 bench_communicator        of each operation and size, OSU's: its bus bandwidth beside that of a bare
//   loop
//                                         of MPI's own call and MPI_Wait in the same run; the ratio with its spread
//   bench_communicator spans              ns, allocations and system calls of an operation's bookkeeping
//
// The bare loop of an all-to-all is MPI_Ialltoallv, of a send and a receive MPI_Isend and MPI_Irecv with the
// neighbours.
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <numeric>
#include <string_view>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/model/bus_bandwidth.hpp"
#include "harness/record/segment.hpp"
#include "workloads/fabric/mpi.hpp"

namespace {
std::atomic<std::uint64_t> allocations{0};
}

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size); memory != nullptr) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace grit {
namespace {

constexpr std::size_t kRounds = 31;
constexpr std::int64_t kRound_ns = 15 * kNsPerMs;

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "bench_communicator: {}\n", why);
  std::_Exit(1);
}

void need(const Status& status) {
  if (!status) give_up(status.error().message);
}
OperationHandle need(const Result<OperationHandle>& begun) {
  if (!begun) give_up(begun.error().message);
  return *begun;
}

/// The same buffers and counts for both.
class Subject {
 public:
  Subject(Communicator& communicator, CollectiveOperation operation, std::size_t bytes)
      : communicator_(communicator),
        operation_(operation),
        ranks_(static_cast<std::size_t>(communicator.size())),
        count_(is_whole() ? bytes / sizeof(float) : bytes / sizeof(float) / ranks_),
        send_(count_ * ranks_, 1.0F),
        receive_(count_ * ranks_),
        counts_(ranks_, count_),
        int_counts_(ranks_, static_cast<int>(count_)),
        offsets_(ranks_) {
    for (std::size_t peer = 0; peer < ranks_; ++peer) offsets_[peer] = static_cast<int>(peer * count_);
  }

  /// nccl-tests' size; what is left over when ranks do not divide the bytes is not moved.
  [[nodiscard]] std::size_t bytes() const { return sizeof(float) * count_ * (is_whole() ? 1 : ranks_); }

  void ours() {
    Communicator& all = communicator_;
    float *from = send_.data(), *to = receive_.data();
    switch (operation_) {
      case CollectiveOperation::all_reduce:
        return need(all.wait(need(all.all_reduce(from, to, count_, DataType::fp32))));
      case CollectiveOperation::reduce_scatter:
        return need(all.wait(need(all.reduce_scatter(from, to, count_, DataType::fp32))));
      case CollectiveOperation::all_gather:
        return need(all.wait(need(all.all_gather(from, to, count_, DataType::fp32))));
      case CollectiveOperation::all_to_all:
        return need(all.wait(need(all.all_to_all(from, counts_, to, counts_, DataType::fp32))));
      case CollectiveOperation::send:
      case CollectiveOperation::receive:
        need(all.receive(to, count_, DataType::fp32, previous()));
        need(all.send(from, count_, DataType::fp32, next()));
        return need(all.wait_all());
    }
  }

  void bare() {
    const float* from = send_.data();
    float* to = receive_.data();
    const int count = static_cast<int>(count_);
    std::array<MPI_Request, 2> requests{MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    switch (operation_) {
      case CollectiveOperation::all_reduce:
        MPI_Iallreduce(from, to, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, requests.data());
        break;
      case CollectiveOperation::reduce_scatter:
        MPI_Ireduce_scatter_block(from, to, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, requests.data());
        break;
      case CollectiveOperation::all_gather:
        MPI_Iallgather(from, count, MPI_FLOAT, to, count, MPI_FLOAT, MPI_COMM_WORLD, requests.data());
        break;
      case CollectiveOperation::all_to_all:
        MPI_Ialltoallv(from, int_counts_.data(), offsets_.data(), MPI_FLOAT, to, int_counts_.data(), offsets_.data(),
                       MPI_FLOAT, MPI_COMM_WORLD, requests.data());
        break;
      case CollectiveOperation::send:
      case CollectiveOperation::receive:
        MPI_Irecv(to, count, MPI_FLOAT, previous(), 0, MPI_COMM_WORLD, requests.data());
        MPI_Isend(from, count, MPI_FLOAT, next(), 0, MPI_COMM_WORLD, &requests[1]);
        break;
    }
    MPI_Waitall(2, requests.data(), MPI_STATUSES_IGNORE);
  }

 private:
  [[nodiscard]] bool is_whole() const {
    return operation_ == CollectiveOperation::all_reduce || operation_ == CollectiveOperation::send;
  }
  [[nodiscard]] int next() const { return (communicator_.rank() + 1) % communicator_.size(); }
  [[nodiscard]] int previous() const {
    return (communicator_.rank() + communicator_.size() - 1) % communicator_.size();
  }

  Communicator& communicator_;
  CollectiveOperation operation_;
  std::size_t ranks_;
  std::size_t count_;
  std::vector<float> send_;
  std::vector<float> receive_;
  std::vector<std::size_t> counts_;
  std::vector<int> int_counts_;
  std::vector<int> offsets_;
};

/// ns an operation, of the slowest rank.
double time_of(const std::function<void()>& once, int times) {
  MPI_Barrier(MPI_COMM_WORLD);
  const std::int64_t began_ns = monotonic_ns();
  for (int i = 0; i < times; ++i) once();
  double took_ns = static_cast<double>(monotonic_ns() - began_ns) / times;
  MPI_Allreduce(MPI_IN_PLACE, &took_ns, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return took_ns;
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

void compare(Communicator& communicator, SpanSink& spans, std::span<CollectiveRecord> taken,
             CollectiveOperation operation, std::size_t size_bytes) {
  Subject subject(communicator, operation, size_bytes);
  const auto ours = [&] { subject.ours(); };
  const auto bare = [&] { subject.bare(); };
  const auto times = [&] {
    time_of(ours, 3), time_of(bare, 3);
    return static_cast<int>(std::clamp(static_cast<double>(kRound_ns) / time_of(bare, 3), 1.0, 5000.0));
  }();
  std::vector<double> ours_ns, bare_ns, ratios;
  for (std::size_t round = 0; round < kRounds; ++round) {
    const bool ours_first = round % 2 == 0;
    if (ours_first) ours_ns.push_back(time_of(ours, times));
    bare_ns.push_back(time_of(bare, times));
    if (!ours_first) ours_ns.push_back(time_of(ours, times));
    ratios.push_back(bare_ns.back() / ours_ns.back());
    while (spans.take(taken) > 0) {
    }
  }
  if (communicator.rank() != 0) return;
  const auto rate = [&](const std::vector<double>& ns) {
    return bus_bandwidth_bits_per_s(operation, communicator.size(), static_cast<std::int64_t>(subject.bytes()),
                                    quantile(ns, 0.5)) /
           1e9;
  };
  fmt::print("{:<15} {:>9} {:>8} {:>10.4f} {:>10.4f} {:>7.3f}  {:.3f} .. {:.3f}\n", to_string(operation),
             subject.bytes(), times, rate(ours_ns), rate(bare_ns), quantile(ratios, 0.5), quantile(ratios, 0.1),
             quantile(ratios, 0.9));
  std::fflush(stdout);
}

void compare_all() {
  std::vector<CollectiveRecord> ring(16384), taken(16384);
  SpanSink spans(ring);
  auto made = make_mpi_communicator(MPI_COMM_WORLD, {.spans = &spans});
  if (!made) give_up(made.error().message);
  Communicator& communicator = **made;
  if (communicator.rank() == 0)
    fmt::print(
        "{} ranks, {} rounds; bus bandwidth in Gbit/s, medians; the ratio of rates in a round: median, 10 % .. "
        "90 %\n{:<15} {:>9} {:>8} {:>10} {:>10} {:>7}\n",
        communicator.size(), kRounds, "operation", "bytes", "a round", "ours", "bare", "ratio");
  for (const auto operation :
       {CollectiveOperation::all_reduce, CollectiveOperation::reduce_scatter, CollectiveOperation::all_gather,
        CollectiveOperation::all_to_all, CollectiveOperation::send})
    for (std::size_t bytes = 1 << 10; bytes <= 16 << 20; bytes *= 4)
      compare(communicator, spans, taken, operation, bytes);
  if (communicator.rank() == 0) fmt::print("spans dropped: {}\n", spans.dropped());
}

/// Moves nothing: an operation ends in the first poll.
class Bookkeeping final : public Communicator {
 public:
  explicit Bookkeeping(SpanSink* spans) : Communicator({.members = {0}}, 0, std::make_shared<OpenOperations>(spans)) {}
  void poke() override { open().end_part(slot_, monotonic_ns()); }
  Result<std::unique_ptr<Communicator>> split(std::string_view, std::uint16_t,
                                              std::span<const std::vector<int>>) override {
    return unavailable_error("of one rank");
  }

 protected:
  Status start(const OperationCall&, std::uint32_t slot) override {
    open().add_part(slot_ = slot);
    return {};
  }

 private:
  std::uint32_t slot_ = 0;
};

constexpr std::size_t kBurst = 4096;  // records between two visits of who takes them, whose time is not counted

class SpanCost {
 public:
  void operations(std::size_t count) {
    float value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      need(communicator_.wait(need(communicator_.all_reduce(&value, &value, 1, DataType::fp32))));
      if (i % kBurst == kBurst - 1) hand_over();
    }
  }

  void report() {
    double memcpy_ns = 0, clock_ns = 0, span_ns = 0, whole_ns = 0, over_ns = 0;
    const std::uint64_t before = allocations.load();
    constexpr int kBursts = 500;
    for (int burst = 0; burst < kBursts; ++burst) {
      memcpy_ns += time_of_burst([&](std::size_t i) { std::memcpy(&copies_[i], &record_, sizeof record_); });
      clock_ns += time_of_burst([&](std::size_t) { record_.entry_ns = monotonic_ns(); });
      span_ns += time_of_burst([&](std::size_t) { spans_.end(spans_.begin(record_), record_.entry_ns); });
      over_ns += hand_over();
      whole_ns += time_of_burst([&](std::size_t) {
        need(communicator_.wait(need(communicator_.all_reduce(copies_.data(), copies_.data(), 1, DataType::fp32))));
      });
      hand_over();
    }
    const std::uint64_t allocated = allocations.load() - before;
    fmt::print(
        "a copy of {} bytes {:.1f} ns; a record into the ring {:.1f} ns, out of it to the observer {:.1f} ns; a "
        "reading of "
        "the clock {:.1f} ns;\n"
        "all of an operation's bookkeeping, with three readings of the clock, one poll and the wait {:.1f} ns\n"
        "in {} operations: {} allocations, {} spans dropped\n",
        sizeof(CollectiveRecord), memcpy_ns / kBursts, span_ns / kBursts, over_ns / kBursts, clock_ns / kBursts,
        whole_ns / kBursts, kBursts * kBurst, allocated, spans_.dropped());
  }

 private:
  template <class Once>
  double time_of_burst(Once once) {
    const std::int64_t began_ns = monotonic_ns();
    for (std::size_t i = 0; i < kBurst; ++i) {
      once(i);
      asm volatile("" : : "g"(copies_.data()), "g"(&record_) : "memory");
    }
    return static_cast<double>(monotonic_ns() - began_ns) / kBurst;
  }

  /// ns a span, to where an observer takes them, which is not counted.
  double hand_over() {
    const std::int64_t began_ns = monotonic_ns();
    spans_.hand_over(*shared_);
    const std::int64_t took_ns = monotonic_ns() - began_ns;
    shared_->pop(copies_);
    return static_cast<double>(took_ns) / kBurst;
  }

  CollectiveRecord record_{};
  std::vector<CollectiveRecord> ring_ = std::vector<CollectiveRecord>(2 * kBurst);
  std::vector<CollectiveRecord> copies_ = std::vector<CollectiveRecord>(kBurst);
  SpanSink spans_{ring_};
  std::unique_ptr<Ring<CollectiveRecord, kSpanCapacity>> shared_ =
      std::make_unique<Ring<CollectiveRecord, kSpanCapacity>>();
  Bookkeeping communicator_{&spans_};
};

/// System calls of a process that does so many operations, from before the first until it has ended.
std::uint64_t system_calls_of(std::size_t operations) {
  SpanCost cost;
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) give_up("fork failed");
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    cost.operations(operations);
    std::_Exit(0);
  }
  std::uint64_t stops = 0;
  int status = 0;
  while (::waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
    ++stops;
    if (::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) != 0) give_up("ptrace failed");
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) give_up("the traced process did not end well");
  return stops / 2;  // one stop on the way in, one on the way out
}

void report_spans() {
  SpanCost().report();
  constexpr std::size_t kMany = 100'000;
  const std::uint64_t without = system_calls_of(0), with = system_calls_of(kMany);
  fmt::print("system calls of {} operations: {} ({} of a process without any, {} with them)\n", kMany, with - without,
             without, with);
}

}  // namespace
}  // namespace grit

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "spans") {
    grit::report_spans();
    return 0;
  }
  if (MPI_Init(&argc, &argv) != MPI_SUCCESS) return 1;
  grit::compare_all();
  MPI_Finalize();
  return 0;
}
