#include "harness/model/topology.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <tuple>
#include <utility>

#include "harness/base/shortened.hpp"

namespace grit {
namespace {

constexpr std::array<std::pair<NicRole, std::string_view>, 3> kRoleNames{
    {{NicRole::data, "data"}, {NicRole::management, "management"}, {NicRole::other, "other"}}};

std::string_view role_name(NicRole role) {
  for (const auto& [value, name] : kRoleNames)
    if (value == role) return name;
  GRIT_ASSERT(!"a NicRole without a name");
  return {};
}

Result<NicRole> parse_role(const std::string& text) {
  for (const auto& [value, name] : kRoleNames)
    if (name == text) return value;
  return usage_error("\"role\" is \"" + text + "\"; it must be data, management or other");
}

// One object of the file. What a node or a NIC is known by must be there; what else an earlier version left out keeps
// its default, and what a later one has put in is passed over.
class ObjectReader {
 public:
  static Result<ObjectReader> open(const Json& json, std::string_view what,
                                   std::initializer_list<std::string_view> needed) {
    if (!json.is_object()) return usage_error(std::string(what) + " is not a JSON object");
    for (const auto key : needed)
      if (!json.contains(key)) return usage_error(std::string(what) + " lacks the key \"" + std::string(key) + "\"");
    return ObjectReader(json, what);
  }

  template <class T>
  Status read(const char* key, T& value) const {
    if (!has(key)) return {};
    try {
      value = checked<T>(json_->at(key));
      return {};
    } catch (const std::exception&) {
      return usage_error(what_ + ": \"" + key + "\" has the wrong type");
    }
  }

  [[nodiscard]] const Json& at(const char* key) const { return json_->at(key); }
  [[nodiscard]] bool has(const char* key) const { return json_->contains(key); }

 private:
  ObjectReader(const Json& json, std::string_view what) : json_(&json), what_(what) {}

  // nlohmann converts between numbers and booleans silently; a topology must not.
  template <class T>
  static T checked(const Json& value) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (!value.is_number_integer()) throw std::invalid_argument("not an integer");
      const auto number = value.get<std::int64_t>();
      if (!std::in_range<T>(number)) throw std::out_of_range("too large");
      return static_cast<T>(number);
    } else if constexpr (std::is_same_v<T, std::vector<int>>) {
      if (!value.is_array()) throw std::invalid_argument("not a list");
      std::vector<int> list;
      for (const auto& element : value) list.push_back(checked<int>(element));
      return list;
    } else {
      return value.get<T>();
    }
  }

  const Json* json_;
  std::string what_;
};

// What most NICs do not have is left out, as files of earlier versions leave it out.
Json nic_to_json(const Nic& nic) {
  Json json{{"name", nic.name},
            {"ifindex", nic.ifindex},
            {"mac", nic.mac},
            {"driver", nic.driver},
            {"speed_bits_per_s", nic.speed_bits_per_s},
            {"mtu_bytes", nic.mtu_bytes},
            {"up", nic.up},
            {"addresses", nic.addresses},
            {"role", role_name(nic.role)},
            {"role_evidence", nic.role_evidence}};
  if (!nic.firmware.empty()) json["firmware"] = nic.firmware;
  if (!nic.duplex.empty()) json["duplex"] = nic.duplex;
  if (!nic.pci.empty()) json["pci"] = nic.pci;
  if (nic.numa_node >= 0) json["numa_node"] = nic.numa_node;
  if (nic.rdma)
    json["rdma"] = {{"device", nic.rdma->device}, {"port", nic.rdma->port}, {"link_layer", nic.rdma->link_layer}};
  if (!nic.lower.empty()) json["lower"] = nic.lower;
  if (!nic.chosen_by.empty()) json["chosen_by"] = nic.chosen_by;
  return json;
}

Result<RdmaPort> rdma_from_json(const Json& json) {
  GRIT_TRY(const auto object, ObjectReader::open(json, "NIC's rdma", {"device", "port"}));
  RdmaPort rdma;
  GRIT_CHECK(object.read("device", rdma.device));
  GRIT_CHECK(object.read("port", rdma.port));
  GRIT_CHECK(object.read("link_layer", rdma.link_layer));
  return rdma;
}

