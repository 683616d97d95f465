#include <arpa/inet.h>
#include <fmt/format.h>

#include <cstring>
#include <map>
#include <vector>

#include "harness/agent/uplink.hpp"
#include "harness/agent/uplink_wire.hpp"
#include "harness/os/reachable.hpp"

namespace grit {
namespace {

constexpr auto kZapEndpoint = "inproc://zeromq.zap.01";  // RFC 27 fixes it
constexpr auto kZapDomain = "grit";
constexpr int kReceiveQueue_messages = 64;  // of each agent; of records 430 KB: then they wait with the agent
/// Connections that wait to be taken in when all agents of a large run start at once; the kernel cuts it to
/// net.core.somaxconn, 4,096 since Linux 5.4. With ZeroMQ's 100 the rest would try again a second later.
constexpr int kBacklog_connections = 4096;

/// Error (usage): not an endpoint, or the wildcard address, which is of other networks, too.
Result<Endpoint> endpoint_to_listen_on(const std::string& text) {
  GRIT_TRY(Endpoint endpoint, parse_endpoint(text));
  in_addr v4{};
  in6_addr v6{};
  const bool every =
      ::inet_pton(AF_INET, endpoint.address.c_str(), &v4) == 1
          ? v4.s_addr == INADDR_ANY
          : ::inet_pton(AF_INET6, endpoint.address.c_str(), &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6) != 0;
  if (every)
    return usage_error(
        fmt::format("the recorder must not listen on all interfaces ({}); name the management interface's address",
                    endpoint.address));
  return endpoint;
}

/// Why zmq_bind(3) failed, with what to do.
Error cannot_listen(const Endpoint& endpoint, const zmq::error_t& error) {
  const std::string what =
      endpoint.port == 0
          ? fmt::format("the recorder cannot listen on {}: {}", endpoint.address, error.what())
          : fmt::format("the recorder cannot listen on {} port {}: {}", endpoint.address, endpoint.port, error.what());
  switch (error.num()) {
    case EADDRINUSE:
      return {ErrorKind::unavailable, what + "; end the program that holds the port, or choose another with --port"};
    case EACCES:
      return {ErrorKind::unavailable, what + "; ports below 1024 are root's, choose another with --port"};
    case EADDRNOTAVAIL:
    case ENODEV:
      return {ErrorKind::unavailable, what + "; it must be an address of this machine"};
    default:
      return {ErrorKind::internal, what};
  }
}

}  // namespace

// Sockets after the context: it can end only when they are closed.
struct RecorderSocket::State {
  zmq::context_t context{1};
  zmq::socket_t zap{context, zmq::socket_type::rep};
  zmq::socket_t router{context, zmq::socket_type::router};
  std::vector<std::string> endpoints{};
  std::map<int, std::string> routes{};  // by node: the identity of the connection that its last message came by
  std::array<std::uint8_t, 32> client_key{};
  std::uint64_t malformed = 0;
  std::uint64_t refused = 0;

