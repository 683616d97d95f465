#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "harness/agent/journal.hpp"
#include "harness/os/identity.hpp"
#include "injectors/injector.hpp"
#include "tests/two_nodes.hpp"
#include "tests/unit/record/support.hpp"

using namespace grit;
using Catch::Matchers::Contains;
using grit::test::ok;

namespace {

/// A private place for journals, mode 0700.
class Place {
 public:
  Place() { REQUIRE(::chmod(directory_.path().c_str(), 0700) == 0); }
  [[nodiscard]] std::filesystem::path directory() const { return directory_.path(); }
  [[nodiscard]] std::filesystem::path file() const { return directory_.path() / "run-node0.jsonl"; }

 private:
  test::TempDirectory directory_;
};

std::string text_of(const std::filesystem::path& path) { return ok(read_file(path)); }

void write_private(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat file {};
  REQUIRE(::lstat(path.c_str(), &file) == 0);
  return file.st_mode & 07777;
}

const Injector& flap() { return *find_injector("link_flap"); }

Target eth0() { return {"eth0", Params(ok(complete_params(flap().info().params, Json::object())))}; }

/// Another network namespace with a process in it.
class Inhabited {
 public:
  Inhabited() : pid_(::fork()) {
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::setns(netns_.get(), CLONE_NEWNET);
      for (;;) ::pause();
    }
    const std::int64_t deadline = monotonic_ns() + 10 * kNsPerS;
    while (!ok(find_process_in_netns(id()))) REQUIRE(monotonic_ns() < deadline);
  }
  Inhabited(const Inhabited&) = delete;
  Inhabited& operator=(const Inhabited&) = delete;
  ~Inhabited() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] std::string id() const { return ok(netns_id(netns_.get())); }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  Fd netns_ = test::new_netns();
  pid_t pid_;
};

bool is_up(test::TwoNodes& nodes) { return ok(nodes.node.link("eth0")).up(); }

}  // namespace

TEST_CASE("journal: private from the start, pending until reverted, gone when clean") {
  const Place place;
  const auto file = place.directory() / "state" / "grit" / "a.jsonl";
  Journal journal = ok(Journal::open(file));
  REQUIRE(mode_of(file) == 0600);
  REQUIRE(mode_of(file.parent_path()) == 0700);
  ok(journal.append_intent("one", "link_flap", Json{{"x", 1}}));
  ok(journal.append_intent("two", "link_flap", Json{{"x", 2}}));
  REQUIRE(ok(pending(file)).size() == 2);
  ok(journal.append_reverted("one"));
  const auto left = ok(pending(file));
  REQUIRE(left.size() == 1);
  REQUIRE(left[0].id == "two");
  REQUIRE(left[0].injector == "link_flap");
  REQUIRE(left[0].undo == Json{{"x", 2}});
  REQUIRE(left[0].boot_id == ok(boot_id()));
  REQUIRE_FALSE(ok(journal.remove_if_clean()));
  REQUIRE(std::filesystem::exists(file));
  ok(journal.append_reverted("two"));
  REQUIRE(ok(journal.remove_if_clean()));
  REQUIRE_FALSE(std::filesystem::exists(file));
}

TEST_CASE("journal: one id is pending once, and only what is pending can be reverted") {
  const Place place;
  Journal journal = ok(Journal::open(place.file()));
  ok(journal.append_intent("one", "link_flap", Json::object()));
  REQUIRE(journal.append_intent("one", "link_flap", Json::object()).error().kind == ErrorKind::internal);
  REQUIRE(journal.append_reverted("two").error().kind == ErrorKind::internal);
  ok(journal.append_reverted("one"));
  ok(journal.append_intent("one", "link_flap", Json::object()));
  REQUIRE(ok(pending(place.file())).size() == 1);
}

