#include "workloads/fabric/nccl_ras.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

constexpr std::int64_t kPatience_ns = 5 * kNsPerS, kShort_ns = 300 * kNsPerMs;

/// As NCCL's documentation shows it ("RAS", "JSON support"): rank 2 of four has begun one all-reduce fewer, and rank 3
/// does not answer.
const std::string kAnswer = R"({
  "nccl_version": "2.28.9", "cuda_runtime_version": 13000, "cuda_driver_version": 13000,
  "timestamp": "2026-11-30 13:06:53", "communicators_count": 2,
  "communicators": [
    {"hash": "0xae94423cfbb2ef4a", "secondary_hash": "0xb7e7187447156001:0xb8242ed28a71381e", "size": 4,
     "ranks_count": 3, "missing_ranks_count": 1,
     "ranks": [
       {"rank": 0, "host": "10.0.0.1", "pid": 11, "cuda_dev": 0, "nvml_dev": 0,
        "status": {"init_state": 0, "async_error": 0, "finalize_called": false, "destroy_flag": false, "abort_flag": false},
        "collective_counts": {"Broadcast": 1, "Reduce": 0, "AllGather": 5, "ReduceScatter": 5, "AllReduce": 42}},
       {"rank": 1, "host": "10.0.0.1", "pid": 12, "cuda_dev": 1, "nvml_dev": 1, "status": {},
        "collective_counts": {"Broadcast": 1, "Reduce": 0, "AllGather": 5, "ReduceScatter": 5, "AllReduce": 42}},
       {"rank": 2, "host": "10.0.0.2", "pid": 13, "cuda_dev": 0, "nvml_dev": 0, "status": {},
        "collective_counts": {"Broadcast": 1, "Reduce": 0, "AllGather": 5, "ReduceScatter": 5, "AllReduce": 41}}],
     "missing_ranks": [
       {"rank": 3, "host": "10.0.0.2", "pid": 14, "cuda_dev": 1, "nvml_dev": 1,
        "status": {"unresponsive": true, "considered_dead": false}}]},
    {"hash": "0x1", "size": 2, "ranks_count": 1, "missing_ranks_count": 0,
     "ranks": [{"rank": 0, "host": "10.0.0.1", "pid": 11, "collective_counts": {"AllReduce": 3}}], "missing_ranks": []}],
  "ras": {"collection_time_sec": 0.001, "timeouts_count": 0}
}
)";

/// Takes one connection and does with it what the test says.
class Server {
 public:
  explicit Server(std::function<void(int)> serve) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_.get(), 1) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, serve = std::move(serve)] {
      const Fd connection(::accept(listener_.get(), nullptr, nullptr));
      if (connection) serve(connection.get());
    });
  }
  ~Server() { ::shutdown(listener_.get(), SHUT_RDWR); }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  Fd listener_;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

std::string receive_line(int fd) {
  std::string line;
  for (char one = 0; ::recv(fd, &one, 1, 0) == 1 && one != '\n';) line += one;
  return line;
}

void send_all(int fd, const std::string& text) { (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL); }

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

/// A server that says this to the format, and then what `rest` does.
std::string words_of(const std::string& first, const std::function<void(int)>& rest,
                     std::int64_t patience_ns = kPatience_ns) {
  const Server server([&](int fd) {
    receive_line(fd);
    send_all(fd, first);
    rest(fd);
  });
  return nccl_ras_words(server.address(), patience_ns);
}

}  // namespace

TEST_CASE("RAS: who has begun fewer collectives, and who does not answer, is said") {
  const auto words = read_nccl_ras(kAnswer);
  REQUIRE(words);
  CHECK(*words ==
        "in communicator 0xae94423cfbb2ef4a of 4 ranks rank 2 (10.0.0.2, pid 13) has begun 41 of 42 AllReduce, rank 3 "
        "(10.0.0.2, pid 14) does not answer");
  std::string dead = kAnswer;
  dead.replace(dead.find("\"considered_dead\": false"), 24, "\"considered_dead\": true ");
  CHECK(read_nccl_ras(dead)->find("rank 3 (10.0.0.2, pid 14) is dead") != std::string::npos);
}

TEST_CASE("RAS: where all ranks have begun the same, that is said") {
  const auto words = read_nccl_ras(R"({"communicators": [{"hash": "0x1", "size": 1, "ranks": [
      {"rank": 0, "collective_counts": {"AllReduce": 3}}]}]})");
  REQUIRE(words);
  CHECK(words->find("have begun the same collectives") != std::string::npos);
}

TEST_CASE("RAS: an answer that is not as documented is none") {
  for (const char* answer :
       {"", "[]", "{}", "{\"communicators\": 3}", "nonsense", "{\"communicators\": [3, {\"ranks\": [7]}"})
    CHECK_FALSE(read_nccl_ras(answer));
  CHECK(read_nccl_ras(R"({"communicators": [3, {"ranks": [7], "missing_ranks": 5}]})"));
}

TEST_CASE("RAS: it is asked for JSON, then for everything, however its answer comes in pieces") {
  std::string asked;
  {
    const Server server([&](int fd) {
      asked = receive_line(fd) + "|";
      send_all(fd, "OK\n");
      asked += receive_line(fd);
      for (std::size_t at = 0; at < kAnswer.size(); at += 700, sleep_ms(2)) send_all(fd, kAnswer.substr(at, 700));
      sleep_ms(200);  // it may leave the connection open
    });
    const std::int64_t since_ns = monotonic_ns();
    const std::string words = nccl_ras_words(server.address(), 5 * kNsPerS);
    CHECK(words.find("; RAS: in communicator 0xae94423cfbb2ef4a") == 0);
    CHECK(monotonic_ns() - since_ns < 2 * kNsPerS);
  }
  CHECK(asked == "SET FORMAT json|VERBOSE STATUS");
}

TEST_CASE("RAS: who does not answer is waited for no longer than said, and changes nothing else") {
  const std::int64_t since_ns = monotonic_ns();
  const std::string silent = words_of(
      "", [](int) { sleep_ms(500); }, kShort_ns);
  const std::string cut = words_of("OK\n", [](int fd) {
    receive_line(fd);
    send_all(fd, kAnswer.substr(0, 900));
  });
  const std::string slow = words_of(
      "OK\n",
      [](int fd) {
        for (std::size_t at = 0; at < 50; ++at, sleep_ms(10)) send_all(fd, kAnswer.substr(at, 1));
      },
      kShort_ns);
  const std::string old = words_of("ERROR: Unknown command\n", [](int) {});
  const std::string garbage = words_of("OK\n", [](int fd) { send_all(fd, "\x01\xff{{{]}\n"); });
  const std::string refused = nccl_ras_words("127.0.0.1:1", kPatience_ns);
  const std::string nowhere = nccl_ras_words("nonsense", kPatience_ns);
  for (const std::string& words : {silent, cut, slow, old, garbage, refused, nowhere}) {
    CAPTURE(words);
    CHECK(words.find("; RAS did not answer (") == 0);
  }
  CHECK(silent.find("no answer in time") != std::string::npos);
  CHECK(old.find("it does not know JSON: ERROR: Unknown command") != std::string::npos);
  CHECK(cut.find("within its answer") != std::string::npos);
  CHECK(refused.find("refused") != std::string::npos);
  CHECK(monotonic_ns() - since_ns < kPatience_ns);
}
