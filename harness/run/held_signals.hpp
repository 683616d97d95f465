// Ctrl-C between the runs of a series or of a scorecard.
#pragma once

#include <csignal>
#include <ctime>

namespace grit {

/// As long as it lives, SIGINT, SIGTERM and SIGHUP wait: for the next run, which then ends at once, or for the end of
/// all, by which they are forgotten.
class HeldSignals {
 public:
  HeldSignals() {
    sigemptyset(&held_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&held_, number);
    sigprocmask(SIG_BLOCK, &held_, &before_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP})  // what somebody holds already is his
      if (sigismember(&before_, number) == 1) sigdelset(&held_, number);
  }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals() {
    const timespec now{};
    while (sigtimedwait(&held_, nullptr, &now) > 0) {  // all has ended by them: they must not end grit too
    }
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  /// Does one of them wait?
  [[nodiscard]] static bool any() {
    sigset_t pending{};
    sigpending(&pending);
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
           sigismember(&pending, SIGHUP) == 1;
  }

 private:
  sigset_t held_{}, before_{};
};

}  // namespace grit