  void open(const RunKeys& keys);
  Status listen(const Endpoint& endpoint, std::optional<Error>& left_out);
  void answer_handshakes();
  bool admits(const std::vector<zmq::message_t>& request) const;
};

void RecorderSocket::State::open(const RunKeys& keys) {
  zmq_z85_decode(client_key.data(), keys.client_public.c_str());
  zap.set(zmq::sockopt::linger, 0);
  zap.bind(kZapEndpoint);  // first: a CURVE server without a ZAP handler lets every key in
  router.set(zmq::sockopt::linger, 0);
  router.set(zmq::sockopt::curve_server, true);
  router.set(zmq::sockopt::curve_secretkey, keys.server_secret);
  router.set(zmq::sockopt::zap_domain, kZapDomain);
  router.set(zmq::sockopt::maxmsgsize, kLargestMessage_bytes);
  router.set(zmq::sockopt::rcvhwm, kReceiveQueue_messages);
  router.set(zmq::sockopt::router_mandatory, true);  // says who is gone
  router.set(zmq::sockopt::heartbeat_ivl, kConnectionBeat_ms);
  router.set(zmq::sockopt::heartbeat_timeout, kConnectionSilence_ms);
  router.set(zmq::sockopt::backlog, kBacklog_connections);
}

/// An address that is not there is left out.
Status RecorderSocket::State::listen(const Endpoint& endpoint, std::optional<Error>& left_out) {
  try {
    // What a listener is made with: an IPv4 one has nothing to do with IPv6, which the kernel may lack.
    router.set(zmq::sockopt::ipv6, endpoint.address.find(':') != std::string::npos);
    router.bind(to_string(endpoint));
    endpoints.push_back(router.get(zmq::sockopt::last_endpoint));
    return {};
  } catch (const zmq::error_t& error) {
    const Error why = cannot_listen(endpoint, error);
    if (error.num() != EADDRNOTAVAIL && error.num() != ENODEV) return Failure(why);
    if (!left_out) left_out = why;
    return {};
  }
}

/// Request frames (RFC 27): version, request id, domain, address, identity, mechanism, credentials.
bool RecorderSocket::State::admits(const std::vector<zmq::message_t>& request) const {
  return request.size() == 7 && text_of(request[0]) == "1.0" && text_of(request[2]) == kZapDomain &&
         text_of(request[5]) == "CURVE" && request[6].size() == client_key.size() &&
         std::memcmp(request[6].data(), client_key.data(), client_key.size()) == 0;
}

void RecorderSocket::State::answer_handshakes() {
  for (auto request = receive_frames(zap); !request.empty(); request = receive_frames(zap)) {
    const bool admitted = admits(request);
    if (!admitted) ++refused;
    const auto send = [&](std::string_view text, bool more) {
      zap.send(zmq::buffer(text),
               more ? zmq::send_flags::sndmore | zmq::send_flags::dontwait : zmq::send_flags::dontwait);
    };
    send("1.0", true);
    send(request.size() > 1 ? text_of(request[1]) : std::string_view(), true);
    send(admitted ? "200" : "400", true);
    send(admitted ? "OK" : "not a key of this run", true);
    send("", true);   // user id
    send("", false);  // metadata
  }
}

RecorderSocket::RecorderSocket(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecorderSocket::RecorderSocket(RecorderSocket&& other) noexcept = default;
RecorderSocket& RecorderSocket::operator=(RecorderSocket&& other) noexcept = default;
RecorderSocket::~RecorderSocket() = default;

Result<RecorderSocket> RecorderSocket::bind(const std::vector<std::string>& endpoints, const RunKeys& keys) {
  GRIT_ASSERT(!endpoints.empty());
  GRIT_CHECK(check_server_keys(keys));
  std::unique_ptr<State> state;
  try {
    state = std::make_unique<State>();
    state->open(keys);
  } catch (const zmq::error_t& error) {
    return internal_error(std::string("cannot make the recorder's sockets: ") + error.what());
  }
  std::optional<Error> left_out;
  for (const std::string& text : endpoints) {
    GRIT_TRY(const Endpoint endpoint, endpoint_to_listen_on(text));
    GRIT_CHECK(state->listen(endpoint, left_out));
  }
  if (state->endpoints.empty()) return Failure(*left_out);
  return RecorderSocket(std::move(state));
}

const std::vector<std::string>& RecorderSocket::endpoints() const { return state_->endpoints; }

std::array<void*, 2> RecorderSocket::sockets() const { return {state_->router.handle(), state_->zap.handle()}; }

std::optional<Message> RecorderSocket::receive() {
  try {
    state_->answer_handshakes();
    for (;;) {
      const auto frames = receive_frames(state_->router);
      if (frames.empty()) return std::nullopt;
      auto message = parse_message(std::span(frames).subspan(1));
      if (message) {
        state_->routes[message->node] = text_of(frames[0]);
        return message;
      }
      ++state_->malformed;
    }
  } catch (const zmq::error_t&) {
    return std::nullopt;  // EINTR: the caller's loop comes back
  }
}

bool RecorderSocket::send(int node, MessageKind kind, std::string_view payload) {
  const auto route = state_->routes.find(node);
  if (route == state_->routes.end()) return false;
  using zmq::send_flags;
  const std::string number = std::to_string(node);
  try {
    // All further frames of a message whose first one found room find it, too. No room: it is there, and slow.
    if (!state_->router.send(zmq::buffer(route->second), send_flags::sndmore | send_flags::dontwait)) return true;
    state_->router.send(zmq::buffer(to_string(kind)), send_flags::sndmore | send_flags::dontwait);
    state_->router.send(zmq::buffer(number), send_flags::sndmore | send_flags::dontwait);
    state_->router.send(zmq::buffer(payload), send_flags::dontwait);
    return true;
  } catch (const zmq::error_t& error) {
    return error.num() != EHOSTUNREACH;
  }
}

std::uint64_t RecorderSocket::malformed() const { return state_->malformed; }

std::uint64_t RecorderSocket::refused() const { return state_->refused; }

}  // namespace grit
