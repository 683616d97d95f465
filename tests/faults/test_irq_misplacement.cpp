// irq_misplacement taken off where the interrupts are files; with hardware: tests/vm.
#include <sys/mount.h>

#include <fstream>

#include "harness/os/identity.hpp"
#include "injectors/faults.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
using grit::test::ok;
namespace fs = std::filesystem;

TEST_CASE("irq_misplacement: one interrupt that does not come back keeps no other away, what others set stays") {
  test::in_namespaces([] {
    const test::TempDirectory files;
    Json moved = Json::array();
    const auto add = [&](int number, const std::string& cpus_now) {
      for (const char* directory : {"sys", "proc"})
        fs::create_directories(files.path() / directory / std::to_string(number));
      std::ofstream(files.path() / "sys" / std::to_string(number) / "actions") << "eth0-rx-" << number << "\n";
      std::ofstream(files.path() / "proc" / std::to_string(number) / "smp_affinity_list") << cpus_now << "\n";
      moved.push_back({{"before", {{"number", number}, {"action", fmt::format("eth0-rx-{}", number)}, {"cpus", "0-1"}}},
                       {"core", 3}});
    };
    add(5, "3");
    add(6, "3");
    add(7, "2");  // by somebody else, meanwhile
    fs::remove(files.path() / "proc/5/smp_affinity_list");
    for (const auto& [directory, place] : {std::pair("sys", "/sys/kernel/irq"), std::pair("proc", "/proc/irq")})
      REQUIRE(::mount((files.path() / directory).c_str(), place, nullptr, MS_BIND, nullptr) == 0);
    const auto cpus = [&](int number) {
      const std::string text = ok(read_file(fmt::format("/proc/irq/{}/smp_affinity_list", number)));
      return text.substr(0, 3);
    };
    const Json record{{"boot_id", ok(boot_id())}, {"interrupts", moved}};
    ok(irq_misplacement().check_undo(record));
    REQUIRE_FALSE(irq_misplacement().revert(record).has_value());
    REQUIRE(cpus(6) == "0-1");
    REQUIRE(cpus(7) == "2\n");
  });
}
