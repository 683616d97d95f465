#include "harness/run/interrupt.hpp"

#include <unistd.h>

#include <csignal>

namespace grit {
namespace {

// A signal handler has no other way to reach its data (signal-safety(7)).
std::atomic<RankSlot*> interrupted_slot{nullptr};
std::atomic<NodeControl*> interrupted_control{nullptr};

void on_signal(int) {
  RankSlot* slot = interrupted_slot.load();
  NodeControl* control = interrupted_control.load();
  if (slot == nullptr || control == nullptr) ::_exit(kInterruptedCode);
  slot->end.store(RankEnd::interrupted);
  const int code = control->leave_with.load();
  if (code == 0) ::_exit(kInterruptedCode);
  if (slot->rank == 0) {
    const std::uint32_t bytes = control->last_words_bytes.load();
    [[maybe_unused]] const ssize_t said = ::write(STDERR_FILENO, control->last_words, bytes);
  }
  ::_exit(code);
}

}  // namespace

InterruptGuard::InterruptGuard(RankSlot& slot, NodeControl& control) {
  interrupted_slot.store(&slot);
  interrupted_control.store(&control);
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
  interrupted_control.store(nullptr);
}

}  // namespace grit
