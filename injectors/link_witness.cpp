#include "injectors/link_witness.hpp"

#include <fmt/format.h>

#include "harness/base/clock.hpp"
#include "harness/os/netlink.hpp"

namespace grit {
namespace {

class LinkWitness final : public Witness {
 public:
  LinkWitness(LinkMonitor monitor, int ifindex) : monitor_(std::move(monitor)), ifindex_(ifindex) {}

  [[nodiscard]] int descriptor() const override { return monitor_.descriptor(); }

  std::vector<Json> drain() override {
    std::vector<Json> seen;
    auto events = monitor_.drain();
    if (!events) {  // e.g. the socket's buffer overflowed: say that some are missing
      seen.push_back(Json{{"t_ns", monotonic_ns()}, {"what", events.error().message}});
      return seen;
    }
    for (const LinkEvent& event : *events)
      if (event.ifindex == ifindex_)
        seen.push_back(Json{{"t_ns", event.t_ns}, {"what", describe(event)}, {"operstate", event.operstate}});
    return seen;
  }

 private:
  static std::string describe(const LinkEvent& event) {
    if (event.removed) return event.name + " deleted";
    return fmt::format("{} link {}, carrier {}", event.name, event.up ? "up" : "down", event.carrier ? "on" : "off");
  }

  LinkMonitor monitor_;
  int ifindex_;
};

}  // namespace

Result<std::unique_ptr<Witness>> watch_link(int ifindex) {
  GRIT_TRY(LinkMonitor monitor, LinkMonitor::open());
  return std::make_unique<LinkWitness>(std::move(monitor), ifindex);
}

}  // namespace grit
