// Opens the page in headless Chromium, without any network, and looks at what its scripts drew.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "analysis/report/page/burnin_page.hpp"
#include "analysis/report/page/score_page.hpp"
#include "analysis/report/page/trend_html.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/text.hpp"
#include "tests/unit/report/sample_drift.hpp"
#include "tests/unit/report/sample_run.hpp"
#include "tests/unit/report/sample_score.hpp"

using namespace grit;

namespace {

std::string find_chromium() {
  for (const char* path : {"/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"})
    if (::access(path, X_OK) == 0) return path;
  return "";
}

/// In the child: a network namespace of its own, where this may be had, so that nothing at all can be reached.
[[noreturn]] void exec_chromium(const std::filesystem::path& directory, std::vector<std::string> arguments) {
  ::setpgid(0, 0);
  if (::unshare(CLONE_NEWNET) != 0) (void)::unshare(CLONE_NEWUSER | CLONE_NEWNET);
  const int out = ::open((directory / "dom.html").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int log = ::open((directory / "log.txt").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (out < 0 || log < 0 || ::dup2(out, STDOUT_FILENO) < 0 || ::dup2(log, STDERR_FILENO) < 0) ::_exit(126);
  ::setenv("HOME", directory.c_str(), 1);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

/// True when it ended by itself with exit code 0. It is ended with all of its processes otherwise.
bool run_chromium(const std::filesystem::path& directory, const std::vector<std::string>& arguments) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) exec_chromium(directory, arguments);
  const std::int64_t deadline_ns = monotonic_ns() + 200 * kNsPerS;
  int status = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(pid, &status, WNOHANG)) == 0 && monotonic_ns() < deadline_ns)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ::kill(-pid, SIGKILL);  // its helpers, should any be left
  if (ended == 0) ::waitpid(pid, &status, 0);
  return ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// The DOM after the page's scripts ran. The screenshot beside it is kept when GRIT_SCREENSHOTS names a directory.
std::string dump_dom(const Result<std::string>& page, const std::string& name) {
  const test::TempDirectory directory;
  REQUIRE(page.has_value());
  REQUIRE(write_file_durably(directory.path() / "report.html", *page).has_value());
  std::vector<std::string> arguments{find_chromium(),
                                     "--headless",
                                     "--no-sandbox",
                                     "--disable-gpu",
                                     "--disable-background-networking",
                                     "--disable-component-update",
                                     "--disable-sync",
                                     "--no-first-run",
                                     "--disable-dev-shm-usage",
                                     "--proxy-server=127.0.0.1:9",
                                     "--user-data-dir=" + (directory.path() / "profile").string(),
                                     "--dump-dom",
                                     "--enable-logging=stderr",
                                     "--window-size=1280,3000"};
  arguments.push_back("file://" + (directory.path() / "report.html").string());
  const bool ended = run_chromium(directory.path(), arguments);
  const std::string log = read_file(directory.path() / "log.txt").value_or("");
  INFO(log);
  REQUIRE(ended);
  CHECK(log.find("Content Security Policy") == std::string::npos);
  CHECK(log.find("Uncaught") == std::string::npos);
  if (const char* keep = std::getenv("GRIT_SCREENSHOTS"))
    REQUIRE(write_file_durably(std::filesystem::path(keep) / (name + ".html"), *page).has_value());
  return read_file(directory.path() / "dom.html").value();
}

using test::count;

/// What was drawn for one plot: its figure's markup.
std::string drawn(const std::string& dom, const std::string& id) {
  const auto from = dom.find("<div id=\"" + id + "\"");
  REQUIRE(from != std::string::npos);
  return dom.substr(from, dom.find("</figure>", from) - from);
}

/// The marks of one name: the content of Vega's <g class="mark-... role-mark NAME">.
std::string marks(const std::string& figure, const std::string& name) {
  const auto from = figure.find("role-mark " + name + "\"");
  if (from == std::string::npos) return "";
  return figure.substr(from, figure.find("</g>", from) - from);
}

}  // namespace

