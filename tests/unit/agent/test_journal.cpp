#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "harness/agent/journal.hpp"
#include "harness/agent/journal_files.hpp"
#include "harness/os/identity.hpp"
#include "injectors/injector.hpp"
#include "tests/temp_directory.hpp"
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
  Inhabited() {
    const Fd netns = test::new_netns();
    id_ = ok(netns_id(netns.get()));
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::setns(netns.get(), CLONE_NEWNET);
      ::close(netns.get());
      for (;;) ::pause();
    }
    const std::int64_t deadline_ns = monotonic_ns() + 10 * kNsPerS;
    struct stat its {};
    while (::stat(path().c_str(), &its) != 0 || fmt::format("{}:{}", its.st_dev, its.st_ino) != id())
      REQUIRE(monotonic_ns() < deadline_ns);
  }
  Inhabited(const Inhabited&) = delete;
  Inhabited& operator=(const Inhabited&) = delete;
  ~Inhabited() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] std::string id() const { return id_; }
  [[nodiscard]] std::string path() const { return fmt::format("/proc/{}/ns/net", pid_); }

 private:
  std::string id_{};
  pid_t pid_ = -1;
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

namespace {

/// A journal with one entry of a link that is down, which each case then changes.
class LinkLeftDown {
 public:
  LinkLeftDown() {
    made_ = ok(flap().prepare(eth0()));
    { ok(ok(Journal::open(place_.file())).append_intent("one", "link_flap", made_.undo)); }
    ok(made_.fault->start());
    entry_ = ok(parse_json(text_of(place_.file())));
  }
  /// Reverts the entry with these members in place of its own.
  RevertReport revert_with(const Json& members) {
    Json changed = entry_;
    changed.update(members);
    write_private(place_.file(), changed.dump() + "\n");
    RevertReport report = ok(revert_journal(place_.file(), ::geteuid()));
    REQUIRE_FALSE(is_up(nodes_));  // never acted upon
    REQUIRE(std::filesystem::exists(place_.file()) == (report.gone == 0));
    return report;
  }
  /// The one problem; the entry stays.
  std::string problem_with(const Json& members) {
    const RevertReport report = revert_with(members);
    REQUIRE(report.reverted + report.gone == 0);
    REQUIRE(report.problems.size() == 1);
    REQUIRE(ok(pending(place_.file())).size() == 1);
    return report.problems[0];
  }

 private:
  Place place_;
  test::TwoNodes nodes_;
  Prepared made_{};
  Json entry_;
};

const std::string kOtherBoot = "00000000-0000-0000-0000-000000000000";

bool root_of_the_machine() { return find_namespace("net", "0:0").gone(); }  // it sees all, and there is none of that id

}  // namespace

TEST_CASE("revert: an entry of an earlier boot of this machine is gone, one of another machine is left alone") {
  test::in_namespaces([] {
    LinkLeftDown left;
    REQUIRE_THAT(left.problem_with({{"machine", std::string(32, 'f')}, {"boot_id", kOtherBoot}}),
                 Contains("of another machine"));
    REQUIRE_THAT(left.problem_with({{"machine", ""}, {"boot_id", kOtherBoot}}), Contains("of another machine"));
    const Json clock{{"boot_id", kOtherBoot}, {"origin_ns", 1}, {"offset_ns", kNsPerS}};
    if (machine_id().empty()) return;  // then no boot but this one can be told to be this machine's
    REQUIRE_THAT(left.problem_with({{"boot_id", kOtherBoot}, {"injector", "clock_skew"}, {"undo", clock}}),
                 Contains("may outlive that"));
    REQUIRE(left.revert_with({{"boot_id", kOtherBoot}}).gone == 1);
  });
}

