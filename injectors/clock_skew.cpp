// clock_skew: the node's wall clock is off by some time, as after a lost NTP server: log stamps, certificates, leases
// and file times that do not fit those of the other nodes.
//
// The offset is put on and taken off against the time since boot, so that the clock is right again to the nanosecond,
// whatever time it shows by then. Nothing in grit itself measures by the wall clock.
#include "injectors/clock_skew.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <limits>

#include "harness/base/clock.hpp"
#include "harness/os/closed_object.hpp"
#include "harness/os/identity.hpp"
#include "harness/os/wall_clock.hpp"
#include "injectors/setting.hpp"

namespace grit {
namespace {

constexpr std::int64_t kAnyTime_ns = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostSkew_ns = 24LL * 3600 * kNsPerS;
/// How far apart two readings of two clocks may be (wall_clock_origin_ns) while nobody sets them: less than 1 us on an
/// idle machine, more when it is virtual and busy.
constexpr std::int64_t kUncertainty_ns = 400 * kNsPerUs;
constexpr std::int64_t kLeastSkew_ns = kNsPerMs;  // more than twice that

struct Undo {
  std::string boot{};
  std::int64_t origin_ns = 0;  // wall_clock_origin_ns() before
  std::int64_t offset_ns = 0;  // what apply adds
};

Json to_json(const Undo& undo) {
  return Json{{"boot_id", undo.boot}, {"origin_ns", undo.origin_ns}, {"offset_ns", undo.offset_ns}};
}

Result<Undo> undo_from_json(const Json& json) {
  ClosedObject object(json, "undo record of clock_skew");
  Undo undo;
  undo.boot = object.text("boot_id", 64);
  undo.origin_ns = object.integer("origin_ns", -kAnyTime_ns, kAnyTime_ns);
  undo.offset_ns = object.integer("offset_ns", -kMostSkew_ns, kMostSkew_ns);
  GRIT_CHECK(object.done());
  if (undo.offset_ns > -kLeastSkew_ns && undo.offset_ns < kLeastSkew_ns)
    return usage_error("undo record of clock_skew: offset_ns is too small");
  return undo;
}

Result<bool> in_force(const Undo& undo) {
  GRIT_TRY(const std::string boot, boot_id());
  if (boot != undo.boot) return false;
  const std::int64_t now_ns = wall_clock_origin_ns();
  if (const auto in = clock_skew_math::still_in(undo.origin_ns, now_ns, undo.offset_ns)) return *in;
  return internal_error(fmt::format(
      "the clock was to be {} ns from where it was and is {} ns from there: somebody else has set it meanwhile. It is "
      "left alone; set it right by hand (chronyc makestep, ntpdate), then delete the journal",
      undo.offset_ns, now_ns - undo.origin_ns));
}

Status put_on(const Undo& undo) {
  GRIT_TRY(const bool already, in_force(undo));
  return already ? Status{} : step_wall_clock(undo.offset_ns);
}

Status take_off_skew(const Undo& undo) {
  GRIT_TRY(const bool on, in_force(undo));
  return on ? step_wall_clock(-undo.offset_ns) : Status{};
}

class ClockSkew final : public SettingInjector<Undo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "clock_skew",
        .summary = "The node's wall clock is ahead or behind",
        .params = {{"offset",
                    Unit::time_ns,
                    500 * kNsPerMs,
                    "by how much",
                    {},
                    static_cast<double>(kLeastSkew_ns),
                    static_cast<double>(kMostSkew_ns)},
                   {"direction", Unit::text, "ahead", "of the right time", {"ahead", "behind"}}},
        .mechanisms = {"adjtimex"},
        .needs = {"CAP_SYS_TIME", "a machine of its own for the node (the clock is the machine's)"},
        .touches = {"the wall clock"},
        .undo = UndoClass::persistent,
        .machine_wide = true,
        .outlives_reboot = true};  // a shutdown writes the wall clock to the hardware clock, hwclock(8)
    return info;
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override { return {{"adjtimex", why_not_here()}}; }
  [[nodiscard]] std::optional<std::string> why_unavailable(const Target&) const override { return why_not_here(); }

  /// The kernel announced a step, and the skew was there to be read.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    const auto moved = [&](const char* key) { return after.value(key, 0LL) != before.value(key, 0LL); };
    return moved("clock_steps") && moved("skew_seen_ns");
  }

 protected:
  [[nodiscard]] Result<Undo> snapshot(const Target& target) const override {
    if (const auto why = why_not_here()) return unavailable_error(*why);
    Undo undo{.origin_ns = wall_clock_origin_ns(), .offset_ns = target.params.integer("offset")};
    if (target.params.text("direction") == "behind") undo.offset_ns = -undo.offset_ns;
    GRIT_TRY(undo.boot, boot_id());
    return undo;
  }
  [[nodiscard]] Result<Undo> parse(const Json& record) const override { return undo_from_json(record); }
  [[nodiscard]] Status set(const Target&, const Undo& undo) const override { return put_on(undo); }
  [[nodiscard]] Result<Reading> read(const Target&, const Undo& undo) const override {
    Reading reading;
    GRIT_TRY(reading.left, in_force(undo));
    reading.holds = reading.left;
    reading.details["skew_ns"] = wall_clock_origin_ns() - undo.origin_ns;
    return reading;
  }
  [[nodiscard]] Result<Reverted> restore(const Undo& undo) const override {
    GRIT_TRY(const std::string boot, boot_id());
    if (boot != undo.boot) return Reverted::gone;
    GRIT_CHECK(take_off_skew(undo));
    return Reverted::put_back;
  }
  [[nodiscard]] Result<std::unique_ptr<Fault>> make_fault(const Target& target, Undo undo) const override {
    GRIT_TRY(ClockStepWatch watch, ClockStepWatch::open());
    return std::make_unique<Skew>(*this, target, std::move(undo), std::move(watch));
  }

 private:
  static std::optional<std::string> why_not_here() {
    const char* local = ::secure_getenv("GRIT_LOCAL_CLUSTER");
    if (local != nullptr && std::string_view(local) == "1")
      return "the nodes of the local cluster share this machine's clock: start grit with mpirun on real nodes";
    if (auto why = why_no_clock_setting()) return why;
    return what_keeps_the_clock();
  }

  /// Keeps what the kernel announces of steps, which nothing else would remember.
  class Skew final : public Running {
   public:
    Skew(const ClockSkew& setting, const Target& target, Undo undo, ClockStepWatch watch)
        : Running(setting, target, std::move(undo)), watch_(std::move(watch)) {}
    Status start() override {
      GRIT_CHECK(Running::start());
      static_cast<void>(watch_.steps());
      seen_ns_ = wall_clock_origin_ns() - undo_.origin_ns;
      return {};
    }
    Result<Json> counters() override { return Json{{"clock_steps", watch_.steps()}, {"skew_seen_ns", seen_ns_}}; }

   private:
    ClockStepWatch watch_;
    std::int64_t seen_ns_ = 0;
  };
};

}  // namespace

std::optional<bool> clock_skew_math::still_in(std::int64_t before_ns, std::int64_t now_ns, std::int64_t offset_ns) {
  const std::int64_t moved_ns = now_ns - before_ns;
  if (std::llabs(moved_ns - offset_ns) < kUncertainty_ns) return true;
  if (std::llabs(moved_ns) < kUncertainty_ns) return false;
  return std::nullopt;
}

const Injector& clock_skew() {
  static const ClockSkew injector;
  return injector;
}

}  // namespace grit