Result<Nic> nic_from_json(const Json& json) {
  GRIT_TRY(const auto object, ObjectReader::open(json, "NIC", {"name", "role"}));
  Nic nic;
  std::string role;
  GRIT_CHECK(object.read("name", nic.name));
  GRIT_CHECK(object.read("ifindex", nic.ifindex));
  GRIT_CHECK(object.read("mac", nic.mac));
  GRIT_CHECK(object.read("driver", nic.driver));
  GRIT_CHECK(object.read("speed_bits_per_s", nic.speed_bits_per_s));
  GRIT_CHECK(object.read("mtu_bytes", nic.mtu_bytes));
  GRIT_CHECK(object.read("up", nic.up));
  GRIT_CHECK(object.read("addresses", nic.addresses));
  GRIT_CHECK(object.read("role", role));
  GRIT_CHECK(object.read("role_evidence", nic.role_evidence));
  GRIT_TRY(nic.role, parse_role(role));
  GRIT_CHECK(object.read("firmware", nic.firmware));
  GRIT_CHECK(object.read("duplex", nic.duplex));
  GRIT_CHECK(object.read("pci", nic.pci));
  GRIT_CHECK(object.read("numa_node", nic.numa_node));
  if (object.has("rdma")) {
    GRIT_TRY(nic.rdma, rdma_from_json(object.at("rdma")));
  }
  GRIT_CHECK(object.read("lower", nic.lower));
  GRIT_CHECK(object.read("chosen_by", nic.chosen_by));
  return nic;
}

constexpr std::string_view kRail = "rail:";

/// Nothing when the text is not "rail:N".
std::optional<std::size_t> rail_number(std::string_view text) {
  if (!text.starts_with(kRail)) return std::nullopt;
  std::size_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + kRail.size(), end, number);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return number;
}

Failure no_such_nic(const Node& node, const std::string& nic) {
  const bool any_data = nic == "data" || nic == "all";
  const auto number = rail_number(nic);
  const std::string missing = any_data ? "no data NIC" : number ? "no " + nic : "no NIC called " + shortened(nic);
  const std::string help =
      number     ? fmt::format("Its {} data NICs are the rails, from rail:0 on, in the order of their PCI addresses",
                               rails(node).size())
      : any_data ? std::string("Name one with nic = \"...\"")
                 : std::string(
                       "Name one of them; those that carry nothing of a job (veths of containers, bridges, idle "
                       "virtual functions) are not listed");
  return usage_error(fmt::format("{} has {}: {}. {}", node.name, missing, describe_nics(node), help));
}

}  // namespace

std::uint32_t rank_count(const Topology& topology) {
  std::size_t ranks = 0;
  for (const Node& node : topology.nodes) ranks += node.ranks.size();
  return static_cast<std::uint32_t>(ranks);
}

std::string describe_nics(const Node& node) {
  std::vector<std::string> nics;
  for (const Nic& one : node.nics)
    nics.push_back(fmt::format("{} ({}{}{})", one.name, role_name(one.role), one.role_evidence.empty() ? "" : ": ",
                               one.role_evidence));
  return nics.empty() ? "it has no NIC at all" : fmt::format("{}", fmt::join(nics, ", "));
}

std::vector<const Nic*> rails(const Node& node) {
  std::vector<const Nic*> data;
  for (const Nic& nic : node.nics)
    if (nic.role == NicRole::data) data.push_back(&nic);
  // Domains above ffff have more digits: the longer address is the greater one.
  const auto place = [](const Nic* nic) { return std::tuple(nic->pci.empty(), nic->pci.size(), nic->pci); };
  std::stable_sort(data.begin(), data.end(), [&](const Nic* a, const Nic* b) { return place(a) < place(b); });
  return data;
}

bool stands_on(const Node& node, const std::string& upper, const std::string& lower) {
  const auto nic = std::find_if(node.nics.begin(), node.nics.end(), [&](const Nic& one) { return one.name == upper; });
  return nic != node.nics.end() && std::any_of(nic->lower.begin(), nic->lower.end(), [&](const std::string& below) {
           return below == lower || stands_on(node, below, lower);
         });
}

bool are_one(const Node& node, const std::string& nic, const std::string& other) {
  return nic == other || stands_on(node, nic, other) || stands_on(node, other, nic);
}

Result<std::vector<const Nic*>> choose_nics(const Node& node, const std::string& nic) {
  const std::vector<const Nic*> data = rails(node);
  std::vector<const Nic*> chosen;
  if (nic == "all") {
    chosen = data;
  } else if (nic == "data") {
    const auto used = std::find_if(data.begin(), data.end(), [](const Nic* one) { return !one->chosen_by.empty(); });
    if (!data.empty()) chosen = {used == data.end() ? data.front() : *used};
  } else if (const auto number = rail_number(nic)) {
    if (*number < data.size()) chosen = {data[*number]};
  } else {
    for (const Nic& one : node.nics)
      if (one.name == nic) chosen.push_back(&one);
  }
  if (chosen.empty()) return no_such_nic(node, nic);
  return chosen;
}

Json to_json(const NodeGpu& gpu) {
  Json json{{"index", gpu.index},
            {"uuid", gpu.uuid},
            {"name", gpu.name},
            {"pci", gpu.pci},
            {"pcie_generation", gpu.pcie_generation},
            {"max_pcie_generation", gpu.max_pcie_generation},
            {"pcie_lanes", gpu.pcie_lanes},
            {"max_pcie_lanes", gpu.max_pcie_lanes},
            {"nvlinks", gpu.nvlinks},
            {"mig", gpu.mig}};
  if (gpu.numa_node >= 0) json["numa_node"] = gpu.numa_node;
  if (!gpu.nearest_nic.empty()) json["nearest_nic"] = gpu.nearest_nic;
  return json;
}

