// gpu_xid: the driver reports no errors of the GPUs (Xid, uncorrectable errors, a GPU that cannot be used). What the
// kernel's log says of them is another check's.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <set>

#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/gpus.hpp"
#include "harness/os/kernel_text.hpp"

namespace grit {
namespace {

namespace event = nvml::event;
using nvml::Functions;

/// What a GPU is called whose handle the library itself does not know.
constexpr const char* kUnnamed = "gpu?";

/// The events of all GPUs, from the first reading on. The driver tells only what happens while it is open.
class Events {
 public:
  explicit Events(const Nvml& nvml) : nvml_(nvml) {}
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events() {
    if (set_ != nullptr) nvml_.call(&Functions::event_set_free, set_);
  }

  nvml::Code open() { return nvml_.call(&Functions::event_set_create, &set_); }

  /// What it can tell of those that say that something is broken.
  nvml::Code add(const Gpu& gpu) {
    std::uint64_t supported = 0;
    nvml::Code code = nvml_.call(&Functions::supported_events, gpu.device, &supported);
    if (code != nvml::success) return code;
    const std::uint64_t wanted =
        supported & (event::xid | event::double_bit_ecc | event::gpu_unavailable | event::recovery_action);
    if (wanted == 0) return nvml::not_supported;
    code = nvml_.call(&Functions::register_events, gpu.device, wanted, set_);
    if (code == nvml::success) watched_.push_back(gpu);
    return code;
  }

  /// The next one; timeout: there is none now.
  nvml::Code next(nvml::EventData& data) { return nvml_.call(&Functions::event_wait, set_, &data, 0U); }

  [[nodiscard]] const std::vector<Gpu>& watched() const { return watched_; }

  [[nodiscard]] std::string name_of(nvml::Device device) const {
    const auto gpu =
        std::find_if(watched_.begin(), watched_.end(), [&](const Gpu& one) { return one.device == device; });
    return gpu == watched_.end() ? kUnnamed : gpu->name;
  }

 private:
  const Nvml& nvml_;
  nvml::EventSet set_ = nullptr;
  std::vector<Gpu> watched_{};
};

std::set<std::int64_t> numbers_of(std::string text) {
  std::replace(text.begin(), text.end(), ',', ' ');
  std::set<std::int64_t> numbers;
  for (const std::string_view word : words_of(text))
    if (const auto number = whole_number(word)) numbers.insert(*number);
  return numbers;
}

struct Judged {
  Severity severity;
  std::string what;
};

/// Empty: not to be told.
std::optional<Judged> judge(const nvml::EventData& data, const Params& params) {
  if (data.type == event::double_bit_ecc) return Judged{Severity::critical, "an uncorrectable error of memory"};
  if (data.type == event::gpu_unavailable) return Judged{Severity::critical, "the GPU cannot be used"};
  if (data.type == event::recovery_action) return Judged{Severity::critical, "the driver asks for a recovery"};
  const auto number = static_cast<std::int64_t>(std::min<std::uint64_t>(data.data, INT64_MAX));
  if (data.type != event::xid || numbers_of(params.text("ignore")).contains(number)) return std::nullopt;
  const bool own = numbers_of(params.text("warn")).contains(number);
  return Judged{own ? Severity::warning : Severity::critical, fmt::format("Xid {}", number)};
}

/// An event is a moment: it is kept and told for some time, so that a reading finds it.
struct Kept {
  nvml::EventData data{};
  std::int64_t at_ns = 0;
};

std::optional<Kept> kept_of(const std::string& gpu, const CheckMemory& memory) {
  const auto type = memory.find(gpu + " type"), data = memory.find(gpu + " data"), at_ns = memory.find(gpu + " at");
  if (!type || !data || !at_ns) return std::nullopt;
  Kept kept{.at_ns = *at_ns};
  kept.data.type = static_cast<std::uint64_t>(*type), kept.data.data = static_cast<std::uint64_t>(*data);
  return kept;
}

bool is_held(const Kept& kept, const CheckInput& input) {
  return input.memory.now_ns() - kept.at_ns < input.params.integer("hold");
}

/// Unless it is less than what is told of this GPU now.
void keep(const std::string& gpu, const nvml::EventData& data, const CheckInput& input) {
  const auto judged = judge(data, input.params);
  if (!judged) return;
  const auto before = kept_of(gpu, input.memory);
  const auto judged_before = before && is_held(*before, input) ? judge(before->data, input.params) : std::nullopt;
  if (judged_before && judged_before->severity > judged->severity) return;
  input.memory.keep(gpu + " type", static_cast<std::int64_t>(data.type));
  input.memory.keep(gpu + " data", static_cast<std::int64_t>(std::min<std::uint64_t>(data.data, INT64_MAX)));
  input.memory.keep(gpu + " at", input.memory.now_ns());
}

/// `begins`: it listens since this reading.
Outcome outcome_of_gpu(const std::string& gpu, const CheckInput& input, bool begins) {
  const auto kept = kept_of(gpu, input.memory);
  const auto judged = kept ? judge(kept->data, input.params) : std::nullopt;
  if (!judged)
    return {
        .severity = Severity::ok,
        .subject = gpu,
        .detail = begins ? "listens since now; the check kernel_log knows of errors before" : "no error was reported"};
  const std::string words =
      fmt::format("{}, {:.0f} s ago", judged->what,
                  static_cast<double>(input.memory.now_ns() - kept->at_ns) / static_cast<double>(kNsPerS));
  if (!is_held(*kept, input)) return {.severity = Severity::ok, .subject = gpu, .detail = "last: " + words};
  return {.severity = judged->severity,
          .subject = gpu,
          .detail = words,
          .hint = "dmesg | grep -E 'NVRM|Xid'; docs.nvidia.com/deploy/xid-errors"};
}

class GpuXid {
 public:
  std::vector<Outcome> read(const CheckInput& input) {
    std::vector<Outcome> outcomes;
    const std::vector<Gpu> gpus = reader_.find(input, outcomes);
    if (gpus.empty()) {
      events_.reset();
      return outcomes;
    }
    const std::int64_t now_ns = input.memory.now_ns();
    // What came between two blocks is neither's, but for the last moment: a fault can act before its block is read.
    if (input.memory.is_first() && now_ns - read_ns_ > kBetweenBlocks_ns) events_.reset();
    read_ns_ = now_ns;
    const bool begins = !events_;
    if (!events_) open(gpus, outcomes);
    if (events_) take(input, begins, outcomes);
    return outcomes;
  }

