// The check itself: from a file, and from a server of the test's own.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>

#include "harness/health/openmetrics/http.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

Json with_file(const std::filesystem::path& file, const std::string& rule, Json more = Json::object()) {
  more["file"] = file.string();
  more["critical"] = rule;
  return more;
}

void write(const std::filesystem::path& file, const std::string& text) { std::ofstream(file) << text; }

/// As its writer would have at `t_ns`.
void write_at(const std::filesystem::path& file, std::int64_t t_ns, const std::string& text) {
  write(file, text);
  const timespec time{.tv_sec = t_ns / kNsPerS, .tv_nsec = t_ns % kNsPerS};
  const timespec times[2] = {time, time};
  REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
}

/// `grit check --state` with a rule of a window, again and again: each call is another process.
class Calls {
 public:
  explicit Calls(Json params) : params_(std::move(params)) {}

  std::vector<Outcome> call(std::int64_t after_ns = 300 * kNsPerS) {
    test::CheckUnderTest check("openmetrics", params_);
    check.memory = CheckMemory::from_json(kept_);
    auto outcomes = check.read(now_ns_ += after_ns);
    kept_ = check.memory.to_json();
    return outcomes;
  }
  Outcome call_one() {
    const auto outcomes = call();
    REQUIRE(outcomes.size() == 1);
    return outcomes.front();
  }
  void now_of(const std::string& url) { params_["url"] = url; }

 private:
  Json params_, kept_ = Json::object();
  std::int64_t now_ns_ = 0;
};

Status validated(Json given) {
  const Check* check = find_check("openmetrics");
  return check->validate(Params(ok(complete_params(check_params(check->info), std::move(given)))));
}

/// Answers every connection with the same bytes, on a port of 127.0.0.1 that is free.
class Server {
 public:
  explicit Server(std::string answer, bool answers = true) : answer_(std::move(answer)), answers_(answers) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(::listen(listener_.get(), 8) == 0);
    REQUIRE(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}/metrics", port_); }
  [[nodiscard]] std::string asked() const { return asked_; }

 private:
  void serve() {
    std::vector<Fd> waiting;
    for (;;) {
      Fd peer(::accept(listener_.get(), nullptr, nullptr));
      if (!peer) return;
      std::array<char, 4096> request{};
      const auto n = ::recv(peer.get(), request.data(), request.size(), 0);
      asked_.assign(request.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
      for (std::size_t sent = 0; answers_ && sent < answer_.size();) {
        const auto part = ::send(peer.get(), answer_.data() + sent, answer_.size() - sent, MSG_NOSIGNAL);
        if (part <= 0) break;
        sent += static_cast<std::size_t>(part);
      }
      if (!answers_) waiting.push_back(std::move(peer));
    }
  }

  std::string answer_, asked_{};
  bool answers_;
  int port_ = 0;
  Fd listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::thread thread_{};
};

std::string page(const std::string& body, const std::string& head = "HTTP/1.1 200 OK") {
  return fmt::format(
      "{}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", head,
      body.size(), body);
}

bool has_library() {
  if (HttpClient::open()) return true;
  test::skip("libcurl.so.4 is not installed");
  return false;
}

std::string why_unreadable(const std::string& url, std::int64_t limit_ns = kNsPerS) {
  test::CheckUnderTest check("openmetrics", {{"url", url}, {"critical", "m > 0"}});
  check.limit_ns = limit_ns;
  const auto read = check.try_read();
  REQUIRE_FALSE(read.has_value());
  return read.error().message;
}

}  // namespace

TEST_CASE("openmetrics: a file's series are subjects, by rules for critical and warning") {
  const test::TempDirectory directory;
  const auto file = directory.path() / "m.prom";
  write(file, "m{device=\"eth0\"} 9\nm{device=\"eth1\"} 4\nm{device=\"eth2\"} 1\n");
  test::CheckUnderTest check("openmetrics", with_file(file, "m > 5", {{"warning", "m > 3"}}));
  const Outcome eth0 = check.read_of("eth0");
  REQUIRE(eth0.severity == Severity::critical);
  REQUIRE(eth0.value == 9);
  REQUIRE_THAT(eth0.detail, Catch::Contains("m > 5"));
  REQUIRE(check.read_of("eth1").severity == Severity::warning);
  REQUIRE(check.read_of("eth2").severity == Severity::ok);
  write(file, "m{device=\"eth0\"} 0\nm{device=\"eth1\"} 4\n");
  REQUIRE(check.read_of("eth0").severity == Severity::ok);
  const Outcome gone = check.read_of("eth2");
  REQUIRE(gone.severity == Severity::unknown);
  REQUIRE(gone.detail == "is not exported any more");
  check.memory.clear();  // a block begins
  REQUIRE(check.read().size() == 2);
}

