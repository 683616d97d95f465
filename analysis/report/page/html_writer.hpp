// Small pieces of HTML. Every text is escaped on its way in, so that no caller can forget it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/json.hpp"

namespace grit {

/// Escapes & < > " ' for use in content and in quoted attributes.
std::string escape_html(std::string_view text);

/// JSON that may stand inside a <script> element: "</" and "<!--" cannot occur (WHATWG HTML 4.12.1.3). Bytes that are
/// not UTF-8 become U+FFFD.
std::string json_for_script(const Json& json);

/// A JSON value in one line: texts as they are, lists joined by ", ", objects as JSON.
std::string plain_text(const Json& value);

/// "<tag>escaped text</tag>", with a class when one is given.
std::string element(std::string_view tag, std::string_view text, std::string_view css_class = {});

/// Made implicitly, so that rows read as lists of texts.
struct Cell {
  Cell(std::string cell_text, std::string cell_class = {})
      : text(std::move(cell_text)), css_class(std::move(cell_class)) {}
  Cell(const char* cell_text, std::string cell_class = {}) : Cell(std::string(cell_text), std::move(cell_class)) {}
  std::string text;
  std::string css_class;  // "number", "good", "bad", "unknown" ...
  std::string href{};     // of a link on the text; relative, made here and not from data
};

/// Of a run of thousands of nodes a table shows the first rows only, and says how many there are.
class HtmlTable {
 public:
  static constexpr std::size_t kMostRows = 400;

  HtmlTable(std::string caption, std::vector<std::string> headers);
  void row(const std::vector<Cell>& cells);
  /// A further row would not be shown: leave_out() counts it without its cells being made.
  [[nodiscard]] bool full() const { return rows_ >= kMostRows; }
  void leave_out() { ++rows_; }
  /// Also those that are not shown.
  [[nodiscard]] std::size_t rows() const { return rows_; }
  /// The table in a box that scrolls by itself when the screen is narrow. The first cell of a row is its header.
  [[nodiscard]] std::string html() const;

 private:
  std::string head_;
  std::string body_{};
  std::size_t rows_ = 0;
};

/// A part that is folded away until it is asked for.
std::string details(std::string_view summary, std::string_view html, bool open = false);

}  // namespace grit
