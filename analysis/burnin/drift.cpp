#include "analysis/burnin/drift.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "analysis/burnin/peers.hpp"
#include "analysis/burnin/readings.hpp"
#include "analysis/burnin/words.hpp"
#include "analysis/stats/median.hpp"
#include "harness/model/burnin_measures.hpp"

namespace grit {
namespace {

constexpr double kNotKnown = std::numeric_limits<double>::quiet_NaN();
constexpr double kNoiseTails = 4;  // degrees of freedom of the Student t that noise may be as heavy as
/// A normal distribution's standard deviation by its mean absolute deviation: sqrt(pi / 2).
constexpr double kByMeanDeviation = 1.2533;
/// A fleet's noise is known of itself alone, and too small a one makes all of its differences large at once: so much more
/// is taken, by which the rule keeps its level on 4 cycles to 30, for normal noise and for Student's t of 4 degrees.
constexpr double kFleetNoise = 1.2;
constexpr double kOutsideOfBand = 0.05;  // of the nodes, at each end

/// What one visit says of one node.
struct Visit {
  std::size_t host = 0, size = 0;  // of the cell, in nodes
  std::size_t cycle = 0;           // from 0
  double worse = 0;                // a logarithm
};

struct GatheredVisits {
  std::vector<std::string_view> hosts{};
  std::unordered_map<std::string_view, std::size_t> numbers{};
  std::vector<Visit> visits{};