TEST_CASE("openmetrics: rates need two samples of one block") {
  const test::TempDirectory directory;
  const auto file = directory.path() / "m.prom";
  const std::int64_t t0_ns = realtime_ns() - 30 * kNsPerS;
  test::CheckUnderTest check("openmetrics", with_file(file, "rate(m_total[10s]) > 0", {{"every", kNsPerS}}));
  write_at(file, t0_ns, "m_total 5\n");
  const Outcome first = check.read_one();
  REQUIRE(first.severity == Severity::ok);
  REQUIRE(first.detail == "first reading");
  const Outcome same = check.read_one();  // the file was not written anew
  REQUIRE(same.severity == Severity::unknown);
  REQUIRE(same.detail == "only one sample yet: rate(m_total[10s]) > 0");
  write_at(file, t0_ns + 4 * kNsPerS, "m_total 5\n");
  REQUIRE(check.read_one().severity == Severity::ok);
  write_at(file, t0_ns + 8 * kNsPerS, "m_total 7\n");
  const Outcome grown = check.read_one();
  REQUIRE(grown.severity == Severity::critical);
  REQUIRE(grown.value.value_or(0) == Approx(0.25));  // 2 in 8 s
  check.memory.clear();                              // a block begins: what was before it is not its fault
  write_at(file, t0_ns + 12 * kNsPerS, "m_total 8\n");
  const Outcome begun = check.read_one();
  REQUIRE(begun.severity == Severity::ok);
  REQUIRE(begun.detail == "first reading");
}

TEST_CASE("openmetrics: `grit check --state` counts from its last call, however long ago that was") {
  const test::TempDirectory directory;
  const auto file = directory.path() / "m.prom";
  const std::int64_t t0_ns = realtime_ns() - 2000 * kNsPerS;
  Calls rate(with_file(file, "rate(m_total[10s]) > 0", {{"max_age", 3000 * kNsPerS}}));
  write_at(file, t0_ns, "m_total{device=\"eth0\"} 5\nprocess_start_time_seconds 1\n");
  REQUIRE(rate.call_one().detail == "first reading");  // and it is read again
  write_at(file, t0_ns + 300 * kNsPerS, "m_total{device=\"eth0\"} 8\nprocess_start_time_seconds 1\n");
  const Outcome grown = rate.call_one();
  REQUIRE(grown.severity == Severity::critical);
  REQUIRE(grown.value.value_or(0) == Approx(0.01));
  const Outcome same = rate.call_one();
  REQUIRE(same.severity == Severity::unknown);
  REQUIRE_THAT(same.detail, Catch::Contains("only one sample yet"));
  // A counter that has appeared since the last call, beside others, was 0 then.
  write_at(file, t0_ns + 600 * kNsPerS,
           "m_total{device=\"eth0\"} 8\nm_total{device=\"eth1\"} 3\nprocess_start_time_seconds 1\n");
  const auto two = rate.call();
  REQUIRE(two.size() == 2);
  REQUIRE(two[0].severity == Severity::ok);
  REQUIRE(two[1].severity == Severity::critical);
  REQUIRE(two[1].value.value_or(0) == Approx(0.01));
  // What is not exported for some time does not come back with the value that it had before.
  write_at(file, t0_ns + 700 * kNsPerS, "m_total{device=\"eth0\"} 8\nprocess_start_time_seconds 1\n");
  rate.call();
  write_at(file, t0_ns + 800 * kNsPerS,
           "m_total{device=\"eth0\"} 8\nm_total{device=\"eth1\"} 3\nprocess_start_time_seconds 1\n");
  REQUIRE(rate.call()[1].value.value_or(0) == Approx(0.03));  // as one that is new
  // An exporter that was started anew counts from there.
  write_at(file, t0_ns + 900 * kNsPerS, "m_total{device=\"eth0\"} 90\nprocess_start_time_seconds 2\n");
  REQUIRE_THAT(rate.call_one().detail, Catch::Contains("only one sample yet"));

  Calls timed(with_file(file, "increase(m_total[10s]) > 0", {{"max_age", 3000 * kNsPerS}}));
  const auto sample = [&](int value, std::int64_t t_ns) {
    return fmt::format("m_total {} {}\n", value, t_ns / kNsPerMs);
  };
  write_at(file, t0_ns + 900 * kNsPerS, sample(1, t0_ns));
  timed.call();
  write_at(file, t0_ns + 1200 * kNsPerS, sample(1, t0_ns));
  REQUIRE_THAT(timed.call_one().detail, Catch::Contains("only one sample yet"));  // the same one once more
  write_at(file, t0_ns + 1500 * kNsPerS, sample(4, t0_ns + 300 * kNsPerS));
  REQUIRE(timed.call_one().value == 3);
}

