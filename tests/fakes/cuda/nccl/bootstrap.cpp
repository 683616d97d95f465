// How the ranks of a communicator find each other: through the process that made the unique identity, which listens at
// the address in it and tells all ranks each other's addresses; or, of a split, through the communicator that is split.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>

#include "tests/fakes/cuda/nccl/communicator.hpp"
#include "tests/fakes/cuda/runtime/link.hpp"

using namespace grit::fake;

namespace {

constexpr char kMagic[8] = {'F', 'A', 'K', 'E', 'N', 'C', 'C', 'L'};

struct Id {
  char magic[8];
  sockaddr_in root;
};
static_assert(sizeof(Id) <= NCCL_UNIQUE_ID_BYTES);

/// NCCL_HOSTID, else the host's name and the boot's identity, as NCCL has it.
std::uint64_t host_hash() {
  std::string text;
  if (const char* id = std::getenv("NCCL_HOSTID")) {
    text = id;
  } else {
    char name[256] = {};
    (void)::gethostname(name, sizeof name - 1);
    std::ifstream boot("/proc/sys/kernel/random/boot_id");
    std::getline(boot, text);
    text += name;
  }
  return std::hash<std::string>{}(text);
}

Peer describe(int rank, int ranks, int device, const Listener& listener) {
  Peer own{.rank = rank, .ranks = ranks, .address = listener.address, .host = host_hash()};
  grit_fake_pci_address(device, own.pci_address);
  return own;
}

/// What the thread does that make_id() starts.
void introduce(const Listener& listener) {
  std::vector<Socket> connections;
  std::vector<Peer> table;
  do {
    Socket one = accept_from(listener, nullptr);
    Peer peer;
    if (!one.is_open() || !receive_all(one, &peer, sizeof peer, nullptr)) return;
    table.resize(std::max(table.size(), static_cast<std::size_t>(peer.ranks)));
    if (peer.rank < 0 || peer.rank >= peer.ranks) return;
    table[static_cast<std::size_t>(peer.rank)] = peer;
    connections.push_back(std::move(one));
  } while (connections.size() < table.size());
  for (const Socket& one : connections) (void)send_all(one, table.data(), table.size() * sizeof(Peer));
}

/// The communicator's, by where its ranks listened for each other.
std::uint64_t hash_of(const std::vector<Peer>& table) {
  std::uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (const Peer& one : table)
    for (const std::uint32_t value : {one.address.sin_addr.s_addr, std::uint32_t{one.address.sin_port}})
      hash = (hash ^ value) * 1099511628211U;
  return hash;
}

int count_hosts(const std::vector<Peer>& table) {
  std::set<std::uint64_t> hosts;
  for (const Peer& one : table) hosts.insert(one.host);
  return static_cast<int>(hosts.size());
}

/// Two ranks that are on one device of one host: the later of them; none: -1.
int find_duplicate(const std::vector<Peer>& table) {
  for (std::size_t later = 0; later < table.size(); ++later)
    for (std::size_t earlier = 0; earlier < later; ++earlier)
      if (table[earlier].host == table[later].host &&
          std::strcmp(table[earlier].pci_address, table[later].pci_address) == 0)
        return static_cast<int>(later);
  return -1;
}

}  // namespace

ncclResult_t grit::fake::make_id(ncclUniqueId& id) {
  const auto address = own_address();
  auto listener = address ? listen_at(*address) : std::nullopt;
  if (!listener) return ncclSystemError;
  Id own{.magic = {}, .root = listener->address};
  std::memcpy(own.magic, kMagic, sizeof kMagic);
  id = {};
  std::memcpy(id.internal, &own, sizeof own);
  std::thread([held = std::make_shared<Listener>(std::move(*listener))] { introduce(*held); }).detach();
  return ncclSuccess;
}

