// What a plan refuses of the faults that load GPUs, what their doses come to, and machines without a GPU.
#include "injectors/faults.hpp"
#include "injectors/gpu_load.hpp"
#include "injectors/gpu_shares.hpp"
#include "tests/catch.hpp"
#include "tests/environment_variable.hpp"
#include "tests/namespace.hpp"
#include "tests/text.hpp"

using namespace grit;
using grit::test::contains;
using grit::test::ok;

namespace {

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

Params load_params(const Injector& injector, Json given) {
  return Params(ok(complete_params(injector.info().params, std::move(given))));
}

/// What the plan says to it; "fine" when nothing.
std::string said(const Injector& injector, const Node& node, Json given) {
  const auto params = complete_params(injector.info().params, std::move(given));
  if (!params) return params.error().message;
  for (const ParamSpec& spec : injector.info().params)
    if (const Status fine = check_param(spec, params->at(spec.name)); !fine) return fine.error().message;
  const auto resolved = injector.resolve_device(node, Params(*params));
  return resolved ? "fine" : resolved.error().message;
}

/// Two GPUs, of which the driver tells.
Node node_with_gpus(int nvlinks) {
  Node node{.name = "node1"};
  node.gpus = {{.index = 0, .uuid = "GPU-a", .pci = "0000:3b:00.0", .nvlinks = nvlinks},
               {.index = 1, .uuid = "GPU-b", .pci = "0000:81:00.0", .nvlinks = nvlinks}};
  return node;
}

const std::vector<const Injector*> kLoads{&gpu_contention(), &pcie_contention(), &gpu_memory_pressure()};

}  // namespace

TEST_CASE("loads of GPUs: a share in multiprocessors, to the nearest") {
  CHECK(ok(multiprocessors_of(0.5, 132)) == 66);
  CHECK(ok(multiprocessors_of(0.01, 132)) == 1);
  CHECK(ok(multiprocessors_of(1.0, 132)) == 132);
  CHECK(ok(multiprocessors_of(0.13, 4)) == 1);
  const auto none = multiprocessors_of(0.1, 4);
  REQUIRE_FALSE(none);
  CHECK(contains(none.error().message, "10 % are less than one of the 4 multiprocessors"));
}

TEST_CASE("loads of GPUs: copies within a GPU go past its cache") {
  CHECK(past_cache_bytes(50 << 20) == 200 << 20);
  CHECK(past_cache_bytes(1 << 20) == 16 << 20);
  CHECK(past_cache_bytes(0) == 256 << 20);
}

TEST_CASE("gpu_memory_pressure: what may be held, and the floor") {
  CHECK(gpu_floor_bytes(16 * kGiB) == kGiB);
  CHECK(gpu_floor_bytes(80 * kGiB) == 4 * kGiB);
  CHECK(ok(holdable_bytes(8 * kGiB, 60 * kGiB, 80 * kGiB)) == 52 * kGiB);
  const auto below = holdable_bytes(2 * kGiB, 60 * kGiB, 80 * kGiB);
  REQUIRE_FALSE(below);
  CHECK(contains(below.error().message, "the floor is 4294967296"));
  const auto already = holdable_bytes(8 * kGiB, 8 * kGiB, 80 * kGiB);
  REQUIRE_FALSE(already);
  CHECK(contains(already.error().message, "are free already"));
}

