#include "harness/model/damages.hpp"

#include <array>

#include "harness/model/format.hpp"

namespace grit {
namespace {

constexpr std::array<std::pair<Damage::State, std::string_view>, 4> kDamageStates{
    {{Damage::State::to_do, "to_do"},
     {Damage::State::finished, "finished"},
     {Damage::State::not_here, "not_here"},
     {Damage::State::failed, "failed"}}};

Result<Damage> damage_from(const Json& json) {
  Damage damage{.name = json.at("name").get<std::string>(), .reason = json.value("reason", std::string())};
  if (!names_a_directory(damage.name)) return usage_error("not a damages.json: a damage has no name");
  const auto word = json.at("state").get<std::string>();
  for (const auto& [state, text] : kDamageStates) {
    if (text != word) continue;
    damage.state = state;
    return damage;
  }
  return usage_error("not a damages.json: " + damage.name + " is in no state that there is");
}

}  // namespace

bool names_a_directory(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos;
}

std::string_view to_string(Damage::State state) { return kDamageStates[static_cast<std::size_t>(state)].second; }

Json to_json(const Damages& damages) {
  Json json{{"format", formats::kDamages.number},
            {"scenario", damages.scenario},
            {"file", damages.file},
            {"seed", damages.seed},
            {"sets", damages.sets},
            {"nodes", damages.nodes},
            {"ranks_per_node", damages.ranks_per_node},
            {"pairs", damages.pairs},
            {"command_line", damages.command_line},
            {"damages", Json::array()}};
  for (const Damage& one : damages.all)
    json["damages"].push_back({{"name", one.name}, {"state", to_string(one.state)}, {"reason", one.reason}});
  return json;
}

Result<Damages> damages_from_json(const Json& json) {
  try {
    GRIT_CHECK(check_format(json, formats::kDamages));
    Damages damages{.scenario = json.at("scenario").get<std::string>(),
                    .file = json.at("file").get<std::string>(),
                    .seed = json.at("seed").get<std::uint64_t>(),
                    .sets = json.at("sets").get<Overrides>(),
                    .nodes = json.at("nodes").get<int>(),
                    .ranks_per_node = json.at("ranks_per_node").get<int>(),
                    .pairs = json.at("pairs").get<std::int64_t>(),
                    .command_line = json.at("command_line").get<std::vector<std::string>>()};
    for (const Json& one : json.at("damages")) {
      GRIT_TRY(Damage damage, damage_from(one));
      damages.all.push_back(std::move(damage));
    }
    return damages;
  } catch (const Json::exception& error) {
    return usage_error(std::string("not a damages.json: ") + error.what());
  }
}

}  // namespace grit
