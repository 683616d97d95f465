"""Clusters that are not as the plain one: what grit does there is right, to the right device, and leaves the rest alone.

usage: test_variants.py VARIANT"""

import json
import os
import subprocess
import sys

from sitelib import (GRIT_HERE, MANAGEMENT_NIC, USER_ID, Layout, Meanwhile, Site, assert_no_residue, outside, run_grit, run_until_clear, site_state, skip,
                     wait_for, write)  # fmt: skip

FLAP = """
local grit = require "grit"
return grit.scenario {
  name = "flap",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.005 },
  faults = { grit.fault.link_flap { on = 2, nic = "NIC", down = "400ms", after = "200ms" } },
  design = { pairs = 6, block = "900ms", link_test = true },
  expect = { slowdown = { at_least = "10%" }, culprit = { node = 2, resource = "network" } },
}
"""

SHORT = """
local grit = require "grit"
return grit.scenario {
  name = "short",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.005, checkpoint_every = 5 },
  faults = { FAULTS },
  design = { pairs = 6, block = "300ms", warmup = 1 },
  expect = { slowdown = { at_most = "1000%" } },
}
"""


class LinkMonitor:
    """Which links of a node went down, as the kernel told."""

    def __init__(self, site, node):
        self._process = site.start("ip", "-o", "monitor", "link", node=node)

    def went_down(self):
        self._process.kill()
        told = [line.split(":", 2) for line in self._process.communicate()[0].splitlines() if line[:1].isdigit()]
        return {name.split("@")[0].strip() for _, name, rest in told if "UP" not in rest.split("<")[1].split(">")[0].split(",")}


def check_flap(site, nic, devices, went_down):
    """The link of the node that is named goes down, is found, and nothing else's does."""
    monitors = {node: LinkMonitor(site, node) for node in site.names}
    run = run_until_clear(site, site.launch(3), write(site, "flap.lua", FLAP.replace("NIC", nic)), "/srv/runs/flap")
    down = {node: monitor.went_down() for node, monitor in monitors.items()}
    assert down == {"n0": set(), "n1": set(), "n2": went_down}, down
    assert [(fault["node"], fault["device"]) for fault in in_every_window(run)] == [("n2", device) for device in devices]


def check_short(site, faults, run):
    done = run_grit(site, site.launch(3), write(site, "short.lua", SHORT.replace("FAULTS", faults)), run=run)
    assert done.returncode in (0, 2), done.err
    return in_every_window(outside(site, run))


def in_every_window(run):
    """The faults of a run, each of which was in force, acted, and was taken off in each of its windows."""
    verdict = json.loads((run / "verdict.json").read_text())
    assert verdict["outcome"] == "completed" and verdict["residue"] == [], verdict
    assert verdict["faults"], verdict
    for fault in verdict["faults"]:
        assert fault["windows"] == fault["applied_windows"] == fault["acting_windows"] == fault["reverted_windows"] > 0, fault
    return verdict["faults"]


def check_roles(site, roles):
    """What grit takes each NIC of a node for."""
    done = site.run(*site.launch(3), GRIT_HERE, "plan", write(site, "flap.lua", FLAP.replace("NIC", "data")), "--json")
    for node in json.loads(done.out)["topology"]["nodes"]:
        found = {nic["name"]: nic["role"] for nic in node["nics"]}
        assert found == roles, found


# ── Two data NICs; only node 0 sees the run directory; a control group above the job's has a memory limit; and somebody else's job is there ──

LIMIT_BYTES = 1 << 30
FLOOR_BYTES = 256 << 20

# What anybody can try to be in the way of root's runs, and what of his own job may not change.
OTHER_USER = """
import json, os, pathlib, socket, time
held = socket.socket(socket.AF_UNIX)
held.bind(b"\\0grit-run")
held.listen()
refused = []
for attempt in (lambda: os.mkdir("/run/grit"), lambda: open("/run/grit/lock", "w"), lambda: open("/run/grit/lock")):
    try:
        attempt()
    except OSError as error:
        refused.append(type(error).__name__)
def own():
    return [sorted(os.sched_getaffinity(0)), os.getpriority(os.PRIO_PROCESS, 0), pathlib.Path("/proc/self/cgroup").read_text(),
            pathlib.Path("/proc/self/oom_score_adj").read_text()]
before = own()
pathlib.Path(f"/srv/other/{os.uname().nodename}").touch()
while not pathlib.Path("/srv/other/end").exists():
    time.sleep(0.05)
print(json.dumps({"refused": refused, "same": own() == before}))
"""


