#!/usr/bin/env python3
"""Do the conformance tests catch mistakes? Each row plants one in a copy of the source, and the test must then fail.

    tests/conformance/mistakes.py [WHAT ...]      only the rows whose description has one of these words
    tests/conformance/mistakes.py --text          only whether the source still has the text of each row

As root; a build of the conformance tests, and a compiled file and a link a row (a minute on a small machine)."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]

# what is wrong, in which file, the text there, the text instead, the fault that is tried (and by which mechanism), the test that must
# fail
MISTAKES = [
    ("the start does nothing", "injectors/confinement.cpp",
     "GRIT_CHECK(set_affinity(process->process, rank.cpus));", "static_cast<void>(process);", "affinity_squeeze", "[window]"),
    ("the start sends the ranks and not their helpers", "injectors/confinement.cpp",
     "GRIT_CHECK(set_affinity(process->process, rank.cpus));",
     "if (process == &rank.before) GRIT_CHECK(set_affinity(process->process, rank.cpus));", "affinity_squeeze", "[window]"),
    ("the ranks are put back, their helpers are not", "injectors/confinement.cpp",
     "if (auto one = restore_affinity_within(*before, rank.cpus); !one && all) all = one;",
     "if (before != &rank.before) continue;\n      if (auto one = restore_affinity_within(*before, rank.cpus); !one && all) all = one;",
     "affinity_squeeze", "[window]"),
    ("the stop does nothing", "injectors/confinement.cpp",
     "if (auto one = restore_affinity_within(*before, rank.cpus); !one && all) all = one;", "", "affinity_squeeze", "[window]"),
    ("what is left is not compared with what was before", "injectors/confinement.cpp",
     "return known->cpus != thread.cpus &&", "return known != nullptr &&", "affinity_squeeze", "[window]"),
    ("only the main thread is sent", "harness/os/thread_affinity.cpp",
     "for (const pid_t tid : threads) GRIT_CHECK(set_living(process.pid, tid, cpus));",
     "GRIT_CHECK(set_living(process.pid, process.pid, cpus));", "affinity_squeeze", "[window]"),
    ("only the main thread is put back", "harness/os/thread_affinity.cpp",
     "GRIT_CHECK(set_living(saved.process.pid, thread.tid, cpus));",
     "if (thread.tid == saved.process.pid) GRIT_CHECK(set_living(saved.process.pid, thread.tid, cpus));", "affinity_squeeze", "[window]"),
    ("a process is known by its pid alone", "harness/os/process.cpp",
     "if (!state || state->start_ticks != identity.start_ticks) return std::nullopt;", "if (!state) return std::nullopt;", "affinity_squeeze", "[identity]"),
    ("it says that it acted, whatever the counters say", "injectors/confinement.cpp",
     'return grew(before, after, "confined_cpu_ns");', "return before.is_object() && after.is_object();", "affinity_squeeze", "[window]"),
    ("time counts from when it was armed, and not from its start", "injectors/confinement.cpp",
     "if (!on_) return past_ns_;", "if (!on_) return on_cpu_ns();", "affinity_squeeze", "[window]"),
    ("a rank that has ended is an error", "injectors/ranks.cpp",
     "if (alive) return tl::make_unexpected(now.error());", "if (!alive) return tl::make_unexpected(now.error());",
     "affinity_squeeze", "[ended]"),
    ("a rank that has ended is meant, too", "injectors/ranks.cpp",
     "if (alive) chosen.push_back(std::move(rank));", "chosen.push_back(std::move(rank)), static_cast<void>(alive);",
     "affinity_squeeze", "[ended]"),
    ("ranks that are there already are refused", "injectors/affinity_squeeze.cpp",
     "      rank.cpus = shared;\n",
     '      if (is_confined(rank.before, shared)) return unavailable_error("is there already");\n      rank.cpus = shared;\n',
     "affinity_squeeze", "[window]"),
    ("one of the dials is not turned back", "injectors/rank_dial.cpp",
     "    for (const Dial& dial : dials()) (rank.slot->dials.*dial.at).store(dial.rest);",
     "    for (const Dial& dial : dials())\n      if (&dial != &dials().back()) (rank.slot->dials.*dial.at).store(dial.rest);",
     "rank_delay", "[window]"),
    ("one of the dials of another fault is not turned back", "injectors/bit_flip.cpp",
     "&RankDials::flip_seed, 0, [](const Params& params)", "&RankDials::flip_seed, 7, [](const Params& params)", "bit_flip", "[window]"),
    ("ranks stay stopped", "injectors/process_pause.cpp", "GRIT_TRY(const std::size_t reached, continue_all(undo.ranks));", "const std::size_t reached = undo.ranks.size();", "process_pause", "[window]"),
    ("unknown keys deep in a record are accepted", "harness/os/process.cpp", "  GRIT_CHECK(object.done());\n", "", "process_pause", "[tampered]"),
    ("the MTU of the scenario is put back, not the one before", "injectors/link_mtu.cpp",
     "netlink.set_mtu(link->ifindex, undo.before_bytes)", "netlink.set_mtu(link->ifindex, 1500)", "link_mtu", "[window]"),
    ("a stop does not stop the workers", "injectors/worker.cpp",
     "  if (!started_) return {};\n  for (const Worker& worker : workers_) {", "  return {};\n  for (const Worker& worker : workers_) {",
     "cpu_contention", "[window]"),
    ("a second stop is an error", "injectors/worker.cpp",
     "Status WorkerFault::stop() {\n  if (!started_) return {};", 'Status WorkerFault::stop() {\n  if (!started_) return internal_error("it is off");',
     "cpu_contention", "[twice]"),
    ("a worker outlives its agent", "injectors/worker.cpp", "  ::prctl(PR_SET_PDEATHSIG, SIGKILL);\n", "", "cpu_contention", "[kill]"),
    ("the next grit takes a record and puts nothing back", "injectors/rank_dial.cpp",
     "return segment ? take_off({.ranks = node_ranks(*segment)}, undo) : Reverted::gone;",
     "return segment ? Reverted::put_back : Reverted::gone;", "rank_delay", "[kill]"),
    ("a start that fails half way is not taken back", "harness/agent/fault_windows_act.cpp",
     "if (status && !sham) {\n      armed.something_on = true;\n      status = fault.start();",
     "if (status && !sham) {\n      status = fault.start();\n      armed.something_on = status.has_value();", "affinity_squeeze", "[fail]"),
    ("a GPU gets the power limit that it was made with, not the one before", "injectors/gpu_limits_service.cpp",
     "return gpu.set_power_limit(static_cast<unsigned>(limit.before_mw));", "return gpu.set_power_limit(static_cast<unsigned>(limit.default_mw));",
     "gpu_throttle power", "[window]"),
    ("clocks of GPUs stay locked", "injectors/gpu_limits_service.cpp",
     "return lock ? gpu.lock_clocks(*lock) : gpu.unlock_clocks();", "return lock ? gpu.lock_clocks(*lock) : Status{};", "gpu_throttle clocks", "[kill]"),
]


TEST_S = 120  # a test that takes longer hangs, which is a failure as well


def run(command, cwd, **more):
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def build(copy):
    """None: it does. Else the compiler's last words."""
    built = run(["cmake", "--build", "build/dev", "--target", "conformance_tests"], copy)
    return built.stdout[-2000:] if built.returncode != 0 else None


