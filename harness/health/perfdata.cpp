#include "harness/health/perfdata.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "harness/base/printable.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxMetrics = 256;
constexpr std::size_t kMaxLabel_bytes = 128;
constexpr std::string_view kBlanks = " \t\n";

struct KnownUnit {
  std::string_view uom, unit;
  double factor;
};
constexpr std::array<KnownUnit, 13> kUnits{{{"s", "s", 1},
                                            {"ms", "s", 1e-3},
                                            {"us", "s", 1e-6},
                                            {"\u00b5s", "s", 1e-6},  // the micro sign
                                            {"\u03bcs", "s", 1e-6},  // the Greek letter
                                            {"ns", "s", 1e-9},
                                            {"%", "share", 1e-2},
                                            {"B", "bytes", 1},
                                            {"KiB", "bytes", 1024.0},
                                            {"MiB", "bytes", 1024.0 * 1024},
                                            {"GiB", "bytes", 1024.0 * 1024 * 1024},
                                            {"TiB", "bytes", 1024.0 * 1024 * 1024 * 1024},
                                            {"c", "count", 1}}};

const KnownUnit* find_unit(std::string_view uom) {
  const auto* found = std::find_if(kUnits.begin(), kUnits.end(), [&](const KnownUnit& one) { return one.uom == uom; });
  return found == kUnits.end() ? nullptr : found;
}

/// Takes metrics off the front of a text.
class Reader {
 public:
  Reader(std::string_view text, PluginOutput& output) : rest_(text), output_(output) {}

  void read_all() {
    while (skip_blanks()) {
      PerfMetric metric;
      if (read_metric(metric) && output_.metrics.size() < kMaxMetrics)
        output_.metrics.push_back(std::move(metric));
      else
        ++output_.refused, skip_word();
    }
  }

 private:
  bool skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kBlanks), rest_.size()));
    return !rest_.empty();
  }

  void skip_word() {
    bool quoted = false;
    std::size_t i = 0;
    for (; i < rest_.size() && (quoted || kBlanks.find(rest_[i]) == std::string_view::npos); ++i)
      if (rest_[i] == '\'') quoted = !quoted;
    if (quoted) i = std::min(rest_.find_first_of(kBlanks), rest_.size());  // that quote has no end
    rest_.remove_prefix(i);
  }

  bool read_metric(PerfMetric& metric) {
    const std::string_view word = rest_;
    if (read_label(metric.label) && read_value(metric) && read_limits()) return true;
    rest_ = word;
    return false;
  }

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  /// 'a quote''s inside' or plain, and the "=" behind it.
  bool read_label(std::string& label) {
    if (take('\'')) {
      for (;;) {
        const std::size_t quote = rest_.find('\'');
        if (quote == std::string_view::npos) return false;
        label += rest_.substr(0, quote);
        rest_.remove_prefix(quote + 1);
        if (!take('\'')) break;
        label += '\'';
      }
    } else {
      label = rest_.substr(0, rest_.find_first_of(" \t\n='"));
      rest_.remove_prefix(label.size());
    }
    return !label.empty() && label.size() <= kMaxLabel_bytes && take('=');
  }

  bool read_value(PerfMetric& metric) {
    if (take('U')) return at_end();
    if (take('+') && !rest_.empty() && rest_.front() == '-') return false;
    double value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || !std::isfinite(value)) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    metric.value = value;
    metric.uom = rest_.substr(0, rest_.find_first_of(" \t\n;'0123456789,"));  // "0,05": somebody's locale
    rest_.remove_prefix(metric.uom.size());
    return at_end();
  }

  [[nodiscard]] bool at_end() const {
    return rest_.empty() || rest_.front() == ';' || kBlanks.find(rest_.front()) != std::string_view::npos;
  }

  /// ;warning;critical;least;most: grit goes by the plug-in's own verdict.
  bool read_limits() {
    if (!rest_.empty() && rest_.front() == ';')
      rest_.remove_prefix(std::min(rest_.find_first_of(kBlanks), rest_.size()));
    return true;
  }

  std::string_view rest_;
  PluginOutput& output_;
};

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

}  // namespace

PluginOutput parse_plugin_output(std::string_view output) {
  const std::string safe = printable_lines(std::string(output));
  const std::string_view all = safe;
  const std::size_t line_end = std::min(all.find('\n'), all.size());
  const std::string_view line = all.substr(0, line_end), more = all.substr(line_end);
  const std::size_t bar = std::min(line.find('|'), line.size());
  PluginOutput parsed{.text = trimmed(line.substr(0, bar))};
  if (bar < line.size()) Reader(line.substr(bar + 1), parsed).read_all();
  if (const std::size_t second = more.find('|'); second != std::string_view::npos)
    Reader(more.substr(second + 1), parsed).read_all();
  return parsed;
}

std::optional<double> value_of(const PerfMetric& metric) {
  const KnownUnit* known = find_unit(metric.uom);
  return known != nullptr && metric.value ? *metric.value * known->factor : metric.value;
}

std::string unit_of(const PerfMetric& metric) {
  const KnownUnit* known = find_unit(metric.uom);
  if (known != nullptr) return std::string(known->unit);
  return metric.uom.empty() ? "count" : metric.uom;
}

}  // namespace grit
