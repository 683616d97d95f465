// What the faults have in common that load GPUs and change no setting: gpu_contention, pcie_contention,
// gpu_memory_pressure.
//
// One process on the node does it all (injectors/worker.hpp), and it alone loads the module for GPUs: a driver that
// hangs, hangs that process. Its kernels, copies and memory end with it. Nothing is on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "injectors/pacer.hpp"
#include "injectors/worker.hpp"
#include "workloads/compute/accelerator.hpp"

namespace grit {

/// The parameter `gpu`: all, a number (GPUs by PCI address, as nvidia-smi counts), a PCI address or a UUID.
ParamSpec gpu_param();
/// Error (usage): it is none of these, or the node's driver told of its GPUs and has none such.
Status check_gpu_param(const std::string& fault, const Node& node, const Params& params);
/// For Injector::resolve(): the address of a UUID or a number, where the driver told of its GPUs, since the CUDA
/// runtime looks up no UUID and counts only what CUDA_VISIBLE_DEVICES leaves; of all, how many there are.
Json resolved_gpu(const Node& node, const Params& params);

/// Which GPUs a load is to take.
struct WantedGpus {
  std::string gpu{};      // all, a number, a PCI address
  std::size_t count = 0;  // of all: the driver told of so many; 0: it did not, or there is MIG
};
/// What the plan settled, else the parameter.
WantedGpus gpus_of(const Target& target);

/// Why no process of this machine could load a GPU: no module, one of an older grit, no driver, no GPU. Asks in a
/// process of its own.
std::optional<std::string> why_no_gpu_load_here();

struct OpenGpu {
  int index = 0;  // the runtime's
  std::shared_ptr<const Accelerator> device{};
};
/// In the worker: opens those that are wanted, and says in the page which they are. Error (unavailable): no module,
/// driver or GPU; (usage): no such GPU, or the runtime sees fewer than all.
Result<std::vector<OpenGpu>> open_gpus(const WantedGpus& wanted, WorkerPage& page);

/// Places in WorkerPage::counters, which are sums over the GPUs.
enum GpuCounter {
  kGpuBusy = 0,    // ns in which the GPU worked on what a lane gave it, by its own events; with two lanes a sum of both
  kGpuOwn = 1,     // from here on each fault's own: bytes, ns
  kGpuGiven = 23,  // what nobody is told
  kGpuFull = 24,   // what share = 100 % would come to in a second; 0: there is no such figure
  kGpuCount,       // GPUs
  kGpuFake,        // not 0: a library of the tests plays the GPU
  kGpuReached,     // not 0: the goal is reached (gpu_memory_pressure)
  kGpuAlive,       // when the worker has last looked at its GPUs (ns, CLOCK_MONOTONIC)
  kGpuPci          // from here on, of each GPU, pci_number()
};

/// Work for one stream of a GPU in equal portions, of which two are there at most, so that it need not wait for the
/// host and has no more to do than two when the worker is to rest. Each is timed by two events on the device.
class GpuLane {
 public:
  struct Portion {
    std::function<Status(grit_stream*)> give{};  // gives the stream one
    std::int64_t amount = 0;                     // of one: bytes; 0: it is not paced
    int counter = kGpuOwn;                       // to which the amount is added once one is done
    std::function<void()> done{};                // called then
  };
  static Result<GpuLane> make(const OpenGpu& gpu, Portion portion);

  /// How much it can do in a second: of seven portions one after the other, the fastest. Joins so many to one that it
  /// takes a millisecond, as long as a host can pace. Error: internal, the GPU's.
  Result<double> measure_ceiling();
  /// So much a second from begin() on; 0: as fast as it goes.
  void set_pace(double per_s) { per_s_ = per_s; }
  void begin() { pacer_ = Pacer(per_s_); }
  /// Counts a portion that is done and, where it `gives`, gives another that is due, without waiting. False: there was
  /// nothing to do. Error: the GPU's; (unavailable) a portion took longer than 10 s.
  Result<bool> step(WorkerPage& page, bool gives);
  /// The GPU has nothing of it to do.
  [[nodiscard]] bool is_idle() const { return done_ == given_; }

