#include "harness/os/gpu_claim.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "harness/base/clock.hpp"
#include "harness/base/json.hpp"
#include "harness/os/gpu_settings.hpp"
#include "harness/os/identity.hpp"

namespace grit {
namespace {

constexpr std::size_t kIntent_bytes = 512;           // always so long: written by one call, over what was there
constexpr std::int64_t kLetsGo_ns = 500 * kNsPerMs;  // within which a process that was killed is dead
constexpr useconds_t kLook_us = 2000;
constexpr mode_t kWritableByOthers = S_IWGRP | S_IWOTH;

Status check_own(const Fd& file, const std::string& name) {
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return errno_error("fstat");
  if (found.st_uid == ::geteuid() && (found.st_mode & kWritableByOthers) == 0) return {};
  return usage_error(name + " is another user's or can be written by others: what is there is not trusted");
}

Result<Fd> open_claims_directory(const std::filesystem::path& path) {
  for (const auto& directory : {path.parent_path(), path})
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
      return unavailable_error(fmt::format("cannot make {}: {}", directory.string(), std::strerror(errno)));
  Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return unavailable_error(fmt::format("cannot open {}: {}", path.string(), std::strerror(errno)));
  GRIT_CHECK(check_own(directory, path.string()));
  return directory;
}

Result<Fd> open_claim_file(const Fd& directory, const std::string& name) {
  Fd file(::openat(directory.get(), name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return unavailable_error(fmt::format("cannot open {}: {}", name, std::strerror(errno)));
  GRIT_CHECK(check_own(file, name));
  return file;
}

/// False: another process has it, and keeps it, or `gives_up` says that it need not be waited for.
Result<bool> lock_soon(
    const Fd& file, const std::function<bool()>& gives_up = [] { return false; }) {
  for (const std::int64_t until_ns = monotonic_ns() + kLetsGo_ns;; ::usleep(kLook_us)) {
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK && errno != EINTR) return errno_error("cannot lock a GPU's file");
    if (gives_up() || monotonic_ns() >= until_ns) return false;
  }
}

/// The agent's, where this is a process that asks the driver for it.
std::string who_this_is() {
  utsname names{};
  ::uname(&names);
  return fmt::format("process {} on {}", ::getppid(), names.nodename);
}

/// Null: nothing is written down, or nothing that can be read.
Json intent_in(const Fd& file) {
  std::array<char, kIntent_bytes> text{};
  const ssize_t got = ::pread(file.get(), text.data(), text.size(), 0);
  const auto intent = parse_json(std::string(text.data(), static_cast<std::size_t>(got > 0 ? got : 0)));
  return intent && intent->is_object() ? *intent : Json();
}

std::string text_of(const Json& intent, const char* key) {
  const auto found = intent.is_object() ? intent.find(key) : intent.end();
  return found != intent.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool says_set(const Json& intent) {
  const auto found = intent.is_object() ? intent.find("may_be_set") : intent.end();
  return found != intent.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

std::filesystem::path gpu_claims_directory() {
  if (const char* other = ::secure_getenv("GRIT_GPU_CLAIMS"); other != nullptr && *other == '/') return other;
  if (is_root_of_the_machine()) return "/run/grit/gpus";
  return fmt::format("/tmp/grit-gpus-{}", ::geteuid());
}

Result<GpuClaim> GpuClaim::open(const std::string& uuid, const std::string& record, const std::string& driver) {
  if (!is_gpu_uuid(uuid)) return usage_error("no UUID of a GPU");
  GpuClaim claim(uuid, record, driver);
  GRIT_TRY(const Fd directory, open_claims_directory(gpu_claims_directory()));
  GRIT_TRY(claim.claim_, open_claim_file(directory, uuid + ".claim"));
  GRIT_TRY(claim.call_, open_claim_file(directory, uuid + ".call"));
  return claim;
}

Status GpuClaim::take() {
  if (is_taken_) return {};
  // The agent sees to it that its own faults come one after another.
  const auto has_agent = [&] { return text_of(intent_in(claim_), "who") == who_this_is(); };
  GRIT_TRY(is_taken_, lock_soon(claim_, has_agent));
  if (!is_taken_ && has_agent()) return {};
  const Json intent = intent_in(claim_);
  const std::string who = text_of(intent, "who");
  if (!is_taken_)
    return unavailable_error(
        fmt::format("GPU {}: a fault of another run of this machine has it ({}): wait for that run to end, or end it",
                    uuid_, who.empty() ? "another process" : who));
  // Locks and limits went with that driver.
  const bool forgotten = is_another_driver(text_of(intent, "driver"), driver_);
  if (says_set(intent) && !forgotten && text_of(intent, "record") != record_)
    return unavailable_error(
        fmt::format("GPU {}: what a run that was killed has set on it ({}) is not taken off yet: grit revert. Where it "
                    "was set right by hand, delete {}",
                    uuid_, who, file_of(uuid_).string()));
  return write_down(false);
}

Status GpuClaim::write_down(bool may_be_set) const {
  std::string text =
      json_text(Json{{"record", record_}, {"driver", driver_}, {"who", who_this_is()}, {"may_be_set", may_be_set}});
  if (text.size() >= kIntent_bytes) return internal_error("what is to be set on a GPU is too long to write down");
  text.resize(kIntent_bytes - 1, ' ');
  text += '\n';
  if (::pwrite(claim_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return errno_error(fmt::format("GPU {}: cannot write down what is set", uuid_));
  return {};
}

Result<bool> GpuClaim::may_be_set() const {
  const Json intent = intent_in(claim_);
  return intent.is_null() || (says_set(intent) && text_of(intent, "record") == record_);
}

Status GpuClaim::call(const std::function<Status()>& set) const {
  GRIT_TRY(const bool locked, lock_soon(call_));
  if (!locked)
    return unavailable_error(
        fmt::format("GPU {}: a process that was given up is still within a call of the driver, which may set something "
                    "when it returns: nothing is done before that process is dead",
                    uuid_));
  const Status done = set();
  ::flock(call_.get(), LOCK_UN);
  return done;
}

}  // namespace grit
