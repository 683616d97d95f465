#include "workloads/fabric/nccl_ras.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/base/printable.hpp"

namespace grit {
namespace {

constexpr std::size_t kMostBytes = 64U << 20U;  // of an answer: 300 bytes a rank and communicator
constexpr std::size_t kNamed = 4;               // ranks and communicators in a sentence

Status wait_until(int fd, short events, std::int64_t deadline_ns) {
  for (;;) {
    const std::int64_t left_ms = (deadline_ns - monotonic_ns()) / kNsPerMs;
    if (left_ms <= 0) return unavailable_error("no answer in time");
    pollfd one{.fd = fd, .events = events, .revents = 0};
    const int ready = ::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(left_ms, 60'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return errno_error("poll");
  }
}

Result<Fd> connect_to(const std::string& address, std::int64_t deadline_ns) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return unavailable_error("\"" + address + "\" is no HOST:PORT");
  std::string host = address.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &wanted, &found); code != 0)
    return unavailable_error(address + ": " + ::gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, ::freeaddrinfo);
  Status failed = unavailable_error(address + ": no address");
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Fd fd(::socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) continue;
    int error = ::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      GRIT_CHECK(wait_until(fd.get(), POLLOUT, deadline_ns));
      socklen_t size = sizeof error;
      if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    }
    if (error == 0) return fd;
    failed = errno_error(address, error);
  }
  return tl::make_unexpected(failed.error());
}

Status send_line(int fd, std::string_view line, std::int64_t deadline_ns) {
  while (!line.empty()) {
    GRIT_CHECK(wait_until(fd, POLLOUT, deadline_ns));
    const ssize_t sent = ::send(fd, line.data(), line.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR && errno != EAGAIN) return errno_error("send");
    if (sent > 0) line.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

/// Takes what is there to the text. False: the other side has closed the connection.
Result<bool> receive_more(int fd, std::string& text, std::int64_t deadline_ns) {
  GRIT_CHECK(wait_until(fd, POLLIN, deadline_ns));
  char bytes[16'384];
  const ssize_t got = ::recv(fd, bytes, sizeof bytes, 0);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got < 0) return errno_error("recv");
  text.append(bytes, static_cast<std::size_t>(got));
  if (text.size() > kMostBytes) return unavailable_error("the answer is too long");
  return got > 0;
}

bool is_whole_json(const std::string& text) {
  const std::size_t last = text.find_last_not_of(" \r\n\t");
  return last != std::string::npos && text[last] == '}' && Json::accept(text);
}

std::string rank_text(const Json& rank) {
  return fmt::format("rank {} ({}, pid {})", integer_at(rank, "rank"), printable(text_at(rank, "host")),
                     integer_at(rank, "pid"));
}

const Json& list_at(const Json& object, const char* key) {
  static const Json kEmpty = Json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kEmpty;
}

/// By collective, how many a rank has begun.
std::map<std::string, std::int64_t> counts_of(const Json& rank) {
  std::map<std::string, std::int64_t> counts;
  const auto found = rank.find("collective_counts");
  if (found != rank.end() && found->is_object())
    for (const auto& [name, count] : found->items())
      if (count.is_number_integer()) counts[name] = count.get<std::int64_t>();
  return counts;
}

/// What is odd about one communicator; nothing: all of its ranks answer, and have begun the same.
std::vector<std::string> oddities_of(const Json& communicator) {
  std::map<std::string, std::int64_t> most;
  for (const Json& rank : list_at(communicator, "ranks"))
    for (const auto& [name, count] : counts_of(rank)) most[name] = std::max(most[name], count);
  std::vector<std::string> odd;
  for (const Json& rank : list_at(communicator, "ranks"))
    for (const auto& [name, count] : counts_of(rank))
      if (count < most[name])
        odd.push_back(fmt::format("{} has begun {} of {} {}", rank_text(rank), count, most[name], printable(name)));
  for (const Json& rank : list_at(communicator, "missing_ranks")) {
    const auto status = rank.find("status");
    const bool is_dead = status != rank.end() && status->is_object() && truth_at(*status, "considered_dead");
    odd.push_back(fmt::format("{} {}", rank_text(rank), is_dead ? "is dead" : "does not answer"));
  }
  return odd;
}

}  // namespace

std::string nccl_ras_address() {
  const char* address = std::getenv("NCCL_RAS_ADDR");
  return address != nullptr && *address != '\0' ? address : "localhost:28028";
}

Result<std::string> ask_nccl_ras(const std::string& address, std::int64_t patience_ns) {
  const std::int64_t deadline_ns = monotonic_ns() + patience_ns;
  GRIT_TRY(const Fd fd, connect_to(address, deadline_ns));
  GRIT_CHECK(send_line(fd.get(), "SET FORMAT json\n", deadline_ns));
  std::string text;
  while (text.find('\n') == std::string::npos) {
    GRIT_TRY(const bool is_open, receive_more(fd.get(), text, deadline_ns));
    if (!is_open) return unavailable_error("it closed the connection");
  }
  if (!text.starts_with("OK")) return unavailable_error("it does not know JSON: " + printable(text.substr(0, 80)));
  text.erase(0, text.find('\n') + 1);
  GRIT_CHECK(send_line(fd.get(), "VERBOSE STATUS\n", deadline_ns));
  while (!is_whole_json(text)) {
    GRIT_TRY(const bool is_open, receive_more(fd.get(), text, deadline_ns));
    if (!is_open && !is_whole_json(text)) return unavailable_error("it closed the connection within its answer");
  }
  return text;
}

Result<std::string> read_nccl_ras(std::string_view answer) {
  const Json json = Json::parse(answer, nullptr, false);
  if (!json.is_object() || json.find("communicators") == json.end() || !json.at("communicators").is_array())
    return usage_error("its answer is not as documented");
  std::vector<std::string> texts;
  std::size_t more = 0;
  for (const Json& communicator : list_at(json, "communicators")) {
    if (!communicator.is_object()) continue;
    std::vector<std::string> odd = oddities_of(communicator);
    if (odd.empty()) continue;
    if (texts.size() == kNamed) {
      ++more;
      continue;
    }
    const std::size_t unnamed = odd.size() > kNamed ? odd.size() - kNamed : 0;
    odd.resize(odd.size() - unnamed);
    texts.push_back(fmt::format("in communicator {} of {} ranks {}{}", printable(text_at(communicator, "hash")),
                                integer_at(communicator, "size"), fmt::join(odd, ", "),
                                unnamed > 0 ? fmt::format(" and {} more", unnamed) : ""));
  }
  if (texts.empty())
    return std::string("all ranks answer, and those of each communicator have begun the same collectives");
  return fmt::format("{}{}", fmt::join(texts, "; "),
                     more > 0 ? fmt::format("; and in {} more communicators", more) : "");
}

std::string nccl_ras_words(const std::string& address, std::int64_t patience_ns) {
  const auto answer = ask_nccl_ras(address, patience_ns);
  const auto words = answer ? read_nccl_ras(*answer) : Result<std::string>(tl::make_unexpected(answer.error()));
  if (!words) return fmt::format("; RAS did not answer ({})", printable(words.error().message));
  return "; RAS: " + *words;
}

}  // namespace grit