def test(copy, fault, tags):
    """None: it passes. Else the last lines of what it says."""
    program = next((copy / "build/dev").rglob("conformance_tests"))
    alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]  # what a mistake leaves running ends with it
    fault, *mechanism = fault.split()
    settings = {"GRIT_FAULT": fault, **{"GRIT_MECHANISM": one for one in mechanism}}
    done = run(["timeout", "-k", "5", str(TEST_S), *alone, program, tags], copy, env={**os.environ, **settings})
    if done.returncode == 77:
        return None  # skipped: nothing was shown
    return None if done.returncode == 0 else done.stdout[-400:]


def without_text(rows):
    """The rows that the source has left behind, and how."""
    found = [(what, (SOURCE / file).read_text().count(old), old, file) for what, file, old, *_ in rows]
    return [f"{what}: `{old}` is {count} times in {file}" for what, count, old, file in found if count != 1]


def try_mistake(copy, file, old, new, fault, tags):
    """What came of it: "caught", or why not."""
    text = (copy / file).read_text()
    try:
        (copy / file).write_text(text.replace(old, new))
        if said := build(copy):
            return f"DOES NOT BUILD: {said}"
        return "caught" if test(copy, fault, tags) is not None else "MISSED"
    finally:
        (copy / file).write_text(text)


def main():
    words = [word for word in sys.argv[1:] if word != "--text"]
    chosen = [row for row in MISTAKES if not words or any(word in row[0] for word in words)]
    if left := without_text(chosen):
        sys.exit("\n".join(left))
    if "--text" in sys.argv[1:]:
        return
    caught = 0
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "grit"
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("build", ".git", "runs"))
        configured = run(["cmake", "--preset", "dev", "-DBUILD_TESTING=ON", "-DCMAKE_CXX_FLAGS_DEBUG=-O0"], copy)
        if configured.returncode != 0:
            sys.exit(configured.stdout)
        if said := build(copy):
            sys.exit(f"it does not build:\n{said}")
        for fault, tags in sorted({row[4:] for row in chosen}):
            if said := test(copy, fault, tags):
                sys.exit(f"{fault} {tags} fails without any mistake:\n{said}")
        for what, *mistake in chosen:
            outcome = try_mistake(copy, *mistake)
            caught += outcome == "caught"
            print(f"{what} ({' '.join(mistake[-2:])}): {outcome}", flush=True)
    print(f"{caught} of {len(chosen)} caught")
    sys.exit(0 if caught == len(chosen) > 0 else 1)


if __name__ == "__main__":
    main()