 private:
  struct Slot {
    AcceleratorEvent begin{}, end{};
    std::int64_t given_ns = 0;
  };
  GpuLane(std::shared_ptr<const Accelerator> device, Portion portion)
      : device_(std::move(device)), portion_(std::move(portion)) {}
  Status give(Slot& slot);
  [[nodiscard]] Result<bool> is_done(const Slot& slot) const;
  [[nodiscard]] Result<std::int64_t> elapsed_ns(const Slot& slot) const;
  Result<std::int64_t> time_one();

  std::shared_ptr<const Accelerator> device_;
  Portion portion_;
  AcceleratorStream stream_{};
  Slot slots_[2];
  std::uint64_t given_ = 0, done_ = 0;
  int joined_ = 1;  // as one
  double per_s_ = 0;
  Pacer pacer_{0};
};

/// Makes the lanes of all these GPUs and sets kGpuFull, in the worker. What they use must live in their functions.
using MakeLanes = std::function<Result<std::vector<GpuLane>>(const std::vector<OpenGpu>& gpus, WorkerPage& page)>;
/// For WorkerFault: opens the GPUs, makes the lanes and keeps them going.
WorkerFault::Body gpu_lanes_body(const WantedGpus& wanted, const MakeLanes& make);

/// Do these counters say that a load ended before it was to (a lost GPU, the OOM killer)? Then it did not act for as
/// long as it was to.
bool ended_early(const Json& counters);

/// The fault of such a worker. Counters: those of `counter_names` (from kGpuBusy on), "in_force_ns" and, of `amounts`
/// among them against kGpuFull, "achieved_ppm": the share that it came to while it was in force; "problem": why a
/// worker of any start ended before it was to; of "sms_seen" not the sum over all starts but the most of one.
///
/// stop() lets the worker end what it has given to the GPU, for half a second at most: under MPS, a client that is
/// killed while its work is under way may take its server and the other clients, such as the job's ranks, with it
/// (NVIDIA, Multi-Process Service, "Client Early Termination"). The reading after it says where it did not
/// ("killed_at_work").
class GpuLoadFault : public WorkerFault {
 public:
  /// `ranks`: one of them must compute on one of the GPUs, as far as they have said; none: whoever does.
  static Result<std::unique_ptr<Fault>> make(Body body, std::vector<std::string> counter_names,
                                             std::vector<std::string> amounts, NodeRanks ranks = {});
  Status start() override;
  Status stop() override;
  Result<Reading> read() override;  // holds: the GPU has done something
  Result<Json> counters() override;
  /// A job's own kernels may have to end first.
  [[nodiscard]] std::int64_t patience_ns() const override { return 10 * kNsPerS; }

 protected:
  GpuLoadFault(Body body, std::vector<std::string> counter_names, std::vector<std::string> amounts,
               NodeRanks ranks = {});
  /// In force? Of a worker that runs.
  [[nodiscard]] virtual bool acts(const WorkerPage& page) const { return page.counters[kGpuBusy].load() > 0; }

 private:
  [[nodiscard]] std::int64_t end_limit_ns() const override { return 5 * kNsPerS; }

  void look_for_problem();
  [[nodiscard]] std::int64_t in_force_ns() const;
  [[nodiscard]] Status check_is_of_a_rank(std::size_t enough) const;

  std::vector<std::string> amounts_;
  NodeRanks ranks_;
  std::int64_t since_ns_ = 0;  // 0: not in force
  std::int64_t past_ns_ = 0;   // of earlier starts
  std::int64_t full_per_s_ = 0;
  std::int64_t past_sms_ = 0, most_sms_ = 0;
  std::string problem_{};  // the first one
  bool was_killed_at_work_ = false;
};

}  // namespace grit
