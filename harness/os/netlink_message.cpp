#include "harness/os/netlink_message.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <chrono>
#include <cstring>
#include <thread>

namespace grit::rtnl {
namespace {

constexpr int kDumpAttempts = 8;
/// After the first interrupted dump; twice as long after each further one, 127 ms in all. So a burst of changes (a BGP
/// daemon that starts) passes.
constexpr auto kFirstPause = std::chrono::milliseconds(1);

/// What the callbacks of one exchange write into.
struct Answer {
  const Receiver* receiver;
  std::uint32_t sequence = 0;  // of the request
  Refusal refusal{};
  bool done = false;
  bool interrupted = false;  // the tables changed while they were dumped
};

/// The kernel's message behind an error, if it sent one (NLMSGERR_ATTR_MSG, linux/netlink.h).
std::string extended_ack(const nlmsghdr& header, const nlmsgerr& error) {
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  std::size_t offset = sizeof(nlmsgerr);
  if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) offset += error.msg.nlmsg_len - NLMSG_HDRLEN;
  const std::size_t payload = header.nlmsg_len - NLMSG_HDRLEN;
  if (NLMSG_ALIGN(offset) >= payload) return {};
  return Attributes(header, NLMSG_ALIGN(offset)).text(NLMSGERR_ATTR_MSG);
}

/// After an exchange that broke off, its answer may still lie in the socket; it must not be taken for this one's.
int on_sequence(nl_msg* message, void* argument) {
  return nlmsg_hdr(message)->nlmsg_seq == static_cast<const Answer*>(argument)->sequence ? NL_OK : NL_SKIP;
}

int on_valid(nl_msg* message, void* argument) {
  const auto* answer = static_cast<Answer*>(argument);
  if (*answer->receiver) (*answer->receiver)(*nlmsg_hdr(message));
  return NL_OK;
}

int on_acknowledged(nl_msg*, void* argument) {
  static_cast<Answer*>(argument)->done = true;
  return NL_STOP;
}

/// A dump that breaks off says why as the payload of its last message (netlink_dump_done() in
/// net/netlink/af_netlink.c).
int on_dump_end(nl_msg* message, void* argument) {
  auto* answer = static_cast<Answer*>(argument);
  answer->done = true;
  const nlmsghdr& header = *nlmsg_hdr(message);
  std::int32_t result = 0;
  if (nlmsg_datalen(&header) >= static_cast<int>(sizeof result))
    std::memcpy(&result, nlmsg_data(&header), sizeof result);
  if (result < 0) answer->refusal = {-result, std::strerror(-result)};
  return NL_STOP;
}

int on_interrupted(nl_msg*, void* argument) {
  static_cast<Answer*>(argument)->interrupted = true;
  return NL_OK;
}

int on_error(sockaddr_nl*, nlmsgerr* error, void* argument) {
  auto* answer = static_cast<Answer*>(argument);
  const auto& header = *reinterpret_cast<const nlmsghdr*>(reinterpret_cast<const char*>(error) - NLMSG_HDRLEN);
  answer->refusal.error_number = -error->error;
  answer->refusal.words = std::strerror(-error->error);
  if (const std::string why = extended_ack(header, *error); !why.empty()) answer->refusal.words += " (" + why + ")";
  answer->done = true;
  return NL_STOP;
}

tl::expected<void, Refusal> receive(nl_sock* socket, Answer& answer) {
  const std::unique_ptr<nl_cb, decltype(&nl_cb_put)> callbacks(nl_cb_alloc(NL_CB_DEFAULT), nl_cb_put);
  if (!callbacks) return tl::make_unexpected(Refusal{ENOMEM, std::strerror(ENOMEM)});
  nl_cb_set(callbacks.get(), NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_sequence, &answer);
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, on_valid, &answer);
  nl_cb_set(callbacks.get(), NL_CB_FINISH, NL_CB_CUSTOM, on_dump_end, &answer);
  nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, on_acknowledged, &answer);
  nl_cb_set(callbacks.get(), NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, &answer);
  nl_cb_err(callbacks.get(), NL_CB_CUSTOM, on_error, &answer);
  while (!answer.done) {
    const int error = nl_recvmsgs(socket, callbacks.get());
    if (error < 0 && !answer.done) return tl::make_unexpected(Refusal{EIO, nl_geterror(error)});
  }
  if (answer.refusal.error_number != 0) return tl::make_unexpected(answer.refusal);
  return {};
}

