#include "harness/record/npy_header.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/record/segment.hpp"
#include "tests/catch.hpp"
#include "tests/unit/record/support.hpp"

namespace grit {
namespace {

using test::numbered_spans;
using test::TempDirectory;

constexpr const char* kLastCollective = R"(
a = numpy.load(sys.argv[1])
print(len(a), a.dtype.itemsize, ','.join(a.dtype.names))
if len(a): print(*[int(a[name][-1]) for name in a.dtype.names])
)";

TEST_CASE("collectives.npy is readable by us and by NumPy, whatever was appended") {
  const TempDirectory directory;
  const auto file = directory.path() / "collectives.npy";
  auto writer = CollectivesWriter::open(file);
  REQUIRE(writer);
  CHECK(CollectivesFile::open(file)->records().empty());
  std::uint32_t count = 0;
  for (const std::uint32_t batch : {1U, 8U, 990U}) {
    REQUIRE(writer->append(numbered_spans(count, batch)));
    count += batch;
    const auto read = CollectivesFile::open(file);
    REQUIRE(read);
    CHECK(read->records().size() == count);
    CHECK(test::all_numbered(read->records()));
  }
  writer = CollectivesWriter::open(file);  // a successor goes on
  REQUIRE(writer);
  REQUIRE(writer->append(numbered_spans(count, 1)));
  if (!test::have_numpy()) {
    test::skip("reading back with NumPy: /usr/bin/python3 has none");
    return;
  }
  CHECK(test::python(kLastCollective, file.string()) ==
        "1000 56 rank,step,sequence,wrong,peer,group,operation,type,bytes,entry_ns,exit_ns,wait_ns\n"
        "3 99 999 1000 4 4 3 3 99900 99901 99902 99903\n");
}

TEST_CASE("a collectives.npy of another version keeps what it has, and the rest has its defaults") {
  if (!test::have_numpy()) {
    test::skip("/usr/bin/python3 has no NumPy");
    return;
  }
  const TempDirectory directory;
  const auto file = directory.path() / "collectives.npy";
  const auto save = [&](const std::string& row) {
    std::filesystem::remove(file);
    REQUIRE(test::python("numpy.save(sys.argv[1], numpy.array([" + row +
                             "], dtype=[('step', '<u8'), ('rank', '<i4'), ('sequence', '<u4'), ('group', '|u1'), "
                             "('operation', '<i8'), ('bytes', '<u4'), ('entry_ns', '<i8'), ('exit_ns', '<u8')]))\n"
                             "print('saved')",
                         file.string()) == "saved\n");
  };
  save("(7, 2, 9, 1, 5, 4096, -3, 20)");
  const auto read = CollectivesFile::open(file);
  REQUIRE(read);
  REQUIRE(read->records().size() == 1);
  const CollectiveRecord span = read->records()[0];
  CHECK((span.step == 7 && span.rank == 2 && span.sequence == 9 && span.group == 1 && span.bytes == 4096));
  CHECK(span.operation == CollectiveOperation::receive);
  CHECK((span.entry_ns == -3 && span.exit_ns == 20 && span.wait_ns == 0 && span.peer == -1 && span.wrong == 0));

  save("(7, -2, 9, 1, 5, 4096, -3, 20)");
  CHECK_THAT(CollectivesFile::open(file).error().message, Catch::Matchers::Contains("row 0 has a rank"));
  save("(7, 2, 9, 1, 256, 4096, -3, 20)");
  CHECK_THAT(CollectivesFile::open(file).error().message, Catch::Matchers::Contains("row 0 has a operation"));
  save("(7, 2, 9, 1, 5, 4096, -3, 2**63)");
  CHECK_THAT(CollectivesFile::open(file).error().message, Catch::Matchers::Contains("row 0 has a exit_ns"));
}

TEST_CASE("spans go through their ring in pieces, across its end, and what finds no room stays with the writer") {
  const auto segment = Segment::create(1);
  REQUIRE(segment);
  auto& ring = segment->slots()[0].spans;
  std::vector<CollectiveRecord> out(2 * kSpanCapacity);
  const auto add = [&](std::uint32_t first, std::uint32_t count) {
    std::size_t added = 0;
    for (auto room = ring.room(); !room.empty() && added < count; room = ring.room()) {
      const auto part = std::min<std::size_t>(room.size(), count - added);
      const auto spans = numbered_spans(first + static_cast<std::uint32_t>(added), static_cast<std::uint32_t>(part));
      std::copy(spans.begin(), spans.end(), room.begin());
      ring.add(part);
      added += part;
    }
    return added;
  };
  CHECK(add(0, 100) == 100);
  CHECK(ring.pop(std::span(out).first(60)) == 60);
  CHECK(test::all_numbered(std::span(out).first(60)));
  CHECK(add(100, kSpanCapacity) == kSpanCapacity - 40);
  CHECK(ring.room().empty());
  CHECK(ring.waiting() == kSpanCapacity);
  REQUIRE(ring.pop(out) == kSpanCapacity);
  CHECK(test::all_numbered(std::span(out).first(kSpanCapacity), 60));
  CHECK(ring.lost.load() == 0);
}

}  // namespace
}  // namespace grit
