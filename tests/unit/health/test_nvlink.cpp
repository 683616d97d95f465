#include "tests/unit/health/fake_gpus.hpp"

using namespace grit;

namespace {

/// Two GPUs with 18 places for links each, of which so many are wired.
std::string node(int wired0 = 16, int wired1 = 16) {
  std::string text = "gpus 2\ngpu0.field.91 u32:18\ngpu1.field.91 u32:18\n";
  for (int i = 0; i < 18; ++i) text += fmt::format("gpu0.link{}.state {}\n", i, i < wired0 ? 1 : 0);
  for (int i = 0; i < 18; ++i) text += fmt::format("gpu1.link{}.state {}\n", i, i < wired1 ? 1 : 0);
  return text;
}

}  // namespace

TEST_CASE("nvlink: a link that goes down, and those that were never up") {
  test::FakeGpus gpus;
  gpus.write(node());
  test::CheckUnderTest check("nvlink");
  for (int i = 0; i < 2; ++i) {
    const auto outcomes = check.read();
    REQUIRE(outcomes.size() == 2);
    CHECK(outcomes[0].severity == Severity::ok);
    CHECK(outcomes[0].detail == "16 links are up, 2 have never been");
  }
  gpus.write(node() + "gpu1.link5.state 0\n");
  const auto outcomes = check.read();
  REQUIRE(outcomes.size() == 3);
  CHECK(outcomes[0].severity == Severity::ok);
  CHECK(outcomes[1].subject == "gpu1/link5");
  CHECK(outcomes[1].severity == Severity::critical);
  gpus.write(node() + "gpu1.link5.state 2\n");  // asleep
  CHECK(check.read().size() == 2);
}

TEST_CASE("nvlink: fewer links than the node's other GPUs, or than there should be") {
  test::FakeGpus gpus;
  gpus.write(node(16, 15));
  test::CheckUnderTest check("nvlink");
  CHECK(check.read_of("gpu0").severity == Severity::ok);
  CHECK(check.read_of("gpu1").severity == Severity::warning);
  test::CheckUnderTest strict("nvlink", {{"links", 16}});
  CHECK(strict.read_of("gpu0").severity == Severity::ok);
  CHECK(strict.read_of("gpu1").severity == Severity::critical);
}

TEST_CASE("nvlink: errors since the last reading, of both kinds of GPUs") {
  test::FakeGpus gpus;
  test::CheckUnderTest check("nvlink");
  gpus.write(node() + "gpu0.link3.field.161 7\ngpu0.link3.field.163 5\ngpu1.link0.field.214 1\n");
  CHECK(check.read().size() == 2);
  gpus.write(node() + "gpu0.link3.field.161 7\ngpu0.link3.field.163 6\ngpu1.link0.field.214 2\n");
  CHECK(check.read_of("gpu0/link3").severity == Severity::warning);
  gpus.write(node() + "gpu0.link3.field.161 8\ngpu0.link3.field.163 6\ngpu1.link0.field.214 2\n");
  const Outcome replay = check.read_of("gpu0/link3");
  CHECK(replay.severity == Severity::critical);
  CHECK(replay.detail == "1 replays more");
  gpus.write(node() + "gpu0.link3.field.163 106\ngpu1.link0.field.214 3\n");
  const auto outcomes = check.read();
  REQUIRE(outcomes.size() == 4);
  CHECK(outcomes[0].severity == Severity::critical);  // 100 CRC errors a second
  CHECK(outcomes[2].subject == "gpu1/link0");
  CHECK(outcomes[2].severity == Severity::critical);
  gpus.write(node());  // counters that were reset, or are no longer told
  CHECK(check.read().size() == 2);
}

TEST_CASE("nvlink: GPUs without links have none, and a lost one is lost") {
  test::FakeGpus gpus;
  gpus.write("gpus 2\n");
  test::CheckUnderTest check("nvlink");
  CHECK(check.read_one().not_here);
  gpus.write(node() + "gpu1.return 15\n");
  CHECK(check.read_of("gpu1").severity == Severity::critical);
  gpus.write(node() + "return nvmlDeviceGetNvLinkState 15\n");
  CHECK(check.read_of("gpu0").severity == Severity::critical);
}

TEST_CASE("nvlink: when all links go down the list is short") {
  test::FakeGpus gpus;
  gpus.write(node());
  test::CheckUnderTest check("nvlink");
  check.read();
  gpus.write(node(0, 0));
  CHECK(check.read().size() == 14);
}
