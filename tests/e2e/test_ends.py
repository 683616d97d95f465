"""What ends a run ends it everywhere, in bounded time, with all faults off, and under its own name: also where the launcher,
like srun, leaves the other ranks alone. Nodes 1 and 2 have faults in force when something happens to another."""

import os
import re
import signal
import time
from gritlib import Workspace, assert_same_state, children_of, cmdline, events, machine_state, start, terminate, verdict
from documented import assert_documented

FAULTS_OFF_S, RUN_OVER_S = 2, 10
FAULT_FIRST = ("--seed", 1)  # with it the first block has the faults: nobody waits for a block without

SCENARIO = """
local grit = require "grit"
return grit.scenario {
  name = "ends", summary = "something dies under two faults",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.01 },
  faults = { grit.fault.gpu_throttle { on = 1, clock = "50%" }, grit.fault.rank_delay { on = 2, delay = "1ms" } },
  design = { pairs = 6, block = "20s", warmup = 1 },
  expect = { slowdown = { at_least = "1%" } },
}
"""


def words_of(process, name):
    """The processes of the run whose first word is that program; a rank's or an agent's second word tells them apart."""
    return [pid for pid in children_of(process.pid) if os.path.basename((cmdline(pid).split() or [""])[0]) == name]


def ranks_of(process):
    return [pid for pid in words_of(process, "grit") if cmdline(pid).split()[1:2] == ["rank"]]


def rank_number(pid):
    variables = open(f"/proc/{pid}/environ", "rb").read().split(b"\0")
    return int(next(v.split(b"=")[1] for v in variables if v.startswith(b"OMPI_COMM_WORLD_RANK=")))


def wait_until(condition, patience_s, what):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def in_force(run):
    seen = {e["node"]: e["action"] for e in events(run, "fault")} if (run / "events.jsonl").exists() else {}
    return seen.get(1) == seen.get(2) == "applied"


def named(process, name):
    def comm(pid):
        try:
            return open(f"/proc/{pid}/comm").read().strip()
        except OSError:
            return ""
    return [pid for pid in children_of(process.pid) if comm(pid) == name]


def carries_on(work, name, program, number, event):
    """One of grit's own processes is killed or stopped: another takes its place, the ranks notice nothing, the faults stay."""
    run = work.path / name
    process = start("run", work.write("ends.lua", SCENARIO), "--out", run, "-n", 4, *FAULT_FIRST)
    try:
        wait_until(lambda: process.poll() is not None or in_force(run), 120, "the faults never came into force")
        assert process.poll() is None, process.communicate()
        victim = named(process, program)[0]
        began = time.monotonic()
        os.kill(victim, number)
        wait_until(lambda: victim not in named(process, program) and len(named(process, program)) > 0, 10, f"no other {program}")
        took_s = time.monotonic() - began
        size = (run / "steps.npy").stat().st_size
        wait_until(lambda: (run / "steps.npy").stat().st_size > size, 10, "no records come any more")
        wait_until(lambda: event is None or events(run, event), 10, f"nobody said {event}")
        assert process.poll() is None and not events(run, "end_ordered"), events(run, "end_ordered")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        terminate(process)
    print(f"{name}: another {program} after {took_s:.2f} s", flush=True)
    assert verdict(run)["outcome"] == "interrupted", verdict(run)


def try_out(work, name, hurt, outcome, words):
    run = work.path / name
    process = start("run", work.write("ends.lua", SCENARIO), "--out", run, "-n", 4, *FAULT_FIRST)
    try:
        wait_until(lambda: process.poll() is not None or in_force(run), 120, "the faults never came into force")
        assert process.poll() is None, process.communicate()
        launchers = words_of(process, "mpirun") + words_of(process, "orted")
        assert launchers, "no launcher found"
        for pid in launchers:
            os.kill(pid, signal.SIGSTOP)
        began = time.monotonic_ns()
        hurt(process)
        wait_until(lambda: not ranks_of(process), RUN_OVER_S, f"{name}: ranks run on: {ranks_of(process)}")
        ended_s = (time.monotonic_ns() - began) / 1e9
        for pid in launchers:
            os.kill(pid, signal.SIGCONT)
        out, err = process.communicate(timeout=60)
    finally:
        terminate(process)
    last = {e["node"]: e for e in events(run, "fault")}
    off_s = max((last[node]["t_ns"] - began) / 1e9 for node in (1, 2))
    print(f"{name}: faults off after {off_s:.2f} s, ranks gone after {ended_s:.2f} s; {verdict(run)['sentence']}", flush=True)
    assert all(last[node]["action"] == "reverted" and last[node]["ok"] for node in (1, 2)), last
    assert off_s < FAULTS_OFF_S and ended_s < RUN_OVER_S, (off_s, ended_s)
    assert verdict(run)["outcome"] == outcome, verdict(run)
    assert_documented(run)
    assert re.search(words, out, re.IGNORECASE), out + err
    assert len(events(run, "end_ordered")) == 1, events(run, "end_ordered")


SLOW = """
local grit = require "grit"
return grit.scenario {
  name = "slow", summary = "a rank dies while its agent waits for a fault to come off",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.01 },
  faults = { grit.fault.command { on = 1, apply = "touch MARK", evidence = "test -e MARK", counter = "date +%s%N",
                                  revert = "touch MARK-off; sleep 4; rm MARK", timeout = "10s" } },
  design = { pairs = 6, block = "1s", warmup = 0 },
  expect = { slowdown = { at_least = "1%" } },
}
"""


def dies_during_a_revert(work):
    """The death is told at once and when it was, not when the agent is done with the revert that takes 4 s."""
    run, mark = work.path / "slow", work.path / "mark"
    process = start("run", work.write("slow.lua", SLOW.replace("MARK", str(mark))), "--allow-command", "--out", run, "-n", 4)
    try:
        wait_until(lambda: process.poll() is not None or os.path.exists(f"{mark}-off"), 120, "the fault never went off")
        assert process.poll() is None, process.communicate()
        killed_ns = time.monotonic_ns()
        kill_rank(1)(process)
        process.communicate(timeout=60)
    finally:
        terminate(process)
    died, ordered = events(run, "rank_died")[0], events(run, "end_ordered")[0]
    after_s = [(event["t_ns"] - killed_ns) / 1e9 for event in (died, ordered)]
    print(f"slow: the death was seen after {after_s[0]:.3f} s, the end ordered after {after_s[1]:.3f} s", flush=True)
    assert died["rank"] == 1 and 0 < after_s[0] < 1 and after_s[1] < 2, (died, ordered, killed_ns)
    assert verdict(run)["outcome"] == "rank_death", verdict(run)


def kill_rank(number):
    def hurt(process):
        os.kill(next(pid for pid in ranks_of(process) if rank_number(pid) == number), signal.SIGKILL)
    return hurt


before = machine_state()
with Workspace() as work:
    try_out(work, "rank3", kill_rank(3), "rank_death", "rank 3 on node3 died")
    assert_same_state(before)
    try_out(work, "rank0", kill_rank(0), "rank_death", "rank 0 on node0 died")
    assert_same_state(before)
    dies_during_a_revert(work)
    assert_same_state(before)
    for program, event in (("grit-agent", "agent_restarted"), ("grit-observer", "observer_restarted"), ("grit-recorder", None)):
        for how in (signal.SIGKILL, signal.SIGSTOP):
            carries_on(work, f"{program}-{how.name}", program, how, event)
            assert_same_state(before)
