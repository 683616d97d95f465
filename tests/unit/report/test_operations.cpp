#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "analysis/report/export/csv.hpp"
#include "analysis/report/export/trace.hpp"
#include "harness/base/files.hpp"
#include "harness/model/bus_bandwidth.hpp"
#include "harness/model/mesh_groups.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/report/sample_run.hpp"

using namespace grit;

namespace {

constexpr std::int64_t kLarge_bytes = 25'000'000, kSmall_bytes = 1000;

/// Four ranks as dp 2 × tp 2. In each step every rank has a large sum over its dp group, of 1 ms and in fault blocks
/// 3 ms, every tenth of them 5 ms, and a small one over its tp group of 100 µs; the first rank of each tp group sends
/// to the second.
struct SpannedRun {
  test::SampleRun run = test::sample_run();
  std::vector<CollectiveRecord> spans{};

  SpannedRun() {
    run.plan.mesh = Mesh::over({{Axis::tp, 2}}, 4).value();
    const RecordedGroups groups = recorded_groups(*run.plan.mesh);
    for (const StepRecord& record : run.records) {
      const auto rank = static_cast<int>(record.rank);
      const auto group = [&](Axis axis) {
        return groups.id_of(to_string(axis), run.plan.mesh->coordinate(rank, axis == Axis::dp ? Axis::tp : Axis::dp));
      };
      const bool fault = run.plan.blocks[record.block].kind == BlockKind::fault;
      const std::int64_t large_ns = record.step % 10 == 0 ? 5'000'000 : fault ? 3'000'000 : 1'000'000;
      add(record, group(Axis::dp), CollectiveOperation::all_reduce, kLarge_bytes, 0, large_ns);
      add(record, group(Axis::tp), CollectiveOperation::all_reduce, kSmall_bytes, 50'000, 100'000);
      const bool sends = run.plan.mesh->coordinate(rank, Axis::tp) == 0;
      add(record, group(Axis::tp), sends ? CollectiveOperation::send : CollectiveOperation::receive, kSmall_bytes,
          200'000, 100'000);
      spans.back().peer = sends ? rank + 1 : rank - 1;
    }
    run.spans = spans;
  }

  void add(const StepRecord& step, std::uint16_t group, CollectiveOperation operation, std::int64_t bytes,
           std::int64_t after_ns, std::int64_t time_ns) {
    CollectiveRecord span;
    span.rank = step.rank;
    span.step = step.step;
    span.sequence = step.step;
    span.group = group;
    span.operation = operation;
    span.bytes = bytes;
    span.entry_ns = step.start_ns + after_ns;
    span.exit_ns = span.entry_ns + time_ns;
    spans.push_back(span);
  }
};

const OperationRow& row_of(const std::vector<OperationRow>& rows, CollectiveOperation operation,
                           const std::string& axis) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const OperationRow& row) {
    return row.operation == operation && row.axis == axis;
  });
  REQUIRE(found != rows.end());
  return *found;
}

}  // namespace

TEST_CASE("operations are summed by kind, axis and size, baseline and fault blocks apart, of measured steps alone") {
  const SpannedRun spanned;
  const RunData data = summarize(spanned.run);
  REQUIRE(data.operations.size() == 4);
  std::uint64_t baseline = 0, fault = 0;
  for (const StepPoint& step : data.steps) {
    if (step.measured && step.kind == BlockKind::baseline) ++baseline;
    if (step.measured && step.kind == BlockKind::fault) ++fault;
  }
  const OperationRow& large = row_of(data.operations, CollectiveOperation::all_reduce, "dp");
  CHECK((large.ranks == 2 && large.least_bytes == kLarge_bytes && large.most_bytes == kLarge_bytes));
  CHECK(large.baseline.count == 4 * baseline);
  CHECK(large.fault.count == 4 * fault);
  CHECK(large.baseline.bytes == static_cast<double>(large.baseline.count) * kLarge_bytes);
  CHECK(large.baseline.median_ns == Approx(1e6).epsilon(0.011));
  CHECK(large.fault.median_ns == Approx(3e6).epsilon(0.011));
  CHECK(large.baseline.bus_bits_per_s ==
        Approx(bus_bandwidth_bits_per_s(CollectiveOperation::all_reduce, 2, kLarge_bytes, 1e6)).epsilon(0.011));
  CHECK(large.fault.bus_bits_per_s == Approx(large.baseline.bus_bits_per_s / 3).epsilon(0.03));
  const OperationRow& sent = row_of(data.operations, CollectiveOperation::send, "tp");
  CHECK(sent.baseline.count == 2 * baseline);
  CHECK(sent.baseline.p90_ns == Approx(1e5).epsilon(0.011));
  CHECK(sent.baseline.bus_bits_per_s == Approx(kSmall_bytes * 8e9 / 1e5).epsilon(0.011));
}

TEST_CASE("sizes within a factor of two are one row, and quantiles are those of all of its operations") {
  SpannedRun spanned;
  const auto steps = summarize(spanned.run).steps;
  const auto measured = std::find_if(steps.begin(), steps.end(), [](const StepPoint& step) {
    return step.measured && step.kind == BlockKind::baseline;
  });
  StepRecord step;
  step.step = measured->step;
  spanned.spans.clear();
  for (int i = 1; i <= 1000; ++i) spanned.add(step, 0, CollectiveOperation::all_to_all, 1024 + i, 0, 1000LL * i);
  spanned.add(step, 0, CollectiveOperation::all_to_all, 2048, 0, 1000);
  spanned.add(step, 0, CollectiveOperation::all_to_all, 0, 0, 1);
  const auto rows = sum_operations(spanned.run.plan, steps, spanned.spans);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].most_bytes == 0);
  CHECK(rows[0].baseline.bus_bits_per_s == 0);
  CHECK((rows[1].least_bytes == 1025 && rows[1].most_bytes == 2024));
  CHECK(rows[1].axis == "world");
  CHECK(rows[1].ranks == 4);
  CHECK(rows[1].baseline.median_ns == Approx(500e3).epsilon(0.012));
  CHECK(rows[1].baseline.p90_ns == Approx(900e3).epsilon(0.012));
  CHECK(rows[1].fault.count == 0);
}

