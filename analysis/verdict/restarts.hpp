// A run whose job started again after deaths: how long that took, what it cost, and how it went on.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/verdict/run_facts.hpp"
#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/verdict.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// What an attempt left (harness/model/attempt.hpp).
struct Attempt {
  Plan plan{};
  std::span<const StepRecord> steps{};  // the caller keeps them
  JsonLines events{};
  Json clock{};
};

/// The steps of the job and the times of its restarts from the attempts, in their order, without the goodput. Times
/// are those of the recorder, of rank 0, which runs on its node, and of the first cause of each end, put on that node's
/// clock. Where that node was started anew in between, which its boot id tells, nothing is known of the times that
/// reach across; neither where the id is not known, but on a local cluster.
Restarts restarts_of(std::span<const Attempt> attempts);

/// How an attempt has ended so far, and the last of its blocks that a node has entered; -1: none.
struct AttemptEnd {
  std::string outcome{};  // as Verdict::outcome; "completed" also of one that is still running
  std::string reason{};   // in words
  int last_block = -1;
};
AttemptEnd attempt_end(const Attempt& attempt);

/// Of a run with Design::restarts: its restarts, and what came after its first attempt, judged.
struct LaterAttempts {
  Restarts restarts{};
  std::vector<Verdict> verdicts{};  // of the second attempt, the third ...
  std::string ending{};             // why the last one is not "completed", in words
};

/// The facts of the first attempt become those of the run: it ended as its last attempt did, and what any attempt left
/// behind is in the reasons. The goodput is worked out where all of it is known.
void go_on(RunFacts& facts, const LaterAttempts& later);

/// "process_kill on node1: rank 1 on node1 died (SIGKILL), and the job was back 3.1 s later ...; goodput 81 % ...".
std::string restarts_sentence(const RunFacts& facts);

/// "the job was back 3.1 s later: 2 ms until the end was ordered, 0.3 s until it had ended, ..."
std::string restart_text(const Restart& restart);
/// "goodput 81 %: 45 steps of 20 ms that count, in 1.1 s"; empty when it is not known.
std::string goodput_text(const Restarts& restarts, double baseline_step_ns);

}  // namespace grit
