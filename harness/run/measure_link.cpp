// link.
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/os/tcp_diag.hpp"
#include "harness/run/measure_kinds.hpp"

namespace grit {
namespace {

constexpr int kTrip_bytes = 8;
constexpr int kBulkMessage_bytes = 1 << 20;
constexpr std::size_t kWindow = 4;  // messages under way
constexpr int kWarmUpTrips = 20;    // the first ones make the connection
constexpr int kFewestTrips = 200;
constexpr long kLook_ns = 20 * kNsPerUs;
/// No segment is larger, whatever the MTU.
constexpr std::int64_t kLargestSegment_bytes = 65536;
enum MeasureTag { trip_question = 91, trip_answer, bulk_message, bulk_end, bulk_ack };

struct SegmentCount {
  std::int64_t sent = 0, again = 0;
};

/// The addresses that tell both nodes' TCP connections with each other from all others.
struct PairAddresses {
  std::set<std::string> mine{}, theirs{};

  /// Over all connections that there are now. None: the kernel does not say, or there are none.
  [[nodiscard]] SegmentCount count() const {
    SegmentCount count;
    for (const TcpConnection& one : tcp_connections().value_or(std::vector<TcpConnection>())) {
      if (!mine.contains(one.local) || !theirs.contains(one.remote)) continue;
      count.sent += one.data_segments_sent;
      count.again += one.retransmits;
    }
    return count;
  }
};

/// Between the two ranks of a communicator.
class LinkMeter {
 public:
  LinkMeter(MPI_Comm communicator, std::int64_t length_ns, bool shares_cores)
      : communicator_(communicator), length_ns_(length_ns), shares_cores_(shares_cores), bulk_(kBulkMessage_bytes) {
    MPI_Comm_rank(communicator, &me_);
    peer_ = 1 - me_;
    // The default slack of 50 µs would be longer than the pause (prctl(2)); without it waiting is less exact.
    if (shares_cores) ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  }

  /// Half of the median round trip, in seconds, that this rank asks for.
  double ask_latency() {
    std::vector<std::int64_t> trips_ns;
    const std::int64_t began_ns = monotonic_ns();
    for (int trip = 0;; ++trip) {
      const std::int64_t elapsed_ns = monotonic_ns() - began_ns;
      const bool last = elapsed_ns > length_ns_ || (trip > kWarmUpTrips + kFewestTrips && elapsed_ns > length_ns_ / 8);
      const std::int64_t asked_ns = monotonic_ns();
      exchange(last ? 1 : 0);
      if (trip >= kWarmUpTrips || last) trips_ns.push_back(monotonic_ns() - asked_ns);
      if (last) break;
    }
    const auto middle = trips_ns.begin() + static_cast<std::ptrdiff_t>(trips_ns.size() / 2);
    std::nth_element(trips_ns.begin(), middle, trips_ns.end());
    return static_cast<double>(*middle) / 2 / static_cast<double>(kNsPerS);
  }

  void answer_latency() {
    std::int64_t is_last = 0;
    while (is_last == 0) {
      receive(is_last, trip_question);
      send(is_last, trip_answer);
    }
  }

  struct Sent {
    std::int64_t bytes = 0, took_ns = 0;
  };

  /// Messages one way, until the other end has said that it has all of them.
  Sent send_bulk() {
    std::array<MPI_Request, kWindow> window{};
    window.fill(MPI_REQUEST_NULL);
    std::int64_t messages = 0;
    const auto next = [&](MPI_Request& request) {
      MPI_Isend(bulk_.data(), kBulkMessage_bytes, MPI_BYTE, peer_, bulk_message, communicator_, &request);
      ++messages;
    };
    const std::int64_t began_ns = monotonic_ns();
    for (MPI_Request& request : window) next(request);
    while (monotonic_ns() - began_ns < length_ns_ / 2) next(window[wait_any(window)]);
    wait_all(window);
    send(messages, bulk_end);
    receive(messages, bulk_ack);
    return {messages * kBulkMessage_bytes, monotonic_ns() - began_ns};
  }

  void receive_bulk() {
    std::array<MPI_Request, kWindow + 1> requests{};  // the last: how many messages there were
    std::vector<std::vector<std::byte>> places(kWindow, std::vector<std::byte>(kBulkMessage_bytes));
    const auto next = [&](std::size_t i) {
      MPI_Irecv(places[i].data(), kBulkMessage_bytes, MPI_BYTE, peer_, bulk_message, communicator_, &requests[i]);
    };
    for (std::size_t i = 0; i < kWindow; ++i) next(i);
    std::int64_t all = -1, received = 0;
    MPI_Irecv(&all, kTrip_bytes, MPI_BYTE, peer_, bulk_end, communicator_, &requests[kWindow]);
    while (received != all) {
      const std::size_t done = wait_any(requests);
      if (done == kWindow) continue;
      ++received;
      next(done);
    }
    for (std::size_t i = 0; i < kWindow; ++i) MPI_Cancel(&requests[i]);  // nothing more comes
    wait_all(requests);
    send(all, bulk_ack);
  }

 private:
  void pause() const {
    if (!shares_cores_) return;
    const timespec interval{.tv_sec = 0, .tv_nsec = kLook_ns};
    ::clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, nullptr);
  }

  std::size_t wait_any(std::span<MPI_Request> requests) const {
    for (;;) {
      int done = 0, which = MPI_UNDEFINED;
      MPI_Testany(static_cast<int>(requests.size()), requests.data(), &which, &done, MPI_STATUS_IGNORE);
      if (done != 0 && which != MPI_UNDEFINED) return static_cast<std::size_t>(which);
      pause();
    }
  }

