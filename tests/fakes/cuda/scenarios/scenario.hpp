// Scenarios that show that the fakes of CUDA, cuBLAS and NCCL behave as the real libraries' documentation says. Each
// runs in processes of its own, one a rank, because a device that has failed stays so and calls are counted.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace grit::scenarios {

/// A rank of a scenario.
struct Rank {
  int rank = 0;
  int ranks = 1;
  std::string directory{};  // all ranks' own, for the time of the scenario
};

struct Scenario {
  const char* name;
  int ranks;
  const char* script;  // what GRIT_FAKE_CUDA says; script.hpp
  std::function<void(const Rank&)> run;
};

std::vector<Scenario> runtime_scenarios();
std::vector<Scenario> failure_scenarios();
std::vector<Scenario> cublas_scenarios();
std::vector<Scenario> module_scenarios();
std::vector<Scenario> nccl_scenarios();
std::vector<Scenario> nccl_failure_scenarios();

/// Ends the process when `value` is not as it should be.
template <class Value, class Wanted>
void expect(const Value& value, const Wanted& wanted, const char* text, const char* file, int line) {
  if (value == static_cast<Value>(wanted)) return;
  std::fprintf(stderr, "%s:%d: %s is %g, should be %g\n", file, line, text, static_cast<double>(value),
               static_cast<double>(wanted));
  std::fflush(stderr);
  std::_Exit(1);
}

/// Work that holds up a stream until it is opened.
class Gate {
 public:
  void put_into(cudaStream_t stream);
  void open() { is_open_ = true; }

 private:
  std::atomic<bool> is_open_{false};
};

double now_s();
void sleep_s(double seconds);

/// As nvcc does for a kernel of this name: the address to launch it by.
const void* register_kernel(const char* device_name);

cudaStream_t make_stream(unsigned flags = cudaStreamNonBlocking);

/// Memory of the device with these values, and its values when all work of stream 0 is done.
template <class Element>
Element* on_device(const std::vector<Element>& values);
template <class Element>
std::vector<Element> from_device(const Element* pointer, std::size_t count);

}  // namespace grit::scenarios

#define EXPECT_IS(value, wanted) ::grit::scenarios::expect((value), (wanted), #value, __FILE__, __LINE__)
#define EXPECT_TRUE(value) EXPECT_IS(static_cast<bool>(value), true)
#define EXPECT_OK(call) EXPECT_IS(static_cast<int>(call), 0)

template <class Element>
Element* grit::scenarios::on_device(const std::vector<Element>& values) {
  void* pointer = nullptr;
  EXPECT_OK(cudaMalloc(&pointer, values.size() * sizeof(Element)));
  EXPECT_OK(cudaMemcpy(pointer, values.data(), values.size() * sizeof(Element), cudaMemcpyHostToDevice));
  return static_cast<Element*>(pointer);
}

template <class Element>
std::vector<Element> grit::scenarios::from_device(const Element* pointer, std::size_t count) {
  std::vector<Element> values(count);
  EXPECT_OK(cudaMemcpy(values.data(), pointer, count * sizeof(Element), cudaMemcpyDeviceToHost));
  return values;
}
