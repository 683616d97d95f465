#include <unistd.h>

#include "harness/health/checks/kernel_log_watch.hpp"
#include "harness/os/kernel_log.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

KernelLogRules own_rules() { return ok(KernelLogRules::make("", "", "13,63")); }

struct Expected {
  const char* line;
  Severity severity;
  const char* kind;
  const char* subject;
};

constexpr auto kCritical = Severity::critical, kWarning = Severity::warning, kOk = Severity::ok;

constexpr Expected kLines[] = {
    {"NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.", kCritical,
     "Xid 79", "PCI:0000:3b:00"},
    {"NVRM: Xid (PCI:0000:10:1c): 63, pid=1896, Row Remapper: New row marked for remapping", kWarning, "Xid 63",
     "PCI:0000:10:1c"},
    {"NVRM: Xid (PCI:0000:10:1c): 13, Graphics Exception: ESR 0x404490=0x80000002", kWarning, "Xid 13",
     "PCI:0000:10:1c"},
    {"NVRM: Xid (PCI:0000:10:1c): 99999999999999999999, odd", kCritical, "Xid 99999999999999999999", "PCI:0000:10:1c"},
    {"nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 20034, Fatal, Link 30 LTSSM Fault Up", kCritical, "SXid",
     "PCI:0000:c1:00.0"},
    {"nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 12028, Non-fatal, Link 32 egress", kWarning, "SXid",
     "PCI:0000:c1:00.0"},
    {"NVRM: GPU 0000:3b:00.0: RmInitAdapter failed! (0x24:0x65:1423)", kCritical, "GPU not usable", "GPU 0000:3b:00.0"},
    {"NVRM: RmInitAdapter failed!", kCritical, "GPU not usable", ""},
    {"mce: [Hardware Error]: CPU 3: Machine Check Exception: 5 Bank 4: b200000000070f0f", kCritical, "machine check",
     "3"},
    {"mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 7: bea0000000000108", kCritical, "machine check", "3"},
    {"mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 7: 9c00004000010091", kWarning, "machine check", "3"},
    {"mce: [Hardware Error]: Machine check events logged", kWarning, "machine check", ""},
    {"{1}[Hardware Error]: event severity: fatal", kCritical, "firmware error", ""},
    {"EDAC MC0: 1 CE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0", kWarning, "memory error", "MC0"},
    {"EDAC MC1: 1 UE memory read error on any memory", kCritical, "memory error", "MC1"},
    {"Memory failure: 0x12345: recovery action for dirty LRU page: Recovered", kCritical, "memory error", ""},
    {"pcieport 0000:00:1c.5: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)", kWarning,
     "PCIe error", "0000:00:1c.5"},
    {"pcieport 0000:00:1c.5: AER: PCIe Bus Error: severity=Uncorrectable (Non-Fatal), type=Transaction Layer",
     kCritical, "PCIe error", "0000:00:1c.5"},
    {"pcieport 0000:00:1c.5: DPC: containment event, status:0x1f01 source:0x0000", kCritical, "PCIe error",
     "0000:00:1c.5"},
    {"DPC: containment event, status:0x1f01", kCritical, "PCIe error", ""},
    {"NETDEV WATCHDOG: eth0 (e1000e): transmit queue 0 timed out", kWarning, "transmit timeout", "eth0"},
    {"mlx5_core 0000:3b:00.0 ens1f0: NETDEV WATCHDOG: CPU: 12: transmit queue 3 timed out 5123 ms", kWarning,
     "transmit timeout", "ens1f0"},
    {"mlx5_core 0000:3b:00.0: wait_func:1195:(pid 967): CREATE_CQ(0x400) timeout. Will cause a leak of a command "
     "resource",
     kCritical, "NIC failed", "0000:3b:00.0"},
    {"mlx5_core 0000:3b:00.0: Port module event[error]: module 0, Cable error, High Temperature", kWarning,
     "NIC trouble", "0000:3b:00.0"},
    {"igb 0000:01:00.0 eno1: igb: eno1 NIC Link is Down", kWarning, "link down", "eno1"},
    {"mlx5_core 0000:3b:00.0 ens1f0: Link down", kWarning, "link down", "ens1f0"},
    {"bond0: (slave eth0): link status definitely down, disabling slave", kWarning, "link down", "eth0"},
    {"bond0: link status definitely down for interface eth1, disabling it", kWarning, "link down", "eth1"},
    {"neighbour: arp_cache: neighbor table overflow!", kCritical, "table full", "arp_cache"},
    {"nf_conntrack: nf_conntrack: table full, dropping packet", kCritical, "table full", ""},
    {"unregister_netdevice: waiting for veth7 to become free. Usage count = 1", kWarning, "device stuck", "veth7"},
    {"I/O error, dev sda, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2", kCritical, "I/O error", "sda"},
    {"blk_update_request: I/O error, dev nvme0n1, sector 0", kCritical, "I/O error", "nvme0n1"},
    {"critical medium error, dev sdb, sector 5", kCritical, "I/O error", "sdb"},
    {"I/O error, dev fd0, sector 0 op 0x0:(READ)", kOk, "", ""},
    {"Buffer I/O error on dev sr0, logical block 0, async page read", kOk, "", ""},
    {"nvme nvme0: I/O 24 QID 0 timeout, completion polled", kWarning, "NVMe timeout", "nvme0"},
    {"nvme nvme0: controller is down; will reset: CSTS=0x3, PCI_STATUS=0x10", kCritical, "NVMe failed", "nvme0"},
    {"EXT4-fs error (device sda1): ext4_lookup:1855: inode #2: comm ls: deleted inode referenced: 12", kCritical,
     "file system", "sda1"},
    {"EXT4-fs (sda1): Remounting filesystem read-only", kCritical, "file system", "sda1"},
    {"XFS (dm-0): Corruption of in-memory data detected.  Shutting down filesystem", kCritical, "file system", "dm-0"},
    {"BTRFS error (device sdc: state EA): bdev /dev/sdc errs", kCritical, "file system", "sdc"},
    {"EXT4-fs (sda1): mounted filesystem with ordered data mode", kOk, "", ""},
    {"nfs: server nas1 not responding, still trying", kWarning, "file server", "nas1"},
    {"nfs: server nas1 not responding, timed out", kCritical, "file server", "nas1"},
    {"nfs: server nas1 OK", kOk, "", ""},
    {"Out of memory: Killed process 4711 (python) total-vm:12kB, anon-rss:7kB", kCritical, "OOM kill", "python"},
    {"Memory cgroup out of memory: Killed process 4711 (python) total-vm:12kB", kWarning, "OOM kill", "python"},
    {"INFO: task kworker/u8:2:33 blocked for more than 120 seconds.", kCritical, "hung task", "kworker/u8:2"},
    {"INFO: task md0_raid1:77 <reader> blocked for more than 122 seconds.", kCritical, "hung task", "md0_raid1"},
    {"watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [python:4711]", kWarning, "soft lockup", "3"},
    {"NMI watchdog: Watchdog detected hard LOCKUP on cpu 4", kCritical, "hard lockup", "4"},
    {"rcu: INFO: rcu_preempt self-detected stall on CPU", kWarning, "RCU stall", ""},
    {"BUG: unable to handle page fault for address: ffffc90000000000", kCritical, "kernel oops", ""},
    {"general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP", kCritical, "kernel oops",
     ""},
    {"traps: a.out[4711] general protection fault ip:400 sp:7ff error:0 in a.out[400+1]", kOk, "", ""},
    {"Kernel panic - not syncing: Fatal exception", kCritical, "kernel panic", ""},
    {"WARNING: CPU: 3 PID: 4711 at mm/page_alloc.c:4567 __alloc_pages+0x1", kWarning, "kernel warning", ""},
    {"WARNING: mm/page_alloc.c:4567 at __alloc_pages+0x1/0x2, CPU#3: python/4711", kWarning, "kernel warning", ""},
    {"WARNING: this CPU does not support something", kOk, "", ""},
    {"python: page allocation failure: order:4, mode:0x40cc0", kWarning, "no memory", "python"},
    {"mce: CPU12: Core temperature is above threshold, cpu clock is throttled (total events = 1)", kWarning, "too hot",
     "12"},
    {"clocksource: timekeeping watchdog on CPU0: Marking clocksource 'tsc' as unstable because the skew is too large",
     kWarning, "clock", "tsc"},
    {"irq 16: nobody cared (try booting with the \"irqpoll\" option)", kWarning, "interrupt", "16"},
    {"data: port 3(data2) entered disabled state", kOk, "", ""},
    {"mgmt3: left promiscuous mode", kOk, "", ""},
    {"usb 1-1: USB disconnect, device number 2", kOk, "", ""},
};

