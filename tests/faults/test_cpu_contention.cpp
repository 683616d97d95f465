#include "injectors/faults.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

namespace {

Target target_with(Json given) {
  return {.params = Params(ok(complete_params(cpu_contention().info().params, std::move(given)))),
          .ranks = {.all = {{.process = ok(identify_process(::getpid()))}}}};
}

}  // namespace

TEST_CASE("cpu_contention: asks for the share it was told, and for no more", "[cpu_contention]") {
  const auto load = ok(cpu_contention().prepare(target_with({{"share", 0.2}, {"cores", "0"}}))).fault;
  ok(load->start());
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  const Json counters = ok(load->counters());
  ok(load->stop());
  const auto used = counters.at("on_cpu_ns").get<double>(), lasted = counters.at("in_force_ns").get<double>();
  CHECK(used > 0);
  CHECK(used / lasted < 0.25);
}

TEST_CASE("cpu_contention: more processes than cores take turns, a core that is not there is an error",
          "[cpu_contention]") {
  const auto load = ok(cpu_contention().prepare(target_with({{"threads", 3}, {"cores", "0"}, {"share", 0.01}}))).fault;
  ok(load->start());
  CHECK(ok(load->read()).details.at("pids").size() == 3);
  ok(load->stop());
  const auto why = cpu_contention().why_unavailable(target_with({{"cores", "8000"}}));
  REQUIRE(why.has_value());
  CHECK(why->find("this node has CPUs") != std::string::npos);
  CHECK(cpu_contention().why_unavailable(target_with({{"cores", "some"}})).has_value());
}