/// netem's table of delays alone is 8 KiB; libnl would give a page.
constexpr std::size_t kMost_bytes = 32 << 10;
/// The kernel puts at most 32 KiB into one message of a dump (netlink_dump in net/netlink/af_netlink.c); an error
/// repeats its request.
constexpr std::size_t kAnswer_bytes = 64 << 10;

}  // namespace

Message::Message(int type, int flags) : message_(nlmsg_alloc_size(kMost_bytes)) {
  failed_ =
      message_ == nullptr || nlmsg_put(get(), NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, NLM_F_REQUEST | flags) == nullptr;
}

Message& Message::append(const void* data, std::size_t bytes) {
  if (!failed_) failed_ = nlmsg_append(get(), const_cast<void*>(data), bytes, NLMSG_ALIGNTO) < 0;
  return *this;
}

Message& Message::bytes(int attribute, std::string_view value) {
  if (!failed_) failed_ = nla_put(get(), attribute, static_cast<int>(value.size()), value.data()) < 0;
  return *this;
}

Message& Message::text(int attribute, const std::string& value) {
  return bytes(attribute, {value.c_str(), value.size() + 1});
}

Message& Message::u8(int attribute, std::uint8_t value) {
  return bytes(attribute, {reinterpret_cast<const char*>(&value), sizeof value});
}

Message& Message::u32(int attribute, std::uint32_t value) {
  return bytes(attribute, {reinterpret_cast<const char*>(&value), sizeof value});
}

Message& Message::nest(int attribute, const std::function<void(Message&)>& fill) {
  if (failed_) return *this;
  nlattr* start = nla_nest_start(get(), attribute);
  failed_ = start == nullptr;
  if (failed_) return *this;
  fill(*this);
  if (!failed_) failed_ = nla_nest_end(get(), start) < 0;
  return *this;
}

tl::expected<void, Refusal> exchange(nl_sock* socket, const Message& message, const Receiver& receiver,
                                     const std::function<void()>& restart) {
  if (!message.complete()) return tl::make_unexpected(Refusal{EMSGSIZE, "the request does not fit a netlink message"});
  const bool dump = (nlmsg_hdr(message.get())->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    nlmsg_hdr(message.get())->nlmsg_seq = NL_AUTO_SEQ;
    if (!dump) nlmsg_hdr(message.get())->nlmsg_flags |= NLM_F_ACK;
    const int sent = nl_send_auto(socket, message.get());
    if (sent < 0) return tl::make_unexpected(Refusal{EIO, nl_geterror(sent)});
    Answer answer{&receiver, nlmsg_hdr(message.get())->nlmsg_seq};
    if (auto received = receive(socket, answer); !received) return received;
    if (!answer.interrupted) return {};
    if (restart) restart();
    if (attempt + 1 < kDumpAttempts) std::this_thread::sleep_for(kFirstPause * (1 << attempt));
  }
  return tl::make_unexpected(Refusal{EAGAIN, "the kernel's tables kept changing while they were read"});
}

Error to_error(const Refusal& refusal, std::string_view what) {
  if (refusal.error_number == EPERM || refusal.error_number == EACCES)
    return Error{
        ErrorKind::unavailable,
        fmt::format("{}: {}. It needs CAP_NET_ADMIN in this network namespace: run as root, or give the program the "
                    "capability",
                    what, refusal.words)};
  return Error{ErrorKind::internal, fmt::format("{}: {}", what, refusal.words)};
}

Status change(nl_sock* socket, const Message& message, std::string_view what) {
  if (auto done = exchange(socket, message); !done) return Failure(to_error(done.error(), what));
  return {};
}

