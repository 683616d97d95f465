/* The table of functions through which grit uses a module for accelerators, a shared library that it loads when a run
 * asks for one (grit-cuda.so). Plain C, so that module and program can be of different builds and compilers.
 *
 * Versions: grit_module_table::version changes when the meaning of anything here changes, and the program then refuses
 * the module. What is only added goes to the end of a struct, whose `size_bytes` (set by who made it, of the program's
 * or the module's build) says how much of it is there.
 *
 * Every function returns a GRIT_... code and, for all but GRIT_OK and GRIT_PENDING, writes why, unless `why` is null.
 * None throws, blocks on the device, or ends the process, but where it says so. Objects are of one thread each; those
 * of one device may be used by one thread at a time. All sizes are in bytes, counts in elements, times in nanoseconds.
 */
#ifndef GRIT_ACCELERATOR_MODULE_H
#define GRIT_ACCELERATOR_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GRIT_MODULE_VERSION 1
/* The one symbol that a module exports: const grit_module_table* grit_module(void). */
#define GRIT_MODULE_ENTRY "grit_module"

enum {
  GRIT_OK = 0,
  GRIT_PENDING = 1,     /* not yet: ask again */
  GRIT_UNAVAILABLE = 2, /* no device, no driver, one that is too old, or not built in */
  GRIT_NO_MEMORY = 3,   /* the device's, or pinned memory of the host */
  GRIT_INVALID = 4,     /* an argument that the caller could have known to be wrong */
  GRIT_DEVICE_LOST = 5, /* the device is gone or its context is broken: nothing on it works any more */
  GRIT_PEER_FAILED = 6, /* another rank of a communicator is gone, or its network */
  GRIT_FAILED = 7       /* anything else of the vendor's */
};
typedef struct grit_why {
  int32_t vendor_code; /* the library's own number, 0: none */
  char text[300];      /* a sentence, ended by a 0 */
} grit_why;

/* Numbers 0 to 3 are those of grit's DataType. */
enum { GRIT_FP32 = 0, GRIT_BF16 = 1, GRIT_FP16 = 2, GRIT_BYTES = 3, GRIT_FP8_E4M3 = 4 };

enum {
  GRIT_ON_DEVICE = 0,
  GRIT_ON_HOST = 1 /* pinned: the device and the network reach it under the same address */
};

typedef struct grit_device grit_device;
typedef struct grit_stream grit_stream;
typedef struct grit_event grit_event;
typedef struct grit_gemm grit_gemm;
typedef struct grit_communicator grit_communicator;

typedef struct grit_device_facts {
  uint32_t size_bytes; /* set by the caller */
  int32_t is_fake;     /* not 0: a library that only plays the vendor's, for tests */
  char name[128];
  char pci_address[32]; /* "0000:3b:00.0", lower case */
  uint64_t memory_bytes;
  int32_t multiprocessors;
  int32_t capability;      /* 10 x major + minor */
  int32_t driver_version;  /* 1000 x major + 10 x minor: the newest CUDA that the driver supports */
  int32_t runtime_version; /* of the CUDA runtime in use, likewise */
  uint64_t l2_bytes;       /* of the cache before its memory; 0: not known */
} grit_device_facts;

/* What a check found; in pinned memory, set by the check itself before it counts. */
typedef struct grit_found {
  uint64_t wrong; /* elements that are not as they should be */
  uint64_t first; /* of the first of them: its number times 2^32, plus its bits; UINT64_MAX: none */
} grit_found;

/* Elements that repeat with a period: element i is period[(place + i) mod period_elements]. */
typedef struct grit_pattern {
  const void* period; /* on the device */
  uint32_t period_elements;
  uint32_t element_bytes; /* 1, 2 or 4 */
  uint64_t place;
} grit_pattern;

/* Who is in a communicator. The same on all of its ranks but for `rank`. */
typedef struct grit_communicator_options {
  uint32_t size_bytes; /* set by the caller */
  int32_t rank, ranks;
  unsigned char id[128]; /* from communicator_id() of one rank */
  char name[64];         /* for the library's own messages */
} grit_communicator_options;

