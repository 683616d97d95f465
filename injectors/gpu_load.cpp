#include "injectors/gpu_load.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/os/pci_link.hpp"
#include "injectors/duty_cycle.hpp"
#include "injectors/gpu_limits.hpp"

namespace grit {
namespace {

constexpr const char* kAllGpus = "all";
constexpr const char* kProcessName = "grit-gpu";
constexpr std::int64_t kPoll_ns = 200'000;
constexpr std::int64_t kStuck_ns = 10 * kNsPerS;
constexpr std::int64_t kRests_ns = 500 * kNsPerMs;  // by when two portions are done, but where a GPU is ill
constexpr std::int64_t kPortion_ns = kNsPerMs;
constexpr int kMostJoined = 1024;

std::optional<std::size_t> number_of_gpu(const std::string& text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number >= kMostGpus) return std::nullopt;
  return number;
}

/// Of pci_number().
std::string pci_address(std::int64_t number) {
  const auto all = static_cast<std::uint64_t>(number) & ~(std::uint64_t{1} << 63U);
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", all >> 20U, all >> 12U & 0xffU, all >> 4U & 0xffU, all & 0xfU);
}

/// The worker has closed these two: a device that the libraries open would get their numbers, and what they print would
/// go there.
void open_null() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int number : {STDIN_FILENO, STDOUT_FILENO})
    if (null >= 0 && null != number) ::dup2(null, number);
  if (null > STDERR_FILENO) ::close(null);
}

/// What keeps the runtime from seeing all of them, as far as that can be told; an end of a sentence.
std::string what_is_visible() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible == nullptr ? std::string() : fmt::format(" (CUDA_VISIBLE_DEVICES is {})", visible);
}

Result<std::shared_ptr<const AcceleratorModule>> load_module() {
  open_null();
  // GPUs are then numbered as nvidia-smi does (CUDA C++ Programming Guide, "CUDA Environment Variables").
  ::setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1);
  GRIT_TRY(auto module, AcceleratorModule::load());
  if (module->table().occupy == nullptr || module->table().peer_open == nullptr)
    return unavailable_error(fmt::format("{} is of an older grit, which had no loads for GPUs", module->describe()));
  return module;
}

/// Of one that was started: why it goes on no more; empty: it does.
std::string problem_of(const Worker& worker) {
  if (worker.page().ready.load() == 2) return worker.page().error;
  return worker.running() ? "" : "its process was killed, and not by grit: out of memory?";
}

Status run_lanes(const WantedGpus& wanted, const MakeLanes& make, WorkerPage& page) {
  GRIT_TRY(const auto gpus, open_gpus(wanted, page));
  GRIT_TRY(std::vector<GpuLane> lanes, make(gpus, page));
  page.wait_for_start();
  for (GpuLane& lane : lanes) lane.begin();
  for (;;) {
    page.counters[kGpuAlive].store(monotonic_ns(), std::memory_order_relaxed);
    const bool goes_on = !page.is_to_rest();
    bool stepped = false, idle = true;
    for (GpuLane& lane : lanes) {
      GRIT_TRY(const bool one, lane.step(page, goes_on));
      stepped = stepped || one;
      idle = idle && lane.is_idle();
    }
    if (!goes_on && idle) page.rest();
    if (!stepped) sleep_until(monotonic_ns() + kPoll_ns);
  }
}

}  // namespace

ParamSpec gpu_param() {
  return {"gpu", Unit::text, kAllGpus,
          "which GPU of the node: all, the number of nvidia-smi, a PCI "
          "address (0000:81:00.0) or a UUID (GPU-...)"};
}