ncclResult_t ncclComm::connect(const ncclUniqueId& id, int own_rank, int all_ranks) {
  rank = own_rank, ranks = all_ranks;
  Id root;
  std::memcpy(&root, id.internal, sizeof root);
  if (std::memcmp(root.magic, kMagic, sizeof kMagic) != 0) return ncclInvalidArgument;
  const auto address = own_address();
  const auto listener = address ? listen_at(*address) : std::nullopt;
  if (!listener) return ncclSystemError;
  const Socket connection = connect_to(root.root, &cancel_);
  const Peer own = describe(rank, ranks, device, *listener);
  std::vector<Peer> table(static_cast<std::size_t>(ranks));
  if (!connection.is_open() || !send_all(connection, &own, sizeof own) ||
      !receive_all(connection, table.data(), table.size() * sizeof(Peer), &cancel_))
    return ncclRemoteError;
  if (const int duplicate = find_duplicate(table); duplicate >= 0) {
    set_state(ncclInvalidUsage, std::string("Duplicate GPU detected: rank ") + std::to_string(duplicate) +
                                    " is on CUDA device " + table[static_cast<std::size_t>(duplicate)].pci_address +
                                    " of its host, as an earlier one");
    return ncclInvalidUsage;
  }
  return connect_all(table, *listener);
}

/// Each rank connects to those before it.
ncclResult_t ncclComm::connect_all(const std::vector<Peer>& table, const Listener& listener) {
  peers_.resize(static_cast<std::size_t>(ranks));
  for (int peer = 0; peer < rank; ++peer) {
    Socket one = connect_to(table[static_cast<std::size_t>(peer)].address, &cancel_);
    if (!one.is_open() || !send_all(one, &rank, sizeof rank)) return ncclRemoteError;
    peers_[static_cast<std::size_t>(peer)] = std::move(one);
  }
  for (int left = ranks - 1 - rank; left > 0; --left) {
    Socket one = accept_from(listener, &cancel_);
    int peer = -1;
    if (!one.is_open() || !receive_all(one, &peer, sizeof peer, &cancel_)) return ncclRemoteError;
    if (peer <= rank || peer >= ranks) return ncclInternalError;
    peers_[static_cast<std::size_t>(peer)] = std::move(one);
  }
  profile.open(hash_of(table), count_hosts(table), ranks, rank);
  return ncclSuccess;
}

/// `part` null: this rank is in none.
ncclResult_t ncclComm::split(int color, int key, const std::shared_ptr<ncclComm>& part) {
  {
    const std::lock_guard lock(mutex_);
    part_ = part;
  }
  // An abort sees the part, or this sees the abort.
  const ncclResult_t result = cancel_.is_set() ? ncclInternalError : make_part(color, key, part);
  const std::lock_guard lock(mutex_);
  part_ = nullptr;
  return result;
}

ncclResult_t ncclComm::make_part(int color, int key, const std::shared_ptr<ncclComm>& part) {
  wait_for_operations();
  const auto address = own_address();
  const auto listener = address ? listen_at(*address) : std::nullopt;
  if (!listener) return ncclSystemError;
  std::vector<Peer> table(static_cast<std::size_t>(ranks));
  Peer& own = table[static_cast<std::size_t>(rank)];
  own = describe(rank, ranks, device, *listener);
  own.color = color, own.key = key;
  std::vector<Lane> all = lanes();
  for (int peer = 0, lane = 0; peer < ranks; ++peer) {
    if (peer == rank) continue;
    Lane& one = all[static_cast<std::size_t>(lane++)];
    one.add_send(static_cast<std::uint32_t>(Kind::split), &own, sizeof own);
    one.add_receive(static_cast<std::uint32_t>(Kind::split), &table[static_cast<std::size_t>(peer)], sizeof own);
  }
  if (const ncclResult_t result = result_of(exchange_all(all, cancel_)); result != ncclSuccess || !part) return result;
  std::erase_if(table, [&](const Peer& peer) { return peer.color != color; });
  std::stable_sort(table.begin(), table.end(), [](const Peer& a, const Peer& b) { return a.key < b.key; });
  part->ranks = static_cast<int>(table.size());
  for (std::size_t i = 0; i < table.size(); ++i)
    if (table[i].rank == rank) part->rank = static_cast<int>(i);
  return part->connect_all(table, *listener);
}
