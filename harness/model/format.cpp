#include "harness/model/format.hpp"

#include <fmt/format.h>

namespace grit {

Status check_format(const Json& document, const Format& format) {
  const auto found = document.is_object() ? document.find("format") : document.end();
  if (found == document.end()) return {};
  if (!found->is_number_integer() || *found < 0)
    return usage_error(
        fmt::format("the format of this {} is no number: it is damaged, or not grit's", format.document));
  if (*found > format.number)
    return usage_error(
        fmt::format("this {} has format {}, and this grit reads formats up to {}: read it with the grit that wrote it "
                    "(\"version\" in run.json), or a newer one",
                    format.document, json_text(*found), format.number));
  return {};
}

}  // namespace grit
