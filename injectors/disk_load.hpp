// What faults that read and write a file of their own have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/model/params.hpp"
#include "injectors/worker.hpp"

namespace grit {

/// A file without a name in `directory`, of a size, with its room on the disk taken; it goes with the worker. And a
/// buffer for one block of it.
class DiskFile {
 public:
  /// In a worker: ends it when the file cannot be made.
  DiskFile(WorkerPage& page, const std::string& directory, std::int64_t size_bytes, std::int64_t block_bytes,
           bool direct);
  DiskFile(const DiskFile&) = delete;
  DiskFile& operator=(const DiskFile&) = delete;
  ~DiskFile();

  /// The place of the next block, round and round.
  std::int64_t advance();
  void write(std::int64_t at);  // these end the worker when the disk fails
  void read(std::int64_t at);
  void sync();
  /// Has the block written out, and takes it from the page cache.
  void drop(std::int64_t at);

 private:
  WorkerPage& page_;
  Fd file_{};
  char* buffer_ = nullptr;
  std::int64_t size_bytes_;
  std::int64_t block_bytes_;
  std::int64_t next_ = 0;
};

/// The parameters `directory`, `size`, `block`, `rate` and `threads`.
std::vector<ParamSpec> disk_params(std::int64_t size_bytes, std::int64_t block_bytes);
/// Are they possible together? Error (usage).
Status check_disk_params(const std::string& fault, const Params& params);
/// Why `directory` cannot take the files: no disk, not permitted, or it would have less than 1 GiB or 5 % left.
std::optional<std::string> why_no_disk_load(const Params& params);

}  // namespace grit
