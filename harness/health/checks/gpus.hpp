// The node's NVIDIA GPUs, for the checks that ask their library.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/health/check.hpp"
#include "harness/os/nvml.hpp"

namespace grit {

struct Gpu {
  unsigned index = 0;
  nvml::Device device = nullptr;
  std::string name{};  // "gpu3", the library's number
  std::string pci{};   // "0000:81:00.0"; empty: not known
};

/// Asks one GPU. What it does not tell is empty, and that it is lost or needs a reset is remembered.
class GpuQuestions {
 public:
  GpuQuestions(const Nvml& nvml, nvml::Device device) : nvml_(nvml), device_(device) {}

  /// What the function writes into its last parameter.
  template <class Value, class Function, class... Arguments>
  std::optional<Value> ask(Function function, Arguments... arguments) {
    Value value{};
    if (!is_success(nvml_.call(function, device_, arguments..., &value))) return std::nullopt;
    return value;
  }
  /// A function that writes into several.
  template <class Function, class... Arguments>
  bool tell(Function function, Arguments... arguments) {
    return is_success(nvml_.call(function, device_, arguments...));
  }
  /// One value for each id, in their order; FieldValue::code of those that the driver does not have says so.
  std::vector<nvml::FieldValue> fields(std::span<const std::uint32_t> ids, std::uint32_t scope = 0);

  /// It answered that it is lost or needs a reset.
  [[nodiscard]] std::optional<nvml::Code> broken() const { return broken_; }
  /// The last code that was none of success.
  [[nodiscard]] nvml::Code last_failure() const { return last_failure_; }

 private:
  bool is_success(nvml::Code code);

  const Nvml& nvml_;
  nvml::Device device_;
  std::optional<nvml::Code> broken_{};
  nvml::Code last_failure_ = nvml::success;
};

/// critical of a GPU that is lost or needs a reset; warning where library and driver do not fit together, with which no
/// new program can use a GPU; else unknown.
Outcome outcome_of(nvml::Code code, const std::string& subject);

/// The library, from reading to reading, and what a check says of each GPU.
class GpuReader {
 public:
  /// Looks at one GPU that answers; none when there is nothing to say of it.
  using Judge = std::function<std::vector<Outcome>(GpuQuestions&, const Gpu&)>;

  /// The outcomes of all GPUs; of a node without any one that says so; of a GPU that breaks while it is asked only
  /// that.
  std::vector<Outcome> read(const CheckInput& input, const Judge& judge);

  /// The GPUs that answer now; what is to be said of others, and of a node without any, is added to `outcomes`.
  std::vector<Gpu> find(const CheckInput& input, std::vector<Outcome>& outcomes);
  /// After find() found one.
  [[nodiscard]] const Nvml& nvml() const { return *nvml_; }

 private:
  std::optional<Outcome> open();

  std::optional<Nvml> nvml_{};
};

}  // namespace grit
