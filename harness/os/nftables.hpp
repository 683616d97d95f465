// Packets dropped by rules of our own in nftables (libnftables), in the network namespace where the table was opened.
//
// The table has `flags owner` (Linux 5.12): it belongs to the netlink socket that made it, nobody else can change it,
// and the kernel removes it when that socket is closed, so also when this process is killed. Other tables are never
// touched.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/result.hpp"

struct nft_ctx;

namespace grit {

/// Drops what crosses one interface in one direction.
struct DropRule {
  bool incoming = false;             // input hook; else output hook
  std::string interface {};          // never another one; of a port of a bond or bridge: all of that, see seen_as()
  std::vector<std::string> peers{};  // the other ends' addresses, IPv4 and IPv6, without prefix; empty: whoever
  double share = 1;                  // of the packets, each by a draw of its own (numgen random, nft(8))
};

/// The interface as the hooks of DropTable see what crosses it: that whose port it is, where it is a port of a bond, a
/// team or a bridge, since the kernel hands packets to those before its hooks look at them; else itself.
Result<std::string> seen_as(const std::string& interface);

/// What the kernel holds of a table.
struct DropCounts {
  int rules = 0;
  std::int64_t packets = 0;  // dropped
  std::int64_t bytes = 0;
};

/// Not for two threads at a time.
class DropTable {
 public:
  /// Makes nothing in the kernel but a socket; what the rules mean here, such as seen_as(), is looked up now. Errors:
  /// this kernel has no nftables, or no CAP_NET_ADMIN (unavailable); a rule's interface, peer or share is none (usage).
  static Result<DropTable> open(const std::vector<DropRule>& rules);
  /// All rules at once, or none. Error (unavailable): no CAP_NET_ADMIN, or the kernel lacks what they use.
  Status install();
  /// Asks the kernel whether it would take the rules; it takes none.
  Status try_out();
  /// Idempotent.
  Status remove();
  /// Nothing when the table is not there.
  [[nodiscard]] Result<std::optional<DropCounts>> read();
  [[nodiscard]] const std::string& name() const { return name_; }
  /// How many rules the kernel shows when it is installed: IPv4 and IPv6 are rules of their own.
  [[nodiscard]] int kernel_rules() const { return kernel_rules_; }

 private:
  struct ContextDeleter {
    void operator()(nft_ctx* context) const;
  };
  explicit DropTable(nft_ctx* context, std::string name) : context_(context), name_(std::move(name)) {}
  Status run(const std::string& commands);
  [[nodiscard]] Result<bool> exists();
  Status prepare(const std::vector<DropRule>& rules);

  std::unique_ptr<nft_ctx, ContextDeleter> context_;
  std::string name_;
  std::string commands_{};  // nft(8)'s, that install it
  int kernel_rules_ = 0;
};

}  // namespace grit