Result<NodeGpu> node_gpu_from_json(const Json& json) {
  GRIT_TRY(const auto object, ObjectReader::open(json, "GPU", {"index", "uuid"}));
  NodeGpu gpu;
  GRIT_CHECK(object.read("index", gpu.index));
  GRIT_CHECK(object.read("uuid", gpu.uuid));
  GRIT_CHECK(object.read("name", gpu.name));
  GRIT_CHECK(object.read("pci", gpu.pci));
  GRIT_CHECK(object.read("numa_node", gpu.numa_node));
  GRIT_CHECK(object.read("pcie_generation", gpu.pcie_generation));
  GRIT_CHECK(object.read("max_pcie_generation", gpu.max_pcie_generation));
  GRIT_CHECK(object.read("pcie_lanes", gpu.pcie_lanes));
  GRIT_CHECK(object.read("max_pcie_lanes", gpu.max_pcie_lanes));
  GRIT_CHECK(object.read("nvlinks", gpu.nvlinks));
  GRIT_CHECK(object.read("mig", gpu.mig));
  GRIT_CHECK(object.read("nearest_nic", gpu.nearest_nic));
  return gpu;
}

Json to_json(const Node& node) {
  Json nics = Json::array();
  for (const auto& nic : node.nics) nics.push_back(nic_to_json(nic));
  Json json{{"index", node.index},           {"name", node.name},
            {"ranks", node.ranks},           {"cores", node.cores},
            {"numa_nodes", node.numa_nodes}, {"memory_bytes", node.memory_bytes},
            {"cpu_model", node.cpu_model},   {"kernel", node.kernel},
            {"nics", std::move(nics)}};
  if (!node.microcode.empty()) json["microcode"] = node.microcode;
  for (const NodeGpu& gpu : node.gpus) json["gpus"].push_back(to_json(gpu));
  if (!node.gpu_driver.empty()) json["gpu_driver"] = node.gpu_driver;
  if (!node.gpu_problem.empty()) json["gpu_problem"] = node.gpu_problem;
  return json;
}

Result<Node> node_from_json(const Json& json) {
  GRIT_TRY(const auto object, ObjectReader::open(json, "node", {"index", "name", "ranks"}));
  Node node;
  GRIT_CHECK(object.read("index", node.index));
  GRIT_CHECK(object.read("name", node.name));
  GRIT_CHECK(object.read("ranks", node.ranks));
  GRIT_CHECK(object.read("cores", node.cores));
  GRIT_CHECK(object.read("numa_nodes", node.numa_nodes));
  GRIT_CHECK(object.read("memory_bytes", node.memory_bytes));
  GRIT_CHECK(object.read("cpu_model", node.cpu_model));
  GRIT_CHECK(object.read("microcode", node.microcode));
  GRIT_CHECK(object.read("kernel", node.kernel));
  GRIT_CHECK(object.read("gpu_driver", node.gpu_driver));
  GRIT_CHECK(object.read("gpu_problem", node.gpu_problem));
  if (object.has("gpus") && !object.at("gpus").is_array()) return usage_error("node: \"gpus\" is not a list");
  for (const auto& element : object.has("gpus") ? object.at("gpus") : Json::array()) {
    GRIT_TRY(NodeGpu gpu, node_gpu_from_json(element));
    node.gpus.push_back(std::move(gpu));
  }
  if (!object.has("nics")) return node;
  if (!object.at("nics").is_array()) return usage_error("node: \"nics\" is not a list");
  for (const auto& element : object.at("nics")) {
    auto nic = nic_from_json(element);
    if (!nic) return with_context(std::move(nic).error(), "node " + std::to_string(node.index));
    node.nics.push_back(std::move(*nic));
  }
  return node;
}

Json to_json(const Topology& topology) {
  Json nodes = Json::array();
  for (const auto& node : topology.nodes) nodes.push_back(to_json(node));
  return Json{{"nodes", std::move(nodes)}, {"local_cluster", topology.local_cluster}};
}

Result<Topology> topology_from_json(const Json& json) {
  GRIT_TRY(const auto object, ObjectReader::open(json, "topology", {"nodes"}));
  Topology topology;
  GRIT_CHECK(object.read("local_cluster", topology.local_cluster));
  if (!object.at("nodes").is_array()) return usage_error("topology: \"nodes\" is not a list");
  for (const auto& element : object.at("nodes")) {
    GRIT_TRY(auto node, node_from_json(element));
    topology.nodes.push_back(std::move(node));
  }
  return topology;
}

}  // namespace grit
