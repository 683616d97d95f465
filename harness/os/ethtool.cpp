#include "harness/os/ethtool.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

namespace grit {
namespace {

constexpr std::int64_t kBitsPerMegabit = 1'000'000;

/// Of a driver with 256 queues and 30 counters for each, twice over.
constexpr std::uint32_t kMostStatistics = 16'384;
/// Room for those of queues that are added between two questions.
constexpr std::size_t kMoreStatistics = 1'024;

bool put_name(ifreq& request, const std::string& name) {
  if (name.empty() || name.size() >= sizeof request.ifr_name) return false;
  std::memcpy(request.ifr_name, name.c_str(), name.size() + 1);
  return true;
}

std::string text(const char* field, std::size_t size) { return {field, ::strnlen(field, size)}; }

// A structure of the ethtool ABI that ends in an array whose length is known only at run time.
template <class Head>
class Variable {
 public:
  Variable(std::uint32_t command, std::size_t tail_bytes)
      : words_((sizeof(Head) + tail_bytes + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t), 0) {
    head()->cmd = command;
  }
  Head* head() { return reinterpret_cast<Head*>(words_.data()); }
  void* data() { return words_.data(); }
  char* tail() { return reinterpret_cast<char*>(words_.data()) + sizeof(Head); }

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace

Result<Ethtool> Ethtool::open() {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return errno_error("cannot open a socket for ethtool");
  return Ethtool(std::move(socket));
}

bool Ethtool::ask(const std::string& name, void* question) const {
  ifreq request{};
  if (!put_name(request, name)) return false;
  request.ifr_data = static_cast<char*>(question);
  return ::ioctl(socket_.get(), SIOCETHTOOL, &request) == 0;
}

std::optional<DriverInfo> Ethtool::driver(const std::string& name) const {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  if (!ask(name, &info)) return std::nullopt;
  DriverInfo answer{text(info.driver, sizeof info.driver), text(info.version, sizeof info.version),
                    text(info.fw_version, sizeof info.fw_version), text(info.bus_info, sizeof info.bus_info)};
  for (auto* field : {&answer.version, &answer.firmware, &answer.bus})
    if (*field == "N/A") field->clear();
  return answer;
}

std::int64_t Ethtool::speed_bits_per_s(const std::string& name) const {
  ethtool_cmd settings{};
  settings.cmd = ETHTOOL_GSET;
  if (!ask(name, &settings)) return 0;
  const std::uint32_t speed = ethtool_cmd_speed(&settings);
  return speed == static_cast<std::uint32_t>(SPEED_UNKNOWN) || speed == UINT16_MAX ? 0 : speed * kBitsPerMegabit;
}

std::optional<Duplex> Ethtool::duplex(const std::string& name) const {
  ethtool_cmd settings{};
  settings.cmd = ETHTOOL_GSET;
  if (!ask(name, &settings) || settings.duplex > DUPLEX_FULL) return std::nullopt;
  return settings.duplex == DUPLEX_FULL ? Duplex::full : Duplex::half;
}

std::optional<RingSizes> Ethtool::rings(const std::string& name) const {
  ethtool_ringparam rings{};
  rings.cmd = ETHTOOL_GRINGPARAM;
  if (!ask(name, &rings)) return std::nullopt;
  return RingSizes{rings.rx_pending, rings.rx_max_pending, rings.tx_pending, rings.tx_max_pending};
}

std::optional<Coalescing> Ethtool::coalescing(const std::string& name) const {
  ethtool_coalesce settings{};
  settings.cmd = ETHTOOL_GCOALESCE;
  if (!ask(name, &settings)) return std::nullopt;
  return Coalescing{
      settings.rx_coalesce_usecs,       settings.rx_max_coalesced_frames,       settings.tx_coalesce_usecs,
      settings.tx_max_coalesced_frames, settings.use_adaptive_rx_coalesce != 0, settings.use_adaptive_tx_coalesce != 0};
}

std::optional<Channels> Ethtool::channels(const std::string& name) const {
  ethtool_channels settings{};
  settings.cmd = ETHTOOL_GCHANNELS;
  if (!ask(name, &settings)) return std::nullopt;
  return Channels{settings.rx_count, settings.tx_count, settings.combined_count};
}

std::optional<PauseFrames> Ethtool::pause_frames(const std::string& name) const {
  ethtool_pauseparam settings{};
  settings.cmd = ETHTOOL_GPAUSEPARAM;
  if (!ask(name, &settings)) return std::nullopt;
  return PauseFrames{settings.rx_pause != 0, settings.tx_pause != 0};
}

std::uint32_t Ethtool::count_strings(const std::string& name, int string_set) const {
  Variable<ethtool_sset_info> sizes(ETHTOOL_GSSET_INFO, sizeof(std::uint32_t));
  sizes.head()->sset_mask = std::uint64_t{1} << string_set;
  if (!ask(name, sizes.data()) || sizes.head()->sset_mask == 0) return 0;
  std::uint32_t count = 0;
  std::memcpy(&count, sizes.tail(), sizeof count);
  return count;
}

std::vector<DriverStatistic> Ethtool::statistics(const std::string& name) const {
  const std::uint32_t count = count_strings(name, ETH_SS_STATS);
  if (count == 0 || count > kMostStatistics) return {};
  // The kernel writes as many as there are by then, whatever room there is.
  const std::size_t room = 2 * std::size_t{count} + kMoreStatistics;
  Variable<ethtool_gstrings> names(ETHTOOL_GSTRINGS, room * ETH_GSTRING_LEN);
  names.head()->string_set = ETH_SS_STATS;
  names.head()->len = count;
  Variable<ethtool_stats> values(ETHTOOL_GSTATS, room * sizeof(std::uint64_t));
  values.head()->n_stats = count;
  if (!ask(name, names.data()) || !ask(name, values.data())) return {};
  if (names.head()->len != count || values.head()->n_stats != count) return {};

  std::vector<DriverStatistic> statistics(count);
  for (std::size_t i = 0; i < count; ++i) {
    statistics[i].name = text(names.tail() + i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
    std::memcpy(&statistics[i].value, values.tail() + i * sizeof(std::uint64_t), sizeof(std::uint64_t));
  }
  return statistics;
}

std::vector<std::string> Ethtool::active_features(const std::string& name) const {
  const std::uint32_t count = count_strings(name, ETH_SS_FEATURES);
  if (count == 0) return {};

  Variable<ethtool_gstrings> names(ETHTOOL_GSTRINGS, std::size_t{count} * ETH_GSTRING_LEN);
  names.head()->string_set = ETH_SS_FEATURES;
  names.head()->len = count;
  const std::uint32_t blocks = (count + 31) / 32;
  Variable<ethtool_gfeatures> states(ETHTOOL_GFEATURES, std::size_t{blocks} * sizeof(ethtool_get_features_block));
  states.head()->size = blocks;
  if (!ask(name, names.data()) || !ask(name, states.data())) return {};

  std::vector<std::string> active;
  for (std::uint32_t feature = 0; feature < count; ++feature) {
    ethtool_get_features_block block{};
    std::memcpy(&block, states.tail() + feature / 32 * sizeof block, sizeof block);
    if ((block.active >> (feature % 32) & 1U) != 0)
      active.push_back(text(names.tail() + std::size_t{feature} * ETH_GSTRING_LEN, ETH_GSTRING_LEN));
  }
  return active;
}

std::optional<int> Ethtool::hardware_type(const std::string& name) const {
  ifreq request{};
  if (!put_name(request, name) || ::ioctl(socket_.get(), SIOCGIFHWADDR, &request) != 0) return std::nullopt;
  return request.ifr_hwaddr.sa_family;
}

}  // namespace grit
