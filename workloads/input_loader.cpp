#include "workloads/input_loader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "harness/base/clock.hpp"
#include "harness/os/memory.hpp"
#include "harness/os/spawn.hpp"
#include "harness/os/storage.hpp"
#include "workloads/input_batch.hpp"
#include "workloads/input_ring.hpp"

namespace grit {
namespace {

constexpr std::int64_t kLookAtWorker_ns = kNsPerS / 4;
/// What the data files of the ranks here leave free on their disk at least.
constexpr std::int64_t kDiskFloor_bytes = std::int64_t{1} << 30;

/// Memory for one batch as O_DIRECT wants it.
struct Batch {
  explicit Batch(std::int64_t bytes)
      : words(static_cast<std::uint64_t*>(std::aligned_alloc(kInputAlignment_bytes, static_cast<std::size_t>(bytes))),
              &std::free),
        size(static_cast<std::size_t>(bytes) / sizeof(std::uint64_t)) {
    if (!words) throw std::bad_alloc();
  }
  [[nodiscard]] std::span<std::uint64_t> all() const { return {words.get(), size}; }
  std::unique_ptr<std::uint64_t, void (*)(void*)> words;
  std::size_t size;
};

InputShape read_shape(const Params& params, const TokenShape& tokens) {
  const auto whole_pages = [](std::int64_t bytes) {
    return (bytes + kInputAlignment_bytes - 1) / kInputAlignment_bytes * kInputAlignment_bytes;
  };
  InputShape shape;
  shape.workers = params.integer("input_workers");
  shape.prefetch = params.integer("input_prefetch");
  shape.batch_bytes = whole_pages(params.integer("input_bytes"));
  shape.file_batches = std::max<std::int64_t>(params.integer("input_file") / shape.batch_bytes, 1);
  shape.passes = params.integer("input_passes");
  shape.first_batch = static_cast<std::uint64_t>(tokens.first_batch);
  return shape;
}

Status check_room(const InputShape& shape, const WorkloadContext& context) {
  const std::int64_t ranks = context.ranks_sharing_memory;
  GRIT_TRY(const Memory memory, read_memory());
  if (const std::int64_t needed = InputRing::bytes_of(shape) + shape.batch_bytes;
      needed > memory.available_bytes / ranks) {
    return usage_error(
        fmt::format("the data loader needs {:.1f} MB of memory per rank ({} worker(s), each {} batch(es) of {} bytes "
                    "ahead), and {} "
                    "rank(s) here share {:.1f} MB that are available; choose a smaller input_bytes or input_prefetch",
                    static_cast<double>(needed) / 1e6, shape.workers, shape.prefetch, shape.batch_bytes, ranks,
                    static_cast<double>(memory.available_bytes) / 1e6));
  }
  GRIT_TRY(const DiskSpace disk, disk_space(context.checkpoint_directory.string()));
  const std::int64_t file_bytes = shape.file_batches * shape.batch_bytes;
  if (file_bytes > (disk.available_bytes - kDiskFloor_bytes) / ranks) {
    return usage_error(
        fmt::format("training data of {:.1f} MB for each of {} rank(s) would leave less than 1 GiB of the {:.1f} MB "
                    "that are free in "
                    "{}; choose a smaller input_file",
                    static_cast<double>(file_bytes) / 1e6, ranks, static_cast<double>(disk.available_bytes) / 1e6,
                    context.checkpoint_directory.string()));
  }
  return {};
}

Status write_batch(int file, std::span<const std::uint64_t> words, std::int64_t from) {
  const auto raw = std::as_bytes(words);
  for (std::size_t done = 0; done < raw.size();) {
    const ssize_t written =
        ::pwrite(file, raw.data() + done, raw.size() - done, from + static_cast<std::int64_t>(done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return unavailable_error(std::strerror(errno));
    done += static_cast<std::size_t>(written);
  }
  return {};
}

/// Every batch encoded, on the disk.
Status write_file(int file, const InputShape& shape, const InputPattern& pattern) {
  const Batch key(shape.batch_bytes), batch(shape.batch_bytes);
  std::ranges::fill(key.all(), 0);
  recode(key.all(), shape.passes);  // what encoding combines with every batch, done once
  for (std::int64_t number = 0; number < shape.file_batches; ++number) {
    pattern.fill(batch.all(), static_cast<std::uint64_t>(number));
    for (std::size_t i = 0; i < batch.size; ++i) batch.all()[i] ^= key.all()[i];
    GRIT_CHECK(write_batch(file, batch.all(), number * shape.batch_bytes));
  }
  if (::fdatasync(file) != 0) return unavailable_error(std::strerror(errno));
  return {};
}

/// The processes of one rank that read ahead. They are killed and waited for when it goes.
class Workers {
 public:
  explicit Workers(InputRing ring)
      : ring_(std::move(ring)), pids_(static_cast<std::size_t>(ring_.shape().workers), -1) {}
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() {
    for (const pid_t pid : pids_)
      if (pid > 0) ::kill(pid, SIGKILL);
    for (const pid_t pid : pids_)
      while (pid > 0 && ::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
  }

  Status start(const std::string& program, int file) {
    const Fd memory = lifted(ring_.descriptor()), data = lifted(file);
    for (std::size_t i = 0; i < pids_.size(); ++i) {
      SpawnActions actions;
      actions.open(STDIN_FILENO, "/dev/null", O_RDONLY);
      actions.open(STDOUT_FILENO, "/dev/null", O_WRONLY);
      actions.dup(memory.get(), kInputRingFd);
      actions.dup(data.get(), kInputFileFd);
      GRIT_TRY(pids_[i], actions.spawn({.program = program,
                                        .arguments = {"grit", "input-worker", std::to_string(i)},
                                        .environment = {"OPENBLAS_NUM_THREADS=1"}}));
    }
    return {};
  }

  /// Waits until the batch is there. Error (unavailable): its worker has ended.
  Result<std::span<const std::uint64_t>> await(std::uint64_t number) {
    const auto [worker, count] = lane_of(number);
    InputRing::Lane& lane = ring_.lane(worker);
    for (;;) {
      const std::uint32_t made = lane.made.load(std::memory_order_acquire);
      if (made - count - 1 < static_cast<std::uint32_t>(ring_.shape().prefetch)) return ring_.place(worker, count);
      wait_while(lane.made, made, kLookAtWorker_ns);
      if (lane.made.load(std::memory_order_acquire) == made) GRIT_CHECK(check(worker));
    }
  }

  /// The rank is done with the batch.
  void release(std::uint64_t number) { count_up(ring_.lane(lane_of(number).first).taken); }

 private:
  [[nodiscard]] std::pair<std::int64_t, std::uint32_t> lane_of(std::uint64_t number) const {
    return {static_cast<std::int64_t>(number % pids_.size()), static_cast<std::uint32_t>(number / pids_.size())};
  }

  /// Error: it has ended, and how.
  Status check(std::int64_t worker) {
    const pid_t pid = pids_[static_cast<std::size_t>(worker)];
    siginfo_t ended{};
    if (::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) != 0)
      return errno_error("cannot look at the data loader's worker");
    if (ended.si_pid == 0) return {};
    const std::string who = fmt::format("worker {} of the data loader (process {})", worker, pid);
    if (const char* why = ring_.lane(worker).error; *why != '\0') return unavailable_error(who + ": " + why);
    if (ended.si_code == CLD_EXITED)
      return unavailable_error(fmt::format("{} ended with exit status {}", who, ended.si_status));
    return unavailable_error(fmt::format("{} was ended by signal {} ({})", who, ended.si_status,
                                         ::sigabbrev_np(ended.si_status) ? ::sigabbrev_np(ended.si_status) : "?"));
  }

  InputRing ring_;
  std::vector<pid_t> pids_;
};

class InputLoader final : public TokenSource {
 public:
  InputLoader(const InputShape& shape, bool direct, InputPattern pattern, Fd file, const TokenShape& tokens)
      : shape_(shape),
        direct_(direct),
        pattern_(std::move(pattern)),
        file_(std::move(file)),
        own_(shape.workers == 0 ? shape.batch_bytes : kInputAlignment_bytes),
        vocabulary_(static_cast<std::uint64_t>(tokens.vocabulary)),
        tokens_(static_cast<std::size_t>(tokens.sequence) + 1) {}

  Status start(const std::string& program) {
    if (shape_.workers == 0) return {};
    GRIT_TRY(InputRing ring, InputRing::create(shape_));
    workers_.emplace(std::move(ring));
    return workers_->start(program, file_.get());
  }

  Result<std::uint64_t> next() override {
    const std::uint64_t number = next_++;
    const std::uint64_t batch = shape_.first_batch + number;
    if (!workers_) {
      GRIT_CHECK(load_batch(file_.get(), shape_, batch, own_.all()));
      return take(batch, own_.all());
    }
    GRIT_TRY(const auto words, workers_->await(number));
    const std::uint64_t wrong = take(batch, words);
    workers_->release(number);
    return wrong;
  }

  [[nodiscard]] std::span<const std::uint32_t> tokens() const override { return tokens_; }

  [[nodiscard]] Json description() const override {
    return Json{{"input", "files"},
                {"input_workers", shape_.workers},
                {"input_prefetch", shape_.prefetch},
                {"input_bytes", shape_.batch_bytes},
                {"input_passes", shape_.passes},
                {"input_file_bytes", shape_.file_batches * shape_.batch_bytes},
                {"input_direct", direct_}};
  }

 private:
  std::uint64_t take(std::uint64_t batch, std::span<const std::uint64_t> words) {
    const std::span halves(reinterpret_cast<const std::uint32_t*>(words.data()), 2 * words.size());
    for (std::size_t i = 0; i < tokens_.size(); ++i)  // as TokenBatch::draw()
      tokens_[i] = static_cast<std::uint32_t>((halves[i % halves.size()] * vocabulary_) >> 32);
    return pattern_.count_wrong(words, batch % static_cast<std::uint64_t>(shape_.file_batches));
  }

  InputShape shape_;
  bool direct_;
  InputPattern pattern_;
  Fd file_;
  Batch own_;  // where the rank reads itself
  std::uint64_t vocabulary_;
  std::vector<std::uint32_t> tokens_;
  std::optional<Workers> workers_{};
  std::uint64_t next_ = 0;  // of the batches that the rank takes
};

}  // namespace

Result<std::unique_ptr<TokenSource>> make_input_loader(const Params& params, const WorkloadContext& context,
                                                       const TokenShape& tokens) {
  if (context.checkpoint_directory.empty())
    return usage_error("the workload reads files (input = \"files\"), but no directory for them is known");
  const InputShape shape = read_shape(params, tokens);
  const bool direct = params.boolean("input_direct");
  GRIT_CHECK(check_room(shape, context));
  const std::string directory = context.checkpoint_directory.string();
  GRIT_TRY(Fd file, open_unnamed_file(directory, direct));
  InputPattern pattern(tokens.sample);
  if (const Status written = write_file(file.get(), shape, pattern); !written) {
    return unavailable_error(
        fmt::format("cannot write the training data in {}: {}; free space there, or choose a "
                    "smaller input_file or another directory",
                    directory, written.error().message));
  }
  auto loader = std::make_unique<InputLoader>(shape, direct, std::move(pattern), std::move(file), tokens);
  GRIT_CHECK(loader->start(context.program));
  return loader;
}

}  // namespace grit
