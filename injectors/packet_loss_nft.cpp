#include "injectors/packet_loss_nft.hpp"

#include <utility>

#include "harness/os/nftables.hpp"

namespace grit {
namespace {

std::vector<DropRule> rules_of(const NftLoss& loss) {
  std::vector<DropRule> rules;
  for (const bool incoming : {true, false})
    if (loss.direction == "both" || loss.direction == (incoming ? "in" : "out"))
      rules.push_back({.incoming = incoming, .interface = loss.nic, .peers = loss.peers, .share = loss.share});
  return rules;
}

class NftLossFault final : public Fault {
 public:
  explicit NftLossFault(DropTable table) : table_(std::move(table)) {}

  Status start() override {
    if (started_) GRIT_CHECK(stop());  // the rules would be there twice
    started_ = true;                   // also when it fails: the kernel may have taken them all the same
    return table_.install();
  }

  Status stop() override {
    GRIT_TRY(const auto last, table_.read());
    GRIT_CHECK(table_.remove());
    started_ = false;
    if (last) packets_ += last->packets, bytes_ += last->bytes;
    return {};
  }

  Result<Reading> read() override {
    GRIT_TRY(const auto now, table_.read());
    Reading reading;
    reading.holds = now && now->rules == table_.kernel_rules();
    reading.left = now.has_value();
    reading.details = {{"mechanism", "nftables"},
                       {"table", "inet " + table_.name()},
                       {"present", now.has_value()},
                       {"rules", now ? now->rules : 0}};
    return reading;
  }

  /// Nothing counts before it is started; not asking then keeps what the kernel takes to answer out of the onset.
  Result<Json> counters() override {
    std::optional<DropCounts> now;
    if (started_) {
      GRIT_TRY(now, table_.read());
    }
    return Json{{"dropped_packets", packets_ + (now ? now->packets : 0)},
                {"dropped_bytes", bytes_ + (now ? now->bytes : 0)}};
  }

 private:
  DropTable table_;
  bool started_ = false;
  std::int64_t packets_ = 0;  // of earlier starts
  std::int64_t bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<Fault>> make_nft_loss(const NftLoss& loss) {
  GRIT_TRY(DropTable table, DropTable::open(rules_of(loss)));
  return std::make_unique<NftLossFault>(std::move(table));
}

std::optional<std::string> why_no_nft_loss(const NftLoss& loss) {
  auto table = DropTable::open(rules_of(loss));
  if (!table) return table.error().message;
  if (auto tried = table->try_out(); !tried) return tried.error().message;
  return std::nullopt;
}

}  // namespace grit