TEST_CASE("openmetrics: `grit check --state` counts from its last call of a page, too") {
  if (!has_library()) return;
  const Server before(page("m_total 5\n")), after(page("m_total 8\n"));
  Calls rate({{"url", before.url()}, {"critical", "rate(m_total[10s]) > 0"}});
  rate.call();
  rate.now_of(after.url());
  const Outcome grown = rate.call_one();
  REQUIRE(grown.severity == Severity::critical);
  REQUIRE(grown.value.value_or(0) == Approx(0.01));
}

TEST_CASE("openmetrics: many series, and labels by which they are told apart") {
  const test::TempDirectory directory;
  const auto file = directory.path() / "m.prom";
  std::string text;
  for (int i = 0; i < 100; ++i) text += fmt::format("m{{id=\"{}\"}} {}\n", i, i == 77 ? 1 : 0);
  write(file, text);
  const auto outcomes = test::CheckUnderTest("openmetrics", with_file(file, "m > 0", {{"subject", "id"}})).read();
  REQUIRE(outcomes.size() == 2);
  REQUIRE(outcomes[0].subject == "77");
  REQUIRE(outcomes[0].severity == Severity::critical);
  REQUIRE(outcomes[1].detail == "and 99 more");
  REQUIRE(outcomes[1].severity == Severity::ok);
  write(file, "m{a=\"1\",b=\"\x1b[31m\"} 1\n");
  REQUIRE(test::CheckUnderTest("openmetrics", with_file(file, "m > 0")).read_one().subject == "a=1,b= [31m");
}

TEST_CASE("openmetrics: labels that change with each reading are not all kept") {
  const test::TempDirectory directory;
  const auto file = directory.path() / "m.prom";
  test::CheckUnderTest check("openmetrics", with_file(file, "m > 0", {{"subject", "id"}}));
  for (int reading = 0; reading < 4; ++reading) {
    std::string text;
    for (int i = 0; i < 4000; ++i) text += fmt::format("m{{id=\"{} {}\"}} 0\n", reading, i);
    write(file, text);
    const auto outcomes = check.read();
    // Those of this reading, and at most 8192 that are not exported any more.
    CHECK(std::stoi(outcomes.back().detail.substr(4)) <= 4000 + 8192 - 63);
  }
}

TEST_CASE("openmetrics: what cannot be read is unknown, never well and never an alarm") {
  const test::TempDirectory directory;
  const auto file = directory.path() / "m.prom";
  test::CheckUnderTest check("openmetrics", with_file(file, "m > 0"));
  REQUIRE_THAT(check.try_read().error().message, Catch::Contains("No such file"));
  write(file, "m 12");
  REQUIRE_THAT(check.try_read().error().message, Catch::Contains("m.prom: cut off in the middle of a line"));
  write(file, "<html>\n");
  REQUIRE_THAT(check.try_read().error().message, Catch::Contains("not the text format"));
  write(file, "n 1\n");
  const Outcome none = check.read_one();
  REQUIRE(none.severity == Severity::unknown);
  REQUIRE(none.detail == "no series m");
  write(file, "m{device=\"eth0\"} 0\n");
  REQUIRE(check.read_one().severity == Severity::ok);  // and no more of that there was none
  check.memory.clear();
  write(file, "m NaN\n");
  REQUIRE(check.read_one().severity == Severity::unknown);
  write(file, "m 1\n");
  const timespec old[2] = {{.tv_sec = 1'700'000'000, .tv_nsec = 0}, {.tv_sec = 1'700'000'000, .tv_nsec = 0}};
  REQUIRE(::utimensat(AT_FDCWD, file.c_str(), old, 0) == 0);
  REQUIRE_THAT(check.try_read().error().message, Catch::Contains("was not written for"));
  REQUIRE(::unlink(file.c_str()) == 0);
  REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  REQUIRE_THAT(check.try_read().error().message, Catch::Contains("no plain file"));  // at once
  REQUIRE(test::CheckUnderTest("openmetrics").read_one().not_here);
}

