// That every check was seen to alarm at the real thing, or says that it was not; and where, in docs/checks.md.
#include <fmt/ranges.h>

#include <map>
#include <regex>
#include <set>

#include "harness/base/files.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

const std::filesystem::path kSource = GRIT_SOURCE_DIR;

/// The tests that call proves(), by the check that they name.
std::map<std::string, std::set<std::string>> proofs_in_tests() {
  std::map<std::string, std::set<std::string>> proofs;
  const std::regex call(R"re(\bproves\("(\w+)")re");
  for (const char* directory : {"tests/unit/health", "tests/vm"})
    for (const auto& entry : std::filesystem::directory_iterator(kSource / directory)) {
      if (!entry.is_regular_file() || !entry.path().filename().string().starts_with("test_")) continue;
      if (entry.path().filename() == "test_proofs.cpp") continue;
      const std::string text = ok(read_file(entry.path()));
      for (std::sregex_iterator one(text.begin(), text.end(), call), end; one != end; ++one)
        proofs[(*one)[1].str()].insert(std::filesystem::relative(entry.path(), kSource).string());
    }
  return proofs;
}

/// Of the table in docs/checks.md.
std::string row_of(const CheckInfo& info, const std::set<std::string>& tests) {
  const std::string fault = info.trips.empty() ? "none: " + info.untripped : "`" + info.trips + "`";
  const std::string seen = info.proven.empty() ? "**unproven**: only " + info.unproven : info.proven;
  return fmt::format("| `{}` | {} | {} | {} |\n", info.name, fault, seen, fmt::join(tests, ", "));
}

}  // namespace

TEST_CASE("checks: the registry names each once, and each says what trips it or why nothing can") {
  for (const Check* check : checks()) {
    CAPTURE(check->info.name);
    REQUIRE(find_check(check->info.name) == check);
    REQUIRE(check->info.trips.empty() != check->info.untripped.empty());
    REQUIRE(check->info.proven.empty() != check->info.unproven.empty());
  }
  REQUIRE(find_check("nonsense") == nullptr);
}

TEST_CASE("checks: one is proven where a test saw it alarm at the real thing, and docs/checks.md says in which") {
  const auto proofs = proofs_in_tests();
  std::string table;
  for (const Check* check : checks()) {
    const auto found = proofs.find(check->info.name);
    CAPTURE(check->info.name);
    CHECK((found != proofs.end()) == !check->info.proven.empty());
    table += row_of(check->info, found == proofs.end() ? std::set<std::string>() : found->second);
  }
  for (const auto& [name, tests] : proofs) {
    CAPTURE(name);
    CHECK(find_check(name) != nullptr);
  }
  INFO("the table of docs/checks.md should be:\n" << table);
  CHECK(ok(read_file(kSource / "docs/checks.md")).find(table) != std::string::npos);
}
