#include <sys/mount.h>

#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

constexpr const char* kHead = "27 1 254:0 / / rw,relatime - ext4 /dev/mapper/vg-root rw\n";

Outcome look(const std::filesystem::path& directory) {
  return test::CheckUnderTest("disk_space", {{"directories", directory.string()}}).read_one();
}

void fill(const std::filesystem::path& file, std::size_t bytes) { std::ofstream(file) << std::string(bytes, 'x'); }

}  // namespace

TEST_CASE("disk_space: a file system that fills, in bytes and in files") {
  const test::TempDirectory directory;
  test::in_namespaces([&] {
    const auto mount = directory.path() / "a b";
    std::filesystem::create_directory(mount);
    REQUIRE(::mount("none", mount.c_str(), "tmpfs", 0, "size=4M,nr_inodes=100") == 0);
    std::filesystem::create_directory(mount / "below");
    REQUIRE(look(mount / "below").severity == Severity::ok);
    REQUIRE(look(mount / "below").subject == mount.string());
    fill(mount / "most", 3'900'000);
    const Outcome little = look(mount);
    REQUIRE(little.severity == Severity::warning);
    REQUIRE(little.value.value_or(1) < 0.10);
    fill(mount / "rest", 250'000);
    REQUIRE(look(mount).severity == Severity::critical);
    const Json large{{"directories", mount.string()}, {"space_critical_bytes", 1000}};  // as if it were
    REQUIRE(test::CheckUnderTest("disk_space", large).read_one().severity == Severity::warning);
    std::filesystem::remove(mount / "most");
    REQUIRE(look(mount).severity == Severity::ok);
    for (int i = 0; i < 93; ++i) fill(mount / std::to_string(i), 0);
    REQUIRE(look(mount).severity == Severity::warning);
    REQUIRE(look(mount).hint == "df -i");
    for (int i = 93; i < 96; ++i) fill(mount / std::to_string(i), 0);
    REQUIRE(look(mount).severity == Severity::critical);
  });
}

TEST_CASE("disk_space: one that becomes read-only, and one that always was") {
  const test::TempDirectory directory;
  test::in_namespaces([&] {
    const std::string mount = directory.path().string();
    REQUIRE(::mount("none", mount.c_str(), "tmpfs", 0, "size=1M") == 0);
    test::CheckUnderTest check("disk_space", {{"directories", mount}});
    REQUIRE(check.read_one().severity == Severity::ok);
    REQUIRE(::mount("none", mount.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) == 0);
    for (int i = 0; i < 2; ++i) {
      const Outcome outcome = check.read_one();
      REQUIRE(outcome.severity == Severity::critical);
      REQUIRE(outcome.detail == "has become read-only");
    }
    REQUIRE(look(mount).severity == Severity::ok);
    REQUIRE(look(mount).detail == "is read-only: not looked at");
  });
}

TEST_CASE("disk_space: one that the kernel made read-only, though it was mounted for writing") {
  test::KernelFiles tree;
  tree.write("proc/self/mountinfo",
             "27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda ro,errors=remount-ro\n");
  test::CheckUnderTest check("disk_space", {{"directories", "/"}});
  check.proc = tree.proc();
  CHECK(check.read_one().severity == Severity::critical);
  tree.write("proc/self/mountinfo", "27 1 254:0 / / rw - squashfs /dev/vda ro\n");
  CHECK(check.read_one().severity != Severity::critical);
}

TEST_CASE("disk_space: errors that ext4 has met, now and before") {
  test::KernelFiles tree;
  tree.write("proc/self/mountinfo", kHead);
  tree.link("sys/dev/block/254:0", "../../devices/virtual/block/dm-0");
  tree.write("sys/fs/ext4/dm-0/errors_count", "0\n");
  test::CheckUnderTest check("disk_space", {{"directories", "/"}, {"space_warning", 0.0}, {"space_critical", 0.0}});
  check.look_at(tree);
  CHECK(check.read_one().severity == Severity::ok);
  tree.write("sys/fs/ext4/dm-0/errors_count", "2\n");
  const Outcome now = check.read_one();
  CHECK(now.severity == Severity::critical);
  CHECK(now.detail.ends_with("; 2 errors of the file system more"));
  CHECK(check.read_one().severity == Severity::warning);
  tree.write("sys/fs/ext4/dm-0/errors_count", "18446744073709551615\n");
  CHECK(check.read_one().severity == Severity::ok);
}

TEST_CASE("disk_space: file systems are named once, and what is not there is said only of what was asked for") {
  test::KernelFiles tree;
  tree.write("proc/self/mountinfo", kHead);
  test::CheckUnderTest check("disk_space", {{"directories", "/usr, /etc,,/none"}});
  check.proc = tree.proc();
  const auto outcomes = check.read();
  REQUIRE(outcomes.size() == 2);
  CHECK(outcomes[0].subject == "/");
  CHECK(outcomes[1].subject == "/none");
  CHECK(outcomes[1].severity == Severity::unknown);
  tree.write("proc/self/mountinfo", "\xff\xfe\n27 1\n- - - - - - - - - -\n" + std::string(100'000, 'x'));
  CHECK_FALSE(test::CheckUnderTest(check).try_read().value_or(std::vector<Outcome>{}).front().severity ==
              Severity::critical);
  test::CheckUnderTest all("disk_space");
  all.proc = tree.proc();
  CHECK_FALSE(all.try_read());
  tree.remove("proc");
  CHECK_FALSE(all.try_read());
}

TEST_CASE("disk_space: this machine") {
  test::CheckUnderTest check("disk_space");
  for (const Outcome& one : check.read()) CHECK(one.severity != Severity::critical);
}