TEST_CASE("spans that fit nowhere count for nothing") {
  SpannedRun spanned;
  const auto steps = summarize(spanned.run).steps;
  const auto before = spanned.spans;
  spanned.spans.clear();
  CHECK(sum_operations(spanned.run.plan, steps, spanned.spans).empty());
  const auto spoiled = [&](const std::function<void(CollectiveRecord&)>& spoil) {
    spanned.spans = before;
    for (CollectiveRecord& span : spanned.spans) spoil(span);
    const test::TempDirectory directory;  // and the trace takes no harm
    spanned.run.spans = spanned.spans;
    REQUIRE(write_trace(spanned.run, summarize(spanned.run), {0, 3}, directory.path() / "trace.json"));
    return sum_operations(spanned.run.plan, steps, spanned.spans).size();
  };
  CHECK(spoiled([](CollectiveRecord&) {}) == 4);
  CHECK(spoiled([](CollectiveRecord& span) { span.group = 60000; }) == 0);
  CHECK(spoiled([](CollectiveRecord& span) { span.step = UINT32_MAX; }) == 0);
  CHECK(spoiled([](CollectiveRecord& span) { span.exit_ns = 0; }) == 0);
  CHECK(spoiled([](CollectiveRecord& span) { span.bytes = -1; }) == 0);
  CHECK(spoiled([](CollectiveRecord& span) { span.operation = static_cast<CollectiveOperation>(200); }) == 0);
  CHECK(spoiled([](CollectiveRecord& span) { span.rank = 1'000'000; }) == 4);
}

TEST_CASE("operations are in the CSV files and on the page, and a run without spans has none") {
  const test::TempDirectory directory;
  const SpannedRun spanned;
  REQUIRE(write_csv(spanned.run, summarize(spanned.run), directory.path()));
  const std::string csv = read_file(directory.path() / "operations.csv").value();
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 1 + 8);
  CHECK_THAT(csv, Catch::Matchers::Contains("all_reduce,dp,2,25000000,25000000,fault,"));
  const auto page = render_html(spanned.run);
  REQUIRE(page);
  CHECK_THAT(*page, Catch::Matchers::Contains("Operations by kind, axis and size"));
  const auto without = test::sample_run();
  CHECK(render_html(without)->find("Operations by kind") == std::string::npos);
  REQUIRE(write_csv(without, summarize(without), directory.path()));
  const std::string empty = read_file(directory.path() / "operations.csv").value();
  CHECK(std::count(empty.begin(), empty.end(), '\n') == 1);
}

TEST_CASE("the trace has a track for each group of a rank, more where operations overlap, and arrows of messages") {
  const test::TempDirectory directory;
  SpannedRun spanned;
  // Two more sums at the same time as the first.
  const StepRecord first = spanned.run.records.front();
  spanned.add(first, spanned.spans.front().group, CollectiveOperation::all_reduce, 7, 1000, 1'000'000);
  spanned.add(first, spanned.spans.front().group, CollectiveOperation::all_reduce, 7, 2000, 1'000'000);
  spanned.run.spans = spanned.spans;
  const auto file = directory.path() / "trace.json";
  const auto bytes = write_trace(spanned.run, summarize(spanned.run), {}, file);
  REQUIRE(bytes);
  CHECK(*bytes < spanned.run.steps.size() * kTraceBytesARecord * 5 / 4 + spanned.spans.size() * kTraceBytesASpan);
  const Json trace = Json::parse(read_file(file).value());

  std::map<std::int64_t, std::string> names;
  std::map<std::int64_t, std::vector<std::pair<double, double>>> by_track;
  std::map<std::string, std::vector<std::string>> arrows;
  for (const Json& event : trace.at("traceEvents")) {
    const std::string kind = event.at("ph");
    if (event.at("name") == "thread_name") names[event.at("tid")] = event.at("args").at("name");
    if (kind == "X" && event.contains("args") && event.at("args").contains("sequence"))
      by_track[event.at("tid")].emplace_back(event.at("ts"),
                                             event.at("ts").get<double>() + event.at("dur").get<double>());
    if (kind == "s" || kind == "f") arrows[event.at("id")].push_back(kind);
  }
  std::set<std::string> tracks;
  std::size_t shown = 0;
  for (auto& [track, spans] : by_track) {
    tracks.insert(names.at(track));
    shown += spans.size();
    std::sort(spans.begin(), spans.end());
    for (std::size_t i = 1; i < spans.size(); ++i) CHECK(spans[i].first >= spans[i - 1].second - 0.01);
  }
  CHECK(shown == spanned.spans.size());
  for (const char* name : {"rank 0 dp", "rank 0 tp", "rank 3 dp", "rank 3 tp"}) CHECK(tracks.contains(name));
  const std::string of_first = "rank " + std::to_string(first.rank) + " dp";
  CHECK(tracks.contains(of_first + ", 2"));
  CHECK(tracks.contains(of_first + ", 3"));
  CHECK(arrows.size() == spanned.run.steps.size() / 2);
  for (const auto& [id, ends] : arrows) CHECK(std::set(ends.begin(), ends.end()) == std::set<std::string>{"f", "s"});
}
