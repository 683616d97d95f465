// What our pages have in common: one self-contained file that loads nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/report/plots/plots.hpp"
#include "harness/base/result.hpp"

namespace grit {

struct PagePart {
  std::string_view name;
  std::string html;
};

/// Fills {{name}} in one pass over the page, so that braces in the data mean nothing. Error (internal): a part is
/// missing.
Result<std::string> fill_page(std::string_view page, const std::vector<PagePart>& parts);

/// Nothing may be loaded from anywhere, and only our two scripts may run, known by their hashes: text from the run that
/// slipped through the escaping could not.
std::string content_security_policy();

/// The plots' specifications by their elements, for the page's script.
std::string plot_data(const std::vector<Plot>& plots);

/// What is not real, as the first line of the page of a comparison or a series; empty: all of it is.
std::string emulated_html(const std::vector<std::string>& emulated);

/// Who made the page, and of what; `note` is about its figures.
std::string footer_html(std::string_view note);

}  // namespace grit