TEST_CASE("openmetrics: a page by HTTP, whatever proxy the environment names") {
  if (!has_library()) return;
  const Server server(page("m{device=\"eth0\"} 1\n"));
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  test::CheckUnderTest check("openmetrics", {{"url", server.url()}, {"critical", "m > 0"}});
  const Outcome read = check.read_one();
  ::unsetenv("http_proxy");
  REQUIRE(read.severity == Severity::critical);
  REQUIRE(read.subject == "eth0");
  REQUIRE_THAT(server.asked(), Catch::Contains("GET /metrics HTTP/1.1") && Catch::Contains("User-Agent: grit/") &&
                                   Catch::Contains("Accept: text/plain;version=0.0.4"));
  REQUIRE(server.asked().find("Accept-Encoding") == std::string::npos);
}

TEST_CASE("openmetrics: servers that are dead, slow, too large or send elsewhere") {
  if (!has_library()) return;
  std::string dead;
  {
    const Server gone("");
    dead = gone.url();
  }
  REQUIRE_THAT(why_unreadable(dead), Catch::Contains("is the exporter running"));
  const Server silent("", false);
  const std::int64_t begun_ns = monotonic_ns();
  REQUIRE_THAT(why_unreadable(silent.url(), kNsPerS / 5), Catch::Contains("too slow"));
  REQUIRE(monotonic_ns() - begun_ns < 2 * kNsPerS);
  const Server elsewhere("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
  REQUIRE_THAT(why_unreadable(elsewhere.url()), Catch::Contains("302, which sends elsewhere"));
  const Server broken(page("", "HTTP/1.1 500 no"));
  REQUIRE_THAT(why_unreadable(broken.url()), Catch::Contains("HTTP status 500"));
  const Server large(page(std::string(std::size_t{17} << 20, 'x')));
  REQUIRE_THAT(why_unreadable(large.url(), 10 * kNsPerS), Catch::Contains("larger than 16 MiB"));
  const Server endless("HTTP/1.0 200 OK\r\n\r\n" + std::string(std::size_t{17} << 20, '\n'));  // does not say how large
  REQUIRE_THAT(why_unreadable(endless.url(), 10 * kNsPerS), Catch::Contains("larger than 16 MiB"));
}

TEST_CASE("openmetrics: another machine's page only when that is meant") {
  test::CheckUnderTest other("openmetrics", {{"url", "http://192.0.2.1:9100/metrics"}, {"critical", "m > 0"}});
  REQUIRE_THAT(other.try_read().error().message, Catch::Contains("is not this node"));
  REQUIRE(is_loopback(ok(parse_http_url("http://127.8.9.1/"))));
  REQUIRE(is_loopback(ok(parse_http_url("http://[::1]:9100/metrics"))));
  REQUIRE_FALSE(is_loopback(ok(parse_http_url("http://127.0.0.1.example.org/"))));
  REQUIRE_FALSE(is_loopback(ok(parse_http_url("http://128.0.0.1/"))));
}

TEST_CASE("openmetrics: without the library it says what to install") {
  const auto missing = HttpClient::open("libno-such-thing.so.4");
  REQUIRE_FALSE(missing.has_value());
  REQUIRE(missing.error().kind == ErrorKind::unavailable);
  REQUIRE_THAT(missing.error().message, Catch::Contains("libcurl4"));
}

TEST_CASE("openmetrics: mistakes are found when the scenario is loaded") {
  const std::string url = "http://127.0.0.1:9100/metrics";
  REQUIRE(validated({{"url", url}, {"critical", "m > 0"}}).has_value());
  REQUIRE(validated({{"file", "/run/m.prom"}, {"warning", "rate(m[10s]) > 0"}}).has_value());
  REQUIRE_THAT(validated({{"critical", "m > 0"}}).error().message, Catch::Contains("either `url` or `file`"));
  REQUIRE_FALSE(validated({{"url", url}, {"file", "/m"}, {"critical", "m > 0"}}).has_value());
  REQUIRE_THAT(validated({{"file", "m"}, {"critical", "m > 0"}}).error().message, Catch::Contains("absolute"));
  REQUIRE_THAT(validated({{"url", url}}).error().message, Catch::Contains("give a rule"));
  REQUIRE_THAT(validated({{"url", url}, {"critical", "m >"}}).error().message, Catch::Contains("character 4"));
  REQUIRE_THAT(validated({{"url", url}, {"critical", "rate(m[1s]) > 0"}}).error().message,
               Catch::Contains("shorter than `every` (2s)"));
  for (const char* wrong : {"127.0.0.1:9100", "ftp://x/", "http://", "http://u:p@x/", "http://x:y/", "http://x y/",
                            "http://[::1/", "http://a\\b/", "http://x:123456/", "file:///etc/passwd"}) {
    INFO(wrong);
    REQUIRE_FALSE(validated({{"url", wrong}, {"critical", "m > 0"}}).has_value());
  }
}

TEST_CASE("openmetrics: an exporter of its own needs a url of the node, and one that ends says how") {
  const auto refused = [](Json more, const std::string& why) {
    more["critical"] = "m > 0";
    if (!more.contains("exporter")) more["exporter"] = "exporter --port 9100";
    REQUIRE_THAT(validated(more).error().message, Catch::Contains(why));
  };
  refused({{"file", "/m.prom"}}, "there is none");
  refused({{"url", "http://node7:9100/"}, {"remote", true}}, "on the node itself");
  refused({{"url", "http://127.0.0.1:9100/"}, {"exporter", "a\nb"}}, "one line");
  if (!has_library()) return;
  std::string url;
  {
    const Server server(page("m 1\n"));
    url = server.url();
    const test::TempDirectory directory;
    const auto started = directory.path() / "started";
    test::CheckUnderTest check("openmetrics",
                               {{"url", url}, {"critical", "m > 0"}, {"exporter", "touch " + started.string()}});
    REQUIRE(check.read_one().severity == Severity::critical);
    REQUIRE_FALSE(std::filesystem::exists(started));  // somebody answers
  }
  test::CheckUnderTest check("openmetrics", {{"url", url}, {"critical", "m > 0"}, {"exporter", "sh -c 'exit 3'"}});
  check.limit_ns = kNsPerS / 2;
  REQUIRE_THAT(check.try_read().error().message, Catch::Contains("`exporter` ended with exit status 3"));
}

TEST_CASE("openmetrics: an exporter that cannot start is started again after pauses that grow, and unknown meanwhile") {
  if (!has_library()) return;
  std::string url;
  {
    const Server gone("");
    url = gone.url();
  }
  const test::TempDirectory directory;
  const auto starts = directory.path() / "starts";
  test::CheckUnderTest check(
      "openmetrics",
      {{"url", url}, {"critical", "m > 0"}, {"exporter", "sh -c 'echo x >> " + starts.string() + "; exit 3'"}});
  check.limit_ns = kNsPerS / 2;
  const auto reading = [&](std::int64_t after_s) {
    const auto read = check.try_read(after_s * kNsPerS);
    REQUIRE_FALSE(read.has_value());
    CHECK_THAT(read.error().message, Catch::Contains("`exporter` ended with exit status 3"));
    return read.error().message;
  };
  const auto started = [&] { return ok(read_file(starts)).size() / 2; };
  CHECK(reading(1).find("again") == std::string::npos);
  CHECK(started() == 1);
  CHECK_THAT(reading(2), Catch::Contains("it is started again in 3 s"));
  CHECK(started() == 1);
  CHECK(reading(3).find("again") == std::string::npos);
  CHECK(started() == 2);
  CHECK_THAT(reading(9), Catch::Contains("it is started again in 1 s"));
  CHECK(started() == 2);
  CHECK(reading(1).find("again") == std::string::npos);
  CHECK(started() == 3);
  for (int i = 0; i < 10; ++i) reading(300);
  CHECK(started() == 13);
  CHECK_THAT(reading(299), Catch::Contains("it is started again in 1 s"));  // no pause is longer than 5 min
}
