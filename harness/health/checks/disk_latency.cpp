// disk_latency: requests to the node's disks are done in time, and none hangs.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"
#include "harness/base/units.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/os/kernel_text.hpp"
#include "harness/os/virtual_machine.hpp"

namespace grit {
namespace {

/// A disk's line of /proc/diskstats (Documentation/admin-guide/iostats.rst).
struct DiskStats {
  std::string name{};
  std::vector<std::int64_t> fields{};  // as that document counts them, from 1; fields[0] is unused

  /// Empty: this kernel has no such column.
  [[nodiscard]] std::optional<std::int64_t> field(std::size_t number) const {
    if (number >= fields.size()) return std::nullopt;
    return fields[number];
  }
};

std::optional<DiskStats> disk_of(std::string_view line) {
  const auto words = words_of(line);
  constexpr std::size_t kHead = 3, kFewest = 11;  // Linux 2.6 had 11 columns behind major, minor and name
  if (words.size() < kHead + kFewest) return std::nullopt;
  DiskStats disk{.name = std::string(words[2].substr(0, 64)), .fields = {0}};
  for (std::size_t i = kHead; i < words.size(); ++i) {
    const auto value = whole_number(words[i]);
    if (!value || *value < 0) return std::nullopt;
    disk.fields.push_back(*value);
  }
  return disk;
}

/// A driver serves it. What is made of other disks (dm, md) counts requests that wait wrongly in some kernels.
bool has_driver(const std::string& name, const std::filesystem::path& sys) {
  std::error_code ignored;
  return std::filesystem::exists(sys / "block" / name / "device", ignored);
}

/// A whole disk, or several taken together (dm, md); no partition, memory (ram, zram), file (loop) or optical drive.
bool is_disk(const std::string& name, const std::filesystem::path& sys) {
  if (name.find('/') != std::string::npos || name.starts_with("sr") || name.starts_with("fd")) return false;
  std::error_code ignored;
  return has_driver(name, sys) || ((name.starts_with("dm-") || name.starts_with("md")) &&
                                   std::filesystem::exists(sys / "block" / name, ignored));
}

/// Of a time that the kernel counts in milliseconds in 32 bits: some 50 days of requests that wait one after another.
std::optional<std::int64_t> growth_of_ms(CheckMemory& memory, const std::string& name, std::int64_t now) {
  constexpr std::int64_t kHalf = std::int64_t{1} << 31U;
  const auto before = memory.find(name);
  if (const auto more = memory.growth(name, now)) return more;
  if (!before || *before < kHalf || *before >= 2 * kHalf || now >= kHalf) return std::nullopt;
  return now + 2 * kHalf - *before;
}

/// Reads, writes and flushes, and where their numbers and times stand.
struct Direction {
  const char* name;
  std::size_t requests;
  std::size_t milliseconds;
};
constexpr std::array<Direction, 3> kDirections{{{"read", 1, 4}, {"write", 5, 8}, {"flush", 16, 17}}};
constexpr std::size_t kInFlight = 9, kDiscards = 12;

struct Await {
  const char* direction;
  double seconds;  // a request took so long on average, from its submission to its end
};

struct Reading {
  std::vector<Await> awaits{};  // of directions with enough requests
  std::int64_t done = 0;        // requests that ended since the last reading
};

Reading reading_of(const DiskStats& disk, std::int64_t least, CheckMemory& memory) {
  Reading reading;
  for (const Direction& direction : kDirections) {
    const auto requests = disk.field(direction.requests), milliseconds = disk.field(direction.milliseconds);
    if (!requests || !milliseconds) continue;
    const auto done = memory.growth(fmt::format("{} {} requests", disk.name, direction.name), *requests);
    const auto took = growth_of_ms(memory, fmt::format("{} {} ms", disk.name, direction.name), *milliseconds);
    if (!done) continue;
    reading.done += *done;
    if (took && *done >= least)
      reading.awaits.push_back({direction.name, static_cast<double>(*took) / static_cast<double>(*done) / 1000});
  }
  // How long a disk takes to discard says nothing of it, but it moves.
  if (const auto discards = disk.field(kDiscards))
    reading.done += memory.growth(disk.name + " discard requests", *discards).value_or(0);
  return reading;
}

/// How long requests have been waiting while none was done.
std::int64_t stuck_ns(const DiskStats& disk, const Reading& reading, const CheckInput& input) {
  CheckMemory& memory = input.memory;
  const std::string since = disk.name + " stuck since";
  if (disk.field(kInFlight).value_or(0) == 0 || reading.done > 0 || !has_driver(disk.name, input.sys)) {
    memory.forget(since);
    return 0;
  }
  const auto began = memory.find(since);
  if (!began) memory.keep(since, memory.now_ns());
  return began ? memory.now_ns() - *began : 0;
}

Outcome slow_outcome(const DiskStats& disk, const Reading& reading, double limit_s, CheckMemory& memory) {
  std::vector<std::string> words;
  double worst_s = 0;
  for (const Await& await : reading.awaits) {
    words.push_back(fmt::format("{} {}", await.direction, format_duration(await.seconds * 1e9)));
    worst_s = std::max(worst_s, await.seconds);
  }
  const bool over = is_alarm(judge_at_least(worst_s, limit_s, 0));
  const std::string readings = disk.name + " readings over";
  const std::int64_t before = memory.find(readings).value_or(0);
  memory.keep(readings, over ? before + 1 : 0);
  Outcome outcome{.severity = Severity::ok, .subject = printable(disk.name), .detail = "hardly used"};
  if (reading.awaits.empty()) return outcome;
  outcome.value = worst_s, outcome.unit = "s";
  outcome.detail =
      fmt::format("a request takes on average: {}; {} wait", fmt::join(words, ", "), disk.field(kInFlight).value_or(0));
  if (!over || before == 0) return outcome;
  outcome.severity = Severity::warning;
  outcome.hint = "iostat -x 1; checkpoints of the job itself have the same effect while they are written";
  return outcome;
}

Outcome outcome_of(const DiskStats& disk, double limit_s, const CheckInput& input) {
  const Reading reading = reading_of(disk, std::max<std::int64_t>(input.params.integer("least"), 1), input.memory);
  const std::int64_t stuck = stuck_ns(disk, reading, input);
  const Severity severity =
      judge_at_least(static_cast<double>(stuck), static_cast<double>(input.params.integer("stuck_warning")),
                     static_cast<double>(input.params.integer("stuck_critical")));
  if (!is_alarm(severity)) return slow_outcome(disk, reading, limit_s, input.memory);
  return {.severity = severity,
          .subject = printable(disk.name),
          .value = static_cast<double>(stuck) / static_cast<double>(kNsPerS),
          .unit = "s",
          .detail = fmt::format("{} requests wait and none was done for {}", disk.field(kInFlight).value_or(0),
                                format_duration(static_cast<double>(stuck))),
          .hint = "dmesg | tail"};
}

Result<std::vector<DiskStats>> chosen_disks(const CheckInput& input) {
  GRIT_TRY(const std::string text, read_file(input.proc / "diskstats", std::size_t{4} << 20U));
  const std::string wanted = input.params.text("disk");
  std::vector<DiskStats> disks;
  for (const std::string_view line : lines_of(text))
    if (auto disk = disk_of(line); disk && (wanted == "all" ? is_disk(disk->name, input.sys) : disk->name == wanted))
      disks.push_back(std::move(*disk));
  if (disks.empty() && wanted != "all")
    return usage_error(fmt::format("there is no disk {} in /proc/diskstats: give a name of `lsblk`", wanted));
  return disks;
}

/// With many disks only those that are not well are named.
std::vector<Outcome> shortened(std::vector<Outcome> outcomes) {
  constexpr std::size_t kAll = 16, kMost = 60;
  if (outcomes.size() <= kAll) return outcomes;
  const std::size_t all = outcomes.size();
  std::erase_if(outcomes, [](const Outcome& one) { return one.severity == Severity::ok; });
  const std::size_t alarms = outcomes.size();
  if (alarms > kMost) outcomes.resize(kMost);
  outcomes.push_back({.severity = Severity::ok, .detail = fmt::format("{} of {} disks are well", all - alarms, all)});
  return outcomes;
}

/// Asked once: a machine stays what it is.
using IsGuest = std::optional<bool>;

double await_limit_s(const std::string& disk, const CheckInput& input, IsGuest& is_guest) {
  if (!is_guest) is_guest = in_virtual_machine(input.proc, input.sys);
  // A disk of a virtual machine says that it turns whatever it is made of.
  const bool turns = !*is_guest && number_in(input.sys / "block" / disk / "queue/rotational") == 1;
  return static_cast<double>(input.params.integer(turns ? "await_rotational" : "await")) / 1e9;
}

Result<std::vector<Outcome>> read(IsGuest& is_guest, const CheckInput& input) {
  GRIT_TRY(const std::vector<DiskStats> disks, chosen_disks(input));
  if (disks.empty()) return std::vector{not_here("no disk")};
  std::vector<Outcome> outcomes;
  for (const DiskStats& disk : disks)
    outcomes.push_back(outcome_of(disk, await_limit_s(disk.name, input, is_guest), input));
  return shortened(std::move(outcomes));
}

std::vector<ParamSpec> params() {
  return {{"disk", Unit::text, "all", "\"all\": every disk of the node; or the name of one: \"nvme0n1\""},
          {"await",
           Unit::time_ns,
           20 * kNsPerMs,
           "alarms when reads, writes or flushes take so long on average, in two readings in a row; 0: off (grit's own "
           "choice)",
           {},
           0.0,
           {}},
          {"await_rotational",
           Unit::time_ns,
           200 * kNsPerMs,
           "the same of a disk that turns (grit's own choice)",
           {},
           0.0,
           {}},
          {"least", Unit::count, 10, "of fewer requests a reading the average says nothing", {}, 1.0, {}},
          {"stuck_warning",
           Unit::time_ns,
           10 * kNsPerS,
           "alarms when requests wait and none is done for so long; 0: off (grit's own choice)",
           {},
           0.0,
           {}},
          {"stuck_critical",
           Unit::time_ns,
           30 * kNsPerS,
           "critical then; 0: off (Linux gives a request to an NVMe or SCSI disk up after 30 s)",
           {},
           0.0,
           {}}};
}

}  // namespace

const Check& disk_latency() {
  static const Check check{.info = {.name = "disk_latency",
                                    .summary = "Requests to the disks are done in time, and none hangs",
                                    .params = params(),
                                    .counts = true,
                                    .of_machine = true,
                                    .trips = "disk_contention",
                                    .proven = "a disk behind a delay of 40 ms, in a virtual machine"},
                           .make = keeping<IsGuest>(read)};
  return check;
}

}  // namespace grit
