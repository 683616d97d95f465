// Texts that people read, and files that programs read, kept under tests/snapshots and compared byte for byte.
// scripts/update-snapshots writes them anew; what has changed is then git's to show.
#pragma once

#include <string>
#include <string_view>

#include "harness/base/json.hpp"

namespace grit::test {

/// Fails with the lines that differ when tests/snapshots/NAME is not this text. With GRIT_UPDATE_SNAPSHOTS in the
/// environment it is written instead.
void check_snapshot(const std::string& name, const std::string& text);

/// Lines that only one of two texts has, marked - and +, among some that both have.
std::string line_difference(std::string_view before, std::string_view after);

/// What a reader of the page sees of an HTML page: the text of its body without scripts and styles, a line for each
/// block, cells of a row separated by " | ", with whichever Vega the distribution has.
std::string visible_text(std::string_view html);

/// Indented, and numbers with a fraction to six digits: their last ones may differ between processors, whose logarithms
/// do.
std::string snapshot_json(const Json& json);

}  // namespace grit::test
