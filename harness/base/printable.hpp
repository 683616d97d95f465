// Text that came from elsewhere, safe for a terminal.
#pragma once

#include <string>

namespace grit {

/// The text with a blank for each control character: a terminal obeys what follows an ESC (C0, and DEL) or a CSI (C1:
/// U+0080 to U+009F, in UTF-8 two bytes). Bytes that are no UTF-8 become "?", since terminals that are not in UTF-8
/// take the bytes 0x80 to 0x9f for C1.
std::string printable(const std::string& text);

/// The same, but for line ends and tabs, which stay: for text of several lines.
std::string printable_lines(const std::string& text);

}  // namespace grit
