// GPUs that exist in a text file (tests/fakes/nvml/fake_nvml.cpp).
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/kernel_files.hpp"

namespace grit::test {

class FakeGpus {
 public:
  /// A copy of the library that only its user can have put there.
  explicit FakeGpus(const char* library = GRIT_FAKE_NVML_NEW) {
    const auto copy = tree_.root() / "libnvidia-ml.so.1";
    std::filesystem::copy_file(library, copy);
    std::filesystem::permissions(copy, std::filesystem::perms(0644));
    ::setenv("GRIT_NVML_LIBRARY", copy.c_str(), 1);
    ::setenv("GRIT_FAKE_NVML", (tree_.root() / "state").c_str(), 1);
    ::setenv("GRIT_GPU_CLAIMS", claims().c_str(), 1);
    write("");
  }
  FakeGpus(const FakeGpus&) = delete;
  FakeGpus& operator=(const FakeGpus&) = delete;
  ~FakeGpus() {
    for (const char* variable : {"GRIT_NVML_LIBRARY", "GRIT_FAKE_NVML", "GRIT_GPU_CLAIMS"}) ::unsetenv(variable);
  }
  /// Where it is written down who may set what on them (harness/os/gpu_claim.hpp).
  [[nodiscard]] std::filesystem::path claims() const { return tree_.root() / "claims"; }

  /// What they are from now on.
  void write(const std::string& text) {
    tree_.write("next", text);
    std::filesystem::rename(tree_.root() / "next", tree_.root() / "state");
  }

  /// What was set on them, "gpu0.limit_mw 350000"; -1: nothing.
  [[nodiscard]] std::int64_t setting(const std::string& key) const {
    std::ifstream lines(tree_.root() / "state.set");
    std::int64_t value = 0;
    for (std::string name; lines >> name >> value;)
      if (name == key) return value;
    return -1;
  }
  /// As if it had been set: by somebody else, or by one that was killed.
  void set(const std::string& key, std::int64_t value) const {
    std::ifstream old(tree_.root() / "state.set");
    std::stringstream text;
    std::int64_t other = 0;
    for (std::string name; old >> name >> other;)
      if (name != key) text << name << " " << other << "\n";
    text << key << " " << value << "\n";
    std::ofstream(tree_.root() / "state.set") << text.str();
  }
  /// How many calls there were since forget_calls(), while the file has a line `fail` or `fail_from`.
  [[nodiscard]] std::int64_t calls() const {
    std::error_code none;
    const auto size = std::filesystem::file_size(tree_.root() / "state.count", none);
    return none ? 0 : static_cast<std::int64_t>(size);
  }
  void forget_calls() const { std::filesystem::remove(tree_.root() / "state.count"); }
  void forget_settings() const { std::filesystem::remove(tree_.root() / "state.set"); }

 private:
  KernelFiles tree_{};
};

}  // namespace grit::test
