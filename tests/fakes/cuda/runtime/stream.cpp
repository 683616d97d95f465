// Streams and events.
#include "tests/fakes/cuda/runtime/runtime.hpp"

using namespace grit::fake;

namespace {

/// What api() does, with a stream found from its handle.
template <class Body>
cudaError_t stream_api(const char* function, cudaStream_t handle, Body body) {
  return api(function, Needs::device, [&](const Call& call, Lock& lock) {
    const auto stream = runtime().find_stream(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (const cudaError_t code = state_of(stream->device); code != cudaSuccess) return code;
    return body(stream, call, lock);
  });
}

std::shared_ptr<CUevent_st> find_event(cudaEvent_t handle) {
  const auto found = runtime().events.find(handle);
  return found == runtime().events.end() ? nullptr : found->second;
}

/// The same with an event.
template <class Body>
cudaError_t event_api(const char* function, cudaEvent_t handle, Body body) {
  return api(function, Needs::device, [&](const Call& call, Lock& lock) {
    const auto event = find_event(handle);
    return event ? body(event, call, lock) : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t record(const char* function, cudaEvent_t handle, cudaStream_t stream_handle) {
  return event_api(function, handle, [&](const std::shared_ptr<CUevent_st>& event, const Call& call, Lock&) {
    const auto stream = runtime().find_stream(stream_handle);
    if (!stream || stream->device != event->device) return cudaErrorInvalidResourceHandle;
    const auto time = std::make_shared<Clock::time_point>();
    event->time = time;
    event->record = runtime().enqueue(stream, call, [time] { return *time = Clock::now(), cudaSuccess; });
    return cudaSuccess;
  });
}

cudaError_t create_event(const char* function, cudaEvent_t* handle, unsigned flags) {
  return api(function, Needs::device, [&](const Call&, Lock&) {
    if ((flags & ~7U) != 0) return cudaErrorInvalidValue;
    auto event = std::make_shared<CUevent_st>();
    event->device = current_device(), event->flags = flags;
    *handle = event.get();
    runtime().events[event.get()] = event;
    return cudaSuccess;
  });
}

cudaError_t create_stream(const char* function, cudaStream_t* handle, unsigned flags, int priority) {
  return api(function, Needs::device, [&](const Call&, Lock&) {
    if (flags != cudaStreamDefault && flags != cudaStreamNonBlocking) return cudaErrorInvalidValue;
    *handle = runtime().add_stream(current_device(), flags, priority, false).get();
    return cudaSuccess;
  });
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return create_stream(__func__, stream, cudaStreamDefault, 0); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return create_stream(__func__, stream, flags, 0);
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  return create_stream(__func__, stream, flags, priority);
}
/// Returns at once; the stream goes when its work is done.
cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return stream_api(__func__, handle, [](const std::shared_ptr<CUstream_st>& stream, const Call&, Lock&) {
    if (stream->is_legacy) return cudaErrorInvalidResourceHandle;
    stream->closing = true;
    runtime().changed.notify_all();
    return cudaSuccess;
  });
}
cudaError_t cudaStreamGetFlags(cudaStream_t handle, unsigned* flags) {
  return stream_api(__func__, handle, [&](const std::shared_ptr<CUstream_st>& stream, const Call&, Lock&) {
    return *flags = stream->flags, cudaSuccess;
  });
}
cudaError_t cudaStreamGetPriority(cudaStream_t handle, int* priority) {
  return stream_api(__func__, handle, [&](const std::shared_ptr<CUstream_st>& stream, const Call&, Lock&) {
    return *priority = stream->priority, cudaSuccess;
  });
}
cudaError_t cudaStreamGetDevice(cudaStream_t handle, int* device) {
  return stream_api(__func__, handle, [&](const std::shared_ptr<CUstream_st>& stream, const Call&, Lock&) {
    return *device = stream->device, cudaSuccess;
  });
}
cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return stream_api(__func__, handle, [&](const std::shared_ptr<CUstream_st>&, const Call&, Lock&) {
    return *status = cudaStreamCaptureStatusNone, cudaSuccess;
  });
}
cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return stream_api(__func__, handle, [](const std::shared_ptr<CUstream_st>& stream, const Call&, Lock&) {
    return stream->done == stream->enqueued ? cudaSuccess : cudaErrorNotReady;
  });
}
cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return stream_api(__func__, handle, [](const std::shared_ptr<CUstream_st>& stream, const Call&, Lock& lock) {
    return runtime().wait({stream, stream->enqueued}, lock);
  });
}
/// Waits for the event's last record as it is now; of an event without one, for nothing.
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
  return stream_api(__func__, handle, [&](const std::shared_ptr<CUstream_st>& stream, const Call& call, Lock&) {
    const auto event = find_event(event_handle);
    if (!event) return cudaErrorInvalidResourceHandle;
    if (event->record.stream) runtime().enqueue(stream, call, [] { return cudaSuccess; }, {event->record});
    return cudaSuccess;
  });
}
cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  return stream_api(__func__, handle, [&](const std::shared_ptr<CUstream_st>& stream, const Call& call, Lock&) {
    runtime().enqueue(stream, call, [function, data] { return function(data), cudaSuccess; });
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return create_event(__func__, event, cudaEventDefault); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return create_event(__func__, event, flags);
}
cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  return event_api(__func__, handle, [](const std::shared_ptr<CUevent_st>& event, const Call&, Lock&) {
    runtime().events.erase(event.get());
    return cudaSuccess;
  });
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) { return record(__func__, event, stream); }
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
  return record(__func__, event, stream);
}
cudaError_t cudaEventQuery(cudaEvent_t handle) {
  return event_api(__func__, handle, [](const std::shared_ptr<CUevent_st>& event, const Call&, Lock&) {
    return Runtime::is_done(event->record) ? state_of(event->device) : cudaErrorNotReady;
  });
}
cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  return event_api(__func__, handle, [](const std::shared_ptr<CUevent_st>& event, const Call&, Lock& lock) {
    return runtime().wait(event->record, lock);
  });
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start_handle, cudaEvent_t end_handle) {
  return event_api(__func__, start_handle, [&](const std::shared_ptr<CUevent_st>& start, const Call&, Lock&) {
    const auto end = find_event(end_handle);
    if (!end || !start->record.stream || !end->record.stream || start->device != end->device ||
        ((start->flags | end->flags) & cudaEventDisableTiming) != 0)
      return cudaErrorInvalidResourceHandle;
    if (!Runtime::is_done(start->record) || !Runtime::is_done(end->record)) return cudaErrorNotReady;
    *ms = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
    return state_of(start->device);
  });
}

}  // extern "C"
