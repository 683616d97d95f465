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

namespace grit {
namespace {

constexpr std::int64_t kAnyTime_ns = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostSkew_ns = 24LL * 3600 * kNsPerS;
/// Two readings of two clocks tell less than this for certain.
constexpr std::int64_t kLeastSkew_ns = kNsPerMs;

struct Undo {
  std::string boot{};
  std::int64_t origin_ns = 0;  // wall_clock_origin_ns() before
  std::int64_t offset_ns = 0;  // what apply adds
};

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
  return boot == undo.boot && clock_skew_math::still_in(undo.origin_ns, wall_clock_origin_ns(), undo.offset_ns);
}

Status put_on(const Undo& undo) {
  GRIT_TRY(const bool already, in_force(undo));
  return already ? Status{} : step_wall_clock(undo.offset_ns);
}

Status take_off(const Undo& undo) {
  GRIT_TRY(const bool on, in_force(undo));
  return on ? step_wall_clock(-undo.offset_ns) : Status{};
}

Result<Reading> read(const Undo& undo) {
  Reading reading;
  GRIT_TRY(reading.in_force, in_force(undo));
  reading.details["skew_ns"] = wall_clock_origin_ns() - undo.origin_ns;
  return reading;
}

/// Keeps what the kernel announces of steps, which nothing else would remember.
class Skew final : public Load {
 public:
  Skew(Undo undo, ClockStepWatch watch) : undo_(std::move(undo)), watch_(std::move(watch)) {}
  Status start() override {
    GRIT_CHECK(put_on(undo_));
    static_cast<void>(watch_.steps());
    seen_ns_ = wall_clock_origin_ns() - undo_.origin_ns;
    return {};
  }
  Status stop() override { return take_off(undo_); }
  Result<Reading> read_back() override { return read(undo_); }
  Result<Json> counters() override { return Json{{"clock_steps", watch_.steps()}, {"skew_seen_ns", seen_ns_}}; }

 private:
  Undo undo_;
  ClockStepWatch watch_;
  std::int64_t seen_ns_ = 0;
};

class ClockSkew final : public Injector {
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
        .undo = UndoClass::persistent};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params&) const override { return std::string(); }
  [[nodiscard]] std::string mechanism(const Node&, const Params&) const override { return "adjtimex"; }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override { return {{"adjtimex", why_not_here()}}; }
  [[nodiscard]] std::optional<std::string> why_unavailable(const Target&) const override { return why_not_here(); }

  [[nodiscard]] Result<Json> prepare(const Target& target) const override {
    if (const auto why = why_not_here()) return unavailable_error(*why);
    GRIT_TRY(const std::string boot, boot_id());
    const std::int64_t offset_ns = target.params.integer("offset");
    return Json{{"boot_id", boot},
                {"origin_ns", wall_clock_origin_ns()},
                {"offset_ns", target.params.text("direction") == "behind" ? -offset_ns : offset_ns}};
  }

  [[nodiscard]] Result<std::unique_ptr<Load>> make_load(const Target&, const Json& record) const override {
    if (const auto why = why_not_here()) return unavailable_error(*why);
    GRIT_TRY(Undo undo, undo_from_json(record));
    GRIT_TRY(ClockStepWatch watch, ClockStepWatch::open());
    return std::make_unique<Skew>(std::move(undo), std::move(watch));
  }

  [[nodiscard]] Status apply(const Target&, const Json&) const override { return internal_error("a load is started"); }

  [[nodiscard]] Result<Reading> read_back(const Json& record) const override {
    GRIT_TRY(const Undo undo, undo_from_json(record));
    return read(undo);
  }

  [[nodiscard]] Result<Json> counters(const Json&) const override { return Json::object(); }

  /// The kernel announced a step, and the skew was there to be read.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    const auto moved = [&](const char* key) { return after.value(key, 0LL) != before.value(key, 0LL); };
    return moved("clock_steps") && moved("skew_seen_ns");
  }

  [[nodiscard]] Status revert(const Json& record) const override {
    GRIT_TRY(const Undo undo, undo_from_json(record));
    return take_off(undo);
  }

  [[nodiscard]] Status check_undo(const Json& record) const override {
    auto undo = undo_from_json(record);
    return undo ? Status{} : tl::make_unexpected(undo.error());
  }

 private:
  static std::optional<std::string> why_not_here() {
    const char* local = ::secure_getenv("GRIT_LOCAL_CLUSTER");
    if (local != nullptr && std::string_view(local) == "1")
      return "the nodes of the local cluster share this machine's clock: start grit with mpirun on real nodes";
    return why_no_clock_setting();
  }
};

}  // namespace

bool clock_skew_math::still_in(std::int64_t before_ns, std::int64_t now_ns, std::int64_t offset_ns) {
  const std::int64_t moved_ns = now_ns - before_ns;
  return std::llabs(moved_ns - offset_ns) < std::llabs(moved_ns);
}

const Injector& clock_skew() {
  static const ClockSkew injector;
  return injector;
}

}  // namespace grit
