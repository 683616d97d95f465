#include "analysis/report/page/html_writer.hpp"

#include <fmt/format.h>

namespace grit {

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\0':
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string json_for_script(const Json& json) {
  const std::string text = json_text(json);
  std::string out;
  out.reserve(text.size());
  // "<" occurs in JSON inside of strings only, where \u003c means the same.
  for (const char c : text) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

std::string plain_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "";
  if (value.is_array()) {
    std::string joined;
    for (const Json& item : value) joined += (joined.empty() ? "" : ", ") + plain_text(item);
    return joined;
  }
  return json_text(value);
}

std::string element(std::string_view tag, std::string_view text, std::string_view css_class) {
  if (css_class.empty()) return fmt::format("<{0}>{1}</{0}>", tag, escape_html(text));
  return fmt::format("<{0} class=\"{2}\">{1}</{0}>", tag, escape_html(text), escape_html(css_class));
}

HtmlTable::HtmlTable(std::string caption, std::vector<std::string> headers) {
  head_ = element("caption", caption) + "<thead><tr>";
  for (const std::string& header : headers) head_ += fmt::format("<th scope=\"col\">{}</th>", escape_html(header));
  head_ += "</tr></thead>";
}

void HtmlTable::row(const std::vector<Cell>& cells) {
  if (full()) return leave_out();
  body_ += "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string tag = i == 0 ? "th scope=\"row\"" : "td";
    std::string content = escape_html(cells[i].text);
    if (!cells[i].href.empty()) content = fmt::format("<a href=\"{}\">{}</a>", escape_html(cells[i].href), content);
    body_ +=
        fmt::format("<{}{}>{}</{}>", tag,
                    cells[i].css_class.empty() ? "" : fmt::format(" class=\"{}\"", escape_html(cells[i].css_class)),
                    content, i == 0 ? "th" : "td");
  }
  body_ += "</tr>\n";
  ++rows_;
}

std::string HtmlTable::html() const {
  const std::string cut =
      rows_ <= kMostRows
          ? ""
          : element("p",
                    fmt::format("The first {} of {} are listed; the files of the run directory hold all.", kMostRows,
                                rows_),
                    "note");
  return "<div class=\"scroll\" tabindex=\"0\"><table>" + head_ + "<tbody>\n" + body_ + "</tbody></table></div>\n" +
         cut;
}

std::string details(std::string_view summary, std::string_view html, bool open) {
  return fmt::format("<details{}><summary>{}</summary>\n{}</details>\n", open ? " open" : "", escape_html(summary),
                     html);
}

}  // namespace grit
