// NVIDIA's management library, where one is installed: loaded when it is asked for, and every function of it may be
// missing. A call may wait for seconds, or for ever, when a GPU is ill: only a process that may be killed makes one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "harness/base/result.hpp"
#include "harness/os/nvml_abi.hpp"

namespace grit {

class Nvml {
 public:
  /// Loads libnvidia-ml.so.1, wherever the dynamic linker finds it, or the file that the environment variable
  /// GRIT_NVML_LIBRARY names: with a privilege that the user does not have himself (secure_getenv(3)) none, as root one
  /// that only root can have put there (is_trusted_path()). Error (unavailable): there is no such library, or that file
  /// is not trusted. Error (usage): the file is no such library.
  static Result<Nvml> load();

  /// Starts the library. Another Code: what it said.
  nvml::Code start();

  /// It is a library of the tests: nothing that it says or does is a GPU's.
  [[nodiscard]] bool is_fake() const;

  /// Calls one of its functions: `nvml.call(&nvml::Functions::power_mw, device, &milliwatts)`. Without it:
  /// function_not_found.
  template <class... Parameters, class... Arguments>
  nvml::Code call(int (*nvml::Functions::*function)(Parameters...), Arguments... arguments) const {
    const auto pointer = library_->functions.*function;
    return pointer == nullptr ? nvml::function_not_found : static_cast<nvml::Code>(pointer(arguments...));
  }

 private:
  struct Library {
    Library() = default;
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
    ~Library();  // shuts it down

    void* handle = nullptr;
    nvml::Functions functions{};
    bool started = false;
  };
  std::unique_ptr<Library> library_ = std::make_unique<Library>();
};

/// Tells the driver that is loaded now from one before or after it in this boot: the number of its directory in sysfs,
/// which the kernel gives to no other while it runs (fs/kernfs: numbers are drawn cyclically). Alike from any
/// namespace. Empty: none is loaded, or it cannot be seen (chroot(2), a container without sysfs).
std::string loaded_nvidia_driver(const std::filesystem::path& sys = "/sys");
/// Do these two numbers show that the driver is another one by now? Not where one of them could not be seen.
bool is_another_driver(const std::string& then, const std::string& now);

/// What a code means, for people: "the GPU is lost".
std::string describe(nvml::Code code);

/// "00000000:81:00.0", as NVML writes an address, as the kernel does: "0000:81:00.0"; empty: it is none.
std::string pci_address_of(const nvml::PciInfo& info);

/// A counter among field values; empty: it could not be read, is of another type than a counter's or does not fit.
std::optional<std::int64_t> count_of(const nvml::FieldValue& value);

}  // namespace grit
