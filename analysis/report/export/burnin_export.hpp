// A burn-in for programs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/burnin.hpp"

namespace grit {

/// RFC 4180: a row a node, its state, reason, class, group, figures with units in the names.
std::string burnin_nodes_csv(const BurninReport& report);
/// A test case a node; bad: failure; set apart, not clear or not tested: error, for it is not known to be at fault. A
/// fleet that is slower than its reference is a case, too, and an error.
std::string burnin_junit(const BurninReport& report);
/// Gauges: grit_burnin_node_state{node,state}, grit_burnin_figure{node,measure}, grit_burnin_worse{node,measure}.
std::string burnin_openmetrics(const BurninReport& report);
/// Those in one state, a host a line and nothing else, for mpirun --hostfile: `cat good_hosts slow_hosts` is one, too.
std::string burnin_hosts(const BurninReport& report, BurninNodeState state);
/// argv of `scontrol update NodeName=... State=DRAIN Reason="grit burnin: ..."`, one a bad node, in one word each;
/// never one of a node that was only set apart. A reason is one line of printable ASCII without quotes.
std::vector<std::vector<std::string>> drain_commands(const BurninReport& report);
/// burnin.json, burnin.html, good_hosts, slow_hosts (set apart), good_nodelist, drain.sh, nodes.csv, junit.xml,
/// metrics.prom in `directory`.
/// `nodelist` is compressed_host_list() of the good ones (harness/cluster/host_list.hpp); of none the file names a
/// host that cannot be, since srun takes an empty list for any nodes.
Status write_burnin_files(const BurninReport& report, const std::string& nodelist,
                          const std::filesystem::path& directory);

}  // namespace grit
