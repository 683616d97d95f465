"""A link that goes down and up again under NCCL's traffic between two nodes of this machine that share its GPU: each a network namespace with a
host name of its own, and a veth between them."""

import contextlib
import shutil
import subprocess
import time

from steps import FAILED, NOT_POSSIBLE, Problem

BEFORE_S, OUTAGE_S = 2.0, 2.0
TRAFFIC_BEGINS = "traffic begins"  # as bench_gpu says it
NETWORK = "10.213.77"


def call(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise Problem(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}", NOT_POSSIBLE)


@contextlib.contextmanager
def two_nodes():
    """The processes that hold the two; with them everything is gone, also the link."""
    for program in ("ip", "unshare", "nsenter"):
        if not shutil.which(program):
            raise Problem(f"there is no {program}", NOT_POSSIBLE)
    holders = []
    try:
        for name in ("node0", "node1"):
            text = f"echo {name} > /proc/sys/kernel/hostname && ip link set lo up && echo ready && exec sleep 300"
            holder = subprocess.Popen(["unshare", "--net", "--uts", "sh", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            holders.append(holder)
            if holder.stdout.readline().strip() != "ready":
                raise Problem(f"no network namespace: {holder.stderr.read().strip()}", NOT_POSSIBLE)
        pids = [holder.pid for holder in holders]
        # Made in one of them, so that nothing of this machine's is touched.
        call("nsenter", "-t", pids[0], "-n", "ip", "link", "add", "net0", "type", "veth", "peer", "name", "net0", "netns", pids[1])
        for number, pid in enumerate(pids):
            call("nsenter", "-t", pid, "-n", "ip", "address", "add", f"{NETWORK}.{number + 1}/24", "dev", "net0")
            call("nsenter", "-t", pid, "-n", "ip", "link", "set", "net0", "up")
        yield pids
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
            holder.stdout.close()
            holder.stderr.close()


def flap(ranks, seconds, limit_s):
    """Rows: the traffic's longest gap is what the outage made of it, and it goes on afterwards."""
    with two_nodes() as pids:
        commands = [(["nsenter", "-t", str(pid), "-n", "-u"], {"NCCL_SOCKET_IFNAME": "net0"}) for pid in pids]
        problems = []

        def interrupt(log):
            try:
                deadline = time.monotonic() + limit_s
                while TRAFFIC_BEGINS not in log.read_text(errors="replace") and time.monotonic() < deadline:
                    time.sleep(0.1)
                time.sleep(BEFORE_S)
                for state, rest_s in (("down", OUTAGE_S), ("up", 0)):
                    call("nsenter", "-t", pids[0], "-n", "ip", "link", "set", "net0", state)
                    time.sleep(rest_s)
            except Problem as problem:  # the namespace is gone: the traffic has failed, which says more
                problems.append(problem)

        rows = ranks.measure("traffic", limit_s, 2, ["--seconds", seconds], commands, interrupt)
    if problems:
        raise problems[0]
    row = rows[0]
    row["outage_s"] = OUTAGE_S
    after = row["operations_a_tenth_of_a_second"][int((row["longest_began_at_s"] + row["longest_s"]) * 10) + 1:]
    if row["longest_s"] < 0.8 * OUTAGE_S:
        raise Problem(f"traffic never stood still for longer than {row['longest_s']:.2f} s in an outage of {OUTAGE_S} s", FAILED, rows)
    if sum(after) == 0:
        raise Problem("no operation ended after the outage", FAILED, rows)
    return rows
