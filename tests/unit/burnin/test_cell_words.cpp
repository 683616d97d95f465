#include "harness/burnin/cell_words.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

const std::string kDashes = std::string(74, '-') + "\n";
// What Open MPI 4.1.4 prints of `mpirun -n 1 false`.
const std::string kFailed = kDashes +
                            "Primary job  terminated normally, but 1 process returned\n"
                            "a non-zero exit code. Per user-direction, the job has been aborted.\n" +
                            kDashes;
// The same of a program of MPI's that ends with 3, behind kFailed.
const std::string kFirst = kDashes +
                           "mpirun detected that one or more processes exited with non-zero status, thus causing\n"
                           "the job to be terminated. The first process to do so was:\n"
                           "\n"
                           "  Process name: [[27142,1],1]\n"
                           "  Exit code:    3\n" +
                           kDashes;
const std::string kAborted = kDashes +
                             "MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD\n"
                             "with errorcode 70.\n"
                             "\n"
                             "NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.\n"
                             "You may or may not see output from other processes, depending on\n"
                             "exactly when Open MPI kills them.\n" +
                             kDashes;
const std::string kHandled =
    "[vm:01824] *** Process received signal ***\n"
    "[vm:01824] Signal: Segmentation fault (11)\n"
    "[vm:01824] [ 0] /lib/x86_64-linux-gnu/libc.so.6(+0x3c050)[0x7f779d1bb050]\n"
    "[vm:01824] *** End of error message ***\n";
const std::string kSignal =
    kDashes + "mpirun noticed that process rank 1 with PID 0 on node vm exited on signal 11 (Segmentation fault).\n" +
    kDashes;

}  // namespace

TEST_CASE("the line that says why a cell failed is never one of dashes", "[burnin]") {
  const std::vector<std::pair<std::string, std::string>> rows{
      {"", ""},
      {kFailed, ""},
      {kFailed + kFirst, ""},
      {kAborted, ""},
      {"\n\n- - -\n 42\n", ""},
      {"grit: the disk is full\ngrit: no such scenario\n" + kFailed, "grit: the disk is full"},
      {kAborted + "  grit: MPI failed\r\n", "grit: MPI failed"},
      {"sh: 1: no-such-program: not found\n" + kFailed, "sh: 1: no-such-program: not found"},
      {"one\nError while loading shared libraries\n" + kFailed + kFirst, "Error while loading shared libraries"},
      {kHandled + kFailed + kSignal,
       "mpirun noticed that process rank 1 with PID 0 on node vm exited on signal 11 (Segmentation fault)."},
      {kHandled, "[vm:01824] *** End of error message ***"},
      {kDashes +
           "A process or daemon was unable to complete a TCP connection\nto another process:\n  Local host: n1\n" +
           kDashes,
       "A process or daemon was unable to complete a TCP connection"},
      {"srun: error: n1: task 1: Exited with exit code 3\nsrun: Terminating StepId=1.6\n",
       "srun: error: n1: task 1: Exited with exit code 3"},
      {"srun: Job step aborted: Waiting up to 32 seconds for job step to finish.\n"
       "grit: this node is none of n1, n2\n"
       "slurmstepd: error: *** STEP 1.6 ON n0 CANCELLED AT 2026-11-29T20:00:00 ***\n"
       "srun: error: n0: task 0: Killed\n",
       "grit: this node is none of n1, n2"}};
  for (const auto& [words, line] : rows) {
    CAPTURE(words);
    CHECK(telling_line(words) == line);
  }
}

TEST_CASE("why nothing came of a node: its own error, else how its cell ended", "[burnin]") {
  BurninCellResult result{.end = BurninCellEnd::failed, .status = 1, .words = kFailed};
  CHECK(why_nothing_came(result, "n1") == "ended with 1: it said nothing");
  result.words = "grit: the disk is full\n" + kFailed;
  CHECK(why_nothing_came(result, "n1") == "ended with 1: grit: the disk is full");
  result.end = BurninCellEnd::not_started;
  result.words = "no route to host\n";
  CHECK(why_nothing_came(result, "n1") == "it could not be started: no route to host");
  result.errors["n1"] = "NOT REVERTED: cpu_load";
  CHECK(why_nothing_came(result, "n1") == "NOT REVERTED: cpu_load");
  CHECK(why_nothing_came({}, "n1") == "it said nothing of itself");
}

}  // namespace grit
