// peers: this node is like most others of the run, in what is a fact and no measurement.
//
// Each node judges itself only: its NICs as they are now and the rest as discovery found it, against what discovery
// found on the others. A vote among few is worth little: when each node is another by itself with a probability of 1 %,
// a majority of three quarters names a node that is right in 3 of 10,000 groups of three, 4 of a million of four, and
// fewer of more. Where a whole group of nodes is another together, no vote can tell who is right: nobody is named.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "harness/base/printable.hpp"
#include "harness/base/units.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/os/ethtool.hpp"
#include "harness/os/netlink.hpp"

namespace grit {
namespace {

constexpr double kBytesPerGiB = 1024.0 * 1024 * 1024;

struct Fact {
  std::string name{};          // "MTU of rail 1"
  std::string value{};         // empty: not known
  bool must_be_equal = false;  // a job's nodes cannot differ in it without harm
};

/// What was built in: the kernel keeps 1 to 3 % for itself, another share on each boot. Up to the next eighth of a
/// power of two, of which that leaves it clear: 471 GiB are 480, 503 are 512.
std::string rounded_memory(std::int64_t bytes) {
  if (bytes <= 0) return "";
  const double gib = static_cast<double>(bytes) / kBytesPerGiB;
  const double step = std::exp2(std::floor(std::log2(gib)) - 3);
  return fmt::format("{:.5g} GiB", std::ceil(gib / step) * step);
}

std::string number_or_nothing(std::int64_t value) { return value > 0 ? std::to_string(value) : std::string(); }

/// By rail and not by name: the same NIC may be called otherwise on another node.
std::vector<Fact> facts_of(const Node& node) {
  std::vector<Fact> facts{{"kernel", node.kernel},
                          {"CPU model", node.cpu_model},
                          {"microcode", node.microcode},
                          {"cores", number_or_nothing(node.cores)},
                          {"NUMA nodes", number_or_nothing(node.numa_nodes)},
                          {"memory", rounded_memory(node.memory_bytes)}};
  const std::vector<const Nic*> data = rails(node);
  facts.push_back({"data NICs", std::to_string(data.size())});
  for (std::size_t i = 0; i < data.size(); ++i) {
    const Nic& nic = *data[i];
    const std::string of = data.size() == 1 ? " of the data NIC" : fmt::format(" of rail {}", i);
    facts.push_back({"MTU" + of, number_or_nothing(nic.mtu_bytes), true});
    facts.push_back(
        {"speed" + of, nic.speed_bits_per_s > 0 ? format_quantity(nic.speed_bits_per_s, Unit::bits_per_s) : "", true});
    facts.push_back({"duplex" + of, nic.duplex, true});
    facts.push_back({"driver" + of, nic.driver});
    facts.push_back({"firmware" + of, nic.firmware});
  }
  return facts;
}

/// The node with its NICs as they are now; one that is gone, or has no carrier to have a speed by, says nothing.
Result<Node> as_it_is_now(Node node) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const Ethtool ethtool, Ethtool::open());
  for (Nic& nic : node.nics) {
    if (nic.role != NicRole::data) continue;
    GRIT_TRY(const auto link, netlink.find_link(nic.name));
    nic.mtu_bytes = link ? link->mtu_bytes : 0;
    nic.speed_bits_per_s = link && link->up() && link->carrier ? ethtool.speed_bits_per_s(nic.name) : 0;
    const auto driver = link ? ethtool.driver(nic.name) : std::nullopt;
    nic.driver = driver ? driver->driver : std::string();
    nic.firmware = driver ? driver->firmware : std::string();
    const auto duplex = link && link->up() && link->carrier ? ethtool.duplex(nic.name) : std::nullopt;
    nic.duplex = duplex ? to_string(*duplex) : std::string_view();
  }
  return node;
}

/// One fact's values on the nodes that say one.
struct Vote {
  std::string mine{};
  std::map<std::string, std::size_t> counts{};
  std::size_t nodes = 0;

  void add(const std::string& value) { ++counts[value], ++nodes; }
  [[nodiscard]] std::pair<std::string, std::size_t> most_common() const {
    const auto most = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    return *most;
  }
};

