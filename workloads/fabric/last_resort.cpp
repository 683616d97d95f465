#include "workloads/fabric/last_resort.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <utility>

#include "harness/base/result.hpp"

namespace grit {

LastResort::LastResort(std::string what, std::int64_t patience_ns)
    : thread_([this, what = std::move(what), patience_ns] {
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, std::chrono::nanoseconds(patience_ns), [this] { return is_over_; })) return;
        fmt::print(stderr, "grit: {}; this rank ends itself\n", what);
        std::fflush(stderr);
        ::_exit(static_cast<int>(ErrorKind::internal));
      }) {}

LastResort::~LastResort() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
}

}  // namespace grit
