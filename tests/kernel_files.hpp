// Files as the kernel shows them in /proc and /sys, in a directory of the test's own.
#pragma once

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace grit::test {

class KernelFiles {
 public:
  /// Makes the directories above it, and replaces the file.
  void write(const std::filesystem::path& file, std::string_view text) const {
    std::filesystem::create_directories((root() / file).parent_path());
    std::ofstream out(root() / file, std::ios::binary | std::ios::trunc);
    out << text;
    REQUIRE(out.good());
  }
  void link(const std::filesystem::path& name, const std::filesystem::path& target) const {
    std::filesystem::create_directories((root() / name).parent_path());
    std::filesystem::create_symlink(target, root() / name);
  }
  void make_directory(const std::filesystem::path& name) const { std::filesystem::create_directories(root() / name); }
  void remove(const std::filesystem::path& name) const { std::filesystem::remove_all(root() / name); }
  [[nodiscard]] const std::filesystem::path& root() const { return directory_.path(); }
  [[nodiscard]] std::filesystem::path proc() const { return root() / "proc"; }
  [[nodiscard]] std::filesystem::path sys() const { return root() / "sys"; }

 private:
  TempDirectory directory_{};
};

/// One line, its end added; makes the directories above the file.
inline void write_line(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text << "\n";
}

/// What a broken kernel, a file system in user space or somebody who means harm could put into a file.
inline std::vector<std::string> hostile_texts() {
  return {"",
          "\n",
          std::string(3, '\0'),
          "\xff\xfe\x80 no UTF-8",
          "-1 -1 -1 -1\n",
          "18446744073709551615\n",
          "99999999999999999999999999999\n",
          std::string(100'000, 'x'),
          std::string(5'000, '\n'),
          "some avg10=nan total=-5",
          "cpu",
          "%s%n\x1b[2J"};
}

}  // namespace grit::test
