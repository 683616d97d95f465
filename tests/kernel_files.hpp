// Files as the kernel shows them in /proc and /sys, in a directory of the test's own.
#pragma once

#include <fstream>
#include <string_view>

#include "tests/temp_directory.hpp"

namespace grit::test {

class KernelFiles {
 public:
  /// Makes the directories above it, and replaces the file.
  void write(const std::filesystem::path& file, std::string_view text) {
    std::filesystem::create_directories((root() / file).parent_path());
    std::ofstream(root() / file, std::ios::trunc) << text;
  }
  void link(const std::filesystem::path& name, const std::filesystem::path& target) {
    std::filesystem::create_directories((root() / name).parent_path());
    std::filesystem::create_symlink(target, root() / name);
  }
  void make_directory(const std::filesystem::path& name) { std::filesystem::create_directories(root() / name); }
  void remove(const std::filesystem::path& name) { std::filesystem::remove_all(root() / name); }
  [[nodiscard]] const std::filesystem::path& root() const { return directory_.path(); }
  [[nodiscard]] std::filesystem::path proc() const { return root() / "proc"; }
  [[nodiscard]] std::filesystem::path sys() const { return root() / "sys"; }

 private:
  TempDirectory directory_{};
};

}  // namespace grit::test
