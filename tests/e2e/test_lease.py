"""An agent hangs (SIGSTOP) with a link down: its node's rank sees the lease run out, ends it, and the next agent brings the link
back. The same with a fault of a process of its own, which the kernel ends with the agent."""

import json
import os
import signal
import time
from pathlib import Path
from gritlib import Workspace, assert_same_state, children_of, cmdline, events, machine_state, start, terminate

VICTIM = 1  # node 0's agent records the run
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


def stop_while_in_force(process, run):
    """Stops the agent while the fault is in force; returns what it had said of it, and when it was stopped."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        said = latest(run, type="fault", node=VICTIM) if (run / "events.jsonl").exists() else None
        if said and said["action"] == "applied":
            agent = agent_of(process, run, VICTIM)
            os.kill(agent, signal.SIGSTOP)
            time.sleep(0.3)  # what it had sent before arrives
            if latest(run, type="fault", node=VICTIM) == said:
                return said, agent
            os.kill(agent, signal.SIGCONT)  # too late: it was off by then
        time.sleep(0.02)
    raise AssertionError("the fault never came into force")


def try_out(work, name, fault, longest_s):
    run = work.path / name
    process = start("run", work.write(f"{name}.lua", SCENARIO.format(fault=fault)), "--out", run, "-n", 4)
    try:
        said, agent = stop_while_in_force(process, run)
        limit_s = 2 * longest_s + LEASE_MARGIN_S
        deadline = time.monotonic() + limit_s + 20
        while not latest(run, type="agent_restarted", node=VICTIM):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "the lease ran out, and nobody did anything"
            time.sleep(0.05)
        recovered = latest(run, type="recovered", node=VICTIM)
        took_s = (latest(run, type="agent_restarted", node=VICTIM)["t_ns"] - said["t_ns"]) / 1e9
        print(f"{name}: off {took_s:.2f} s after it was applied; its lease was {limit_s:.0f} s; the new agent said {recovered}", flush=True)
        assert limit_s - 1 < took_s < limit_s + 10, took_s
        assert not Path(f"/proc/{agent}").exists(), "the agent that hung is still there"
        if name == "link":
            assert recovered["reverted"] == 1 and recovered["problems"] == [], recovered
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        terminate(process)


before = machine_state()
with Workspace() as work:
    try_out(work, "link", f'grit.fault.link_flap {{ on = {VICTIM}, down = "1s", after = "200ms" }}', 1)
    assert_same_state(before)
    try_out(work, "load", f'grit.fault.os_noise {{ on = {VICTIM}, after = "100ms", lasts = "1500ms" }}', 1.5)
    assert_same_state(before)
