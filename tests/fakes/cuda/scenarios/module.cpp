// The module for GPUs on the fakes: that the dynamic linker finds every function that it calls, in the version that it
// was linked with, and that its kernels' host versions take the parameters that its kernels do.
#include "workloads/accelerator/module.h"

#include <dlfcn.h>

#include <cstring>

#include "tests/fakes/cuda/scenarios/scenario.hpp"

namespace grit::scenarios {
namespace {

/// The module's table; GRIT_CUDA_MODULE says where it is, as for grit.
const grit_module_table& load_module() {
  const char* file = std::getenv("GRIT_CUDA_MODULE");
  EXPECT_TRUE(file != nullptr);
  void* module = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) std::fprintf(stderr, "%s\n", ::dlerror());
  EXPECT_TRUE(module != nullptr);
  const auto entry = reinterpret_cast<const grit_module_table* (*)()>(::dlsym(module, GRIT_MODULE_ENTRY));
  EXPECT_TRUE(entry != nullptr);
  EXPECT_IS(entry()->version, GRIT_MODULE_VERSION);
  return *entry();
}

/// The module on its first device, with a stream and room for what checks find.
struct Opened {
  const grit_module_table& table = load_module();
  grit_device* device = nullptr;
  grit_stream* stream = nullptr;
  grit_found* found = nullptr;

