#include "harness/run/link_test.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/model/format.hpp"
#include "harness/os/tcp_diag.hpp"

namespace grit {
namespace {

constexpr int kSmall_bytes = 8;
constexpr int kBulk_bytes = 256 * 1024;
constexpr int kMostPeers = 16;
constexpr int kEntriesPerLink = 40;  // in a block, at most
constexpr std::int64_t kSmallPause_ns = kNsPerMs;
constexpr std::int64_t kBulkPause_ns = 10 * kNsPerMs;
constexpr std::int64_t kTick_ns = 10 * kNsPerMs;
constexpr long kPoll_ns = 20 * kNsPerUs;
// A question and its answer have tags of their own, so that neither is taken for the other.
enum Tag { small_question = 81, small_answer, bulk_question, bulk_answer };

/// A message to a peer and its answer. At most one is under way.
class Asker {
 public:
  Asker(MPI_Comm communicator, int peer, Tag question, Tag answer, int bytes)
      : communicator_(communicator),
        peer_(peer),
        question_(question),
        answer_(answer),
        out_(static_cast<std::size_t>(bytes)),
        in_(static_cast<std::size_t>(bytes)) {}

  [[nodiscard]] bool under_way() const { return under_way_; }
  [[nodiscard]] std::int64_t asked_at_ns() const { return asked_at_ns_; }

  void ask() {
    const int count = static_cast<int>(out_.size());
    MPI_Irecv(in_.data(), count, MPI_BYTE, peer_, answer_, communicator_, &requests_[0]);
    asked_at_ns_ = monotonic_ns();
    MPI_Isend(out_.data(), count, MPI_BYTE, peer_, question_, communicator_, &requests_[1]);
    under_way_ = true;
  }

  /// True once, when the answer has come.
  bool answered() {
    if (!under_way_) return false;
    int done = 0;
    MPI_Testall(2, requests_.data(), &done, MPI_STATUSES_IGNORE);
    if (done != 0) under_way_ = false;
    return done != 0;
  }

 private:
  MPI_Comm communicator_;
  int peer_;
  Tag question_, answer_;
  std::vector<std::byte> out_, in_;
  std::array<MPI_Request, 2> requests_{MPI_REQUEST_NULL, MPI_REQUEST_NULL};
  std::int64_t asked_at_ns_ = 0;
  bool under_way_ = false;
};

/// Sends back whatever a peer asks, at once.
class Answerer {
 public:
  Answerer(MPI_Comm communicator, int peer, Tag question, Tag answer, int bytes)
      : communicator_(communicator),
        peer_(peer),
        question_(question),
        answer_(answer),
        buffer_(static_cast<std::size_t>(bytes)) {
    listen();
  }

  /// True when something moved.
  bool poll() {
    int done = 0;
    MPI_Test(&request_, &done, MPI_STATUS_IGNORE);
    if (done == 0) return false;
    if (!listening_) {
      listen();
      return true;
    }
    listening_ = false;
    MPI_Isend(buffer_.data(), static_cast<int>(buffer_.size()), MPI_BYTE, peer_, answer_, communicator_, &request_);
    return true;
  }

  /// Nobody asks any more.
  void close() {
    if (listening_) MPI_Cancel(&request_);
    MPI_Wait(&request_, MPI_STATUS_IGNORE);
  }

 private:
  void listen() {
    listening_ = true;
    MPI_Irecv(buffer_.data(), static_cast<int>(buffer_.size()), MPI_BYTE, peer_, question_, communicator_, &request_);
  }

