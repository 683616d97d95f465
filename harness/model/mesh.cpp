#include "harness/model/mesh.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "harness/base/shortened.hpp"

namespace grit {
namespace {

constexpr std::array<std::pair<Axis, std::string_view>, kAxes.size()> kAxisNames{
    {{Axis::dp, "dp"}, {Axis::tp, "tp"}, {Axis::pp, "pp"}, {Axis::ep, "ep"}, {Axis::edp, "edp"}}};

/// "1, 2, 4 or 8": what divides the number.
std::string divisors_text(int number) {
  std::vector<int> all;
  for (int one = 1; one <= number; ++one)
    if (number % one == 0) all.push_back(one);
  const int last = all.back();
  all.pop_back();
  return all.empty() ? std::to_string(last) : fmt::format("{} or {}", fmt::join(all, ", "), last);
}

/// "tp = 3 and pp = 2"; without those that were not given, or add no ranks, but for dp.
std::string given_text(const AxisValues& sizes, std::initializer_list<Axis> axes) {
  std::vector<std::string> words;
  for (const Axis axis : axes)
    if (const auto found = sizes.find(axis); found != sizes.end() && (found->second > 1 || axis == Axis::dp))
      words.push_back(to_string(AxisValues{*found}));
  return fmt::format("{}", fmt::join(words, " and "));
}

Status check_sizes(const AxisValues& sizes, int ranks) {
  for (const auto& [axis, size] : sizes) {
    const std::string_view name = to_string(axis);
    if (axis == Axis::edp) return usage_error("edp has no size of its own: it is dp / ep");
    if (size < 1)
      return usage_error(
          fmt::format("{0} = {1}: an axis has at least 1 rank; leave {0} out, or give it 1", name, size));
    if (size > ranks)
      return usage_error(fmt::format(
          "{} = {} is more than there are ranks, {}: make it smaller, or run with more ranks", name, size, ranks));
  }
  return {};
}

/// What dp is. Error (usage): the sizes do not make up the ranks.
Result<int> data_parallel_size(const AxisValues& sizes, std::int64_t tp, std::int64_t pp, int ranks) {
  const std::int64_t model = tp * pp;
  if (ranks % model != 0) {
    const bool both = tp > 1 && pp > 1;
    const std::int64_t below = ranks / model * model, above = below + model;
    return usage_error(fmt::format("{} {} not divide {} ranks: {} must be {}, or run with {} ranks",
                                   given_text(sizes, {Axis::tp, Axis::pp}), both ? "do" : "does", ranks,
                                   both ? "tp · pp" : "it", divisors_text(ranks),
                                   below > 0 ? fmt::format("{} or {}", below, above) : std::to_string(above)));
  }
  const auto rest = static_cast<int>(ranks / model);
  const auto given = sizes.find(Axis::dp);
  if (given == sizes.end() || given->second == rest) return rest;
  const std::int64_t made = given->second * model;
  return usage_error(fmt::format("{} {} {} ranks, but there are {}: give dp = {} or leave dp out, or run with {} ranks",
                                 given_text(sizes, {Axis::dp, Axis::tp, Axis::pp}), model == 1 ? "makes" : "make", made,
                                 ranks, rest, made));
}

}  // namespace

std::string_view to_string(Axis axis) {
  for (const auto& [known, name] : kAxisNames)
    if (known == axis) return name;
  GRIT_ASSERT(!"an Axis without a name");
  return {};
}

std::optional<Axis> axis_called(std::string_view name) {
  for (const auto& [axis, known] : kAxisNames)
    if (known == name) return axis;
  return std::nullopt;
}

std::string to_string(const AxisValues& values) {
  std::vector<std::string> words;
  for (const auto& [axis, value] : values) words.push_back(fmt::format("{} = {}", to_string(axis), value));
  return fmt::format("{}", fmt::join(words, ", "));
}

Result<Mesh> Mesh::over(const AxisValues& sizes, int ranks) {
  if (ranks < 1) return usage_error("there are no ranks");
  GRIT_CHECK(check_sizes(sizes, ranks));
  const auto given = [&](Axis axis) {
    const auto found = sizes.find(axis);
    return found == sizes.end() ? 1 : found->second;
  };
  Mesh mesh;
  mesh.tp_ = given(Axis::tp), mesh.pp_ = given(Axis::pp), mesh.ep_ = given(Axis::ep);
  GRIT_TRY(mesh.dp_, data_parallel_size(sizes, mesh.tp_, mesh.pp_, ranks));
  if (mesh.dp_ % mesh.ep_ != 0)
    return usage_error(
        fmt::format("ep = {} does not divide dp = {}: groups of ep ranks are cut out of dp, so that ep must be {}",
                    mesh.ep_, mesh.dp_, divisors_text(mesh.dp_)));
  return mesh;
}

int Mesh::size(Axis axis) const {
  switch (axis) {
    case Axis::dp:
      return dp_;
    case Axis::tp:
      return tp_;
    case Axis::pp:
      return pp_;
    case Axis::ep:
      return ep_;
    case Axis::edp:
      return dp_ / ep_;
  }
  GRIT_ASSERT(!"an Axis without a size");
  return 1;
}

int Mesh::stride(Axis axis) const {
  switch (axis) {
    case Axis::tp:
      return 1;
    case Axis::dp:
    case Axis::ep:
      return tp_;
    case Axis::edp:
      return tp_ * ep_;
    case Axis::pp:
      return tp_ * dp_;
  }
  GRIT_ASSERT(!"an Axis without a stride");
  return 1;
}

std::vector<Axis> Mesh::axes() const {
  std::vector<Axis> all;
  for (const Axis axis : kAxes)
    if (size(axis) > 1 && (axis != Axis::edp || ep_ > 1)) all.push_back(axis);
  return all;
}

int Mesh::coordinate(int rank, Axis axis) const { return rank / stride(axis) % size(axis); }

AxisValues Mesh::coordinates(int rank) const {
  AxisValues all;
  for (const Axis axis : axes())
    if (axis != Axis::edp) all[axis] = coordinate(rank, axis);
  return all;
}

bool Mesh::is_at(int rank, const AxisValues& coordinates) const {
  return std::all_of(coordinates.begin(), coordinates.end(),
                     [&](const auto& one) { return coordinate(rank, one.first) == one.second; });
}

std::vector<int> Mesh::ranks_at(const AxisValues& coordinates) const {
  std::vector<int> all;
  for (int rank = 0; rank < ranks(); ++rank)
    if (is_at(rank, coordinates)) all.push_back(rank);
  return all;
}

Status Mesh::check(const AxisValues& coordinates) const {
  for (const auto& [axis, value] : coordinates) {
    const int count = size(axis);
    if (value >= 0 && value < count) continue;
    const std::string there = count == 1 ? "0 alone" : fmt::format("0 to {}", count - 1);
    return usage_error(fmt::format("{0} = {1} is beyond the mesh, {2}: there {0} is {3}", to_string(axis), value,
                                   to_string(*this), there));
  }
  if (coordinates.contains(Axis::dp) && ranks_at(coordinates).empty())
    return usage_error(
        fmt::format("no rank has {}: ep and edp follow from dp, which is ep + {} · edp", to_string(coordinates), ep_));
  return {};
}

std::vector<int> Mesh::group(int rank, Axis axis) const {
  const int first = rank - coordinate(rank, axis) * stride(axis);
  std::vector<int> all;
  for (int i = 0; i < size(axis); ++i) all.push_back(first + i * stride(axis));
  return all;
}

std::vector<std::vector<int>> Mesh::groups(Axis axis) const {
  std::vector<std::vector<int>> all;
  for (int rank = 0; rank < ranks(); ++rank)
    if (coordinate(rank, axis) == 0) all.push_back(group(rank, axis));
  return all;
}

std::string Mesh::role_name(int role) const {
  const std::string stage = fmt::format("stage {}", role / ep_), experts = fmt::format("experts {}", role % ep_);
  if (pp_ > 1 && ep_ > 1) return stage + ", " + experts;
  return pp_ > 1 ? stage : ep_ > 1 ? experts : "all ranks";
}

std::string to_string(const Mesh& mesh) {
  std::vector<std::string> words;
  for (const Axis axis : {Axis::dp, Axis::tp, Axis::pp}) {
    if (mesh.size(axis) == 1) continue;
    words.push_back(fmt::format("{} {}", to_string(axis), mesh.size(axis)));
    if (axis == Axis::dp && mesh.size(Axis::ep) > 1)
      words.back() += fmt::format(" (ep {} × edp {})", mesh.size(Axis::ep), mesh.size(Axis::edp));
  }
  return words.empty() ? "dp 1" : fmt::format("{}", fmt::join(words, " × "));
}

Json to_json(const Mesh& mesh) {
  Json json = Json::object();
  for (const Axis axis : {Axis::dp, Axis::tp, Axis::pp, Axis::ep}) json[std::string(to_string(axis))] = mesh.size(axis);
  return json;
}

Json to_json(const AxisValues& values) {
  Json json = Json::object();
  for (const auto& [axis, value] : values) json[std::string(to_string(axis))] = value;
  return json;
}

Result<AxisValues> axis_values_from_json(const Json& json, int least) {
  if (!json.is_object()) return usage_error("not an object of axes");
  AxisValues values;
  for (const auto& [name, value] : json.items()) {
    const auto axis = axis_called(name);
    if (!axis) return usage_error(fmt::format("there is no axis \"{}\"", shortened(name)));
    const bool fits = value.is_number_integer() &&
                      (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT_MAX) &&
                      value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= INT_MAX;
    if (!fits)
      return usage_error(fmt::format("\"{}\" is {}, no integer from {}", name, shortened(json_text(value)), least));
    values[*axis] = value.get<int>();
  }
  return values;
}

}  // namespace grit
