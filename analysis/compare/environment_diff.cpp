#include "analysis/compare/environment_diff.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <tuple>

#include "analysis/compare/environment_rules.hpp"

namespace grit {
namespace {

using Facts = std::map<std::string, Json>;  // path -> scalar, or list of scalars

bool is_list_of_objects(const Json& value) { return value.is_array() && !value.empty() && value.front().is_object(); }

/// A dot inside of a part would be read as the border of two.
std::string part(std::string text) {
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
}

/// By what the items of a list are told from each other.
std::string name_of(const Json& item, std::size_t index) {
  for (const char* key : {"name", "pci"})
    if (item.contains(key) && item.at(key).is_string()) return item.at(key).get<std::string>();
  return std::to_string(index);
}

/// A virtual NIC that plays no part in the job comes and goes with containers.
bool is_passing_nic(const Json& nic) {
  static const std::set<std::string> kVirtual{"veth", "bridge", "tun", "dummy", "ipvlan", "macvlan"};
  const auto text = [&](const char* key) {
    return nic.contains(key) && nic.at(key).is_string() ? nic.at(key).get<std::string>() : std::string();
  };
  return kVirtual.contains(text("kind")) && text("role") != "data" && text("role") != "management";
}

void flatten(Facts& facts, const std::string& path, const Json& value) {
  const std::string prefix = path.empty() ? "" : path + ".";
  if (is_list_of_objects(value)) {
    for (std::size_t i = 0; i < value.size(); ++i)
      if (value[i].is_object() && !(path == "nics" && is_passing_nic(value[i])))
        flatten(facts, prefix + part(name_of(value[i], i)), value[i]);
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.items()) flatten(facts, prefix + part(key), member);
  } else if (!(value.is_array() && is_collection(path))) {  // an empty list of devices
    facts[path] = value;
  }
}

std::string text_of(const std::string& path, const Json& value) {
  if (path == "memory_bytes" && value.is_number())
    return fmt::format("{:.3g} GiB", value.get<double>() / (1024.0 * 1024 * 1024));
  if (value.is_string()) return value.get<std::string>().empty() ? "none" : value.get<std::string>();
  if (value.is_array()) {
    std::string text;
    for (const Json& item : value) text += (text.empty() ? "" : ", ") + text_of("", item);
    return text.empty() ? "none" : text;
  }
  return json_text(value);
}

/// The values that one fact had on one node in the runs of a side.
struct Seen {
  std::set<std::string> texts{};
  std::vector<Json> values{};

  void add(std::string text, Json value) {
    if (texts.insert(std::move(text)).second) values.push_back(std::move(value));
  }
};

constexpr std::string_view kAbsent = "absent";

/// The facts of one node, in the runs of a side. Of thousands of nodes only one is ever in this form, in which it is
/// ten times larger.
class NodeFacts {
 public:
  NodeFacts(std::span<const Environments> runs, int node) {
    for (const Environments& run : runs) {
      const auto environment = run.find(node);
      if (environment == run.end()) continue;
      Facts facts;
      flatten(facts, "", environment->second);
      std::set<std::string> there;
      for (const auto& [path, value] : facts)
        for (std::size_t dot = path.find('.');; dot = path.find('.', dot + 1)) {
          there.insert(path.substr(0, dot));
          if (dot == std::string::npos) break;
        }
      if (environment->second.is_object())
        for (const auto& [key, value] : environment->second.items()) there.insert(key);
      runs_.emplace_back(std::move(facts), std::move(there));
    }
  }

  [[nodiscard]] std::set<std::string> paths() const {
    std::set<std::string> all;
    for (const auto& [facts, there] : runs_)
      for (const auto& [path, value] : facts) all.insert(path);
    return all;
  }

  /// A path is known when it has a value; or when it is in a collection that was recorded, and then it is absent.
  [[nodiscard]] Seen look(const std::string& path) const {
    Seen seen;
    const std::string collection = path.substr(0, path.find('.'));
    const std::string item = item_of(path);
    for (const auto& [facts, there] : runs_) {
      if (const auto found = facts.find(path); found != facts.end())
        seen.add(text_of(path, found->second), found->second);
      else if (is_collection(collection) && there.contains(collection) && !there.contains(item))
        seen.add(std::string(kAbsent), Json());
    }
    return seen;
  }

  /// "nics.eth0" of "nics.eth0.driver.name".
  static std::string item_of(const std::string& path) {
    const auto first = path.find('.');
    return first == std::string::npos ? path : path.substr(0, path.find('.', first + 1));
  }

 private:
  /// Of each run: the facts, and all paths and beginnings of paths that are there.
  std::vector<std::pair<Facts, std::set<std::string>>> runs_{};
};

std::string joined(const Seen& seen) { return fmt::format("{}", fmt::join(seen.texts, " / ")); }

/// Of two long lists only what is in one of them: "rx-gro, tx-nocache-copy".
std::string only_in(const Json& list, const Json& others) {
  std::vector<std::string> items;
  for (const Json& item : list)
    if (std::find(others.begin(), others.end(), item) == others.end()) items.push_back(text_of("", item));
  return items.empty() ? "without these" : fmt::format("{}", fmt::join(items, ", "));
}

/// The kernel keeps some memory for itself, each version a little more or less.
bool nearly_the_same(const Seen& then, const Seen& now) {
  if (then.values.size() != 1 || now.values.size() != 1) return false;
  const Json &one = then.values[0], &another = now.values[0];
  if (!one.is_number() || !another.is_number()) return false;
  return std::abs(one.get<double>() - another.get<double>()) < 0.01 * one.get<double>();
}

class Differ {
 public:
  Differ(std::span<const Environments> before, std::span<const Environments> after) : before_(before), after_(after) {}

  EnvironmentComparison run() {
    const std::set<int> old_nodes = nodes_of(before_);
    for (const int node : nodes_of(after_))
      if (old_nodes.contains(node)) compare_node(node), ++result_.nodes;
    for (auto& [key, found] : found_) {
      found.all_nodes = static_cast<int>(found.nodes.size()) == result_.nodes;
      result_.differences.push_back(std::move(found));
    }
    std::stable_sort(result_.differences.begin(), result_.differences.end(), before_in_suspicion);
    result_.unknown.assign(unknown_.begin(), unknown_.end());
    return std::move(result_);
  }

 private:
  static std::set<int> nodes_of(std::span<const Environments> runs) {
    std::set<int> all;
    for (const Environments& run : runs)
      for (const auto& [node, environment] : run) all.insert(node);
    return all;
  }

  static bool before_in_suspicion(const EnvironmentDifference& a, const EnvironmentDifference& b) {
    const auto key = [](const EnvironmentDifference& d) {
      return std::tuple(!d.separates, d.suspicion, d.nodes.size(), std::string_view(d.what));
    };
    return key(a) < key(b);
  }

  void compare_node(int node) {
    const NodeFacts before(before_, node), after(after_, node);
    std::set<std::string> paths = before.paths();
    paths.merge(after.paths());
    std::set<std::string> gone;  // devices that one side lacks: said once
    for (const std::string& path : paths)
      if (!differs_always(path)) compare_fact(node, path, before.look(path), after.look(path), gone);
  }

  void compare_fact(int node, const std::string& path, const Seen& then, const Seen& now, std::set<std::string>& gone) {
    if (then.texts.empty() || now.texts.empty()) {
      unknown_.insert(path.substr(0, path.find('.')) == "nics" ? "nics.*" + path.substr(path.rfind('.')) : path);
      return;
    }
    if (then.texts == now.texts || (path == "memory_bytes" && nearly_the_same(then, now))) return;
    const bool appeared = then.texts.contains(std::string(kAbsent)),
               vanished = now.texts.contains(std::string(kAbsent));
    if ((appeared || vanished) && !path.starts_with("variables.")) {
      const std::string item = NodeFacts::item_of(path);
      if (gone.insert(item).second)
        add(node, item, appeared ? "absent" : "present", vanished ? "absent" : "present", true);
      return;
    }
    std::vector<std::string> common;
    std::set_intersection(then.texts.begin(), then.texts.end(), now.texts.begin(), now.texts.end(),
                          std::back_inserter(common));
    const bool lists = then.values.size() == 1 && now.values.size() == 1 && then.values[0].is_array() &&
                       now.values[0].is_array() && then.values[0].size() + now.values[0].size() > 4;
    if (lists)
      add(node, path, only_in(then.values[0], now.values[0]), only_in(now.values[0], then.values[0]), true);
    else
      add(node, path, joined(then), joined(now), common.empty());
  }

  void add(int node, const std::string& path, const std::string& then, const std::string& now, bool separates) {
    const auto key = std::tuple(path, then, now);
    EnvironmentDifference& difference = found_[key];
    if (difference.nodes.empty()) {
      // A NIC or GPU that came or went is another machine, whatever its own settings would be.
      const bool device = !path.starts_with("variables.") && (then == kAbsent || now == kAbsent);
      const std::size_t suspicion = device ? kAnotherMachine : suspicion_of(path);
      difference.suspicion = suspicion;
      difference.kind = kDifferenceKinds[suspicion].name;
      difference.why = kDifferenceKinds[suspicion].why;
      difference.what = path;
      difference.before = then;
      difference.after = now;
      difference.separates = separates;
    }
    difference.nodes.push_back(node);
  }

  std::span<const Environments> before_, after_;
  EnvironmentComparison result_{};
  std::map<std::tuple<std::string, std::string, std::string>, EnvironmentDifference> found_{};
  std::set<std::string> unknown_{};
};

}  // namespace

EnvironmentComparison compare_environments(std::span<const Environments> before, std::span<const Environments> after) {
  return Differ(before, after).run();
}

Json to_json(const EnvironmentComparison& environment) {
  Json differences = Json::array();
  for (const EnvironmentDifference& one : environment.differences)
    differences.push_back({{"kind", one.kind},
                           {"why", one.why},
                           {"what", one.what},
                           {"before", one.before},
                           {"after", one.after},
                           {"nodes", one.nodes},
                           {"all_nodes", one.all_nodes},
                           {"varies_within_a_side", !one.separates}});
  return {
      {"differences", differences}, {"recorded_on_one_side_only", environment.unknown}, {"nodes", environment.nodes}};
}

}  // namespace grit