std::string describe(const Vote& vote) {
  std::vector<std::pair<std::size_t, std::string>> by_count;
  for (const auto& [value, count] : vote.counts) by_count.emplace_back(count, value);
  std::sort(by_count.rbegin(), by_count.rend());
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < by_count.size() && i < 3; ++i)
    texts.push_back(fmt::format("{} on {}", printable(by_count[i].second.substr(0, 48)), by_count[i].first));
  return fmt::format("{}{} of {} nodes", fmt::join(texts, ", "), by_count.size() > 3 ? " ..." : "", vote.nodes);
}

/// What the vote says of this node. Empty: it is as the others, or another one's business.
std::optional<Outcome> judge(const Fact& fact, const Vote& vote) {
  if (vote.nodes < 2 || vote.counts.size() < 2) return std::nullopt;
  const auto [value, count] = vote.most_common();
  Outcome outcome{.severity = Severity::warning, .subject = fact.name, .detail = describe(vote)};
  outcome.hint = fmt::format("here it is {}", vote.mine.empty() ? "not known" : printable(vote.mine.substr(0, 48)));
  const bool three = vote.nodes == 3 && count == 2;
  if (three || 4 * count >= 3 * vote.nodes) {
    if (vote.mine.empty() || vote.mine == value) return std::nullopt;
    outcome.detail = fmt::format("{}{}: unlike the others: {}", printable(vote.mine.substr(0, 48)),
                                 three ? " here, probably this node is" : " here", outcome.detail);
    outcome.hint = "what was done to this node and not to the others, or not yet";
    if (fact.must_be_equal && !three) outcome.severity = Severity::critical;
    return outcome;
  }
  outcome.detail += 2 * count > vote.nodes || vote.nodes == 2 ? "; who is right cannot be told" : "; no majority";
  return outcome;
}

std::set<std::string> words_of(const std::string& list) {
  std::set<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) {
    const auto start = word.find_first_not_of(' '), end = word.find_last_not_of(' ');
    if (start != std::string::npos) words.insert(word.substr(start, end - start + 1));
  }
  return words;
}

/// "speed" means that of every NIC, too.
bool is_ignored(const std::string& fact, const std::set<std::string>& ignored) {
  return std::any_of(ignored.begin(), ignored.end(),
                     [&](const std::string& one) { return fact == one || fact.starts_with(one + " of "); });
}

class Peers {
 public:
  Result<std::vector<Outcome>> read(const CheckInput& input) {
    // Discovery's findings stay as they are, and there may be thousands of nodes: counted once a block.
    if (input.memory.is_first() || others_ == 0) count(input);
    if (others_ == 0) return std::vector{not_here("no other node to compare with")};
    GRIT_TRY(const Node now, as_it_is_now(input.node));
    const std::set<std::string> ignored = words_of(input.params.text("ignore"));
    std::vector<Outcome> outcomes;
    for (const Fact& fact : facts_of(now)) {
      if (is_ignored(fact.name, ignored)) continue;
      Vote vote = votes_[fact.name];
      vote.mine = fact.value;
      if (!fact.value.empty()) vote.add(fact.value);
      if (auto outcome = judge(fact, vote)) outcomes.push_back(std::move(*outcome));
    }
    if (outcomes.empty())
      outcomes.push_back(
          {.severity = Severity::ok, .detail = fmt::format("nothing sets it apart from {} other nodes", others_)});
    return outcomes;
  }

 private:
  void count(const CheckInput& input) {
    others_ = 0, votes_.clear();
    for (const Node& peer : input.peers) {
      if (peer.index == input.node.index) continue;
      ++others_;
      for (const Fact& fact : facts_of(peer))
        if (!fact.value.empty()) votes_[fact.name].add(fact.value);
    }
  }

  std::size_t others_ = 0;
  std::map<std::string, Vote> votes_{};  // of the others
};

}  // namespace

const Check& peers() {
  static const Check check{
      .info = {.name = "peers",
               .summary = "The node is like most others of the run: kernel, processor, memory, and its data NICs",
               .params = {{"ignore", Unit::text, "",
                           "facts that may differ, with commas: kernel, CPU model, microcode, cores, NUMA nodes, "
                           "memory, data NICs, MTU, speed, duplex, driver, firmware"}},
               .place = CheckPlace::own,  // some drivers ask their firmware for the speed, which may not answer
               .period_ns = 5 * kNsPerS,
               .trips = "link_mtu",
               .proven = "another MTU than the other nodes have"},
      .make = [] { return [peers = Peers()](const CheckInput& input) mutable { return peers.read(input); }; }};
  return check;
}

}  // namespace grit