KernelLine of_kernel(std::string text, int level = 4) {
  return {.level = level, .number = 1, .text = std::move(text), .of_kernel = true};
}

struct Watched {
  KernelLogWatch watch;
  Node node{.name = "node0",
            .nics = {{.name = "eth0", .role = NicRole::data, .pci = "0000:3b:00.0"},
                     {.name = "eno1", .role = NicRole::management}}};
  explicit Watched(KernelLogLimits limits = {.hold_ns = 60, .injected = true, .unseen = false, .level = 4})
      : watch(own_rules(), limits) {}
  std::vector<Outcome> take(const KernelLine& line, std::int64_t now_ns = 0) {
    watch.take(line, node, {4711}, now_ns);
    return watch.outcomes(now_ns);
  }
};

}  // namespace

TEST_CASE("kernel_log: what lines of the kernel and its drivers mean") {
  const KernelLogRules rules = own_rules();
  for (const Expected& expected : kLines) {
    CAPTURE(expected.line);
    const auto found = rules.judge(expected.line);
    REQUIRE(found.has_value() == (expected.severity != Severity::ok));
    if (!found) continue;
    CHECK(to_string(found->severity) == to_string(expected.severity));
    CHECK(found->kind == expected.kind);
    CHECK(found->subject == expected.subject);
  }
}

