// disk_contention: processes write to the disk and wait for it, so that others' writes and flushes wait behind theirs:
// a checkpoint on a disk that somebody else uses. Past the page cache ("direct", O_DIRECT), or through it and flushed
// after every block ("fsync", which also keeps the file system's journal busy).
#include "harness/os/storage.hpp"
#include "injectors/disk_load.hpp"
#include "injectors/faults.hpp"
#include "injectors/pacer.hpp"
#include "injectors/worker.hpp"

namespace grit {
namespace {

enum Counter { kBlocks };

std::optional<std::string> why_no_direct(const std::string& directory) {
  const auto file = open_unnamed_file(directory, true);
  return file ? std::nullopt : std::optional(file.error().message);
}

bool choose_direct(const Params& params) {
  const std::string asked = params.text("mechanism");
  return asked == "direct" || (asked == "auto" && !why_no_direct(params.text("directory")));
}

class DiskContentionWorkers final : public WorkerFault {
 public:
  static Result<std::unique_ptr<Fault>> make(const Params& params) {
    const bool direct = choose_direct(params);
    const std::int64_t threads = params.integer("threads");
    std::vector<Body> bodies(static_cast<std::size_t>(threads), [params, direct, threads](WorkerPage& page) {
      const std::int64_t block_bytes = params.integer("block");
      DiskFile file(page, params.text("directory"), params.integer("size") / threads, block_bytes, direct);
      page.wait_for_start();
      Pacer pacer(static_cast<double>(params.integer("rate")) / 8 / static_cast<double>(threads));
      for (;;) {
        pacer.wait(block_bytes);
        file.write(file.advance());
        if (!direct) file.sync();
        page.counters[kBlocks].fetch_add(1);
      }
    });
    std::unique_ptr<DiskContentionWorkers> load(new DiskContentionWorkers(std::move(bodies), direct));
    GRIT_CHECK(load->make_workers());
    return std::unique_ptr<Fault>(std::move(load));
  }

  Result<Reading> read() override {
    GRIT_TRY(Reading reading, WorkerFault::read());
    reading.details["mechanism"] = direct_ ? "direct" : "fsync";
    return reading;
  }

 private:
  DiskContentionWorkers(std::vector<Body> bodies, bool direct)
      : WorkerFault("grit-disk", std::move(bodies), {"blocks"}, {KernelCounter::written_bytes}), direct_(direct) {}

  bool direct_;
};

std::vector<ParamSpec> contention_params() {
  auto params = disk_params(std::int64_t{64} << 20, std::int64_t{1} << 20);
  params.push_back({"mechanism",
                    Unit::text,
                    "auto",
                    "\"direct\": past the page cache; \"fsync\": through it, flushed after every block",
                    {"auto", "direct", "fsync"}});
  return params;
}

class DiskContention final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{.name = "disk_contention",
                                   .summary = "Processes write to a disk and wait for it, so that others wait as well",
                                   .params = contention_params(),
                                   .mechanisms = {"direct", "fsync"},
                                   .needs = {"a directory on a disk (not tmpfs) whose file system knows O_TMPFILE",
                                             "free space above the floor: 1 GiB or 5 % of the disk, whichever is more"},
                                   .undo = UndoClass::process};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    GRIT_CHECK(check_disk_params("disk_contention", params));
    return std::string();
  }

  [[nodiscard]] std::string mechanism(const Node&, const Params& params) const override {
    const std::string asked = params.text("mechanism");
    return asked == "auto" ? "direct, else fsync" : asked;
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    const std::string directory = info().params.front().default_value.get<std::string>();
    return {{"direct", why_no_direct(directory)}, {"fsync", why_no_disk(directory)}};
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    if (target.params.text("mechanism") == "direct")
      if (auto why = why_no_direct(target.params.text("directory"))) return *why + ". Use mechanism = \"fsync\"";
    return why_no_disk_load(target.params);
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    return without_undo(DiskContentionWorkers::make(target.params));
  }

  /// Blocks were written, and the kernel sent bytes to the disk for these processes.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "blocks") && grew(before, after, "written_bytes");
  }
};

}  // namespace

const Injector& disk_contention() {
  static const DiskContention injector;
  return injector;
}

}  // namespace grit
