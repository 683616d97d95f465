#include "workloads/input_loader.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include "harness/base/clock.hpp"
#include "harness/os/cpus.hpp"
#include "harness/os/process.hpp"
#include "tests/catch.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/workloads/thread_communicator.hpp"
#include "workloads/input_batch.hpp"

using namespace grit;
using test::ok;
using test::TempDirectory;
using test::ThreadCommunicator;

namespace {

constexpr std::int64_t kBatch_bytes = 64 * 1024, kFileBatches = 5;

Params params_with(Json given) {
  Json values = Json::object();
  for (const ParamSpec& spec : token_source_params()) values[spec.name] = spec.default_value;
  values.update({{"input", "files"},
                 {"input_bytes", kBatch_bytes},
                 {"input_file", kFileBatches * kBatch_bytes},
                 {"input_workers", 3}});
  values.update(given);
  return Params(values);
}

/// Of one rank, in a directory of its own.
struct Rank {
  TempDirectory directory{};
  ThreadCommunicator::Group group{1};
  ThreadCommunicator communicator{group, 0};
  const AcceleratorClock clock{kNominalClockPpm};
  WorkloadContext context{.communicator = &communicator,
                          .accelerator_clock = &clock,
                          .checkpoint_directory = directory.path(),
                          .program = GRIT_BINARY};

  Result<std::unique_ptr<TokenSource>> load(const Json& given = Json::object(), std::int64_t first_batch = 0) {
    return make_token_source(params_with(given), context,
                             {.vocabulary = 1000, .sequence = 128, .first_batch = first_batch});
  }
};

std::vector<ProcessIdentity> workers() { return ok(helpers_of(std::array{ok(identify_process(::getpid()))})).front(); }

/// Changes a byte of the file of that size that this process has open in the directory.
void flip_byte(const std::filesystem::path& directory, off_t at) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (!std::filesystem::read_symlink(entry.path(), gone).string().starts_with(directory.string() + "/")) continue;
    const Fd file(::open(entry.path().c_str(), O_RDWR | O_CLOEXEC));
    char byte = 0;
    REQUIRE(::pread(file.get(), &byte, 1, at) == 1);
    byte = static_cast<char>(byte ^ 0x10);
    REQUIRE(::pwrite(file.get(), &byte, 1, at) == 1);
    return;
  }
  FAIL("there is no data file");
}

std::uint64_t wrong_of(TokenSource& source, int batches) {
  std::uint64_t wrong = 0;
  for (int i = 0; i < batches; ++i) wrong += ok(source.next());
  return wrong;
}

}  // namespace

TEST_CASE("decoding undoes encoding, in whatever number of passes, and no two passes are alike") {
  std::vector<std::uint64_t> words(1000);
  InputPattern(3).fill(words, 7);
  const std::vector<std::uint64_t> plain = words;
  std::vector<std::vector<std::uint64_t>> encoded;
  for (const std::int64_t passes : {1, 2, 5}) {
    recode(words, passes);
    for (const auto& other : encoded) CHECK(words != other);
    CHECK(words != plain);
    encoded.push_back(words);
    recode(words, passes);
    CHECK(words == plain);
  }
}