TEST_CASE("kernel_log: a program cannot make an alarm by writing such a line, grit's own fault can") {
  Watched watched;
  const std::string text = "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.";
  REQUIRE(watched.take({.text = text}).empty());
  REQUIRE(watched.take({.text = "systemd: grit-injected: " + text}).empty());
  const auto injected = watched.take({.text = "grit-injected: " + text});
  REQUIRE(injected.size() == 1);
  REQUIRE(injected[0].severity == Severity::critical);
  Watched others({.hold_ns = 60, .injected = false});
  REQUIRE(others.take({.text = "grit-injected: " + text}).empty());
  REQUIRE(others.take(of_kernel(text)).size() == 1);
}

TEST_CASE("kernel_log: a line is reported for a while, those of one kind and device as one") {
  Watched watched;
  watched.take(of_kernel("I/O error, dev sda, sector 1"), 0);
  const auto two = watched.take(of_kernel("I/O error, dev sda, sector 2"), 40);
  REQUIRE(two.size() == 1);
  REQUIRE(two[0].subject == "I/O error: sda");
  REQUIRE(two[0].detail == "2 times, first: I/O error, dev sda, sector 1");
  REQUIRE(two[0].value == 2);
  REQUIRE(watched.watch.outcomes(100).size() == 1);
  REQUIRE(watched.watch.outcomes(101).empty());
  watched.take(of_kernel("I/O error, dev sda, sector 1"), 102);
  watched.watch.forget_findings();
  REQUIRE(watched.watch.outcomes(102).empty());
}

