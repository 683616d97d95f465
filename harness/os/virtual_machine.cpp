#include "harness/os/virtual_machine.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <system_error>

#include "harness/base/fd.hpp"
#include "harness/os/kernel_text.hpp"

namespace grit {
namespace {

/// The flags of the first processor stand in the first 4 KiB; the whole file takes the kernel milliseconds with
/// hundreds of processors.
bool has_hypervisor_flag(const std::filesystem::path& cpuinfo) {
  const Fd fd(::open(cpuinfo.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(8192, '\0');
  const ssize_t got = fd ? ::read(fd.get(), text.data(), text.size()) : 0;
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  const auto lines = lines_of(text);
  return std::any_of(lines.begin(), lines.end(), [](std::string_view line) {
    if (!line.starts_with("flags")) return false;
    const auto words = words_of(line);
    return std::find(words.begin(), words.end(), "hypervisor") != words.end();
  });
}

}  // namespace

bool in_virtual_machine(const std::filesystem::path& proc, const std::filesystem::path& sys) {
  std::error_code ignored;
  return has_hypervisor_flag(proc / "cpuinfo") || std::filesystem::exists(sys / "hypervisor/type", ignored) ||
         std::filesystem::exists(proc / "device-tree/hypervisor", ignored);
}

}  // namespace grit
