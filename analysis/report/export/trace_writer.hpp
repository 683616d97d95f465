// Events of a trace (trace.hpp), one after the other into its file.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include "analysis/report/export/text_file.hpp"
#include "harness/base/json.hpp"

namespace grit {

// A process or thread 0 is the idle one to some viewers. Threads have numbers of their own over all processes.
constexpr std::int64_t kBlocksProcess = 1, kFirstNodeProcess = 2;
constexpr std::int64_t kFirstRankThread = 1, kFirstCollectivesThread = 100'000'001, kFirstFaultThread = 200'000'001,
                       kFirstSpanThread = 300'000'001;

struct Thread {
  std::int64_t process = 0, thread = 0;
};

class Trace {
 public:
  explicit Trace(TextFile& file) : file_(file) {}

  void begin() { file_.add("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"); }
  void end() { file_.add("\n]}\n"); }

  /// `name` and `arguments` are JSON.
  void complete(Thread at, std::string_view name, std::int64_t start_ns, std::int64_t length_ns,
                std::string_view arguments = {}) {
    comma();
    text_.clear();
    fmt::format_to(std::back_inserter(text_), R"({{"ph":"X","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},"name":{})",
                   at.process, at.thread, static_cast<double>(start_ns) / 1e3, static_cast<double>(length_ns) / 1e3,
                   name);
    if (!arguments.empty()) fmt::format_to(std::back_inserter(text_), R"(,"args":{})", arguments);
    text_.push_back('}');
    file_.add({text_.data(), text_.size()});
  }

  /// One end of an arrow between two complete events: from the one at `at` in which that moment is, or to it. `id` is
  /// the same at both ends, and needs no escaping.
  void arrow(Thread at, bool from, std::string_view id, std::int64_t at_ns) {
    comma();
    text_.clear();
    fmt::format_to(std::back_inserter(text_),
                   R"({{"ph":"{}","pid":{},"tid":{},"ts":{:.3f},"cat":"message","name":"message","id":"{}"{}}})",
                   from ? 's' : 'f', at.process, at.thread, static_cast<double>(at_ns) / 1e3, id,
                   from ? "" : R"(,"bp":"e")");
    file_.add({text_.data(), text_.size()});
  }

  void process_name(std::int64_t process, const std::string& name) {
    metadata({process, 0}, "process_name", fmt::format(R"({{"name":{}}})", json_text(name)));
    metadata({process, 0}, "process_sort_index", fmt::format(R"({{"sort_index":{}}})", process));
  }
  void thread_name(Thread at, const std::string& name, std::int64_t order) {
    metadata(at, "thread_name", fmt::format(R"({{"name":{}}})", json_text(name)));
    metadata(at, "thread_sort_index", fmt::format(R"({{"sort_index":{}}})", order));
  }

 private:
  void metadata(Thread at, std::string_view what, const std::string& arguments) {
    comma();
    file_.add(
        fmt::format(R"({{"ph":"M","pid":{},"tid":{},"name":"{}","args":{}}})", at.process, at.thread, what, arguments));
  }
  void comma() {
    if (any_) file_.add(",\n");
    any_ = true;
  }

  TextFile& file_;
  fmt::memory_buffer text_{};
  bool any_ = false;
};

}  // namespace grit
