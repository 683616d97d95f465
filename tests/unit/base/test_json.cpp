#include "harness/base/json.hpp"
#include "tests/catch.hpp"

TEST_CASE("text that is not UTF-8 is kept, with a mark for each bad byte") {
  const grit::Json facts{{"bios_vendor", "Foo\xae Bar"}, {"job", "caf\xe9"}};
  CHECK(grit::json_text(facts) == "{\"bios_vendor\":\"Foo\xef\xbf\xbd Bar\",\"job\":\"caf\xef\xbf\xbd\"}");
  CHECK(grit::parse_json(grit::json_text(facts)).has_value());
  CHECK(grit::json_text(grit::Json{{"a", 1}}, 1) == "{\n \"a\": 1\n}");
}

TEST_CASE("what must be read back as it was is refused when it is not UTF-8") {
  CHECK(grit::exact_json_text(grit::Json{{"nic", "eth0"}}).value() == "{\"nic\":\"eth0\"}");
  const auto refused = grit::exact_json_text(grit::Json{{"nic", "eth\xff"}});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("UTF-8") != std::string::npos);
}

TEST_CASE("text that is no JSON, or holds a number that no double is, is refused and throws nothing") {
  const auto torn = grit::parse_json("{\"a\": 1");
  REQUIRE_FALSE(torn.has_value());
  CHECK(torn.error().kind == grit::ErrorKind::usage);
  CHECK(torn.error().message.starts_with("not valid JSON (at byte "));
  CHECK(grit::parse_json("{\"rate\": 1.7e308}").has_value());
  for (const char* text : {"1e999", "{\"rate\": [1, -1e999]}"}) {
    CAPTURE(text);
    const auto large = grit::parse_json(text);
    REQUIRE_FALSE(large.has_value());
    CHECK(large.error().kind == grit::ErrorKind::usage);
    CHECK(large.error().message.find("a number in it is larger") != std::string::npos);
  }
}
