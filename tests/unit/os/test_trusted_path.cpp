#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "harness/os/trusted_path.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kOther = 4711, kThird = 4712;

TEST_CASE("a path is trusted while nobody else can put something in its place") {
  const test::TempDirectory place;
  const fs::path above = place.path() / "above", path = above / "path";
  fs::create_directories(path);
  const auto is_trusted_with_modes = [&](mode_t of_above, mode_t of_path) {
    REQUIRE(::chmod(above.c_str(), of_above) == 0);
    REQUIRE(::chmod(path.c_str(), of_path) == 0);
    return is_trusted_path(path, ::geteuid());
  };
  CHECK(is_trusted_with_modes(0755, 0755));
  CHECK_FALSE(is_trusted_with_modes(0755, 0757));
  CHECK_FALSE(is_trusted_with_modes(0755, 01777));  // a file can be added to it
  CHECK_FALSE(is_trusted_with_modes(0777, 0755));
  CHECK(is_trusted_with_modes(01777, 0755));
  CHECK(is_trusted_with_modes(0755, 0775) == (::getegid() == ::geteuid()));
  CHECK_FALSE(is_trusted_path(above / "gone", ::geteuid()));
  CHECK_FALSE(is_trusted_path("relative", ::geteuid()));

  fs::create_directory_symlink(path, place.path() / "link");
  CHECK(is_trusted_path(place.path() / "link", ::geteuid()));
  CHECK_FALSE(is_trusted_with_modes(0777, 0755));
  CHECK_FALSE(is_trusted_path(place.path() / "link", ::geteuid()));  // where it leads
}

TEST_CASE("a path is trusted when it and all above it is of root, this user or the one that is named") {
  if (::geteuid() != 0) test::skip("needs root, to give files away");
  const test::TempDirectory place;
  const fs::path above = place.path() / "above", path = above / "path", link = place.path() / "link";
  fs::create_directories(path);
  fs::create_directory_symlink(path, link);
  for (const fs::path& given : {path, above}) {
    CAPTURE(given);
    REQUIRE(::lchown(given.c_str(), kOther, 0) == 0);
    for (const fs::path& way : {path, link}) {
      CHECK_FALSE(is_trusted_path(way, kThird));
      CHECK(is_trusted_path(way, kOther));
    }
    REQUIRE(::lchown(given.c_str(), 0, 0) == 0);
  }
  REQUIRE(::lchown(link.c_str(), kOther, 0) == 0);
  CHECK_FALSE(is_trusted_path(link, kThird));
  REQUIRE(::lchown(path.c_str(), 0, kOther) == 0);
  REQUIRE(::chmod(path.c_str(), 0775) == 0);
  CHECK_FALSE(is_trusted_path(path, kThird));  // a group of several
}

TEST_CASE("a file is safe to run while only root and this user can change it or put another in its place") {
  const test::TempDirectory place;
  const fs::path above = fs::canonical(place.path()) / "above", file = above / "file";
  fs::create_directory(above);
  std::ofstream(file) << "return {}";
  const auto is_safe_with_modes = [&](mode_t of_above, mode_t of_file) {
    REQUIRE(::chmod(above.c_str(), of_above) == 0);
    REQUIRE(::chmod(file.c_str(), of_file) == 0);
    return is_safe_to_run(file);
  };
  CHECK(is_safe_with_modes(0755, 0644));
  CHECK(is_safe_with_modes(01777, 0644));
  CHECK_FALSE(is_safe_with_modes(0777, 0644));
  CHECK_FALSE(is_safe_with_modes(0775, 0644));
  CHECK_FALSE(is_safe_with_modes(0755, 0664));
  CHECK_FALSE(is_safe_with_modes(0755, 0646));
  CHECK_FALSE(is_safe_with_modes(0755, 01646));  // sticky means something for directories only
  CHECK(is_safe_with_modes(0755, 0644));
  fs::create_symlink(file, above / "link");
  CHECK_FALSE(is_safe_to_run(above / "link"));
  CHECK_FALSE(is_safe_to_run(above / "gone"));
  CHECK_FALSE(is_safe_to_run("relative"));
}

TEST_CASE("a file of another user, or below another's directory, is not safe to run, nobody's neither") {
  if (::geteuid() != 0) test::skip("needs root, to give files away");
  const test::TempDirectory place;
  const fs::path above = fs::canonical(place.path()) / "above", file = above / "file";
  fs::create_directory(above);
  std::ofstream(file) << "return {}";
  REQUIRE(::chmod(file.c_str(), 0644) == 0);
  CHECK(is_safe_to_run(file));
  for (const uid_t other : {kOther, kNobody})
    for (const fs::path& given : {file, above}) {
      CAPTURE(other, given);
      REQUIRE(::chown(given.c_str(), other, 0) == 0);
      CHECK_FALSE(is_safe_to_run(file));
      REQUIRE(::chown(given.c_str(), 0, 0) == 0);
    }
}

}  // namespace
}  // namespace grit