Result<nl_sock*> open_socket() {
  std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(nl_socket_alloc(), nl_socket_free);
  if (!socket) return internal_error("cannot allocate a netlink socket");
  if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0)
    return internal_error(fmt::format("cannot open a netlink socket: {}", nl_geterror(error)));
  const int on = 1;  // without it the kernel still answers, only in fewer words
  ::setsockopt(nl_socket_get_fd(socket.get()), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  // Without a look at its length first, which would double the system calls. What does not fit is an error of libnl's.
  nl_socket_disable_msg_peek(socket.get());
  if (const int error = nl_socket_set_msg_buf_size(socket.get(), kAnswer_bytes); error < 0)
    return internal_error(fmt::format("cannot open a netlink socket: {}", nl_geterror(error)));
  return socket.release();
}

Attributes::Attributes(const nlmsghdr& message, std::size_t header_bytes)
    : head_(nlmsg_attrdata(&message, static_cast<int>(header_bytes))),
      length_(nlmsg_attrlen(&message, static_cast<int>(header_bytes))) {}

Attributes::Attributes(const nlattr* head, int length) : head_(head), length_(length) {}

const nlattr* Attributes::find(int type) const { return nla_find(head_, length_, type); }

std::string_view Attributes::bytes(int type) const {
  const nlattr* attribute = find(type);
  if (attribute == nullptr) return {};
  return {static_cast<const char*>(nla_data(attribute)), static_cast<std::size_t>(nla_len(attribute))};
}

std::string Attributes::text(int type) const {
  const std::string_view value = bytes(type);
  return std::string(value.substr(0, value.find('\0')));
}

std::uint8_t Attributes::u8(int type) const {
  const std::string_view value = bytes(type);
  return value.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(value.front());
}

std::uint32_t Attributes::u32(int type) const {
  const std::string_view value = bytes(type);
  std::uint32_t number = 0;
  if (value.size() >= sizeof number) std::memcpy(&number, value.data(), sizeof number);
  return number;
}

std::string Attributes::ip(int family, int type) const {
  const std::string_view value = bytes(type);
  if (value.size() < (family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr))) return {};
  char notation[INET6_ADDRSTRLEN];
  return ::inet_ntop(family, value.data(), notation, sizeof notation) != nullptr ? notation : std::string();
}

std::string Attributes::mac(int type) const {
  std::string notation;
  for (const char byte : bytes(type)) {
    if (!notation.empty()) notation += ':';
    notation += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return notation;
}

void Attributes::each(const std::function<void(int, const nlattr&)>& visit) const {
  const nlattr* attribute = head_;
  for (int left = length_; nla_ok(attribute, left); attribute = nla_next(attribute, &left))
    visit(nla_type(attribute), *attribute);
}

Result<std::string> ip_bytes(int family, const std::string& address) {
  char bytes[sizeof(in6_addr)];
  if ((family != AF_INET && family != AF_INET6) || ::inet_pton(family, address.c_str(), bytes) != 1)
    return usage_error(fmt::format("'{}' is not an {} address", address, family == AF_INET6 ? "IPv6" : "IPv4"));
  return std::string(bytes, family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr));
}

Result<std::string> mac_bytes(const std::string& mac) {
  constexpr std::size_t kEthernet = 6, kMaxAddrLen = 32;  // MAX_ADDR_LEN; InfiniBand has 20
  std::string bytes;
  bool valid = true;
  for (std::size_t at = 0; valid && at < mac.size(); at += 3) {
    const std::string digits = mac.substr(at, 2);
    const bool last = at + 2 == mac.size();
    valid = digits.size() == 2 && (last || (at + 3 < mac.size() && mac[at + 2] == ':')) &&
            digits.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
    if (valid) bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
  }
  if (!valid || bytes.size() < kEthernet || bytes.size() > kMaxAddrLen)
    return usage_error(fmt::format("'{}' is not a MAC address; write it as 02:00:00:00:00:01", mac));
  return bytes;
}

}  // namespace grit::rtnl
