#include "analysis/facts/first_cause.hpp"

#include <algorithm>
#include <utility>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

using CauseKind = EndCause::Kind;

constexpr std::int64_t kOnItsWay_ns = 20 * kNsPerMs;   // from an agent to the file, on a busy management network
constexpr std::int64_t kDiesWithItsNode_ns = kNsPerS;  // while its agent still says what it does about the death

/// On node 0's clock: measured; its own; or when its recorder heard of it.
std::optional<NodeClocks::Aligned> time_of(const EndCause& cause, const Json& event, const NodeClocks& clocks) {
  if (auto aligned = clocks.align(cause.clock, cause.t_ns)) return aligned;
  if (cause.clock == 0) return NodeClocks::Aligned{cause.t_ns, 0};
  const auto heard = event.find("heard_ns");
  if (heard == event.end() || !heard->is_number_integer()) return std::nullopt;
  return NodeClocks::Aligned{heard->get<std::int64_t>(), kOnItsWay_ns};
}

bool is_strong(const EndCause& cause) { return cause.kind != CauseKind::told_to_end; }

}  // namespace

std::optional<FirstCause::Found> FirstCause::decide(const NodeClocks& clocks) const {
  struct Placed {
    const Told* told = nullptr;
    std::int64_t t_ns = 0, bound_ns = 0;
  };
  std::vector<Placed> placed;
  bool comparable = true;
  for (const Told& told : causes_) {
    const auto at = time_of(told.cause, told.event, clocks);
    placed.push_back(at ? Placed{&told, at->t_ns, at->bound_ns} : Placed{&told, 0, 0});
    comparable = comparable && at;
  }
  for (std::size_t i = 0; i < placed.size() && !comparable; ++i) placed[i].t_ns = static_cast<std::int64_t>(i);
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) { return a.t_ns < b.t_ns; });

  const auto strong = [](const Placed& one) { return is_strong(one.told->cause); };
  auto first = std::find_if(placed.begin(), placed.end(), strong);
  if (first == placed.end()) first = placed.begin();
  if (first == placed.end()) return std::nullopt;
  // Whoever interrupts a run is written down only when all have ended; who was told to end before says that it was so.
  const auto interruption = std::find_if(
      placed.begin(), placed.end(), [](const Placed& one) { return one.told->cause.kind == CauseKind::interrupted; });
  if (interruption != placed.end() && !strong(placed.front())) first = interruption;

  std::optional<Placed> death;
  if (first->told->cause.kind == CauseKind::rank_death) {
    const auto lost = std::find_if(placed.begin(), placed.end(), [&](const Placed& one) {
      return one.told->cause.kind == CauseKind::node_loss && one.told->cause.node == first->told->cause.node &&
             (!comparable || one.t_ns - first->t_ns <= kDiesWithItsNode_ns);
    });
    if (lost != placed.end()) death = *std::exchange(first, lost);
  }

  Found found{first->told->cause, first->told->event};
  if (comparable) found.at_ns = first->t_ns;
  if (death) found.death = death->told->cause;
  if (death && comparable && first->t_ns - death->t_ns >= death->bound_ns + first->bound_ns)
    found.death_before_ns = first->t_ns - death->t_ns;
  if (found.cause.kind != CauseKind::rank_death) return found;
  const auto rival = std::find_if(placed.begin(), placed.end(), [&](const Placed& one) {
    return one.told->cause.kind == CauseKind::rank_death && one.told->cause.node != found.cause.node &&
           (!comparable || one.t_ns - first->t_ns < one.bound_ns + first->bound_ns);
  });
  if (rival != placed.end()) found.rival = rival->told->cause;
  return found;
}

}  // namespace grit
