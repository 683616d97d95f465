// openmetrics: rules over what an exporter of the site's says, from its page or from a file that it writes.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <map>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/printable.hpp"
#include "harness/base/shortened.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/site_command.hpp"
#include "harness/health/openmetrics/http.hpp"
#include "harness/health/openmetrics/rule.hpp"
#include "harness/health/rest.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxText_bytes = std::size_t{16} << 20;
constexpr std::size_t kMaxOutcomes = 64;
constexpr std::size_t kMaxSeen = 8192;  // twice what one reading may have: labels that change from time to time
constexpr std::int64_t kLeastMaxAge_ns = 60 * kNsPerS;
constexpr std::int64_t kBetweenTries_ns = 10 * kNsPerMs;
constexpr const char* kTime = " t_ns";  // behind a series' name, or alone for those without a timestamp

struct Rules {
  std::optional<Rule> critical{}, warning{};

  static Result<Rules> parse(const Params& params) {
    Rules rules;
    if (const std::string text = params.text("critical"); !text.empty()) {
      GRIT_TRY(rules.critical, Rule::parse(text));
    }
    if (const std::string text = params.text("warning"); !text.empty()) {
      GRIT_TRY(rules.warning, Rule::parse(text));
    }
    return rules;
  }

  [[nodiscard]] std::vector<std::pair<Severity, const Rule*>> all() const {
    std::vector<std::pair<Severity, const Rule*>> found;
    if (critical) found.emplace_back(Severity::critical, &*critical);
    if (warning) found.emplace_back(Severity::warning, &*warning);
    return found;
  }
};

Status validate_source(const Params& params) {
  const std::string url = params.text("url"), file = params.text("file");
  if (url.empty() == file.empty()) return usage_error("give either `url` or `file`");
  if (url.empty()) {
    if (!params.text("exporter").empty()) return usage_error("`exporter` serves a `url`, and there is none");
    if (file.front() == '/') return {};
    return usage_error("`file` must be an absolute path: every node opens it");
  }
  GRIT_TRY(const HttpUrl parsed, parse_http_url(url));
  if (params.text("exporter").empty()) return {};
  if (params.boolean("remote")) return usage_error("`exporter` is started on the node itself: `remote` must be false");
  return check_site_command("exporter", params.text("exporter"));
}

Status validate(const Params& params) {
  GRIT_CHECK(validate_source(params));
  GRIT_TRY(const Rules rules, Rules::parse(params));
  if (rules.all().empty()) return usage_error("give a rule: `critical`, `warning` or both");
  for (const auto& [severity, rule] : rules.all()) {
    const std::int64_t shortest_ns = rule->shortest_window_ns();
    if (shortest_ns > 0 && shortest_ns < params.integer("every"))
      return usage_error(fmt::format("rule \"{}\": its window is shorter than `every` ({}), and mostly empty",
                                     shortened(rule->text()), format_quantity(params.integer("every"), Unit::time_ns)));
  }
  return {};
}

/// 0 means by itself: three readings, and not less than a minute.
std::int64_t max_age_ns(const Params& params) {
  const std::int64_t given_ns = params.integer("max_age");
  return given_ns > 0 ? given_ns : std::max(3 * params.integer("every"), kLeastMaxAge_ns);
}

struct Page {
  std::string text{};
  bool is_openmetrics = false;  // by its Content-Type
  std::int64_t t_ns = 0;        // when it was read, of the monotonic clock; a file: when it was written, of the other
};

