#!/usr/bin/env python3
"""Does a burn-in name the nodes that are bad, for the right reason, and nobody else? Bad nodes are hidden at random places of a local
cluster, from outside of what is tested: by the kernel's own CPU quotas, queues and packet filter, before the burn-in begins (--before).

  three          one node 5 % slow in compute, one that sends at half the rate, one that loses 0.5 % of its packets, all in one cluster
  healthy        nothing, every link at 1 Gbit/s as in all of these but the next; healthy_bare: nothing at all
  compute_2      one node 2 % slow in compute               loss_01   one that loses 0.1 % of its packets
  compute_2_1    the same where no more than 1 % is good: compute_2 and loss_01 are within what quick.lua calls good
  link_between   0.5 % lost, both ways, between two nodes that are good with all others
  memory_stress  one node that is slow only while memory is loaded
  flap           one link that is down for 1 s every 5 minutes
  check_only     one node with another MTU, whose figures are fine

Each placement looks whether what is planted acts (periods throttled, packets dropped or held back), and is made again when it did not:
on a busy machine a quota of 95 % takes nothing from a process that gets less anyway. Goes on where it was stopped: OUT/table.jsonl has a
line for each attempt. As root, on a machine that does nothing else: three and healthy take 4 min a placement, the others up to 15.

usage: GRIT=build/release/grit tests/bench/burnin_placements.py OUT [--sets three,healthy] [--placements N] [--nodes 8] [--seed 1]
                                                                [--seconds S: begin no placement after so long] [--table: only show it]"""

import argparse
import ctypes
import fcntl
import json
import math
import os
import random
import shlex
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

SELF = Path(__file__).resolve()
PERIOD_US = 100_000  # of a quota: of 0.8 s of matrix products at 94 % the first period is whole, so that 5 % are missing, at 97.6 % 2 %
GROUP = "burnin-placement-"  # control groups; the number of the driver's process follows
MOST_ATTEMPTS = 3
QUICK_S = 240  # what quick.lua may take on 8 local nodes

# What may be named as the reason: the measure, or the check that reads the very thing that was done.
REASONS = {
    "compute": {"compute", "check:cpu_throttled"},
    "rate": {"link_rate", "check:qdisc_drops"},
    "loss": {"link_loss", "check:tcp_retransmits"},
    "stress": {"stress_own", "check:cpu_throttled"},
    "flap": {"carrier_losses", "link_rate", "link_latency", "link_loss", "link_after_flap", "check:link_carrier", "check:link_up"},
    "mtu": {"fact:nic_mtu", "check:link_settings", "check:peers"},
}

# set -> (placements, configuration, links shaped, what is planted)
SETS = {
    "three": (10, "quick", True, [("compute", {"share": 0.94}), ("rate", {"share": 0.5}), ("loss", {"share": 0.005})]),
    "healthy": (5, "quick", True, []),
    "healthy_bare": (5, "quick", False, []),
    "compute_2": (3, "quick", True, [("compute", {"share": 0.976})]),
    "compute_2_1": (3, "one_per_cent", True, [("compute", {"share": 0.976})]),
    "loss_01": (3, "quick", True, [("loss", {"share": 0.001})]),
    "link_between": (3, "quick", True, [("between", {"share": 0.005})]),
    "memory_stress": (3, "stress", True, [("stress", {"share": 0.35})]),
    "flap": (3, "long", True, [("flap", {"every_s": 300, "down_s": 1})]),
    "check_only": (3, "quick", True, [("mtu", {"bytes": 1400})]),
}

QUICK = (SELF.parents[2] / "scenarios" / "burnin" / "quick.lua").read_text()
assert QUICK.count("limits = {") == 1, "quick.lua has other limits than this script knows"
CONFIGS = {
    "one_per_cent": QUICK.replace("limits = {", 'limits = { compute = { tolerance = "1%" },'),
    "stress": """return { name = "stress", rounds = {
  { name = "facts", kinds = { "facts", "checks" }, alone = false },
  { name = "solo", kinds = { "compute" }, visits = 2, length = "800ms" },
  { name = "stress", scenario = "training_under_stress", options = { load = "memory" }, sizes = { 4 }, visits = 3, limit = "3min" } } }
""",
    "long": """return { name = "long", cycles = 2, rounds = {
  { name = "facts", kinds = { "facts", "checks" }, alone = false },
  { name = "links", kinds = { "link" }, visits = 7, length = "3s" } } }
""",
}


