#!/usr/bin/env python3
"""ethernet_flood beside iperf3 over the same veth between two namespaces, alternating in one run; as root.

usage: tests/bench/flood_vs_iperf3.py build/release/tests/bench/bench_flood [ROUNDS]

Payload per second at the receiver, medians; ratios of neighbouring measurements, with their range."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time

FLOOD = sys.argv[1]
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
SECONDS = 1
A, B = f"gritA{os.getpid()}", f"gritB{os.getpid()}"
PORT = 20500


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def make_namespaces():
    for name in (A, B):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    ip("-n", A, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", B)
    for name, address in ((A, "10.99.0.1/24"), (B, "10.99.0.2/24")):
        ip("-n", name, "address", "add", address, "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")


def start_flood(netns, resolved, params):
    asked = json.dumps({"device": "eth0", "params": params, "resolved": resolved})
    process = subprocess.Popen(["ip", "netns", "exec", netns, FLOOD, asked, str(SECONDS)], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if process.stdout.readline() != "ready\n":
        sys.exit("bench_flood did not get ready")
    return process


def flood(**params):
    """(bit/s of payload at the receiver, bit/s of payload of the sender)"""
    flow = {"from": 0, "to": 1, "source": "10.99.0.1", "destination": "10.99.0.2", "port": PORT}
    receiver = start_flood(B, {"send": [], "listen": [flow]}, params)
    sender = start_flood(A, {"send": [flow], "listen": []}, params)
    time.sleep(0.1)
    for process in (receiver, sender):
        process.stdin.write("\n")
        process.stdin.flush()
    rates = []
    for process, counter in ((receiver, "received_bytes_from_0"), (sender, "sent_bytes_to_1")):
        result = json.loads(process.communicate()[0])
        before, after = result["before"], result["after"]
        elapsed_ns = after["in_force_ns"] - before["in_force_ns"]
        rates.append((after[counter] - before[counter]) * 8e9 / elapsed_ns)
    return rates


def iperf3(*options):
    server = subprocess.Popen(["ip", "netns", "exec", B, "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL)
    time.sleep(0.2)
    out = subprocess.run(["ip", "netns", "exec", A, "iperf3", "-c", "10.99.0.2", "-t", str(SECONDS), "-J", *options],
                         capture_output=True, text=True, check=True).stdout
    server.wait(10)
    end = json.loads(out)["end"]
    if "-u" in options:  # what was sent, less what was lost
        return end["sum"]["bits_per_second"] * (1 - end["sum"]["lost_percent"] / 100)
    return end["sum_received"]["bits_per_second"]


def compare(title, params, options):
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(iperf3(*options))
        ours.append(flood(**params)[0])
    ratios = sorted(mine / other for mine, other in zip(ours, theirs))
    print(f"{title}: flood {statistics.median(ours) / 1e9:.2f} Gbit/s, iperf3 {' '.join(options)} "
          f"{statistics.median(theirs) / 1e9:.2f} Gbit/s, ratio {statistics.median(ratios):.2f} "
          f"({ratios[0]:.2f} to {ratios[-1]:.2f}, {ROUNDS} rounds)", flush=True)


def rate_lock(protocol, rate):
    errors = [flood(protocol=protocol, rate=rate)[side] / rate - 1 for _ in range(max(2, ROUNDS // 2)) for side in (0, 1)]
    print(f"{protocol} locked to {rate / 1e9:g} Gbit/s: off by {min(errors):+.2%} to {max(errors):+.2%}", flush=True)


if not shutil.which("iperf3"):
    sys.exit("iperf3 is missing: scripts/packages tests")
try:
    make_namespaces()
    compare("TCP", {"protocol": "tcp", "streams": 2}, ["-P", "2", "-Z"])
    compare("UDP", {"protocol": "udp", "streams": 2, "packet": 1472}, ["-u", "-b", "0", "-l", "1472", "-P", "2"])
    for protocol in ("tcp", "udp"):
        for rate in (100_000_000, 1_000_000_000, 5_000_000_000):
            rate_lock(protocol, rate)
finally:
    for netns in (A, B):
        subprocess.run(["ip", "netns", "delete", netns], check=False)