/// Opened anew each time, as its writer puts a new one in its place. Not a device or a pipe, which could wait.
Result<Page> read_metrics_file(const std::string& path, std::int64_t oldest_ns) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return errno_error(path);
  struct stat is {};
  if (::fstat(fd.get(), &is) != 0) return errno_error(path);
  if (!S_ISREG(is.st_mode)) return unavailable_error(path + " is no plain file");
  if (static_cast<std::size_t>(is.st_size) > kMaxText_bytes)
    return unavailable_error(fmt::format("{} is larger than {} MiB", path, kMaxText_bytes >> 20));
  const std::int64_t written_ns = is.st_mtim.tv_sec * kNsPerS + is.st_mtim.tv_nsec;
  const std::int64_t age_ns = realtime_ns() - written_ns;
  if (age_ns > oldest_ns)
    return unavailable_error(fmt::format("{} was not written for {} (`max_age`): does its writer still run?", path,
                                         format_duration(static_cast<double>(age_ns))));
  std::string text(static_cast<std::size_t>(is.st_size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const auto n = ::read(fd.get(), text.data() + have, text.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(path);
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  text.resize(have);
  return Page{.text = std::move(text), .t_ns = written_ns};
}

bool is_of_node(const HttpUrl& url, const Node& node) {
  return std::any_of(node.nics.begin(), node.nics.end(), [&](const Nic& nic) {
    return std::any_of(nic.addresses.begin(), nic.addresses.end(),
                       [&](const std::string& one) { return one.substr(0, one.find('/')) == url.host; });
  });
}

/// What a series is about: the label that was asked for, or the first of those that exporters name things by.
std::string subject_of(const MetricLabels& labels, const std::string& wanted) {
  static const std::vector<std::string> usual{"device",     "interface", "gpu",        "UUID",
                                              "pci_bus_id", "cpu",       "mountpoint", "instance"};
  for (const std::string& name : wanted.empty() ? usual : std::vector{wanted})
    if (const auto found = labels.find(name); found != labels.end()) return shortened(printable(found->second));
  std::string all;
  for (const auto& [name, value] : labels) all += fmt::format("{}{}={}", all.empty() ? "" : ",", name, value);
  return shortened(printable(all));
}

/// `is_first`: at the first reading of a block everything with a window has one sample.
Outcome outcome_of(const Finding& finding, const Rule& rule, Severity severity, bool is_first) {
  Outcome outcome{.severity = Severity::ok};
  const std::string text = shortened(rule.text());
  if (!finding.unknown.empty()) {
    outcome.severity = Severity::unknown;
    outcome.detail = fmt::format("{}: {}", finding.unknown, text);
    return outcome;
  }
  if (finding.first) {
    if (!is_first) outcome.severity = Severity::unknown;
    outcome.detail = is_first ? "first reading" : "only one sample yet: " + text;
    return outcome;
  }
  outcome.value = finding.value, outcome.unit = "count";
  outcome.detail = fmt::format("{:.6g}; alarms when {}", finding.value, text);
  if (finding.alarms) outcome.severity = severity;
  return outcome;
}

class Reader {
 public:
  Result<std::vector<Outcome>> read(const CheckInput& input) {
    if (input.params.text("url").empty() && input.params.text("file").empty())
      return std::vector{not_here("no exporter was named")};  // `grit check` without a file of checks
    if (!rules_) {
      GRIT_TRY(rules_, Rules::parse(input.params));
    }
    if (input.memory.is_first()) store_.clear(), seen_.clear();
    GRIT_CHECK(take_metrics(input));
    return outcomes(input.params.text("subject"), input.memory.is_first());
  }

 private:
  Result<Page> fetch(const CheckInput& input) {
    if (const std::string file = input.params.text("file"); !file.empty())
      return read_metrics_file(file, max_age_ns(input.params));
    GRIT_TRY(const HttpUrl url, parse_http_url(input.params.text("url")));
    if (!input.params.boolean("remote") && !is_loopback(url) && !is_of_node(url, input.node))
      return usage_error(
          fmt::format("{} is not this node: what it says would be told of the wrong one, unless `remote` "
                      "is true",
                      url.host));
    if (!http_) {
      GRIT_TRY(http_, HttpClient::open());
    }
    GRIT_TRY(HttpAnswer answer, ask(url, input));
    return Page{.text = std::move(answer.body),
                .is_openmetrics = answer.content_type.find("application/openmetrics-text") != std::string::npos,
                .t_ns = input.memory.now_ns()};
  }

  /// Where nobody answers and the scenario names a program that would, that is started, and asked until the time is up.
  /// Several checks of one exporter each start it when they find none: those that come too late cannot have the port
  /// and end, and their checks ask the first one's. One that ends without an answer is started again after a rest.
  Result<HttpAnswer> ask(const HttpUrl& url, const CheckInput& input) {
    const std::int64_t deadline_ns = monotonic_ns() + input.limit_ns, now_ns = input.memory.now_ns();
    bool refused = false;
    auto answer = http_->get(url, input.limit_ns, kMaxText_bytes, &refused);
    const std::string program = input.params.text("exporter");
    if (program.empty()) return answer;
    if (answer) rest_.forget();
    if (!refused) return answer;
    if (const std::int64_t left_ns = rest_.left_ns(now_ns); left_ns > 0)
      return with_context(answer.error(), fmt::format("`exporter` {}; it is started again in {}", why_rests_,
                                                      format_duration(static_cast<double>(left_ns))));
    if (!exporter_ || !exporter_->end().empty()) GRIT_CHECK(start_exporter(program, input));
    while (refused && monotonic_ns() + kBetweenTries_ns < deadline_ns) {
      ::usleep(kBetweenTries_ns / kNsPerUs);
      answer = http_->get(url, deadline_ns - monotonic_ns(), kMaxText_bytes, &refused);
    }
    if (answer) return answer;
    const std::string end = exporter_->end();
    if (!end.empty()) let_exporter_rest(end, now_ns);
    return with_context(answer.error(), fmt::format("`exporter` {}", end.empty() ? "was started" : end));
  }

  Status start_exporter(const std::string& program, const CheckInput& input) {
    auto started = CompanionProgram::start(site_command(input, kMetricsCheck, "exec " + program));
    if (started) {
      exporter_ = std::move(*started);
      return {};
    }
    let_exporter_rest("could not be started: " + started.error().message, input.memory.now_ns());
    return with_context(started.error(), "`exporter`");
  }

  void let_exporter_rest(std::string why, std::int64_t now_ns) {
    why_rests_ = std::move(why);
    rest_.begin(now_ns);
  }

  Status take_metrics(const CheckInput& input) {
    std::set<std::string> names{kProcessStart};
    std::int64_t window_ns = 0;
    for (const auto& [severity, rule] : rules_->all()) {
      names.merge(rule->names());
      window_ns = std::max(window_ns, rule->longest_window_ns());
    }
    GRIT_TRY(const Page page, fetch(input));
    const auto read = parse_exposition(page.text, names, page.is_openmetrics);
    if (!read) return with_context(read.error(), input.params.text("url") + input.params.text("file"));
    if (window_ns > 0) recall(*read, input.memory);
    store_.take(*read, page.t_ns, realtime_ns(), max_age_ns(input.params), window_ns);
    if (window_ns > 0) remember(*read, page.t_ns, input.memory);
    return {};
  }

  static std::string key_of(const MetricSample& sample) { return sample.name + json_text(Json(sample.labels)); }

  static std::string time_of(const MetricSample& sample) { return sample.time_ns ? key_of(sample) + kTime : kTime; }

  /// The samples of another process, which `grit check --state` has kept.
  void recall(const Exposition& read, const CheckMemory& memory) {
    if (!store_.series().empty()) return;
    for (const MetricSample& sample : read.samples) {
      const auto bits = memory.find(key_of(sample)), t_ns = memory.find(time_of(sample));
      if (bits && t_ns) store_.put_back(sample, *t_ns, std::bit_cast<double>(*bits));
    }
  }

  /// This page alone: a series that is not exported any more would come back later with its old value and a new time.
  static void remember(const Exposition& read, std::int64_t t_ns, CheckMemory& memory) {
    memory.forget_all();
    for (const MetricSample& sample : read.samples) {
      memory.keep(key_of(sample), std::bit_cast<std::int64_t>(sample.value));
      memory.keep(time_of(sample), sample.time_ns.value_or(t_ns));
    }
  }

  std::vector<Outcome> outcomes(const std::string& label, bool is_first) {
    std::map<std::string, Outcome> by_subject;
    std::set<std::string> exported;
    const auto say = [&](const std::string& subject, Outcome outcome) {
      outcome.subject = subject;
      const auto [found, is_new] = by_subject.try_emplace(subject, outcome);
      if (!is_new && rank_of(outcome.severity) > rank_of(found->second.severity)) found->second = std::move(outcome);
    };
    for (const auto& [severity, rule] : rules_->all()) {
      const auto findings = rule->evaluate(store_);
      for (const Finding& finding : findings) {
        const std::string subject = subject_of(finding.labels, label);
        say(subject, outcome_of(finding, *rule, severity, is_first));
        exported.insert(subject);
      }
      const auto unmatched = rule->unmatched(store_);
      if (findings.empty() && !unmatched.empty())
        say("", {.detail = fmt::format("no series {}", shortened(unmatched.front())),
                 .hint = "is that part of the exporter switched on, and are the labels right?"});
      else if (findings.empty())
        say("", {.detail = fmt::format("no two series of equal labels: {}", shortened(rule->text()))});
    }
    // A series that is not exported any more must not pass for one that is well again.
    for (const std::string& subject : seen_)
      if (by_subject.count(subject) == 0) say(subject, {.detail = "is not exported any more"});
    if (seen_.size() + exported.size() <= kMaxSeen) seen_.merge(exported);
    return worst_first(by_subject);
  }

  /// All of them, or those that are not well and one for the rest.
  static std::vector<Outcome> worst_first(const std::map<std::string, Outcome>& by_subject) {
    std::vector<Outcome> all;
    for (const auto& [subject, outcome] : by_subject) all.push_back(outcome);
    if (all.size() <= kMaxOutcomes) return all;
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return rank_of(a.severity) > rank_of(b.severity); });
    const auto end = std::find_if(all.begin(), all.begin() + kMaxOutcomes - 1,
                                  [](const Outcome& one) { return one.severity == Severity::ok; });
    Outcome rest{.severity = end == all.end() ? Severity::ok : end->severity,
                 .detail = fmt::format("and {} more", all.end() - end)};
    all.erase(end, all.end());
    all.push_back(std::move(rest));
    return all;
  }

  std::optional<Rules> rules_{};
  std::optional<HttpClient> http_{};
  std::optional<CompanionProgram> exporter_{};
  Rest rest_{};  // of the exporter, after it ended without an answer
  std::string why_rests_{};
  SeriesStore store_{};
  std::set<std::string> seen_{};  // subjects, in this block
};

}  // namespace

