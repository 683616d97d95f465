#include "injectors/cores.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "harness/base/shortened.hpp"
#include "injectors/ranks.hpp"

namespace grit {
namespace {

Result<Cpus> cores_of_ranks(const Target& target) {
  Cpus all;
  for (const NodeRank& rank : target.ranks.all) {
    GRIT_TRY(const bool alive, lives(rank.process));
    if (!alive) continue;
    GRIT_TRY(const Cpus own, affinity_of_thread(rank.process.pid));
    Cpus both;
    std::set_union(all.begin(), all.end(), own.begin(), own.end(), std::back_inserter(both));
    all = std::move(both);
  }
  if (all.empty()) return usage_error("no rank runs on this node");
  return all;
}

}  // namespace

ParamSpec cores_param() {
  return {"cores", Unit::text, "rank", "\"rank\": those that the node's ranks may run on; \"all\"; or a list \"0,2-3\"",
          {},      {},         {}};
}

Result<Cpus> chosen_cores(const Target& target) {
  const std::string text = target.params.text("cores");
  if (text == "rank") return cores_of_ranks(target);
  GRIT_TRY(const Cpus online, online_cpus());
  if (text == "all") return online;
  auto wanted = cpus_from_list(text);
  if (!wanted) return usage_error(fmt::format("cores: {}; or \"rank\", or \"all\"", wanted.error().message));
  if (!std::includes(online.begin(), online.end(), wanted->begin(), wanted->end()))
    return usage_error(fmt::format("cores = \"{}\": this node has CPUs {}", shortened(text), to_list(online)));
  return wanted;
}

}  // namespace grit
