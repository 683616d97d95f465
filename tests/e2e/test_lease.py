"""An agent hangs with a link down: its node's rank sees the lease run out, ends it, and the next agent brings the link back. The
same with a fault of a process of its own, which the kernel ends with the agent. One that is stopped (SIGSTOP) is replaced at once.
A job that is stopped as a whole, as a batch system does that suspends it, ends when it goes on, and is told as what it is."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from gritlib import Workspace, assert_same_state, children_of, cmdline, events, machine_state, start, terminate, verdict

VICTIM = 1  # node 0's agent records the run
SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000  # ptrace(2), waitpid(2)
NEW_MOUNTS = 0x20000  # CLONE_NEWNS, unshare(2)
SUSPENDED_S = 8  # the silence that makes a node lost is 5 s
STOPPED_S = 3  # by when one that is stopped has a successor
REVERT_S = 23  # longer than the 20 s in which an agent must have started
LEASE_MARGIN_S = 10  # docs/architecture.md: twice the longest time in force, and so much

SCENARIO = """
local grit = require "grit"
return grit.scenario {{
  name = "lease", summary = "an agent that hangs",
  workload = grit.workload.ddp {{ model = "gpt2-small", scale = 0.01 }},
  faults = {{ {fault} }},
  design = {{ pairs = 6, block = "2s", warmup = 1 }},
  expect = {{ slowdown = {{ at_least = "1%" }} }},
}}
"""


def agent_of(process, run, node):
    """The agent in whose network namespace the node's address is local."""
    plan = json.loads((run / "plan.json").read_text())
    address = next(a for nic in plan["topology"]["nodes"][node]["nics"] for a in nic["addresses"] if "." in a and nic["role"] == "data").split("/")[0]
    found = []
    for pid in children_of(process.pid):
        words = cmdline(pid).split()
        if len(words) > 1 and os.path.basename(words[0]) == "grit" and words[1] == "agent":
            lines = Path(f"/proc/{pid}/net/fib_trie").read_text().splitlines()
            name = Path(f"/proc/{pid}/comm").read_text().strip()  # not a worker, which has the agent's command line
            if name in ("grit", "grit-agent") and any(line.split()[-2:] == ["|--", address] for line in lines):
                found.append(pid)
    assert len(found) == 1, (address, found)
    return found[0]


def latest(run, **wanted):
    found = [e for e in events(run) if all(e.get(key) == value for key, value in wanted.items())]
    return found[-1] if found else None


def ptrace(request, pid):
    assert ctypes.CDLL(None, use_errno=True).ptrace(request, pid, 0, 0) == 0, os.strerror(ctypes.get_errno())


def hold(agent):
    """It does nothing more, and is not in the state that SIGSTOP leaves."""
    ptrace(SEIZE, agent)
    ptrace(INTERRUPT, agent)
    os.waitpid(agent, WALL)


def is_gone(agent):
    """A traced process stays until its tracer has taken its end."""
    try:
        os.waitpid(agent, os.WNOHANG | WALL)
    except ChildProcessError:
        pass
    return not Path(f"/proc/{agent}").exists()


