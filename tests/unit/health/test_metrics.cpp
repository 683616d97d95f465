// The text of an exporter, patterns for labels, and rules over series.
#include <cmath>

#include "harness/base/clock.hpp"
#include "harness/health/openmetrics/pattern.hpp"
#include "harness/health/openmetrics/rule.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

namespace {

const std::set<std::string> kNames{"m", "m_total", "up", "n_total"};

/// Readings one after another, and what a rule says of the last.
class Source {
 public:
  explicit Source(const std::string& rule) : rule_(ok(Rule::parse(rule))) {}

  void read(const std::string& text, std::int64_t after_ns = kNsPerS, std::int64_t max_age_ns = 60 * kNsPerS) {
    std::set<std::string> names = rule_.names();
    names.insert(kProcessStart);
    now_ns_ += after_ns;
    store_.take(ok(parse_exposition(text, names)), now_ns_, kEpoch_ns + now_ns_, max_age_ns, rule_.longest_window_ns());
  }
  Finding last(const std::string& text, std::int64_t after_ns = kNsPerS) {
    read(text, after_ns);
    const auto findings = rule_.evaluate(store_);
    INFO(rule_.text() << " of " << text);
    REQUIRE(findings.size() == 1);
    return findings.front();
  }
  std::vector<Finding> all(const std::string& text) {
    read(text);
    return rule_.evaluate(store_);
  }
  [[nodiscard]] std::vector<std::string> unmatched() const { return rule_.unmatched(store_); }

  static constexpr std::int64_t kEpoch_ns = 1'700'000'000 * kNsPerS;

 private:
  Rule rule_;
  SeriesStore store_{};
  std::int64_t now_ns_ = 1000 * kNsPerS;
};

Finding once(const std::string& rule, const std::string& text) { return Source(rule).last(text); }

std::string why_refused(const std::string& rule) {
  const auto parsed = Rule::parse(rule);
  INFO(rule);
  REQUIRE_FALSE(parsed.has_value());
  REQUIRE(parsed.error().kind == ErrorKind::usage);
  return parsed.error().message;
}

}  // namespace

