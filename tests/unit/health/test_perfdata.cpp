#include "harness/health/perfdata.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

PerfMetric first(std::string_view output) {
  const PluginOutput parsed = parse_plugin_output(output);
  INFO(output);
  REQUIRE_FALSE(parsed.metrics.empty());
  return parsed.metrics.front();
}

void takes(std::string_view metric, const std::string& label, double value, const std::string& unit) {
  const PerfMetric parsed = first("OK|" + std::string(metric));
  CHECK(parsed.label == label);
  CHECK(value_of(parsed).value_or(-1) == Approx(value));
  CHECK(unit_of(parsed) == unit);
}

void refuses(std::string_view metric) {
  INFO(metric);
  const PluginOutput parsed = parse_plugin_output("OK|" + std::string(metric) + " good=1");
  REQUIRE(parsed.metrics.size() == 1);
  REQUIRE(parsed.metrics.front().label == "good");
  REQUIRE(parsed.refused > 0);
}

}  // namespace

TEST_CASE("perfdata: what real plug-ins print") {
  const PluginOutput ping = parse_plugin_output(
      "PING OK - Packet loss = 0%, RTA = 0.40 ms|rta=0.403000ms;50.000000;100.000000;0.000000 pl=0%;20;60;0;\n");
  REQUIRE(ping.text == "PING OK - Packet loss = 0%, RTA = 0.40 ms");
  REQUIRE(ping.metrics.size() == 2);
  REQUIRE(value_of(ping.metrics[0]).value_or(0) == Approx(0.000403));
  REQUIRE(unit_of(ping.metrics[0]) == "s");
  REQUIRE(unit_of(ping.metrics[1]) == "share");
  REQUIRE(ping.refused == 0);

  const PluginOutput lost =
      parse_plugin_output("PING CRITICAL - Packet loss = 100%| rta=U;50.000000;100.000000;; pl=100%;20;60;0;");
  REQUIRE_FALSE(lost.metrics.at(0).value.has_value());
  REQUIRE(value_of(lost.metrics.at(1)).value_or(0) == Approx(1));

  takes(" /=32951500800B;243497277849;257024904396;0;270552530944", "/", 32951500800.0, "bytes");
  takes(" eth0_txbyte/s=12;;;0;176258176 eth0_rxbyte/s=0", "eth0_txbyte/s", 12, "count");
  takes("time=0.000512s;;;0.000000;5.000000", "time", 0.000512, "s");
  REQUIRE(parse_plugin_output("cpufreq (AMD EPYC) OK |\n").metrics.empty());
  REQUIRE(parse_plugin_output("network errors UNKNOWN - found 0 interface(s):  | ").text ==
          "network errors UNKNOWN - found 0 interface(s):");
}

TEST_CASE("perfdata: the grammar") {
  takes("'a b'=1", "a b", 1, "count");
  takes("'it''s = 1'=-.5;1:2;@~:3", "it's = 1", -0.5, "count");
  takes("x=+1e3ms", "x", 1, "s");
  takes("x=5.", "x", 5, "count");
  takes("x=2KiB", "x", 2048, "bytes");
  takes("x=3MB", "x", 3, "MB");  // 1,000 or 1,024: as printed
  takes("x=7c", "x", 7, "count");
  takes("x=1\u00b5s", "x", 1e-6, "s");
  takes("x=1;;;", "x", 1, "count");
  for (const char* wrong : {"x", "=1", "x=", "x=abc", "x=1,5ms", "x=inf", "x=nan", "x=+-1", "x=1e999", "x=U5", "''=1"})
    refuses(wrong);
  REQUIRE(parse_plugin_output("OK|'no end=1 good=1").metrics.size() == 2);  // whatever stands behind the quote
  refuses(std::string(200, 'x') + "=1");
}

TEST_CASE("perfdata: several lines, and text that nobody should see raw") {
  const PluginOutput lines = parse_plugin_output("first | a=1\nlong text\nmore | b=2\nc=3 d=4\n");
  REQUIRE(lines.text == "first");
  REQUIRE(lines.metrics.size() == 4);
  REQUIRE(lines.metrics[3].label == "d");
  const PluginOutput hostile = parse_plugin_output(std::string("a\0b\x1b[31m\xff|x=1\0", 13));
  REQUIRE(hostile.text.find('\x1b') == std::string::npos);
  REQUIRE(hostile.text.find('\0') == std::string::npos);
  REQUIRE(parse_plugin_output("").text.empty());
  REQUIRE(parse_plugin_output("|").metrics.empty());
  std::string many = "OK|";
  for (int i = 0; i < 1000; ++i) many += " m=1";
  REQUIRE(parse_plugin_output(many).metrics.size() == 256);
}