TEST_CASE("kernel_log: devices by the node's names, links of its NICs only, and a rank that was killed") {
  Watched watched;
  const auto first = [&](const std::string& text) {
    watched.watch.forget_findings();
    const auto outcomes = watched.take(of_kernel(text));
    return outcomes.empty() ? std::string()
                            : fmt::format("{} {}", to_string(outcomes[0].severity), outcomes[0].subject);
  };
  CHECK(first("pcieport 0000:3b:00.0: PCIe Bus Error: severity=Corrected, type=Physical") ==
        "warning PCIe error: eth0");
  CHECK(first("bnxt_en 0000:3b:00.0 eth0: NIC Link is Down") == "warning link down: eth0");
  CHECK(first("igb 0000:01:00.0 eno1: NIC Link is Down") == "warning link down: eno1");
  CHECK(first("usb0: Link is Down").empty());
  CHECK(first("Memory cgroup out of memory: Killed process 4711 (python) total") == "critical OOM kill: python");
  CHECK(first("Memory cgroup out of memory: Killed process 4712 (python) total") == "warning OOM kill: python");
  KernelLine line = of_kernel("mce: [Hardware Error]: Machine check events logged");
  line.device = "+pci:0000:3b:00.0";
  CHECK(watched.take(line).back().subject == "machine check: eth0");
}

TEST_CASE("kernel_log: kinds of lines that were never seen, once each, if asked for") {
  Watched watched({.hold_ns = 60, .unseen = true, .level = 4});
  watched.watch.learn(of_kernel("foo 0000:3b:00.0: queue 3 reset after 12 ms"));
  CHECK(watched.take(of_kernel("foo 0000:81:00.1: queue 14 reset after 9 ms")).empty());
  CHECK(watched.take(of_kernel("something odd happened", 5)).empty());  // a notice only
  CHECK(watched.take({.level = 1, .text = "a program's"}).empty());
  for (const char* part : {" ? __handle_mm_fault+0xa1e/0xf40", "RIP: 0033:0x7fbf2918c0ba", "Call Trace:", "R10: 0022",
                           "CPU: 0 UID: 0 PID: 6545 Comm: python3 Not tainted"})
    CHECK(watched.take(of_kernel(part)).empty());
  const auto odd = watched.take(of_kernel("something odd happened on bar7"));
  REQUIRE(odd.size() == 1);
  CHECK(odd[0].severity == Severity::warning);
  CHECK(odd[0].subject == "new: something odd happened on #");
  watched.watch.forget_findings();
  CHECK(watched.take(of_kernel("something odd happened on bar8")).empty());
}

