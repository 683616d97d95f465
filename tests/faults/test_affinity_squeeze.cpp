// What affinity_squeeze says of where it sends ranks; the rest of it: the conformance tests.
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
