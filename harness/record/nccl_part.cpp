#include "harness/record/nccl_part.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "harness/base/files.hpp"

namespace grit {
namespace {

constexpr std::size_t kMostBytes = std::size_t{2} << 30U;  // the plugin writes half of it at most

Status check_header(const NcclPartHeader& header, const std::filesystem::path& file) {
  if (std::memcmp(header.magic, NcclPartHeader::kMagic.data(), sizeof header.magic) != 0)
    return usage_error(file.string() + " is no profile of grit's NCCL plugin");
  if (header.version != NcclPartHeader::kVersion || header.record_bytes != sizeof(NcclRecord))
    return usage_error(
        fmt::format("{} has version {}, of {} bytes a record; this grit reads version {}, of {}: take the "
                    "plugin and grit from one version of grit",
                    file.string(), header.version, header.record_bytes, NcclPartHeader::kVersion, sizeof(NcclRecord)));
  return {};
}

/// A communicator is told of before its operations; what does not fit is passed over.
void take(NcclPart& part, const NcclRecord& record) {
  const std::size_t known = part.communicators.size();
  if (record.kind == NcclRecordKind::communicator && record.communicator == known)
    part.communicators.push_back({record.communicator_is, {}});
  if (record.kind == NcclRecordKind::operation && record.communicator < known)
    part.communicators[record.communicator].operations.push_back(record);
  if (record.kind == NcclRecordKind::lost) part.lost = record.number;
}

}  // namespace

std::string_view to_string(NcclFunction function) {
  constexpr std::string_view kNames[] = {"other", "AllReduce", "ReduceScatter", "AllGather", "AlltoAll", "Send",
                                         "Recv",  "Broadcast", "Reduce",        "Gather",    "Scatter"};
  const auto index = static_cast<std::size_t>(function);
  return index < std::size(kNames) ? kNames[index] : kNames[0];
}

Result<NcclPart> read_nccl_part(const std::filesystem::path& file) {
  GRIT_TRY(const std::string bytes, read_file(file, kMostBytes));
  NcclPart part;
  part.file = file;
  if (bytes.size() < sizeof part.header) return usage_error(file.string() + " is no profile of grit's NCCL plugin");
  std::memcpy(&part.header, bytes.data(), sizeof part.header);
  GRIT_CHECK(check_header(part.header, file));
  part.header.host[sizeof part.header.host - 1] = part.header.boot[sizeof part.header.boot - 1] = '\0';
  for (std::size_t at = sizeof part.header; bytes.size() - at >= sizeof(NcclRecord); at += sizeof(NcclRecord)) {
    NcclRecord record;
    std::memcpy(&record, bytes.data() + at, sizeof record);
    take(part, record);
  }
  for (NcclPart::Communicator& one : part.communicators) {
    one.is.name[sizeof one.is.name - 1] = '\0';
    std::sort(one.operations.begin(), one.operations.end(),
              [](const NcclRecord& a, const NcclRecord& b) { return a.number < b.number; });
  }
  return part;
}

}  // namespace grit
