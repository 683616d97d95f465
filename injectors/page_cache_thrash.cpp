// page_cache_thrash: processes whose data never stay in the page cache: every block is written, pushed out to the disk,
// dropped (posix_fadvise(2), POSIX_FADV_DONTNEED) and read back from there. As a data loader does whose data set is
// larger than memory, without filling the memory: others keep their cached files, but share the disk, its queue and the
// page allocator with it.
#include "injectors/disk_load.hpp"
#include "injectors/faults.hpp"
#include "injectors/pacer.hpp"
#include "injectors/worker.hpp"

namespace grit {
namespace {

enum Counter { kBlocks };

void thrash(const Params& params, WorkerPage& page) {
  const std::int64_t threads = params.integer("threads");
  const std::int64_t block_bytes = params.integer("block");
  DiskFile file(page, params.text("directory"), params.integer("size") / threads, block_bytes, false);
  page.wait_for_start();
  Pacer pacer(static_cast<double>(params.integer("rate")) / 8 / static_cast<double>(threads));
  for (;;) {
    pacer.wait(block_bytes);
    const std::int64_t at = file.advance();
    file.write(at);
    file.drop(at);
    file.read(at);
    file.drop(at);
    page.counters[kBlocks].fetch_add(1);
  }
}

class PageCacheThrash final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{.name = "page_cache_thrash",
                                   .summary = "Processes write and read files that never stay in the page cache",
                                   .params = disk_params(std::int64_t{256} << 20, std::int64_t{1} << 20),
                                   .mechanisms = {"POSIX_FADV_DONTNEED"},
                                   .needs = {"a directory on a disk (not tmpfs) whose file system knows O_TMPFILE",
                                             "free space above the floor: 1 GiB or 5 % of the disk, whichever is more"},
                                   .undo = UndoClass::process};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    GRIT_CHECK(check_disk_params("page_cache_thrash", params));
    return std::string();
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    return why_no_disk_load(target.params);
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    const Params params = target.params;
    std::vector<WorkerFault::Body> bodies(static_cast<std::size_t>(params.integer("threads")),
                                          [params](WorkerPage& page) { thrash(params, page); });
    return without_undo(WorkerFault::make("grit-thrash", std::move(bodies), {"blocks"},
                                          {KernelCounter::read_bytes, KernelCounter::written_bytes}));
  }

  /// What was written and dropped really came back from the disk, by the kernel's count.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "blocks") && grew(before, after, "read_bytes") && grew(before, after, "written_bytes");
  }
};

}  // namespace

const Injector& page_cache_thrash() {
  static const PageCacheThrash injector;
  return injector;
}

}  // namespace grit
