#!/usr/bin/env python3
"""One recorder and 2,000 agents' uplinks at the rate of real ones: is every node heard, is none lost, does everything arrive, and what does it cost the recorder?

usage: tests/bench/agents.py [BUILD_DIRECTORY] [AGENTS] [SECONDS]

An agent is a real Uplink (a ZeroMQ context with two threads, CURVE); 100 of them share a process. All of them run on this machine beside the
recorder, so wall time says little; the recorder's CPU time and memory (getrusage) are its own."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

build = Path(sys.argv[1] if len(sys.argv) > 1 else "build/release")
agents = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 20
EACH = 100
HEADER_BYTES, RECORD_BYTES = 1024, 104  # of steps.npy
START_S = 20
program = build / "tests/bench/bench_agents"
if not program.exists():
    sys.exit(f"{program} is not there; build it with: ninja -C {build} bench_agents")

with tempfile.TemporaryDirectory(prefix="grit-agents-") as directory:
    run = Path(directory) / "run"
    recorder = subprocess.Popen([program, "recorder", run, str(agents), str(START_S + seconds + 60)], stdout=subprocess.PIPE, text=True)
    started = []
    try:
        while not (run / "contact").exists():
            if recorder.poll() is not None:
                sys.exit(f"the recorder ended with {recorder.returncode}")
            time.sleep(0.01)
        for first in range(0, agents, EACH):
            started.append(subprocess.Popen([program, "agents", run, str(first), str(min(EACH, agents - first)), str(seconds)],
                                            stdout=subprocess.PIPE, text=True))
        sent = [json.loads(one.communicate()[0]) for one in started]
        report = json.loads(recorder.communicate()[0])
    finally:
        for one in [*started, recorder]:
            if one.poll() is None:
                one.kill()
    records = ((run / "steps.npy").stat().st_size - HEADER_BYTES) // RECORD_BYTES
    types = [json.loads(line)["type"] for line in (run / "events.jsonl").open()]
    goodbyes = types.count("goodbye")
    events = len(types) - goodbyes

total = {key: sum(one[key] for one in sent) for key in ("records", "events", "dropped", "user_s", "system_s")}
cpu_s = report["user_s"] + report["system_s"]
print(f"{agents:,} agents, {seconds} s: {records:,} records of {total['records']:,}, {events:,} events of {total['events']:,}")
print(f"recorder: {cpu_s:.1f} s CPU ({100 * cpu_s / (START_S + seconds):.0f} % of a core; {report['messages']:,} messages, {1e6 * cpu_s / report['messages']:.0f} us each), "
      f"peak {report['peak_mib']:.0f} MiB, longest turn {report['longest_pump_ms']:.1f} ms")
print(f"agents: {total['user_s'] + total['system_s']:.1f} s CPU, {max(one['peak_mib'] for one in sent):.0f} MiB for {EACH}, "
      f"late by {max(one['latest_ms'] for one in sent):.0f} ms at most: the machine, not the recorder")
assert goodbyes == agents, (goodbyes, agents)
assert "node_lost" not in types and "unrecorded" not in types, [one for one in types if one in ("node_lost", "unrecorded")]
assert total["dropped"] == 0 and records == total["records"] and events == total["events"], (total, records, events)
