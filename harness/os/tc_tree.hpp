// The parts of a traffic control tree, as text and as what the kernel takes back; for tc*.cpp only. Pure.
#pragma once

#include <string>
#include <string_view>

#include "harness/os/tc.hpp"

namespace grit::tc {

/// "1:", "1:10", "root", as tc(8) writes handles.
std::string handle_text(std::uint32_t handle);
std::string describe(const TcQdisc& qdisc);
std::string describe(const TcClass& one);
std::string describe(const TcFilter& filter);

/// The options without what moves by itself: counters, flags that say what the hardware does. Of a default (handle 0)
/// the kind alone, and whether it is the root: nobody can set more of it, and the kernel makes it anew with options
/// from the MTU (the quantum of fq_codel and fq), under mq one for each queue, as MTU and queues are then.
TcQdisc comparable(TcQdisc qdisc);
TcClass comparable(TcClass one);
TcFilter comparable(TcFilter filter);

/// The options in the form in which the kernel, given them, shows them as they were.
std::string settable_options(const TcQdisc& qdisc);
std::string settable_options(const TcFilter& filter);

/// The kernel makes it by itself with the first filter of its priority.
bool is_u32_root_table(const TcFilter& filter);

/// Kinds whose classes are made one by one; those of others come with the qdisc.
bool has_own_classes(const std::string& kind);

}  // namespace grit::tc
