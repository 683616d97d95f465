// Traffic control as tc(8) shows and makes it: a second opinion on what harness/os/tc.cpp reads and puts back.
#pragma once

#include <array>
#include <cstdio>
#include <regex>
#include <string>

#include "tests/catch.hpp"

namespace grit::test {

/// What a command prints, standard error included; its exit status in `status`.
inline std::string output_of(const std::string& command, int& status) {
  std::fflush(nullptr);
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
  REQUIRE(pipe != nullptr);
  std::string text;
  std::array<char, 4096> part{};
  while (const std::size_t got = std::fread(part.data(), 1, part.size(), pipe)) text.append(part.data(), got);
  status = ::pclose(pipe);
  return text;
}

inline void tc(const std::string& arguments) {
  int status = 0;
  const std::string said = output_of("tc " + arguments, status);
  INFO("tc " << arguments << ": " << said);
  REQUIRE(status == 0);
}

/// Whether this kernel has a qdisc of that kind: tries it on the loopback interface of the caller's namespace.
inline bool has_qdisc(const std::string& kind_and_options) {
  int status = 0;
  output_of("tc qdisc add dev lo root handle 7: " + kind_and_options, status);
  if (status == 0) tc("qdisc del dev lo root");
  return status == 0;
}

/// Everything tc(8) shows of an interface, but for references and counters.
inline std::string tc_text(const std::string& name) {
  std::string all;
  for (const char* what : {"qdisc", "class", "filter"}) {
    int status = 0;
    all += output_of(std::string("tc -d ") + what + " show dev " + name, status);
    REQUIRE(status == 0);
  }
  for (const char* parent : {"1:", "1:1", "1:10", "1:20", "2:", "3:", "10:", "20:"}) {
    int status = 0;  // not all of them are there
    all += output_of(std::string("tc -d filter show dev ") + name + " parent " + parent, status);
  }
  static const std::regex counters(
      "refcnt [0-9]+ ?|direct_packets_stat [0-9]+ ?|\\(rule hit [0-9]+ success [0-9]+\\) ?");
  return std::regex_replace(all, counters, "");
}

}  // namespace grit::test