  MPI_Comm communicator_;
  int peer_;
  Tag question_, answer_;
  std::vector<std::byte> buffer_;
  MPI_Request request_ = MPI_REQUEST_NULL;
  bool listening_ = false;
};

/// The nodes that this one meets, in the order of rounds.
std::vector<int> peers_of(int node, int nodes) {
  const int rounds = tournament_rounds(nodes), used = std::min(rounds, kMostPeers);
  std::vector<int> peers;
  for (int i = 0; i < used; ++i)
    if (const int peer = tournament_partner(node, i * rounds / used, nodes); peer >= 0) peers.push_back(peer);
  return peers;
}

/// A link as its lower end sees it.
struct TestedLink {
  int peer = 0;
  Asker small, bulk;
  std::vector<std::int64_t> round_trips_ns{};
  std::int64_t small_due_ns = 0;
};

bool cores_are_shared(const Job& job) {
  const char* shared = std::getenv("GRIT_SHARED_CORES");  // as in workloads/fabric/mpi.hpp
  return (shared != nullptr && std::string_view(shared) == "1") || job.local_size() > ::sysconf(_SC_NPROCESSORS_ONLN);
}

void pause() {
  const timespec interval{.tv_sec = 0, .tv_nsec = kPoll_ns};
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, nullptr);
}

/// One block's measurement on one node.
class Measurement {
 public:
  Measurement(MPI_Comm communicator, const Block& block, std::int64_t length_ns, bool share_core, RankSlot& slot)
      : communicator_(communicator), block_(block), share_core_(share_core), slot_(slot) {
    int nodes = 0;
    MPI_Comm_rank(communicator, &node_);
    MPI_Comm_size(communicator, &nodes);
    for (const int peer : peers_of(node_, nodes)) {
      if (node_ < peer) {
        links_.push_back({peer, Asker(communicator, peer, small_question, small_answer, kSmall_bytes),
                          Asker(communicator, peer, bulk_question, bulk_answer, kBulk_bytes)});
      } else {
        answerers_.emplace_back(communicator, peer, small_question, small_answer, kSmall_bytes);
        answerers_.emplace_back(communicator, peer, bulk_question, bulk_answer, kBulk_bytes);
      }
    }
    ends_at_ns_ = monotonic_ns() + length_ns;
    const auto entries = static_cast<std::int64_t>(kEntriesPerLink * std::max<std::size_t>(links_.size(), 1));
    bulk_pause_ns_ = std::max(kBulkPause_ns, length_ns / entries);
  }

  void run(Json& entries) {
    // Every node but 0 waits for 0's word from the start; it comes whenever 0 says it.
    if (node_ != 0) MPI_Ibcast(&word_, 1, MPI_INT, 0, communicator_, &request_);
    while (!over()) {
      ask();
      turn(entries);
      tick();
    }
    while (std::any_of(links_.begin(), links_.end(),
                       [](const TestedLink& link) { return link.small.under_way() || link.bulk.under_way(); }))
      turn(entries);
    // Others may still ask.
    MPI_Ibarrier(communicator_, &request_);
    while (!request_done()) turn(entries);
    for (Answerer& answerer : answerers_) answerer.close();
    for (TestedLink& link : links_)
      if (!link.round_trips_ns.empty()) add_entry(entries, link, monotonic_ns(), Json());
  }

 private:
  bool request_done() {
    int done = 0;
    MPI_Test(&request_, &done, MPI_STATUS_IGNORE);
    return done != 0;
  }

  bool over() {
    if (node_ != 0) return request_done();
    if (monotonic_ns() < ends_at_ns_) return false;
    MPI_Ibcast(&word_, 1, MPI_INT, 0, communicator_, &request_);
    while (!request_done()) pause();
    return true;
  }

  void ask() {
    const std::int64_t now_ns = monotonic_ns();
    for (TestedLink& link : links_)
      if (!link.small.under_way() && now_ns >= link.small_due_ns) link.small.ask();
    if (links_.empty() || now_ns < bulk_due_ns_) return;
    // One after the other; but one that stalls does not hold up the rest.
    TestedLink& link = links_[static_cast<std::size_t>(round_) % links_.size()];
    ++round_;
    bulk_due_ns_ = now_ns + bulk_pause_ns_;
    if (!link.bulk.under_way()) link.bulk.ask();
  }

