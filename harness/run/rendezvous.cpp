#include "harness/run/rendezvous.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>

#include <algorithm>

#include "harness/base/clock.hpp"
#include "harness/os/reachable.hpp"

namespace grit {
namespace {

/// A connection within a data centre takes a millisecond. The kernel repeats an unanswered first packet after 1 s
/// (TCP_TIMEOUT_INIT): one that is lost by chance does no harm.
constexpr std::int64_t kConnect_ns = 2 * kNsPerS;
constexpr std::size_t kNamedNodes = 4;  // of those that do not reach an address

/// "from n2: 10.0.0.1 port 4321: Connection refused; from n3: ..."
std::string who_does_not_reach(std::size_t endpoint, const std::vector<EndpointTrial>& nodes) {
  std::vector<std::string> named;
  std::size_t all = 0;
  for (const EndpointTrial& node : nodes)
    if (!node.why_not.at(endpoint).empty() && ++all <= kNamedNodes)
      named.push_back(fmt::format("from {}: {}", node.node, node.why_not[endpoint]));
  if (all > named.size()) named.push_back(fmt::format("and from {} more nodes", all - named.size()));
  return fmt::format("{}", fmt::join(named, "; "));
}

Json to_json(const EndpointTrial& reach) { return Json{{"node", reach.node}, {"why_not", reach.why_not}}; }

Result<std::vector<EndpointTrial>> read_all(const std::vector<std::string>& texts) {
  std::vector<EndpointTrial> nodes;
  for (const std::string& text : texts) {
    if (text.empty()) continue;  // not the first rank of its node
    GRIT_TRY(const Json said, parse_json(text));
    nodes.push_back({said.at("node").get<std::string>(), said.at("why_not").get<std::vector<std::string>>()});
  }
  return nodes;
}

}  // namespace

Result<std::vector<std::string>> recorder_endpoints(const Topology& topology, int port) {
  const Node& node = topology.nodes.front();
  if (topology.nodes.size() == 1) return std::vector{to_string(Endpoint{"127.0.0.1", port})};
  std::vector<std::string> endpoints;
  for (const Nic& nic : node.nics) {
    if (nic.role != NicRole::management || !nic.up) continue;
    for (const std::string& address : nic.addresses)
      endpoints.push_back(to_string(Endpoint{address.substr(0, address.find('/')), port}));
  }
  if (!endpoints.empty()) return endpoints;
  return unavailable_error("node " + node.name +
                           " has no management interface with an address for the agents to report to; name it with "
                           "the environment variable GRIT_MANAGEMENT_NICS, e.g. GRIT_MANAGEMENT_NICS=eno1");
}

EndpointTrial try_endpoints(const std::vector<std::string>& endpoints) {
  utsname names{};
  ::uname(&names);
  std::vector<Endpoint> tried;
  for (const std::string& text : endpoints) tried.push_back(parse_endpoint(text).value_or(Endpoint{text, 0}));
  EndpointTrial reach{.node = names.nodename};
  for (const Status& outcome : try_to_connect(tried, kConnect_ns))
    reach.why_not.push_back(outcome ? "" : outcome.error().message);
  return reach;
}

Result<std::string> choose_endpoint(const std::vector<std::string>& endpoints,
                                    const std::vector<EndpointTrial>& nodes) {
  std::vector<std::string> missed;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    if (std::all_of(nodes.begin(), nodes.end(), [&](const EndpointTrial& node) { return node.why_not.at(i).empty(); }))
      return endpoints[i];
    missed.push_back(who_does_not_reach(i, nodes));
  }
  return unavailable_error(
      fmt::format("no address of the first node is reached by all nodes, so their agents could not report: {}. Let the "
                  "firewall pass TCP there (--port chooses a port of yours), or name the interfaces that reach each "
                  "other with GRIT_MANAGEMENT_NICS, e.g. GRIT_MANAGEMENT_NICS=eno1",
                  fmt::join(missed, "; ")));
}

Result<std::string> agree_on_endpoint(const Job& job, const std::vector<std::string>& endpoints,
                                      const EndpointTrial& mine) {
  const auto said = job.gather(job.local_rank() == 0 ? json_text(to_json(mine)) : "");
  const auto decide = [&]() -> Result<std::string> {
    GRIT_TRY(const auto nodes, read_all(said));
    return choose_endpoint(endpoints, nodes);
  };
  Json decision;
  if (job.rank() == 0) {
    const auto chosen = decide();
    decision = chosen ? Json{{"endpoint", *chosen}} : Json{{"error", chosen.error().message}};
  }
  GRIT_TRY(const Json told, parse_json(job.broadcast(json_text(decision))));
  if (told.contains("error")) return unavailable_error(told["error"].get<std::string>());
  return told.at("endpoint").get<std::string>();
}

}  // namespace grit