TEST_CASE("kernel_log: what differs from line to line is no part of its kind") {
  CHECK(kind_of_kernel_line("eth0: link up at 0000:3b:00.0, 100 Mb/s") == "#: link up at #, # Mb/s");
  CHECK(kind_of_kernel_line("python[4711]: segfault at 7f00dead ip 0x40 in /usr/bin/python3") ==
        "python[#]: segfault at # ip # in #");
  CHECK(kind_of_kernel_line("device 'foo' is \"bar") == "device # is \"bar");
  CHECK(kind_of_kernel_line("").empty());
  CHECK(kind_of_kernel_line(std::string(100'000, 'a')).size() == 160);
}

TEST_CASE("kernel_log: a flood of different troubles stays a list that can be read") {
  Watched watched;
  for (int i = 0; i < 5000; ++i)
    watched.watch.take(of_kernel(fmt::format("I/O error, dev sd{}, sector", i)), watched.node, {}, 0);
  const auto outcomes = watched.watch.outcomes(0);
  REQUIRE(outcomes.size() <= 64);
  REQUIRE(outcomes.back().subject == "more");
  REQUIRE(outcomes.back().value == 5000 - 56);
  for (const std::string& text : test::hostile_texts()) watched.take(of_kernel(text));
  for (const std::string& text : {std::string(5000, '('), "NVRM: Xid (PCI:" + std::string(100'000, 'f')})
    for (const Outcome& one : watched.take(of_kernel(text))) REQUIRE(one.detail.size() < 300);
}

TEST_CASE("kernel_log: the user's own lines, those that are none, and what is no expression") {
  const KernelLogRules rules =
      ok(KernelLogRules::make("critical:my_driver ([a-z]+): dead\nwarning:odd thing", "sda\nfine$", ""));
  CHECK(rules.judge("my_driver foo: dead")->subject == "foo");
  CHECK(rules.judge("an odd thing")->severity == Severity::warning);
  CHECK_FALSE(rules.judge("I/O error, dev sda, sector 1"));
  CHECK_FALSE(rules.judge("an odd thing, but fine"));
  CHECK(rules.judge("I/O error, dev sdb, sector 1"));
  CHECK(rules.judge("NVRM: Xid (PCI:0000:10:1c): 63, x")->severity == Severity::critical);
  for (const char* wrong : {"odd", "ok:odd", "critical:("})
    CHECK_FALSE(KernelLogRules::make(wrong, "", "").has_value());
  CHECK_FALSE(KernelLogRules::make("", "[", "").has_value());
  for (const char* wrong : {"13;31", "13,,31", "x"}) CHECK_FALSE(KernelLogRules::make("", "", wrong).has_value());
}

TEST_CASE("kernel_log: a line in the machine's own log is seen at the next reading, and not in the next block") {
  auto log = KernelLog::open();
  if (!log) return test::skip(log.error().message);
  const std::string device = fmt::format("grittest{}", ::getpid());
  const std::string line = fmt::format("grit-injected: I/O error, dev {}, sector 1", device);
  const std::string subject = "I/O error: " + device;
  const auto named = [&](const std::vector<Outcome>& outcomes) {
    return std::count_if(outcomes.begin(), outcomes.end(), [&](const Outcome& one) { return one.subject == subject; });
  };
  ok(log->write(6, line));
  test::CheckUnderTest check("kernel_log"), of_run("kernel_log");
  of_run.rank_pids = {::getpid()};
  const auto read_all = [](test::CheckUnderTest& one) {  // a long log takes more than one reading
    for (int i = 0; i < 50; ++i) {
      auto outcomes = one.read();
      if (!one.memory.find("behind")) return outcomes;
    }
    FAIL("the log has no end");
    return std::vector<Outcome>{};
  };
  REQUIRE(named(read_all(check)) == 0);  // of grit's fault, before
  REQUIRE(named(of_run.read()) == 0);
  ok(log->write(6, line));
  REQUIRE(named(check.read()) == 1);
  const std::vector<Outcome> in_run = of_run.read();
  REQUIRE(named(in_run) == 1);
  test::proves("kernel_log",
               *std::find_if(in_run.begin(), in_run.end(), [&](const Outcome& one) { return one.subject == subject; }));
  REQUIRE(named(of_run.read()) == 1);  // held
  REQUIRE(named(of_run.read(61 * kNsPerS)) == 0);
  ok(log->write(6, line));
  of_run.memory.clear();  // a block begins long after the last reading
  REQUIRE(named(of_run.read(2 * kNsPerS)) == 0);
  ok(log->write(6, line));
  REQUIRE(named(of_run.read()) == 1);
  of_run.memory.clear();  // and soon after it: the other's lines are not this block's
  REQUIRE(named(of_run.read()) == 0);
  ok(log->write(6, line));
  of_run.memory.clear();  // a fault that acts as the block begins
  REQUIRE(named(of_run.read(kNsPerMs)) == 1);
}

// In a guest of tests/vm, whose file system it is.
TEST_CASE("kernel_log: an error that ext4 meets is seen at the next reading", "[.guest]") {
  test::CheckUnderTest check("kernel_log");
  check.rank_pids = {::getpid()};
  REQUIRE(check.read_one().severity == Severity::ok);
  test::detail::write_text("/sys/fs/ext4/nvme0n1/trigger_fs_error", "broken");
  const Outcome error = check.read_of("file system: nvme0n1");
  REQUIRE(error.severity == Severity::critical);
  test::proves("kernel_log", error);
}

TEST_CASE("kernel_log: who may not read the log is told what it takes") {
  const pid_t child = ::fork();
  if (child == 0) {
    static_cast<void>(::setgid(65534));
    static_cast<void>(::setuid(65534));
    if (KernelLogReader::open()) ::_exit(2);  // a machine that lets everybody
    test::CheckUnderTest check("kernel_log");
    const auto read = check.try_read();
    ::_exit(!read && read.error().message.find("CAP_SYSLOG") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 2) return test::skip("everybody may read the kernel's log here");
  REQUIRE(WEXITSTATUS(status) == 0);
}
