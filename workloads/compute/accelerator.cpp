#include "workloads/compute/accelerator.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "harness/os/gpu_process.hpp"
#include "harness/os/trusted_path.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "grit-cuda.so";
constexpr const char* kOtherFile = "GRIT_CUDA_MODULE";

Result<fs::path> find_module() {
  if (const char* other = ::secure_getenv(kOtherFile); other != nullptr) {
    if (::geteuid() == 0 && !is_trusted_path(other, 0))
      return unavailable_error(
          fmt::format("{}={}: as root grit loads no module that others could have put there", kOtherFile, other));
    return fs::path(other);
  }
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  if (failed) return unavailable_error(fmt::format("cannot find {}: /proc/self/exe: {}", kFile, failed.message()));
  const fs::path directory = program.parent_path();
  for (const fs::path& file : {directory / kFile, directory.parent_path() / "lib" / "grit" / kFile})
    if (fs::exists(file, failed)) return file;
  return unavailable_error(fmt::format("grit was built without GPUs: there is no {} in {} or {}", kFile,
                                       directory.string(), (directory.parent_path() / "lib" / "grit").string()));
}

std::string cuda_version(std::int32_t version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

AcceleratorFacts facts_of(const grit_device_facts& told) {
  return {.name = told.name,
          .pci_address = told.pci_address,
          .memory_bytes = static_cast<std::int64_t>(told.memory_bytes),
          .l2_bytes = static_cast<std::int64_t>(told.l2_bytes),
          .multiprocessors = told.multiprocessors,
          .capability = told.capability,
          .driver = cuda_version(told.driver_version),
          .is_fake = told.is_fake != 0};
}

Result<AcceleratorFacts> read_facts(const grit_module_table& table, int index) {
  grit_why why{};
  grit_device_facts told{};
  told.size_bytes = sizeof told;
  GRIT_CHECK(check_module(table.device_facts(index, &told, &why), why, fmt::format("GPU {}", index)));
  return facts_of(told);
}

}  // namespace

Status check_module(std::int32_t code, const grit_why& why, std::string_view what) {
  switch (code) {
    case GRIT_OK:
    case GRIT_PENDING:
      return {};
    case GRIT_UNAVAILABLE:
    case GRIT_NO_MEMORY:
      return unavailable_error(fmt::format("{}: {}", what, why.text));
    case GRIT_DEVICE_LOST:
      return internal_error(fmt::format("{}: the GPU does not work any more: {}", what, why.text));
    case GRIT_PEER_FAILED:
      return internal_error(fmt::format("{}: another rank or the way to it failed: {}", what, why.text));
    default:
      return internal_error(fmt::format("{}: {}", what, why.text));
  }
}

Result<std::shared_ptr<const AcceleratorModule>> AcceleratorModule::load() {
  GRIT_TRY(const fs::path file, find_module());
  // NCCL and CUDA have threads of their own, whose code must stay.
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* error = ::dlerror();
    return unavailable_error(fmt::format("GPUs cannot be used: {}", error != nullptr ? error : file.c_str()));
  }
  std::shared_ptr<AcceleratorModule> module(new AcceleratorModule(handle, file.string()));
  GRIT_CHECK(module->take_table());
  return module;
}

AcceleratorModule::~AcceleratorModule() { ::dlclose(handle_); }

/// What a module of an older build does not have stays null.
Status AcceleratorModule::take_table() {
  using Entry = const grit_module_table* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(handle_, GRIT_MODULE_ENTRY));
  if (entry == nullptr) return unavailable_error(fmt::format("{} is none of grit's modules", file_));
  const grit_module_table* table = entry();
  if (table->version != GRIT_MODULE_VERSION)
    return unavailable_error(fmt::format("{} is for another grit: its interface is of version {}, this grit's of {}",
                                         file_, table->version, GRIT_MODULE_VERSION));
  std::memcpy(&table_, table, std::min<std::size_t>(table->size_bytes, sizeof table_));
  return {};
}

