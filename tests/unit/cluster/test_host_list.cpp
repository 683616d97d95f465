// Slurm's hostlist expressions, both ways, and what --hosts takes.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "harness/cluster/host_list.hpp"
#include "harness/cluster/launch.hpp"
#include "tests/catch.hpp"

using Hosts = std::vector<std::string>;

namespace {

Hosts parsed(const std::string& text) {
  INFO(text);
  const auto hosts = grit::parse_host_list(text);
  if (!hosts) FAIL(hosts.error().message);
  return *hosts;
}

std::string refusal(const std::string& text) {
  INFO(text);
  const auto hosts = grit::parse_host_list(text);
  REQUIRE_FALSE(hosts.has_value());
  CHECK(hosts.error().kind == grit::ErrorKind::usage);
  return hosts.error().message;
}

std::string compressed(const std::string& text) { return grit::compressed_host_list(parsed(text)); }

// A file with this text, gone with the object.
class TextFile {
 public:
  TextFile(const std::string& name, const std::string& text)
      : path_(std::filesystem::temp_directory_path() / fmt::format("grit-{}-{}", ::getpid(), name)) {
    std::ofstream(path_) << text;
  }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  ~TextFile() { std::filesystem::remove(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
  REQUIRE(pipe);
  std::string text;
  for (int c = 0; (c = std::fgetc(pipe.get())) != EOF;) text += static_cast<char>(c);
  return text;
}

}  // namespace

TEST_CASE("a host list names its hosts in the order written, each once") {
  CHECK(parsed("n1") == Hosts{"n1"});
  CHECK(parsed("n[1-3]") == Hosts{"n1", "n2", "n3"});
  CHECK(parsed("n[08-11]") == Hosts{"n08", "n09", "n10", "n11"});
  CHECK(parsed("n[8-11]") == Hosts{"n8", "n9", "n10", "n11"});
  CHECK(parsed("n[3,1-2,7],login,n1") == Hosts{"n3", "n1", "n2", "n7", "login"});
  CHECK(parsed("a[1-2]b[3-4]") == Hosts{"a1b3", "a1b4", "a2b3", "a2b4"});
  CHECK(parsed("gpu[1-2].rack[07]") == Hosts{"gpu1.rack07", "gpu2.rack07"});
  CHECK(parsed("n[01-02,070]") == Hosts{"n01", "n02", "n070"});
  CHECK(parsed("10.0.0.[1-2],fd77::1,under_score") == Hosts{"10.0.0.1", "10.0.0.2", "fd77::1", "under_score"});
  CHECK(parsed("n[01-64]").size() == 64);
  CHECK(parsed("n[1-65536]").size() == grit::kMostHosts);
}

TEST_CASE("a host list that is none says what is wrong and where") {
  using Catch::Contains;
  CHECK_THAT(refusal(""), Contains("character 1") && Contains("host name was expected"));
  CHECK_THAT(refusal("n1,"), Contains("character 4") && Contains("host name was expected"));
  CHECK_THAT(refusal("n1,,n2"), Contains("character 4"));
  CHECK_THAT(refusal("n[1-3"), Contains("character 2") && Contains("not closed"));
  CHECK_THAT(refusal("n["), Contains("not closed"));
  CHECK_THAT(refusal("n[]"), Contains("character 3") && Contains("number"));
  CHECK_THAT(refusal("n[3-1]"), Contains("character 3") && Contains("backwards"));
  CHECK_THAT(refusal("n[01-100]"), Contains("character 3") && Contains("digits"));
  CHECK_THAT(refusal("n[1,2x]"), Contains("character 6"));
  CHECK_THAT(refusal("n1]"), Contains("character 3") && Contains("no host name has"));
  CHECK_THAT(refusal("n1 n2"), Contains("character 3"));
  CHECK_THAT(refusal("n1,-oProxyCommand"), Contains("character 4") && Contains("does not begin"));
  CHECK_THAT(refusal("n1:8,n2:8"), Contains("character 3") && Contains("--ranks-per-node"));
  CHECK_THAT(refusal("n1,n[2-3]:8"), Contains("character 10") && Contains("--ranks-per-node"));
  CHECK_THAT(refusal("10.0.0.1:22"), Contains("character 9") && Contains("IPv6"));
  CHECK_THAT(refusal("n$(x)"), Contains("character 2"));
  CHECK_THAT(refusal("n[1-10000000]"), Contains("more than 65536"));
  CHECK_THAT(refusal("n[1-65536],m"), Contains("more than 65536"));
  CHECK_THAT(refusal("n[1-300]x[1-300]"), Contains("more than 65536"));
  CHECK_THAT(refusal("n[1-99999999999]"), Contains("more than 9 digits"));
  CHECK_THAT(refusal(std::string(254, 'n')), Contains("253"));
}

TEST_CASE("hosts are written as short as their numbers allow") {
  CHECK(compressed("n7,n03,n02,n01") == "n7,n[01-03]");
  CHECK(compressed("n[08-12]") == "n[08-12]");
  CHECK(compressed("n[8-12]") == "n[8-12]");
  CHECK(compressed("n[1,3,5-6]") == "n[1,3,5-6]");
  CHECK(compressed("login,n1") == "n1,login");
  CHECK(compressed("r1n2,r1n1,r2n1") == "r1n[1-2],r2n1");
  CHECK(compressed("n2.x,n1.x") == "n1.x,n2.x");  // Slurm reads no "n[1-2].x"
  CHECK(compressed("fd77::1,fd77::2") == "fd77::1,fd77::2");
  CHECK(grit::compressed_host_list({}).empty());
}

TEST_CASE("what is compressed names the same hosts") {
  for (const std::string text :
       {"n[01-64,70],gpu[1-2]x[0-3],login", "n[9-11],n[009-011],n09", "a1,a01,a001,a10,a010,a100", "n[98-103]",
        "n[098-103]", "10.0.0.[1-2],fd77::1", "x0,x00", "node1234567890123"}) {
    auto before = parsed(text);
    auto after = parsed(compressed(text));
    std::sort(before.begin(), before.end());
    std::sort(after.begin(), after.end());
    CHECK(after == before);
  }
}

TEST_CASE("host lists are read and written as Slurm does it") {
  if (!grit::program_in_path("scontrol")) return grit::test::skip("scontrol is not installed");
  const TextFile configuration(
      "slurm.conf", "ClusterName=x\nSlurmctldHost=localhost\nNodeName=n1 CPUs=1\nPartitionName=a Nodes=ALL\n");
  const std::string scontrol = "SLURM_CONF=" + configuration.path() + " scontrol show hostnames ";
  for (const std::string text :
       {"n[01-12]", "n[8-11]", "a[1-2]b[3-4]", "n[3,1-2,7]", "n[01-02,070]", "r1n[1-3],login", "n[1-2],n3.x,n4.x"}) {
    std::istringstream lines(output_of(scontrol + "'" + text + "'"));
    Hosts theirs;
    for (std::string line; std::getline(lines, line);) theirs.push_back(line);
    CHECK(parsed(text) == theirs);
    std::istringstream back(output_of(scontrol + "'" + compressed(text) + "'"));
    Hosts again;
    for (std::string line; std::getline(back, line);) again.push_back(line);
    std::sort(theirs.begin(), theirs.end());
    std::sort(again.begin(), again.end());
    CHECK(again == theirs);
  }
}

TEST_CASE("the option takes a file of hosts or a list") {
  const TextFile file("hosts", "# rack 1\nn1 slots=8 max_slots=8\n\n  n2 # spare\nn[3-4]\nn1\n");
  const auto with_slots = grit::hosts_of_option(file.path());
  REQUIRE(with_slots.has_value());
  CHECK(*with_slots == Hosts{"n1", "n2", "n3", "n4"});
  CHECK(grit::hosts_of_option("n[1-2]").value() == Hosts{"n1", "n2"});
}

TEST_CASE("the option says which line of its file is wrong, and that nobody is in it") {
  {
    const TextFile file("hosts", "n1\nn[2\n");
    const auto hosts = grit::hosts_of_option(file.path());
    REQUIRE_FALSE(hosts.has_value());
    CHECK_THAT(hosts.error().message, Catch::Contains(file.path()) && Catch::Contains("line 2"));
  }
  {
    const TextFile file("hosts", "# nobody\n\n");
    const auto hosts = grit::hosts_of_option(file.path());
    REQUIRE_FALSE(hosts.has_value());
    CHECK_THAT(hosts.error().message, Catch::Contains("nobody"));
  }
  const auto neither = grit::hosts_of_option("/no/such/file");
  REQUIRE_FALSE(neither.has_value());
  CHECK(neither.error().kind == grit::ErrorKind::usage);
  CHECK_THAT(neither.error().message, Catch::Contains("no such file"));
}