Status check_gpu_param(const std::string& fault, const Node& node, const Params& params) {
  const std::string gpu = params.text("gpu");
  const auto number = number_of_gpu(gpu);
  const bool is_uuid = is_gpu_uuid(gpu);
  if (gpu == kAllGpus) return {};
  if (!number && !is_uuid && !is_pci_address(gpu))
    return usage_error(fmt::format(
        "{}: `gpu` must be all, a number of nvidia-smi, a PCI address (0000:81:00.0) or a UUID (GPU-...)", fault));
  if (node.gpus.empty()) {  // the driver does not tell: the node itself finds out, but no UUID
    if (!is_uuid) return {};
    return usage_error(
        fmt::format("{}: {} does not tell of its GPUs' UUIDs: give a number or a PCI address", fault, node.name));
  }
  const bool there = std::any_of(node.gpus.begin(), node.gpus.end(), [&](const NodeGpu& one) {
    return one.uuid == gpu || one.pci == gpu || (number && static_cast<std::size_t>(one.index) == *number);
  });
  if (there) return {};
  return usage_error(fmt::format("{}: there is no GPU {} on {}, which has {}", fault, gpu, node.name,
                                 plural(node.gpus.size(), "GPU")));
}

Json resolved_gpu(const Node& node, const Params& params) {
  const std::string gpu = params.text("gpu");
  const auto number = number_of_gpu(gpu);
  for (const NodeGpu& one : node.gpus)
    if (!one.pci.empty() && (one.uuid == gpu || (number && static_cast<std::size_t>(one.index) == *number)))
      return Json{{"gpu", one.pci}};
  const bool has_mig = std::any_of(node.gpus.begin(), node.gpus.end(), [](const NodeGpu& one) { return one.mig; });
  if (gpu != kAllGpus || node.gpus.empty() || has_mig) return Json{{"gpu", gpu}};
  return Json{{"gpu", gpu}, {"gpus", node.gpus.size()}};
}

WantedGpus gpus_of(const Target& target) {
  return {.gpu = target.resolved.value("gpu", target.params.text("gpu")),
          .count = target.resolved.value("gpus", std::size_t{0})};
}

std::optional<std::string> why_no_gpu_load_here() {
  const auto tried = Worker::fork(
      kProcessName,
      [](WorkerPage& page) {
        const auto module = load_module();
        if (!module) page.fail(module.error().message);
        if (const auto devices = (*module)->devices(); !devices) page.fail(devices.error().message);
        page.wait_for_start();
      },
      {}, 5 * kNsPerS);
  return tried ? std::nullopt : std::optional(tried.error().message);
}

Result<std::vector<OpenGpu>> open_gpus(const WantedGpus& wanted, WorkerPage& page) {
  GRIT_TRY(const auto module, load_module());
  GRIT_TRY(const auto devices, module->devices());
  if (devices.size() < wanted.count)
    return usage_error(fmt::format("the CUDA runtime sees {} of this node's {} GPUs{}: name one with `gpu`",
                                   devices.size(), wanted.count, what_is_visible()));
  const auto number = number_of_gpu(wanted.gpu);
  std::vector<OpenGpu> opened;
  for (std::size_t i = 0; i < std::min(devices.size(), kMostGpus); ++i) {
    const std::string& address = devices[i].pci_address;
    if (wanted.gpu != kAllGpus && (number ? *number != i : address != wanted.gpu)) continue;
    const int index = static_cast<int>(i);
    GRIT_TRY(auto device, Accelerator::open(module, index));
    page.counters[kGpuPci + opened.size()] = static_cast<std::int64_t>(pci_number(address));
    opened.push_back({index, std::move(device)});
  }
  if (opened.empty())
    return usage_error(
        fmt::format("there is no GPU {}: the CUDA runtime sees {}{}", wanted.gpu, devices.size(), what_is_visible()));
  page.counters[kGpuCount] = static_cast<std::int64_t>(opened.size());
  page.counters[kGpuFake] = opened.front().device->facts().is_fake ? 1 : 0;
  return opened;
}

Result<GpuLane> GpuLane::make(const OpenGpu& gpu, Portion portion) {
  GpuLane lane(gpu.device, std::move(portion));
  GRIT_TRY(lane.stream_, make_stream(gpu.device));
  for (Slot& slot : lane.slots_) {
    GRIT_TRY(slot.begin, make_event(gpu.device));
    GRIT_TRY(slot.end, make_event(gpu.device));
  }
  return lane;
}

Status GpuLane::give(Slot& slot) {
  grit_why why{};
  const auto record = [&](const AcceleratorEvent& event) {
    return check_module(device_->table().event_record(event.get(), stream_.get(), &why), why, "an event");
  };
  GRIT_CHECK(record(slot.begin));
  for (int i = 0; i < joined_; ++i) GRIT_CHECK(portion_.give(stream_.get()));
  slot.given_ns = monotonic_ns();
  return record(slot.end);
}

