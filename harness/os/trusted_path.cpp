#include "harness/os/trusted_path.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

namespace grit {
namespace {

namespace fs = std::filesystem;

bool is_trusted_owner(uid_t owner, uid_t also) {
  return owner == 0 || owner == ::geteuid() || owner == also || owner == kNobody;
}

/// Every part of it, the links among them as what they are.
bool are_owners_trusted(const fs::path& path, uid_t also) {
  fs::path upto;
  for (const auto& part : path) {
    upto /= part;
    struct stat found {};
    if (::lstat(upto.c_str(), &found) != 0 || !is_trusted_owner(found.st_uid, also)) return false;
  }
  return true;
}

}  // namespace

fs::path replaceable_by_all(const fs::path& path) {
  fs::path above;
  for (const auto& part : path.parent_path()) {
    above /= part;
    struct stat found {};
    if (::stat(above.c_str(), &found) == 0 && (found.st_mode & S_IWOTH) != 0 && (found.st_mode & S_ISVTX) == 0)
      return above;
  }
  return {};
}

bool is_trusted_path(const fs::path& path, uid_t also) {
  std::error_code failed;
  const fs::path written = path.lexically_normal(), real = fs::canonical(written, failed);
  struct stat found {};
  if (failed || !written.is_absolute() || ::stat(real.c_str(), &found) != 0) return false;
  for (const fs::path& way : {written, real})
    if (!are_owners_trusted(way, also) || !replaceable_by_all(way).empty()) return false;
  const bool others = (found.st_mode & S_IWOTH) != 0;
  const bool group = (found.st_mode & S_IWGRP) != 0 && found.st_gid != found.st_uid;
  return !others && !group;
}

bool is_safe_to_run(const fs::path& real) {
  fs::path upto;
  for (const auto& part : real) {
    upto /= part;
    struct stat found {};
    if (::lstat(upto.c_str(), &found) != 0 || (found.st_uid != 0 && found.st_uid != ::geteuid())) return false;
    const bool is_sticky = S_ISDIR(found.st_mode) && (found.st_mode & S_ISVTX) != 0;
    if (S_ISLNK(found.st_mode) || (!is_sticky && (found.st_mode & (S_IWGRP | S_IWOTH)) != 0)) return false;
  }
  return real.is_absolute();
}

}  // namespace grit
