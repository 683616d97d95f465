// What a script makes fail.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "tests/fakes/cuda/scenarios/scenario.hpp"

namespace grit::scenarios {
namespace {

constexpr double kLong_s = 0.2;

/// From now on the script says this, for all ranks.
void say(const Rank& rank, const char* text) {
  const std::string script = rank.directory + "/script";
  std::ofstream(script + ".new") << text;
  EXPECT_OK(std::rename((script + ".new").c_str(), script.c_str()));
}

void the_nth_call_fails(const Rank&) {
  void* memory = nullptr;
  EXPECT_OK(cudaMalloc(&memory, 8));
  EXPECT_IS(cudaMalloc(&memory, 8), cudaErrorMemoryAllocation);
  EXPECT_OK(cudaMalloc(&memory, 8));
  cudaEvent_t event = nullptr;
  EXPECT_OK(cudaEventCreate(&event));
  for (int i = 0; i < 3; ++i) EXPECT_IS(cudaEventCreate(&event), cudaErrorInitializationError);
  EXPECT_OK(cudaDeviceSynchronize());  // the line is of another process
}

void an_asynchronous_error_is_for_good(const Rank&) {
  const cudaStream_t stream = make_stream();
  int* device = on_device(std::vector<int>{1});
  Gate gate;
  gate.put_into(stream);
  EXPECT_OK(cudaMemsetAsync(device, 0, sizeof(int), stream));
  EXPECT_OK(cudaMemsetAsync(device, 1, sizeof(int), stream));  // the call itself succeeds
  bool ran = false;
  EXPECT_OK(cudaLaunchHostFunc(
      stream, [](void* flag) { *static_cast<bool*>(flag) = true; }, &ran));
  gate.open();
  EXPECT_IS(cudaStreamSynchronize(stream), cudaErrorECCUncorrectable);
  EXPECT_TRUE(!ran);
  EXPECT_IS(cudaStreamQuery(stream), cudaErrorECCUncorrectable);
  EXPECT_IS(cudaMalloc(reinterpret_cast<void**>(&device), 8), cudaErrorECCUncorrectable);
  EXPECT_IS(cudaGetLastError(), cudaErrorECCUncorrectable);
  EXPECT_IS(cudaGetLastError(), cudaErrorECCUncorrectable);  // reading it does not end it
  EXPECT_OK(cudaSetDevice(1));                               // another device is well
  EXPECT_OK(cudaStreamSynchronize(make_stream()));
}

void a_device_is_lost(const Rank& rank) {
  const cudaStream_t stream = make_stream();
  EXPECT_OK(cudaStreamSynchronize(stream));
  say(rank, "devices 2\ngpu0.return 999\n");
  EXPECT_IS(cudaStreamQuery(stream), cudaErrorUnknown);
  EXPECT_IS(cudaDeviceSynchronize(), cudaErrorUnknown);
  say(rank, "devices 2\n");
  EXPECT_IS(cudaDeviceSynchronize(), cudaErrorUnknown);  // it does not come back
  EXPECT_OK(cudaSetDevice(1));
  EXPECT_OK(cudaDeviceSynchronize());
}

/// Its work does not end, and who waits for it is told all the same.
void a_lost_device_ends_waiting(const Rank& rank) {
  const cudaStream_t stream = make_stream();
  static Gate gate;  // its stream cannot be waited for
  gate.put_into(stream);
  cudaEvent_t event = nullptr;
  EXPECT_OK(cudaEventCreate(&event));
  EXPECT_OK(cudaEventRecord(event, stream));
  std::thread remote([&] {
    sleep_s(kLong_s);
    say(rank, "gpu0.return 719\n");
  });
  EXPECT_IS(cudaEventSynchronize(event), cudaErrorLaunchFailure);
  EXPECT_IS(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
  remote.join();
  gate.open();
}

void a_call_ends_the_process(const Rank&) {
  const pid_t process = ::fork();
  if (process == 0) {
    void* memory = nullptr;
    EXPECT_OK(cudaMalloc(&memory, 8));
    (void)cudaMalloc(&memory, 8);
    std::_Exit(0);
  }
  int status = 0;
  EXPECT_IS(::waitpid(process, &status, 0), process);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

void calls_and_work_take_longer(const Rank&) {
  const cudaStream_t stream = make_stream();
  int* device = on_device(std::vector<int>{1});
  double start_s = now_s();
  EXPECT_OK(cudaMemsetAsync(device, 0, sizeof(int), stream));
  EXPECT_IS(cudaStreamQuery(stream), cudaErrorNotReady);
  EXPECT_OK(cudaStreamSynchronize(stream));
  EXPECT_TRUE(now_s() - start_s >= kLong_s);
  start_s = now_s();
  EXPECT_OK(cudaDeviceSynchronize());
  EXPECT_TRUE(now_s() - start_s >= kLong_s);
  start_s = now_s();
  const std::vector<char> bytes(100'000);
  EXPECT_OK(cudaFree(on_device(bytes)));  // at 1e6 bytes/s
  EXPECT_TRUE(now_s() - start_s >= 0.1);
}

void the_driver_is_too_old(const Rank&) {
  int count = -1, version = 0;
  EXPECT_IS(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  EXPECT_IS(count, 0);
  EXPECT_OK(cudaDriverGetVersion(&version));
  EXPECT_IS(version, 11080);
  void* memory = nullptr;
  EXPECT_IS(cudaMalloc(&memory, 8), cudaErrorInsufficientDriver);
}

/// The runtime calls one that is not there one that is too old.
void there_is_no_driver(const Rank&) {
  int count = -1, version = -1;
  EXPECT_IS(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  EXPECT_OK(cudaDriverGetVersion(&version));
  EXPECT_IS(version, 0);
}

void there_is_no_device(const Rank&) {
  int count = -1;
  EXPECT_IS(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_IS(count, 0);
  EXPECT_IS(cudaSetDevice(0), cudaErrorNoDevice);
}

void only_visible_devices_are_there(const Rank&) {
  EXPECT_OK(::setenv("CUDA_VISIBLE_DEVICES", "1,3,9,2", 1));
  int count = 0;
  EXPECT_OK(cudaGetDeviceCount(&count));
  EXPECT_IS(count, 2);  // the list ends at the first that is none
}

}  // namespace

std::vector<Scenario> failure_scenarios() {
  return {
      {"the n-th call fails", 1,
       "return cudaMalloc#2 2\nreturn cudaEventCreate#2+ 3\non RANK=5 return cudaDeviceSynchronize 719\n",
       the_nth_call_fails},
      {"an asynchronous error is for good", 1, "devices 2\nasync cudaMemsetAsync#2 214\n",
       an_asynchronous_error_is_for_good},
      {"a device is lost", 1, "devices 2\n", a_device_is_lost},
      {"a lost device ends waiting", 1, "", a_lost_device_ends_waiting},
      {"a call ends the process", 1, "abort cudaMalloc#2\n", a_call_ends_the_process},
      {"calls and work take longer", 1,
       "delay cudaMemsetAsync 0.2\nhang cudaDeviceSynchronize 0.2\ngpu0.copy_bytes_per_s 1e6\n",
       calls_and_work_take_longer},
      {"the driver is too old", 1, "driver 11080\n", the_driver_is_too_old},
      {"there is no driver", 1, "driver 0\n", there_is_no_driver},
      {"there is no device", 1, "devices 0\n", there_is_no_device},
      {"only visible devices are there", 1, "devices 4\n", only_visible_devices_are_there},
  };
}

}  // namespace grit::scenarios
