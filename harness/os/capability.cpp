#include "harness/os/capability.hpp"

#include "harness/base/files.hpp"

namespace grit {

bool has_capability(int capability) {
  const auto status = read_file("/proc/self/status");
  if (!status) return false;
  const std::string key = "CapEff:\t";
  const auto at = status->find(key);
  if (at == std::string::npos) return false;
  return (std::stoull(status->substr(at + key.size(), 16), nullptr, 16) >> capability & 1) != 0;
}

}  // namespace grit
