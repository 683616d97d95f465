// How ranks without a launcher meet: through files in a folder that they share.
#pragma once

#include <filesystem>
#include <memory>

#include "workloads/fabric/communicator.hpp"

namespace grit::bench {

/// An all-gather is all it can: each rank writes its part and reads the others'. It polls, and an operation is complete
/// when it has begun. Error (internal): a rank's part did not come within a minute.
class FileBootstrap final : public Communicator {
 public:
  FileBootstrap(std::filesystem::path directory, int rank, int ranks);
  void poke() override {}
  Result<std::unique_ptr<Communicator>> split(std::string_view axis, std::uint16_t first_id,
                                              std::span<const std::vector<int>> groups) override;

  /// Of all ranks. Ends the program where one is missing.
  double largest(double own);
  void meet() { static_cast<void>(largest(0)); }

 protected:
  Status start(const OperationCall& call, std::uint32_t slot) override;

 private:
  [[nodiscard]] std::filesystem::path part_of(int rank) const;

  std::filesystem::path directory_;
  std::uint64_t exchange_ = 0;
};

}  // namespace grit::bench
