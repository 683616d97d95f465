#include <cstring>
#include <filesystem>
#include <fstream>

#include "harness/record/nccl_part.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
using test::TempDirectory;

namespace {

NcclPartHeader whole_header() {
  NcclPartHeader header;
  std::memcpy(header.magic, NcclPartHeader::kMagic.data(), sizeof header.magic);
  header.version = NcclPartHeader::kVersion;
  header.record_bytes = sizeof(NcclRecord);
  return header;
}

NcclRecord record_of(NcclRecordKind kind, std::uint32_t communicator, std::uint64_t number) {
  NcclRecord record;
  record.kind = kind;
  record.communicator = communicator;
  record.number = number;
  if (kind == NcclRecordKind::communicator) record.communicator_is = {.hash = 9, .rank = 1, .ranks = 2, .nodes = 1};
  return record;
}

void write(const std::filesystem::path& file, const NcclPartHeader& header, const std::vector<NcclRecord>& records,
           std::size_t more_bytes) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&header), sizeof header);
  for (const NcclRecord& one : records) out.write(reinterpret_cast<const char*>(&one), sizeof one);
  out << std::string(more_bytes, '\2');
}

}  // namespace

TEST_CASE("a part of an NCCL job is read back, in the order in which operations were begun, without a torn end") {
  const TempDirectory directory;
  const auto file = directory.path() / "part.grit-nccl";
  using enum NcclRecordKind;
  write(file, whole_header(),
        {record_of(communicator, 0, 0), record_of(operation, 0, 1), record_of(operation, 0, 0),
         record_of(operation, 5, 0), record_of(lost, 0, 3)},
        sizeof(NcclRecord) - 1);
  const auto part = read_nccl_part(file);
  REQUIRE(part);
  REQUIRE(part->communicators.size() == 1);
  CHECK(part->communicators[0].is.hash == 9);
  REQUIRE(part->communicators[0].operations.size() == 2);
  CHECK(part->communicators[0].operations[0].number == 0);
  CHECK(part->communicators[0].operations[1].number == 1);
  CHECK(part->lost == 3);
}

TEST_CASE("what is no part of an NCCL job, or a newer one, is refused") {
  const TempDirectory directory;
  const auto file = directory.path() / "part.grit-nccl";
  write(file, NcclPartHeader{}, {}, 0);
  CHECK(read_nccl_part(file).error().message.find("is no profile") != std::string::npos);
  NcclPartHeader newer = whole_header();
  ++newer.version;
  write(file, newer, {}, 0);
  CHECK(read_nccl_part(file).error().message.find("version 2") != std::string::npos);
  std::ofstream(file) << "short";
  CHECK(read_nccl_part(file).error().kind == ErrorKind::usage);
  CHECK_FALSE(read_nccl_part(directory.path() / "absent"));
}
