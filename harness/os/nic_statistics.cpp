#include "harness/os/nic_statistics.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace grit {
namespace {

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

std::string lower_case(std::string_view name) {
  std::string text(name);
  for (char& letter : text)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return text;
}

/// Words between anything that is no letter and no digit.
std::vector<std::string_view> words_in_name(std::string_view name) {
  std::vector<std::string_view> words;
  std::size_t start = 0;
  const auto in_word = [](char letter) { return is_digit(letter) || (letter >= 'a' && letter <= 'z'); };
  for (std::size_t i = 0; i <= name.size(); ++i) {
    if (i < name.size() && in_word(name[i])) continue;
    if (i > start) words.push_back(name.substr(start, i - start));
    start = i + 1;
  }
  return words;
}

bool is_number(std::string_view word) {
  return !word.empty() && word.size() <= 5 && std::all_of(word.begin(), word.end(), is_digit);
}

/// "rx", and what follows it when that is a number: "rx3".
bool is_direction(std::string_view word, std::string_view direction) {
  return word.starts_with(direction) && (word.size() == direction.size() || is_number(word.substr(direction.size())));
}

/// "rx_queue_3_drops", "rx3_wqe_err", "rx-3.drops", "queue_3_tx_cnt", "[3]: rx_discards", "rx_prio3_pause",
/// "rx_priority_3_xoff".
std::string part_of(const std::vector<std::string_view>& words) {
  std::string_view direction, number;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    const bool numbered = i + 1 < words.size() && is_number(words[i + 1]);
    if (word.starts_with("prio") && is_number(word.substr(4))) return std::string(word);
    if ((word == "priority" || word == "prio" || word == "tc") && numbered) return "prio" + std::string(words[i + 1]);
    for (const std::string_view one : {"rx", "tx"})
      if (direction.empty() && is_direction(word, one)) {
        direction = one;
        if (word.size() > one.size()) number = word.substr(one.size());
      }
    if (number.empty() && i <= 1 && numbered && (word == "queue" || word == "q" || word == direction))
      number = words[i + 1];
    if (number.empty() && i == 0 && is_number(word)) number = word;
  }
  return direction.empty() || number.empty() ? std::string() : std::string(direction) + std::string(number);
}

template <std::size_t Size>
bool contains_any(std::string_view name, const std::array<std::string_view, Size>& parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return name.find(part) != std::string_view::npos; });
}

template <std::size_t Size>
bool has_any(const std::vector<std::string_view>& words, const std::array<std::string_view, Size>& wanted) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return std::find(wanted.begin(), wanted.end(), word) != wanted.end();
  });
}

/// Named like errors and drops, and none: what a program of the user's dropped, checksums left to the kernel, bits that
/// error correction put right (there always are some at 50 Gb/s a lane and above), filters that did their work.
constexpr std::array<std::string_view, 9> kHarmless{"xdp",          "csum",      "checksum",    "corrected", "err_lane",
                                                    "steer_missed", "_filtered", "vlan_filter", "transition"};
constexpr std::array<std::string_view, 8> kNoRoom{"out_of_buffer",      "no_buffer",      "no_dma_resource",
                                                  "internal_queue_oob", "buff_alloc_err", "alloc_fail",
                                                  "allowance_exceeded", "buf_discard"};
constexpr std::array<std::string_view, 9> kDropWords{"drop",      "drops",  "dropped", "discard", "discards",
                                                     "discarded", "missed", "oob",     "overruns"};
constexpr std::array<std::string_view, 13> kErrorWords{"err",       "errs",    "error",  "errors",  "timeout",
                                                       "timeouts",  "recover", "jabber", "jabbers", "fragments",
                                                       "undersize", "crc",     "aborted"};

StatisticMeaning pause_meaning(std::string_view name, bool received, bool sent) {
  if (name.find("storm_error") != std::string_view::npos) return StatisticMeaning::pause_storm_ended;
  if (name.find("storm") != std::string_view::npos) return StatisticMeaning::pause_storm;
  if (received == sent) return StatisticMeaning::none;
  if (name.find("duration") != std::string_view::npos)
    return received ? StatisticMeaning::pause_in_time : StatisticMeaning::pause_out_time;
  return received ? StatisticMeaning::pause_in : StatisticMeaning::pause_out;
}

StatisticMeaning meaning_of(std::string_view name, const std::vector<std::string_view>& words) {
  constexpr std::array<std::string_view, 3> kPause{"pause", "xoff", "pfc"};
  constexpr std::array<std::string_view, 3> kTooLarge{"oversize", "out_of_range_len", "rx_long_length"};
  constexpr std::array<std::string_view, 3> kModule{"module_bad", "module_high_temp", "module_bus_stuck"};
  if (contains_any(name, kHarmless)) return StatisticMeaning::none;
  if (contains_any(name, kPause) && name.find("xon") == std::string_view::npos) {
    const auto directed = [&](std::string_view direction) {
      return std::any_of(words.begin(), words.end(),
                         [&](std::string_view word) { return is_direction(word, direction); });
    };
    return pause_meaning(name, directed("rx"), directed("tx"));
  }
  if (name.find("module_unplug") != std::string_view::npos) return StatisticMeaning::module_gone;
  if (contains_any(name, kModule)) return StatisticMeaning::module_trouble;
  if (name.find("link_down_events") != std::string_view::npos) return StatisticMeaning::link_lost;
  if (name.find("pci_signal_integrity") != std::string_view::npos) return StatisticMeaning::pci_trouble;
  if (contains_any(name, kTooLarge)) return StatisticMeaning::too_large;
  if (contains_any(name, kNoRoom) || has_any(words, kDropWords)) return StatisticMeaning::drop;
  return has_any(words, kErrorWords) ? StatisticMeaning::error : StatisticMeaning::none;
}

}  // namespace

StatisticClass classify_statistic(std::string_view name) {
  const std::string text = lower_case(name);
  const std::vector<std::string_view> words = words_in_name(text);
  const StatisticMeaning meaning = meaning_of(text, words);
  return {meaning, meaning == StatisticMeaning::none ? std::string() : part_of(words)};
}

}  // namespace grit