class OtherUser:
    """A job of another user on all nodes, as long as this lives. Use as a context manager."""

    def __init__(self, site):
        self._site = site

    def __enter__(self):
        site = self._site
        site.run("install", "-d", "-o", str(USER_ID), "/srv/other")
        script = write(site, "other.py", OTHER_USER)
        self._process = site.start("srun", f"-N{site.layout.nodes}", f"-n{site.layout.nodes}", "/usr/bin/python3", script, user=USER_ID)
        wait_for("the other user's job", lambda: all(site.path(f"/srv/other/{node}").exists() for node in site.names), 20, alive=self._alive)
        return self

    def _alive(self):
        assert self._process.poll() is None, self._process.communicate()

    def __exit__(self, kind, *_):
        self._site.path("/srv/other/end").touch()
        out, err = self._process.communicate(timeout=20)
        if kind is not None:
            return
        assert self._process.returncode == 0, err
        for line in out.splitlines():
            said = json.loads(line)
            assert said["same"] and len(said["refused"]) == 3, said
        assert len(out.splitlines()) == self._site.layout.nodes, out


def checkpoint_places(site):
    """node -> where its rank has a nameless file open."""
    found = {}
    for node in site.names:
        for pid in site.ranks(node).values():
            try:
                files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            except OSError:
                continue
            found[node] = {os.path.dirname(file) for file in files if file.endswith(" (deleted)") and "/#" in file}
    return found


def check_memory_limit(site):
    """What a fault may take is what the group far above leaves; and this run's checkpoints do not go where no directory is shared."""
    elsewhere = {"n0": {"/srv/runs/held"}, "n1": {"/tmp"}, "n2": {"/tmp"}}  # Slurm sets TMPDIR
    with Meanwhile(lambda: checkpoint_places(site), elsewhere):
        check_short(site, 'grit.fault.memory_pressure { on = 1, hold = "100MB" }', "/srv/runs/held")
    assert not any((outside(site, "/srv/runs/held").name in os.listdir(site.path("/srv/runs", node=node))) for node in ("n1", "n2"))
    much = f'grit.fault.memory_pressure {{ on = 1, hold = "{LIMIT_BYTES - FLOOR_BYTES + (1 << 20)}B" }}'
    done = run_grit(site, site.launch(3), write(site, "short.lua", SHORT.replace("FAULTS", much)), run="/srv/runs/refused")
    assert done.returncode == 69 and f"and the floor is {FLOOR_BYTES}" in done.err and done.err.count("rank 1 on n1") == 1, done.err


def two_nics():
    with Site("slurm", Layout(nodes=3, data_nics=2, shared_runs=False, memory_limit_bytes=LIMIT_BYTES)) as site:
        before = site_state(site)
        with OtherUser(site):
            check_roles(site, {MANAGEMENT_NIC: "management", "ens1": "data", "ens2": "data"})
            check_flap(site, "all", ["ens1", "ens2"], {"ens1", "ens2"})
            check_memory_limit(site)
        assert_no_residue(site, before)


# ── A VLAN on a bond ──


def bond():
    can = "ip link add bond0 type bond && ip link add link bond0 name bond0.7 type vlan id 7"
    if subprocess.run(["unshare", "--net", "sh", "-c", can], capture_output=True).returncode != 0:
        skip("this kernel has no bond or no vlan links")
    with Site("slurm", Layout(nodes=3, bond=True)) as site:
        before = site_state(site)
        check_roles(site, {MANAGEMENT_NIC: "management", "bond0.7": "data"})
        check_flap(site, "data", ["bond0.7"], {"bond0.7"})
        faults = ('grit.fault.link_rate { on = 0, rate = "1Gbit/s" }', 'grit.fault.link_mtu { on = 1, mtu = "1300B" }',
                  'grit.fault.link_loss { on = 2, loss = "10%" }')  # fmt: skip
        assert {fault["device"] for fault in check_short(site, ", ".join(faults), "/srv/runs/bond")} == {"bond0.7"}
        assert_no_residue(site, before)


# ── IPv6 only ──


def ipv6():
    with Site("slurm", Layout(nodes=3, ipv6_only=True)) as site:
        before = site_state(site)
        check_roles(site, {MANAGEMENT_NIC: "management", "ens1": "data"})
        check_flap(site, "data", ["ens1"], {"ens1"})
        assert_no_residue(site, before)


VARIANTS = {"two_nics": two_nics, "bond": bond, "ipv6": ipv6}

VARIANTS[sys.argv[1]]()
