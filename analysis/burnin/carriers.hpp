// Which node's link lost its carrier while the burn-in did nothing to it.
//
// That is read off the kernel's own count and nothing to estimate, so it has no error rate, and no second look: a flap
// that comes back in five minutes would not be there. What a run's own faults take down is not counted, by
// BurninCellResult::carriers. Where most links go down at the same time it is what they share (a switch that restarts),
// and no node's fault; so nobody is accused before enough others have been read since.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/model/burnin.hpp"

namespace grit {

/// Takes in what cells have read, of each node in the order in which they ended. Times are CLOCK_REALTIME of the front
/// end.
class CarrierHistory {
 public:
  /// What is compared: one reading of an interface with the next, in one boot of the node, one network namespace and
  /// one session of the front end, since while that is away somebody may work on the cables.
  void take(const BurninCellResult& result);

  /// By node, with measure kCarrierLosses: shown, when a NIC lost its carrier more often than the config allows
  /// (at_most, else never), at times when half or more of the nodes that are known did not. Unclear, when less than
  /// half of all nodes are known of that time, and the known ones did. And one without host, when most nodes did: those
  /// losses are nobody's. A node is known of a time when it lost its carrier then, too, or was read before and after
  /// it. `hosts`: of the burn-in.
  [[nodiscard]] std::vector<BurninFinding> judge(const BurninConfig& config, std::size_t hosts) const;

 private:
  struct Span {
    std::int64_t from_ns = 0, to_ns = 0;
  };
  struct Loss {
    std::string nic{};
    std::int64_t times = 0;
    Span within{};
  };
  /// The last reading of an interface.
  struct Last {
    std::string interface {};  // which one, of all that ever have this name
    std::int64_t lost = 0, at_ns = 0;
  };
  struct Node {
    std::string start{};  // of what its readings are compared within
    std::map<std::string, Last> nics{};
    std::vector<Loss> losses{};  // in the order of time
    std::vector<Span> read{};    // no gap in between
    int readings = 0;
  };
  /// What all nodes together have to say of one loss.
  struct Others {
    std::size_t lost = 0, known = 0;
  };
  enum class Whose { own, shared, unknown };

  static void add(const BurninCarriers& carriers, std::int64_t at_ns, Node& node);
  [[nodiscard]] Others others_at(const Span& within) const;
  [[nodiscard]] static Whose whose(const Others& others, std::size_t hosts);

  std::map<std::string, Node> nodes_{};
};

}  // namespace grit
