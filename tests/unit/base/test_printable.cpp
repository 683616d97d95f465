#include "harness/base/printable.hpp"
#include "tests/catch.hpp"

namespace grit {

TEST_CASE("no control character of a text reaches a terminal, in whatever form") {
  CHECK(printable("plain, \xc2\xb5s, \xe2\x82\xac, \xf0\x9f\x98\x80") ==
        "plain, \xc2\xb5s, \xe2\x82\xac, \xf0\x9f\x98\x80");
  CHECK(printable("a\x1b]52;c;x\x07"
                  "b\x7f\n") == "a ]52;c;x b  ");
  CHECK(printable("a\xc2\x9b"
                  "31mb") == "a 31mb");  // CSI as U+009B
  CHECK(printable("a\x9b"
                  "31mb") == "a?31mb");  // and as a byte by itself
  CHECK(printable("\xc0\x9b \xff \xe2\x82") == "?? ? ??");
  CHECK(printable(std::string("a\0b", 3)) == "a b");
  CHECK(printable_lines("a\n\tb\x1b\r") == "a\n\tb  ");
}

}  // namespace grit
