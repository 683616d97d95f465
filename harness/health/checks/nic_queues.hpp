// What a NIC's driver counted since the last reading, judged; apart from asking it, for tests that have no such NIC.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/health/check_memory.hpp"
#include "harness/health/outcome.hpp"
#include "harness/model/params.hpp"
#include "harness/os/ethtool.hpp"
#include "harness/os/nic_statistics.hpp"

namespace grit {

class StatisticsJudge {
 public:
  /// One outcome for the NIC, and one for each queue and priority with an alarm ("eth0/rx3"), of those the worst first
  /// and kMostParts at most.
  std::vector<Outcome> judge(const std::string& nic, const std::vector<DriverStatistic>& statistics,
                             const Params& params, CheckMemory& memory);

  static constexpr std::size_t kMostParts = 6;

 private:
  struct Known {
    std::vector<std::string> names{};
    std::vector<StatisticClass> classes{};
  };
  /// Hundreds of names, which are the same at every reading.
  const std::vector<StatisticClass>& classes_of(const std::string& nic, const std::vector<DriverStatistic>& statistics);

  std::map<std::string, Known> known_{};
};

}  // namespace grit
