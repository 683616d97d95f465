#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "harness/record/latest_run.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

fs::path make_run(const fs::path& place, const char* name) {
  fs::create_directories(place / name);
  return place / name;
}

}  // namespace

TEST_CASE("latest is the run that was begun last") {
  const test::TempDirectory place;
  CHECK_FALSE(latest_run(place.path()));
  const fs::path first = make_run(place.path(), "1"), second = make_run(place.path(), "2");
  point_latest_at(first);
  CHECK(latest_run(place.path()) == first);
  point_latest_at(second);
  CHECK(latest_run(place.path()) == second);
  CHECK(fs::read_symlink(place.path() / "latest") == "2");  // relative: the directory may be moved
  CHECK(std::distance(fs::directory_iterator(place.path()), fs::directory_iterator()) == 3);  // nothing else is left
}

TEST_CASE("latest stays with the run before when another does not begin") {
  const test::TempDirectory place;
  const fs::path first = make_run(place.path(), "1"), second = make_run(place.path(), "2");
  { const LatestLink link(first); }
  CHECK_FALSE(fs::exists(fs::symlink_status(place.path() / "latest")));
  LatestLink(first).keep();
  CHECK(latest_run(place.path()) == first);
  {
    const LatestLink link(second);
    CHECK(latest_run(place.path()) == second);  // while it goes on, also for who comes after a crash
    fs::remove_all(second);
  }
  CHECK(latest_run(place.path()) == first);
  {
    const LatestLink link(make_run(place.path(), "2"));
    point_latest_at(make_run(place.path(), "3"));  // meanwhile, by another process
  }
  CHECK(latest_run(place.path()) == place.path() / "3");
  { const LatestLink none((fs::path())); }
}

TEST_CASE("latest takes the place of nothing but a link") {
  const test::TempDirectory place;
  std::ofstream(place.path() / "latest") << "mine";
  point_latest_at(make_run(place.path(), "1"));
  CHECK(fs::is_regular_file(fs::symlink_status(place.path() / "latest")));
  CHECK_FALSE(latest_run(place.path()));
}

TEST_CASE("a link that leads elsewhere is no run") {
  const test::TempDirectory place;
  const fs::path outside = make_run(place.path(), "outside");
  const fs::path runs = make_run(place.path(), "runs");
  fs::create_directory_symlink(outside, runs / "beside");
  for (const fs::path& target :
       {fs::path("../outside"), outside, fs::path("."), fs::path(".."), fs::path("gone"), fs::path("beside")}) {
    fs::remove(runs / "latest");
    fs::create_symlink(target, runs / "latest");
    CAPTURE(target);
    CHECK_FALSE(latest_run(runs));
  }
}

TEST_CASE("root makes no link where others could put theirs") {
  if (::geteuid() != 0) test::skip("needs root");
  const test::TempDirectory place;
  const fs::path run = make_run(place.path(), "1");
  ::chmod(place.path().c_str(), 0777);
  point_latest_at(run);
  CHECK_FALSE(fs::exists(fs::symlink_status(place.path() / "latest")));
  ::chmod(place.path().c_str(), 01777);
  point_latest_at(run);
  CHECK_FALSE(fs::exists(fs::symlink_status(place.path() / "latest")));
  ::chmod(place.path().c_str(), 0755);
  point_latest_at(run);
  CHECK(latest_run(place.path()) == run);
}

}  // namespace grit