  void turn(Json& entries) {
    bool moved = false;
    for (Answerer& answerer : answerers_) moved = answerer.poll() || moved;
    for (TestedLink& link : links_) {
      if (link.small.answered()) {
        const std::int64_t now_ns = monotonic_ns();
        link.round_trips_ns.push_back(now_ns - link.small.asked_at_ns());
        link.small_due_ns = now_ns + kSmallPause_ns;
        moved = true;
      }
      if (link.bulk.answered()) {
        const std::int64_t took_ns = monotonic_ns() - link.bulk.asked_at_ns();
        add_entry(entries, link, link.bulk.asked_at_ns(),
                  2.0 * kBulk_bytes * 8 * static_cast<double>(kNsPerS) / static_cast<double>(took_ns));
        moved = true;
      }
    }
    if (!moved && share_core_) pause();
  }

  void add_entry(Json& entries, TestedLink& link, std::int64_t t_ns, Json bits_per_s) const {
    auto& trips = link.round_trips_ns;
    Json latency_ns;
    if (!trips.empty()) {
      std::sort(trips.begin(), trips.end());
      latency_ns = {{"min", trips.front()}, {"median", trips[trips.size() / 2]}, {"max", trips.back()}};
    }
    entries.push_back({{"block", block_.index},
                       {"kind", to_string(block_.kind)},
                       {"a", node_},
                       {"b", link.peer},
                       {"round", round_},
                       {"t_ns", t_ns},
                       {"latency_ns", std::move(latency_ns)},
                       {"round_trips", trips.size()},
                       {"bits_per_s", std::move(bits_per_s)}});
    trips.clear();
  }

  void tick() {
    const std::int64_t now_ns = monotonic_ns();
    if (now_ns < tick_due_ns_ || now_ns >= ends_at_ns_) return;
    tick_due_ns_ = now_ns + kTick_ns;
    slot_.step_in_block.fetch_add(1, std::memory_order_relaxed);
  }

  MPI_Comm communicator_;
  Block block_;
  bool share_core_;
  RankSlot& slot_;
  int node_ = 0;
  std::vector<TestedLink> links_{};    // to nodes above this one
  std::vector<Answerer> answerers_{};  // for nodes below it
  MPI_Request request_ = MPI_REQUEST_NULL;
  int word_ = 0;
  std::int64_t ends_at_ns_ = 0, bulk_pause_ns_ = 0, bulk_due_ns_ = 0, tick_due_ns_ = 0;
  std::int64_t round_ = 0;
};

/// By the addresses of their data NICs.
std::map<std::string, int> nodes_by_address(const Topology& topology) {
  std::map<std::string, int> nodes;
  for (const Node& node : topology.nodes)
    for (const Nic& nic : node.nics)
      if (nic.role == NicRole::data)
        for (const std::string& address : nic.addresses) nodes[address.substr(0, address.find('/'))] = node.index;
  return nodes;
}

/// What this node's TCP connections to each other node have sent so far.
struct TcpCounts {
  std::int64_t segments_sent = 0, retransmits = 0;
};

std::map<int, TcpCounts> tcp_counts(const std::map<std::string, int>& nodes) {
  std::map<int, TcpCounts> counts;
  const auto connections = tcp_connections();
  if (!connections) return counts;  // the times of the messages still tell
  for (const TcpConnection& one : *connections) {
    const auto from = nodes.find(one.local), to = nodes.find(one.remote);
    if (from == nodes.end() || to == nodes.end() || from->second == to->second) continue;
    counts[to->second].segments_sent += one.data_segments_sent;
    counts[to->second].retransmits += one.retransmits;
  }
  return counts;
}

void add_tcp(Json& entries, const Block& block, int node, const std::map<int, TcpCounts>& before,
             const std::map<int, TcpCounts>& after) {
  for (const auto& [peer, counts] : after) {
    const auto was = before.find(peer);
    if (was == before.end()) continue;
    // A connection that ended meanwhile took its counts with it.
    const auto grown = [](std::int64_t to, std::int64_t from) { return std::max<std::int64_t>(to - from, 0); };
    entries.push_back({{"block", block.index},
                       {"kind", to_string(block.kind)},
                       {"from", node},
                       {"to", peer},
                       {"segments_sent", grown(counts.segments_sent, was->second.segments_sent)},
                       {"retransmits", grown(counts.retransmits, was->second.retransmits)}});
  }
}

/// Lines that another block's follow; a torn last one is the reader's to drop. A new file's first line says its format.
Status append_all(const std::filesystem::path& file, const std::vector<std::string>& texts) {
  const Fd fd = open_plain_file(file, O_WRONLY | O_APPEND | O_CREAT);
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return errno_error("cannot open " + file.string());
  if (status.st_size == 0) GRIT_CHECK(write_all(fd.get(), json_text(Json{{"format", formats::kLinks.number}}) + "\n"));
  for (const std::string& text : texts)
    if (auto done = write_all(fd.get(), text); !done) return with_context(done.error(), file.string());
  return {};
}

}  // namespace

