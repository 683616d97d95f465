#include "harness/burnin/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/model/format.hpp"
#include "harness/record/json_lines.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLogFile = "burnin.jsonl";

Json json_of(const BurninHead& head) {
  Json hosts = Json::array();
  for (const BurninHost& host : head.setup.hosts)
    hosts.push_back({{"name", host.name}, {"address", host.address}, {"group", host.group}});
  return {{"format", formats::kBurninLog.number},
          {"type", "burnin"},
          {"config", to_json(head.setup.config)},
          {"hosts", std::move(hosts)},
          {"parallel", head.setup.parallel},
          {"shares_cores", head.setup.shares_cores},
          {"seed", head.setup.seed},
          {"reference", head.setup.reference ? to_json(*head.setup.reference) : Json(nullptr)},
          {"config_file", head.config_file},
          {"launcher", head.launcher},
          {"slurm_job", head.slurm_job},
          {"launcher_arguments", head.launcher_arguments},
          {"local_nodes", head.local_nodes},
          {"before", head.before},
          {"console", head.console},
          {"save_reference", head.save_reference},
          {"started_ns", head.started_ns},
          {"time_limit_ns", head.time_limit_ns}};
}

Status read_setup(const Json& json, BurninSetup& setup) {
  GRIT_TRY(setup.config, burnin_config_from_json(json.at("config")));
  for (const Json& host : json.at("hosts"))
    setup.hosts.push_back({.name = host.at("name").get<std::string>(),
                           .address = text_at(host, "address"),
                           .group = text_at(host, "group")});
  setup.parallel = json.at("parallel").get<int>();
  setup.shares_cores = truth_at(json, "shares_cores");
  setup.seed = json.at("seed").get<std::uint64_t>();
  if (setup.hosts.empty() || setup.config.rounds.empty()) return usage_error("it has no hosts or no rounds");
  if (const auto reference = json.find("reference"); reference != json.end() && !reference->is_null()) {
    GRIT_TRY(BurninReference read, reference_from_json(*reference));
    setup.reference = std::move(read);
  }
  return {};
}

/// The JSON library's exceptions end here.
Result<BurninHead> head_from(const Json& json) {
  try {
    BurninHead head;
    GRIT_CHECK(read_setup(json, head.setup));
    head.config_file = text_at(json, "config_file");
    head.launcher = json.at("launcher").get<std::string>();
    head.slurm_job = text_at(json, "slurm_job");
    json.at("launcher_arguments").get_to(head.launcher_arguments);
    head.local_nodes = static_cast<int>(integer_at(json, "local_nodes", 0));
    head.before = text_at(json, "before");
    head.console = text_at(json, "console");
    head.save_reference = text_at(json, "save_reference");
    head.started_ns = integer_at(json, "started_ns", 0);
    head.time_limit_ns = integer_at(json, "time_limit_ns", 0);
    return head;
  } catch (const Json::exception& error) {
    return usage_error(error.what());
  }
}

/// Nobody else is at it as long as the descriptor is open.
Status lock(const Fd& file, const fs::path& directory) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return errno_error("cannot lock " + (directory / kLogFile).string());
  return usage_error(fmt::format("another grit is at the burn-in in {}", directory.string()));
}

/// A line that was being written when the front end was killed says nothing that anything followed from.
Status cut_torn_line(const Fd& file, const fs::path& path) {
  GRIT_TRY(const std::string text, read_file(path, std::size_t{16} << 30));
  const auto end = text.rfind('\n');
  const auto whole = static_cast<off_t>(end == std::string::npos ? 0 : end + 1);
  if (whole == static_cast<off_t>(text.size())) return {};
  if (::ftruncate(file.get(), whole) != 0) return errno_error("cannot cut the torn end of " + path.string());
  return {};
}

void forget_last(std::vector<BurninCellResult>& results, std::int64_t count) {
  const auto known = static_cast<std::int64_t>(results.size());
  results.erase(results.end() - std::clamp<std::int64_t>(count, 0, known), results.end());
}

/// How long sessions took, each from its own line to the last one behind it.
class SessionTimes {
 public:
  void add(const Json& line) {
    const std::int64_t at_ns = integer_at(line, "t_ns", 0);
    if (has_text(line, "type", "session")) {
      before_ns_ = sum_ns();
      began_ns_ = last_ns_ = at_ns;
    }
    last_ns_ = std::max(last_ns_, at_ns);
  }
  [[nodiscard]] std::int64_t sum_ns() const { return before_ns_ + last_ns_ - began_ns_; }

 private:
  std::int64_t before_ns_ = 0, began_ns_ = 0, last_ns_ = 0;  // CLOCK_REALTIME
};

Json session_line() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return {{"type", "session"}, {"pid", ::getpid()}, {"host", host}, {"t_ns", realtime_ns()}};
}

}  // namespace

