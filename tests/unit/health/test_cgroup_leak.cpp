#include "tests/unit/health/check_reading.hpp"

using namespace grit;

namespace {

struct Machine {
  test::KernelFiles tree{};
  test::CheckUnderTest check{"cgroup_leak"};
  Machine() {
    check.look_at(tree);
    tree.write("proc/self/cgroup", "0::/user.slice\n");
    tree.write("proc/self/mountinfo",
               fmt::format("30 20 0:26 / {} rw shared:4 - cgroup2 cgroup rw\n", (tree.root() / "unified").string()));
  }
  void write(std::int64_t of_memory, std::int64_t living, std::int64_t dying) const {
    tree.write("proc/cgroups", fmt::format("#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t99999\t1\n"
                                           "memory\t4\t{}\t1\n",
                                           of_memory));
    tree.write("unified/cgroup.stat", fmt::format("nr_descendants {}\nnr_dying_descendants {}\n", living, dying));
  }
};

}  // namespace

TEST_CASE("cgroup_leak: how many groups there are, and how many keep memory though they were removed") {
  Machine machine;
  machine.write(54, 0, 0);
  REQUIRE(worst_of(machine.check.read()) == Severity::ok);
  machine.write(40'000, 0, 0);
  REQUIRE(machine.check.read_of("groups").severity == Severity::warning);
  machine.write(60'000, 0, 0);
  REQUIRE(machine.check.read_of("groups").severity == Severity::critical);
  machine.write(54, 30'000, 29'000);  // a kernel that does not count those of version 2 there
  const auto outcomes = machine.check.read();
  REQUIRE(outcomes[0].severity == Severity::critical);
  REQUIRE(outcomes[0].value == 59'000);
  REQUIRE(outcomes[1].subject == "removed groups");
  REQUIRE(outcomes[1].severity == Severity::warning);
  machine.tree.remove("unified");
  REQUIRE(machine.check.read_one().severity == Severity::ok);
  machine.tree.remove("proc/cgroups");
  REQUIRE_FALSE(machine.check.try_read().has_value());
}

TEST_CASE("cgroup_leak: files that are something else are no alarm") {
  Machine machine;
  for (const std::string& text : test::hostile_texts()) {
    machine.tree.write("proc/cgroups", text + "\nmemory " + text);
    machine.tree.write("unified/cgroup.stat", "nr_descendants " + text);
    const auto read = machine.check.try_read();
    REQUIRE((!read || worst_of(*read) == Severity::ok));
  }
}

TEST_CASE("cgroup_leak: this machine's groups are fewer than the kernel can have, and more than none") {
  if (!std::filesystem::exists("/proc/cgroups")) return test::skip("a kernel without control groups");
  test::CheckUnderTest check("cgroup_leak"), strict("cgroup_leak", {{"warning", 1}});
  REQUIRE(check.read().front().severity == Severity::ok);
  const Outcome many = strict.read().front();
  REQUIRE(many.severity == Severity::warning);
  test::proves("cgroup_leak", many);
}