int tournament_rounds(int nodes) { return nodes < 2 ? 0 : nodes + nodes % 2 - 1; }

int tournament_partner(int node, int round, int nodes) {
  const int rounds = tournament_rounds(nodes);
  if (rounds == 0) return -1;
  // With an odd number of rounds one node of each round would meet itself: it meets the last one, which is nobody when
  // the number of nodes is odd.
  const int last = nodes % 2 == 0 ? nodes - 1 : -1;
  if (node == last) return round * ((rounds + 1) / 2) % rounds;
  const int partner = ((round - node) % rounds + rounds) % rounds;
  return partner == node ? last : partner;
}

struct LinkTest::Private {
  const Job& job;
  std::map<std::string, int> nodes;  // by address
  std::filesystem::path file;
  MPI_Comm everybody = MPI_COMM_NULL;
  MPI_Comm firsts = MPI_COMM_NULL;  // of each node its first rank, in the order of nodes; else MPI_COMM_NULL
  Json entries = Json::array();     // this rank's, that are not saved yet
};

LinkTest::LinkTest(const Job& job, const Topology& topology, std::filesystem::path run_directory)
    : private_(std::make_unique<Private>(
          Private{.job = job, .nodes = nodes_by_address(topology), .file = std::move(run_directory) / "links.jsonl"})) {
  MPI_Comm_dup(job.world(), &private_->everybody);
  MPI_Comm_split(job.world(), job.local_rank() == 0 ? 0 : MPI_UNDEFINED, job.node(), &private_->firsts);
}

LinkTest::~LinkTest() {
  int finalized = 0;
  if (MPI_Finalized(&finalized) != MPI_SUCCESS || finalized != 0) return;
  if (private_->firsts != MPI_COMM_NULL) MPI_Comm_free(&private_->firsts);
  MPI_Comm_free(&private_->everybody);
}

void LinkTest::run(const Block& block, std::int64_t length_ns, RankSlot& slot) {
  const Job& job = private_->job;
  if (private_->firsts != MPI_COMM_NULL) {
    const auto before = tcp_counts(private_->nodes);
    Measurement(private_->firsts, block, length_ns, cores_are_shared(job), slot).run(private_->entries);
    add_tcp(private_->entries, block, job.node(), before, tcp_counts(private_->nodes));
  }
  // The other ranks of a node sleep meanwhile: a blocking barrier would keep a core busy.
  MPI_Request all_done = MPI_REQUEST_NULL;
  MPI_Ibarrier(private_->everybody, &all_done);
  for (int done = 0; done == 0;) {
    MPI_Test(&all_done, &done, MPI_STATUS_IGNORE);
    if (done == 0) pause();
  }
}

Status LinkTest::save() {
  std::string mine;
  for (const Json& entry : private_->entries) mine += json_text(entry) + "\n";
  private_->entries = Json::array();
  Status written;
  const auto all = private_->job.gather(mine);
  if (private_->job.rank() == 0) written = append_all(private_->file, all);
  return private_->job.agree(written);
}

}  // namespace grit
