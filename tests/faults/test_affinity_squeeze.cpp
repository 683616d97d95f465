// What affinity_squeeze says of where it sends ranks; the rest of it: the conformance tests.
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <optional>

#include "harness/os/thread_affinity.hpp"
#include "injectors/faults.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

TEST_CASE("affinity_squeeze: its evidence says why the ranks are where they are") {
  if (ok(affinity_of_thread(0)).size() < 2) return test::skip("it takes two CPUs");
  const Injector& squeeze = affinity_squeeze();
  Target target{.params = Params(ok(complete_params(squeeze.info().params, Json::object())))};
  target.ranks.all = {{.process = ok(identify_process(::getpid()))}};
  const Prepared made = ok(squeeze.prepare(target));
  ok(made.fault->start());
  const Json details = ok(made.fault->read()).details;
  ok(made.fault->stop());
  REQUIRE(details.at(std::to_string(::getpid())).at("why") == "shared by 1 rank(s)");
}

TEST_CASE("affinity_squeeze: an older grit's record, which knows of no helpers, is put back, a damaged one is not") {
  const Cpus all = ok(affinity_of_thread(0));
  if (all.size() < 2) return test::skip("it takes two CPUs");
  const Injector& squeeze = affinity_squeeze();
  Target target{.params = Params(ok(complete_params(squeeze.info().params, Json::object())))};
  target.ranks.all = {{.process = ok(identify_process(::getpid()))}};
  Prepared made = ok(squeeze.prepare(target));
  Json& rank = made.undo.at("ranks").at(0);
  REQUIRE(rank.erase("helpers") == 1);
  ok(made.fault->start());
  REQUIRE(ok(affinity_of_thread(0)) == Cpus{all.front()});
  CHECK(ok(squeeze.revert(made.undo)) == Reverted::put_back);
  CHECK(ok(affinity_of_thread(0)) == all);

  for (const Json& helpers : {Json(nullptr), Json::object(), Json{"none"}}) {
    rank["helpers"] = helpers;
    CHECK_FALSE(squeeze.revert(made.undo));
  }
}

namespace {

/// A process beside this one, as one that loads its data.
class Helper {
 public:
  Helper() : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) ::pause();
  }
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;
  ~Helper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] Cpus cpus() const { return ok(affinity_of_thread(pid_)); }
  void bind(const Cpus& cpus) const { ok(set_affinity_of_thread(pid_, cpus)); }

 private:
  pid_t pid_;
};

}  // namespace

TEST_CASE("affinity_squeeze: helpers of a rank are squeezed and put back, also one that started meanwhile") {
  const Cpus all = ok(affinity_of_thread(0));
  if (all.size() < 2) return test::skip("it takes two CPUs");
  const Helper helper, bound;
  bound.bind({all.back()});
  std::optional<Helper> ends(std::in_place);
  const Injector& squeeze = affinity_squeeze();
  Target target{.params = Params(ok(complete_params(squeeze.info().params, Json::object())))};
  target.ranks.all = {{.process = ok(identify_process(::getpid()))}};
  const Prepared made = ok(squeeze.prepare(target));
  ok(made.fault->start());
  const Helper late;
  const Cpus first{all.front()};
  CHECK(helper.cpus() == first);
  CHECK(bound.cpus() == first);
  CHECK(late.cpus() == first);
  CHECK(ok(made.fault->read()).holds);
  ends.reset();
  CHECK(ok(made.fault->read()).holds);
  SECTION("by its stop") { ok(made.fault->stop()); }
  SECTION("from the record alone") { CHECK(ok(squeeze.revert(made.undo)) == Reverted::put_back); }
  CHECK_FALSE(ok(made.fault->read()).left);
  CHECK(helper.cpus() == all);
  CHECK(bound.cpus() == Cpus{all.back()});
  CHECK(late.cpus() == all);
  CHECK(ok(affinity_of_thread(0)) == all);
}
