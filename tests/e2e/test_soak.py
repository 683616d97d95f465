"""Random faults on a 4-node local cluster, and random kills while they come and go: nothing is left, and everything is off
within 2 s. Agents are killed again and again in one run, then a rank, mpirun or grit ends it.

usage: test_soak.py [KILLS] [SEED] [LIMIT_S]     1,000 kills take about 15 minutes: scripts/soak"""

import os
import random
import signal
import sys
import time
from pathlib import Path
from gritlib import Workspace, assert_same_state, children_of, cmdline, events, grit, machine_state, start, terminate

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1_000_000)
KILLS_IN_A_RUN = 10
LIMIT_S = float(sys.argv[3]) if len(sys.argv) > 3 else 2.0

# What each fault is asked to do here; small enough for four nodes on two cores.
FAULTS = {
    "link_flap": 'down = "150ms", after = "50ms"',
    "link_down": 'after = "40ms", lasts = "150ms"',
    "link_rate": 'rate = "200Mbit/s"',
    "link_loss": 'loss = "1%"',
    "link_mtu": 'mtu = "1300B"',
    "cpu_throttle": 'share = "60%", period = "20ms"',
    "cpu_contention": 'share = "30%"',
    "os_noise": 'period = "20ms", length = "1ms"',
    "memory_bandwidth": 'rate = "500MB/s", threads = 1, buffer = "16MiB"',
    "memory_leak": 'rate = "100MB/s", limit = "64MB"',
    "page_cache_thrash": 'rate = "20MB/s", threads = 1',
    "disk_contention": 'rate = "10MB/s", threads = 1',
    "gpu_throttle": 'clock = "50%"',
    "rank_delay": 'delay = "5ms"',
    "process_pause": 'pause = "100ms", after = "50ms"',
    "partition": 'after = "50ms", lasts = "100ms"',
    "memory_pressure": 'hold = "64MB", churn = "100MB/s"',
    "ethernet_flood": 'rate = "1Gbit/s", streams = 1',
}

SCENARIO = """
local grit = require "grit"
return grit.scenario {{
  name = "soak",
  summary = "random faults, to be killed at random",
  workload = grit.workload.ddp {{ model = "gpt2-small", scale = 0.005 }},
  faults = {{ {faults} }},
  design = {{ pairs = 200, block = "300ms", warmup = 1 }},
  expect = {{ slowdown = {{ at_least = "1%" }} }},
}}
"""

chance = random.Random(SEED)
print(f"seed {SEED}", flush=True)


def random_scenario(work):
    """Drawn again when it is refused: two faults of one NIC that overlap without one lying within the other."""
    while True:
        names, text = draw_scenario()
        if grit("plan", work.write("draw.lua", text), "-n", 4).returncode == 0:
            return names, text


def draw_scenario():
    names = chance.sample(sorted(FAULTS), min(len(FAULTS), chance.randint(1, 3)))
    faults = ", ".join(f'grit.fault.{name} {{ on = {chance.randrange(4)}, {FAULTS[name]} }}' for name in names)
    return names, SCENARIO.format(faults=faults)


def find(kind, process):
    """Processes of one kind below grit: (pid, node)."""
    found = []
    for pid in children_of(process.pid):
        words = cmdline(pid).split()
        if len(words) > 1 and os.path.basename(words[0]) == "grit" and words[1] == kind and is_first(pid):
            found.append(pid)
        elif kind == "mpirun" and words and os.path.basename(words[0]) == "mpirun":
            found.append(pid)
    return found


def is_first(pid):
    """Not a process that an agent forked, which has the agent's command line: an agent's parent is no agent."""
    try:
        parent = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
    except OSError:
        return False
    return cmdline(parent).split()[1:2] != ["agent"]


def wait_for(what, condition, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, (what, process.communicate())
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def recovered_after(run, killed_ns):
    return [event for event in events(run, "recovered") if event["t_ns"] > killed_ns]


def restarted_after(run, killed_ns):
    return [event for event in events(run, "agent_restarted") if event["t_ns"] > killed_ns]


def kill_agent(process, run, reverts_s):
    """An agent that is not the recorder dies: its successor reverts, and says so."""
    wait_for("four agents", lambda: len(find("agent", process)) == 4, process)
    victim = chance.choice(find("agent", process))
    os.kill(victim, signal.SIGKILL)
    killed_ns = time.monotonic_ns()
    try:
        wait_for("a new agent", lambda: restarted_after(run, killed_ns), process, 20)
    except AssertionError:
        print(f"killed {victim} at {killed_ns}; processes: {[(pid, cmdline(pid)) for pid in children_of(process.pid)]}")
        print("\n".join(map(str, events(run)[-20:])), flush=True)
        raise
    for event in recovered_after(run, killed_ns):
        assert event["problems"] == [], event
        if event["reverted"] > 0:
            reverts_s.append((event["t_ns"] - killed_ns) / 1e9)
    return 1


def end_run(process, kind):
    if kind == "grit":
        os.kill(process.pid, signal.SIGKILL)
    else:
        candidates = find(kind, process)
        assert candidates or process.poll() is not None, f"no {kind} to kill"
        if candidates:
            os.kill(chance.choice(candidates), signal.SIGKILL)
    return time.monotonic_ns()


def one_run(work, number, scenario_text, kills, reverts_s, ends_s):
    run = work.path / f"run{number}"
    process = start("run", work.write("soak.lua", scenario_text), "--out", run, "-n", 4)
    try:
        wait_for("the first step", lambda: (run / "steps.npy").exists() and (run / "steps.npy").stat().st_size > 2_000, process)
        done = 0
        while done < kills - 1:
            time.sleep(chance.uniform(0, 0.7))
            done += kill_agent(process, run, reverts_s)
        time.sleep(chance.uniform(0, 0.7))
        kind = chance.choice(("rank", "mpirun", "grit"))
        killed_ns = end_run(process, kind)
        process.communicate(timeout=90)
    finally:
        terminate(process)
    for event in events(run, "fault"):
        if event["t_ns"] > killed_ns and event["action"] == "reverted":
            assert event["ok"], event
            ends_s.append((event["t_ns"] - killed_ns) / 1e9)
    grit("report", run, expect=(0, 1, 2))
    return kind


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


before = machine_state()
reverts_s, ends_s, done, number = [], [], 0, 0
with Workspace() as work:
    while done < KILLS:
        names, text = random_scenario(work)
        kills = min(KILLS_IN_A_RUN, KILLS - done)
        kind = one_run(work, number, text, kills, reverts_s, ends_s)
        assert_same_state(before)
        done, number = done + kills, number + 1
        print(f"{done} kills: {kills - 1} of agents, then of {kind}, under {', '.join(names)}", flush=True)
assert_same_state(before)
for what, values in (("after an agent's death", reverts_s), ("after the death of a rank or mpirun", ends_s)):
    if values:
        print(f"reverted {what}: {len(values)} times, p50 {quantile(values, 0.5):.3f} s, p99 {quantile(values, 0.99):.3f} s, "
              f"at most {max(values):.3f} s", flush=True)
assert reverts_s, "no kill found a fault in force: the soak showed nothing"
assert max(reverts_s + ends_s) < LIMIT_S, f"a fault came off later than {LIMIT_S} s after the kill"
