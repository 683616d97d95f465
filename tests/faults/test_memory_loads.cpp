// memory_bandwidth and memory_leak: what only they promise.
#include "harness/os/process_usage.hpp"
#include "injectors/injector.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using test::ok;

namespace {

constexpr std::int64_t kMiB = 1 << 20;

std::unique_ptr<Fault> load_of(const char* fault, Json given) {
  const Injector* injector = find_injector(fault);
  REQUIRE(injector != nullptr);
  const Target target{"", Params(ok(complete_params(injector->info().params, std::move(given)))), Json::object(), {}};
  REQUIRE(injector->why_unavailable(target).value_or("available") == "available");
  return ok(injector->prepare(target)).fault;
}

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

std::int64_t counter(Fault& load, const char* key) { return ok(load.counters()).at(key).get<std::int64_t>(); }

}  // namespace

TEST_CASE("memory_bandwidth: it keeps to its rate, and without one it goes far beyond", "[alone]") {
  const std::int64_t rate = 8 * 128 * kMiB;
  auto load = load_of("memory_bandwidth", {{"rate", rate}, {"buffer", 8 * kMiB}});
  sleep_ms(20);
  REQUIRE(counter(*load, "stored_bytes") == 0);
  ok(load->start());
  sleep_ms(500);
  ok(load->stop());
  const std::int64_t reached = counter(*load, "stored_bits_per_s");
  REQUIRE(reached < rate * 13 / 10);
  REQUIRE(reached > rate / 4);  // others compute on this machine, too
  REQUIRE(counter(*load, "cpu_ns") > 0);

  auto most = load_of("memory_bandwidth", {{"buffer", 8 * kMiB}});
  ok(most->start());
  sleep_ms(200);
  ok(most->stop());
  REQUIRE(counter(*most, "stored_bits_per_s") > 2 * reached);
}

TEST_CASE("memory_leak: it grows at its rate, stops at its limit, and starts anew", "[alone]") {
  auto load = load_of("memory_leak", {{"rate", 8 * 64 * kMiB}, {"limit", 24 * kMiB}});
  const auto resident = [&] { return ok(load->read()).details.at("resident_bytes").get<std::int64_t>(); };
  REQUIRE_FALSE(ok(load->read()).left);
  for (int i = 0; i < 2; ++i) {
    ok(load->start());
    const std::int64_t started_ns = monotonic_ns();
    while (!ok(load->read()).holds && monotonic_ns() < started_ns + load->patience_ns()) sleep_ms(1);
    REQUIRE(ok(load->read()).holds);
    REQUIRE(resident() < 24 * kMiB);
    sleep_ms(150);
    const std::int64_t later = resident();
    REQUIRE(later > kMiB);
    REQUIRE(later < 20 * kMiB);
    const std::int64_t deadline_ns = monotonic_ns() + 5 * kNsPerS;
    while (resident() < 24 * kMiB && monotonic_ns() < deadline_ns) sleep_ms(10);
    sleep_ms(50);
    REQUIRE(resident() >= 24 * kMiB);
    REQUIRE(resident() < 26 * kMiB);
    ok(load->stop());
    REQUIRE(resident() == 0);
  }
  REQUIRE(counter(*load, "faulted_bytes") >= 48 * kMiB);
}
