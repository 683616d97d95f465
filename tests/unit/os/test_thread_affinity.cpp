#include <atomic>

#include "harness/os/thread_affinity.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// A thread that says who it is and stays until it is let go.
struct Waiting {
  std::atomic<pid_t> tid{0};
  std::atomic<bool> go{false};
  std::thread thread{[this] {
    tid = static_cast<pid_t>(::syscall(SYS_gettid));
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }};
  Waiting() {
    while (tid == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~Waiting() {
    go = true;
    thread.join();
  }
};

}  // namespace

TEST_CASE("the affinity of all threads of a process is put back thread by thread") {
  const ProcessIdentity self = ok(identify_process(::getpid()));
  const Cpus all = ok(affinity_of_thread(0));
  if (all.size() < 2) {
    test::skip("it takes two CPUs");
    return;
  }
  const Cpus first{all.front()}, last{all.back()};
  {
    const Waiting other;
    ok(set_affinity_of_thread(other.tid, last));
    const ProcessAffinity saved = ok(process_affinity_from_json(to_json(ok(read_affinity(self)))));
    CHECK(saved.threads.front().cpus == all);
    REQUIRE(ok(set_affinity(self, first)));
    CHECK(ok(affinity_of_thread(0)) == first);
    CHECK(ok(affinity_of_thread(other.tid)) == first);
    CHECK_FALSE(is_bound_as(saved, ok(read_affinity(self))));
    const Waiting later;  // inherits
    CHECK(ok(affinity_of_thread(later.tid)) == first);
    const ProcessAffinity with_it = ok(with_later_threads(saved));
    CHECK(with_it.threads.size() == saved.threads.size() + 1);
    ok(restore_affinity(with_it));
    CHECK(ok(affinity_of_thread(other.tid)) == last);
    CHECK(ok(affinity_of_thread(later.tid)) == first);  // bound as it was, not as the main thread
    CHECK(is_bound_as(saved, ok(read_affinity(self))));
    for (int twice = 0; twice < 2; ++twice) {
      ok(restore_affinity(saved));
      CHECK(ok(affinity_of_thread(0)) == all);
      CHECK(ok(affinity_of_thread(other.tid)) == last);
      CHECK(ok(affinity_of_thread(later.tid)) == all);
    }
    REQUIRE(ok(set_affinity(self, first)));
    ok(set_affinity_of_thread(later.tid, last));  // as it might do itself
    ok(restore_affinity_within(saved, first));
    CHECK(ok(affinity_of_thread(0)) == all);
    CHECK(ok(affinity_of_thread(other.tid)) == last);
    CHECK(ok(affinity_of_thread(later.tid)) == last);
  }
}

TEST_CASE("affinities of another process that has that pid now are left alone") {
  ProcessAffinity saved = ok(read_affinity(ok(identify_process(::getpid()))));
  const Cpus all = saved.threads.front().cpus;
  saved.process.start_ticks += 1;
  saved.threads.front().cpus = {all.front()};
  ok(restore_affinity(saved));
  CHECK(ok(affinity_of_thread(0)) == all);
  CHECK_FALSE(ok(set_affinity(saved.process, {all.front()})));
  CHECK_FALSE(read_affinity(saved.process).has_value());
}
