// The run's keys and the names on the wire.
#include <fmt/format.h>
#include <zmq.h>

#include <cerrno>

#include "harness/agent/uplink.hpp"
#include "harness/agent/uplink_wire.hpp"

namespace grit {
namespace {

constexpr std::size_t kZ85Key_chars = 40;
constexpr std::string_view kKindNames[] = {"hello",   "event", "records", "heartbeat",
                                           "goodbye", "end",   "spans",   "taken"};

struct KeyText {
  char public_key[kZ85Key_chars + 1];
  char secret_key[kZ85Key_chars + 1];
};

Result<KeyText> make_pair() {
  KeyText keys{};
  if (zmq_curve_keypair(keys.public_key, keys.secret_key) == 0) return keys;
  if (errno == ENOTSUP)
    return unavailable_error("libzmq was built without CURVE; install one with libsodium (Debian: libzmq5)");
  return internal_error(fmt::format("cannot make a key: {}", zmq_strerror(errno)));
}

Status check_public(const std::string& name, const std::string& key) {
  std::array<std::uint8_t, 32> binary{};
  if (key.size() == kZ85Key_chars && zmq_z85_decode(binary.data(), key.c_str()) != nullptr) return {};
  return usage_error(fmt::format("run key '{}' is not a Z85 key of {} characters", name, kZ85Key_chars));
}

Status check_secret(const std::string& name, const std::string& secret, const std::string& public_key) {
  GRIT_CHECK(check_public(name, secret));
  std::array<char, kZ85Key_chars + 1> derived{};
  if (zmq_curve_public(derived.data(), secret.c_str()) == 0 && public_key == derived.data()) return {};
  return usage_error(fmt::format("run key '{}' does not belong to its public key", name));
}

}  // namespace

std::string_view to_string(MessageKind kind) { return kKindNames[static_cast<std::size_t>(kind)]; }

std::optional<MessageKind> message_kind(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kKindNames); ++i)
    if (kKindNames[i] == name) return static_cast<MessageKind>(i);
  return std::nullopt;
}

Result<RunKeys> make_run_keys() {
  GRIT_TRY(const KeyText server, make_pair());
  GRIT_TRY(const KeyText client, make_pair());
  return RunKeys{server.public_key, server.secret_key, client.public_key, client.secret_key};
}

Json to_json(const RunKeys& keys) {
  return Json{{"server_public", keys.server_public},
              {"server_secret", keys.server_secret},
              {"client_public", keys.client_public},
              {"client_secret", keys.client_secret}};
}

Status check_client_keys(const RunKeys& keys) {
  GRIT_CHECK(check_public("server_public", keys.server_public));
  return check_secret("client_secret", keys.client_secret, keys.client_public);
}

Status check_server_keys(const RunKeys& keys) {
  GRIT_CHECK(check_secret("server_secret", keys.server_secret, keys.server_public));
  return check_public("client_public", keys.client_public);
}

Result<RunKeys> run_keys_from_json(const Json& json) {
  RunKeys keys;
  try {
    keys.server_public = json.at("server_public").get<std::string>();
    keys.server_secret = json.at("server_secret").get<std::string>();
    keys.client_public = json.at("client_public").get<std::string>();
    keys.client_secret = json.at("client_secret").get<std::string>();
  } catch (const Json::exception& error) {
    return usage_error(std::string("the run's keys are incomplete: ") + error.what());
  }
  GRIT_CHECK(check_client_keys(keys));
  if (!keys.server_secret.empty()) GRIT_CHECK(check_server_keys(keys));
  return keys;
}

}  // namespace grit
