// disk_space: the file systems that a job writes to have room, and can still be written to.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>
#include <system_error>

#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/os/kernel_text.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr double kGiB = 1 << 30;

struct Mount {
  std::string point{};
  std::string type{};
  std::string numbers{};          // of its device, major and minor: "259:2"
  bool read_only = false;         // as it was asked for
  bool system_read_only = false;  // what the file system itself says of it
};

/// proc(5) writes blanks, tabs, line ends and backslashes there as three octal digits.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool has_option(std::string_view options, std::string_view wanted) {
  while (!options.empty()) {
    const std::size_t comma = options.find(',');
    if (options.substr(0, comma) == wanted) return true;
    options.remove_prefix(comma == std::string_view::npos ? options.size() : comma + 1);
  }
  return false;
}

/// proc_pid_mountinfo(5): "36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/sda1 rw,errors=continue".
std::vector<Mount> mounts_of(std::string_view mountinfo) {
  std::vector<Mount> mounts;
  for (const std::string_view line : lines_of(mountinfo)) {
    const auto words = words_of(line);
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 10 || words.end() - dash < 4) continue;
    mounts.push_back({.point = unescaped(words[4]),
                      .type = std::string(dash[1]),
                      .numbers = std::string(words[2]),
                      .read_only = has_option(words[5], "ro"),
                      .system_read_only = has_option(dash[3], "ro") || has_option(dash[3], "emergency_ro")});
  }
  return mounts;
}

/// The one that a path is on: the longest of those above it, the last one mounted there.
const Mount* mount_of(const std::vector<Mount>& mounts, const std::string& path) {
  const Mount* found = nullptr;
  for (const Mount& mount : mounts) {
    const std::string above = mount.point == "/" ? "/" : mount.point + "/";
    if (path != mount.point && !path.starts_with(above)) continue;
    if (found == nullptr || mount.point.size() >= found->point.size()) found = &mount;
  }
  return found;
}

/// The kernel's own name of its device, "nvme0n1p2" or "dm-0": mountinfo has "/dev/root" or a name of LVM's. Empty: it
/// has none, as a network's.
std::string device_of(const Mount& mount, const fs::path& sys) {
  std::error_code ignored;
  return fs::read_symlink(sys / "dev/block" / mount.numbers, ignored).filename();
}

/// How many errors ext4 has met since it was last checked (Documentation/ABI/testing/sysfs-fs-ext4). After the first it
/// may refuse to write and still be listed as writable.
std::optional<std::int64_t> errors_of(const Mount& mount, const std::string& device, const fs::path& sys) {
  if (mount.type != "ext4" || device.empty()) return std::nullopt;
  return number_in(sys / "fs/ext4" / device / "errors_count");
}

void judge_errors(const Mount& mount, const CheckInput& input, Outcome& outcome) {
  const std::string device = device_of(mount, input.sys);
  const std::int64_t errors = errors_of(mount, device, input.sys).value_or(0);
  const std::int64_t more = input.memory.growth(mount.point + " errors", errors).value_or(0);
  if (errors == 0) return;
  outcome.severity = std::max(outcome.severity, more > 0 ? Severity::critical : Severity::warning);
  outcome.detail += more > 0 ? fmt::format("; {} errors of the file system more", more)
                             : fmt::format("; {} errors of the file system since it was last checked", errors);
  outcome.hint = fmt::format("dmesg | grep {}; fsck when it is not mounted", device);
}

/// The kernel has made it read-only, as it does with a file system whose disk fails: it was mounted for writing.
bool was_made_read_only(const Mount& mount) {
  const bool on_disk =
      mount.type.starts_with("ext") || mount.type == "xfs" || mount.type == "btrfs" || mount.type == "f2fs";
  return on_disk && !mount.read_only && mount.system_read_only;
}

Outcome room_outcome(const std::string& subject, const struct statvfs& found, const Params& params) {
  // As df(1): of what is used and what is left to users; root's reserve is neither.
  const double used = static_cast<double>(found.f_blocks) - static_cast<double>(found.f_bfree);
  const double left = static_cast<double>(found.f_bavail);
  const double share = used + left > 0 ? left / (used + left) : 1;
  const double inodes =
      found.f_files > 0 ? static_cast<double>(found.f_favail) / static_cast<double>(found.f_files) : 1;
  const double unit_bytes = static_cast<double>(found.f_frsize);
  Severity space = judge_at_most(share, params.number("space_warning"), params.number("space_critical"));
  // A small share of a large file system is much room.
  if (left * unit_bytes > static_cast<double>(params.integer("space_critical_bytes")))
    space = std::min(space, Severity::warning);
  const Severity files = judge_at_most(inodes, params.number("inodes_warning"), params.number("inodes_critical"));
  Outcome outcome{.severity = std::max(space, files),
                  .subject = subject,
                  .value = files > space ? inodes : share,
                  .unit = "share",
                  .detail = fmt::format("{:.1f} % ({:.1f} of {:.1f} GiB) are free", 100 * share,
                                        left * unit_bytes / kGiB, (used + left) * unit_bytes / kGiB)};
  if (found.f_files > 0) outcome.detail += fmt::format(", and {:.1f} % of the inodes", 100 * inodes);
  if (is_alarm(outcome.severity)) outcome.hint = files > space ? "df -i" : "df -h; du -xh --max-depth=2 | sort -h";
  return outcome;
}