TEST_CASE("a browser draws every plot", "[browser]") {
  if (find_chromium().empty()) {
    test::skip("no chromium here; install the package chromium to test the report page in a browser");
    return;
  }
  const auto input = test::sample_run();
  const std::string dom = dump_dom(render_html(input), "link_flap");
  CHECK(count(dom, "class=\"plot-error\"") == 0);
  for (const char* id : {"plot-steps", "plot-windows", "plot-pairs", "plot-effects", "plot-phases"}) {
    INFO(id);
    const std::string figure = drawn(dom, id);
    CHECK(count(figure, "<svg") == 1);
    CHECK(count(figure, "role-axis-label") >= 2);
    CHECK(count(figure, "NaN") == 0);
  }
  const std::size_t steps = input.steps.size() / 4;
  CHECK(count(marks(drawn(dom, "plot-steps"), "step_marks"), "<line") == steps);
  CHECK(count(marks(drawn(dom, "plot-steps"), "window_marks"), "<path") == 8);
  CHECK(count(marks(drawn(dom, "plot-steps"), "block_marks"), "<path") == input.plan.blocks.size());
  CHECK(count(marks(drawn(dom, "plot-windows"), "pulse_marks"), "<path") == 8);
  CHECK(count(marks(drawn(dom, "plot-windows"), "step_marks"), "<line") > 8);
  CHECK(count(marks(drawn(dom, "plot-pairs"), "pair_lines"), "<line") == 8);
  CHECK(count(marks(drawn(dom, "plot-effects"), "pair_points"), "<path") == 8);
  CHECK(count(marks(drawn(dom, "plot-effects"), "estimate_mark"), "<path") == 1);
  CHECK(count(marks(drawn(dom, "plot-effects"), "bound_marks"), "<line") == 1);
  CHECK(count(marks(drawn(dom, "plot-phases"), "phase_totals"), "<text") == 8);
  CHECK(count(marks(drawn(dom, "plot-phases"), "phase_parts"), "<path") == 8 * 6);  // no checkpoints in this run
}

TEST_CASE("a browser draws what a run that was cut off left", "[browser]") {
  if (find_chromium().empty()) {
    test::skip("no chromium here; install the package chromium to test the report page in a browser");
    return;
  }
  const std::string dom = dump_dom(render_html(test::partial_run()), "partial");
  CHECK(count(dom, "class=\"plot-error\"") == 0);
  CHECK(count(drawn(dom, "plot-steps"), "<svg") == 1);
  CHECK(count(drawn(dom, "plot-phases"), "<svg") == 1);
}

TEST_CASE("a browser draws a run without stalls", "[browser]") {
  if (find_chromium().empty()) {
    test::skip("no chromium here; install the package chromium to test the report page in a browser");
    return;
  }
  const std::string dom = dump_dom(render_html(test::sample_run(test::SampleFault::gpu_throttle)), "gpu_throttle");
  CHECK(count(dom, "class=\"plot-error\"") == 0);
  const std::string figure = drawn(dom, "plot-windows");
  CHECK(count(figure, "<svg") == 1);
  CHECK(count(figure, "logarithmic") == 0);
}

TEST_CASE("a browser draws the plots of a scorecard", "[browser]") {
  if (find_chromium().empty()) {
    test::skip("no chromium here; install the package chromium to test the report page in a browser");
    return;
  }
  const ScoreInput input = test::sample_score();
  const std::string dom = dump_dom(render_score_html(input, score(input)), "score");
  CHECK(count(dom, "class=\"plot-error\"") == 0);
  // link_flap at three sizes and three checks that notice it.
  for (std::size_t plot = 0; plot < 3; ++plot) {
    const std::string figure = drawn(dom, "plot-detection-" + std::to_string(plot));
    INFO(figure.size());
    CHECK(count(figure, "<svg") == 1);
    CHECK(count(marks(figure, "estimates"), "<path") >= 2);
    CHECK(count(marks(figure, "hurts_mark"), "<line") == 1);
  }
}

