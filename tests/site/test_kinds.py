"""Every kind of fault on a real Slurm, four at a time, each on a node of its own: in force, acting, taken off, nothing left.

usage: test_kinds.py [FAULT...]     these kinds only"""

import json
import sys

from sitelib import GRIT_HERE, Site, assert_no_residue, outside, run_grit, site_state, write

# A row is a run, a place in it a node. What each is asked to do here: small enough for four nodes on two cores.
ROWS = [
    {"link_rate": 'rate = "1Gbit/s"', "link_mtu": 'mtu = "1300B"', "link_loss": 'loss = "10%"', "link_flap": 'down = "100ms", after = "100ms"'},
    {"cpu_contention": 'share = "30%"', "os_noise": 'period = "20ms", length = "1ms"', "cpu_throttle": 'share = "10%", period = "20ms"',
     "process_pause": 'pause = "100ms", after = "100ms"'},
    {"memory_bandwidth": 'rate = "500MB/s", threads = 1, buffer = "16MiB"', "memory_leak": 'rate = "100MB/s", limit = "64MB"',
     "page_cache_thrash": 'rate = "20MB/s", threads = 1', "disk_contention": 'rate = "10MB/s", threads = 1'},
    {"gpu_throttle": 'clock = "50%"', "rank_delay": 'delay = "5ms"', "memory_pressure": 'hold = "64MB", churn = "100MB/s"',
     "link_down": 'after = "100ms", lasts = "100ms"'},
    {"ethernet_flood": 'rate = "1Gbit/s", streams = 1', "link_delay": 'delay = "2ms"', "numa_misplacement": "", "irq_misplacement": ""},
    {"partition": 'after = "100ms", lasts = "100ms"'},
]  # fmt: skip

SCENARIO = """
local grit = require "grit"
return grit.scenario {{
  name = "kinds",
  workload = grit.workload.ddp {{ model = "gpt2-small", scale = 0.005 }},
  faults = {{ {faults} }},
  design = {{ pairs = 6, block = "500ms", warmup = 1 }},
  expect = {{ slowdown = {{ at_most = "1000%" }} }},
}}
"""


def scenario(site, kinds):
    """kinds: (fault, node, parameters)."""
    faults = ", ".join(f"grit.fault.{kind} {{ on = {node}, {parameters} }}" for kind, node, parameters in kinds)
    return write(site, "kinds.lua", SCENARIO.format(faults=faults))


def possible(site, kind, node):
    """Whether this node can do it at all; said aloud when not."""
    said = site.run(GRIT_HERE, "describe", kind, node=site.names[node]).out
    mechanisms = said.split("in order of preference\n")[1].split("\n\n")[0].splitlines()
    if not any(line.endswith(" available") for line in mechanisms):
        print(f"{kind}: not on this machine:", *mechanisms, sep="\n", flush=True)
        return False
    return True


def check(site, run, kinds):
    done = run_grit(site, site.launch(4), scenario(site, kinds), run=run)
    file = outside(site, run) / "verdict.json"
    assert file.exists(), f"no verdict: exit code {done.returncode}\n{done.err}"
    verdict = json.loads(file.read_text())
    assert verdict["outcome"] == "completed" and verdict["residue"] == [], (verdict, done.err)
    for fault in verdict["faults"]:
        print(f"{fault['name']} on {fault['node']}: applied {fault['applied_windows']}, acting {fault['acting_windows']}, "
              f"reverted {fault['reverted_windows']} of {fault['windows']} ({fault['mechanism']})", flush=True)  # fmt: skip
        assert fault["windows"] == fault["applied_windows"] == fault["acting_windows"] == fault["reverted_windows"], fault


def main(names):
    tried = 0
    with Site("slurm") as site:
        # As on a machine: for grit in a container only a /run/grit that was mounted is the machine's (cpu_throttle asks for that).
        for node in site.names:
            site.run("sh", "-c", "mkdir -m 700 /run/grit && mount -t tmpfs -o mode=700 grit /run/grit", node=node)
        before = site_state(site)
        for number, row in enumerate(ROWS):
            kinds = [(kind, node, parameters) for node, (kind, parameters) in enumerate(row.items()) if not names or kind in names]
            kinds = [one for one in kinds if possible(site, *one[:2])]
            tried += len(kinds)
            if kinds:
                check(site, f"/srv/runs/{number}", kinds)
                assert_no_residue(site, before)
    assert tried > 0, f"no kind of fault was tried: {names}"


main(sys.argv[1:])
