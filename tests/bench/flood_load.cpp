// One end of an ethernet_flood, for flood_vs_iperf3.py: makes the load, says "ready", starts at a line on standard
// input and prints the counters before and after.
//
//   bench_flood {"device":..,"params":{..},"resolved":{"send":[..],"listen":[..]}} SECONDS
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "injectors/faults.hpp"

namespace {

grit::Status run(const std::string& text, double seconds) {
  const grit::Json asked = grit::Json::parse(text);
  const grit::Injector& flood = grit::ethernet_flood();
  GRIT_TRY(grit::Json params, grit::complete_params(flood.info().params, asked.at("params")));
  const grit::Target target{
      asked.at("device").get<std::string>(), grit::Params(std::move(params)), asked.at("resolved"), {}};
  if (auto why = flood.why_unavailable(target)) return grit::unavailable_error(*why);
  GRIT_TRY(const grit::Prepared made, flood.prepare(target));
  const auto& load = made.fault;
  std::cout << "ready" << std::endl;
  std::string line;
  std::getline(std::cin, line);
  GRIT_CHECK(load->start());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // slow start
  GRIT_TRY(const grit::Json before, load->counters());
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  GRIT_TRY(const grit::Json after, load->counters());
  GRIT_TRY(const grit::Reading reading, load->read());
  GRIT_CHECK(load->stop());
  std::cout << grit::Json{{"before", before},
                          {"after", after},
                          {"acted", flood.acted(before, after)},
                          {"mechanism", reading.details.at("mechanism")}}
                   .dump()
            << std::endl;
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const auto done = run(argv[1], std::atof(argv[2]));
  if (!done) fmt::print(stderr, "{}\n", done.error().message);
  return done ? 0 : static_cast<int>(done.error().kind);
}