# --- within the switch of the local cluster -----------------------------------------------------------------------------------------

def nft(text):
    """Runs commands of nft(8) here, without that program; returns the lists it prints, as JSON."""
    library = ctypes.CDLL("libnftables.so.1")
    library.nft_ctx_new.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.nft_ctx_new(0))
    for name in ("output", "error"):
        getattr(library, f"nft_ctx_get_{name}_buffer").restype = ctypes.c_char_p
        getattr(library, f"nft_ctx_buffer_{name}")(context)
    library.nft_ctx_output_set_flags(context, 1 << 4)  # JSON
    if library.nft_run_cmd_from_buffer(context, text.encode()) != 0:
        raise RuntimeError(library.nft_ctx_get_error_buffer(context).decode())
    return library.nft_ctx_get_output_buffer(context).decode()


def no_offload(nic):
    """Packets of the size of the MTU, so that a share of packets is a share of segments."""
    with socket.socket() as any_socket:
        for what in (0x1F, 0x24, 0x2C):  # ETHTOOL_STSO, SGSO, SGRO
            value = ctypes.create_string_buffer(struct.pack("II", what, 0), 8)
            fcntl.ioctl(any_socket, 0x8946, struct.pack("16sP16x", nic.encode(), ctypes.addressof(value)))  # SIOCETHTOOL


