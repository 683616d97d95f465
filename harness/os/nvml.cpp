#include "harness/os/nvml.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <limits>

#include "harness/os/kernel_text.hpp"
#include "harness/os/pci_link.hpp"
#include "harness/os/trusted_path.hpp"

namespace grit {
namespace {

constexpr const char* kLibrary = "libnvidia-ml.so.1";
constexpr const char* kOtherLibrary = "GRIT_NVML_LIBRARY";

template <class Function>
void find(void* library, Function*& function, const char* symbol, const char* older) {
  void* found = ::dlsym(library, symbol);
  if (found == nullptr && older != nullptr) found = ::dlsym(library, older);
  function = reinterpret_cast<Function*>(found);
}

Result<void*> open_library() {
  const char* other = ::secure_getenv(kOtherLibrary);
  if (other != nullptr && ::geteuid() == 0 && !is_trusted_path(other, 0))
    return unavailable_error(
        fmt::format("{}={}: as root grit loads no library that others could have put there", kOtherLibrary, other));
  void* handle = ::dlopen(other != nullptr ? other : kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) return handle;
  if (other == nullptr) return unavailable_error(fmt::format("no NVIDIA driver: {} is not installed", kLibrary));
  const char* why = ::dlerror();
  return usage_error(fmt::format("{}: {}", kOtherLibrary, why != nullptr ? why : other));
}

}  // namespace

Nvml::Library::~Library() {
  if (started && functions.shutdown != nullptr) functions.shutdown();
  if (handle != nullptr) ::dlclose(handle);
}

Result<Nvml> Nvml::load() {
  Nvml nvml;
  GRIT_TRY(nvml.library_->handle, open_library());
  void* const handle = nvml.library_->handle;
  nvml::Functions& functions = nvml.library_->functions;
#define GRIT_NVML_FIND(member, symbol, older, parameters) find(handle, functions.member, symbol, older);
  GRIT_NVML_FUNCTIONS(GRIT_NVML_FIND)
#undef GRIT_NVML_FIND
  if (functions.init == nullptr || functions.device_count == nullptr || functions.device_by_index == nullptr)
    return usage_error(fmt::format("{} is none of NVIDIA's management libraries that grit knows", kLibrary));
  return nvml;
}

nvml::Code Nvml::start() {
  const nvml::Code code = call(&nvml::Functions::init);
  library_->started = code == nvml::success;
  return code;
}

/// As workloads/accelerator has it of other libraries.
bool Nvml::is_fake() const { return ::dlsym(library_->handle, "grit_fake_library") != nullptr; }

std::string loaded_nvidia_driver(const std::filesystem::path& sys) {
  struct stat found {};
  return ::stat((sys / "module/nvidia").c_str(), &found) == 0 ? std::to_string(found.st_ino) : std::string();
}

bool is_another_driver(const std::string& then, const std::string& now) {
  return !then.empty() && !now.empty() && then != now;
}

std::string describe(nvml::Code code) {
  switch (code) {
    case nvml::success:
      return "success";
    case nvml::uninitialized:
      return "the library was not started";
    case nvml::invalid_argument:
      return "the driver does not know what it was asked for";
    case nvml::not_supported:
      return "not supported by this GPU or driver";
    case nvml::no_permission:
      return "not permitted";
    case nvml::not_found:
      return "the driver shows no such GPU";
    case nvml::driver_not_loaded:
      return "the NVIDIA driver is not loaded";
    case nvml::timeout:
      return "timed out";
    case nvml::function_not_found:
      return "this driver is too old to tell";
    case nvml::gpu_is_lost:
      return "the GPU is lost: it does not answer on the bus";
    case nvml::reset_required:
      return "the GPU needs a reset";
    case nvml::operating_system:
      return "the operating system or the control group does not let grit at the GPU";
    case nvml::version_mismatch:
      return "the NVIDIA library and the kernel's driver are of different releases";
    case nvml::unknown_error:
      break;
  }
  return fmt::format("NVML error {}", static_cast<int>(code));
}

std::string pci_address_of(const nvml::PciInfo& info) {
  std::string text(info.bus_id.begin(), info.bus_id.end());
  text = text.substr(0, text.find('\0'));
  for (char& one : text) one = static_cast<char>(std::tolower(static_cast<unsigned char>(one)));
  const std::size_t colon = std::min(text.find(':'), text.size());
  const auto domain = hex_number(text.substr(0, colon));
  const std::string address = domain ? fmt::format("{:04x}{}", *domain, text.substr(colon)) : std::string();
  return is_pci_address(address) ? address : std::string();
}

std::optional<std::int64_t> count_of(const nvml::FieldValue& value) {
  if (value.code != nvml::success) return std::nullopt;
  if (value.type == nvml::of_u32) return value.value.as_u32;
  if (value.type != nvml::of_u64 && value.type != nvml::of_ulong) return std::nullopt;
  if (value.value.as_u64 > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  return static_cast<std::int64_t>(value.value.as_u64);
}

}  // namespace grit
