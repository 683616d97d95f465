#include "injectors/gpu_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <utility>

#include "harness/base/clock.hpp"
#include "injectors/duty_cycle.hpp"
#include "injectors/gpu_limits.hpp"

namespace grit {
namespace {

constexpr const char* kAllGpus = "all";
constexpr const char* kProcessName = "grit-gpu";
constexpr std::int64_t kPoll_ns = 200'000;
constexpr std::int64_t kStuck_ns = 10 * kNsPerS;
constexpr std::int64_t kPortion_ns = kNsPerMs;
constexpr int kMostJoined = 1024;

std::optional<std::size_t> number_of_gpu(const std::string& text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number >= kMostGpus) return std::nullopt;
  return number;
}

/// "0000:81:00.0", as the kernel writes it.
bool is_pci_address(const std::string& text) {
  static constexpr std::string_view kForm = "xxxx:xx:xx.x";
  if (text.size() != kForm.size()) return false;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool is_digit = std::string_view("0123456789abcdef").find(text[i]) != std::string_view::npos;
    if (kForm[i] == 'x' ? !is_digit : text[i] != kForm[i]) return false;
  }
  return true;
}

Result<std::shared_ptr<const AcceleratorModule>> load_module() {
  // GPUs are then numbered as nvidia-smi does (CUDA C++ Programming Guide, "CUDA Environment Variables").
  ::setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1);
  GRIT_TRY(auto module, AcceleratorModule::load());
  if (module->table().occupy == nullptr || module->table().peer_open == nullptr)
    return unavailable_error(fmt::format("{} is of an older grit, which had no loads for GPUs", module->describe()));
  return module;
}

Status run_lanes(const std::string& gpu, const MakeLanes& make, WorkerPage& page) {
  GRIT_TRY(const auto gpus, open_gpus(gpu));
  page.counters[kGpuCount] = static_cast<std::int64_t>(gpus.size());
  page.counters[kGpuFake] = gpus.front().device->facts().is_fake ? 1 : 0;
  GRIT_TRY(std::vector<GpuLane> lanes, make(gpus, page));
  page.wait_for_start();
  for (GpuLane& lane : lanes) lane.begin();
  for (;;) {
    bool stepped = false;
    for (GpuLane& lane : lanes) {
      GRIT_TRY(const bool one, lane.step(page));
      stepped = stepped || one;
    }
    if (!stepped) sleep_until(monotonic_ns() + kPoll_ns);
  }
}

}  // namespace

ParamSpec gpu_param() {
  return {"gpu", Unit::text, kAllGpus,
          "which GPU of the node: all, the number of nvidia-smi (among those that CUDA_VISIBLE_DEVICES leaves), a PCI "
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
  std::string gpu = params.text("gpu");
  for (const NodeGpu& one : node.gpus)
    if (one.uuid == gpu) gpu = one.pci;
  return Json{{"gpu", gpu}};
}

std::string gpu_of(const Target& target) { return target.resolved.value("gpu", target.params.text("gpu")); }

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

Result<std::vector<OpenGpu>> open_gpus(const std::string& gpu) {
  GRIT_TRY(const auto module, load_module());
  GRIT_TRY(const auto devices, module->devices());
  const auto number = number_of_gpu(gpu);
  std::vector<OpenGpu> opened;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (gpu != kAllGpus && (number ? *number != i : devices[i].pci_address != gpu)) continue;
    const int index = static_cast<int>(i);
    GRIT_TRY(auto device, Accelerator::open(module, index));
    opened.push_back({index, std::move(device)});
  }
  if (opened.empty())
    return usage_error(fmt::format("there is no GPU {}: the CUDA runtime sees {}", gpu, devices.size()));
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

Result<bool> GpuLane::step(WorkerPage& page) {
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
  if (given_ - done_ < 2 && pacer_.take(portion_.amount * joined_)) {
    GRIT_CHECK(give(slots_[given_ % 2]));
    ++given_;
    stepped = true;
  }
  return stepped;
}

WorkerFault::Body gpu_lanes_body(const std::string& gpu, const MakeLanes& make) {
  return [gpu, make](WorkerPage& page) {
    const Status ended = run_lanes(gpu, make, page);
    page.fail(ended.error().message);
  };
}

GpuLoadFault::GpuLoadFault(Body body, std::vector<std::string> counter_names, std::vector<std::string> amounts)
    : WorkerFault(kProcessName, {std::move(body)}, std::move(counter_names)), amounts_(std::move(amounts)) {}

Result<std::unique_ptr<Fault>> GpuLoadFault::make(Body body, std::vector<std::string> counter_names,
                                                  std::vector<std::string> amounts) {
  std::unique_ptr<GpuLoadFault> load(new GpuLoadFault(std::move(body), std::move(counter_names), std::move(amounts)));
  GRIT_CHECK(load->make_workers());
  return std::unique_ptr<Fault>(std::move(load));
}

Status GpuLoadFault::start() {
  if (since_ns_ != 0) return {};
  GRIT_CHECK(WorkerFault::start());
  since_ns_ = monotonic_ns();
  return {};
}

Status GpuLoadFault::stop() {
  if (since_ns_ != 0) {
    past_ns_ += monotonic_ns() - since_ns_;
    for (const Worker& worker : workers()) full_per_s_ = worker.page().counters[kGpuFull].load();
  }
  since_ns_ = 0;
  return WorkerFault::stop();
}

Result<Reading> GpuLoadFault::read() {
  GRIT_TRY(Reading reading, WorkerFault::read());
  for (const Worker& worker : workers()) {
    const WorkerPage& page = worker.page();
    reading.holds = reading.holds && acts(page);
    reading.details["gpus"] = page.counters[kGpuCount].load();
    if (page.counters[kGpuFake].load() != 0) reading.details["fake"] = true;  // a library of the tests: no GPU
    if (page.ready.load() == 2) {  // it has given up, and is about to end if it has not
      reading.holds = false;
      reading.details["problem"] = page.error;
    }
  }
  return reading;
}

Result<Json> GpuLoadFault::counters() {
  GRIT_TRY(Json all, WorkerFault::counters());
  const std::int64_t in_force_ns = past_ns_ + (since_ns_ == 0 ? 0 : monotonic_ns() - since_ns_);
  all["in_force_ns"] = in_force_ns;
  for (const Worker& worker : workers()) full_per_s_ = worker.page().counters[kGpuFull].load();
  std::int64_t sum = 0;
  for (const std::string& amount : amounts_) sum += all.value(amount, std::int64_t{0});
  if (full_per_s_ > 0 && in_force_ns > 0)
    all["achieved_ppm"] = static_cast<std::int64_t>(
        1e15 * static_cast<double>(sum) / (static_cast<double>(full_per_s_) * static_cast<double>(in_force_ns)));
  return all;
}

}  // namespace grit