enum {
  GRIT_ALL_REDUCE = 0,
  GRIT_REDUCE_SCATTER = 1,
  GRIT_ALL_GATHER = 2,
  GRIT_ALL_TO_ALL = 3,
  GRIT_SEND = 4,
  GRIT_RECEIVE = 5
};
typedef struct grit_call {
  int32_t operation;
  int32_t type;
  const void* send;
  void* receive;
  size_t count; /* of one rank's part (reduce-scatter, all-gather), else of the buffer; not of an all-to-all */
  const size_t* send_counts; /* all-to-all only: for each rank, from each; parts follow each other without gaps */
  const size_t* receive_counts;
  int32_t peer; /* send and receive only */
} grit_call;

/* What blocks of occupy() have come to, all together; in pinned memory, 0 at first. Each adds to it as it ends. */
#define GRIT_MOST_MULTIPROCESSORS 1024
#define GRIT_LONGEST_SLICE_NS 100000000
typedef struct grit_occupied {
  uint64_t held_ns;                              /* in which they ran, by the device's own timer */
  uint64_t away_ns;                              /* in which they had begun, and another process had the device */
  uint64_t blocks;                               /* that have ended */
  uint64_t seen[GRIT_MOST_MULTIPROCESSORS / 64]; /* a bit for each multiprocessor that one of them was on */
} grit_occupied;

