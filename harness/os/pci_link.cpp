#include "harness/os/pci_link.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <string_view>

#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/os/kernel_text.hpp"

namespace grit {
namespace {

// The width that all ones in the link's status register stand for.
constexpr std::int64_t kAllOnesWidth = 63;

/// "32.0 GT/s PCIe"; older kernels: "8 GT/s". Empty: "Unknown", and anything else.
std::optional<double> speed_in(const std::filesystem::path& file) {
  const std::string line = first_line(file);
  double speed = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), speed);
  const std::string_view rest(end, static_cast<std::size_t>(line.data() + line.size() - end));
  const bool is_speed = speed > 0 && speed <= 1024;  // no NaN
  if (error != std::errc() || !rest.starts_with(" GT/s") || !is_speed) return std::nullopt;
  return speed;
}

std::optional<int> width_in(const std::filesystem::path& file) {
  const auto width = number_in(file);
  constexpr std::int64_t kMostLanes = 32;
  if (!width || *width < 1 || *width > kMostLanes) return std::nullopt;
  return static_cast<int>(*width);
}

/// The sum of these lines "NAME COUNT"; empty: none of them is there.
std::optional<std::int64_t> sum_of(const std::filesystem::path& file, std::initializer_list<std::string_view> names) {
  const auto text = read_file(file, std::size_t{1} << 16U);
  std::optional<std::int64_t> sum;
  if (!text) return sum;
  for (const std::string_view line : lines_of(*text)) {
    const auto words = words_of(line);
    if (words.size() != 2 || std::find(names.begin(), names.end(), words[0]) == names.end()) continue;
    const auto count = whole_number(words[1]);
    constexpr std::int64_t kMost = std::int64_t{1} << 60U;
    if (!count || *count < 0 || *count > kMost) return std::nullopt;
    sum = sum.value_or(0) + *count;
  }
  return sum;
}

}  // namespace

double pci_bandwidth(int width, double speed_gt_per_s) {
  // Generations 1 and 2 send 10 bits for 8, 3 to 5 send 130 for 128, and 6 sends 256 bytes for 236 (PCI Express Base
  // Specification).
  const double coding = speed_gt_per_s < 6 ? 0.8 : speed_gt_per_s < 40 ? 128.0 / 130 : 236.0 / 256;
  return width * speed_gt_per_s * 1e9 * coding;
}

double PciLink::bandwidth() const { return pci_bandwidth(width, speed_gt_per_s); }

bool pci_has_link(const std::filesystem::path& device) { return width_in(device / "max_link_width").has_value(); }

std::optional<PciLink> pci_link(const std::filesystem::path& device) {
  const auto width = width_in(device / "current_link_width"), max_width = width_in(device / "max_link_width");
  const auto speed = speed_in(device / "current_link_speed"), max_speed = speed_in(device / "max_link_speed");
  if (!width || !max_width || !speed || !max_speed) return std::nullopt;
  return PciLink{*width, *max_width, *speed, *max_speed};
}

bool pci_is_asleep(const std::filesystem::path& device) {
  return first_line(device / "power/runtime_status") == "suspended" ||
         first_line(device / "power_state").starts_with("D3");
}

bool pci_is_gone(const std::filesystem::path& device) {
  const Fd config(::open((device / "config").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<unsigned char, 2> vendor{};
  const bool was_read = config && ::read(config.get(), vendor.data(), vendor.size()) == 2;
  return (was_read && vendor[0] == 0xff && vendor[1] == 0xff) ||
         number_in(device / "current_link_width") == kAllOnesWidth;
}

bool is_pci_address(const std::string& name) {
  const bool has_shape =
      name.size() >= 12 && name[name.size() - 8] == ':' && name[name.size() - 5] == ':' && name[name.size() - 2] == '.';
  return has_shape && name.find_first_not_of("0123456789abcdef:.") == std::string::npos;
}

std::uint64_t pci_number(const std::string& address) {
  constexpr std::uint64_t kIsOne = std::uint64_t{1} << 63U;
  if (!is_pci_address(address)) return 0;
  std::string digits;
  for (const char one : address)
    if (one != ':' && one != '.') digits += one;
  const auto number = hex_number(digits);
  return number ? kIsOne | static_cast<std::uint64_t>(*number) : 0;
}

std::optional<PciErrors> pci_errors(const std::filesystem::path& device) {
  const auto replays = sum_of(device / "aer_dev_correctable", {"BadTLP", "BadDLLP", "Rollover", "Timeout"});
  const auto nonfatal = sum_of(device / "aer_dev_nonfatal", {"TOTAL_ERR_NONFATAL"});
  const auto fatal = sum_of(device / "aer_dev_fatal", {"TOTAL_ERR_FATAL"});
  if (!replays || !nonfatal || !fatal) return std::nullopt;
  return PciErrors{*replays, *nonfatal, *fatal};
}

}  // namespace grit
