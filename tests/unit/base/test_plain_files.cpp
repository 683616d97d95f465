#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>

#include "harness/base/files.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
namespace fs = std::filesystem;

namespace {

/// A run directory in which somebody has prepared something, and what it leads to.
struct Prepared {
  test::TempDirectory place{};
  fs::path directory = place.path() / "run";
  fs::path precious = place.path() / "precious";
  Prepared() {
    fs::create_directory(directory);
    std::ofstream(precious) << "precious";
  }
  [[nodiscard]] bool is_untouched() const { return read_file(precious).value_or("") == "precious"; }
};

/// The errno of an attempt to open it for writing, cutting it short.
int refusal(const fs::path& file) { return open_plain_file(file, O_WRONLY | O_CREAT | O_TRUNC) ? 0 : errno; }

}  // namespace

TEST_CASE("plain file: made, found again, and cut short only when asked to") {
  const Prepared run;
  const fs::path file = run.directory / "events.jsonl";
  REQUIRE(write_all(open_plain_file(file, O_WRONLY | O_CREAT).get(), "one"));
  REQUIRE(write_all(open_plain_file(file, O_WRONLY | O_APPEND).get(), "two"));
  CHECK(read_file(file).value_or("") == "onetwo");
  REQUIRE(open_plain_file(file, O_WRONLY | O_TRUNC));
  CHECK(fs::file_size(file) == 0);
  CHECK_FALSE(open_plain_file(run.directory / "none", O_RDWR));
  CHECK(errno == ENOENT);
  CHECK_FALSE(open_plain_file(run.directory / "none" / "file", O_RDWR | O_CREAT));
  CHECK(errno == ENOENT);
}

TEST_CASE("plain file: neither through a link, nor one with a second name, a pipe or a device") {
  const Prepared run;
  fs::create_symlink(run.precious, run.directory / "link");
  CHECK(refusal(run.directory / "link") == ELOOP);
  fs::create_symlink(run.place.path() / "new", run.directory / "dangling");
  CHECK(refusal(run.directory / "dangling") == ELOOP);
  CHECK_FALSE(fs::exists(run.place.path() / "new"));
  fs::create_hard_link(run.precious, run.directory / "second");
  CHECK(refusal(run.directory / "second") == EPERM);
  REQUIRE(::mkfifo((run.directory / "pipe").c_str(), 0600) == 0);
  CHECK(refusal(run.directory / "pipe") != 0);  // and it does not wait for a reader
  fs::create_directory_symlink(run.directory, run.place.path() / "alias");
  CHECK(refusal(run.place.path() / "alias" / "file") == ELOOP);
  CHECK_FALSE(fs::exists(run.directory / "file"));
  CHECK(run.is_untouched());
}

TEST_CASE("a durable write goes through nothing that was prepared beside the file") {
  const Prepared run;
  const fs::path file = run.directory / "run.json";
  fs::create_symlink(run.precious, run.directory / "run.json.tmp");
  REQUIRE(write_file_durably(file, "{}"));
  fs::create_hard_link(run.precious, run.directory / "run.json.tmp");
  REQUIRE(write_file_durably(file, "{\"a\": 1}"));
  fs::remove(file);
  fs::create_symlink(run.precious, file);
  REQUIRE(write_file_durably(file, "{\"a\": 2}"));
  CHECK_FALSE(fs::is_symlink(file));
  CHECK(read_file(file).value_or("") == "{\"a\": 2}");
  CHECK(run.is_untouched());
  CHECK_FALSE(fs::exists(run.directory / "run.json.tmp"));
  fs::create_directory(run.directory / "run.json.tmp");  // cannot be taken away
  const auto failed = write_file_durably(file, "{}");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message.find("run.json.tmp") != std::string::npos);
}
