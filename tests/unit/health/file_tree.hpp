// A tree of files as the kernel would show it, for checks that read /proc and /sys.
#pragma once

#include <fstream>
#include <string>

#include "tests/temp_directory.hpp"
#include "tests/unit/health/check_reading.hpp"

namespace grit::test {

class FileTree {
 public:
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((path() / file).parent_path());
    std::ofstream out(path() / file, std::ios::binary);
    out << text;
    REQUIRE(out.good());
  }
  void remove(const std::string& file) const { std::filesystem::remove_all(path() / file); }
  /// The check then reads proc/... and sys/... here.
  void give_to(CheckUnderTest& check) const {
    check.proc = path() / "proc";
    check.sys = path() / "sys";
  }
  [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }

 private:
  TempDirectory directory_{};
};

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
