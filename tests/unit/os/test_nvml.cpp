#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "harness/os/nvml.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;

namespace {

nvml::PciInfo at(const char* bus_id) {
  nvml::PciInfo info;
  std::memcpy(info.bus_id.data(), bus_id, std::min(std::strlen(bus_id), info.bus_id.size()));
  return info;
}

nvml::FieldValue value(nvml::ValueType type, std::uint64_t number, int code = nvml::success) {
  nvml::FieldValue field;
  field.type = type, field.code = code;
  field.value.as_u64 = number;
  return field;
}

}  // namespace

TEST_CASE("nvml: addresses as the kernel writes them") {
  CHECK(pci_address_of(at("00000000:81:00.0")) == "0000:81:00.0");
  CHECK(pci_address_of(at("0000000F:AB:1F.7")) == "000f:ab:1f.7");
  CHECK(pci_address_of(at("00010000:01:00.0")) == "10000:01:00.0");
  for (const char* no : {"", "81", "../../etc:00", "zzzzzzzz:81:00.0", "00000000000000000:81:00.0:81:00.0:81"})
    CHECK(pci_address_of(at(no)).empty());
}

TEST_CASE("nvml: what is a counter among field values") {
  CHECK(count_of(value(nvml::of_u64, 5'000'000'000)) == 5'000'000'000);
  CHECK(count_of(value(nvml::of_u32, 0xffffffff00000007)) == 7);
  CHECK_FALSE(count_of(value(nvml::of_u64, UINT64_MAX)));
  CHECK_FALSE(count_of(value(nvml::of_double, 7)));
  CHECK_FALSE(count_of(value(nvml::of_u64, 7, nvml::not_supported)));
}

TEST_CASE("nvml: every code is put into words") {
  for (int code = 0; code < 30; ++code) CHECK_FALSE(describe(static_cast<nvml::Code>(code)).empty());
  CHECK(describe(static_cast<nvml::Code>(26)) == "NVML error 26");
}

TEST_CASE("nvml: a driver that is loaded is told from one that is not, and from another in its place") {
  const test::TempDirectory directory;
  const auto modules = directory.path() / "module";
  std::filesystem::create_directories(modules);
  CHECK(loaded_nvidia_driver(directory.path()).empty());
  std::filesystem::create_directory(modules / "nvidia");
  const std::string first = loaded_nvidia_driver(directory.path());
  CHECK_FALSE(first.empty());
  CHECK(loaded_nvidia_driver(directory.path()) == first);
  std::filesystem::rename(modules / "nvidia", modules / "before");  // whose number is then no other's
  std::filesystem::create_directory(modules / "nvidia");
  CHECK(loaded_nvidia_driver(directory.path()) != first);
  CHECK(is_another_driver(first, loaded_nvidia_driver(directory.path())));
  CHECK_FALSE(is_another_driver(first, first));
  CHECK_FALSE(is_another_driver(first, ""));  // it cannot be seen
  CHECK_FALSE(is_another_driver("", first));
}

TEST_CASE("nvml: a file that is no such library, and as root one that others can write") {
  const test::TempDirectory directory;
  const auto file = directory.path() / "library";
  std::ofstream(file) << "no library";
  ::setenv("GRIT_NVML_LIBRARY", file.c_str(), 1);
  CHECK(Nvml::load().error().kind == ErrorKind::usage);
  if (::geteuid() == 0) {
    std::filesystem::permissions(file, std::filesystem::perms(0666));
    const auto refused = Nvml::load();
    CHECK(refused.error().message.find("as root grit loads no library") != std::string::npos);
  }
  ::unsetenv("GRIT_NVML_LIBRARY");
}