Result<bool> GpuLane::is_done(const Slot& slot) const {
  grit_why why{};
  const std::int32_t code = device_->table().event_state(slot.end.get(), &why);
  GRIT_CHECK(check_module(code, why, device_->facts().name));
  if (code == GRIT_OK) return true;
  if (monotonic_ns() - slot.given_ns < kStuck_ns) return false;
  return unavailable_error(fmt::format("{} has not done within 10 s what takes milliseconds", device_->facts().name));
}

Result<std::int64_t> GpuLane::elapsed_ns(const Slot& slot) const {
  grit_why why{};
  std::int64_t elapsed_ns = 0;
  GRIT_CHECK(check_module(device_->table().event_elapsed(slot.begin.get(), slot.end.get(), &elapsed_ns, &why), why,
                          device_->facts().name));
  return elapsed_ns;
}

Result<std::int64_t> GpuLane::time_one() {
  GRIT_CHECK(give(slots_[0]));
  for (;;) {
    GRIT_TRY(const bool done, is_done(slots_[0]));
    if (done) return elapsed_ns(slots_[0]);
    sleep_until(monotonic_ns() + kPoll_ns / 4);
  }
}

Result<double> GpuLane::measure_ceiling() {
  std::int64_t fastest_ns = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < 7; ++i) {
    GRIT_TRY(const std::int64_t one_ns, time_one());
    fastest_ns = std::min(fastest_ns, std::max<std::int64_t>(one_ns, 1));
    // After the first two, which also find the clocks and the page tables cold: so many as one.
    if (i != 1) continue;
    joined_ = static_cast<int>(std::clamp<std::int64_t>(kPortion_ns / fastest_ns, 1, kMostJoined));
    fastest_ns = std::numeric_limits<std::int64_t>::max();
  }
  return 1e9 * static_cast<double>(portion_.amount) * joined_ / static_cast<double>(fastest_ns);
}

Result<bool> GpuLane::step(WorkerPage& page, bool gives) {
  bool stepped = false;
  if (done_ < given_) {
    GRIT_TRY(const bool done, is_done(slots_[done_ % 2]));
    if (done) {
      GRIT_TRY(const std::int64_t busy_ns, elapsed_ns(slots_[done_ % 2]));
      page.counters[portion_.counter].fetch_add(portion_.amount * joined_, std::memory_order_relaxed);
      page.counters[kGpuBusy].fetch_add(busy_ns, std::memory_order_relaxed);
      if (portion_.done) portion_.done();
      ++done_;
      stepped = true;
    }
  }
  if (gives && given_ - done_ < 2 && pacer_.take(portion_.amount * joined_)) {
    GRIT_CHECK(give(slots_[given_ % 2]));
    ++given_;
    stepped = true;
  }
  return stepped;
}

WorkerFault::Body gpu_lanes_body(const WantedGpus& wanted, const MakeLanes& make) {
  return [wanted, make](WorkerPage& page) {
    const Status ended = run_lanes(wanted, make, page);
    page.fail(ended.error().message);
  };
}

bool ended_early(const Json& counters) { return counters.contains("problem"); }

GpuLoadFault::GpuLoadFault(Body body, std::vector<std::string> counter_names, std::vector<std::string> amounts,
                           NodeRanks ranks)
    : WorkerFault(kProcessName, {std::move(body)}, std::move(counter_names)),
      amounts_(std::move(amounts)),
      ranks_(std::move(ranks)) {}

Result<std::unique_ptr<Fault>> GpuLoadFault::make(Body body, std::vector<std::string> counter_names,
                                                  std::vector<std::string> amounts, NodeRanks ranks) {
  std::unique_ptr<GpuLoadFault> load(
      new GpuLoadFault(std::move(body), std::move(counter_names), std::move(amounts), std::move(ranks)));
  GRIT_CHECK(load->make_workers());
  GRIT_CHECK(load->check_is_of_a_rank(load->ranks_.all.size()));
  return std::unique_ptr<Fault>(std::move(load));
}