  void wait_all(std::span<MPI_Request> requests) const {
    for (int done = 0; done == 0;) {
      MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
      if (done == 0) pause();
    }
  }

  void send(std::int64_t word, MeasureTag tag) const {
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Isend(&word, kTrip_bytes, MPI_BYTE, peer_, tag, communicator_, &request);
    wait_all({&request, 1});
  }

  void receive(std::int64_t& word, MeasureTag tag) const {
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Irecv(&word, kTrip_bytes, MPI_BYTE, peer_, tag, communicator_, &request);
    wait_all({&request, 1});
  }

  void exchange(std::int64_t word) const {
    std::int64_t answer = 0;
    std::array<MPI_Request, 2> requests{};
    MPI_Irecv(&answer, kTrip_bytes, MPI_BYTE, peer_, trip_answer, communicator_, &requests[0]);
    MPI_Isend(&word, kTrip_bytes, MPI_BYTE, peer_, trip_question, communicator_, &requests[1]);
    wait_all(requests);
  }

  MPI_Comm communicator_;
  std::int64_t length_ns_;
  bool shares_cores_;
  int me_ = 0, peer_ = 0;
  std::vector<std::byte> bulk_;
};

/// What this rank says of the direction from it to the other.
void measure_as_sender(LinkMeter& meter, const PairAddresses& addresses, BurninLine& line) {
  line.observations.push_back({.measure = "link_latency", .value = meter.ask_latency()});
  const SegmentCount before = addresses.count();
  const LinkMeter::Sent sent = meter.send_bulk();
  const SegmentCount after = addresses.count();
  line.observations.push_back({.measure = "link_rate",
                               .value = static_cast<double>(sent.bytes) * 8 * static_cast<double>(kNsPerS) /
                                        static_cast<double>(sent.took_ns)});
  const std::int64_t segments = after.sent - before.sent, again = after.again - before.again;
  if (segments < sent.bytes / kLargestSegment_bytes || again < 0)
    line.skipped.push_back("link_loss: the job's traffic is not the kernel's TCP, or a connection ended meanwhile");
  else
    line.observations.push_back(
        {.measure = "link_loss", .value = static_cast<double>(again), .exposure = static_cast<double>(segments)});
}

/// Of each node its addresses, on every rank. Those that several nodes have (of a bridge for containers) tell nothing.
Result<std::vector<std::set<std::string>>> addresses_of_nodes(const Job& job) {
  std::string mine;
  if (job.local_rank() == 0) mine = json_text(Json{{"node", job.node()}, {"addresses", own_addresses()}});
  Json all = Json::array();
  for (const std::string& text : job.gather(mine)) {
    if (text.empty()) continue;
    GRIT_TRY(Json one, parse_json(text));
    all.push_back(std::move(one));
  }
  GRIT_TRY(const Json told, parse_json(job.broadcast(json_text(all))));
  std::vector<std::set<std::string>> nodes(static_cast<std::size_t>(job.node_count()));
  for (const Json& one : told)
    nodes.at(one.at("node").get<std::size_t>()) = one.at("addresses").get<std::set<std::string>>();
  return nodes;
}

PairAddresses between(const std::set<std::string>& mine, const std::set<std::string>& theirs) {
  PairAddresses pair;
  std::set_difference(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                      std::inserter(pair.mine, pair.mine.end()));
  std::set_difference(theirs.begin(), theirs.end(), mine.begin(), mine.end(),
                      std::inserter(pair.theirs, pair.theirs.end()));
  return pair;
}

BurninLine measure_between(MPI_Comm pair, const PairAddresses& addresses, const MeasureHere& here,
                           const std::string& peer) {
  BurninLine line{.host = here.host, .peer = peer};
  int me = 0;
  MPI_Comm_rank(pair, &me);
  LinkMeter meter(pair, here.length_ns, here.shares_cores);
  for (const int sender : {0, 1}) {
    if (me == sender) {
      measure_as_sender(meter, addresses, line);
    } else {
      meter.answer_latency();
      meter.receive_bulk();
    }
  }
  return line;
}

}  // namespace

std::set<std::string> own_addresses() {
  std::set<std::string> addresses;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return addresses;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> all(list, ::freeifaddrs);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    const int family = one->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    std::array<char, NI_MAXHOST> text{};
    const socklen_t length = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (::getnameinfo(one->ifa_addr, length, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) continue;
    const std::string address = text.data();
    addresses.insert(address.substr(0, address.find('%')));  // the scope of a link-local one is no part of it
  }
  return addresses;
}

Result<std::vector<BurninLine>> measure_link(const Job& job, const MeasureHere& here,
                                             const std::vector<std::string>& hosts) {
  if (job.node_count() < 2)
    return std::vector<BurninLine>{{.host = here.host, .skipped = {"link: the cell has one node only"}}};
  GRIT_TRY(const auto addresses, addresses_of_nodes(job));
  const bool takes_part = job.local_rank() == 0 && job.node() < 2;
  MPI_Comm pair = MPI_COMM_NULL;
  MPI_Comm_split(job.world(), takes_part ? 0 : MPI_UNDEFINED, job.node(), &pair);
  std::vector<BurninLine> lines;
  if (takes_part) {
    const auto me = static_cast<std::size_t>(job.node()), peer = 1 - me;
    lines.push_back(measure_between(pair, between(addresses[me], addresses[peer]), here, hosts.at(peer)));
    MPI_Comm_free(&pair);
  }
  sleep_until_all_are_here(job);
  return lines;
}

}  // namespace grit