TEST_CASE("journal: a torn last line is ignored, and cut off before more is written") {
  const Place place;
  {
    Journal journal = ok(Journal::open(place.file()));
    ok(journal.append_intent("one", "link_flap", Json::object()));
  }
  const std::string whole = text_of(place.file());
  for (std::size_t kept = 0; kept < whole.size(); ++kept) {
    write_private(place.file(), whole + whole.substr(0, kept));
    REQUIRE(ok(pending(place.file())).size() == 1);
  }
  Journal journal = ok(Journal::open(place.file()));
  REQUIRE(text_of(place.file()) == whole);
  ok(journal.append_intent("two", "link_flap", Json::object()));
  REQUIRE(ok(pending(place.file())).size() == 2);
}

TEST_CASE("journal: one holder at a time") {
  const Place place;
  const Journal journal = ok(Journal::open(place.file()));
  const auto second = Journal::open(place.file());
  REQUIRE(second.error().kind == ErrorKind::unavailable);
  REQUIRE_THAT(second.error().message, Contains("in use"));
  REQUIRE(revert_journal(place.file(), ::geteuid()).error().kind == ErrorKind::unavailable);
}

TEST_CASE("journal: what others could have written is not trusted") {
  const Place place;
  { ok(Journal::open(place.file())); }
  const auto refused = [&](const std::filesystem::path& path, const std::string& why) {
    for (const Error& error :
         {revert_journal(path, ::geteuid()).error(), Journal::open(path).error(), pending(path).error()}) {
      REQUIRE(error.kind == ErrorKind::usage);
      REQUIRE_THAT(error.message, Contains(why));
    }
  };
  const auto link = place.directory() / "link.jsonl";
  std::filesystem::create_symlink(place.file(), link);
  refused(link, "symbolic link");
  std::filesystem::remove(link);

  REQUIRE(::chmod(place.file().c_str(), 0620) == 0);
  refused(place.file(), "others can write");
  REQUIRE(::chmod(place.file().c_str(), 0602) == 0);
  refused(place.file(), "others can write");
  REQUIRE(::chmod(place.file().c_str(), 0600) == 0);

  std::filesystem::create_hard_link(place.file(), link);
  refused(place.file(), "one name");
  std::filesystem::remove(link);

  const auto pipe = place.directory() / "pipe.jsonl";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  refused(pipe, "not a regular file");  // and does not wait for a writer
  std::filesystem::create_directory(place.directory() / "dir.jsonl");
  REQUIRE(revert_journal(place.directory() / "dir.jsonl", ::geteuid()).error().kind == ErrorKind::usage);

  for (const mode_t mode : {0770U, 0707U, 01777U}) {
    REQUIRE(::chmod(place.directory().c_str(), mode) == 0);
    refused(place.file(), "others can write to the directory");
  }
  REQUIRE(::chmod(place.directory().c_str(), 0700) == 0);
  const auto alias = place.directory() / "alias";
  std::filesystem::create_directory_symlink(place.directory(), alias);
  REQUIRE(revert_journal(alias / place.file().filename(), ::geteuid()).error().kind == ErrorKind::usage);

  const auto foreign = revert_journal(place.file(), ::geteuid() + 1);
  REQUIRE(foreign.error().kind == ErrorKind::usage);
  REQUIRE(ok(revert_journal(place.file(), ::geteuid())).problems.empty());
}

TEST_CASE("journal: a file of another user is refused by root") {
  if (::geteuid() != 0) return;  // only root can give a file away
  const Place place;
  { ok(Journal::open(place.file())); }
  REQUIRE(::chown(place.file().c_str(), 12345, 12345) == 0);
  REQUIRE_THAT(revert_journal(place.file(), 0).error().message, Contains("belongs to user 12345"));
  REQUIRE(::chown(place.file().c_str(), 0, 0) == 0);
  REQUIRE(::chown(place.directory().c_str(), 12345, 12345) == 0);
  REQUIRE_THAT(revert_journal(place.file(), 0).error().message, Contains("belongs to user 12345"));
  REQUIRE(::chown(place.directory().c_str(), 0, 0) == 0);
}

