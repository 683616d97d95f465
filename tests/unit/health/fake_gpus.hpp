// GPUs that exist in a text file (tests/fakes/nvml/fake_nvml.cpp).
#pragma once

#include <stdlib.h>

#include "harness/os/nvml.hpp"
#include "tests/kernel_files.hpp"
#include "tests/unit/health/check_reading.hpp"

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
    write("");
  }
  FakeGpus(const FakeGpus&) = delete;
  FakeGpus& operator=(const FakeGpus&) = delete;
  ~FakeGpus() { ::unsetenv("GRIT_NVML_LIBRARY"), ::unsetenv("GRIT_FAKE_NVML"); }

  /// What they are from now on.
  void write(const std::string& text) {
    tree_.write("next", text);
    std::filesystem::rename(tree_.root() / "next", tree_.root() / "state");
  }

 private:
  KernelFiles tree_{};
};

}  // namespace grit::test