TEST_CASE("revert: an entry of a living namespace is to be reverted there, whoever keeps it alive") {
  test::in_namespaces([] {
    LinkLeftDown left;
    {
      const Inhabited other;
      REQUIRE_THAT(left.problem_with({{"netns", other.id()}}), Contains("nsenter --net=" + other.path()));
    }
    const Fd open = test::new_netns();
    const std::string held = ok(netns_id(open.get()));
    REQUIRE_THAT(left.problem_with({{"netns", held}}), Contains(fmt::format("--net=/proc/{}/fd/", ::getpid())));
  });
}

TEST_CASE("revert: a namespace that only a socket keeps alive is not taken for gone") {
  test::in_namespaces([] {
    LinkLeftDown left;
    Fd socket;
    std::string id;
    std::thread([&] {
      if (::unshare(CLONE_NEWNET) != 0) return;
      socket = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      id = netns_id().value_or("");
    }).join();
    REQUIRE(socket);
    const std::string seen = root_of_the_machine() ? fmt::format("process {} has a socket in it", ::getpid()) : "seen";
    REQUIRE_THAT(left.problem_with({{"netns", id}}), Contains(seen));
    socket.reset();
    if (root_of_the_machine()) REQUIRE(left.revert_with({{"netns", id}}).gone == 1);
  });
}

