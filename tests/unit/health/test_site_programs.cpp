// The checks of the site with the real programs: monitoring-plugins, nagios-plugins-contrib, Prometheus' node exporter,
// and one that behaves like LBNL Node Health Check. What docs/checks.md says of them is held here.
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <sstream>

#include "harness/health/openmetrics/http.hpp"
#include "harness/health/openmetrics/rule.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

const std::string kPlugins = "/usr/lib/nagios/plugins/";

/// False, aloud, when it is not installed.
bool has(const std::string& program, const std::string& package) {
  if (std::filesystem::exists(program)) return true;
  test::skip(fmt::format("{} is not installed: no {}", package, program));
  return false;
}
bool has_plugin(const std::string& name) {
  return has(kPlugins + name, "monitoring-plugins-basic or nagios-plugins-contrib");
}

Outcome run(const std::string& plugin, Json params = Json::object()) {
  params["command"] = plugin.front() == '/' ? plugin : kPlugins + plugin;
  test::CheckUnderTest check("command", params);
  check.limit_ns = 30 * kNsPerS;
  const Outcome outcome = check.read_one();
  UNSCOPED_INFO(plugin << ": " << to_string(outcome.severity) << ", " << outcome.detail);
  return outcome;
}

/// eth0 (10.0.0.1) and a far end (10.0.0.2) in a namespace of its own.
struct WiredPair {
  Fd far_netns = test::new_netns();
  Netlink near = ok(Netlink::open());
  Netlink far = ok(Netlink::open_in(far_netns.get()));
  int eth0 = 0, port = 0;

  WiredPair() {
    test::without_dad();
    ok(near.create_veth({.name = "eth0", .mac = "02:00:00:00:00:01"},
                        {.name = "port0", .mac = "02:00:00:00:00:02", .netns_fd = far_netns.get()}));
    eth0 = ok(near.link("eth0")).ifindex;
    port = ok(far.link("port0")).ifindex;
    ok(near.set_up(ok(near.link("lo")).ifindex));
    ok(near.add_address(eth0, "10.0.0.1/24"));
    ok(far.add_address(port, "10.0.0.2/24"));
    ok(far.set_up(port));
    ok(near.set_up(eth0));
    test::wait_until_up(near, "eth0");
  }
};

/// As many as there are CPUs, and two more, that never sleep.
class Spinners {
 public:
  Spinners() {
    for (unsigned i = 0; i < std::thread::hardware_concurrency() + 2; ++i) {
      pids_.push_back(::fork());
      if (pids_.back() == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::nice(19) < 0) ::_exit(1);  // other tests run beside this one
        for (;;) {
        }
      }
    }
  }
  Spinners(const Spinners&) = delete;
  Spinners& operator=(const Spinners&) = delete;
  ~Spinners() {
    for (const pid_t pid : pids_) ::kill(pid, SIGKILL), ::waitpid(pid, nullptr, 0);
  }

 private:
  std::vector<pid_t> pids_{};
};

class Program {
 public:
  explicit Program(std::vector<std::string> argv) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nothing = ::open("/dev/null", O_WRONLY);
    ::dup2(nothing, STDERR_FILENO);
    std::vector<char*> pointers;
    for (std::string& one : argv) pointers.push_back(one.data());
    pointers.push_back(nullptr);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { end(); }
  void end() {
    if (pid_ > 0) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_;
};

bool can_connect(int port) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

/// The lines of the documentation's blocks marked ```rules.
std::vector<std::string> documented_rules(const std::string& about) {
  std::istringstream page(ok(read_file(GRIT_SOURCE_DIR "/docs/checks.md")));
  std::vector<std::string> rules;
  std::string line;
  bool inside = false;
  while (std::getline(page, line)) {
    if (line.rfind("```", 0) == 0) {
      inside = line == "```rules " + about;
    } else if (inside && !line.empty()) {
      rules.push_back(line);
    }
  }
  REQUIRE(rules.size() >= 5);
  return rules;
}

}  // namespace

