// What one LinkConfig has and another has not; for link_config.cpp only. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/os/link_config.hpp"

namespace grit::link_config {

/// Of an interface with the same index in the same namespace and boot: is it the one of the identity? Empty: cannot be
/// told, name and MAC are both others and no hardware says.
std::optional<bool> is_same(const LinkIdentity& identity, const Link& link);

std::string describe(const Address& address);
std::string describe(const Route& route);

/// A route the kernel makes from an address and that follows it: local, broadcast, anycast, multicast.
bool is_derived(const Route& route);

std::vector<Address> missing_addresses(const LinkConfig& wanted, const LinkConfig& now);
/// In the order in which the kernel accepts them: on-link routes first, then gateways.
std::vector<Route> missing_routes(const LinkConfig& wanted, const LinkConfig& now);
/// The kernel takes a route with an IPv6 source only once that address is free of duplicates, which without a carrier
/// cannot be found out.
bool waits_for_carrier(const Route& route, const LinkConfig& now);
std::vector<Neighbour> missing_neighbours(const LinkConfig& wanted, const LinkConfig& now);

/// Link-local addresses that the kernel made where there was none although there was a carrier.
std::vector<Address> unasked_addresses(const LinkConfig& wanted, const LinkConfig& now);
/// Connected routes that the kernel made for the addresses there were, but that had not been there.
std::vector<Route> unasked_routes(const LinkConfig& wanted, const LinkConfig& now);

/// One line for each difference. None are: what others added meanwhile, the carrier and what waits for it.
std::vector<std::string> differences(const LinkConfig& wanted, const LinkConfig& now);

}  // namespace grit::link_config
