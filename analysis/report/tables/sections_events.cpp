// What the run's events say: evidence for the faults, kernel notifications, checks, incidents.
#include <fmt/format.h>

#include <algorithm>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/tables/sections.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

Cell count_cell(int count, int windows) {
  if (windows == 0) return {"none ran", "unknown"};
  return {fmt::format("{} {}/{}", count >= windows ? "✓" : "✗", count, windows), count >= windows ? "good" : "bad"};
}

/// Of the windows in which it is not so, some may be merely unread.
Cell proven_cell(int count, const FaultResult& fault) {
  if (count >= fault.windows || fault.unread == 0) return count_cell(count, fault.windows);
  return {fmt::format("? {}/{}, not known in {}", count, fault.windows, fault.unread), "unknown"};
}

/// Of a table that does not show all of its rows.
std::string csv_note(const HtmlTable& table, std::string_view file) {
  if (table.rows() <= HtmlTable::kMostRows) return "";
  return element("p", fmt::format("All are in {}, which grit report --csv writes.", file), "note");
}

Cell harmful_cell(const std::optional<bool>& harmful) {
  if (!harmful) return {"? cannot tell", "unknown"};
  return *harmful ? Cell{"✓ yes", "good"} : Cell{"no", ""};
}

std::string event_time(const Json& event, const RunData& data) {
  return fmt::format("{:.3f}",
                     data.axis.seconds(static_cast<int>(integer_at(event, "node", 0)), integer_at(event, "t_ns", 0)));
}

std::string event_node(const Json& event, const Plan& plan) {
  return node_name(plan, static_cast<int>(integer_at(event, "node", -1)));
}

/// The members of an event that its table has no column for: "speed: 10000; driver: veth".
std::string other_members(const Json& event, std::initializer_list<std::string_view> shown) {
  std::string text;
  for (const auto& [key, value] : event.items()) {
    if (std::find(shown.begin(), shown.end(), key) != shown.end()) continue;
    text += (text.empty() ? "" : "; ") + key + ": " + plain_text(value);
  }
  return text;
}

/// Counters that differ: "carrier_changes 12 → 14".
void append_changes(const Json& before, const Json& after, const std::string& prefix, std::string& text) {
  for (const auto& [key, value] : after.items()) {
    const auto old = before.is_object() ? before.find(key) : before.end();
    const Json previous = old != before.end() ? *old : Json();
    if (value.is_object()) {
      append_changes(previous, value, prefix + key + ".", text);
    } else if (value != previous) {
      text += (text.empty() ? "" : "; ") + prefix + key + " " + (previous.is_null() ? "none" : plain_text(previous)) +
              " → " + plain_text(value);
    }
  }
}

std::string acting_text(const Json& event) {
  std::string text;
  const auto before = event.find("before"), after = event.find("after");
  if (before != event.end() && after != event.end() && after->is_object()) append_changes(*before, *after, "", text);
  return text.empty() ? "no counter moved" : text;
}

std::string fault_event_text(const Json& event) {
  std::string text = text_or(event, "message", "");
  if (const auto reading = event.find("reading"); reading != event.end() && !reading->empty())
    text += (text.empty() ? "" : "; ") + std::string("read back: ") + plain_text(*reading);
  if (const std::string why = text_or(event, "why", ""); !why.empty())
    text += (text.empty() ? "" : "; ") + std::string("because: ") + why;
  return text;
}

std::string fault_log(const ReportInput& input, const RunData& data) {
  HtmlTable table("What was done, and what the kernel showed",
                  {"time (s)", "node", "fault", "block", "what", "ok", "detail"});
  input.events.for_each_of({"fault", "acting"}, [&](const Json& event) {
    const std::string type = text_or(event, "type", "");
    if (type != "fault" && type != "acting") return;
    if (table.full()) return table.leave_out();
    const bool ok = truth_at(event, "ok");
    table.row({Cell(event_time(event, data), "number"), event_node(event, input.plan),
               fault_label(input.plan, static_cast<int>(integer_at(event, "fault", -1))),
               Cell(std::to_string(integer_at(event, "block", -1)), "number"),
               type == "acting" ? "counters" : text_or(event, "action", ""), Cell(ok ? "✓" : "✗", ok ? "good" : "bad"),
               type == "acting" ? acting_text(event) : fault_event_text(event)});
  });
  if (table.rows() == 0) return "";
  return details(fmt::format("Fault log ({} entries)", table.rows()), table.html());
}

std::string witness_log(const ReportInput& input, const RunData& data) {
  HtmlTable table("Notifications by the kernel itself", {"time (s)", "node", "fault", "block", "what", "more"});
  input.events.for_each_of({"witness"}, [&](const Json& event) {
    if (text_or(event, "type", "") != "witness") return;
    if (table.full()) return table.leave_out();
    table.row({Cell(event_time(event, data), "number"), event_node(event, input.plan),
               fault_label(input.plan, static_cast<int>(integer_at(event, "fault", -1))),
               Cell(std::to_string(integer_at(event, "block", -1)), "number"), text_or(event, "what", ""),
               other_members(event, {"type", "t_ns", "node", "fault", "block", "what"})});
  });
  if (table.rows() == 0) return element("p", "The kernel sent no notification of its own about a fault.", "missing");
  return details(fmt::format("Kernel notifications ({})", table.rows()), table.html());
}