Result<BurninLog> BurninLog::create(const fs::path& directory, const BurninHead& head) {
  const fs::path path = directory / kLogFile;
  BurninLog log;
  log.fd_ = open_plain_file(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC);
  if (!log.fd_ && errno == EEXIST)
    return usage_error(fmt::format("{} holds a burn-in already. Go on with it: grit resume {}", directory.string(),
                                   shell_word(directory.string())));
  if (!log.fd_) return errno_error("cannot make " + path.string());
  GRIT_CHECK(lock(log.fd_, directory));
  GRIT_CHECK(log.append(json_of(head), false));
  GRIT_CHECK(log.append(session_line(), true));
  GRIT_CHECK(sync_directory(directory));
  return log;
}

Result<BurninHead> BurninLog::read_head(const fs::path& directory) {
  const fs::path path = directory / kLogFile;
  GRIT_TRY(const JsonLines lines, JsonLines::open(path, formats::kBurninLog));
  const Json first = lines.first();
  if (!first.is_object() || !has_text(first, "type", "burnin"))
    return usage_error(fmt::format("{} is not the directory of a burn-in", directory.string()));
  auto head = head_from(first);
  if (!head) return with_context(head.error(), path.string());
  return head;
}

Result<OpenedBurninLog> BurninLog::open(const fs::path& directory) {
  const fs::path path = directory / kLogFile;
  GRIT_CHECK(check_run_directory(directory));
  BurninLog log;
  log.fd_ = open_plain_file(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (!log.fd_) return usage_error(fmt::format("{} is not the directory of a burn-in", directory.string()));
  GRIT_CHECK(lock(log.fd_, directory));
  GRIT_CHECK(cut_torn_line(log.fd_, path));
  GRIT_TRY(BurninHead head, read_head(directory));
  OpenedBurninLog opened{.log = std::move(log), .head = std::move(head)};
  GRIT_TRY(const JsonLines lines, JsonLines::open(path, formats::kBurninLog));
  Status read;
  SessionTimes sessions;
  lines.for_each_of({"session", "cell_started", "cell_done", "given_up", "forgotten", "end"}, [&](const Json& line) {
    sessions.add(line);
    if (has_text(line, "type", "session")) ++opened.session;
    if (has_text(line, "type", "forgotten")) forget_last(opened.results, integer_at(line, "results", 0));
    opened.ended = opened.ended || has_text(line, "type", "end");
    // Earlier versions said it in the end only, as far as they came to that.
    const bool may_give_up = has_text(line, "type", "given_up") || has_text(line, "type", "end");
    if (const std::string why = may_give_up ? text_at(line, "why") : ""; !why.empty() && !opened.given_up)
      opened.given_up = {opened.results.size(), why};
    if (!has_text(line, "type", "cell_done") || !read) return;
    const auto result = line.find("result");
    auto done = burnin_cell_result_from_json(result == line.end() ? Json() : *result);
    if (done)
      opened.results.push_back(std::move(*done));
    else
      read = with_context(done.error(), path.string());
  });
  GRIT_CHECK(read);
  if (opened.given_up) opened.given_up->results = std::min(opened.given_up->results, opened.results.size());
  opened.earlier_ns = sessions.sum_ns();
  ++opened.session;
  GRIT_CHECK(opened.log.append(session_line(), true));
  return opened;
}

Status BurninLog::append(const Json& line, bool flush) {
  const std::string text = json_text(line) + "\n";
  GRIT_CHECK(write_all(fd_.get(), text));
  if (flush && ::fdatasync(fd_.get()) != 0) return errno_error(std::string("cannot write ") + kLogFile);
  return {};
}

Status BurninLog::started(const BurninCell& cell, const std::vector<std::string>& command) {
  return append({{"type", "cell_started"}, {"t_ns", realtime_ns()}, {"cell", to_json(cell)}, {"command", command}},
                false);
}

Status BurninLog::done(const BurninCellResult& result) {
  return append({{"type", "cell_done"}, {"t_ns", realtime_ns()}, {"result", to_json(result)}}, true);
}

Status BurninLog::changed(const std::vector<BurninChange>& changes) {
  for (const BurninChange& change : changes)
    GRIT_CHECK(append({{"type", "state"},
                       {"t_ns", realtime_ns()},
                       {"host", change.host},
                       {"from", to_string(change.from)},
                       {"to", to_string(change.to)},
                       {"why", change.why}},
                      false));
  return {};
}

Status BurninLog::forgotten(std::size_t results) {
  return append({{"type", "forgotten"}, {"t_ns", realtime_ns()}, {"results", results}}, true);
}

Status BurninLog::given_up(const std::string& why) {
  return append({{"type", "given_up"}, {"t_ns", realtime_ns()}, {"why", why}}, true);
}

Status BurninLog::ended(const std::string& why) {
  return append({{"type", "end"}, {"t_ns", realtime_ns()}, {"why", why}}, true);
}

}  // namespace grit
