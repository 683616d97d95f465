// memory_pressure: small amounts, held for real, by the kernel's count.
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

#include "harness/os/memory.hpp"
#include "harness/os/process_usage.hpp"
#include "injectors/injector.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using test::ok;

namespace {

constexpr std::int64_t kMiB = 1 << 20;

const Injector& pressure() {
  const Injector* injector = find_injector("memory_pressure");
  REQUIRE(injector != nullptr);
  return *injector;
}

Target target(Json given) { return {"", Params(ok(complete_params(pressure().info().params, std::move(given))))}; }

std::int64_t detail(Fault& load, const char* key) { return ok(load.read()).details.at(key).get<std::int64_t>(); }

bool becomes_true(const std::function<bool()>& condition) {
  const std::int64_t deadline_ns = monotonic_ns() + 5 * kNsPerS;
  while (!condition()) {
    if (monotonic_ns() > deadline_ns) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace

TEST_CASE("memory_pressure: it holds what it says, in the kernel's count, and gives it all back", "[alone]") {
  const Target hold = target({{"hold", 64 * kMiB}, {"threads", 2}});
  REQUIRE(pressure().why_unavailable(hold).value_or("available") == "available");
  auto load = ok(pressure().prepare(hold)).fault;
  const Json before = ok(load->counters());
  REQUIRE_FALSE(ok(load->read()).left);
  REQUIRE(detail(*load, "resident_bytes") < kMiB);
  REQUIRE_FALSE(pressure().acted(before, ok(load->counters())));
  ok(load->start());
  REQUIRE(becomes_true([&] { return ok(load->read()).holds; }));
  REQUIRE(becomes_true([&] { return detail(*load, "resident_bytes") >= 64 * kMiB; }));
  std::int64_t by_kernel = 0;
  const Json pids = ok(load->read()).details.at("pids");
  REQUIRE(pids.size() == 2);
  for (const Json& pid : pids) by_kernel += ok(process_usage(pid.get<pid_t>())).anonymous_bytes;
  REQUIRE(by_kernel >= 64 * kMiB);
  REQUIRE(by_kernel < 96 * kMiB);
  ok(load->stop());
  ok(load->stop());
  const Json after = ok(load->counters());
  REQUIRE(after.at("faulted_bytes") >= 64 * kMiB);
  REQUIRE(pressure().acted(before, after));
  REQUIRE_FALSE(ok(load->read()).left);
  REQUIRE(detail(*load, "resident_bytes") == 0);
  REQUIRE_FALSE(pressure().acted(after, ok(load->counters())));
}

TEST_CASE("memory_pressure: its first pages wait for nobody, and with them its priority over others ends", "[alone]") {
  auto load = ok(pressure().prepare(target({{"hold", 4 * kMiB}}))).fault;
  const pid_t pid = ok(load->read()).details.at("pids").at(0).get<pid_t>();
  // It takes its priority itself, some time after it was forked.
  if (::geteuid() == 0) REQUIRE(becomes_true([&] { return ::sched_getscheduler(pid) == SCHED_RR; }));
  ok(load->start());
  REQUIRE(becomes_true([&] { return detail(*load, "resident_bytes") >= 4 * kMiB; }));
  REQUIRE(becomes_true([&] { return ::sched_getscheduler(pid) == SCHED_OTHER; }));
}

TEST_CASE("memory_pressure: churn faults the same memory in again and again", "[alone]") {
  auto load = ok(pressure().prepare(target({{"hold", 32 * kMiB}, {"churn", 8 * 256 * kMiB}}))).fault;
  ok(load->start());
  REQUIRE(becomes_true([&] { return detail(*load, "resident_bytes") >= 28 * kMiB; }));
  const std::int64_t faulted = detail(*load, "faulted_bytes");
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  REQUIRE(detail(*load, "faulted_bytes") - faulted > 16 * kMiB);  // 128 MiB where nobody else computes
  REQUIRE(detail(*load, "faulted_bytes") - faulted < 512 * kMiB);
  REQUIRE(detail(*load, "resident_bytes") < 64 * kMiB);
}

TEST_CASE("memory_pressure: a ramp takes its time", "[alone]") {
  auto load = ok(pressure().prepare(target({{"hold", 64 * kMiB}, {"ramp", kNsPerS}}))).fault;
  ok(load->start());
  REQUIRE(becomes_true([&] { return ok(load->read()).holds; }));
  REQUIRE(detail(*load, "resident_bytes") < 64 * kMiB);
  REQUIRE(becomes_true([&] { return detail(*load, "resident_bytes") >= 64 * kMiB; }));
}

TEST_CASE("memory_pressure: following what is available it comes to rest", "[alone]") {
  const std::int64_t available = ok(read_memory()).available_bytes;
  const Target follow = target({{"available", available - 256 * kMiB}});
  REQUIRE(pressure().why_unavailable(follow).value_or("available") == "available");
  auto load = ok(pressure().prepare(follow)).fault;
  ok(load->start());
  // Others take and give back at the same time: wide bounds.
  REQUIRE(becomes_true([&] { return detail(*load, "available_bytes") <= available - 128 * kMiB; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  REQUIRE(detail(*load, "available_bytes") > available - 512 * kMiB);
}

TEST_CASE("memory_pressure: until tasks wait for memory it grows, slowly", "[alone]") {
  const Target stall = target({{"psi", 100.0}});
  if (const auto why = pressure().why_unavailable(stall)) {
    test::skip(*why);
    return;
  }
  auto load = ok(pressure().prepare(stall)).fault;
  ok(load->start());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const std::int64_t held = detail(*load, "resident_bytes");
  REQUIRE(becomes_true([&] { return ok(load->read()).holds; }));
  REQUIRE(held < ok(read_memory()).total_bytes / 20);
  REQUIRE(becomes_true([&] { return detail(*load, "resident_bytes") > held; }));
  ok(load->stop());
}

TEST_CASE("memory_pressure: what would go below the floor is refused, and so is more than one goal", "[alone]") {
  const auto memory = ok(read_memory());
  for (const Json& given : {Json{{"available", kMiB}}, Json{{"hold", memory.available_bytes}}, Json{{"share", 1.0}}})
    REQUIRE_THAT(pressure().why_unavailable(target(given)).value_or("available"), Catch::Contains("floor"));
  for (const Json& given : {Json::object(), Json{{"hold", kMiB}, {"available", kMiB}}, Json{{"hold", 1000}}})
    REQUIRE_FALSE(pressure().resolve_device({}, target(given).params).has_value());
}