TEST_CASE("revert: what a fault changes of the whole machine is put back from any namespace") {
  test::in_namespaces([] {
    LinkLeftDown left;
    const Inhabited other;
    const Json interrupt{{"number", 999'999}, {"action", "no such interrupt"}, {"cpus", "0"}};
    const Json undo{{"boot_id", ok(boot_id())}, {"interrupts", {{{"before", interrupt}, {"core", 0}}}}};
    REQUIRE(left.revert_with({{"netns", other.id()}, {"injector", "irq_misplacement"}, {"undo", undo}}).gone == 1);
  });
}

TEST_CASE("revert: a namespace that only a mount keeps alive is found, and once that is gone it is gone") {
  test::in_namespaces([] {
    LinkLeftDown left;
    const test::TempDirectory place;
    const auto point = place.path() / "named";
    std::ofstream(point) << "";
    Fd made = test::new_netns();
    const std::string id = ok(netns_id(made.get()));
    const std::string path = fmt::format("/proc/self/fd/{}", made.get());
    if (::mount(path.c_str(), point.c_str(), nullptr, MS_BIND, nullptr) != 0) return;  // not permitted to others' root
    made.reset();
    REQUIRE_THAT(left.problem_with({{"netns", id}}), Contains("--net=" + point.string()));
    REQUIRE(::umount2(point.c_str(), MNT_DETACH) == 0);
    if (root_of_the_machine())
      REQUIRE(left.revert_with({{"netns", id}}).gone == 1);
    else
      REQUIRE_THAT(left.problem_with({{"netns", id}}), Contains("cannot be seen from here"));
  });
}

TEST_CASE("revert: a namespace that others may hide is not taken for gone") {
  test::in_namespaces([] {
    LinkLeftDown left;
    for (const char* kind : {"netns", "pidns"}) {
      test::drop_capabilities();  // as an ordinary user, who may not look at others' namespaces
      REQUIRE_THAT(left.problem_with({{kind, "4:1"}}), Contains("cannot be seen from here"));
    }
  });
}

TEST_CASE("revert: a pid namespace that has ended took its processes along", "[revert]") {
  test::in_namespaces([] {
    LinkLeftDown left;
    if (root_of_the_machine()) REQUIRE(left.revert_with({{"pidns", "4:1"}}).gone == 1);
  });
}

TEST_CASE("journal: it is emptied when it has grown and nothing is pending, and refuses what could not be read back") {
  const Place place;
  Journal journal = ok(Journal::open(place.file()));
  const Json large{{"filler", std::string(400'000, 'x')}};
  for (int i = 0; i < 9; ++i) {
    ok(journal.append_intent(std::to_string(i), "link_flap", large));
    ok(journal.append_reverted(std::to_string(i)));
    REQUIRE(std::filesystem::file_size(place.file()) < (1 << 20) + 500'000);
  }
  ok(journal.append_intent("small", "link_flap", Json::object()));
  const Json huge{{"filler", std::string(33 << 20, 'x')}};
  ok(journal.append_intent("first", "link_flap", huge));
  const Status refused = journal.append_intent("second", "link_flap", huge);
  REQUIRE(refused.error().kind == ErrorKind::unavailable);
  REQUIRE_THAT(refused.error().message, Contains("larger than 64 MiB"));
  REQUIRE(ok(pending(place.file())).size() == 2);  // and it can still be read
  ok(journal.append_reverted("first"));
  ok(journal.append_reverted("small"));
  REQUIRE(std::filesystem::file_size(place.file()) == 0);
  ok(journal.append_intent("third", "link_flap", Json::object()));
  REQUIRE(ok(pending(place.file())).at(0).id == "third");
  ok(journal.append_reverted("third"));
  REQUIRE(ok(journal.remove_if_clean()));
}

TEST_CASE("journal: there is always room to say that what is pending was reverted") {
  const Place place;
  Journal journal = ok(Journal::open(place.file()));
  ok(journal.append_intent("first", "link_flap", Json::object()));
  std::vector<std::string> ids{"first"};
  for (const std::size_t size : {8'000'000U, 500'000U, 30'000U, 2'000U, 1U})  // up to the last line that is let in
    for (;;) {
      const std::string id = std::to_string(ids.size());
      if (!journal.append_intent(id, "link_flap", Json{{"filler", std::string(size, 'x')}})) break;
      ids.push_back(id);
    }
  REQUIRE(ids.size() > 12);
  for (const std::string& id : ids) ok(journal.append_reverted(id));
}

TEST_CASE("journal files: another machine's, another host's and another form of name are not this node's") {
  const Place place;
  const std::string host = [] {
    char name[256] = {};
    REQUIRE(::gethostname(name, sizeof name) == 0);
    return std::string(name);
  }();
  const std::string boot = ok(boot_id()), other(32, 'f');
  Plan plan;
  plan.scenario_name = "flap";
  plan.seed = 7;
  std::vector<std::filesystem::path> ours{journal_file(place.directory(), plan, 0)};
  if (!machine_id().empty())  // an earlier boot
    ours.push_back(place.directory() / fmt::format("{}@{}@{}@flap-7-node0.jsonl", host, machine_id(), kOtherBoot));
  std::vector<std::filesystem::path> others;
  for (const std::string& name :
       {fmt::format("{}@{}@{}@flap-7-node0.jsonl", host, other, kOtherBoot),  // an equal host name
        fmt::format("{}@@{}@flap-7-node0.jsonl", host, kOtherBoot),           // a machine without an identity
        fmt::format("{}.cluster@{}@{}@flap-7-node0.jsonl", host, machine_id(), kOtherBoot),  // a longer host name
        host + ".flap-7-node0.jsonl"})
    others.push_back(place.directory() / name);
  const std::vector<std::filesystem::path> of_this_boot{
      place.directory() / fmt::format("{}.cluster@{}@{}@flap-7-node0.jsonl", host, machine_id(), boot)};
  for (const auto& group : {ours, of_this_boot, others})
    for (const auto& file : group) write_private(file, "");
  write_private(place.directory() / "notes.txt", "");
  auto found = ok(find_journals(place.directory()));
  std::sort(ours.begin(), ours.end());
  std::sort(others.begin(), others.end());
  std::sort(found.others.begin(), found.others.end());
  REQUIRE(found.of_this_node == ours);
  REQUIRE(found.of_this_boot == of_this_boot);
  REQUIRE(found.others == others);
  REQUIRE(ok(find_journals(place.directory() / "nowhere")).of_this_node.empty());
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

TEST_CASE("journal directory: who is told to choose another can") {
  CHECK_THAT(other_journal_directory(false), Contains("with GRIT_JOURNAL_DIR"));
  CHECK_THAT(other_journal_directory(true), Contains("as root") && Contains("ignores GRIT_JOURNAL_DIR"));
  CHECK(other_journal_directory() == other_journal_directory(false));  // of this program
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
