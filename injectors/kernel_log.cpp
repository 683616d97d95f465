// kernel_log: a line in the node's kernel log, such as a driver writes when a device fails: do the job, its monitoring
// and the alarms notice? Every line begins with "grit-injected: ", so that nobody takes it for real. What was logged
// stays logged; in force means that the line was read back and the block has not ended.
#include "harness/os/kernel_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "injectors/faults.hpp"

namespace grit {
namespace {

constexpr const char* kMark = "grit-injected: ";
constexpr std::size_t kMaxText_bytes = 800;  // a record has 1024 (kernel/printk), less its prefix
constexpr std::array kLevels{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

int level_of(const Params& params) {
  const auto found = std::find(kLevels.begin(), kLevels.end(), params.text("level"));
  return static_cast<int>(found - kLevels.begin());
}

class KernelLogWriter final : public Fault {
 public:
  KernelLogWriter(KernelLog log, int level, std::string line)
      : log_(std::move(log)), level_(level), line_(std::move(line)) {}

  Status start() override {
    GRIT_CHECK(log_.write(level_, line_));
    GRIT_TRY(const auto number, log_.find(line_));
    if (!number) return internal_error("the line was written, but is not in the kernel's log");
    number_ = *number;
    ++lines_read_back_;
    on_ = true;
    return {};
  }

  Status stop() override {
    on_ = false;
    return {};
  }

  Result<Reading> read() override {
    Reading reading;
    reading.holds = reading.left = on_;
    reading.details["line"] = line_;
    if (lines_read_back_ > 0) reading.details["record_number"] = number_;
    return reading;
  }

  Result<Json> counters() override { return Json{{"lines_read_back", lines_read_back_}}; }

 private:
  KernelLog log_;
  int level_;
  std::string line_;
  bool on_ = false;
  std::int64_t number_ = 0;  // the kernel's own, of the last one
  std::int64_t lines_read_back_ = 0;
};

class KernelLogFault final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "kernel_log",
        .summary = "A line in the node's kernel log, as if a driver had written it",
        .params = {{"text", Unit::text, "NVRM: Xid (PCI:0000:00:00): 79, GPU has fallen off the bus.",
                    "the line, without the \"grit-injected: \" that it begins with"},
                   {"level", Unit::text, "warning", "how severe", {kLevels.begin(), kLevels.end()}}},
        .mechanisms = {"/dev/kmsg"},
        .needs = {"root on the machine, and /dev/kmsg"},
        .undo = UndoClass::kernel};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    const std::string text = params.text("text");
    const bool printable = std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
    if (text.empty() || text.size() > kMaxText_bytes || !printable || text.find('\\') != std::string::npos)
      return usage_error(
          fmt::format("kernel_log: `text` must be one line of 1 to {} printable ASCII characters without "
                      "backslash",
                      kMaxText_bytes));
    return std::string();
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    return {{info().mechanisms.front(), why_unavailable({})}};
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target&) const override {
    const auto log = KernelLog::open();
    return log ? std::nullopt : std::optional(log.error().message);
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    GRIT_TRY(KernelLog log, KernelLog::open());
    auto fault =
        std::make_unique<KernelLogWriter>(std::move(log), level_of(target.params), kMark + target.params.text("text"));
    return Prepared{nullptr, std::move(fault)};
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "lines_read_back");
  }
};

}  // namespace

const Injector& kernel_log() {
  static const KernelLogFault injector;
  return injector;
}

}  // namespace grit
