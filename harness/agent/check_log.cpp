#include "harness/agent/check_log.hpp"

#include <utility>

#include "harness/model/event.hpp"

namespace grit {

void CheckLog::take(std::size_t place, const CheckInfo& info, int block, const Result<CheckOutcome>& outcome) {
  OfCheck& check = checks_[place];
  check.name = info.name;
  check.of_links = info.of_links;
  const State state = !outcome ? State::not_made : outcome->ok ? State::passed : State::failed;
  if (outcome) {
    check.readings += 1;
    check.failures += outcome->ok ? 0 : 1;
  } else if (check.not_made++ == 0) {
    check.obstacle = outcome.error().message;
  }
  if (std::exchange(check.last, state) == state) return;
  Json event = make_event("check_change", node_);
  event["check"] = info.name;
  if (!info.of_links) event["of_links"] = false;
  event["block"] = block;
  if (outcome) event["ok"] = outcome->ok;
  event["detail"] = outcome ? outcome->detail : outcome.error().message;
  emit_(std::move(event));
}

void CheckLog::end_block(int block) {
  for (auto& [place, check] : checks_) {
    if (check.readings + check.not_made == 0) continue;
    Json event = make_event("check_summary", node_);
    event["check"] = check.name;
    if (!check.of_links) event["of_links"] = false;
    event["block"] = block;
    event["readings"] = check.readings;
    event["failures"] = check.failures;
    event["not_made"] = check.not_made;
    if (check.not_made > 0) event["detail"] = check.obstacle;
    emit_(std::move(event));
    check = OfCheck{.name = check.name, .of_links = check.of_links, .last = check.last};
  }
}

}  // namespace grit
