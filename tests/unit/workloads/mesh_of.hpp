#pragma once

#include "harness/model/mesh.hpp"

namespace grit::test {

/// Of as many ranks as these sizes need; experts lie across the other axes.
inline Mesh mesh_of(const AxisValues& sizes) {
  int ranks = 1;
  for (const auto& [axis, size] : sizes) ranks *= axis == Axis::ep ? 1 : size;
  return *Mesh::over(sizes, ranks);
}

}  // namespace grit::test