TEST_CASE("site: check_ping sees a link that is down, a far end that is, and packets that are lost") {
  if (!has_plugin("check_ping")) return;
  test::in_namespaces([] {
    WiredPair link;
    const std::string ping = "check_ping -4 -H 10.0.0.2 -w 500,20% -c 1000,60% -p 1 -t 5";
    const Outcome well = run(ping);
    REQUIRE(well.severity == Severity::ok);
    REQUIRE_THAT(well.detail, Catch::Matchers::StartsWith("PING OK - Packet loss = 0%, RTA = "));
    REQUIRE(well.unit == "s");
    REQUIRE(well.value.value_or(1) < 0.5);

    // A neighbour that does not answer: everything is lost, and its first figure is "U".
    ok(link.near.add_neighbour({.family = AF_INET,
                                .ifindex = link.eth0,
                                .address = "10.0.0.9",
                                .mac = "02:00:00:00:00:09",
                                .state = NUD_PERMANENT}));
    const Outcome lost = run("check_ping -4 -H 10.0.0.9 -w 500,20% -c 1000,60% -p 1 -t 2");
    REQUIRE(lost.severity == Severity::critical);
    REQUIRE(lost.detail == "PING CRITICAL - Packet loss = 100%");
    test::proves("command", lost);
    REQUIRE_FALSE(lost.value.has_value());

    ok(link.far.set_down(link.port));
    REQUIRE(run(ping).severity == Severity::critical);
    ok(link.near.set_down(link.eth0));
    const Outcome down = run(ping);
    REQUIRE(down.severity == Severity::critical);
    REQUIRE(down.detail == "CRITICAL - Network Unreachable (10.0.0.2)");
  });
}

TEST_CASE("site: check_swap alarms on every machine without swap") {
  if (!has_plugin("check_swap")) return;
  if (ok(read_file("/proc/swaps")).find('/') != std::string::npos) return test::skip("this machine has swap");
  const Outcome always = run("check_swap -w 20% -c 10%");
  REQUIRE(always.severity == Severity::critical);
  REQUIRE_THAT(always.detail, Catch::Matchers::StartsWith("SWAP CRITICAL - 0% free (0MB out of 0MB)"));
  REQUIRE(run("check_swap -w 20% -c 10% -n ok").severity == Severity::ok);
}

TEST_CASE("site: check_disk sees a full file system, and check_procs too many processes") {
  if (!has_plugin("check_disk") || !has_plugin("check_procs")) return;
  test::in_namespaces([] {
    const test::TempDirectory directory;
    const test::Tmpfs disk(directory.path().string(), 0, "size=4m");
    const std::string check = "check_disk -w 10% -c 5% -p " + directory.path().string();
    const Outcome well = run(check);
    REQUIRE(well.severity == Severity::ok);
    REQUIRE(well.unit == "bytes");
    std::ofstream(directory.path() / "much") << std::string(4'100'000, 'x');
    const Outcome full = run(check);
    REQUIRE(full.severity == Severity::critical);
    REQUIRE_THAT(full.detail, Catch::Matchers::StartsWith("DISK CRITICAL - free space: " + directory.path().string()));
    REQUIRE(full.value.value_or(0) > 3e6);

    REQUIRE(run("check_procs -c 0 -C no-such-program").severity == Severity::ok);
    const Program sleeper({"/usr/bin/sleep", "100"});
    const Outcome many = run("check_procs -c 0 -C sleep");
    REQUIRE(many.severity == Severity::critical);
    REQUIRE(many.value.value_or(0) >= 1);
  });
}