TEST_CASE("loads of GPUs: a plan refuses what cannot be") {
  const Node node = node_with_gpus(18);
  for (const Injector* load : kLoads) {
    CAPTURE(load->info().name);
    CHECK(said(*load, node, Json::object()) == "fine");
    for (const char* gpu : {"all", "1", "GPU-b", "0000:81:00.0"}) CHECK(said(*load, node, {{"gpu", gpu}}) == "fine");
    for (const char* gpu : {"2", "GPU-c", "0000:82:00.0"})
      CHECK(contains(said(*load, node, {{"gpu", gpu}}), "on node1, which has 2 GPUs"));
    for (const char* gpu : {"", "first", "-1", "0000:81:00", "0000:8G:00.0", "1 "})
      CHECK(contains(said(*load, node, {{"gpu", gpu}}), "`gpu` must be all"));
    // Where the driver does not tell, the node finds out, but for a UUID.
    CHECK(said(*load, Node{.name = "node1"}, {{"gpu", "7"}}) == "fine");
    CHECK(contains(said(*load, Node{.name = "node1"}, {{"gpu", "GPU-a"}}), "does not tell of its GPUs' UUIDs"));
    // On the node a UUID is an address.
    const auto resolved = ok(load->resolve({}, {}, node, load_params(*load, {{"gpu", "GPU-b"}})));
    CHECK(resolved == Json{{"gpu", "0000:81:00.0"}});
  }
  const Params share_of_one = load_params(gpu_throttle(), {{"mechanism", "sm_share"}, {"gpu", "0000:81:00.0"}});
  ok(gpu_throttle().resolve_device(node, share_of_one));
  CHECK(contains(said(gpu_contention(), node, {{"resource", "l2"}}), "resource"));
  CHECK(contains(said(gpu_contention(), node, {{"share", 0.001}}), "share"));
  CHECK(contains(said(pcie_contention(), node, {{"share", 1.5}}), "share"));
  CHECK(contains(said(pcie_contention(), node, {{"direction", "sideways"}}), "direction"));
  CHECK(contains(said(pcie_contention(), node, {{"share", 0.5}, {"rate", 8'000'000}}), "either `share` or `rate`"));
  CHECK(contains(said(gpu_memory_pressure(), node, {{"free", 8 * kGiB}, {"free_share", 0.5}}), "either `free`"));
  CHECK(contains(said(gpu_memory_pressure(), node, {{"free", kGiB / 2}}), "must be 1073741824 bytes at least"));
  CHECK(contains(said(gpu_memory_pressure(), node, {{"free_share", 0.02}}), "free_share"));
}

TEST_CASE("loads of GPUs: what the driver counts is settled in the plan, whatever CUDA_VISIBLE_DEVICES leaves") {
  const auto resolved = [](const Node& node, const char* gpu) {
    return ok(gpu_contention().resolve({}, {}, node, load_params(gpu_contention(), {{"gpu", gpu}})));
  };
  Node node = node_with_gpus(18);
  CHECK(resolved(node, "1") == Json{{"gpu", "0000:81:00.0"}});
  CHECK(resolved(node, "0000:81:00.0") == Json{{"gpu", "0000:81:00.0"}});
  CHECK(resolved(node, "all") == Json{{"gpu", "all"}, {"gpus", 2}});
  CHECK(resolved(Node{}, "1") == Json{{"gpu", "1"}});
  CHECK(resolved(Node{}, "all") == Json{{"gpu", "all"}});
  node.gpus[1].mig = true;  // CUDA shows one instance of all
  CHECK(resolved(node, "all") == Json{{"gpu", "all"}});
}

TEST_CASE("gpu_contention of NVLink is refused where the driver shows none") {
  CHECK(said(gpu_contention(), node_with_gpus(18), {{"resource", "nvlink"}}) == "fine");
  CHECK(contains(said(gpu_contention(), node_with_gpus(0), {{"resource", "nvlink"}}), "no GPU of node1 has an NVLink"));
}

TEST_CASE("loads of GPUs: without a module, or with an old one, each says so") {
  const struct {
    const char *module, *says;
  } kCases[] = {{"/nowhere/grit-cuda.so", "/nowhere/grit-cuda.so"}, {GRIT_OLD_MODULE, "is of an older grit"}};
  for (const auto& [module, says] : kCases) {
    const test::EnvironmentVariable chosen("GRIT_CUDA_MODULE", module);
    for (const Injector* load : kLoads) {
      CAPTURE(load->info().name, module);
      const auto made = load->prepare({.params = load_params(*load, Json::object())});
      REQUIRE_FALSE(made);
      CHECK(contains(made.error().message, says));
      const auto mechanisms = load->mechanisms_here();
      REQUIRE(mechanisms.size() == 1);
      CHECK(contains(mechanisms.front().why_not.value_or(""), says));
    }
  }
}
