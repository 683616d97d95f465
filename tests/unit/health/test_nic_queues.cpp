#include <fstream>

#include "harness/health/checks/nic_queues.hpp"
#include "tests/temp_directory.hpp"
#include "tests/two_nodes.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// What a driver answers, from reading to reading.
struct Driver {
  std::vector<DriverStatistic> statistics{};
  StatisticsJudge judge{};
  CheckMemory memory{};
  Params params{ok(complete_params(find_check("nic_queues")->info.params, Json::object()))};
  std::int64_t now_ns = 0;

  std::vector<Outcome> read() {
    memory.begin(now_ns += 10 * kNsPerS);
    return judge.judge("eth0", statistics, params, memory);
  }
  /// After a quiet first reading.
  std::vector<Outcome> read_after(std::size_t index, std::uint64_t more) {
    memory.clear();
    read();
    statistics[index].value += more;
    return read();
  }
};

/// As mlx5 names them.
Driver mlx5() {
  Driver driver;
  for (const char* name :
       {"rx_packets", "rx3_wqe_err", "rx_out_of_buffer", "rx_prio3_discards", "rx_crc_errors_phy",
        "rx_prio3_pause_duration", "tx_global_pause_duration", "rx_pause_ctrl_phy", "tx_pause_storm_error_events",
        "module_unplug", "rx_oversize_pkts_phy", "link_down_events_phy", "rx_corrected_bits_phy", "rx7_xdp_drop"})
    driver.statistics.push_back({name, 1000});
  return driver;
}

}  // namespace

