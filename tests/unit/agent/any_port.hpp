#pragma once

namespace grit::test {

/// Where a recorder of a test listens: on this machine, on a port that is free.
constexpr auto kAnyPort = "tcp://127.0.0.1:*";

}  // namespace grit::test
