#include "harness/health/openmetrics/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxLines = 200'000;
constexpr std::size_t kMaxLine_bytes = std::size_t{64} << 10;
constexpr std::size_t kMaxSamples = 4096;
constexpr std::size_t kMaxBroken = 10;  // and at most one line in a hundred
constexpr double kMostTime_ns = 4e18;   // about the year 2096; the difference of two such times fits into 64 bits

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':'; }
bool is_name(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

/// Takes a sample off a line, from the left. Every function returns false when the line is no sample.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : rest_(line) {}

  /// The name in front; empty in `{"name", ...}`, where it is among the labels.
  bool read_name(std::string& name) {
    skip_blanks();
    if (!rest_.empty() && rest_.front() == '{') return true;
    return read_word(name);
  }

  bool read_labels(MetricSample& sample) {
    skip_blanks();
    if (!take('{')) return !sample.name.empty();
    for (skip_blanks(); !take('}'); skip_blanks()) {
      if (!read_label(sample)) return false;
      skip_blanks();
      if (!take(',') && (rest_.empty() || rest_.front() != '}')) return false;
    }
    return !sample.name.empty();
  }

  bool read_value(double& value) {
    skip_blanks();
    return read_number(value);
  }

  /// Whole milliseconds since the epoch; in OpenMetrics seconds.
  bool read_time(bool is_openmetrics, std::optional<std::int64_t>& time_ns) {
    skip_blanks();
    if (rest_.empty() || rest_.front() == '#') return true;  // an exemplar
    double time = 0;
    if (!read_number(time)) return false;
    const double ns = time * static_cast<double>(is_openmetrics ? kNsPerS : kNsPerMs);
    if (!(std::abs(ns) < kMostTime_ns)) return false;
    time_ns = static_cast<std::int64_t>(ns);
    skip_blanks();
    return rest_.empty() || rest_.front() == '#';
  }

 private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool read_word(std::string& word) {
    std::size_t end = 0;
    while (end < rest_.size() && (end == 0 ? is_name_start(rest_[0]) : is_name(rest_[end]))) ++end;
    word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return end > 0;
  }

  bool read_quoted(std::string& text) {
    if (!take('"')) return false;
    while (!rest_.empty() && rest_.front() != '"') {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '\\') {
        if (rest_.empty()) return false;
        if (rest_.front() == 'n') {
          c = '\n';
        } else if (rest_.front() == '\\' || rest_.front() == '"') {
          c = rest_.front();
        } else {
          text += c, c = rest_.front();  // another escape stands for itself
        }
        rest_.remove_prefix(1);
      }
      text += c;
    }
    return take('"');
  }

  /// name="value", or the metric's own name in quotes.
  bool read_label(MetricSample& sample) {
    std::string name, value;
    const bool quoted = !rest_.empty() && rest_.front() == '"';
    if (!(quoted ? read_quoted(name) : read_word(name))) return false;
    skip_blanks();
    if (!take('=')) return quoted && sample.name.empty() && !(sample.name = name).empty();
    skip_blanks();
    if (!read_quoted(value)) return false;
    sample.labels[name] = value;
    return true;
  }

  bool read_number(double& value) {
    const std::string_view word = rest_.substr(0, rest_.find_first_of(" \t"));
    std::string_view digits = word;
    if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
    if (digits.empty() || (digits.size() < word.size() && digits.front() == '-')) return false;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc::result_out_of_range) value = std::nan("");
    if ((error != std::errc() && error != std::errc::result_out_of_range) || end != digits.data() + digits.size())
      return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  std::string_view rest_;
};

class Parser {
 public:
  Parser(const std::set<std::string>& names, bool is_openmetrics) : names_(names), is_openmetrics_(is_openmetrics) {}

  Result<Exposition> parse(std::string_view text) {
    while (!text.empty() && !ended_) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      if (++lines_ > kMaxLines) return unavailable_error(fmt::format("more than {} lines", kMaxLines));
      read_line(line);
      if (found_.samples.size() > kMaxSamples)
        return unavailable_error(
            fmt::format("more than {} series of the rule's metrics: name labels in it", kMaxSamples));
      if (broken_ > kMaxBroken) break;
    }
    if (broken_ > kMaxBroken || broken_ * 100 > lines_)
      return unavailable_error(
          fmt::format("not the text format of Prometheus or OpenMetrics (line {})", first_broken_));
    if (is_openmetrics_ && !ended_) return unavailable_error("cut off: OpenMetrics ends with \"# EOF\"");
    return std::move(found_);
  }

 private:
  void read_line(std::string_view line) {
    if (line.find_first_not_of(" \t") == std::string_view::npos) return;
    if (line.front() == '#') return read_comment(line);
    if (line.size() <= kMaxLine_bytes && read_sample(line)) return;
    if (++broken_ == 1) first_broken_ = lines_;
  }

  void read_comment(std::string_view line) {
    ended_ = line == "# EOF";
    constexpr std::string_view kType = "# TYPE ", kCounter = " counter";
    if (line.substr(0, kType.size()) != kType || line.size() < kType.size() + kCounter.size() ||
        line.substr(line.size() - kCounter.size()) != kCounter)
      return;
    const std::string name(line.substr(kType.size(), line.size() - kType.size() - kCounter.size()));
    for (const std::string& one : {name, name + "_total"})  // OpenMetrics names the family without it
      if (names_.count(one) != 0) found_.counters.insert(one);
  }

  bool read_sample(std::string_view line) {
    LineReader reader(line);
    MetricSample sample;
    if (!reader.read_name(sample.name)) return false;
    if (!sample.name.empty() && names_.count(sample.name) == 0) return true;  // whatever the rest of the line is
    if (!reader.read_labels(sample) || !reader.read_value(sample.value) ||
        !reader.read_time(is_openmetrics_, sample.time_ns))
      return false;
    if (names_.count(sample.name) != 0) found_.samples.push_back(std::move(sample));
    return true;
  }

  const std::set<std::string>& names_;
  bool is_openmetrics_;
  bool ended_ = false;
  std::size_t lines_ = 0, broken_ = 0, first_broken_ = 0;
  Exposition found_{};
};

bool ends_as_openmetrics(std::string_view text) {
  constexpr std::string_view kEof = "\n# EOF";
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return text == kEof.substr(1) || (text.size() >= kEof.size() && text.substr(text.size() - kEof.size()) == kEof);
}

}  // namespace

Result<Exposition> parse_exposition(std::string_view text, const std::set<std::string>& names, bool is_openmetrics) {
  if (!text.empty() && text.back() != '\n' && !ends_as_openmetrics(text))
    return unavailable_error("cut off in the middle of a line");
  return Parser(names, is_openmetrics || ends_as_openmetrics(text)).parse(text);
}

}  // namespace grit