typedef struct grit_module_table {
  uint32_t version; /* GRIT_MODULE_VERSION of the module's build */
  uint32_t size_bytes;
  const char* built; /* "CUDART_VERSION 13000, NCCL 2.28.9" */

  /* Devices, by the runtime's number. */
  int32_t (*device_count)(int32_t* devices, grit_why* why);
  int32_t (*device_facts)(int32_t index, grit_device_facts* facts, grit_why* why);
  /* Makes the device the calling thread's. Closing frees nothing that was allocated or created on it. */
  int32_t (*device_open)(int32_t index, grit_device** device, grit_why* why);
  void (*device_close)(grit_device* device);
  int32_t (*device_free_bytes)(grit_device* device, uint64_t* free_bytes, grit_why* why);

  /* `kind`: GRIT_ON_DEVICE or GRIT_ON_HOST. Both wait for the device. */
  int32_t (*allocate)(grit_device* device, int32_t kind, size_t bytes, void** memory, grit_why* why);
  void (*release)(grit_device* device, int32_t kind, void* memory);

  /* Work of a stream is done in the order in which it was given. Streams do not wait for each other, or for any
   * stream of the process's that is not of this table. `urgent`: its work is preferred. */
  int32_t (*stream_create)(grit_device* device, int32_t urgent, grit_stream** stream, grit_why* why);
  void (*stream_destroy)(grit_stream* stream);
  /* What the stream is given from now on begins after the event. */
  int32_t (*stream_wait)(grit_stream* stream, grit_event* event, grit_why* why);
  /* Reached when all that the stream was given before is done; the time of it is kept. */
  int32_t (*event_create)(grit_device* device, grit_event** event, grit_why* why);
  void (*event_destroy)(grit_event* event);
  int32_t (*event_record)(grit_event* event, grit_stream* stream, grit_why* why);
  /* GRIT_PENDING: not reached yet. */
  int32_t (*event_state)(grit_event* event, grit_why* why);
  /* Of two that were reached. The vendor's resolution: half a microsecond; a 24-bit number, so keep them near. */
  int32_t (*event_elapsed)(grit_event* from, grit_event* to, int64_t* elapsed_ns, grit_why* why);

  /* All of these give work to a stream and return. Memory is the device's or pinned. */
  int32_t (*copy)(grit_stream* stream, void* to, const void* from, size_t bytes, grit_why* why);
  int32_t (*fill)(grit_stream* stream, const grit_pattern* pattern, void* to, uint64_t count, grit_why* why);
  /* `count` < 2^32. `found`: pinned, and the caller's again when an event after this was reached. */
  int32_t (*check)(grit_stream* stream, const grit_pattern* pattern, const void* values, uint64_t count,
                   grit_found* found, grit_why* why);
  /* weights[i] -= rate x gradients[i] in fp32, a multiplication and a subtraction, as on the host. `type`: of the
   * gradients, GRIT_FP32, GRIT_BF16 or GRIT_FP16. */
  int32_t (*update)(grit_stream* stream, float* weights, const void* gradients, int32_t type, uint64_t count,
                    float rate, grit_why* why);

  /* Matrix products C = alpha A B, A and B of `type`, size x size, C in fp32, whose every element is known beforehand
   * (workloads/accelerator/operands.h). size: a multiple of 16, at most 32768. Waits for the device. GRIT_UNAVAILABLE:
   * not of this type on this device. */
  int32_t (*gemm_create)(grit_device* device, int32_t type, int32_t size, grit_gemm** gemm, grit_why* why);
  void (*gemm_destroy)(grit_gemm* gemm);
  /* alpha alternates between 1 and 2, so that a product that was not written is seen. */
  int32_t (*gemm_run)(grit_gemm* gemm, grit_stream* stream, int32_t times, grit_why* why);
  /* Every element of the last product; `found` as in check(), elements as cuBLAS lays them out,
   * by column. */
  int32_t (*gemm_check)(grit_gemm* gemm, grit_stream* stream, grit_found* found, grit_why* why);

  /* Communicators; null where they were not built in. Every one is non-blocking: when a function returns GRIT_PENDING,
   * then communicator_state() must have returned GRIT_OK before anything else is done with it or with its stream. */
  int32_t (*communicator_version)(int32_t* version, grit_why* why);
  int32_t (*communicator_id)(unsigned char id[128], grit_why* why);
  int32_t (*communicator_open)(grit_device* device, const grit_communicator_options* options,
                               grit_communicator** communicator, grit_why* why);
  /* GRIT_OK: ready, and what was started is on its stream. GRIT_PEER_FAILED, GRIT_FAILED ...: for good. */
  int32_t (*communicator_state)(grit_communicator* communicator, grit_why* why);
  /* Collective over it, with nothing under way. The ranks of one colour, in the order of `key`. `part` is there at
   * once, and ready when its own state is GRIT_OK; `communicator` must not be let go before. */
  int32_t (*communicator_split)(grit_communicator* communicator, int32_t color, int32_t key, const char* name,
                                grit_communicator** part, grit_why* why);
  /* Starts all of them as one, on this stream. */
  int32_t (*communicator_start)(grit_communicator* communicator, grit_stream* stream, const grit_call* calls,
                                int32_t count, grit_why* why);
  /* Ends what is under way, on this rank alone; may take long. The communicator is gone afterwards. */
  int32_t (*communicator_abort)(grit_communicator* communicator, grit_why* why);
  /* Collective over it, with nothing under way: to be called again while it returns GRIT_PENDING; gone afterwards. */
  int32_t (*communicator_close)(grit_communicator* communicator, grit_why* why);

  /* For faults. Null in a module of an older build. */
  /* Gives the stream so many blocks, at most GRIT_MOST_MULTIPROCESSORS, each of which has a multiprocessor for itself,
   * does nothing there but look at the time, and ends when it has run for `length_ns`, or GRIT_LONGEST_SLICE_NS after
   * it began. `occupied`: pinned, and not to be freed before an event after this was reached. */
  int32_t (*occupy)(grit_device* device, grit_stream* stream, int32_t blocks, int64_t length_ns,
                    grit_occupied* occupied, grit_why* why);
  /* From now on copy() goes from this device to the memory of the device `other`, and back, without the host's memory
   * between. GRIT_UNAVAILABLE: there is no such way. */
  int32_t (*peer_open)(grit_device* device, int32_t other, grit_why* why);
} grit_module_table;

#ifdef __cplusplus
}
#endif

#endif