Outcome outcome_of(const Mount& mount, const CheckInput& input) {
  const std::string subject = printable(mount.point);
  struct statvfs found {};
  if (::statvfs(mount.point.c_str(), &found) != 0) {
    const int error = errno;
    // What a file system answers whose disk is gone, or that shut itself down.
    const bool is_broken = error == EIO || error == ESTALE || error == ENOTCONN || error == EUCLEAN;
    return {.severity = is_broken ? Severity::critical : Severity::unknown,
            .subject = subject,
            .detail = fmt::format("does not answer: {}", std::strerror(error)),
            .hint = "dmesg | tail"};
  }
  const bool read_only = (found.f_flag & ST_RDONLY) != 0 || mount.read_only || was_made_read_only(mount);
  const std::string was_writable = mount.point + " was writable";
  if (was_made_read_only(mount) || (read_only && input.memory.find(was_writable)))
    return {.severity = Severity::critical,
            .subject = subject,
            .detail = "has become read-only",
            .hint = "dmesg | grep -iE 'remount|i/o error'"};
  if (read_only) return {.severity = Severity::ok, .subject = subject, .detail = "is read-only: not looked at"};
  input.memory.keep(was_writable, 1);
  Outcome outcome = room_outcome(subject, found, input.params);
  judge_errors(mount, input, outcome);
  return outcome;
}

/// Of "/, /tmp"; those that everybody has by default, and TMPDIR.
std::vector<std::string> chosen_directories(const Params& params) {
  std::string text = params.text("directories");
  const char* temporary = std::getenv("TMPDIR");
  if (text == "auto")
    text = std::string("/,/tmp,/dev/shm") + (temporary != nullptr ? "," + std::string(temporary) : "");
  std::vector<std::string> directories;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    std::string one = text.substr(from, comma - from);
    one.erase(0, one.find_first_not_of(' '));
    one.erase(one.find_last_not_of(' ') + 1);
    if (!one.empty()) directories.push_back(std::move(one));
    from = comma + 1;
  }
  return directories;
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const std::string mountinfo, read_file(input.proc / "self/mountinfo", std::size_t{16} << 20U));
  const std::vector<Mount> mounts = mounts_of(mountinfo);
  const bool chosen = input.params.text("directories") != "auto";
  constexpr std::size_t kMost = 60;
  std::vector<Outcome> outcomes;
  std::set<std::string> seen;
  for (const std::string& directory : chosen_directories(input.params)) {
    std::error_code failed;
    const fs::path real = fs::canonical(directory, failed);
    const Mount* mount = failed ? nullptr : mount_of(mounts, real.string());
    if (outcomes.size() == kMost || (mount == nullptr && !chosen)) continue;
    if (mount == nullptr)
      outcomes.push_back({.subject = printable(directory),
                          .detail = failed ? failed.message() : "is on no file system that the kernel lists"});
    else if (seen.insert(mount->point).second)
      outcomes.push_back(outcome_of(*mount, input));
  }
  if (outcomes.empty()) return unavailable_error("none of the directories is on a file system that the kernel lists");
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {
      {"directories", Unit::text, "auto",
       "the file systems of which directories, with commas between them; \"auto\": /, /tmp, /dev/shm and TMPDIR. One "
       "that hangs keeps a reading from the others: give a network file system a check of its own"},
      {"space_warning",
       Unit::fraction,
       0.10,
       "alarms when at most this share is left to users; 0: off (kubelet's eviction-hard nodefs.available)",
       {},
       0.0,
       1.0},
      {"space_critical",
       Unit::fraction,
       0.03,
       "critical then; 0: off (node exporter's mixin, NodeFilesystemAlmostOutOfSpace)",
       {},
       0.0,
       1.0},
      {"space_critical_bytes",
       Unit::bytes,
       std::int64_t{10} << 30,
       "but only a warning while more than so much is left (grit's own choice)",
       {},
       0.0,
       {}},
      {"inodes_warning",
       Unit::fraction,
       0.05,
       "alarms when at most this share of the inodes is left; 0: off (kubelet's eviction-hard nodefs.inodesFree)",
       {},
       0.0,
       1.0},
      {"inodes_critical",
       Unit::fraction,
       0.03,
       "critical then; 0: off (node exporter's mixin, NodeFilesystemAlmostOutOfFiles)",
       {},
       0.0,
       1.0}};
}

}  // namespace

const Check& disk_space() {
  static const Check check{.info = {.name = "disk_space",
                                    .summary = "File systems have room and inodes, and can be written to",
                                    .params = params(),
                                    .counts = true,
                                    .of_machine = true,
                                    .place = CheckPlace::own,
                                    .period_ns = 10 * kNsPerS,
                                    .untripped = "faults on disks leave 1 GiB or 5 % free",
                                    .proven = "an error that ext4 meets, in a virtual machine"},
                           .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit
