#include "harness/os/cpus.hpp"
#include "tests/spinner.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

std::string lines(std::int64_t some_us, std::int64_t full_us) {
  return fmt::format(
      "some avg10=1.50 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total={}\n", some_us,
      full_us);
}

struct Machine {
  test::KernelFiles tree{};
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> totals_us{
      {"cpu", {5, 0}}, {"memory", {5, 5}}, {"io", {9, 9}}};
  void wait(const std::string& resource, double some_s, double full_s = 0) {
    totals_us[resource].first += std::llround(some_s * 1e6);
    totals_us[resource].second += std::llround(full_s * 1e6);
    write();
  }
  void write() const {
    for (const auto& [resource, total] : totals_us)
      tree.write("proc/pressure/" + resource, lines(total.first, total.second));
  }
};

}  // namespace

TEST_CASE("pressure: judges what tasks waited since the last readings, each line by its own limit") {
  Machine machine;
  machine.write();
  test::CheckUnderTest check("pressure");
  check.look_at(machine.tree);
  REQUIRE(check.read_of("cpu some").detail == "first reading");
  REQUIRE(worst_of(check.read(5 * kNsPerS)) == Severity::ok);
  machine.wait("cpu", 2.4);
  REQUIRE(check.read_of("cpu some", 5 * kNsPerS).severity == Severity::ok);
  machine.wait("cpu", 2.6);
  const Outcome busy = check.read_of("cpu some", 5 * kNsPerS);
  REQUIRE(busy.severity == Severity::warning);
  REQUIRE(busy.value == Approx(0.52));
  REQUIRE(busy.unit == "share");
  REQUIRE(busy.detail == "some task waited for 52.0 % of the last 5.0 s");
  REQUIRE_FALSE(busy.hint.empty());
  machine.wait("io", 5, 1.1);
  REQUIRE(check.read_of("io full", 5 * kNsPerS).severity == Severity::warning);
  machine.wait("io", 5, 0.9);
  REQUIRE(worst_of(check.read(5 * kNsPerS)) == Severity::ok);
  machine.wait("memory", 0.6);
  REQUIRE(check.read_of("memory some", 5 * kNsPerS).severity == Severity::warning);
}

TEST_CASE("pressure: all tasks waiting for memory is critical once it lasts as long as systemd-oomd would wait") {
  Machine machine;
  machine.write();
  test::CheckUnderTest check("pressure");
  check.look_at(machine.tree);
  check.read();
  for (int i = 0; i < 7; ++i) {
    CAPTURE(i);
    machine.wait("memory", 3.5, 3.5);
    REQUIRE(check.read_of("memory full", 5 * kNsPerS).severity == (i < 6 ? Severity::warning : Severity::critical));
  }
  check.memory.clear();  // another block
  REQUIRE(check.read_of("memory full").severity == Severity::ok);
}

TEST_CASE("pressure: a kernel without it, a part of it, and files that are something else") {
  Machine machine;
  test::CheckUnderTest check("pressure");
  check.look_at(machine.tree);
  const Error error = check.try_read().error();
  REQUIRE(error.kind == ErrorKind::unavailable);
  REQUIRE_THAT(error.message, Catch::Contains("psi=1"));
  machine.write();
  machine.tree.write("proc/pressure/irq", "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
  machine.tree.remove("proc/pressure/io");
  const auto part = check.read();
  REQUIRE(part.size() == 4);
  REQUIRE(part[3].subject == "io some");
  REQUIRE(part[3].severity == Severity::unknown);
  machine.write();
  for (const std::string& text : test::hostile_texts()) {
    machine.tree.write("proc/pressure/memory", text);
    for (const Outcome& one : check.read()) REQUIRE_FALSE(is_alarm(one.severity));
  }
  machine.totals_us["cpu"] = {1, 0};  // less than before: a checkpointed machine
  machine.write();
  REQUIRE(check.read_of("cpu some", 5 * kNsPerS).severity == Severity::ok);
}

TEST_CASE("pressure: more processes than CPUs make the real kernel say so") {
  if (!std::filesystem::exists("/proc/pressure/cpu"))
    return test::skip("this kernel has no pressure stall information");
  test::CheckUnderTest check("pressure");
  check.read();
  const Cpus cpus = ok(affinity_of_thread(0));
  const auto begin_ns = monotonic_ns();
  {
    std::vector<std::unique_ptr<test::Spinner>> spinners;
    for (int i = 0; i < 3; ++i) {
      spinners.push_back(std::make_unique<test::Spinner>());
      ok(set_affinity_of_thread(spinners.back()->pid, {cpus.front()}));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(900));
  }
  const Outcome outcome = check.read_of("cpu some", monotonic_ns() - begin_ns);
  CAPTURE(outcome.detail);
  test::proves("pressure", outcome);
  REQUIRE(outcome.severity == Severity::warning);
  REQUIRE(*outcome.value <= 1.1);
}