TEST_CASE("nic_queues: each kind of counter alarms as its kind does, and names its queue or priority") {
  Driver driver = mlx5();
  const auto severity = [&](std::size_t index, std::uint64_t more) { return worst_of(driver.read_after(index, more)); };
  REQUIRE(driver.read().size() == 1);
  REQUIRE(driver.read()[0].severity == Severity::ok);
  REQUIRE(severity(0, 1'000'000) == Severity::ok);
  REQUIRE(severity(2, 99) == Severity::ok);  // in 10 s
  REQUIRE(severity(2, 100) == Severity::warning);
  REQUIRE(severity(4, 1) == Severity::warning);
  REQUIRE(severity(5, 99'000) == Severity::ok);  // us in 10 s
  REQUIRE(severity(5, 100'000) == Severity::warning);
  REQUIRE(severity(6, 100'000) == Severity::warning);
  REQUIRE(severity(7, 1'000'000) == Severity::ok);  // pause frames are no alarm by themselves
  REQUIRE(driver.read_after(7, 5)[0].detail.find("5 pause frames received") != std::string::npos);
  REQUIRE(severity(8, 1) == Severity::critical);
  REQUIRE(severity(9, 1) == Severity::critical);
  REQUIRE(severity(10, 1) == Severity::warning);
  REQUIRE(severity(11, 1) == Severity::warning);
  REQUIRE(severity(12, 1'000'000) == Severity::ok);
  REQUIRE(severity(13, 1'000'000) == Severity::ok);
  const auto queue = driver.read_after(1, 1);
  REQUIRE(queue.size() == 2);
  REQUIRE(queue[1].subject == "eth0/rx3");
  REQUIRE(queue[1].detail == "errors: rx3_wqe_err +1");
  REQUIRE(driver.read_after(3, 500)[1].subject == "eth0/prio3");
  REQUIRE(driver.read().size() == 1);  // well again
}

TEST_CASE("nic_queues: counters that start anew, appear, or are not numbers") {
  Driver driver = mlx5();
  driver.read();
  driver.statistics[4].value = 0;  // the driver was loaded again
  REQUIRE(worst_of(driver.read()) == Severity::ok);
  driver.statistics.push_back({"rx9_wqe_err", 0});  // a queue was added
  REQUIRE(worst_of(driver.read()) == Severity::ok);
  driver.statistics.back().value = 2;
  REQUIRE(driver.read().back().subject == "eth0/rx9");
  driver.statistics.push_back({"\xff\x1b[31m_err\n", 0});
  driver.statistics.push_back({"", 0});
  REQUIRE(worst_of(driver.read()) == Severity::ok);
  driver.statistics[driver.statistics.size() - 2].value = 1;
  const std::string hostile = driver.read()[0].detail;
  REQUIRE(hostile.find('\x1b') == std::string::npos);
  driver.statistics[4].value = UINT64_MAX - 5;  // no counter comes so far
  REQUIRE(worst_of(driver.read()) == Severity::ok);
  driver.statistics[4].value = 0;
  REQUIRE(worst_of(driver.read()) == Severity::ok);
  driver.statistics.clear();
  REQUIRE(worst_of(driver.read()) == Severity::ok);
}

TEST_CASE("nic_queues: two counters that begin to read all ones are a device that is gone") {
  Driver driver = mlx5();
  driver.statistics[0].value = UINT64_MAX;  // one that it never had
  driver.read();
  REQUIRE(worst_of(driver.read()) == Severity::ok);
  driver.statistics[3].value = UINT64_MAX;
  REQUIRE(worst_of(driver.read()) == Severity::ok);
  driver.statistics[4].value = UINT64_MAX;
  const auto gone = driver.read();
  REQUIRE(gone[0].severity == Severity::critical);
  REQUIRE(gone[0].detail == "3 of its counters read all ones: the device does not answer");
  driver.statistics[3].value = driver.statistics[4].value = 1001;  // back again: what it counted meanwhile is not said
  driver.read();
  REQUIRE(worst_of(driver.read()) == Severity::ok);
}

TEST_CASE("nic_queues: many queues with trouble fill no report") {
  Driver driver;
  for (int queue = 0; queue < 200; ++queue) driver.statistics.push_back({fmt::format("rx{}_wqe_err", queue), 0});
  driver.read();
  for (DriverStatistic& one : driver.statistics) ++one.value;
  const auto outcomes = driver.read();
  REQUIRE(outcomes.size() == 1 + StatisticsJudge::kMostParts);
  REQUIRE(outcomes[0].detail.find("200 queues and priorities alarm") != std::string::npos);
}

TEST_CASE("nic_queues: asks real drivers, and the device's own configuration on its bus") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    const test::TempDirectory sys;
    const auto device = sys.path() / "bus/pci/devices/0000:81:00.0";
    std::filesystem::create_directories(device);
    test::CheckUnderTest check("nic_queues");
    check.sys = sys.path();
    check.node.nics = {{.name = "eth0", .role = NicRole::data, .pci = "0000:81:00.0"}};
    REQUIRE(check.read_of("eth0").detail == "first reading");
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    std::ofstream(device / "config", std::ios::binary) << "\x86\x80\x01\x02";
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    std::ofstream(device / "config", std::ios::binary) << "\xff\xff\xff\xff";
    REQUIRE(check.read_of("eth0").severity == Severity::critical);
    std::ofstream(device / "power_state") << "D3cold\n";
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    // A virtual function's own vendor and device read all ones: its physical function tells.
    const auto physical = sys.path() / "bus/pci/devices/0000:80:00.0";
    std::filesystem::create_directories(physical);
    std::filesystem::remove(device / "power_state");
    std::filesystem::create_symlink("../0000:80:00.0", device / "physfn");
    std::ofstream(physical / "config", std::ios::binary) << "\x86\x80\x01\x02";
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    std::ofstream(physical / "config", std::ios::binary) << "\xff\xff\xff\xff";
    const Outcome gone = check.read_of("eth0");
    REQUIRE(gone.severity == Severity::critical);
    REQUIRE(gone.detail.find("0000:80:00.0") != std::string::npos);
    ok(nodes.node.create_bridge("br0"));
    check.node.nics = {{.name = "br0", .role = NicRole::data, .lower = {"eth0"}}, {.name = "eth0", .up = true}};
    REQUIRE(check.read_of("br0").not_here);
    REQUIRE(check.read_of("eth0").severity == Severity::ok);  // what it stands on
    check.node.nics.clear();
    REQUIRE(check.read_one().not_here);
  });
}