std::string anchor_text(const Plan& plan, const Anchor& anchor) {
  switch (anchor.kind) {
    case Anchor::Kind::block:
      return "";
    case Anchor::Kind::step:
      return fmt::format(", counted from the start of step {}", anchor.step);
    case Anchor::Kind::applied:
      return fmt::format(", counted from when {} came into force", fault_label(plan, anchor.fault));
    case Anchor::Kind::reverted:
      return fmt::format(", counted from when {} was off again", fault_label(plan, anchor.fault));
  }
  return "";
}

std::string planned_faults(const Plan& plan) {
  HtmlTable table("Faults as planned (times in ns, sizes in bytes, rates in bit/s)",
                  {"fault", "mechanism", "undo class", "parameters", "in force, from the block's start (s)"});
  for (const PlannedFault& fault : plan.faults) {
    std::string params, pulses;
    for (const auto& [key, value] : fault.params.items())
      params += (params.empty() ? "" : ", ") + key + " = " + plain_text(value);
    for (const Pulse& pulse : fault.pulses)
      pulses += (pulses.empty() ? "" : ", ") + fmt::format("{:g}", static_cast<double>(pulse.start_ns) / 1e9) + " to " +
                (pulse.end_ns < 0 ? "the block's end" : fmt::format("{:g}", static_cast<double>(pulse.end_ns) / 1e9)) +
                (pulse.block < 0 ? "" : fmt::format(" in block {}", pulse.block));
    pulses += anchor_text(plan, fault.anchor);
    table.row({fault_label(plan, fault.id), fault.mechanism, std::string(to_string(fault.undo)), params, pulses});
  }
  return details("Faults as planned", table.html());
}

Cell acted_cell(const FaultResult& fault) {
  const std::string text = acted_text(fault.acted);
  return text.empty() ? Cell("none moved", "unknown") : Cell(text);
}

void timing_row(HtmlTable& table, const std::string& what, const std::string& fault,
                const std::optional<Lateness>& lateness, const std::string& clocks) {
  if (!lateness) return;
  const auto time = [](std::int64_t ns) { return Cell(format_duration(static_cast<double>(ns)), "number"); };
  table.row({what, fault, time(lateness->p50_ns), time(lateness->p99_ns), time(lateness->max_ns),
             Cell(std::to_string(lateness->count), "number"), clocks});
}

std::string timing_table(const Verdict& verdict) {
  if (!verdict.onset && !verdict.end && !verdict.skew) return "";
  HtmlTable table(
      "How punctual they were. Onset: from when a fault was due, counted from its block's first step, to when it was "
      "in force. End: from the end of its pulse, or of its block's last step, to when it was off. Skew: the same fault "
      "on several nodes.",
      {"what", "fault", "p50", "p99", "maximum", "times", "clock"});
  for (const FaultResult& fault : verdict.faults) {
    const std::string label =
        fault.name + " on " + fault.node + (fault.device.empty() ? std::string() : " " + fault.device);
    timing_row(table, "onset", label, fault.onset, "its node's own");
    timing_row(table, "end", label, fault.end, "its node's own");
  }
  if (const auto& skew = verdict.skew)
    timing_row(table, "skew", "between nodes", skew->lateness,
               skew->clock_bound_ns == 0
                   ? "one for all nodes"
                   : "lined up to within " + format_duration(static_cast<double>(skew->clock_bound_ns)));
  return table.html();
}

std::string residue_list(const Verdict& verdict) {
  if (verdict.residue.empty()) return "";
  HtmlTable table("Left behind: how nodes differ from what they were before the run", {"node", "difference"});
  for (const Residue& residue : verdict.residue)
    for (const std::string& one : residue.differences) table.row({residue.node, Cell(one, "bad")});
  return table.html();
}

}  // namespace

std::string evidence_section(const ReportInput& input, const RunData& data) {
  std::string html = "<h2>Evidence that the faults happened</h2>\n";
  if (input.verdict.faults.empty()) {
    html +=
        element("p",
                input.plan.faults.empty() ? "The scenario injects no fault."
                                          : "No evidence was evaluated: the run ended before a fault block was over.",
                "missing");
  } else {
    HtmlTable table(
        "Applied: the kernel or driver showed it in force. Acting: the fault's own counter moved. Harmful: step "
        "time rose, with a confidence interval above zero. Reverted: the state from before was read back.",
        {"fault", "where", "mechanism", "applied", "acting", "its counters, over all windows", "harmful", "reverted"});
    for (const FaultResult& fault : input.verdict.faults)
      table.row({fault.name, fault.device.empty() ? fault.node : fault.node + " " + fault.device, fault.mechanism,
                 proven_cell(fault.applied, fault), proven_cell(fault.acting, fault), acted_cell(fault),
                 harmful_cell(fault.harmful), count_cell(fault.reverted, fault.windows)});
    html += table.html() + csv_note(table, "faults.csv") + timing_table(input.verdict);
  }
  html += residue_list(input.verdict);
  if (!input.plan.faults.empty()) html += planned_faults(input.plan);
  html += fault_log(input, data);
  if (!input.plan.faults.empty()) html += witness_log(input, data);
  return html;
}

