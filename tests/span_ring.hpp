// The spans of one rank, for tests of communicators.
#pragma once

#include <vector>

#include "harness/model/collective_record.hpp"
#include "workloads/fabric/span_sink.hpp"

namespace grit::test {

struct SpanRing {
  /// Those since the last time.
  std::vector<CollectiveRecord> take() {
    std::vector<CollectiveRecord> taken(ring.size());
    taken.resize(spans.take(taken));
    return taken;
  }

  std::vector<CollectiveRecord> ring = std::vector<CollectiveRecord>(8192);
  SpanSink spans{ring};
};

}  // namespace grit::test