  Opened() {
    EXPECT_OK(table.device_open(0, &device, nullptr));
    EXPECT_OK(table.stream_create(device, 0, &stream, nullptr));
    void* pinned = nullptr;
    EXPECT_OK(table.allocate(device, GRIT_ON_HOST, sizeof(grit_found), &pinned, nullptr));
    found = static_cast<grit_found*>(pinned);
  }
  ~Opened() {
    table.release(device, GRIT_ON_HOST, found);
    table.stream_destroy(stream);
    table.device_close(device);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  void* memory(std::size_t size_bytes) const {
    void* made = nullptr;
    EXPECT_OK(table.allocate(device, GRIT_ON_DEVICE, size_bytes, &made, nullptr));
    return made;
  }
  static void wait() { EXPECT_OK(cudaDeviceSynchronize()); }
};

void the_module_says_fake(const Rank&) {
  const grit_module_table& table = load_module();
  std::int32_t count = 0;
  EXPECT_OK(table.device_count(&count, nullptr));
  EXPECT_IS(count, 2);
  grit_device_facts facts{};
  facts.size_bytes = sizeof facts;
  EXPECT_OK(table.device_facts(1, &facts, nullptr));
  EXPECT_IS(facts.is_fake, 1);
  EXPECT_TRUE(std::strcmp(facts.name, "FAKE GPU") == 0);
  EXPECT_TRUE(std::strcmp(facts.pci_address, "0000:07:00.0") == 0);
#ifdef GRIT_FAKE_NCCL
  std::int32_t version = 0;
  EXPECT_OK(table.communicator_version(&version, nullptr));
  EXPECT_TRUE(version >= 21800);
#endif
}

/// A pattern of five elements, from its third on; then one element is wrong.
template <class Element>
void fill_and_check(const Opened& opened) {
  constexpr std::uint64_t kCount = 1000, kWrong = 700;
  std::vector<Element> period{1, 2, 3, 4, 5};
  void* pattern_memory = opened.memory(period.size() * sizeof(Element));
  EXPECT_OK(cudaMemcpy(pattern_memory, period.data(), period.size() * sizeof(Element), cudaMemcpyHostToDevice));
  const grit_pattern pattern{pattern_memory, 5, sizeof(Element), 2};
  auto* values = static_cast<Element*>(opened.memory(kCount * sizeof(Element)));
  EXPECT_OK(opened.table.fill(opened.stream, &pattern, values, kCount, nullptr));
  EXPECT_OK(opened.table.check(opened.stream, &pattern, values, kCount, opened.found, nullptr));
  Opened::wait();
  EXPECT_IS(opened.found->wrong, 0);
  const std::vector<Element> filled = from_device(values, kCount);
  for (std::size_t i = 0; i < kCount; ++i) EXPECT_IS(filled[i], period[(2 + i) % 5]);
  const Element other = 9;
  EXPECT_OK(cudaMemcpy(values + kWrong, &other, sizeof other, cudaMemcpyHostToDevice));
  EXPECT_OK(opened.table.check(opened.stream, &pattern, values, kCount, opened.found, nullptr));
  Opened::wait();
  EXPECT_IS(opened.found->wrong, 1);
  EXPECT_IS(opened.found->first, kWrong << 32 | 9);
}

void patterns_are_filled_and_checked(const Rank&) {
  const Opened opened;
  fill_and_check<std::uint8_t>(opened);
  fill_and_check<std::uint16_t>(opened);
  fill_and_check<std::uint32_t>(opened);
}

void weights_are_updated(const Rank&) {
  const Opened opened;
  auto* weights = on_device(std::vector<float>{1, 2, 3});
  const auto* gradients = on_device(std::vector<float>{4, 8, -4});
  EXPECT_OK(opened.table.update(opened.stream, weights, gradients, GRIT_FP32, 3, 0.25F, nullptr));
  Opened::wait();
  EXPECT_TRUE((from_device(weights, 3) == std::vector<float>{0, 0, 4}));
}

void products_are_checked(const Rank&) {
  const Opened opened;
  for (const std::int32_t type : {GRIT_FP32, GRIT_BF16, GRIT_FP16, GRIT_FP8_E4M3}) {
    grit_gemm* gemm = nullptr;
    EXPECT_OK(opened.table.gemm_create(opened.device, type, 32, &gemm, nullptr));
    EXPECT_OK(opened.table.gemm_check(gemm, opened.stream, opened.found, nullptr));  // before the first product
    Opened::wait();
    EXPECT_TRUE(opened.found->wrong > 0);
    EXPECT_OK(opened.table.gemm_run(gemm, opened.stream, 3, nullptr));
    EXPECT_OK(opened.table.gemm_check(gemm, opened.stream, opened.found, nullptr));
    Opened::wait();
    EXPECT_IS(opened.found->wrong, 0);
    opened.table.gemm_destroy(gemm);
  }
}

/// Each block ends, and says how long it was there; what is too long, or too much, is refused.
void multiprocessors_are_held(const Rank&) {
  const Opened opened;
  void* pinned = nullptr;
  EXPECT_OK(opened.table.allocate(opened.device, GRIT_ON_HOST, sizeof(grit_occupied), &pinned, nullptr));
  auto* occupied = static_cast<grit_occupied*>(pinned);
  *occupied = {};
  EXPECT_OK(opened.table.occupy(opened.device, opened.stream, 3, 2'000'000, occupied, nullptr));
  Opened::wait();
  EXPECT_IS(occupied->blocks, 3);
  EXPECT_TRUE(occupied->held_ns >= 3 * 2'000'000);
  EXPECT_IS(occupied->seen[0], 7);
  grit_why why{};
  EXPECT_IS(opened.table.occupy(opened.device, opened.stream, 0, 1, occupied, &why), GRIT_INVALID);
  EXPECT_IS(opened.table.occupy(opened.device, opened.stream, 1, 1 + GRIT_LONGEST_SLICE_NS, occupied, &why),
            GRIT_INVALID);
  EXPECT_OK(opened.table.peer_open(opened.device, 1, nullptr));
  EXPECT_OK(opened.table.peer_open(opened.device, 1, nullptr));  // it is open already
  EXPECT_TRUE(opened.table.peer_open(opened.device, 5, &why) != GRIT_OK);
  opened.table.release(opened.device, GRIT_ON_HOST, pinned);
}

}  // namespace

std::vector<Scenario> module_scenarios() {
  return {
      {"the module says FAKE", 1, "devices 2\ngpu1.pci 0000:07:00.0\n", the_module_says_fake},
      {"patterns are filled and checked", 1, "", patterns_are_filled_and_checked},
      {"weights are updated", 1, "", weights_are_updated},
      {"products are checked", 1, "", products_are_checked},
      {"multiprocessors are held", 1, "devices 2\n", multiprocessors_are_held},
  };
}

}  // namespace grit::scenarios