TEST_CASE("journal: on a full disk an intent fails whole, and what is there stays readable") {
  test::in_namespaces([] {
    const Place place;
    const test::Tmpfs small(place.directory(), 0, "size=16k,mode=0700");
    Journal journal = ok(Journal::open(place.file()));
    ok(journal.append_intent("small", "link_flap", Json::object()));
    const std::string before = text_of(place.file());
    const Status full = journal.append_intent("large", "link_flap", Json{{"filler", std::string(60'000, 'x')}});
    REQUIRE(full.error().kind == ErrorKind::unavailable);
    REQUIRE_THAT(full.error().message, Contains("No space left") && Contains("Nothing may be changed"));
    REQUIRE(text_of(place.file()) == before);
    REQUIRE(journal.pending().size() == 1);
    ok(journal.append_reverted("small"));  // there is room for it again
    REQUIRE(ok(journal.remove_if_clean()));
  });
}

TEST_CASE("journal: a file size limit and a read-only file system are errors before anything is applied") {
  test::in_namespaces([] {
    const Place place;
    Journal journal = ok(Journal::open(place.file()));
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{100, 100};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    REQUIRE(journal.append_intent("one", "link_flap", Json{{"filler", std::string(400, 'x')}}).error().kind ==
            ErrorKind::unavailable);
    REQUIRE(text_of(place.file()).empty());
    const Place other;
    const test::Tmpfs read_only_disk(other.directory(), MS_RDONLY, "mode=0700");
    const auto read_only = Journal::open(other.file());
    REQUIRE(read_only.error().kind == ErrorKind::unavailable);
    REQUIRE_THAT(read_only.error().message, Contains("Read-only") && Contains("GRIT_JOURNAL_DIR"));
    REQUIRE(Journal::open(other.directory() / "deeper" / "a.jsonl").error().kind == ErrorKind::unavailable);
  });
}

TEST_CASE("revert: what a killed run left is put back, last first, and the file is gone") {
  test::in_namespaces([] {
    const Place place;
    test::TwoNodes nodes;
    const auto before = test::dump_network();
    {
      Journal journal = ok(Journal::open(place.file()));
      const Prepared made = ok(flap().prepare(eth0()));
      ok(journal.append_intent("block1-fault0", "link_flap", made.undo));
      ok(made.fault->start());
    }
    REQUIRE_FALSE(is_up(nodes));
    const RevertReport report = ok(revert_journal(place.file(), ::geteuid()));
    REQUIRE(report.reverted == 1);
    REQUIRE(report.problems.empty());
    REQUIRE_FALSE(std::filesystem::exists(place.file()));
    test::wait_for_dad(nodes.node);
    REQUIRE(test::changes_since(before) == "");
  });
}

TEST_CASE("revert: entries that are not what an injector writes are reported and never acted upon") {
  test::in_namespaces([] {
    const Place place;
    test::TwoNodes nodes;
    const Json good = ok(flap().prepare(eth0())).undo;
    Json tampered = good;
    tampered["link"]["routes"][0]["run"] = "/bin/sh";
    {
      Journal journal = ok(Journal::open(place.file()));
      ok(journal.append_intent("good", "link_flap", good));
      ok(journal.append_intent("tampered", "link_flap", tampered));
      ok(journal.append_intent("unknown", "rm_rf", good));
    }
    std::ofstream(place.file(), std::ios::app) << "{\"state\":\"run\"}\nnot json\n";
    ok(nodes.node.set_down(nodes.eth0));
    const RevertReport report = ok(revert_journal(place.file(), ::geteuid()));
    REQUIRE(report.reverted == 1);
    REQUIRE(report.problems.size() == 4);
    const std::string all = fmt::format("{}", fmt::join(report.problems, "\n"));
    REQUIRE_THAT(all,
                 Contains("line 4") && Contains("line 5") && Contains("no fault called rm_rf") && Contains("'run'"));
    REQUIRE(is_up(nodes));
    REQUIRE(std::filesystem::exists(place.file()));
    const auto left = ok(pending(place.file()));
    REQUIRE(left.size() == 2);  // the good one is journalled as reverted
    ok(nodes.node.set_down(nodes.eth0));
    REQUIRE(ok(revert_journal(place.file(), ::geteuid())).reverted == 0);
    REQUIRE_FALSE(is_up(nodes));
  });
}

TEST_CASE("revert: an entry of another boot is over; one of another living namespace must be reverted there") {
  test::in_namespaces([] {
    const Place place;
    test::TwoNodes nodes;
    const Prepared made = ok(flap().prepare(eth0()));
    { ok(ok(Journal::open(place.file())).append_intent("one", "link_flap", made.undo)); }
    ok(made.fault->start());
    const std::string text = text_of(place.file());

    Json elsewhere = ok(parse_json(text));
    const Inhabited other;
    elsewhere["netns"] = other.id();
    write_private(place.file(), elsewhere.dump() + "\n");
    const RevertReport there = ok(revert_journal(place.file(), ::geteuid()));
    REQUIRE(there.reverted == 0);
    REQUIRE(there.problems.size() == 1);
    REQUIRE_THAT(there.problems[0], Contains(fmt::format("nsenter -t {} ", other.pid())));
    REQUIRE(ok(pending(place.file())).size() == 1);

    Json earlier = ok(parse_json(text));
    earlier["boot_id"] = "00000000-0000-0000-0000-000000000000";
    write_private(place.file(), earlier.dump() + "\n");
    REQUIRE(ok(revert_journal(place.file(), ::geteuid())).problems.empty());
    REQUIRE_FALSE(std::filesystem::exists(place.file()));
    REQUIRE_FALSE(is_up(nodes));  // not acted upon
  });
}

TEST_CASE("revert: an entry that cannot be reverted stays pending") {
  test::in_namespaces([] {
    const Place place;
    test::TwoNodes nodes;
    const Prepared made = ok(flap().prepare(eth0()));
    { ok(ok(Journal::open(place.file())).append_intent("one", "link_flap", made.undo)); }
    ok(made.fault->start());
    test::drop_capabilities();
    const RevertReport report = ok(revert_journal(place.file(), ::geteuid()));
    REQUIRE(report.reverted == 0);
    REQUIRE(report.problems.size() == 1);
    REQUIRE_THAT(report.problems[0], Contains("one (link_flap)") && Contains("CAP_NET_ADMIN"));
    REQUIRE(ok(pending(place.file())).size() == 1);
  });
}

TEST_CASE("journal directory: the environment chooses it, else the user's state directory or /var/lib") {
  test::in_namespaces([] {
    ::setenv("GRIT_JOURNAL_DIR", "/somewhere/else", 1);
    REQUIRE(default_journal_directory() == "/somewhere/else");
    ::unsetenv("GRIT_JOURNAL_DIR");
    ::setenv("XDG_STATE_HOME", "/home/u/state", 1);
    std::string inside, outside;
    std::ifstream("/proc/self/uid_map") >> inside >> outside;
    const bool real_root = inside == "0" && outside == "0";
    REQUIRE(default_journal_directory() == (real_root ? "/var/lib/grit/journal" : "/home/u/state/grit/journal"));
    if (real_root) {
      REQUIRE(::seteuid(12345) == 0);
      REQUIRE(default_journal_directory() == "/home/u/state/grit/journal");
    }
    ::setenv("XDG_STATE_HOME", "not/absolute", 1);
    ::setenv("HOME", "/home/u", 1);
    REQUIRE(default_journal_directory() == "/home/u/.local/state/grit/journal");
  });
}