TEST_CASE("a batch is right as itself only, and every wrong word counts") {
  const InputPattern pattern(3);
  std::vector<std::uint64_t> words(10'000);
  pattern.fill(words, 2);
  CHECK(pattern.count_wrong(words, 2) == 0);
  CHECK(pattern.count_wrong(words, 3) == words.size());
  CHECK(InputPattern(4).count_wrong(words, 2) == words.size());
  words[0] ^= 1, words[4093] ^= 1, words.back() ^= 1;
  CHECK(pattern.count_wrong(words, 2) == 3);
}

TEST_CASE("batches come whole and in order, from processes or from the rank itself, past the page cache or not") {
  for (const int workers : {0, 1, 3})
    for (const bool direct : {false, true}) {
      INFO(workers << " workers, direct " << direct);
      Rank rank;
      auto source = rank.load({{"input_workers", workers}, {"input_direct", direct}});
      if (!source && direct) {  // a file system without O_DIRECT
        CHECK_THAT(source.error().message, Catch::Matchers::Contains("O_DIRECT"));
        continue;
      }
      CHECK(::workers().size() == static_cast<std::size_t>(workers));
      CHECK(wrong_of(**source, 4 * kFileBatches + 3) == 0);
      CHECK(std::filesystem::is_empty(rank.directory.path()));
    }
}

TEST_CASE("token ids are those of the batch, and below the vocabulary's size") {
  Rank rank;
  const auto source = ok(rank.load());
  std::vector<std::vector<std::uint32_t>> batches;
  for (int i = 0; i < kFileBatches + 1; ++i) {
    CHECK(ok(source->next()) == 0);
    const auto tokens = source->tokens();
    CHECK(tokens.size() == 129);
    CHECK(std::ranges::all_of(tokens, [](std::uint32_t token) { return token < 1000; }));
    batches.emplace_back(tokens.begin(), tokens.end());
  }
  CHECK(batches.front() == batches.back());  // gone round
  CHECK(batches[0] != batches[1]);
}

TEST_CASE("who begins with a later batch gets what comes then, generated or from files") {
  constexpr std::int64_t kBatches = 2 * kFileBatches;
  for (const Json& given : {Json{{"input", "generated"}}, Json{{"input_workers", 0}}, Json{{"input_workers", 3}}}) {
    INFO(given);
    std::vector<std::vector<std::uint32_t>> all;
    const auto take = [](TokenSource& source) {
      CHECK(ok(source.next()) == 0);
      return std::vector(source.tokens().begin(), source.tokens().end());
    };
    Rank rank;
    const auto whole = ok(rank.load(given));
    for (std::int64_t i = 0; i < kBatches; ++i) all.push_back(take(*whole));
    for (const std::int64_t first : {std::int64_t{1}, kFileBatches - 1, kFileBatches + 2}) {
      const auto later = ok(rank.load(given, first));
      for (std::int64_t i = first; i < kBatches; ++i) CHECK(take(*later) == all[static_cast<std::size_t>(i)]);
    }
  }
}

TEST_CASE("a byte that was flipped in the file is one wrong word each time that its batch is read") {
  for (const int workers : {0, 2}) {
    Rank rank;
    const auto source = ok(rank.load({{"input_workers", workers}, {"input_prefetch", 1}}));
    CHECK(wrong_of(*source, kFileBatches) == 0);
    flip_byte(rank.directory.path(), 3 * kBatch_bytes + 777);  // those of the next round that are ahead: 0 and 1
    std::vector<std::uint64_t> wrong;
    for (int i = 0; i < 2 * kFileBatches; ++i) wrong.push_back(ok(source->next()));
    CHECK(wrong == std::vector<std::uint64_t>{0, 0, 0, 1, 0, 0, 0, 0, 1, 0});
  }
}

TEST_CASE("a worker that dies is an error that says so within two seconds") {
  Rank rank;
  const auto source = ok(rank.load());
  CHECK(wrong_of(*source, 4) == 0);
  for (const ProcessIdentity& worker : workers()) REQUIRE(::kill(worker.pid, SIGKILL) == 0);
  const std::int64_t since_ns = monotonic_ns();
  Result<std::uint64_t> next = 0;
  while (next) next = source->next();  // what was ahead is still good
  CHECK(monotonic_ns() - since_ns < 2 * kNsPerS);
  CHECK_THAT(next.error().message, Catch::Matchers::Contains("was ended by signal 9 (KILL)"));
}

TEST_CASE("workers keep no more batches ahead than asked for, and rest then") {
  Rank rank;
  const auto source = ok(rank.load({{"input_workers", 2}, {"input_prefetch", 2}}));
  CHECK(wrong_of(*source, 2) == 0);
  const auto used_ns = [] {
    std::int64_t sum_ns = 0;
    for (const ProcessIdentity& worker : workers()) sum_ns += ok(scheduler_times(worker))->on_cpu_ns;
    return sum_ns;
  };
  std::int64_t last_ns = -1;
  for (int look = 0; look < 100 && last_ns != used_ns(); ++look) {  // until they have filled their places
    last_ns = used_ns();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(last_ns == used_ns());
}

TEST_CASE("workers are bound as their rank is, and go with it") {
  std::vector<ProcessIdentity> left;
  {
    Rank rank;
    const auto source = ok(rank.load());
    CHECK(wrong_of(*source, 3) == 0);
    left = workers();
    CHECK(left.size() == 3);
    for (const ProcessIdentity& worker : left)
      CHECK(ok(affinity_of_thread(worker.pid)) == ok(affinity_of_thread(::getpid())));
  }
  for (const ProcessIdentity& worker : left) CHECK_FALSE(ok(process_state(worker)));
}

TEST_CASE("workers die with a rank that is killed") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    Rank rank;
    const auto source = ok(rank.load());
    static_cast<void>(wrong_of(*source, 3));
    for (const ProcessIdentity& worker : workers()) static_cast<void>(::write(ends[1], &worker.pid, sizeof worker.pid));
    for (;;) ::pause();
  }
  std::vector<ProcessIdentity> left;
  for (int i = 0; i < 3; ++i) {
    pid_t pid = 0;
    REQUIRE(::read(ends[0], &pid, sizeof pid) == sizeof pid);
    left.push_back(ok(identify_process(pid)));
  }
  ::kill(child, SIGKILL);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  const std::int64_t deadline_ns = monotonic_ns() + 2 * kNsPerS;
  const auto lives = [](const ProcessIdentity& worker) {
    const auto state = ok(process_state(worker));
    return state && state->state != 'Z';
  };
  while (std::ranges::any_of(left, lives) && monotonic_ns() < deadline_ns)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  for (const ProcessIdentity& worker : left) CHECK_FALSE(lives(worker));
  ::close(ends[0]), ::close(ends[1]);
}

TEST_CASE("more memory or disk than there is, is refused with what would help") {
  Rank rank;
  const auto memory = rank.load({{"input_bytes", 1LL << 30}, {"input_workers", 64}, {"input_prefetch", 64}});
  REQUIRE_FALSE(memory);
  CHECK(memory.error().kind == ErrorKind::usage);
  CHECK_THAT(memory.error().message, Catch::Matchers::Contains("choose a smaller input_bytes or input_prefetch"));
  const auto disk = rank.load({{"input_file", std::int64_t{1} << 49}});
  REQUIRE_FALSE(disk);
  CHECK(disk.error().kind == ErrorKind::usage);
  CHECK_THAT(disk.error().message, Catch::Matchers::Contains("choose a smaller input_file"));
  CHECK(std::filesystem::is_empty(rank.directory.path()));
  rank.context.checkpoint_directory.clear();
  CHECK_FALSE(rank.load());
}
