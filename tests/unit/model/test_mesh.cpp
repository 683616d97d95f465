#include <fmt/format.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/mesh.hpp"
#include "tests/catch.hpp"
#include "tests/text.hpp"

using grit::Axis;
using grit::AxisValues;
using grit::Mesh;

namespace {

using Groups = std::vector<std::vector<int>>;

Mesh mesh(const AxisValues& sizes, int ranks) {
  auto made = Mesh::over(sizes, ranks);
  INFO((made ? std::string() : made.error().message));
  REQUIRE(made.has_value());
  return *made;
}

std::string error_of(const AxisValues& sizes, int ranks) {
  const auto made = Mesh::over(sizes, ranks);
  REQUIRE_FALSE(made.has_value());
  CHECK(made.error().kind == grit::ErrorKind::usage);
  return made.error().message;
}

std::string wrong(const Mesh& made, const AxisValues& coordinates) {
  const auto there = made.check(coordinates);
  REQUIRE_FALSE(there.has_value());
  CHECK(there.error().kind == grit::ErrorKind::usage);
  return there.error().message;
}

using grit::test::contains;

/// Every mesh of at most so many ranks an axis.
std::vector<Mesh> meshes(int most) {
  std::vector<Mesh> all;
  for (int tp = 1; tp <= most; ++tp)
    for (int dp = 1; dp <= most; ++dp)
      for (int pp = 1; pp <= most; ++pp)
        for (int ep = 1; ep <= dp; ++ep)
          if (dp % ep == 0) all.push_back(mesh({{Axis::tp, tp}, {Axis::pp, pp}, {Axis::ep, ep}}, tp * dp * pp));
  return all;
}

}  // namespace

