// A run that was cut off makes room for itself, and is known by its name afterwards.
#include <filesystem>
#include <fstream>

#include "harness/run/set_aside.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace grit {
namespace {

TEST_CASE("what was cut off is put aside under a name of its own, each time another, and can be told by it") {
  const test::TempDirectory directory;
  const std::filesystem::path run = directory.path() / "link_mtu";
  CHECK(set_aside(run).has_value());  // there is none
  for (const char* name : {"link_mtu.cut-off-1", "link_mtu.cut-off-2"}) {
    std::filesystem::create_directory(run);
    std::ofstream(run / "plan.json") << name;
    REQUIRE(set_aside(run).has_value());
    CHECK_FALSE(std::filesystem::exists(run));
    CHECK(std::filesystem::exists(directory.path() / name / "plan.json"));
    CHECK(is_set_aside(directory.path() / name));
  }
  CHECK_FALSE(is_set_aside(run));
  CHECK_FALSE(is_set_aside(directory.path() / "link_mtu.cut-off-1" / "below"));
}

}  // namespace
}  // namespace grit