Status GpuLoadFault::check_is_of_a_rank(std::size_t enough) const {
  for (const Worker& worker : workers()) {
    const auto& counters = worker.page().counters;
    std::vector<std::uint64_t> gpus;
    for (std::int64_t i = 0; i < counters[kGpuCount].load(); ++i)
      gpus.push_back(static_cast<std::uint64_t>(counters[kGpuPci + i].load()));
    GRIT_CHECK(check_is_of_ranks(pci_address(counters[kGpuPci].load()), gpus, ranks_, enough));
  }
  return {};
}

Status GpuLoadFault::start() {
  if (since_ns_ != 0) return {};
  if (workers().empty()) GRIT_CHECK(make_workers());
  GRIT_CHECK(check_is_of_a_rank(1));
  const std::int64_t now_ns = monotonic_ns();
  GRIT_CHECK(WorkerFault::start());
  was_killed_at_work_ = false;
  since_ns_ = now_ns;
  return {};
}

void GpuLoadFault::look_for_problem() {
  for (const Worker& worker : workers())
    if (since_ns_ != 0 && problem_.empty()) problem_ = problem_of(worker);
}

std::int64_t GpuLoadFault::in_force_ns() const {
  if (since_ns_ == 0) return past_ns_;
  const std::int64_t now_ns = monotonic_ns();
  std::int64_t until_ns = now_ns;
  for (const Worker& worker : workers())
    if (!problem_of(worker).empty()) until_ns = std::clamp(worker.page().counters[kGpuAlive].load(), since_ns_, now_ns);
  return past_ns_ + until_ns - since_ns_;
}

Status GpuLoadFault::stop() {
  if (since_ns_ != 0) {
    look_for_problem();
    for (const Worker& worker : workers()) {
      full_per_s_ = worker.page().counters[kGpuFull].load();
      was_killed_at_work_ = !worker.comes_to_rest(kRests_ns);
    }
    past_ns_ = in_force_ns();  // the GPU has worked until now
  }
  since_ns_ = 0;
  GRIT_CHECK(WorkerFault::stop());
  GRIT_CHECK(counters());  // most_sms_
  GRIT_TRY(const Json sums, WorkerFault::counters());
  past_sms_ = sums.value("sms_seen", std::int64_t{0});
  return {};
}

Result<Reading> GpuLoadFault::read() {
  GRIT_TRY(Reading reading, WorkerFault::read());
  if (was_killed_at_work_) reading.details["killed_at_work"] = true;
  for (const Worker& worker : workers()) {
    const WorkerPage& page = worker.page();
    reading.holds = reading.holds && acts(page) && problem_of(worker).empty();
    const std::int64_t gpus = page.counters[kGpuCount].load();
    reading.details["gpus"] = gpus;
    for (std::int64_t i = 0; i < gpus; ++i)
      reading.details["pci"].push_back(pci_address(page.counters[kGpuPci + i].load()));
    if (page.counters[kGpuFake].load() != 0) reading.details["fake"] = true;  // a library of the tests: no GPU
  }
  look_for_problem();  // it may have ended since counters() looked
  if (!problem_.empty()) reading.details["problem"] = problem_;
  return reading;
}

Result<Json> GpuLoadFault::counters() {
  GRIT_TRY(Json all, WorkerFault::counters());
  look_for_problem();
  if (!problem_.empty()) all["problem"] = problem_;
  if (const auto seen = all.find("sms_seen"); seen != all.end()) {
    most_sms_ = std::max(most_sms_, seen->get<std::int64_t>() - past_sms_);
    *seen = most_sms_;
  }
  const std::int64_t lasted_ns = in_force_ns();
  all["in_force_ns"] = lasted_ns;
  for (const Worker& worker : workers()) full_per_s_ = worker.page().counters[kGpuFull].load();
  std::int64_t sum = 0;
  for (const std::string& amount : amounts_) sum += all.value(amount, std::int64_t{0});
  if (full_per_s_ > 0 && lasted_ns > 0)
    all["achieved_ppm"] = static_cast<std::int64_t>(
        1e15 * static_cast<double>(sum) / (static_cast<double>(full_per_s_) * static_cast<double>(lasted_ns)));
  return all;
}

}  // namespace grit