std::string AcceleratorModule::describe() const { return fmt::format("{} ({})", file_, table_.built); }

Result<std::vector<AcceleratorFacts>> AcceleratorModule::devices() const {
  grit_why why{};
  std::int32_t count = 0;
  GRIT_CHECK(check_module(table_.device_count(&count, &why), why, "GPUs"));
  std::vector<AcceleratorFacts> all;
  for (int index = 0; index < count; ++index) {
    GRIT_TRY(AcceleratorFacts one, read_facts(table_, index));
    all.push_back(std::move(one));
  }
  if (all.empty()) return unavailable_error("GPUs: the CUDA runtime sees none");
  return all;
}

namespace {

Result<Json> describe_cuda() {
  GRIT_TRY(const auto module, AcceleratorModule::load());
  GRIT_TRY(const auto devices, module->devices());
  std::string text = module->describe();
  for (const AcceleratorFacts& one : devices)
    text += fmt::format("; {}{} ({})", one.is_fake ? "FAKE: " : "", one.name, one.pci_address);
  return Json(text);
}

}  // namespace

Result<std::string> describe_cuda_here() {
  GRIT_TRY(const Json told, ask_apart(describe_cuda, kGpuStart_ns));
  return told.get<std::string>();
}

Result<std::shared_ptr<const Accelerator>> Accelerator::open(std::shared_ptr<const AcceleratorModule> module,
                                                             int index) {
  grit_why why{};
  grit_device* device = nullptr;
  const grit_module_table& table = module->table();
  GRIT_CHECK(check_module(table.device_open(index, &device, &why), why, fmt::format("GPU {}", index)));
  std::shared_ptr<Accelerator> opened(new Accelerator(std::move(module), device));
  GRIT_TRY(opened->facts_, read_facts(table, index));
  return opened;
}

Accelerator::~Accelerator() { table().device_close(device_); }

Result<std::int64_t> Accelerator::free_bytes() const {
  grit_why why{};
  std::uint64_t bytes = 0;
  GRIT_CHECK(check_module(table().device_free_bytes(device_, &bytes, &why), why, facts_.name));
  return static_cast<std::int64_t>(bytes);
}

Result<AcceleratorStream> make_stream(const std::shared_ptr<const Accelerator>& device, bool urgent) {
  grit_why why{};
  grit_stream* stream = nullptr;
  GRIT_CHECK(
      check_module(device->table().stream_create(device->get(), urgent ? 1 : 0, &stream, &why), why, "a stream"));
  return AcceleratorStream(device, stream);
}

Result<AcceleratorEvent> make_event(const std::shared_ptr<const Accelerator>& device) {
  grit_why why{};
  grit_event* event = nullptr;
  GRIT_CHECK(check_module(device->table().event_create(device->get(), &event, &why), why, "an event"));
  return AcceleratorEvent(device, event);
}

Result<AcceleratorGemm> make_gemm(const std::shared_ptr<const Accelerator>& device, std::int32_t type, int size) {
  grit_why why{};
  grit_gemm* gemm = nullptr;
  GRIT_CHECK(check_module(device->table().gemm_create(device->get(), type, size, &gemm, &why), why,
                          fmt::format("matrix products of size {}", size)));
  return AcceleratorGemm(device, gemm);
}

Result<AcceleratorMemory> AcceleratorMemory::allocate(const std::shared_ptr<const Accelerator>& device,
                                                      std::int32_t kind, std::size_t bytes) {
  AcceleratorMemory made;
  if (bytes == 0) return made;
  grit_why why{};
  void* memory = nullptr;
  GRIT_CHECK(
      check_module(device->table().allocate(device->get(), kind, bytes, &memory, &why), why,
                   fmt::format("{} bytes {}", bytes, kind == GRIT_ON_DEVICE ? "on the GPU" : "of pinned memory")));
  made.memory_ = {memory, ReleaseToAccelerator{device, kind}};
  made.bytes_ = bytes;
  return made;
}

}  // namespace grit
