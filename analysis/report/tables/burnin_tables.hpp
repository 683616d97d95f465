// The parts of a burn-in's page that are no plots.
#pragma once

#include <string>

#include "harness/model/burnin.hpp"

namespace grit {

/// How many nodes may go live, how sure that is, and what was left out.
std::string burnin_headline(const BurninReport& report);
/// Nodes, links and groups that must be looked at, with the reason of each.
std::string kept_out_section(const BurninReport& report);
/// A box a node, by groups where they are known. A sign in it says the same as its colour.
std::string node_grid(const BurninReport& report);
/// Each accusation and what became of it, the gravest first.
std::string accused_section(const BurninReport& report);
/// What all or some nodes did not do, and what is odd about them or the fleet.
std::string skipped_section(const BurninReport& report);
/// Cells that did not complete, with what was said last.
std::string lost_section(const BurninReport& report);
/// The worst links of a fleet that is too large for matrices; empty: it is not.
std::string worst_links(const BurninReport& report);
/// Every node with its figures, rounds, tolerances, how to read all of it.
std::string burnin_numbers(const BurninReport& report);

}  // namespace grit
