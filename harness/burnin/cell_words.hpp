// Why nothing came of a node in a cell, in one line, from what its launcher and its job printed.
#pragma once

#include <string>
#include <string_view>

#include "harness/model/burnin.hpp"

namespace grit {

/// The line of `words` that says most of why the cell failed, each sort only where there is none of those before it:
///   the first that grit itself has said ("grit: ...")
///   the last that is the job's own
///   the first one within mpirun's frames of dashes that says more than that a process has failed
///   the first of srun's own errors
///   the last that begins with [HOST:PID], as Open MPI's and its handler of signals' do
/// Lines without a letter are none. Empty: it has said nothing of that sort.
std::string telling_line(std::string_view words);

/// Why nothing came of `host`, which is of the result's cell.
std::string why_nothing_came(const BurninCellResult& result, const std::string& host);

}  // namespace grit
