#include <signal.h>

#include <chrono>
#include <random>
#include <thread>

#include "harness/record/npy_header.hpp"
#include "harness/record/run_dir.hpp"
#include "tests/catch.hpp"
#include "tests/unit/record/support.hpp"

namespace grit {
namespace {

using test::numbered;
using test::read_steps;
using test::TempDirectory;

/// What NumPy makes of the file: count, bytes a row, sum of steps, and the last row's first and last column.
constexpr const char* kSumOfSteps = R"(
a = numpy.load(sys.argv[1])
print(len(a), a.dtype.itemsize, int(a['step'].sum()), *([int(a['rank'][-1]), int(a['collective_exit_ns'][-1])] if len(a) else []))
)";

void numpy_reads(const std::filesystem::path& file, std::uint32_t count) {
  if (!test::have_numpy()) {
    test::skip("reading back with NumPy: /usr/bin/python3 has none");
    return;
  }
  const std::uint64_t sum = count == 0 ? 0 : std::uint64_t{count} * (count - 1) / 2;
  std::string wanted = std::to_string(count) + " 104 " + std::to_string(sum);
  if (count > 0) wanted += " 1 " + std::to_string(numbered(count - 1).collective_exit_ns);
  CHECK(test::python(kSumOfSteps, file.string()) == wanted + "\n");
}

void append_raw(const std::filesystem::path& file, std::string_view bytes) {
  const Fd fd(::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  REQUIRE(write_all(fd.get(), bytes));
}

std::string_view bytes_of(const StepRecord& record) { return {reinterpret_cast<const char*>(&record), sizeof record}; }

TEST_CASE("steps.npy is readable at every moment of its writing, by us and by NumPy") {
  const TempDirectory directory;
  const auto file = directory.path() / "steps.npy";
  auto writer = StepsWriter::open(file);
  REQUIRE(writer);
  CHECK(read_steps(file)->empty());
  numpy_reads(file, 0);
  std::uint32_t count = 0;
  for (const std::uint32_t batch : {1U, 9U, 990U}) {
    REQUIRE(writer->append(numbered(count, batch)));
    count += batch;
    CHECK(writer->count() == count);
    const auto records = read_steps(file);
    REQUIRE(records);
    CHECK(records->size() == count);
    CHECK(test::all_numbered(*records));
    numpy_reads(file, count);
  }
  REQUIRE(writer->append({}));
  CHECK(writer->count() == count);
}

TEST_CASE("steps.npy as a kill leaves it: torn record, header behind") {
  const TempDirectory directory;
  const auto file = directory.path() / "steps.npy";
  REQUIRE(StepsWriter::open(file)->append(numbered(0, 20)));
  append_raw(file, bytes_of(numbered(20)));                // written, not yet counted
  append_raw(file, bytes_of(numbered(21)).substr(0, 50));  // torn
  CHECK(read_steps(file)->size() == 20);
  numpy_reads(file, 20);

  auto writer = StepsWriter::open(file);
  REQUIRE(writer);
  CHECK(writer->count() == 21);
  CHECK(std::filesystem::file_size(file) == kNpyHeaderBytes + 21 * sizeof(StepRecord));
  REQUIRE(writer->append(numbered(21, 4)));
  const auto records = read_steps(file);
  REQUIRE(records);
  CHECK(records->size() == 25);
  CHECK(test::all_numbered(*records));
  numpy_reads(file, 25);
}

TEST_CASE("a header that claims more than is there is not believed") {
  const TempDirectory directory;
  const auto file = directory.path() / "steps.npy";
  REQUIRE(StepsWriter::open(file)->append(numbered(0, 20)));
  std::filesystem::resize_file(file, kNpyHeaderBytes + 7 * sizeof(StepRecord) + 30);
  const auto records = read_steps(file);
  REQUIRE(records);
  CHECK(records->size() == 7);
  CHECK(test::all_numbered(*records));
  CHECK(StepsWriter::open(file)->count() == 7);
  numpy_reads(file, 7);
}

TEST_CASE("a file that NumPy wrote is read, and is not continued") {
  if (!test::have_numpy()) {
    test::skip("/usr/bin/python3 has no NumPy");
    return;
  }
  const TempDirectory directory;
  const auto file = directory.path() / "steps.npy";
  REQUIRE(StepsWriter::open(file)->append(numbered(0, 5)));
  REQUIRE(test::python("a = numpy.load(sys.argv[1])\nnumpy.save(sys.argv[1], a)\nprint('saved')", file.string()) ==
          "saved\n");
  const auto records = read_steps(file);
  REQUIRE(records);
  CHECK(records->size() == 5);
  CHECK(test::all_numbered(*records));
  CHECK_THAT(StepsWriter::open(file).error().message, Catch::Matchers::Contains("steps.npy"));
}

TEST_CASE("what is not a steps.npy of this layout is refused, never touched") {
  const TempDirectory directory;
  const auto file = directory.path() / "steps.npy";
  CHECK(read_steps(file).error().kind == ErrorKind::usage);
  const auto header = [](std::uint64_t count) { return npy_header(record_layout<StepRecord>(), count); };
  std::string other_column = header(0);
  other_column.replace(other_column.find("'step'"), 6, "'stop'");  // no record can do without its step
  for (const std::string& bytes : {std::string(), std::string("hello"), header(3).substr(0, 500), other_column,
                                   std::string(2000, '\xff'), "\x93NUMPY\x02" + header(0).substr(7)}) {
    REQUIRE(write_file_durably(file, bytes));
    CHECK(read_steps(file).error().kind == ErrorKind::usage);
    CHECK_FALSE(StepsWriter::open(file));
    CHECK(read_file(file) == bytes);
  }
}

/// A steps.npy of three rows whose columns have these names and NumPy types, each member of StepRecord as numbered()
/// has it; made by a program that knows nothing of grit's.
constexpr const char* kOtherColumns = R"(
columns = sys.argv[2].split(',')
members = ['rank', 'node', 'block', 'step', 'step_in_block', 'corrupted', 'start_ns', 'end_ns', 'input_ns', 'forward_ns', 'backward_ns',
           'exposed_comm_ns', 'optimizer_ns', 'checkpoint_ns', 'collective_entry_ns', 'collective_exit_ns']
def value(name, step):
    small = {'rank': 1, 'node': 2, 'block': step // 10, 'step': step, 'step_in_block': step % 10, 'corrupted': step}
    return small[name] if name in small else step * 100 + members.index(name) - 6 if name in members else 77
pairs = [tuple(column.split(':')) for column in columns]
rows = [tuple(value(name, step) for name, _ in pairs) for step in range(3)]
numpy.save(sys.argv[1], numpy.array(rows, dtype=pairs))
print('saved')
)";

TEST_CASE("a steps.npy of another version is read by the names of its columns") {
  if (!test::have_numpy()) {
    test::skip("/usr/bin/python3 has no NumPy");
    return;
  }
  const TempDirectory directory;
  const auto file = directory.path() / "steps.npy";
  const auto save = [&](const std::string& columns) {
    REQUIRE(test::python(kOtherColumns, file.string(), columns) == "saved\n");
  };
  // Another order, wider and narrower integers, columns that this version does not have, and without most that it has.
  save(
      "end_ns:<i8,start_ns:<u8,temperature:<f8,step:<u8,rank:|u1,node:<i2,block:<u4,name:<U5,flag:|b1,corrupted:<u4,"
      "input_ns:<i4");
  const auto records = read_steps(file);
  REQUIRE(records);
  REQUIRE(records->size() == 3);
  for (std::uint32_t i = 0; i < 3; ++i) {
    const StepRecord all = numbered(i);
    const StepRecord wanted{.rank = all.rank,
                            .node = all.node,
                            .block = all.block,
                            .step = all.step,
                            .corrupted = all.corrupted,
                            .start_ns = all.start_ns,
                            .end_ns = all.end_ns,
                            .input_ns = all.input_ns};
    CHECK(std::memcmp(&(*records)[i], &wanted, sizeof wanted) == 0);
  }
  CHECK_THAT(StepsWriter::open(file).error().message, Catch::Matchers::Contains("another version"));

  const auto refused = [&](const std::string& columns) {
    save(columns);
    const auto read = StepsFile::open(file);
    return read ? std::string("read") : read.error().message;
  };
  const std::string most = "rank:<u4,node:<u4,block:<u4,step:<u4,start_ns:<i8,";
  CHECK_THAT(refused(most + "end_ns:>i8"), Catch::Matchers::Contains("end_ns is of type >i8"));
  CHECK_THAT(refused(most + "end_ns:<f8"), Catch::Matchers::Contains("only little-endian integers"));
  CHECK_THAT(refused(most + "finish_ns:<i8"), Catch::Matchers::Contains("no column end_ns"));
  CHECK_THAT(refused(most + "end_ns:<i8,name:O"), Catch::Matchers::Contains("name is of type |O"));
  std::filesystem::remove(file);
  REQUIRE(test::python("numpy.save(sys.argv[1], numpy.array([(0, 0, 0, -1, 0, 9)], dtype=[(n, '<i8') for n in "
                       "('rank', 'node', 'block', 'step', 'start_ns', 'end_ns')]))\nprint('saved')",
                       file.string()) == "saved\n");
  CHECK_THAT(StepsFile::open(file).error().message, Catch::Matchers::Contains("row 0 has a step"));
}

TEST_CASE("a mapped steps.npy: as many records as when it was opened, a torn end dropped, an empty one is empty") {
  const TempDirectory directory;
  const auto file = directory.path() / "steps.npy";
  CHECK(StepsFile().records().empty());
  auto writer = StepsWriter::open(file);
  REQUIRE(writer);
  CHECK(StepsFile::open(file)->records().empty());
  REQUIRE(writer->append(numbered(0, 20)));
  append_raw(file, bytes_of(numbered(20)).substr(0, 50));  // torn
  auto opened = StepsFile::open(file);
  REQUIRE(opened);
  StepsFile steps = std::move(*opened);
  CHECK(opened->records().empty());
  REQUIRE(writer->append(numbered(20, 1000)));
  REQUIRE(steps.records().size() == 20);
  for (std::uint32_t i = 0; i < 20; ++i) CHECK(test::is_numbered(steps.records()[i], i));
  steps = StepsFile::open(file).value();
  CHECK(steps.records().size() == 1020);
  CHECK(test::is_numbered(steps.records()[1019], 1019));
}

TEST_CASE("a steps.npy that is cut short while it is mapped ends the reader with a line that says so") {
  const TempDirectory directory;
  const auto file = directory.path() / "steps.npy";
  REQUIRE(StepsWriter::open(file)->append(numbered(0, 1000)));
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  Fd reading(ends[0]), writing(ends[1]);
  const pid_t reader = ::fork();
  if (reader == 0) {
    ::signal(SIGBUS, SIG_DFL);  // the test framework has one of its own
    ::dup2(writing.get(), STDERR_FILENO);
    const auto steps = StepsFile::open(file);
    if (!steps) ::_exit(1);
    if (::truncate(file.c_str(), kNpyHeaderBytes) != 0) ::_exit(2);
    std::int64_t sum = 0;
    for (const StepRecord& record : steps->records()) sum += record.start_ns;
    ::_exit(sum == 0 ? 3 : 4);
  }
  writing.reset();
  const std::string said = test::read_to_end(reading.get());
  int status = 0;
  REQUIRE(::waitpid(reader, &status, 0) == reader);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGBUS);
  CHECK(said.find("run directory was cut short") != std::string::npos);
}

TEST_CASE("a full disk: append says so, the file stays readable, and goes on when there is room") {
  const TempDirectory directory;
  const std::string report = test::on_small_disk(directory.path(), "size=128k", 0, [&]() -> std::string {
    const auto file = directory.path() / "steps.npy";
    auto writer = StepsWriter::open(file);
    if (!writer) return writer.error().message;
    const auto ballast = directory.path() / "ballast";
    if (!write_file_durably(ballast, std::string(60'000, 'x'))) return "no room for the ballast";
    std::uint32_t count = 0;
    Status appended;
    while (appended && count < 10'000) {
      appended = writer->append(numbered(count, 100));
      if (appended) count += 100;
    }
    if (appended) return "10000 records fit on a disk of 128 KiB";
    if (appended.error().message.find("the disk is full") == std::string::npos) return appended.error().message;
    const auto records = read_steps(file);
    if (!records || records->size() != count || count == 0 || !test::all_numbered(*records))
      return "not readable when full";
    std::filesystem::remove(ballast);
    if (!writer->append(numbered(count, 100))) return "no append after space was freed";
    const auto more = read_steps(file);
    if (!more || more->size() != count + 100 || !test::all_numbered(*more)) return "not readable after space was freed";
    return "";
  });
  if (report.starts_with(test::kCannot)) {
    test::skip(report);
    return;
  }
  CHECK(report == "");
}

TEST_CASE("SIGKILL of the writer at a random moment: the file reads, in order, and is continued") {
  const TempDirectory directory;
  const auto file = directory.path() / "steps.npy";
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  std::size_t before = 0;
  for (int round = 0; round < 5; ++round) {
    const pid_t writer = ::fork();
    if (writer == 0) {
      auto steps = StepsWriter::open(file);
      for (std::uint32_t batch = 1; steps; batch = batch % 300 + 7)
        if (!steps->append(numbered(static_cast<std::uint32_t>(steps->count()), batch))) break;
      ::_exit(1);
    }
    for (int i = 0; i < 5000; ++i) {  // until it has written something; then to a moment of its own
      std::error_code not_there_yet;
      const auto bytes = std::filesystem::file_size(file, not_there_yet);
      if (!not_there_yet && bytes > kNpyHeaderBytes + (before + 1000) * sizeof(StepRecord)) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    ::kill(writer, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(writer, &status, 0) == writer);
    REQUIRE(WIFSIGNALED(status));

    const auto records = read_steps(file);
    REQUIRE(records);
    CHECK(records->size() > before);
    CHECK(test::all_numbered(*records));
    before = records->size();
  }
  numpy_reads(file, static_cast<std::uint32_t>(before));
}

}  // namespace
}  // namespace grit
