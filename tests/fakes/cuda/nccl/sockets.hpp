// Connections between the ranks of a communicator, and messages over many of them at a time.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace grit::fake {

/// A descriptor, closed with this object.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Socket();
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

/// Ends waiting, once and for good.
class Cancel {
 public:
  Cancel();
  void set();
  [[nodiscard]] bool is_set() const;
  /// Returns after this time, or when it is set: true.
  [[nodiscard]] bool wait_s(double seconds) const;
  [[nodiscard]] int descriptor() const { return event_.descriptor(); }

 private:
  Socket event_;
};

enum class Outcome { done, cancelled, peer_lost, mismatch };

/// What a message says of itself, so that a rank sees when another does something else.
struct Header {
  std::uint32_t kind = 0;
  std::uint32_t reserved = 0;
  std::uint64_t size_bytes = 0;
};

/// The messages to and from one peer, in order, over one connection.
struct Lane {
  struct Message {
    Header header{};
    char* data = nullptr;  // of a message that is sent it is only read
  };

  int descriptor = -1;
  std::deque<Message> sends{};
  std::deque<Message> receives{};
  std::uint64_t sent_bytes = 0;      // of the first message with its header
  std::uint64_t received_bytes = 0;  // the same
  Header found{};                    // what the message that comes says of itself

  void add_send(std::uint32_t kind, const void* data, std::size_t size_bytes);
  void add_receive(std::uint32_t kind, void* data, std::size_t size_bytes);
  [[nodiscard]] bool is_done() const { return sends.empty() && receives.empty(); }
  Outcome send_some();
  Outcome receive_some();
};

/// Returns when the messages of all lanes are sent and received.
Outcome exchange_all(std::vector<Lane>& lanes, const Cancel& cancel);

/// The address that peers reach this process at: of the interface that NCCL_SOCKET_IFNAME names (a list of beginnings
/// of names; after "=", of whole names; after "^", of those that are not meant), else of the first one that is up
/// and no loopback, else of loopback. None: there is no such interface.
std::optional<in_addr> own_address();

struct Listener {
  Socket socket{};
  sockaddr_in address{};
};
std::optional<Listener> listen_at(in_addr address);
/// A connection; not open: it failed or was cancelled. `cancel` null: waits for ever.
Socket accept_from(const Listener& listener, const Cancel* cancel);
Socket connect_to(const sockaddr_in& address, const Cancel* cancel);
/// All bytes, or false: the peer is gone, or it was cancelled.
bool send_all(const Socket& socket, const void* data, std::size_t size_bytes);
bool receive_all(const Socket& socket, void* data, std::size_t size_bytes, const Cancel* cancel);

}  // namespace grit::fake