TEST_CASE("a browser draws the plots of a burn-in", "[browser]") {
  if (find_chromium().empty()) {
    test::skip("no chromium here; install the package chromium to test the report page in a browser");
    return;
  }
  const std::string dom = dump_dom(render_burnin_html(test::sample_burnin()), "burnin");
  CHECK(count(dom, "class=\"plot-error\"") == 0);
  const std::string compute = drawn(dom, "plot-figure-compute-0");
  CHECK(count(compute, "<svg") == 1);
  CHECK(count(compute, "NaN") == 0);
  CHECK(count(marks(compute, "suspects"), "<path") == 1);
  CHECK(count(marks(compute, "name_labels"), "n03 +5.1 %") == 1);
  const std::string rates = drawn(dom, "plot-pairs-link_rate");
  CHECK(count(marks(rates, "pair_cells"), "<path") == 12 * 7);
  const std::string apart = marks(drawn(dom, "plot-figure-memory-0"), "suspects");
  CHECK(count(apart, "<path") == 3);
  CHECK(count(apart, "#cc79a7") + count(apart, "#dd9cc0") == 2);  // the colour that the legend has for it
}

TEST_CASE("a browser draws what a burn-in did over its cycles", "[browser]") {
  if (find_chromium().empty()) {
    test::skip("no chromium here; install the package chromium to test the report page in a browser");
    return;
  }
  const std::string dom = dump_dom(render_burnin_html(test::sample_soak()), "soak");
  CHECK(count(dom, "class=\"plot-error\"") == 0);
  const std::string compute = drawn(dom, "plot-drift-0"), memory = drawn(dom, "plot-drift-1");
  CHECK(count(compute, "<svg") == 1);
  CHECK(count(compute, "NaN") == 0);
  CHECK(count(marks(compute, "band"), "<path") == 1);
  CHECK(count(marks(compute, "fleet_points"), "<path") == 20);
  CHECK(count(marks(compute, "node_points"), "<path") == 40);
  CHECK(count(compute, "n04 +7.0 %") == 1);
  CHECK(count(marks(memory, "node_points"), "<path") == 0);
}

TEST_CASE("a browser draws a series with its machines, and where it changed", "[browser]") {
  if (find_chromium().empty()) {
    test::skip("no chromium here; install the package chromium to test the report page in a browser");
    return;
  }
  Trend trend;
  for (int i = 0; i < 12; ++i) {
    MachineLoad load = unknown_load();
    load[0] = i < 6 ? 0.1 : 0.4, load[1] = 0.01 * i, load[kClock] = 2.9e9;
    MachineLoad more = load;
    more[0] += 0.2;
    const double step_ns = (i < 6 ? 1e7 : 1.2e7) + 1e4 * i;
    trend.points.push_back({"runs/day-" + std::to_string(i), "2026", -1, step_ns, 0.98 * step_ns, 1.02 * step_ns,
                            load_range({{0, load}, {1, more}})});
  }
  trend.changes = {{6, 0.2, 0.01, "from day-6 on steps are 20 % slower", {}, {}}};
  const std::string figure = drawn(dump_dom(render_trend(trend), "series"), "plot-loads");
  CHECK(count(figure, "plot-error") == 0);
  CHECK(count(figure, "<svg") == 1);
  CHECK(count(figure, "NaN") == 0);
  CHECK(count(figure, "role-mark panel_points") == 4);  // step time, others' CPUs, steal, clock
  CHECK(count(marks(figure, "panel_points"), "<path") == 12);
  CHECK(count(marks(figure, "change_marks"), "<line") == 1);
  for (const char* title : {"time per step (ms)", "kept busy", "(steal)", "clock of the CPUs (GHz)"})
    CHECK(count(figure, title) >= 1);
}
