// tcp_retransmits: what TCP had to send again since the last reading, what it waited for in vain, and what the stack
// dropped.
//
// One figure for all connections of the node's network namespace, those over management NICs among them: the kernel
// counts no other. Data that goes by RDMA passes TCP by.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "harness/base/clock.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/first_few.hpp"
#include "harness/os/snmp.hpp"
#include "harness/os/tcp_diag.hpp"

namespace grit {
namespace {

/// Asking for each connection takes 1 to 2 us: with more of them nobody is named.
constexpr std::int64_t kMostConnections = 2'000;
/// Lost to a queue or buffer that was full.
constexpr std::array kFull{"TcpExt.ListenDrops",       "TcpExt.TCPBacklogDrop", "TcpExt.TCPRcvQDrop",
                           "TcpExt.TCPZeroWindowDrop", "TcpExt.PruneCalled",    "TcpExt.TCPAbortOnMemory"};

/// No counter comes so far; sums of a few fit.
constexpr std::int64_t kMostCounted = std::int64_t{1} << 60;

using Counters = std::map<std::string, std::int64_t>;

/// What came since the last reading.
class Growth {
 public:
  Growth(const Counters& now, CheckMemory& memory) : now_(now), memory_(memory) {}

  /// 0 where the kernel has no such counter, or what is none.
  std::int64_t of(const std::string& counter) {
    const auto found = now_.find(counter);
    if (found == now_.end() || found->second < 0 || found->second > kMostCounted) return 0;
    if (const auto known = grown_.find(counter); known != grown_.end()) return known->second;
    return grown_[counter] = memory_.growth(counter, found->second).value_or(0);
  }