 private:
  static constexpr std::int64_t kBetweenBlocks_ns = kNsPerS;

  void open(const std::vector<Gpu>& gpus, std::vector<Outcome>& outcomes) {
    events_ = std::make_unique<Events>(reader_.nvml());
    if (const nvml::Code code = events_->open(); code != nvml::success) {
      events_.reset();
      outcomes.push_back(outcome_of(code, ""));
      return;
    }
    unwatched_.clear();
    for (const Gpu& gpu : gpus)
      if (const nvml::Code code = events_->add(gpu); code != nvml::success) unwatched_[gpu.name] = code;
  }

  void take(const CheckInput& input, bool begins, std::vector<Outcome>& outcomes) {
    constexpr int kMostAtOnce = 1000;  // a GPU that falls apart
    nvml::Code code = nvml::success;
    for (int i = 0; i < kMostAtOnce && code == nvml::success; ++i) {
      nvml::EventData data;
      code = events_->next(data);
      if (code == nvml::success) keep(events_->name_of(data.device), data, input);
    }
    for (const Gpu& gpu : events_->watched()) outcomes.push_back(outcome_of_gpu(gpu.name, input, begins));
    if (kept_of(kUnnamed, input.memory)) outcomes.push_back(outcome_of_gpu(kUnnamed, input, begins));
    for (const auto& [name, why] : unwatched_) outcomes.push_back(outcome_of(why, name));
    if (code == nvml::success || code == nvml::timeout) return;
    outcomes.push_back(outcome_of(code, ""));
    events_.reset();  // the next reading makes it anew
  }

  GpuReader reader_{};
  std::unique_ptr<Events> events_{};
  std::int64_t read_ns_ = 0;  // when it was read last
  std::map<std::string, nvml::Code> unwatched_{};
};

std::vector<ParamSpec> params() {
  return {{"warn", Unit::text, "13,31,43,45,63,68,69,92,94,109",
           "these Xid numbers are warnings, all others critical: the application's own errors (those that NVIDIA's "
           "device plugin for Kubernetes skips), and rows of memory that were replaced"},
          {"ignore", Unit::text, "", "these Xid numbers are not told: \"43,45\""},
          {"hold",
           Unit::time_ns,
           60 * kNsPerS,
           "for how long an error is told, which itself is a moment (grit's own choice)",
           {},
           0.0,
           {}}};
}

}  // namespace

const Check& gpu_xid() {
  static const Check check{.info = {.name = "gpu_xid",
                                    .summary = "The NVIDIA driver reports no errors of the GPUs (Xid)",
                                    .params = params(),
                                    .counts = true,
                                    .of_machine = true,
                                    .place = CheckPlace::own,
                                    .needs = "libnvidia-ml.so.1",
                                    .untripped = "no fault here makes a driver report one",
                                    .unproven = "a stand-in for the library"},
                           .make = keeping<GpuXid>(&GpuXid::read)};
  return check;
}

}  // namespace grit