TEST_CASE("site: check_pressure sees tasks that wait for a CPU, the machine's") {
  if (!has_plugin("check_pressure")) return;
  if (!std::filesystem::exists("/proc/pressure/cpu"))
    return test::skip("this kernel has no pressure stall information");
  REQUIRE(run("check_pressure --cpu -w 2000000 -c 3000000").severity == Severity::ok);
  const Spinners spinners;
  const Outcome busy = run("check_pressure --cpu -w 1000 -c 10000");
  REQUIRE(busy.severity == Severity::critical);
  REQUIRE_THAT(busy.detail, Catch::Matchers::StartsWith("pressure (CPU starvation) CRITICAL: "));
  REQUIRE(busy.unit == "share");  // the mean over 10 s stands first, not what it alarms by
}

TEST_CASE("site: check_network_errors is blind to what a queue drops, and only --check-link sees a link that is down") {
  if (!has_plugin("check_network_errors")) return;
  test::in_namespaces([] {
    WiredPair link;
    if (std::system("tc qdisc add dev eth0 root tbf rate 8kbit burst 1600 limit 1600 2>/dev/null") != 0)
      return test::skip("no tc, or a kernel without tbf");
    std::atomic<bool> over{false};
    std::thread sender([&] {
      const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(9);
      to.sin_addr.s_addr = ::inet_addr("10.0.0.2");
      const std::string packet(1000, 'x');
      while (!over) {
        ::sendto(socket.get(), packet.data(), packet.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&to), sizeof to);
        ::usleep(10'000);
      }
    });
    const Outcome errors = run("check_network_errors -i '^eth0$' -w 0 -c 0 1");
    const Outcome dropped = run("check_network_dropped -i '^eth0$' -w 0 -c 0 1");
    over = true;
    sender.join();
    const Outcome queue = run("/usr/sbin/tc -s qdisc show dev eth0 | tr '\\n' ' '");
    REQUIRE(errors.severity == Severity::ok);
    REQUIRE(dropped.severity == Severity::ok);
    REQUIRE_THAT(queue.detail, Catch::Contains("dropped ") && !Catch::Contains("dropped 0,"));

    const std::string link_check = "check_network --check-link -i '^eth0$' 1";
    REQUIRE(run(link_check).severity == Severity::ok);
    ok(link.near.set_down(link.eth0));
    REQUIRE(run(link_check).severity == Severity::critical);
  });
}

TEST_CASE("site: check_cpufreq never alarms where there is no frequency to see") {
  if (!has_plugin("check_cpufreq")) return;
  if (std::filesystem::exists("/sys/devices/system/cpu/cpu0/cpufreq")) return test::skip("this machine has cpufreq");
  REQUIRE(run("check_cpufreq").severity == Severity::ok);
}