TEST_CASE("metrics text: names, labels, values, timestamps and exemplars") {
  const Exposition read =
      ok(parse_exposition("# HELP m words\n"
                          "# TYPE m_total counter\n"
                          "m 1\r\n"
                          "m{a=\"x\",b=\"q\\\"\\\\\\n\\z\",} +Inf\n"
                          "\n"
                          "m_total { a = \"1\" } 2.5e3 1700000000000\n"
                          "{\"m\", a=\"utf\"} NaN\n"
                          "other garbage that nobody asked for\n"
                          "up -3 # {trace=\"1\"} 0.5\n",
                          kNames));
  REQUIRE(read.samples.size() == 5);
  REQUIRE(read.samples[0].value == 1);
  REQUIRE(read.samples[1].labels == MetricLabels{{"a", "x"}, {"b", "q\"\\\n\\z"}});
  REQUIRE(std::isinf(read.samples[1].value));
  REQUIRE(read.samples[2].value == 2500);
  REQUIRE(read.samples[2].time_ns == 1'700'000'000 * kNsPerS);
  REQUIRE(read.samples[3].name == "m");
  REQUIRE(std::isnan(read.samples[3].value));
  REQUIRE(read.samples[4].value == -3);
  REQUIRE(read.counters == std::set<std::string>{"m_total"});
}

TEST_CASE("metrics text: OpenMetrics has seconds, and an end") {
  const Exposition read = ok(parse_exposition("# TYPE m counter\nm_total 1 1700000000.5\n# EOF\n", kNames));
  REQUIRE(read.samples.size() == 1);
  REQUIRE(read.samples[0].time_ns.value_or(0) / kNsPerMs == 1'700'000'000'500);
  REQUIRE(read.counters.count("m_total") == 1);
  REQUIRE(ok(parse_exposition("m 1\n# EOF\nm 2\n", kNames, true)).samples.size() == 1);
  const auto cut = parse_exposition("m_total 1\n", kNames, true);
  REQUIRE_FALSE(cut.has_value());
  REQUIRE_THAT(cut.error().message, Catch::Contains("cut off"));
}

TEST_CASE("metrics text: a value that may be half a number is none") {
  for (const char* cut : {"m 1\nm_total 12", "m_total 12", "m 1\nm_to", "m 1\n# TYPE", "m 1\n# EO"}) {
    INFO(cut);
    const auto read = parse_exposition(cut, kNames);
    REQUIRE_FALSE(read.has_value());
    REQUIRE(read.error().kind == ErrorKind::unavailable);
    REQUIRE(read.error().message == "cut off in the middle of a line");
  }
  REQUIRE(ok(parse_exposition("m_total 12\n", kNames)).samples.size() == 1);
  REQUIRE(ok(parse_exposition("m_total 12\n# EOF", kNames)).samples.size() == 1);  // OpenMetrics may end so
}

TEST_CASE("metrics text: something else is refused, by its line and without what it says") {
  const auto html = parse_exposition("<html>\n<body>secret</body>\n", kNames);
  REQUIRE_FALSE(html.has_value());
  REQUIRE_THAT(html.error().message, Catch::Contains("line 1"));
  REQUIRE(html.error().message.find("secret") == std::string::npos);
  for (const char* wrong : {"m", "m x", "m{ 1", "m{a=b} 1", "m{a=\"b} 1", "m 1_0", "m 0x1p3", "m{a=\"b\" c=\"d\"} 1",
                            "m 1 2 3", "{a=\"b\"} 1", "m +-1", "m 1 1e300"}) {
    INFO(wrong);
    REQUIRE_FALSE(parse_exposition(std::string(wrong) + "\n", kNames).has_value());
  }
  std::string long_text;
  for (int i = 0; i < 500; ++i) long_text += "m 1\n";
  REQUIRE(parse_exposition(long_text + "m broken\n", kNames).has_value());  // one of many lines
  std::string many;
  for (int i = 0; i < 5000; ++i) many += fmt::format("m{{a=\"{}\"}} 1\n", i);
  REQUIRE_THAT(parse_exposition(many, kNames).error().message, Catch::Contains("4096"));
  REQUIRE_THAT(parse_exposition(std::string(300'000, '\n'), kNames).error().message, Catch::Contains("200000"));
  REQUIRE(ok(parse_exposition("", kNames)).samples.empty());
  REQUIRE_FALSE(parse_exposition("m{a=\"" + std::string(100'000, 'x') + "\"} 1\n", kNames).has_value());
  REQUIRE_FALSE(parse_exposition(std::string("m\0{} 1\n", 7), kNames).has_value());
}

TEST_CASE("patterns: as a whole, and in a time that nothing blows up") {
  const auto matches = [](const char* pattern, const char* text) { return ok(Pattern::parse(pattern)).matches(text); };
  CHECK(matches("eth.*", "eth0"));
  CHECK_FALSE(matches("eth", "eth0"));
  CHECK(matches("eth0|ib[0-9]+", "ib12"));
  CHECK_FALSE(matches("eth0|ib[0-9]+", "ib"));
  CHECK(matches("[^a-c]x?", "d"));
  CHECK_FALSE(matches("[^a-c]x?", "b"));
  CHECK(matches("[]a]", "]"));
  CHECK(matches("a\\.b", "a.b"));
  CHECK_FALSE(matches("a\\.b", "axb"));
  CHECK(matches("", ""));
  CHECK(matches(".*", ""));
  const std::string as(3000, 'a');
  CHECK_FALSE(ok(Pattern::parse("a*a*a*a*a*a*a*a*a*b")).matches(as));
  for (const char* wrong : {"eth(0|1)", "^eth0$", "a{2}", "*", "a**", "[a", "\\d"}) {
    INFO(wrong);
    CHECK_FALSE(Pattern::parse(wrong).has_value());
  }
}

TEST_CASE("rules: a selector, a comparison, and arithmetic as in PromQL") {
  const std::string text = "m{device=\"eth0\"} 1\nm{device=\"lo\"} 5\n";
  CHECK(once("m{device='eth0'} == 1", text).alarms);
  CHECK_FALSE(once("m{device=\"eth0\"} != 1", text).alarms);
  CHECK(once("m{device=~'eth.*'} <= 1", text).alarms);
  CHECK(once("m{device!='lo'} < 1.5", text).alarms);
  CHECK(once("m{device!~'eth.*',nothing=''} > 4", text).value == 5);
  CHECK(once("3 < m{device='lo'}", text).value == 5);
  CHECK(once("m{device='lo'} * 2 - 1 >= 9", text).alarms);
  CHECK(once("10 - m{device='lo'} - 3 == 2", text).alarms);  // from the left
  CHECK(once("2 + m{device='lo'} * 2 == 12", text).alarms);
  CHECK(once("-(m{device='lo'}) < -4", text).alarms);
  CHECK(once("abs(m{device='lo'} - 9) == 4", text).alarms);
  CHECK(once("bits(m{device='lo'}, 0x6) == 4", text).alarms);
  CHECK(once("sum(m) == 6", text).alarms);
  CHECK(once("max(m) == 5", text).alarms);
  CHECK(once("min(m) == 1", text).alarms);
  CHECK(once("count(m) == 2", text).alarms);
  CHECK(once("absent(m) == 0", text).alarms);
  CHECK(once("absent(m{device='ib0'}) == 1", text).alarms);
  const auto both = Source("m > 2").all(text);
  REQUIRE(both.size() == 2);
  CHECK(both[0].labels.at("device") == "eth0");
  CHECK_FALSE(both[0].alarms);
  CHECK(both[1].alarms);
}

TEST_CASE("rules: two metrics are joined where their labels are equal") {
  const auto found = Source("m / up > 1").all("m{a=\"1\"} 4\nm{a=\"2\"} 4\nup{a=\"1\"} 2\nup{a=\"3\"} 1\n");
  REQUIRE(found.size() == 1);
  REQUIRE(found[0].value == 2);
  REQUIRE(once("m / up > 1", "m 0\nup 0\n").unknown == "no value (NaN)");
  REQUIRE(once("m / up > 1", "m 1\nup 0\n").alarms);  // infinite
  Source nothing("m{a='9'} > 1");
  REQUIRE(nothing.all("m 1\n").empty());
  REQUIRE(nothing.unmatched() == std::vector<std::string>{"m{a='9'}"});
}

TEST_CASE("rules: rate, increase and delta over the window, and nothing extrapolated") {
  Source rate("rate(m_total[10s]) > 0.5");
  CHECK(rate.last("m_total 100\n").first);
  CHECK_FALSE(rate.last("m_total 100\n", 2 * kNsPerS).alarms);
  const Finding grown = rate.last("m_total 103\n", 2 * kNsPerS);
  CHECK(grown.value == Approx(0.75));  // 3 in 4 s
  CHECK(grown.alarms);
  CHECK(rate.last("m_total 103\n", 9 * kNsPerS).value == Approx(3.0 / 11));  // the one before the window counts
  CHECK(rate.last("m_total 103\n", 9 * kNsPerS).value == 0);
  CHECK(rate.last("m_total 104\n", 30 * kNsPerS).value == Approx(1.0 / 30));  // over the time that passed
  CHECK(rate.last("m_total 107\n", 300 * kNsPerS).value == Approx(0.01));

  Source increase("increase(m_total[10s]) >= 7");
  increase.read("m_total 5\n");
  CHECK(increase.last("m_total 2\n").value == 2);  // started anew
  CHECK(increase.last("m_total 7\n").alarms);
  Source delta("delta(m[10s]) < 0");
  delta.read("m 5\n");
  CHECK(delta.last("m 2\n").value == -3);
}

TEST_CASE("rules: a counter that appears beside others was 0 before, and no gauge or first sample was") {
  Source counter("increase(m_total[10s]) > 0");
  counter.read("m_total{a=\"1\"} 9\n");
  const auto found = counter.all("m_total{a=\"1\"} 9\nm_total{a=\"2\"} 4\n");
  REQUIRE(found.size() == 2);
  REQUIRE_FALSE(found[0].alarms);
  REQUIRE(found[1].value == 4);
  counter.read("m_total{a=\"1\"} 9\n");
  // It was away for a while, and is no new one.
  REQUIRE(counter.all("m_total{a=\"1\"} 9\nm_total{a=\"2\"} 5\n")[1].value == 5);
  Source gauge("increase(m[10s]) > 0");
  gauge.read("m{a=\"1\"} 9\n");
  REQUIRE(gauge.all("m{a=\"1\"} 9\nm{a=\"2\"} 4\n")[1].first);
  Source alone("increase(m_total[10s]) > 0");
  alone.read("# nothing of it\n");
  REQUIRE(alone.all("m_total 4\n")[0].first);
}

TEST_CASE("rules: an exporter that was started anew counts from there") {
  Source restarted("increase(m_total[60s]) > 0");
  restarted.read("m_total 100\nprocess_start_time_seconds 1\n");
  REQUIRE(restarted.last("m_total 40\nprocess_start_time_seconds 2\n").first);
  REQUIRE(restarted.last("m_total 41\nprocess_start_time_seconds 2\n").value == 1);
}

TEST_CASE("rules: two windows, and only the last sample before each belongs to it") {
  Source both("increase(m_total[2s]) * 100 + increase(m_total[10s]) >= 0");
  for (const int value : {1, 2, 3, 5, 8}) both.read(fmt::format("m_total {}\n", value), 4 * kNsPerS);
  CHECK(both.last("m_total 13\n", 4 * kNsPerS).value == 510);  // from 8, 4 s ago; from 3, 12 s ago
}

TEST_CASE("rules: after a clock that was set back it is counted anew") {
  Source set_back("increase(m_total[10s]) > 0");
  set_back.read("m_total 1\n");
  CHECK(set_back.last("m_total 5\n", -60 * kNsPerS).first);
  CHECK(set_back.last("m_total 7\n").value == 2);
}

TEST_CASE("rules: samples with times of their own") {
  const auto at = [](double value, std::int64_t t_s) {
    return fmt::format("m_total {} {}\n", value, (Source::kEpoch_ns / kNsPerS + t_s) * 1000);
  };
  Source timed("rate(m_total[60s]) > 0");
  timed.read(at(10, 1000));
  REQUIRE(timed.last(at(10, 1000)).first);  // the same sample once more
  REQUIRE(timed.last(at(30, 1010)).value == 2);
  REQUIRE(once("m_total > 0", at(1, 800)).unknown == "its last sample is too old");
  REQUIRE(once("m_total > 0", "m_total 1 -3000000000000\n").unknown == "its last sample is too old");
  REQUIRE_FALSE(parse_exposition("m_total 1 -8000000000000\n", kNames).has_value());
}

TEST_CASE("rules: a sample of the future says nothing, and those behind it are counted anew") {
  const auto at = [](double value, std::int64_t t_s) {
    return fmt::format("m_total {} {}\n", value, (Source::kEpoch_ns / kNsPerS + t_s) * 1000);
  };
  Source rate("rate(m_total[60s]) > 0.5");
  rate.read(at(10, 1000));
  REQUIRE(rate.last(at(20, 900'000'000)).unknown == "its last sample is of the future");
  REQUIRE(rate.last(at(30, 1002)).first);
  REQUIRE(rate.last(at(40, 1004)).value == 5);
}

TEST_CASE("rules: what DCGM writes for no value is none") {
  for (const char* blank : {"2147483632", "140737488355328", "9223372036854775792"}) {
    CHECK(once("DCGM_FI_DEV_SM_CLOCK > 5", fmt::format("DCGM_FI_DEV_SM_CLOCK {}\n", blank)).unknown ==
          "DCGM has no value");
    CHECK(once("m > 5", fmt::format("m {}\n", blank)).alarms);
  }
}

TEST_CASE("rules: mistakes are named with their place") {
  CHECK_THAT(why_refused("m >"), Catch::Contains("character 4"));
  CHECK_THAT(why_refused("m"), Catch::Contains("a comparison was expected"));
  CHECK_THAT(why_refused("m > 1 and up > 1"), Catch::Contains("make a check of each condition"));
  CHECK_THAT(why_refused("m > 1 2"), Catch::Contains("the end of the rule"));
  CHECK_THAT(why_refused("1 > 2"), Catch::Contains("no metric"));
  CHECK_THAT(why_refused("avg(m) > 1"), Catch::Contains("there is no function avg"));
  CHECK_THAT(why_refused("rate(m) > 1"), Catch::Contains("a [ was expected"));
  CHECK_THAT(why_refused("rate(m[x]) > 1"), Catch::Contains("duration"));
  CHECK_THAT(why_refused("m{a=b} > 1"), Catch::Contains("quotes"));
  CHECK_THAT(why_refused("m{a='b > 1"), Catch::Contains("closing quote"));
  CHECK_THAT(why_refused("m{a=~'(b)'} > 1"), Catch::Contains("eth0|eth1"));
  CHECK_THAT(why_refused(std::string(900, '(') + "m > 1"), Catch::Contains("nested too deep"));
  CHECK_THAT(why_refused(std::string(2000, 'm') + " > 1"), Catch::Contains("1024 bytes"));
  CHECK(ok(Rule::parse("rate(m[500ms]) + rate(m[1m]) > 0")).shortest_window_ns() == kNsPerS / 2);
  CHECK(ok(Rule::parse("rate(m[500ms]) + rate(m[1m]) > 0")).longest_window_ns() == 60 * kNsPerS);
  for (const char* hostile : {"", "\"", "m{", "m{,}", "(", ")", "-", "m[", "rate(", "rate(m[", "bits(m) > 1",
                              "m{a=} > 1", "0x > m", ">", "m == == 1", "\xff\xfe > 1"})
    why_refused(hostile);
}
