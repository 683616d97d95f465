// One rtnetlink message: building it, sending it, and reading the kernel's answers. Shared by netlink*.cpp and
// link_monitor.cpp only.
#pragma once

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "harness/base/result.hpp"

struct nl_sock;

namespace grit::rtnl {

/// A request under construction. What a kernel message cannot hold (no memory) is found when it is sent.
class Message {
 public:
  Message(int type, int flags);

  template <class Header>
  Message& header(const Header& value) {
    return append(&value, sizeof value);
  }
  Message& text(int attribute, const std::string& value);
  Message& u8(int attribute, std::uint8_t value);
  Message& u32(int attribute, std::uint32_t value);
  Message& bytes(int attribute, std::string_view value);
  /// Runs `fill` between the start and the end of a nested attribute.
  Message& nest(int attribute, const std::function<void(Message&)>& fill);
  /// Appends a header without an attribute around it, as VETH_INFO_PEER wants.
  Message& append(const void* data, std::size_t bytes);

  [[nodiscard]] nl_msg* get() const { return message_.get(); }
  [[nodiscard]] bool complete() const { return !failed_; }

 private:
  struct Deleter {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
  };
  std::unique_ptr<nl_msg, Deleter> message_;
  bool failed_ = false;
};

/// Called for each message of the kernel's answer.
using Receiver = std::function<void(const nlmsghdr&)>;

/// What the kernel said no with.
struct Refusal {
  int error_number = 0;  // errno
  std::string words{};   // strerror, followed by the extended ack where the kernel sent one
};

/// Sends and reads the answer up to its acknowledgement (or, for a dump, to its end; a dump that changed while it was
/// read is made again, and the receiver called `restart` first). Error: the kernel refused, or the socket failed.
tl::expected<void, Refusal> exchange(nl_sock* socket, const Message& message, const Receiver& receiver = {},
                                     const std::function<void()>& restart = {});

/// A Refusal as an Error: unavailable when a privilege is missing, with what would help; internal otherwise.
Error to_error(const Refusal& refusal, std::string_view what);

/// exchange() of a message that only changes something, its Refusal as an Error.
Status change(nl_sock* socket, const Message& message, std::string_view what);

/// A socket of NETLINK_ROUTE with extended acknowledgements, in the network namespace of the calling thread.
Result<nl_sock*> open_socket();

/// The attributes behind a header of `header_bytes`, by number; those above `max` are left out.
class Attributes {
 public:
  Attributes(const nlmsghdr& message, std::size_t header_bytes);
  Attributes(const nlattr* head, int length);

  [[nodiscard]] const nlattr* find(int type) const;
  [[nodiscard]] bool has(int type) const { return find(type) != nullptr; }
  [[nodiscard]] std::string text(int type) const;
  [[nodiscard]] std::uint8_t u8(int type) const;
  [[nodiscard]] std::uint32_t u32(int type) const;
  [[nodiscard]] std::string_view bytes(int type) const;
  /// An IPv4 or IPv6 address in its usual notation; empty when the attribute is not there.
  [[nodiscard]] std::string ip(int family, int type) const;
  /// "02:00:00:00:00:01"; empty when the attribute is not there.
  [[nodiscard]] std::string mac(int type) const;
  /// Calls `visit` for each attribute with its number.
  void each(const std::function<void(int type, const nlattr& attribute)>& visit) const;

 private:
  const nlattr* head_;
  int length_;
};

/// The structure that an attribute's bytes are; what an older kernel leaves out of it is zero.
template <class Struct>
Struct read_struct(std::string_view bytes) {
  Struct value{};
  if (!bytes.empty()) std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

/// The bytes of an address in its usual notation. Error (usage): it is none of this family.
Result<std::string> ip_bytes(int family, const std::string& address);
/// Error (usage): not "xx:xx:xx:xx:xx:xx" (longer for InfiniBand).
Result<std::string> mac_bytes(const std::string& mac);

}  // namespace grit::rtnl
