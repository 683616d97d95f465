#include "harness/run/interrupt.hpp"

#include <unistd.h>

#include <csignal>

namespace grit {
namespace {

// A signal handler has no other way to reach its data (signal-safety(7)).
std::atomic<RankSlot*> interrupted_slot{nullptr};

void on_signal(int) {
  if (RankSlot* slot = interrupted_slot.load(); slot != nullptr) slot->end.store(RankEnd::interrupted);
  ::_exit(130);
}

}  // namespace

InterruptGuard::InterruptGuard(RankSlot& slot) {
  interrupted_slot.store(&slot);
  struct sigaction action {};
  action.sa_handler = on_signal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

InterruptGuard::~InterruptGuard() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGPIPE, &action, nullptr);
  interrupted_slot.store(nullptr);
}

}  // namespace grit