std::string checks_section(const ReportInput& input, const RunData& data) {
  std::string html = "<h2>Health checks</h2>\n";
  if (input.verdict.checks.empty() && input.plan.checks.empty())
    return html + element("p", "The scenario asks for no checks.", "missing");
  if (input.verdict.checks.empty()) return html + element("p", "No check was run before the run ended.", "missing");
  HtmlTable table("How often each check failed",
                  {"check", "node", "in baseline blocks", "in fault blocks", "more often?", "cost of a reading"});
  const auto failures = [](const CheckResult& check, int failed, int runs) {
    if (runs == 0) return Cell(check.not_here ? "nothing here: " + check.obstacle : "not run", "unknown");
    return failed == 0 ? Cell(fmt::format("✓ passed {}/{}", runs, runs), "good")
                       : Cell(fmt::format("✗ failed {}/{}", failed, runs), "bad");
  };
  const auto chance = [](const CheckResult& check) {
    if (!check.p) return Cell("cannot tell", "unknown");
    return check.fails_more() ? Cell("yes, " + p_text(*check.p), "bad") : Cell("not shown, " + p_text(*check.p));
  };
  const auto cost = [](const CheckResult& check) {
    const int readings = check.baseline_runs + check.fault_runs + check.not_made;
    if (readings == 0 || check.longest_ns == 0) return Cell("not known", "unknown");
    return Cell(fmt::format("{} of CPU, {} at most", format_duration(static_cast<double>(check.cpu_ns) / readings),
                            format_duration(static_cast<double>(check.longest_ns))));
  };
  for (const CheckResult& check : input.verdict.checks)
    table.row({check.name, check.node, failures(check, check.baseline_failures, check.baseline_runs),
               failures(check, check.fault_failures, check.fault_runs), chance(check), cost(check)});
  html += table.html() + csv_note(table, "checks.csv");
  HtmlTable failed("Alarms of checks", {"time (s)", "node", "check", "subject", "severity", "block", "detail"});
  input.events.for_each_of({"check", "check_change"}, [&](const Json& event) {
    const std::string type = text_or(event, "type", "");
    const std::string severity = text_or(event, "severity", "");
    const bool alarms = severity == "warning" ||
                        severity == "critical" ||  // "ok" was said before there were severities
                        (severity.empty() && event.contains("ok") && !truth_at(event, "ok"));
    if ((type != "check" && type != "check_change") || !alarms) return;
    if (failed.full()) return failed.leave_out();
    const auto detail = event.find("detail");
    failed.row({Cell(event_time(event, data), "number"), event_node(event, input.plan), text_or(event, "check", ""),
                text_or(event, "subject", ""), severity.empty() ? "failed" : severity,
                Cell(std::to_string(integer_at(event, "block", -1)), "number"),
                detail == event.end() ? "" : plain_text(*detail)});
  });
  if (failed.rows() > 0) html += details(fmt::format("Alarms ({})", failed.rows()), failed.html());
  return html;
}

std::string incidents_section(const ReportInput& input, const RunData& data) {
  HtmlTable table("What else happened", {"time (s)", "node", "what", "detail"});
  const auto is_incident = [](const Json& event) {
    const std::string type = text_or(event, "type", ""), state = text_or(event, "state", "");
    return type == "rank_died" || type == "agent_restarted" || type == "node_lost" || type == "records_lost" ||
           type == "stood_still" || type == "residue" || type == "residue_unknown" || type == "changed" ||
           type == "carrier" || type == "hang" || type == "kernel" ||
           (type == "run" && (state == "interrupted" || state == "failed")) ||
           (type == "fault" && (text_or(event, "action", "") == "error" || !truth_at(event, "ok")));
  };
  const auto take = [&](const Json& event) {
    if (!is_incident(event)) return;
    if (table.full()) return table.leave_out();
    table.row({Cell(event_time(event, data), "number"), event_node(event, input.plan), text_or(event, "type", ""),
               other_members(event, {"type", "t_ns", "node"})});
  };
  input.events.for_each_of({"rank_died", "agent_restarted", "node_lost", "stood_still", "records_lost", "residue",
                            "residue_unknown", "changed", "carrier", "hang", "kernel", "run", "fault"},
                           take);
  if (table.rows() == 0) return "";
  return "<h2>Incidents</h2>\n" + table.html();
}

}  // namespace grit