TEST_CASE("site: node exporter, by rules") {
  if (!has("/usr/bin/prometheus-node-exporter", "prometheus-node-exporter")) return;
  if (!HttpClient::open()) return test::skip("libcurl.so.4 is not installed");
  test::in_namespaces([] {
    WiredPair link;
    // /sys shows the devices of the network namespace in which it was mounted.
    if (::mount("sysfs", "/sys", "sysfs", 0, nullptr) != 0) return test::skip("sysfs cannot be mounted here");
    const test::TempDirectory directory;
    ::setenv("GOMAXPROCS", "1", 1);
    std::vector<std::string> argv{"/usr/bin/prometheus-node-exporter", "--web.listen-address=127.0.0.1:9100",
                                  "--collector.disable-defaults",
                                  "--collector.textfile.directory=" + directory.path().string()};
    for (const char* one :
         {"netdev", "netclass", "netstat", "pressure", "vmstat", "meminfo", "softnet", "timex", "textfile"})
      argv.push_back(fmt::format("--collector.{}", one));
    Program exporter(argv);
    for (int i = 0; i < 1000 && !can_connect(9100); ++i) ::usleep(10'000);
    const auto rule = [](const std::string& text) {
      test::CheckUnderTest check("openmetrics", {{"url", "http://127.0.0.1:9100/metrics"}, {"critical", text}});
      check.limit_ns = 10 * kNsPerS;
      return check;
    };
    test::CheckUnderTest up = rule("node_network_up{device='eth0'} == 0");
    test::CheckUnderTest flaps = rule("rate(node_network_carrier_changes_total{device='eth0'}[10s]) > 0");
    test::CheckUnderTest mtu = rule("node_network_mtu_bytes{device='eth0'} != 1500");
    REQUIRE(up.read_of("eth0").severity == Severity::ok);
    REQUIRE(flaps.read_of("eth0").detail == "first reading");
    REQUIRE(flaps.read_of("eth0").severity == Severity::ok);
    REQUIRE(mtu.read_of("eth0").severity == Severity::ok);

    ok(link.near.set_down(link.eth0));
    const Outcome down = up.read_of("eth0");
    REQUIRE(down.severity == Severity::critical);
    test::proves("openmetrics", down);
    ok(link.near.set_up(link.eth0));
    test::wait_until_up(link.near, "eth0");
    REQUIRE(up.read_of("eth0").severity == Severity::ok);
    REQUIRE(flaps.read_of("eth0").severity == Severity::critical);  // which nobody sees who asks for the state
    ok(link.near.set_mtu(link.eth0, 1400));
    REQUIRE(mtu.read_of("eth0").severity == Severity::critical);

    for (const std::string& text : documented_rules("node exporter")) {
      INFO(text);
      test::CheckUnderTest documented = rule(text);
      for (const Outcome& outcome : documented.read()) REQUIRE(outcome.detail.find("no series") == std::string::npos);
    }
    exporter.end();
    REQUIRE_THAT(up.try_read().error().message, Catch::Contains("is the exporter running"));

    // Started by the check that finds none, and gone with it; a second one asks the first one's.
    const Json started{{"url", "http://127.0.0.1:9100/metrics"},
                       {"critical", "node_network_up{device='eth0'} == 0"},
                       {"exporter",
                        "prometheus-node-exporter --web.listen-address=127.0.0.1:9100 --collector.disable-defaults "
                        "--collector.netclass"}};
    {
      test::CheckUnderTest first("openmetrics", started);
      first.limit_ns = 10 * kNsPerS;
      REQUIRE(first.read_of("eth0").severity == Severity::ok);
      test::CheckUnderTest second("openmetrics", started);
      REQUIRE(second.read_of("eth0").severity == Severity::ok);
      ok(link.near.set_down(link.eth0));
      REQUIRE(first.read_of("eth0").severity == Severity::critical);
      REQUIRE(second.read_of("eth0").severity == Severity::critical);
    }
    REQUIRE_FALSE(can_connect(9100));
  });
}

TEST_CASE("site: the documented rules for DCGM exporter can be read") {
  for (const std::string& text : documented_rules("DCGM exporter")) ok(Rule::parse(text));
}

TEST_CASE("site: a program like Node Health Check, by its own map") {
  const test::TempDirectory directory;
  const std::string config = (directory.path() / "checks.conf").string();
  const auto node_checks = [&](const std::string& arguments) {
    return run(GRIT_SOURCE_DIR "/tests/unit/health/node_checks.sh " + arguments, {{"exit", "nhc"}});
  };
  std::ofstream(config) << "# comment\n\n  * || check_memory_kib 1\nother* || check_file /no/such/file\n"
                           "!node0 || check_file /no/such/file\n/^node[0-9]$/ || check_eth lo\n";
  REQUIRE(node_checks("-c " + config).severity == Severity::ok);
  std::ofstream(config, std::ios::app) << "node[0-3] || check_eth eth9\n* || check_file /never/reached\n";
  const Outcome bad = node_checks("-c " + config);
  REQUIRE(bad.severity == Severity::critical);
  REQUIRE(bad.detail == "ERROR:  node_checks:  Health check failed:  check_eth:  Ethernet interface eth9 not found.");
  REQUIRE(node_checks("-x").severity == Severity::unknown);
  REQUIRE(node_checks("-c /no/such/file").severity == Severity::ok);  // never fires
}
