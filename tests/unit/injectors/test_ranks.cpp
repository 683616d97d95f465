#include <unistd.h>

#include <string>
#include <vector>

#include "harness/record/segment.hpp"
#include "injectors/ranks.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

/// A node with four ranks, all of which are this process.
class FourRanks {
 public:
  FourRanks() : segment_(Segment::create(4).value()) {
    for (RankSlot& slot : segment_.slots()) slot.pid = ::getpid();
  }

  /// The places of the ranks that `rank` means.
  [[nodiscard]] Result<std::vector<int>> places(const std::string& rank) const {
    const Target target{.params = Params(Json{{"rank", rank}}), .ranks = node_ranks(segment_)};
    GRIT_TRY(const auto chosen, chosen_ranks(target));
    std::vector<int> all;
    for (const NodeRank& one : chosen) all.push_back(static_cast<int>(one.slot - segment_.slots().data()));
    return all;
  }

  void end(int place) { segment_.slots()[static_cast<std::size_t>(place)].pid = 0; }

 private:
  Segment segment_;
};

}  // namespace

TEST_CASE("a fault's parameter rank is a place on the node, a list of places, or all") {
  const FourRanks node;
  CHECK(node.places("0").value() == std::vector<int>{0});
  CHECK(node.places("3").value() == std::vector<int>{3});
  CHECK(node.places("1,3").value() == std::vector<int>{1, 3});
  CHECK(node.places("0,2-3").value() == std::vector<int>{0, 2, 3});
  CHECK(node.places("all").value() == std::vector<int>{0, 1, 2, 3});
  for (const char* beyond : {"4", "0,4", "2-9"}) {
    const auto places = node.places(beyond);
    REQUIRE_FALSE(places.has_value());
    CHECK(places.error().message == "rank = \"" + std::string(beyond) + "\": this node has 4 rank(s), counted from 0");
  }
  for (const char* no_list : {"", "x", "1,", "-1", "3-1", "1.5"}) {
    INFO(no_list);
    const auto places = node.places(no_list);
    REQUIRE_FALSE(places.has_value());
    CHECK(places.error().kind == ErrorKind::usage);
    CHECK(places.error().message.find("it is \"all\", a number from 0, or a list such as \"0,2-3\"") !=
          std::string::npos);
  }
}

TEST_CASE("ranks that have ended are left out of those that are meant") {
  FourRanks node;
  node.end(1);
  CHECK(node.places("0-2").value() == std::vector<int>{0, 2});
  const auto nobody = node.places("1");
  REQUIRE_FALSE(nobody.has_value());
  CHECK(nobody.error().kind == ErrorKind::unavailable);
}
