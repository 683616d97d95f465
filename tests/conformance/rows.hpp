// One row a fault: with which parameters the conformance tests inject it into one node of a namespace.
#pragma once

#include <functional>
#include <string>

#include "harness/base/json.hpp"

namespace grit::test {

struct Node;

struct Row {
  std::string name;
  Json params = Json::object();    // base units; the rest are defaults
  Json resolved = Json::object();  // what the plan would have settled: the peers' addresses
  /// Its own counter must move while the stand-in for a rank computes and sends. False only where it takes another
  /// node to see it act; `acts_where` then says which test does.
  bool acts = true;
  std::string acts_where{};
  /// It works wherever these tests run: a reason why it would not is a failure, and not a skip.
  bool anywhere = false;
  /// The same of each of its mechanisms: GRIT_MECHANISM.
  bool every_mechanism = false;
  /// Makes the node's state before other than the default one.
  std::function<void(Node&)> prior{};
};

/// A failed test when there is none: every fault needs one.
const Row& row_of(const std::string& fault);

}  // namespace grit::test