TEST_CASE("groups are those that Megatron-Core's initialize_model_parallel documents") {
  // Its example: 16 GPUs, tensor parallel 2, pipeline parallel 4.
  const Mesh made = mesh({{Axis::tp, 2}, {Axis::pp, 4}}, 16);
  CHECK(made.groups(Axis::dp) == Groups{{0, 2}, {1, 3}, {4, 6}, {5, 7}, {8, 10}, {9, 11}, {12, 14}, {13, 15}});
  CHECK(made.groups(Axis::tp) == Groups{{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {10, 11}, {12, 13}, {14, 15}});
  CHECK(made.groups(Axis::pp) == Groups{{0, 4, 8, 12}, {1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15}});
}

TEST_CASE("expert parallel groups are cut out of dp as Megatron-Core's expert rank generator does it") {
  // RankGenerator(tp=2, ep=1, dp=4, pp=2, cp=1, order="tp-cp-ep-dp-pp") and RankGenerator(tp=2, ep=2, dp=2, pp=2, ...).
  const Mesh made = mesh({{Axis::tp, 2}, {Axis::dp, 4}, {Axis::pp, 2}, {Axis::ep, 2}}, 16);
  CHECK(made.groups(Axis::tp) == Groups{{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {10, 11}, {12, 13}, {14, 15}});
  CHECK(made.groups(Axis::dp) == Groups{{0, 2, 4, 6}, {1, 3, 5, 7}, {8, 10, 12, 14}, {9, 11, 13, 15}});
  CHECK(made.groups(Axis::pp) == Groups{{0, 8}, {1, 9}, {2, 10}, {3, 11}, {4, 12}, {5, 13}, {6, 14}, {7, 15}});
  CHECK(made.groups(Axis::ep) == Groups{{0, 2}, {1, 3}, {4, 6}, {5, 7}, {8, 10}, {9, 11}, {12, 14}, {13, 15}});
  CHECK(made.groups(Axis::edp) == Groups{{0, 4}, {1, 5}, {2, 6}, {3, 7}, {8, 12}, {9, 13}, {10, 14}, {11, 15}});
  CHECK(made.coordinates(13) == AxisValues{{Axis::dp, 2}, {Axis::tp, 1}, {Axis::pp, 1}, {Axis::ep, 0}});
  CHECK(grit::to_string(made) == "dp 4 (ep 2 × edp 2) × tp 2 × pp 2");
}

TEST_CASE("ranks are laid out row by row, as DeviceMesh does it for pp, edp, ep, tp") {
  for (const Mesh& made : meshes(4)) {
    CAPTURE(grit::to_string(made));
    int rank = 0;
    for (int pp = 0; pp < made.size(Axis::pp); ++pp)
      for (int edp = 0; edp < made.size(Axis::edp); ++edp)
        for (int ep = 0; ep < made.size(Axis::ep); ++ep)
          for (int tp = 0; tp < made.size(Axis::tp); ++tp, ++rank) {
            const int dp = edp * made.size(Axis::ep) + ep;
            REQUIRE(
                made.is_at(rank, {{Axis::pp, pp}, {Axis::dp, dp}, {Axis::tp, tp}, {Axis::ep, ep}, {Axis::edp, edp}}));
            REQUIRE(made.ranks_at({{Axis::pp, pp}, {Axis::dp, dp}, {Axis::tp, tp}}) == std::vector<int>{rank});
          }
    REQUIRE(rank == made.ranks());
  }
}

TEST_CASE("coordinates tell a rank from all others, and groups of an axis hold each rank once") {
  for (const Mesh& made : meshes(4)) {
    CAPTURE(grit::to_string(made));
    for (int rank = 0; rank < made.ranks(); ++rank)
      REQUIRE(made.ranks_at(made.coordinates(rank)) == std::vector<int>{rank});
    REQUIRE(made.size(Axis::dp) * made.size(Axis::tp) * made.size(Axis::pp) == made.ranks());
    REQUIRE(made.size(Axis::ep) * made.size(Axis::edp) == made.size(Axis::dp));
    for (const Axis axis : grit::kAxes) {
      std::set<int> seen;
      for (const auto& group : made.groups(axis)) {
        REQUIRE(group.size() == static_cast<std::size_t>(made.size(axis)));
        for (std::size_t place = 0; place < group.size(); ++place) {
          REQUIRE(seen.insert(group[place]).second);
          REQUIRE(made.group(group[place], axis) == group);
          REQUIRE(made.coordinate(group[place], axis) == static_cast<int>(place));
        }
      }
      REQUIRE(seen.size() == static_cast<std::size_t>(made.ranks()));
    }
  }
}

TEST_CASE("ranks of one role are of one stage and hold the same experts") {
  const Mesh made = mesh({{Axis::tp, 2}, {Axis::pp, 2}, {Axis::ep, 2}}, 16);
  REQUIRE(made.roles() == 4);
  CHECK(made.ranks_of(0) == std::vector<int>{0, 1, 4, 5});
  CHECK(made.ranks_of(1) == std::vector<int>{2, 3, 6, 7});
  CHECK(made.ranks_of(3) == std::vector<int>{10, 11, 14, 15});
  CHECK(made.role_name(3) == "stage 1, experts 1");
  for (int role = 0; role < made.roles(); ++role)
    for (const int rank : made.ranks_of(role)) CHECK(made.role(rank) == role);
  CHECK(mesh({{Axis::pp, 4}}, 4).role_name(2) == "stage 2");
  CHECK(mesh({{Axis::ep, 4}}, 4).role_name(2) == "experts 2");
  const Mesh plain = mesh({{Axis::tp, 2}}, 8);
  CHECK(plain.roles() == 1);
  CHECK(plain.role_name(0) == "all ranks");
}

TEST_CASE("without sizes all ranks are on dp, and dp fills what the others leave") {
  const Mesh plain = mesh({}, 8);
  CHECK(plain.only_dp());
  CHECK(plain.size(Axis::dp) == 8);
  CHECK(plain.groups(Axis::dp) == Groups{{0, 1, 2, 3, 4, 5, 6, 7}});
  CHECK(plain.axes() == std::vector{Axis::dp});
  CHECK(plain == mesh({{Axis::dp, 8}}, 8));
  CHECK(mesh({{Axis::tp, 2}, {Axis::pp, 2}}, 16).size(Axis::dp) == 4);
  CHECK_FALSE(mesh({{Axis::ep, 2}}, 8).only_dp());
  CHECK(mesh({}, 1) == Mesh());
  CHECK(grit::to_string(Mesh()) == "dp 1");
  CHECK(mesh({{Axis::tp, 3}}, 3).axes() == std::vector{Axis::tp});
}

TEST_CASE("sizes that cannot be are refused with what would do") {
  CHECK(error_of({{Axis::tp, 3}, {Axis::pp, 2}}, 8) ==
        "tp = 3 and pp = 2 do not divide 8 ranks: tp · pp must be 1, 2, 4 or 8, or run with 6 or 12 ranks");
  CHECK(error_of({{Axis::pp, 3}}, 8) ==
        "pp = 3 does not divide 8 ranks: it must be 1, 2, 4 or 8, or run with 6 or 9 ranks");
  CHECK(contains(error_of({{Axis::tp, 2}, {Axis::pp, 2}}, 2), "or run with 4 ranks"));
  CHECK(error_of({{Axis::dp, 2}, {Axis::tp, 2}}, 8) ==
        "dp = 2 and tp = 2 make 4 ranks, but there are 8: give dp = 4 or leave dp out, or run with 4 ranks");
  CHECK(contains(error_of({{Axis::tp, 1}, {Axis::pp, 3}}, 8), "pp = 3 does not divide 8 ranks: it must be"));
  CHECK(contains(error_of({{Axis::dp, 4}, {Axis::tp, 1}}, 8), "dp = 4 makes 4 ranks, but there are 8"));
  CHECK(error_of({{Axis::tp, 2}, {Axis::ep, 3}}, 8) ==
        "ep = 3 does not divide dp = 4: groups of ep ranks are cut out of dp, so that ep must be 1, 2 or 4");
  CHECK(contains(error_of({{Axis::tp, 0}}, 8), "tp = 0: an axis has at least 1 rank; leave tp out, or give it 1"));
  CHECK(contains(error_of({{Axis::dp, -2}}, 8), "dp = -2"));
  CHECK(contains(error_of({{Axis::tp, 16}}, 8), "tp = 16 is more than there are ranks, 8"));
  CHECK(contains(error_of({{Axis::edp, 2}}, 8), "edp has no size of its own"));
  CHECK(contains(error_of({}, 0), "no ranks"));
  // The products of such sizes do not fit into an int.
  CHECK(contains(error_of({{Axis::tp, 1 << 20}, {Axis::pp, 1 << 20}, {Axis::dp, 1 << 20}}, 1 << 20), "do not divide"));
}

TEST_CASE("coordinates beyond the mesh are refused") {
  const Mesh made = mesh({{Axis::tp, 2}, {Axis::pp, 2}, {Axis::ep, 2}}, 16);
  CHECK(made.check({{Axis::pp, 1}, {Axis::tp, 0}}).has_value());
  CHECK(made.check({{Axis::dp, 3}, {Axis::ep, 1}, {Axis::edp, 1}}).has_value());
  CHECK(wrong(made, {{Axis::pp, 2}}) ==
        "pp = 2 is beyond the mesh, dp 4 (ep 2 × edp 2) × tp 2 × pp 2: there pp is 0 to 1");
  CHECK(contains(wrong(mesh({}, 4), {{Axis::tp, 1}}), "there tp is 0 alone"));
  CHECK(wrong(made, {{Axis::dp, 1}, {Axis::ep, 0}}) ==
        "no rank has dp = 1, ep = 0: ep and edp follow from dp, which is ep + 2 · edp");
}

TEST_CASE("axes survive JSON, and what is none is refused") {
  const Mesh made = mesh({{Axis::tp, 2}, {Axis::ep, 2}}, 8);
  const auto sizes = grit::axis_values_from_json(grit::to_json(made), 1);
  REQUIRE(sizes.has_value());
  CHECK(mesh(*sizes, 8) == made);
  const auto broken = [](const grit::Json& json, int least) {
    const auto values = grit::axis_values_from_json(json, least);
    REQUIRE_FALSE(values.has_value());
    return values.error().message;
  };
  CHECK(contains(broken(grit::Json::array(), 0), "not an object"));
  CHECK(contains(broken({{"cp", 2}}, 0), "no axis \"cp\""));
  CHECK(contains(broken({{"tp", 0}}, 1), "no integer from 1"));
  CHECK(contains(broken({{"tp", 1.5}}, 0), "no integer"));
  CHECK(contains(broken({{"tp", UINT64_MAX}}, 0), "no integer"));
  CHECK(contains(broken({{"tp", std::int64_t{1} << 40}}, 0), "no integer"));
}
