// Which faults cannot work on a node of the local cluster of this user, found out without making one.
#pragma once

#include <map>
#include <span>
#include <string>

#include "harness/base/result.hpp"

namespace grit {

/// Of these faults those of which no mechanism works there, with the reason of the first. Asked in a child, in
/// namespaces of its own such as a node has, which go with it. Error (unavailable): namespaces are forbidden.
Result<std::map<std::string, std::string>> faults_not_in_cluster(std::span<const std::string> names);

}  // namespace grit
