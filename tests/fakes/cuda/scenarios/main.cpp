// usage: fake_cuda_scenarios GROUP      all scenarios of a group; 0: all passed
//        fake_cuda_scenarios GROUP NAME RANK DIRECTORY      one rank of one (what the first form starts)
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <thread>

#include "tests/fakes/cuda/scenarios/scenario.hpp"

extern char** environ;

extern "C" {
void** __cudaRegisterFatBinary(void*);
void __cudaRegisterFunction(void**, const char*, char*, const char*, int, uint3*, uint3*, dim3*, dim3*, int*);
}

namespace grit::scenarios {

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
void sleep_s(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

void Gate::put_into(cudaStream_t stream) {
  const auto wait = [](void* gate) {
    while (!static_cast<Gate*>(gate)->is_open_) sleep_s(0.001);
  };
  EXPECT_OK(cudaLaunchHostFunc(stream, wait, this));
}

const void* register_kernel(const char* device_name) {
  static std::vector<std::unique_ptr<char>> stubs;
  static int image = 0;
  static void** const binary = __cudaRegisterFatBinary(&image);
  stubs.push_back(std::make_unique<char>('\0'));
  __cudaRegisterFunction(binary, stubs.back().get(), nullptr, device_name, -1, nullptr, nullptr, nullptr, nullptr,
                         nullptr);
  return stubs.back().get();
}

cudaStream_t make_stream(unsigned flags) {
  cudaStream_t stream = nullptr;
  EXPECT_OK(cudaStreamCreateWithFlags(&stream, flags));
  return stream;
}

namespace {

constexpr double kMost_s = 120;

std::vector<Scenario> group_of(const std::string& name) {
  if (name == "runtime") return runtime_scenarios();
  if (name == "failures") return failure_scenarios();
  if (name == "cublas") return cublas_scenarios();
  if (name == "module") return module_scenarios();
#ifdef GRIT_FAKE_NCCL
  if (name == "nccl") return nccl_scenarios();
  if (name == "nccl_failures") return nccl_failure_scenarios();
#endif
  return {};
}

pid_t start(const std::string& group, const Scenario& scenario, int rank, const std::string& directory) {
  const std::string number = std::to_string(rank);
  std::string self = "/proc/self/exe", name = scenario.name, owned_group = group, owned_number = number,
              owned_directory = directory;
  char* const arguments[] = {self.data(),         owned_group.data(),     name.data(),
                             owned_number.data(), owned_directory.data(), nullptr};
  ::setenv("RANK", number.c_str(), 1);
  pid_t process = -1;
  EXPECT_OK(::posix_spawn(&process, self.c_str(), nullptr, nullptr, arguments, environ));
  return process;
}

/// Did all ranks end well and in time? None is left.
bool passes(const std::string& group, const Scenario& scenario) {
  std::string directory = (std::filesystem::temp_directory_path() / "grit-fakes-XXXXXX").string();
  EXPECT_TRUE(::mkdtemp(directory.data()) != nullptr);
  std::ofstream(directory + "/script") << scenario.script;
  ::setenv("GRIT_FAKE_CUDA", (directory + "/script").c_str(), 1);
  std::map<pid_t, int> running;
  for (int rank = 0; rank < scenario.ranks; ++rank) running[start(group, scenario, rank, directory)] = rank;
  bool is_well = true;
  for (const double end_s = now_s() + kMost_s; !running.empty(); sleep_s(0.002)) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, WNOHANG);
    if (ended > 0 && running.erase(ended) > 0) is_well &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (now_s() < end_s && is_well) continue;
    for (const auto& [process, rank] : running) ::kill(process, SIGKILL);
    if (is_well) std::fprintf(stderr, "%s: took more than %g s\n", scenario.name, kMost_s);
    is_well = false;
  }
  std::filesystem::remove_all(directory);
  std::printf("%s %s\n", is_well ? "passed" : "FAILED", scenario.name);
  std::fflush(stdout);
  return is_well;
}

int run(int argc, char** argv) {
  if (argc != 2 && argc != 5) return 2;
  if (argc == 5) EXPECT_OK(::prctl(PR_SET_PDEATHSIG, SIGKILL));  // no rank outlives who started it
  const std::vector<Scenario> scenarios = group_of(argv[1]);
  if (scenarios.empty()) return 2;
  bool is_well = true;
  for (const Scenario& scenario : scenarios) {
    if (argc == 2) {
      is_well &= passes(argv[1], scenario);
    } else if (std::strcmp(argv[2], scenario.name) == 0) {
      scenario.run({.rank = std::atoi(argv[3]), .ranks = scenario.ranks, .directory = argv[4]});
      return 0;
    }
  }
  return is_well && argc == 2 ? 0 : 1;
}

}  // namespace
}  // namespace grit::scenarios

int main(int argc, char** argv) { return grit::scenarios::run(argc, argv); }
