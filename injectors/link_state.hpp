// Taking an interface down and seeing that it is: what link_flap and link_down have in common.
#pragma once

#include <string>

#include "harness/os/link_config.hpp"
#include "injectors/injector.hpp"

namespace grit {

/// Everything an interface loses when it goes down. Errors: as read_link_config; unavailable when it is down already.
Result<LinkConfig> read_link_to_take_down(const std::string& name);

/// The interface of this identity, in the network namespace of the calling thread. Error: it is gone, or another one.
Result<Link> present_link(Netlink& netlink, const LinkIdentity& identity);

/// Sets exactly this interface down, in the network namespace of the calling thread.
Status take_link_down(const LinkIdentity& identity);

/// Error (unavailable): links may not be set down here. Changes nothing: setting a link up that is up needs the same
/// privilege.
Status may_take_links_down();

/// Its flags, state and carrier; the fault holds, and something of it is left, when it is not up, or, with
/// `by_carrier`, when it has no carrier.
Result<Reading> read_link_state(const LinkIdentity& identity, bool by_carrier);

/// What a fault touches that takes it down.
constexpr const char* kLinkState = "the state of the link";

/// How often the carrier changed and how often it went (the kernel's own counters), and whether it went in between.
Result<Json> carrier_counters(const LinkIdentity& identity);
bool carrier_went(const Json& before, const Json& after);

}  // namespace grit
