// Where the run took place and how to run it again.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/tables/sections.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/base/units.hpp"
#include "harness/model/imported_job.hpp"

namespace grit {
namespace {

/// Long lists of one node (interrupt tables, environment variables) are cut: env/<node>.json holds them all.
constexpr std::size_t kMaxMembers = 300;

/// Of a large cluster the page lists this many nodes, those with a fault first.
constexpr std::size_t kMaxNodes = 64;

std::set<int> listed_nodes(const Plan& plan) {
  std::set<int> listed;
  for (const PlannedFault& fault : plan.faults)
    if (listed.size() < kMaxNodes) listed.insert(fault.node);
  for (const Node& node : plan.topology.nodes)
    if (listed.size() < kMaxNodes) listed.insert(node.index);
  return listed;
}

std::string left_out_note(const Plan& plan, const std::set<int>& listed) {
  if (listed.size() >= plan.topology.nodes.size()) return "";
  return element("p",
                 fmt::format("{} of {} nodes are listed, those with a fault first; plan.json and env/ have all.",
                             listed.size(), plan.topology.nodes.size()),
                 "note");
}

/// Of a node with more ranks the mesh shows this many.
constexpr std::size_t kMaxPlaces = 16;
/// Colours of roles in report.css; with more roles they repeat.
constexpr int kRoleColours = 7;

/// The faults that act on a node, by name.
std::map<int, std::set<std::string>> faults_by_node(const Plan& plan) {
  std::map<int, std::set<std::string>> names;
  for (const PlannedFault& fault : plan.faults)
    if (!fault.passive) names[fault.node].insert(fault.name);
  return names;
}

/// Does a fault act on this rank, and not on all of its node?
bool is_chosen(const Plan& plan, const Mesh& mesh, int node, int rank) {
  return std::any_of(plan.faults.begin(), plan.faults.end(), [&](const PlannedFault& fault) {
    return fault.node == node && !fault.ranks.empty() && mesh.is_at(rank, fault.ranks);
  });
}

std::string rank_cell(const Plan& plan, const Mesh& mesh, const Node& node, std::size_t place) {
  if (place >= node.ranks.size()) return "<td></td>";
  const int rank = node.ranks[place];
  const AxisValues at = mesh.coordinates(rank);
  std::string label;
  for (const auto& [axis, value] : at)
    label += fmt::format("{}{} {}", label.empty() ? "" : " · ", to_string(axis), value);
  const std::string role = mesh.roles() > 1 ? fmt::format("role{}", mesh.role(rank) % kRoleColours) : "role";
  const bool chosen = is_chosen(plan, mesh, node.index, rank);
  const std::string tip = fmt::format("rank {} on {}: {}; {}{}", rank, node.name, to_string(at),
                                      mesh.role_name(mesh.role(rank)), chosen ? "; has a fault" : "");
  return fmt::format("<td class=\"{}{}\" title=\"{}\"><b>{}</b> {}</td>", role, chosen ? " hit" : "", escape_html(tip),
                     rank, escape_html(label));
}

std::string mesh_table(const Plan& plan, const Mesh& mesh, const std::set<int>& listed) {
  const auto faults = faults_by_node(plan);
  std::size_t places = 0;
  std::string head = "<thead><tr><th scope=\"col\">place</th>";
  for (const Node& node : plan.topology.nodes) {
    if (!listed.contains(node.index)) continue;
    places = std::max(places, node.ranks.size());
    const auto found = faults.find(node.index);
    head += fmt::format(
        "<th scope=\"col\"{}>{}{}</th>", found == faults.end() ? "" : " class=\"hit\"", escape_html(node.name),
        found == faults.end() ? "" : element("span", fmt::format("{}", fmt::join(found->second, ", "))));
  }
  std::string html =
      "<div class=\"scroll\" tabindex=\"0\"><table class=\"mesh\">" +
      element("caption", "A column for each node, a row for each of its ranks, in the order of their places on it") +
      head + "</tr></thead><tbody>\n";
  for (std::size_t place = 0; place < std::min(places, kMaxPlaces); ++place) {
    html += fmt::format("<tr><th scope=\"row\">{}</th>", place);
    for (const Node& node : plan.topology.nodes)
      if (listed.contains(node.index)) html += rank_cell(plan, mesh, node, place);
    html += "</tr>\n";
  }
  html += "</tbody></table></div>\n";
  if (places > kMaxPlaces)
    html += element("p", fmt::format("Of each node the first {} of {} ranks are drawn.", kMaxPlaces, places), "note");
  return html + left_out_note(plan, listed);
}

/// Which colour is which role, and what a mark means.
std::string mesh_legend(const Plan& plan, const Mesh& mesh) {
  std::string html = "<p class=\"legend\">";
  for (int role = 0; mesh.roles() > 1 && role < std::min(mesh.roles(), kRoleColours); ++role)
    html += fmt::format("<span class=\"key\"><span class=\"swatch role{}\"></span>{}</span>", role,
                        escape_html(mesh.role_name(role)));
  if (mesh.roles() > kRoleColours) html += "<span class=\"key\">and so on: the colours repeat</span>";
  if (!plan.faults.empty()) html += "<span class=\"key\"><span class=\"swatch window\"></span>has a fault</span>";
  return html + "</p>\n";
}

std::string_view role_name(NicRole role) {
  switch (role) {
    case NicRole::data:
      return "data";
    case NicRole::management:
      return "management";
    case NicRole::other:
      return "other";
  }
  return "other";
}

std::string or_unknown(const std::string& text) { return text.empty() ? "unknown" : text; }

std::string format_gib(std::int64_t bytes) {
  return bytes > 0 ? fmt::format("{:.3g} GiB", static_cast<double>(bytes) / (1024.0 * 1024 * 1024)) : "unknown";
}

std::string node_table(const Plan& plan, const std::set<int>& listed) {
  HtmlTable table("Nodes", {"node", "ranks", "CPU", "cores", "NUMA nodes", "memory", "kernel"});
  for (const Node& node : plan.topology.nodes) {
    if (!listed.contains(node.index)) continue;
    table.row({node_name(plan, node.index), plain_text(Json(node.ranks)), or_unknown(node.cpu_model),
               Cell(std::to_string(node.cores), "number"), Cell(std::to_string(node.numa_nodes), "number"),
               Cell(format_gib(node.memory_bytes), "number"), or_unknown(node.kernel)});
  }
  return table.html() + left_out_note(plan, listed);
}

std::string nic_table(const Plan& plan, const std::set<int>& listed) {
  HtmlTable table("Network interfaces",
                  {"node", "interface", "role", "because", "driver", "speed", "MTU", "addresses", "up"});
  for (const Node& node : plan.topology.nodes) {
    if (!listed.contains(node.index)) continue;
    for (const Nic& nic : node.nics)
      table.row({node_name(plan, node.index), nic.name, std::string(role_name(nic.role)), nic.role_evidence,
                 or_unknown(nic.driver),
                 nic.speed_bits_per_s > 0 ? format_quantity(nic.speed_bits_per_s, Unit::bits_per_s) : "not reported",
                 Cell(std::to_string(nic.mtu_bytes), "number"), plain_text(Json(nic.addresses)),
                 nic.up ? "yes" : "no"});
  }
  return table.rows() == 0 ? "" : table.html();
}

/// One row for every scalar or list in a JSON value: "memory.total", "17179869184".
void add_members(HtmlTable& table, const std::string& path, const Json& value) {
  const bool nested = value.is_object() || (value.is_array() && !value.empty() && value.front().is_structured());
  if (!nested) {
    if (table.rows() < kMaxMembers) table.row({path.empty() ? "value" : path, plain_text(value)});
    return;
  }
  for (const auto& [key, member] : value.items()) add_members(table, path.empty() ? key : path + "." + key, member);
}

std::string members_details(const std::string& title, const Json& value) {
  HtmlTable table(title, {"what", "value"});
  add_members(table, "", value);
  const std::string note = table.rows() < kMaxMembers
                               ? ""
                               : element("p", "Only the first values are listed; the run directory holds all.", "note");
  return details(title, table.html() + note);
}

std::string environment_name(const Json& environment, std::size_t index) {
  const std::string name = text_or(environment, "hostname", "");
  return name.empty() ? fmt::format("node {}", index) : name;
}

/// As one line that can be pasted; run.json has it as text or as a list of words.
std::string command_line(const Json& run) {
  const auto found = run.find("command_line");
  if (found == run.end()) return "";
  if (!found->is_array()) return plain_text(*found);
  std::vector<std::string> words;
  for (const Json& word : *found) words.push_back(plain_text(word));
  return shell_command(words);
}

std::string version(const Json& run) {
  const std::string commit = text_or(run, "commit", "");
  return text_or(run, "version", "unknown") + (commit.empty() ? "" : " (" + commit + ")");
}

std::string design_text(const Design& design) {
  const std::string length = design.block_ns > 0 ? format_duration(static_cast<double>(design.block_ns))
                                                 : fmt::format("{} steps", design.block_steps);
  return fmt::format(
      "{} pairs of a baseline and a fault block in random order, {} each; the first {} steps of a block are not "
      "measured; "
      "{} warm-up steps",
      design.pairs, length, design.settle_steps, design.warmup_steps);
}

}  // namespace

std::string mesh_section(const Plan& plan) {
  const Mesh mesh = mesh_of(plan);
  if (mesh.only_dp()) return "";
  const std::string text =
      fmt::format("{}, counted along tp first, then dp, then pp. Ranks of one role do the same work in every step.",
                  to_string(mesh));
  return "<section aria-labelledby=\"mesh-title\">\n<h2 id=\"mesh-title\">How the ranks share the work</h2>\n" +
         element("p", text) + "\n" + mesh_table(plan, mesh, listed_nodes(plan)) + mesh_legend(plan, mesh) +
         "</section>\n";
}

std::string environment_section(const ReportInput& input) {
  std::string html = "<h2>Where it ran</h2>\n";
  const std::set<int> listed = listed_nodes(input.plan);
  if (input.plan.topology.nodes.empty()) {
    html += element("p", "The plan names no nodes.", "missing");
  } else {
    html += node_table(input.plan, listed) + nic_table(input.plan, listed);
  }
  for (std::size_t i = 0; i < input.environments.size(); ++i)
    if (input.environments.size() <= kMaxNodes || listed.contains(static_cast<int>(i)))
      html +=
          members_details("All that was found on " + environment_name(input.environments[i], i), input.environments[i]);
  if (input.environments.empty() && !input.plan.topology.nodes.empty())
    html += element("p", "The run directory holds no further description of the nodes (env/).", "missing");
  return html;
}

std::string rerun_section(const ReportInput& input) {
  const std::string run_directory = text_or(input.run, "directory", "RUN");
  std::string html;
  if (input.plan.workload.name == kImportedJob) {
    html = "<h2>Where it is from</h2>\n";
  } else {
    html = "<h2>Run it again</h2>\n<pre class=\"command\"><code>" +
           escape_html("grit replay " + shell_word(run_directory)) + "</code></pre>\n";
    html += element("p", run_directory == "RUN"
                             ? "RUN is the directory that holds this page. A replay uses the same plan: the "
                               "same seed, order of blocks and faults."
                             : "A replay uses the same plan: the same seed, order of blocks and faults.");
  }
  HtmlTable table("This run", {"what", "value"});
  if (const std::string command = command_line(input.run); !command.empty()) table.row({"command line", command});
  table.row({"seed", std::to_string(input.plan.seed)});
  table.row({"grit version", version(input.run)});
  table.row({"design", design_text(input.plan.design)});
  if (!input.plan.workload.name.empty())
    table.row({"workload", input.plan.workload.name + " " + plain_text(input.plan.workload.params)});
  for (const auto& [name, value] : input.plan.options.items()) table.row({"option " + name, plain_text(value)});
  for (const Guard& guard : input.plan.guards)
    table.row({guard.refused ? "refused" : "allowed by " + guard.override_flag, guard.what});
  html += table.html();
  if (!input.run.empty()) html += members_details("All of run.json", input.run);
  return html;
}

}  // namespace grit
