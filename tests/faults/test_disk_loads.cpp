// disk_contention and page_cache_thrash: bytes that really reach the disk, and directories where they cannot work.
#include <sys/stat.h>

#include <filesystem>

#include "injectors/injector.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using test::ok;

namespace {

constexpr std::int64_t kMiB = 1 << 20;

Target target_of(const Injector& injector, Json given) {
  return {"", Params(ok(complete_params(injector.info().params, std::move(given)))), Json::object(), {}};
}

const Injector& fault(const char* name) {
  const Injector* injector = find_injector(name);
  REQUIRE(injector != nullptr);
  return *injector;
}

void writes_and_stops(const char* name, Json given) {
  const Injector& injector = fault(name);
  const Target target = target_of(injector, std::move(given));
  if (const auto why = injector.why_unavailable(target)) {
    test::skip(fmt::format("{}: {}", name, *why));
    return;
  }
  auto load = ok(injector.prepare(target)).fault;
  const Json before = ok(load->counters());
  ok(load->start());
  REQUIRE(ok(load->read()).holds);
  const std::int64_t deadline_ns = monotonic_ns() + 5 * kNsPerS;
  while (!injector.acted(before, ok(load->counters())) && monotonic_ns() < deadline_ns)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ok(load->stop());
  const Json after = ok(load->counters());
  INFO(after.dump());
  REQUIRE(injector.acted(before, after));
  REQUIRE(after.at("written_bytes") >= kMiB);
  REQUIRE_FALSE(ok(load->read()).left);
  REQUIRE_FALSE(injector.acted(after, ok(load->counters())));
}

}  // namespace

TEST_CASE("disk_contention: both mechanisms write to the disk", "[alone]") {
  for (const char* mechanism : {"direct", "fsync"})
    writes_and_stops("disk_contention", {{"size", 4 * kMiB}, {"rate", 8 * 64 * kMiB}, {"mechanism", mechanism}});
}

TEST_CASE("page_cache_thrash: what was written comes back from the disk", "[alone]") {
  writes_and_stops("page_cache_thrash", {{"size", 4 * kMiB}, {"rate", 8 * 32 * kMiB}});
}

TEST_CASE("disk loads: a directory in memory, one without room, and one that is not there are refused") {
  test::in_namespaces([] {
    for (const char* name : {"disk_contention", "page_cache_thrash"}) {
      const Injector& injector = fault(name);
      const auto why = [&](Json given) {
        return injector.why_unavailable(target_of(injector, std::move(given))).value_or("available");
      };
      const test::Tmpfs memory("/mnt", 0, "size=1m");
      REQUIRE_THAT(why({{"directory", "/mnt"}}), Catch::Contains("tmpfs"));
      REQUIRE_THAT(why({{"directory", "/nonexistent"}}), Catch::Contains("No such file"));
      if (why(Json::object()) == "available")
        REQUIRE_THAT(why({{"size", std::int64_t{1} << 55}}), Catch::Contains("floor"));
    }
  });
}

TEST_CASE("disk loads: sizes that do not fit each other are refused in the plan") {
  for (const char* name : {"disk_contention", "page_cache_thrash"}) {
    const Injector& injector = fault(name);
    REQUIRE_FALSE(injector.resolve_device({}, target_of(injector, {{"block", 5000}}).params).has_value());
    REQUIRE_FALSE(injector.resolve_device({}, target_of(injector, {{"size", kMiB}}).params).has_value());
    REQUIRE(injector.resolve_device({}, target_of(injector, Json::object()).params).has_value());
  }
}