const Check& openmetrics() {
  static const Check check{
      .info =
          {.name = std::string(kMetricsCheck),
           .summary = "Rules over the metrics of an exporter on the node (node exporter, DCGM exporter ...)",
           .params = {{"url", Unit::text, "", "of the exporter: http://127.0.0.1:9100/metrics"},
                      {"file", Unit::text, "", "or a file that it writes, by its absolute path"},
                      {"critical", Unit::text, "", "the rule for critical: node_network_up{device='eth0'} == 0"},
                      {"warning", Unit::text, "", "the rule for a warning"},
                      {"subject", Unit::text, "",
                       "the label that says what a series is about (default: device, interface, gpu, UUID, "
                       "pci_bus_id, cpu, mountpoint or instance)"},
                      {"max_age",
                       Unit::time_ns,
                       0,
                       "what was written longer ago is unknown; 0: three times `every`, at least 1 min (grit's own "
                       "choice)",
                       {},
                       0.0,
                       {}},
                      {"remote", Unit::boolean, false, "the url may be another machine's"},
                      {"exporter", Unit::text, "",
                       "the program that serves `url`, with its arguments: started on the node where nobody answers "
                       "there, and ended with the run (only with --allow-command)"}},
           .counts = true,
           .place = CheckPlace::own,
           .period_ns = 2 * kNsPerS,
           .limit_ns = kNsPerS,
           .needs = "an exporter; for a url, libcurl.so.4",
           .untripped = "it depends on the rule",
           .proven = "node exporter of the distribution, by rules"},
      .make = keeping<Reader>(&Reader::read),
      .validate = validate};
  return check;
}

}  // namespace grit