  void add(std::string_view host, Visit visit) {
    const auto [number, is_new] = numbers.try_emplace(host, hosts.size());
    if (is_new) hosts.push_back(host);
    visit.host = number->second;
    visits.push_back(visit);
  }
};

/// Round, measure and class.
using CourseName = std::tuple<std::string_view, std::string_view, std::string_view>;

/// Of a measure how much worse than in its first cycle each node was in each cycle, and the median over the nodes.
struct Course {
  const BurninMeasure* measure = nullptr;
  CourseName name{};
  std::vector<std::string_view> hosts{};
  std::vector<std::vector<double>> paths{};  // by host and cycle
  std::vector<double> fleet{};               // by cycle
};

/// From a cell's id: "solo/0/n1", "links/0/n1+n2", "training/0/n1+7" of eight nodes.
std::size_t size_of_cell(std::string_view cell) {
  const std::string_view team = cell.substr(std::min(cell.rfind('/') + 1, cell.size()));
  const auto plus = team.rfind('+');
  if (plus == std::string_view::npos) return 1;
  std::size_t others = 0;
  const char* end = team.data() + team.size();
  const auto [read, error] = std::from_chars(team.data() + plus + 1, end, others);
  return error == std::errc() && read == end ? others + 1 : 2;
}

std::map<CourseName, GatheredVisits> gather(const BurninEvidence& evidence, const std::vector<BurninCycle>& cycles) {
  std::map<CourseName, GatheredVisits> courses;
  const auto& observations = *evidence.observations;
  const std::size_t whole = std::min(cycles.back().observations, observations.size());
  std::size_t cycle = 0;
  for (std::size_t i = 0; i < whole; ++i) {
    while (i >= cycles[cycle].observations) ++cycle;
    const BurninObservation& one = observations[i];
    const BurninMeasure* measure = find_burnin_measure(one.measure);
    const auto own = evidence.machine_class->find(one.host);
    if (measure == nullptr || one.confirms || !std::isfinite(one.value) || own == evidence.machine_class->end())
      continue;
    if (measure->better != BurninBetter::higher && measure->better != BurninBetter::lower) continue;
    const std::string_view cell = one.cell;
    const Visit visit{.size = size_of_cell(cell), .cycle = cycle, .worse = worse_log(*measure, one.value)};
    if (!one.peer.empty()) {
      // A link between two classes is none of either, and whom a node meets changes from cycle to cycle.
      const auto other = evidence.machine_class->find(one.peer);
      if (other == evidence.machine_class->end() || other->second != own->second) continue;
    }
    GatheredVisits& gathered = courses[{cell.substr(0, cell.find('/')), measure->name, own->second}];
    gathered.add(one.host, visit);
    if (!one.peer.empty()) gathered.add(one.peer, visit);
  }
  return courses;
}

/// In ascending order.
double middle_of(const std::vector<Visit>& visits, std::size_t from, std::size_t to) {
  const std::size_t upper = (from + to) / 2, lower = (from + to - 1) / 2;
  return (visits[lower].worse + visits[upper].worse) / 2;
}

/// Each size of cells by itself less what it was in the first cycle; the mean over the sizes.
std::vector<std::vector<double>> paths_of(GatheredVisits& gathered, std::size_t cycles) {
  std::vector<Visit>& visits = gathered.visits;
  const auto place = [](const Visit& one) { return std::tuple(one.host, one.size, one.cycle); };
  std::sort(visits.begin(), visits.end(), [&](const Visit& a, const Visit& b) {
    return std::pair(place(a), a.worse) < std::pair(place(b), b.worse);
  });
  std::vector<std::vector<double>> paths(gathered.hosts.size(), std::vector<double>(cycles, 0));
  std::vector<std::vector<int>> sizes(gathered.hosts.size(), std::vector<int>(cycles, 0));
  Visit first{.size = 0};
  for (std::size_t from = 0, to = 0; from < visits.size(); from = to) {
    while (to < visits.size() && place(visits[to]) == place(visits[from])) ++to;
    const Visit now{visits[from].host, visits[from].size, visits[from].cycle, middle_of(visits, from, to)};
    if (now.cycle == 0) first = now;
    if (first.size != now.size || first.host != now.host) continue;  // it has no first cycle
    paths[now.host][now.cycle] += now.worse - first.worse;
    ++sizes[now.host][now.cycle];
  }
  for (std::size_t host = 0; host < paths.size(); ++host)
    for (std::size_t cycle = 0; cycle < cycles; ++cycle)
      paths[host][cycle] = sizes[host][cycle] == 0 ? kNotKnown : paths[host][cycle] / sizes[host][cycle];
  return paths;
}

/// Ascending, of the nodes that have a figure.
std::vector<double> values_in(const Course& course, std::size_t cycle) {
  std::vector<double> values;
  for (const auto& path : course.paths)
    if (!std::isnan(path[cycle])) values.push_back(path[cycle]);
  std::sort(values.begin(), values.end());
  return values;
}

Course course_of(const CourseName& name, GatheredVisits gathered, std::size_t cycles) {
  Course course{.measure = find_burnin_measure(std::get<1>(name)), .name = name};
  course.paths = paths_of(gathered, cycles);
  course.hosts = std::move(gathered.hosts);
  for (std::size_t cycle = 0; cycle < cycles; ++cycle) {
    std::vector<double> values = values_in(course, cycle);
    course.fleet.push_back(values.empty() ? kNotKnown : median(std::move(values)));
  }
  return course;
}

bool can_be_told(std::size_t cycles) { return cycles >= static_cast<std::size_t>(kFewestDriftCycles); }

/// So many of the last cycles are held against as many of the first.
std::size_t pairs_of(std::size_t cycles) { return cycles >= 6 ? 3 : can_be_told(cycles) ? 2 : 1; }

/// Of the last cycles; not known where one of them is not.
double late_of(const std::vector<double>& path) {
  double sum = 0;
  const std::size_t pairs = pairs_of(path.size());
  std::vector<double> late(path.end() - static_cast<std::ptrdiff_t>(pairs), path.end());
  for (const double value : late) sum += value;
  return std::isnan(sum) ? kNotKnown : median(std::move(late));
}

/// The last cycles less the first, in their order; none where one of them is not known.
std::vector<double> late_less_early(const std::vector<double>& path) {
  std::vector<double> differences;
  const std::size_t pairs = pairs_of(path.size());
  for (std::size_t i = 0; i < pairs; ++i) {
    differences.push_back(path[path.size() - pairs + i] - path[i]);
    if (std::isnan(differences.back())) return {};
  }
  return differences;
}

/// The standard deviation of a difference between two cycles, of those that follow each other; their median is drift.
double noise_of(const std::vector<double>& path) {
  std::vector<double> steps;
  for (std::size_t cycle = 1; cycle < path.size(); ++cycle)
    if (const double step = path[cycle] - path[cycle - 1]; !std::isnan(step)) steps.push_back(step);
  if (steps.size() < 2) return kNotKnown;
  const double middle = median(steps);
  double sum = 0;
  for (const double step : steps) sum += std::abs(step - middle);
  return kByMeanDeviation * sum / static_cast<double>(steps.size() - 1);
}

/// That noise alone puts all of the differences beyond the limit.
double chance_of(const std::vector<double>& differences, double limit, double noise, double degrees) {
  if (differences.empty() || std::isnan(noise)) return 1;
  const double least = *std::min_element(differences.begin(), differences.end()) - limit;
  if (least <= 0) return 1;
  if (noise <= 0) return 0;
  return std::pow(student_t_above(least / noise, degrees), static_cast<double>(differences.size()));
}

/// A node of which it can be told whether it got worse.
struct Told {
  std::size_t host = 0;
  double chance = 1;
  double worse = 0, beyond_fleet = 0;  // logarithms
};

std::vector<Told> told_of(const Course& course, double tolerance) {
  std::vector<Told> told;
  const auto is_known = [](const auto& path) { return !std::isnan(path.front()); };
  const auto known = static_cast<std::size_t>(std::count_if(course.paths.begin(), course.paths.end(), is_known));
  if (!can_be_told(course.fleet.size()) || course.measure->scope != BurninScope::node || known < kFewestPeers)
    return told;
  std::vector<std::vector<double>> beyond = course.paths;
  std::vector<double> noises, known_noises;
  for (auto& path : beyond) {
    for (std::size_t cycle = 0; cycle < path.size(); ++cycle) path[cycle] -= course.fleet[cycle];
    noises.push_back(noise_of(path));
    if (!std::isnan(noises.back())) known_noises.push_back(noises.back());
  }
  const double middle_noise = median(std::move(known_noises));
  for (std::size_t host = 0; host < beyond.size(); ++host) {
    const auto differences = late_less_early(beyond[host]);
    if (differences.empty() || std::isnan(noises[host])) continue;
    const double noise = std::max(noises[host], middle_noise);
    told.push_back({host, chance_of(differences, tolerance, noise, kNoiseTails), late_of(course.paths[host]),
                    late_of(beyond[host])});
  }
  return told;
}

/// Of all points the first, the last, and those at even distances between them.
std::vector<std::size_t> drawn_cycles(std::size_t cycles) {
  std::vector<std::size_t> drawn;
  const std::size_t points = std::min(cycles, kMostDriftPoints);
  for (std::size_t i = 0; i < points; ++i) drawn.push_back((i * (cycles - 1) + (points - 1) / 2) / (points - 1));
  return drawn;
}

BurninDrift without_verdicts(const Course& course, const std::vector<BurninCycle>& cycles) {
  const BurninMeasure& measure = *course.measure;
  BurninDrift drift{.measure = std::string(measure.name),
                    .round = std::string(std::get<0>(course.name)),
                    .machine_class = std::string(std::get<2>(course.name)),
                    .cycles = static_cast<int>(cycles.size())};
  for (const std::size_t cycle : drawn_cycles(cycles.size())) {
    const std::vector<double> values = values_in(course, cycle);
    if (values.empty()) continue;
    const auto outside = static_cast<std::size_t>(kOutsideOfBand * static_cast<double>(values.size()));
    drift.points.push_back({.cycle = static_cast<int>(cycle) + 1,
                            .at_ns = cycles[cycle].at_ns,
                            .nodes = static_cast<int>(values.size()),
                            .middle = worse_fraction(measure, course.fleet[cycle]),
                            .low = worse_fraction(measure, values[outside]),
                            .high = worse_fraction(measure, values[values.size() - 1 - outside])});
  }
  if (const double late = late_of(course.fleet); !std::isnan(late)) drift.shift = worse_fraction(measure, late);
  return drift;
}

BurninDrift::Node node_of(const Course& course, const Told& told) {
  const BurninMeasure& measure = *course.measure;
  BurninDrift::Node node{.host = std::string(course.hosts[told.host]),
                         .worse = worse_fraction(measure, told.worse),
                         .beyond_fleet = worse_fraction(measure, told.beyond_fleet)};
  const std::vector<double>& path = course.paths[told.host];
  for (const std::size_t cycle : drawn_cycles(path.size())) {
    if (std::isnan(path[cycle])) continue;
    node.cycles.push_back(static_cast<int>(cycle) + 1);
    node.path.push_back(worse_fraction(measure, path[cycle]));
  }
  return node;
}

void name_slower(BurninDrift& drift, const Course& course, std::vector<Told> told, double level) {
  drift.nodes_told = static_cast<int>(told.size());
  std::erase_if(told, [&](const Told& one) { return one.chance > level; });
  std::sort(told.begin(), told.end(), [](const Told& a, const Told& b) {
    return std::pair(-a.beyond_fleet, a.host) < std::pair(-b.beyond_fleet, b.host);
  });
  for (std::size_t i = 0; i < told.size() && i < kMostDriftNodes; ++i) drift.slower.push_back(node_of(course, told[i]));
  drift.more_slower = static_cast<int>(told.size() - drift.slower.size());
}

bool is_beyond_noise(const Course& course, double level) {
  const std::size_t cycles = course.fleet.size();
  if (!can_be_told(cycles)) return false;
  const double degrees = std::clamp(static_cast<double>(cycles - 1) / 3, 1.0, kNoiseTails);
  const double noise = kFleetNoise * noise_of(course.fleet);
  std::vector<double> worse = late_less_early(course.fleet), better = worse;
  for (double& value : better) value = -value;
  return 2 * std::min(chance_of(worse, 0, noise, degrees), chance_of(better, 0, noise, degrees)) <= level;
}

}  // namespace

std::vector<BurninDrift> burnin_drift(const BurninEvidence& evidence, const std::vector<BurninCycle>& cycles) {
  if (cycles.size() < 2) return {};
  std::vector<Course> courses;
  for (auto& [name, gathered] : gather(evidence, cycles)) {
    courses.push_back(course_of(name, std::move(gathered), cycles.size()));
    const auto& fleet = courses.back().fleet;
    if (std::isnan(fleet.front()) ||
        std::all_of(fleet.begin() + 1, fleet.end(), [](double x) { return std::isnan(x); }))
      courses.pop_back();
  }
  std::vector<std::vector<Told>> told;
  std::size_t all_told = 0;
  for (const Course& course : courses) {
    told.push_back(told_of(course, tolerance_in(*evidence.config, *course.measure)));
    all_told += told.back().size();
  }
  std::vector<BurninDrift> drifts;
  for (std::size_t i = 0; i < courses.size(); ++i) {
    drifts.push_back(without_verdicts(courses[i], cycles));
    drifts.back().is_beyond_noise = is_beyond_noise(courses[i], kDriftWrong / static_cast<double>(courses.size()));
    name_slower(drifts.back(), courses[i], std::move(told[i]),
                kDriftWrong / std::max(static_cast<double>(all_told), 1.0));
  }
  return drifts;
}

}  // namespace grit