 private:
  const Counters& now_;
  CheckMemory& memory_;
  Counters grown_{};
};

/// Which connection sent most again, since it was made: "10.77.1.2 to 10.77.1.3, 412 of 420".
std::string worst_connection(const CheckInput& input, const Counters& now) {
  const auto open = now.find("Tcp.CurrEstab");
  if (input.proc != "/proc" || open == now.end() || open->second > kMostConnections) return "";
  const auto connections = tcp_connections();
  if (!connections) return "";
  std::map<std::pair<std::string, std::string>, std::int64_t> by_way;
  std::int64_t all = 0;
  for (const TcpConnection& one : *connections)
    by_way[{one.local, one.remote}] += one.retransmits, all += one.retransmits;
  const auto worst =
      std::max_element(by_way.begin(), by_way.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (all == 0) return "";
  return fmt::format("of the connections that are open, those from {} to {} sent most again: {} of {}",
                     worst->first.first, worst->first.second, worst->second, all);
}

struct Judged {
  Severity severity = Severity::ok;
  std::vector<std::string> found{};

  void add(Severity one, std::string what) {
    if (one == Severity::ok) return;
    severity = std::max(severity, one);
    found.push_back(std::move(what));
  }
};

/// At the end of a block a reading comes milliseconds after the one before it: of so little there is no share.
bool is_enough(std::int64_t count, const Params& params, double elapsed_s) {
  return static_cast<double>(count) >= params.number("least_segments") * std::max(1.0, elapsed_s);
}

/// So many a minute, over the time since the last reading, and one at least. What comes now and then on any node that
/// talks to far away ones is no alarm where readings are minutes apart.
Severity judge_per_minute(std::int64_t count, std::int64_t limit, double elapsed_s) {
  const double most = limit > 0 ? std::max(1.0, static_cast<double>(limit) * elapsed_s / 60) : 0;
  return judge_at_least(static_cast<double>(count), most, 0);
}

Outcome judge_tcp(Growth& growth, const Counters& now, const CheckInput& input, double elapsed_s) {
  const Params& params = input.params;
  // Connections to those who do not answer say nothing of the network of those who do.
  const std::int64_t opening = growth.of("TcpExt.TCPSynRetrans");
  const std::int64_t again = std::max<std::int64_t>(0, growth.of("Tcp.RetransSegs") - opening);
  const std::int64_t timeouts = std::max<std::int64_t>(0, growth.of("TcpExt.TCPTimeouts") - opening);
  const std::int64_t sent = growth.of("Tcp.OutSegs");
  const double share = static_cast<double>(again) / static_cast<double>(std::max<std::int64_t>(1, sent + again));
  const auto judge = [&](std::int64_t count, const char* limit) {
    return judge_per_minute(count, params.integer(limit), elapsed_s);
  };
  Judged judged;
  if (is_enough(sent, params, elapsed_s))
    judged.add(judge_at_least(share, params.number("share_warning"), params.number("share_critical")),
               fmt::format("sent {} of {} segments again", again, sent + again));
  judged.add(judge(timeouts, "timeouts"), fmt::format("{} {}", timeouts, timeouts == 1 ? "timeout" : "timeouts"));
  const std::int64_t ended = growth.of("TcpExt.TCPAbortOnTimeout");
  judged.add(judge(ended, "aborts"), fmt::format("gave {} connections up after their timeouts", ended));
  for (const char* counter : kFull) {
    const std::int64_t more = growth.of(counter);
    judged.add(judge(more, "full"), fmt::format("{} +{}", counter, more));
  }
  Outcome outcome{.severity = judged.severity, .subject = "tcp", .value = share, .unit = "share"};
  if (judged.severity == Severity::ok)
    outcome.detail = fmt::format("sent {} of {} segments again", again, sent + again);
  else
    outcome.detail = first_few(judged.found), outcome.hint = worst_connection(input, now);
  return outcome;
}

Outcome judge_udp(Growth& growth, const CheckInput& input, double elapsed_s) {
  const std::int64_t lost = growth.of("Udp.RcvbufErrors") + growth.of("Udp.MemErrors");
  const std::int64_t all = lost + growth.of("Udp.InDatagrams");
  const double share = static_cast<double>(lost) / static_cast<double>(std::max<std::int64_t>(1, all));
  Outcome outcome{.severity = Severity::ok, .subject = "udp", .value = share, .unit = "share"};
  outcome.detail = fmt::format("lost {} of {} datagrams to full receive buffers", lost, all);
  if (is_enough(all, input.params, elapsed_s))
    outcome.severity = judge_at_least(share, input.params.number("udp_share"), 0);
  if (outcome.severity != Severity::ok) outcome.hint = "its program reads too slowly; net.core.rmem_max";
  return outcome;
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const Counters now, read_network_counters(input.proc));
  if (!now.contains("Tcp.RetransSegs") || !now.contains("Tcp.OutSegs"))
    return unavailable_error("the kernel counts no TCP segments (Tcp: of /proc/net/snmp)");
  Growth growth(now, input.memory);
  const bool first = input.memory.is_first();
  const double elapsed_s = static_cast<double>(input.memory.elapsed_ns().value_or(0)) / static_cast<double>(kNsPerS);
  std::vector<Outcome> outcomes{judge_tcp(growth, now, input, elapsed_s), judge_udp(growth, input, elapsed_s)};
  if (first)
    for (Outcome& one : outcomes) one = {.severity = Severity::ok, .subject = one.subject, .detail = "first reading"};
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {{"share_warning", Unit::fraction, 0.01, "share of segments that were sent again (grit's own choice)"},
          {"share_critical", Unit::fraction, 0.1, "as much is critical (OceanBase OCP's alarm of TCP retransmission)"},
          {"least_segments",
           Unit::number,
           100,
           "with fewer segments or datagrams a second, over a second at least, there is no share (pmie's rule "
           "network.tcp_retransmit)",
           {},
           0.0,
           {}},
          {"timeouts", Unit::count, 10,
           "so many retransmission timeouts a minute, each of 200 ms or more, alarm; one does where readings are 6 s "
           "apart or less (grit's own choice)"},
          {"aborts", Unit::count, 10,
           "so many connections a minute given up after their timeouts alarm, one likewise (grit's own choice)"},
          {"full", Unit::count, 10,
           "so many losses a minute to one full queue or buffer of TCP alarm, one likewise (grit's own choice)"},
          {"udp_share", Unit::fraction, 0.01,
           "share of datagrams lost to full receive buffers that alarms (grit's own choice)"}};
}

}  // namespace

const Check& tcp_retransmits() {
  static const Check check{.info = {.name = "tcp_retransmits",
                                    .summary = "TCP sends little again, and nothing is lost to full buffers",
                                    .params = params(),
                                    .counts = true,
                                    .trips = "partition",
                                    .proven = "segments that the switch drops"},
                           .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit
