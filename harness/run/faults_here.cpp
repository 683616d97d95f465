#include "harness/run/faults_here.hpp"

#include <algorithm>
#include <cstdlib>

#include "harness/base/json.hpp"
#include "harness/cluster/ask_in_namespaces.hpp"
#include "injectors/injector.hpp"

namespace grit {

Result<std::map<std::string, std::string>> faults_not_in_cluster(std::span<const std::string> names) {
  const auto ask = [&] {
    ::setenv("GRIT_LOCAL_CLUSTER", "1", 1);  // as a node's processes have it
    Json missing = Json::object();
    for (const std::string& name : names) {
      const Injector* injector = find_injector(name);
      if (injector == nullptr || missing.contains(name)) continue;
      const auto all = injector->mechanisms_here();
      const bool none = std::all_of(all.begin(), all.end(), [](const auto& one) { return one.why_not.has_value(); });
      if (none && !all.empty()) missing[name] = *all.front().why_not;
    }
    return json_text(missing);
  };
  GRIT_TRY(const std::string text, ask_in_namespaces(ask));
  GRIT_TRY(const Json missing, parse_json(text));
  return missing.get<std::map<std::string, std::string>>();
}

}  // namespace grit
