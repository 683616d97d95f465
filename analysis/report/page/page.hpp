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

/// What differs from page to page around its <main>.
struct PageFrame {
  std::string title;
  std::string_view note{};  // about its figures, in the footer
  const std::vector<Plot>& plots;
  std::string_view further_style{};  // CSS, behind that of all pages
};

/// The page: `main`, in which each {{name}} is filled with the part of that name, in the frame that all pages have. It
/// is filled in one pass, so that braces in the data mean nothing. Nothing may be loaded from anywhere, and only our
/// two scripts may run, known by their hashes: text from the run that slipped through the escaping could not. Error
/// (internal): a part is missing.
Result<std::string> make_page(const PageFrame& frame, std::string_view main, const std::vector<PagePart>& parts);

/// What is not real, as the first line of the page of a comparison or a series; empty: all of it is.
std::string emulated_html(const std::vector<std::string>& emulated);

}  // namespace grit
