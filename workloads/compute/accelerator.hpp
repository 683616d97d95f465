// The module for GPUs, as grit uses it: loaded when a run asks for it, its objects freed with ours, its codes as
// Result<T>.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"
#include "workloads/accelerator/module.h"

namespace grit {

/// What a device says of itself.
struct AcceleratorFacts {
  std::string name;         // "NVIDIA H200"
  std::string pci_address;  // "0000:3b:00.0"
  std::int64_t memory_bytes = 0;
  std::int64_t l2_bytes = 0;  // of the cache before its memory; 0: the module does not tell
  int multiprocessors = 0;
  int capability = 0;    // 10 · major + minor: 90 is Hopper
  std::string driver;    // the newest CUDA that the driver supports: "13.0"
  bool is_fake = false;  // a library of the tests plays the vendor's: nothing that is measured says anything of a GPU
};

/// grit-cuda.so, for as long as anything of it is in use.
class AcceleratorModule {
 public:
  /// The file that GRIT_CUDA_MODULE names (with a privilege that the user does not have himself (secure_getenv(3))
  /// none, as root one that nobody else could have put there), else beside this program, else in ../lib/grit from
  /// there. Error (unavailable): there is none, one of its libraries is missing, or it is of another version; says
  /// which.
  static Result<std::shared_ptr<const AcceleratorModule>> load();
  AcceleratorModule(const AcceleratorModule&) = delete;
  AcceleratorModule& operator=(const AcceleratorModule&) = delete;
  ~AcceleratorModule();

  [[nodiscard]] const grit_module_table& table() const { return table_; }
  [[nodiscard]] bool has_communicators() const { return table_.communicator_start != nullptr; }
  /// "…/grit-cuda.so (CUDART_VERSION 13000, NCCL 2.28.9)"
  [[nodiscard]] std::string describe() const;
  /// All devices that the process may see, in the runtime's order; none makes an error (unavailable) that says why.
  [[nodiscard]] Result<std::vector<AcceleratorFacts>> devices() const;

 private:
  AcceleratorModule(void* handle, std::string file) : handle_(handle), file_(std::move(file)) {}
  Status take_table();

  void* handle_;
  std::string file_;
  grit_module_table table_{};
};

/// What compute = "cuda" would find on this machine: the module and the GPUs, those of a stand-in as FAKE. Asks in a
/// process of its own, since a call to an ill GPU may never return. Error (unavailable): why it would find nothing, or
/// that there was no answer within 30 s.
Result<std::string> describe_cuda_here();

/// The code of a table's function as a Status: `why` as that function wrote it. GRIT_PENDING counts as done. Error
/// (unavailable): no device, driver or memory; (internal): all else.
Status check_module(std::int32_t code, const grit_why& why, std::string_view what);

/// One device of the module, open. What is made on it shares it. Of one thread.
class Accelerator {
 public:
  /// `index`: as in AcceleratorModule::devices().
  static Result<std::shared_ptr<const Accelerator>> open(std::shared_ptr<const AcceleratorModule> module, int index);
  Accelerator(const Accelerator&) = delete;
  Accelerator& operator=(const Accelerator&) = delete;
  ~Accelerator();

  [[nodiscard]] const grit_module_table& table() const { return module_->table(); }
  [[nodiscard]] const AcceleratorModule& module() const { return *module_; }
  [[nodiscard]] const std::shared_ptr<const AcceleratorModule>& shared_module() const { return module_; }
  [[nodiscard]] grit_device* get() const { return device_; }
  [[nodiscard]] const AcceleratorFacts& facts() const { return facts_; }
  /// Of its memory, not used by anybody at this moment.
  [[nodiscard]] Result<std::int64_t> free_bytes() const;

 private:
  Accelerator(std::shared_ptr<const AcceleratorModule> module, grit_device* device)
      : module_(std::move(module)), device_(device) {}

  std::shared_ptr<const AcceleratorModule> module_;
  grit_device* device_;
  AcceleratorFacts facts_;
};

/// An object of the module's that is freed with this one; empty where it was moved from.
template <class Object, void (*grit_module_table::*destroy)(Object*)>
class OfAccelerator {
 public:
  OfAccelerator() = default;
  OfAccelerator(std::shared_ptr<const Accelerator> device, Object* object)
      : object_(object, Destroy{std::move(device)}) {}
  [[nodiscard]] Object* get() const { return object_.get(); }

 private:
  struct Destroy {
    std::shared_ptr<const Accelerator> device{};
    void operator()(Object* object) const { (device->table().*destroy)(object); }
  };
  std::unique_ptr<Object, Destroy> object_;
};
using AcceleratorStream = OfAccelerator<grit_stream, &grit_module_table::stream_destroy>;
using AcceleratorEvent = OfAccelerator<grit_event, &grit_module_table::event_destroy>;
using AcceleratorGemm = OfAccelerator<grit_gemm, &grit_module_table::gemm_destroy>;

Result<AcceleratorStream> make_stream(const std::shared_ptr<const Accelerator>& device, bool urgent = false);
Result<AcceleratorEvent> make_event(const std::shared_ptr<const Accelerator>& device);
/// `type`: GRIT_FP32 ...; `size`: a multiple of 16.
Result<AcceleratorGemm> make_gemm(const std::shared_ptr<const Accelerator>& device, std::int32_t type, int size);

struct ReleaseToAccelerator {
  std::shared_ptr<const Accelerator> device{};
  std::int32_t kind = GRIT_ON_DEVICE;
  void operator()(void* memory) const { device->table().release(device->get(), kind, memory); }
};

/// Memory on the device, or pinned on the host where both reach it; freed with this.
class AcceleratorMemory {
 public:
  AcceleratorMemory() = default;
  /// `kind`: GRIT_ON_DEVICE or GRIT_ON_HOST. Waits for the device. Error (unavailable): there is not so much.
  static Result<AcceleratorMemory> allocate(const std::shared_ptr<const Accelerator>& device, std::int32_t kind,
                                            std::size_t bytes);
  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(memory_.get()); }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  std::unique_ptr<void, ReleaseToAccelerator> memory_;
  std::size_t bytes_ = 0;
};

}  // namespace grit
