#include "tests/unit/health/fake_gpus.hpp"

using namespace grit;

namespace {

const std::string kTwo = "gpus 2\ngpu0.events 0xc00a\ngpu1.events 0x8\n";

}  // namespace

TEST_CASE("gpu_xid: an error is told from its moment on, for a minute") {
  for (const char* library : {GRIT_FAKE_NVML_NEW, GRIT_FAKE_NVML_OLD}) {
    test::FakeGpus gpus(library);
    gpus.write(kTwo + "gpu0.event 48\n");  // from before grit listened
    test::CheckUnderTest check("gpu_xid");
    for (const Outcome& one : check.read()) {
      CHECK(one.severity == Severity::ok);
      CHECK(one.detail == "listens since now; the check kernel_log knows of errors before");
    }
    gpus.write(kTwo + "gpu0.event 48\ngpu1.event 79\n");
    const auto outcomes = check.read();
    REQUIRE(outcomes.size() == 2);
    CHECK(outcomes[0].severity == Severity::ok);
    CHECK(outcomes[1].severity == Severity::critical);
    CHECK(outcomes[1].detail == "Xid 79, 0 s ago");
    CHECK(check.read_of("gpu1", 59 * kNsPerS).severity == Severity::critical);
    const Outcome after = check.read_of("gpu1");
    CHECK(after.severity == Severity::ok);
    CHECK(after.detail == "last: Xid 79, 60 s ago");
    gpus.write(kTwo + "gpu0.event 48\ngpu1.event 79\ngpu1.event 95\ngpu7.event 95\n");
    CHECK(check.read_of("gpu1").severity == Severity::critical);
    CHECK(check.read_of("gpu?").severity == Severity::critical);
    check.memory.clear();  // another block begins
    for (const Outcome& one : check.read()) CHECK(one.detail == "no error was reported");
  }
}

TEST_CASE("gpu_xid: what came in a pause between two blocks is not the next one's, but for the last second") {
  test::FakeGpus gpus;
  gpus.write(kTwo);
  test::CheckUnderTest check("gpu_xid");
  check.read();
  gpus.write(kTwo + "gpu0.event 79\n");
  check.memory.clear();
  CHECK(check.read_of("gpu0", 2 * kNsPerS).severity == Severity::ok);
  gpus.write(kTwo + "gpu0.event 79\ngpu0.event 48\n");
  check.memory.clear();
  CHECK(check.read_of("gpu0").detail == "Xid 48, 0 s ago");
}

TEST_CASE("gpu_xid: the application's own errors are warnings, and the worst is told") {
  test::FakeGpus gpus;
  gpus.write(kTwo);
  test::CheckUnderTest check("gpu_xid");
  check.read();
  gpus.write(kTwo + "gpu0.event 31\ngpu0.event 69\ngpu1.event 64\ngpu1.event 43\n");
  CHECK(check.read_of("gpu0").severity == Severity::warning);
  CHECK(check.read_of("gpu1").detail == "Xid 64, 1 s ago");
  test::CheckUnderTest deaf("gpu_xid", {{"ignore", "79, 64"}, {"warn", ""}});
  deaf.read();
  gpus.write(kTwo + "gpu0.event 31\ngpu1.event 64\ngpu1.event 43\ngpu0.event 79\ngpu1.event 13\n");
  CHECK(deaf.read_of("gpu0").severity == Severity::ok);
  CHECK(deaf.read_of("gpu1").severity == Severity::critical);
}

TEST_CASE("gpu_xid: a flood of errors, a GPU that tells none, and one that is lost") {
  test::FakeGpus gpus;
  gpus.write("gpus 2\ngpu0.events 0x8\n");
  test::CheckUnderTest check("gpu_xid");
  CHECK(check.read_of("gpu1").severity == Severity::unknown);
  std::string flood;
  for (int i = 0; i < 5000; ++i) flood += "gpu0.event 13\n";
  gpus.write("gpus 2\ngpu0.events 0x8\n" + flood);
  CHECK(check.read_of("gpu0").severity == Severity::warning);
  gpus.write("gpus 2\ngpu0.events 0x8\nreturn nvmlEventSetWait_v2 15\n" + flood);
  CHECK(check.read_of("").severity == Severity::critical);
  gpus.write("gpus 2\ngpu0.events 0x8\nreturn nvmlEventSetCreate 999\n" + flood);
  CHECK(check.read_one().severity == Severity::unknown);
  gpus.write("gpus 2\ngpu0.events 0x8\n" + flood);
  CHECK(check.read_of("gpu0").severity == Severity::warning);
  gpus.write("");
  CHECK(check.read_one().detail == "2 of 2 GPUs are gone since the last reading");
}