class Node:
    def __init__(self, index):
        self.index = index
        self.init = int(Path(f"/dev/shm/grit-nodes/10.77.0.{index + 1}").read_text())

    def run(self, *words):
        """In its network."""
        done = subprocess.run(["nsenter", "-t", str(self.init), "-n", *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"node {self.index}: {shlex.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout

    def own(self, *words):
        """This program, in its network."""
        return self.run(sys.executable, SELF, *words)


class Group:
    """A control group for CPU time, of version 1 or 2."""

    def __init__(self, name):
        one = next((root for root in (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/cpu,cpuacct")) if root.is_dir()), None)
        self.path, self.first = (one or Path("/sys/fs/cgroup")) / name, one is not None

    def limit(self, share):
        quota = round(share * PERIOD_US) if share else (-1 if self.first else "max")
        if self.first:
            (self.path / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (self.path / "cpu.max").write_text(f"{quota} {PERIOD_US}")

    def throttled(self):
        stat = dict(line.split() for line in (self.path / "cpu.stat").read_text().splitlines())
        return int(stat.get("nr_throttled", 0))

    def take(self, pid):
        self.path.mkdir(exist_ok=True)
        (self.path / "cgroup.procs").write_text(str(pid))

    def loaded(self):
        """Does a writer of the fault memory_bandwidth run in it?"""
        for pid in (self.path / "cgroup.procs").read_text().split():
            try:
                if Path(f"/proc/{pid}/comm").read_text().strip() == "grit-membw":
                    return True
            except OSError:
                pass
        return False


DROPS = """add table inet placement
add chain inet placement in {{ type filter hook prerouting priority -300; }}
add rule inet placement in iifname "eth0" {} numgen random mod 100000 < {} counter drop
"""


class Planted:
    """One thing that is wrong with one node, or between two: how it is made, and how much it has acted."""

    def __init__(self, plan):
        self.kind, self.values = plan["kind"], plan["values"]
        self.nodes = [Node(index) for index in plan["nodes"]]
        self.group = Group(plan["group"])
        self.flaps, self.next_flap, self.slowed = 0, time.monotonic() + plan["phase"] * self.values.get("every_s", 0), False

    def make(self):
        node = self.nodes[0]
        if self.kind in ("compute", "stress"):
            self.group.take(node.init)
            self.group.limit(self.values["share"] if self.kind == "compute" else None)
        elif self.kind == "loss":
            node.own("--nft", DROPS.format("", round(self.values["share"] * 100_000)))
        elif self.kind == "between":
            for here, there in (self.nodes, self.nodes[::-1]):
                here.own("--nft", DROPS.format(f"ip saddr 10.77.1.{there.index + 1}", round(self.values["share"] * 100_000)))
        elif self.kind == "mtu":
            node.run("ip", "link", "set", "eth0", "mtu", self.values["bytes"])
        elif self.kind not in ("rate", "flap"):  # the rate is shaped with that of all others
            raise RuntimeError(f"what is {self.kind}?")

    def tick(self):
        """Ten times a second."""
        if self.kind == "stress" and self.slowed != self.group.loaded():
            self.slowed = not self.slowed
            self.group.limit(self.values["share"] if self.slowed else None)
        if self.kind == "flap" and time.monotonic() >= self.next_flap:
            port = f"data{self.nodes[0].index}"  # of the switch: the node loses the carrier, and keeps its addresses
            subprocess.run(["ip", "link", "set", port, "down"], check=True)
            time.sleep(self.values["down_s"])
            subprocess.run(["ip", "link", "set", port, "up"], check=True)
            self.flaps += 1
            self.next_flap += self.values["every_s"]

    def acted(self):
        """A count that is above 0 when it did something."""
        node = self.nodes[0]
        if self.kind in ("compute", "stress"):
            return self.group.throttled()
        if self.kind == "rate":
            return json.loads(node.run("tc", "-s", "-j", "qdisc", "show", "dev", "eth0"))[0]["overlimits"]
        if self.kind in ("loss", "between"):
            lists = [json.loads(one.own("--nft", "list table inet placement"))["nftables"] for one in self.nodes]
            return min(part["counter"]["packets"] for rules in lists for entry in rules if "rule" in entry
                       for part in entry["rule"]["expr"] if "counter" in part)
        if self.kind == "mtu":
            return int(json.loads(node.run("ip", "-j", "link", "show", "eth0"))[0]["mtu"] == self.values["bytes"])
        return self.flaps


def shape(nodes, slow, share):
    for node in nodes:
        mbits = 1000 * (share if node.index in slow else 1)
        node.own("--no-offload", "eth0")
        # At the sender's own end, where TCP waits for room: nothing is dropped.
        node.run("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", f"{mbits:.0f}mbit", "burst", "256kb", "limit", "8mb")


def plant(file):
    """Makes everything that the plan says, and goes on in the background: with what comes and goes, and the counts."""
    plan = json.loads(Path(file).read_text())
    if plan["shaped"]:
        slow = [one for one in plan["planted"] if one["kind"] == "rate"]
        shape([Node(index) for index in range(plan["nodes"])], [index for one in slow for index in one["nodes"]],
              slow[0]["values"]["share"] if slow else 1)
    planted = [Planted(one) for one in plan["planted"]]
    for one in planted:
        one.make()
    if os.fork() != 0:
        return
    os.setsid()
    quiet = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)  # who waits for the end of --before's output has it
    counts, watched = Path(file).with_name("acted.json"), 0.0
    while planted:  # until the cluster ends, and with it this process
        for one in planted:
            one.tick()
        if time.monotonic() >= watched:
            watched = time.monotonic() + 5
            counts.with_suffix(".new").write_text(json.dumps([one.acted() for one in planted]))
            counts.with_suffix(".new").rename(counts)
        time.sleep(0.1 if any(one.kind in ("stress", "flap") for one in planted) else 1)


# --- around it ----------------------------------------------------------------------------------------------------------------------

def busy_share(seconds=3):
    def read():
        numbers = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
        return sum(numbers), numbers[3] + numbers[4]
    before = read()
    time.sleep(seconds)
    after = read()
    return 1 - (after[1] - before[1]) / max(1, after[0] - before[0])


def wait_for_idle(patience_s=600):
    """What else the machine does, as a share of its cores; after a while whatever it is."""
    until = time.monotonic() + patience_s
    while (busy := busy_share()) > 0.1 and time.monotonic() < until:
        pass
    return busy


def remove_groups():
    for root in ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"):
        for group in Path(root).glob(GROUP + "*") if Path(root).is_dir() else ():
            try:
                group.rmdir()
            except OSError:
                pass  # somebody is still in it


def placement_of(name, number, options):
    """The same for the same seed, however many are made."""
    generator = random.Random(f"{options.seed}/{name}/{number}")
    order = generator.sample(range(options.nodes), options.nodes)
    planted = []
    for kind, values in SETS[name][3]:
        nodes = [order.pop() for _ in range(2 if kind == "between" else 1)]
        planted.append({"kind": kind, "values": values, "nodes": nodes, "phase": generator.random(), "group": f"{GROUP}{os.getpid()}"})
    return {"nodes": options.nodes, "shaped": SETS[name][2], "planted": planted}


def judge(report, plan):
    """Of burnin.json: the first reason for every bad node and link, and who is neither good nor bad."""
    shown = lambda findings: [one for one in findings if one["status"] == "shown"]
    named = {node["host"]: [one["measure"] for one in shown(node["findings"])] for node in report["nodes"] if node["state"] == "bad"}
    links = [(one["measure"], one["host"], one["peer"]) for one in shown(report["links"])]
    others = [node["host"] for node in report["nodes"] if node["state"] not in ("good", "bad")]
    hits, meant = [], set()
    for one in plan["planted"]:
        hosts = [f"node{index}" for index in one["nodes"]]
        if one["kind"] == "between":
            hits.append(any({host, peer} == set(hosts) and measure in REASONS["loss"] for measure, host, peer in links))
        else:
            hits.append(named.get(hosts[0], [None])[0] in REASONS[one["kind"]])
            meant.add(hosts[0])
    between = [{f"node{index}" for index in one["nodes"]} for one in plan["planted"] if one["kind"] == "between"]
    falsely = sorted(set(named) - meant) + [f"{host}-{peer}" for _, host, peer in links if {host, peer} not in between]
    return {"hits": hits, "named": named, "links": links, "falsely": falsely + [one["group"] for one in shown(report["groups"])],
            "unclear": others}


def attempt(name, number, count, options):
    directory = Path(options.out) / f"{name}-{number}-{count}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    plan = placement_of(name, number, options)
    (directory / "plan.json").write_text(json.dumps(plan))
    config = SETS[name][1]
    if config in CONFIGS:
        (directory / f"{config}.lua").write_text(CONFIGS[config])
        config = directory / f"{config}.lua"
    before = shlex.join([sys.executable, str(SELF), "--plant", str(directory / "plan.json")])
    words = [os.environ["GRIT"], "burnin", "--local-nodes", options.nodes, "--config", config, "--seed", number + 1, "--out",
             directory / "burnin", "--before", before, "--allow-command"]
    line = {"set": name, "placement": number, "attempt": count, "busy": round(wait_for_idle(), 3),
            "planted": {one["kind"]: one["nodes"] for one in plan["planted"]}}
    start = time.monotonic()
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    line |= {"took_s": round(time.monotonic() - start, 1), "exit": done.returncode}
    remove_groups()
    (directory / "said.txt").write_text(done.stdout + done.stderr)
    report = directory / "burnin" / "burnin.json"
    if done.returncode not in (0, 1, 2) or not report.exists():
        sys.exit(f"grit ended with {done.returncode}, see {directory}/said.txt: {done.stderr[-1000:]}")
    counts = directory / "acted.json"
    line["acted"] = json.loads(counts.read_text()) if counts.exists() else [0] * len(plan["planted"])
    line["acts"] = all(count > 0 for count in line["acted"])
    slow = next((one["nodes"][0] for one in plan["planted"] if one["kind"] == "compute"), None)
    line["compute_slower"] = None if slow is None else compute_of(directory, f"node{slow}")
    return line | judge(json.loads(report.read_text()), plan)


def compute_of(directory, host):
    """By how much this node's rate of matrix products was below that of the others, over all its visits; None: not measured."""
    own, others = [], []
    for text in (directory / "burnin" / "burnin.jsonl").read_text().splitlines():
        line = json.loads(text)
        for one in line["result"]["observations"] if line.get("type") == "cell_done" else ():
            if one["measure"] == "compute":
                (own if one["host"] == host else others).append(one["value"])
    return 1 - statistics.mean(own) / statistics.mean(others) if own and others else None


# --- the table ----------------------------------------------------------------------------------------------------------------------

def at_most(k, n, p):
    """Probability of k of n or fewer."""
    return sum(math.comb(n, i) * p**i * (1 - p)**(n - i) for i in range(k + 1))


def interval(k, n, level=0.95):
    """C. J. Clopper and E. S. Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial, Biometrika 26, 1934."""
    def where(holds):  # the largest p for which it holds
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if holds(middle) else (low, middle)
        return low
    tail = (1 - level) / 2
    return (0.0 if k == 0 else where(lambda p: 1 - at_most(k - 1, n, p) < tail), 1.0 if k == n else where(lambda p: at_most(k, n, p) > tail))


def share(k, n):
    return "none yet" if n == 0 else "{} of {} ({:.0%} .. {:.0%})".format(k, n, *interval(k, n))


def show(lines):
    print(f"{'set':14} {'planted, named rightly (95 % CI)':34} {'burn-ins that name somebody else':34} {'all right, nobody else':28} longest")
    for name, (_, config, _, planted) in SETS.items():
        good = [line for line in lines if line["set"] == name and line["acts"]]
        if not good:
            continue
        hits = [hit for line in good for hit in line["hits"]]
        clean = sum(all(line["hits"]) and not line["falsely"] for line in good)
        longest = max(line["took_s"] for line in good)
        late = f" (more than {QUICK_S} s)" if config == "quick" and longest > QUICK_S else ""
        print(f"{name:14} {share(sum(hits), len(hits)) if planted else 'nothing':34} "
              f"{share(sum(bool(line['falsely']) for line in good), len(good)):34} {share(clean, len(good)):28} {longest:.0f} s{late}")
        for place, (kind, _) in enumerate(planted if len(planted) > 1 else []):
            print(f"  {kind:12} {share(sum(line['hits'][place] for line in good), len(good))}")
        slower = [line["compute_slower"] for line in good if line.get("compute_slower") is not None]
        if slower:
            print(f"  matrix products were slower by {100 * statistics.mean(slower):.1f} % ({100 * min(slower):.1f} .. {100 * max(slower):.1f})")
        unclear = sum(len(line["unclear"]) for line in good)
        idle = sum(not line["acts"] for line in lines if line["set"] == name)
        notes = ([f"{unclear} nodes neither good nor bad"] if unclear else []) + ([f"{idle} attempts in which it did not act, not counted"] if idle else [])
        for note in notes:
            print(f"  {note}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--placements", type=int, help="of each set, with those that are there (default: 10 of three, 5 healthy, 3 of others)")
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    options.out = str(Path(options.out).resolve())
    Path(options.out).mkdir(parents=True, exist_ok=True)
    table = Path(options.out) / "table.jsonl"
    lines = [json.loads(text) for text in table.read_text().splitlines()] if table.exists() else []
    until = time.monotonic() + options.seconds
    remove_groups()
    for name in [] if options.table else options.sets.split(","):
        for number in range(options.placements if options.placements is not None else SETS[name][0]):
            tried = [line for line in lines if (line["set"], line["placement"]) == (name, number)]
            while not any(line["acts"] for line in tried) and len(tried) < MOST_ATTEMPTS and time.monotonic() < until:
                tried.append(attempt(name, number, len(tried), options))
                lines.append(tried[-1])
                with table.open("a") as file:
                    file.write(json.dumps(tried[-1]) + "\n")
                print(json.dumps(tried[-1]), flush=True)
    show(lines)
    wrong = [line for line in lines if line["acts"] and line["falsely"]]
    missed = [line for line in lines if line["acts"] and line["set"] == "three" and not all(line["hits"])]
    sys.exit(1 if wrong or missed else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plant"]:
        plant(sys.argv[2])
    elif sys.argv[1:2] == ["--nft"]:
        print(nft(sys.argv[2]))
    elif sys.argv[1:2] == ["--no-offload"]:
        no_offload(sys.argv[2])
    else:
        main()