def stop_while_in_force(process, run, stop, go_on):
    """Stops the agent while the fault is in force; returns what it had said of it, and when it was stopped."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        said = latest(run, type="fault", node=VICTIM) if (run / "events.jsonl").exists() else None
        if said and said["action"] == "applied":
            agent = agent_of(process, run, VICTIM)
            stop(agent)
            time.sleep(0.3)  # what it had sent before arrives
            if latest(run, type="fault", node=VICTIM) == said:
                return said, agent
            go_on(agent)  # too late: it was off by then
        time.sleep(0.02)
    raise AssertionError("the fault never came into force")


def by_signal(number):
    return lambda agent: os.kill(agent, number)


def try_out(work, name, fault, longest_s, stopped=False):
    run = work.path / name
    process = start("run", work.write(f"{name}.lua", SCENARIO.format(fault=fault)), "--out", run, "-n", 2)
    try:
        ways = (by_signal(signal.SIGSTOP), by_signal(signal.SIGCONT)) if stopped else (hold, lambda agent: ptrace(DETACH, agent))
        said, agent = stop_while_in_force(process, run, *ways)
        limit_s = STOPPED_S if stopped else 2 * longest_s + LEASE_MARGIN_S
        deadline = time.monotonic() + limit_s + 20
        while not latest(run, type="agent_restarted", node=VICTIM):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "the lease ran out, and nobody did anything"
            is_gone(agent)
            time.sleep(0.05)
        recovered = latest(run, type="recovered", node=VICTIM)
        took_s = (latest(run, type="agent_restarted", node=VICTIM)["t_ns"] - said["t_ns"]) / 1e9
        print(f"{name}: off {took_s:.2f} s after it was applied; its lease was {limit_s:.0f} s; the new agent said {recovered}", flush=True)
        assert took_s < limit_s if stopped else limit_s - 1 < took_s < limit_s + 10, took_s
        assert is_gone(agent), "the agent that hung is still there"
        if name != "load":
            assert recovered["reverted"] == 1 and recovered["problems"] == [], recovered
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        terminate(process)


def revert_slowly(work):
    """The agent is killed in a fault whose revert takes longer than an agent may take to start; its successor is given the time."""
    run, file = work.path / "slow", work.path / "in-force"
    fault = (f'grit.fault.command {{ on = {VICTIM}, apply = "touch {file}", evidence = "test -e {file}", counter = "echo 1", '
             f'revert = "test ! -e {file} || sleep {REVERT_S}; rm -f {file}", timeout = "60s" }}')
    process = start("run", work.write("slow.lua", SCENARIO.format(fault=fault)), "--out", run, "-n", 2, "--allow-command")
    try:
        stop_while_in_force(process, run, by_signal(signal.SIGKILL), lambda agent: None)
        deadline = time.monotonic() + REVERT_S + 20
        while not latest(run, type="agent_restarted", node=VICTIM):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "no successor"
            time.sleep(0.1)
        recovered = latest(run, type="recovered", node=VICTIM)
        assert recovered["reverted"] == 1 and recovered["problems"] == [] and not file.exists(), recovered
        assert not latest(run, type="node_lost"), "a node whose agent was at work was taken for lost"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        terminate(process)


def suspended(work):
    """Everything stops with a link down, for longer than what makes a node lost: nobody is lost, and nothing is injected any more."""
    run = work.path / "suspended"
    fault = f'grit.fault.link_flap {{ on = {VICTIM}, down = "1800ms", after = "100ms" }}'
    process = start("run", work.write("suspended.lua", SCENARIO.format(fault=fault)), "--out", run, "-n", 4)
    job = []
    try:
        deadline = time.monotonic() + 90
        while (said := latest(run, type="fault", node=VICTIM) if (run / "events.jsonl").exists() else None) is None or said["action"] != "applied":
            assert process.poll() is None and time.monotonic() < deadline, "the fault never came into force"
            time.sleep(0.02)
        job = [process.pid, *children_of(process.pid)]
        for pid in job:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(SUSPENDED_S)
        for pid in job:
            os.kill(pid, signal.SIGCONT)
        out, err = process.communicate(timeout=20)
    finally:
        for pid in job if process.poll() is None else []:
            os.kill(pid, signal.SIGCONT)
        terminate(process)
    last = latest(run, type="fault", node=VICTIM)
    stood_s = max(e["stood_ns"] for e in events(run, "stood_still")) / 1e9
    print(f"suspended: the agents say for {stood_s:.1f} s; {verdict(run)['sentence']}", flush=True)
    assert last["action"] == "reverted" and last["ok"], last
    assert SUSPENDED_S - 1.5 < stood_s < SUSPENDED_S + 5, stood_s
    assert verdict(run)["outcome"] == "interrupted" and "stood still" in out, out + err
    assert not events(run, "node_lost") and not events(run, "observer_restarted"), events(run)


def with_own_run(test):
    """In a mount namespace with a /run of its own, where root's lock of the machine lies."""
    assert ctypes.CDLL(None, use_errno=True).unshare(NEW_MOUNTS) == 0, os.strerror(ctypes.get_errno())
    for mount in (["--make-rprivate", "/"], ["-t", "tmpfs", "none", "/run"]):
        subprocess.run(["mount", *mount], check=True)
    test()


def all_at_once(*tests):
    """Each in a process and on a cluster of its own: they wait for most of their time. One by one where not by root."""
    if os.getuid() != 0:
        for test in tests:
            test()
        return
    pids = []
    for test in tests:
        sys.stdout.flush()
        pids.append(os.fork())
        if pids[-1] == 0:
            try:
                with_own_run(test)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            sys.stdout.flush()
            os._exit(0)
    statuses = [os.waitpid(pid, 0)[1] for pid in pids]
    assert not any(statuses), statuses


before = machine_state()
with Workspace() as work:
    try_out(work, "stopped", f'grit.fault.link_flap {{ on = {VICTIM}, down = "1800ms", after = "100ms" }}', 1.8, stopped=True)
    assert_same_state(before)
    all_at_once(
        lambda: try_out(work, "link", f'grit.fault.link_flap {{ on = {VICTIM}, down = "1s", after = "200ms" }}', 1),
        lambda: try_out(work, "load", f'grit.fault.os_noise {{ on = {VICTIM}, after = "100ms", lasts = "1500ms" }}', 1.5),
        lambda: suspended(work),
        lambda: revert_slowly(work),
    )
    assert_same_state(before)
