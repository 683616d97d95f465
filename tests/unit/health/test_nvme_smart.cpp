#include "tests/kernel_files.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;

namespace {

/// A drive that no machine has, so that none is asked for its log.
struct Machine : test::KernelFiles {
  Machine() { write_drive("live"); }
  void write_drive(const std::string& state, const std::string& transport = "pcie") {
    write("sys/class/nvme/nvme977/state", state + "\n");
    write("sys/class/nvme/nvme977/transport", transport + "\n");
    write("sys/class/nvme/nvme977/model", "A drive with a name of many words                \n");
  }
  void write_temperature(int millidegrees, int alarm) {
    write("sys/class/nvme/nvme977/hwmon3/temp1_input", fmt::format("{}\n", millidegrees));
    write("sys/class/nvme/nvme977/hwmon3/temp1_alarm", fmt::format("{}\n", alarm));
  }
};

test::CheckUnderTest check_on(const Machine& machine) {
  test::CheckUnderTest check("nvme_smart");
  check.sys = machine.sys();
  return check;
}

}  // namespace

TEST_CASE("nvme_smart: a drive that may not be asked is not known, but for its temperature") {
  Machine machine;
  auto check = check_on(machine);
  const Outcome unknown = check.read_one();
  CHECK(unknown.severity == Severity::unknown);
  CHECK(unknown.detail.starts_with("A drive with a name of many words: "));
  CHECK(unknown.detail.find("/dev/nvme977") != std::string::npos);
  machine.write_temperature(41'850, 0);
  CHECK(check.read_one().severity == Severity::unknown);
  CHECK(check.read_one().detail.find("42 degC") != std::string::npos);
  machine.write_temperature(91'000, 1);
  const Outcome hot = check.read_one();
  CHECK(hot.severity == Severity::warning);
  CHECK(hot.subject == "nvme977");
  CHECK(hot.detail.find("too hot: 91 degC") != std::string::npos);
}

TEST_CASE("nvme_smart: what the driver does with it") {
  Machine machine;
  auto check = check_on(machine);
  machine.write_drive("resetting");
  CHECK(check.read_one().severity == Severity::ok);
  CHECK(check.read_one().severity == Severity::warning);
  machine.write_drive("dead");
  CHECK(check.read_one().severity == Severity::critical);
  machine.write_drive("live", "tcp");
  check = check_on(machine);
  CHECK(check.read_one().severity == Severity::ok);
  CHECK(check.read_one().detail.find("only its state is known") != std::string::npos);
  machine.write_drive("\x1b[31m" + std::string(100'000, 'x'), "tcp");
  check.read();
  const Outcome hostile = check.read_one();
  CHECK(hostile.severity == Severity::warning);
  CHECK(hostile.detail.size() < 300);
  CHECK(hostile.detail.find('\x1b') == std::string::npos);
}

TEST_CASE("nvme_smart: a drive that is gone") {
  Machine machine;
  machine.write("sys/class/nvme/nvme978/state", "live\n");
  machine.write("sys/class/nvme/nvme978/transport", "pcie\n");
  auto check = check_on(machine);
  CHECK(check.read().size() == 2);
  machine.remove("sys/class/nvme/nvme978");
  CHECK(check.read_of("drives").severity == Severity::warning);
  CHECK(check.read_one().subject == "nvme977");  // it is gone: that is how the machine is now
  machine.remove("sys/class/nvme/nvme977");
  CHECK(check.read_one().detail == "1 of 1 NVMe drives are gone since the last reading");
  CHECK(check.read_one().not_here);
}

TEST_CASE("nvme_smart: a volume that somebody detaches is no drive that is gone") {
  Machine machine;
  for (const auto& [transport, model] : {std::pair{"tcp", "Linux"}, {"pcie", "Amazon Elastic Block Store        "}}) {
    machine.write("sys/class/nvme/nvme978/state", "live\n");
    machine.write("sys/class/nvme/nvme978/transport", std::string(transport) + "\n");
    machine.write("sys/class/nvme/nvme978/model", std::string(model) + "\n");
    auto check = check_on(machine);
    CHECK(check.read().size() == 2);
    machine.remove("sys/class/nvme/nvme978");
    CHECK(check.read_one().subject == "nvme977");
  }
}

TEST_CASE("nvme_smart: a machine without NVMe drives") {
  test::KernelFiles tree;
  test::CheckUnderTest check("nvme_smart");
  check.sys = tree.sys();
  CHECK(check.read_one().not_here);
  tree.make_directory("sys/class/nvme/nvme-subsys0");
  CHECK(check.read_one().not_here);
}
