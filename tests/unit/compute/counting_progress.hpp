#pragma once

#include "workloads/compute/compute.hpp"

namespace grit::test {

/// Counts how often a computation lets the communication go on.
struct CountingProgress final : Progress {
  void poke() override { ++pokes; }
  int pokes = 0;
};

}  // namespace grit::test
