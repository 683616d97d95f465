#include "harness/agent/carrier_watch.hpp"

#include <optional>

namespace grit {
namespace {

/// The interface as it is now; nothing when it is gone or cannot be read: then nobody waits for it.
std::optional<Link> link_now(const LinkConfig& config) {
  auto netlink = Netlink::open();
  if (!netlink) return std::nullopt;
  auto link = find_same_link(*netlink, config.identity);
  return link ? std::move(*link) : std::nullopt;
}

}  // namespace

void CarrierWatch::faults_come(const std::set<std::string>& interfaces) {
  had_carrier_.clear();
  for (const std::string& name : interfaces) {
    auto config = read_link_config(name);
    if (config && config->up && config->carrier) had_carrier_.push_back(std::move(*config));
  }
}

void CarrierWatch::faults_are_off(std::int64_t now_ns) {
  if (had_carrier_.empty()) return;
  off_at_ns_ = now_ns;
  for (LinkConfig& config : had_carrier_) {
    const auto link = link_now(config);
    if (link && link->up() && !link->carrier) waited_for_.push_back(std::move(config));
  }
  had_carrier_.clear();
}

std::vector<CarrierNews> CarrierWatch::look(std::int64_t now_ns) {
  std::vector<CarrierNews> news;
  const bool too_long = now_ns - off_at_ns_ >= kCarrierLimit_ns;
  std::erase_if(waited_for_, [&](const LinkConfig& config) {
    const auto link = link_now(config);
    if (!link || !link->up()) return true;  // somebody has taken it away, or down
    if (!link->carrier && !too_long) return false;
    CarrierNews one{.interface = link->name, .back = link->carrier, .after_ns = now_ns - off_at_ns_};
    if (link->carrier)
      if (const auto restored = restore_link_config(config); !restored) one.problem = restored.error().message;
    news.push_back(std::move(one));
    return true;
  });
  return news;
}

}  // namespace grit
