#!/usr/bin/env python3
"""The tests of faults that want a stock kernel (netem, cgroup v2's cpu controller), in a guest that has one.

Takes: GRIT_CONFORMANCE, GRIT_FAULT_TESTS, GRIT_OS_TESTS (the programs), GRIT_SOURCE, GRIT_VM_DIRECTORY (for the kernel and results).
Fails when a test fails in the guest, when one is skipped there, and when nothing was run.
"""

import os
import re
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

import lab

SMOKE_S = 90
GUEST_S = 540  # all of it, some 200 s on an idle machine; ctest's own limit is 660, for this and a first SMOKE_S
RUN_S = 240

# Emulation is slow: few kills, and not every system call fails once.
SOME = {"GRIT_FAILURES": "6", "GRIT_STRIDE": "13", "GRIT_KILLS": "3"}


@dataclass(frozen=True)
class Fault:
    name: str
    bounds: dict  # SOME: it is tested nowhere else on a machine whose kernel lacks its mechanism
    mechanism: str = ""  # not another that works here as well; "": it has no such parameter
    rootless: bool = False  # a user namespace suffices for it, but not on every kernel
    own_tests: str = ""  # those of tests/faults that want this kernel
    whole_machine: bool = False  # what belongs to the machine and not to a node, which only a guest may lose


FAULTS = (
    Fault("link_delay", SOME, rootless=True, own_tests="link_delay*"),
    Fault("link_loss", SOME, "netem", rootless=True, own_tests="link_loss by netem*"),
    Fault("cpu_throttle", SOME, "cgroup2"),
    Fault("clock_skew", SOME, whole_machine=True),
)
CASES, ROOTLESS_CASES = 5, 4  # of the conformance program; the one that makes system calls fail is not for rootless

# What the guest is for. Fails aloud, as the faults would only be skipped.
SMOKE = """
ip link add v0 type veth peer name v1 &&
tc qdisc add dev v0 root netem delay 10ms &&
tc qdisc show dev v0 | grep -w netem &&
ip link del v0 &&
mkdir /sys/fs/cgroup/smoke &&
echo "50000 100000" > /sys/fs/cgroup/smoke/cpu.max &&
grep -x "50000 100000" /sys/fs/cgroup/smoke/cpu.max &&
rmdir /sys/fs/cgroup/smoke
"""


@dataclass(frozen=True)
class Run:
    """A test program in the guest."""

    name: str
    command: tuple
    environment: dict = field(default_factory=dict)
    cases: int = 0  # that must have run at least; 0: not a Catch2 program

    def line(self):
        settings = [f"{key}={value}" for key, value in self.environment.items()]
        command = shlex.join(["timeout", "-k", "5", str(RUN_S), "env", *settings, *self.command])
        return f"{command} > {self.name}.log 2>&1; echo $? > {self.name}.code"

    def log(self, share):
        return read(share / f"{self.name}.log")

    def verdict(self, share):
        """Why it is not passed in the guest; None: it is."""
        code, log = read(share / f"{self.name}.code").strip(), self.log(share)
        if code == "":
            return "did not get to run, or did not end"
        if code == str(lab.SKIP):
            return "was skipped, in a guest that is there for it"
        if code != "0":
            return f"exit code {code}"
        passed = re.search(r"All tests passed \(\d+ assertions? in (\d+) test cases?\)", log)
        if self.cases > 0 and (passed is None or int(passed[1]) < self.cases):
            return "did not run all test cases"
        return None


def read(file):
    return file.read_text(errors="replace") if file.exists() else ""


def registered(source):
    text = (source / "injectors/faults.hpp").read_text()
    return set(re.findall(r"X\(([a-z0-9_]+)\)", text))


def runs(faults):
    """What is tested of these faults."""
    program = os.path.realpath(os.environ["GRIT_CONFORMANCE"])
    own_tests = os.path.realpath(os.environ["GRIT_FAULT_TESTS"])
    found = [Run("smoke", ("bash", "-c", SMOKE))]
    for fault in faults:
        settings = {"GRIT_FAULT": fault.name, **fault.bounds}
        if fault.mechanism:
            settings["GRIT_MECHANISM"] = fault.mechanism
        if fault.whole_machine:
            settings["GRIT_LOCAL_CLUSTER"] = "0"
        found.append(Run(fault.name, (program, "--durations", "yes"), settings, CASES))
        if fault.rootless:
            command = (program, "~[fail]", "--durations", "yes")
            found.append(Run(f"{fault.name}.rootless", command, {**settings, "GRIT_ROOTLESS": "1"}, ROOTLESS_CASES))
        if fault.own_tests:
            found.append(Run(f"{fault.name}.own", (own_tests, fault.own_tests, "--durations", "yes"), cases=1))
    # Its conformance is tested on the machine itself; only this queueing discipline may be missing there.
    found.append(Run("link_rate.own", (own_tests, "link_rate: fq_codel*", "--durations", "yes"), cases=1))
    # What stands on a NIC and comes back with it: bridges and bonds, which the machine's own kernel may lack.
    found.append(Run("uppers", (os.path.realpath(os.environ["GRIT_OS_TESTS"]), "uppers: a b*", "--durations", "yes"), cases=3))
    return found


def main():
    source, directory = Path(os.environ["GRIT_SOURCE"]), Path(os.environ["GRIT_VM_DIRECTORY"])
    known = registered(source)
    for fault in FAULTS:
        if fault.name not in known:
            print(f"{fault.name}: not in injectors/faults.hpp")
    faults = [fault for fault in FAULTS if fault.name in known]
    if not faults:
        sys.exit("nothing to run: none of the faults is in injectors/faults.hpp")
    wanted = runs(faults)
    script = "\n".join(f"{run.line()}\necho {run.name} $(cut -d' ' -f1 /proc/uptime)" for run in wanted) + "\n"
    try:
        # An emulated guest was seen to stand still, with both of its CPUs busy, while it took a link away in the smoke test.
        # Nothing of grit has run in it by then.
        for again in (True, False):
            with lab.Guest(directory, lab.kernel(directory / "kernel"), name="conformance") as guest:
                guest.start(script)
                if again and not guest.gets_to(f"{wanted[0].name}.code", SMOKE_S):
                    print(f"the guest stood still for {SMOKE_S} s before any program of grit ran in it, and is started again; its console:")
                    print(guest.console()[-4000:])
                    continue
                ending = guest.wait(GUEST_S)
                sys.exit(1 if report(wanted, guest, ending) else 0)
    except lab.Unavailable as why:
        lab.skip(str(why))


def report(wanted, guest, ending):
    """Prints it; how much failed."""
    failed = len(ending.problems)
    for problem in ending.problems:
        print(problem)
    for run in wanted:
        why = run.verdict(guest.share)
        print(f"{run.name}: {why or 'passed in the guest'}")
        if why is not None:
            failed += 1
            print(run.log(guest.share))
    if ending.exit_code is None:
        failed += 1
        print(f"the guest {'did not end in time' if ending.timed_out else 'went down early'}; its console:")
        print(ending.console[-4000:])
    spent = os.times()
    cpu_s = spent.children_user + spent.children_system
    print(f"guest: {ending.seconds:.0f} s, {cpu_s:.0f} s of CPU time; {failed or 'nothing'} failed")
    return failed


if __name__ == "__main__":
    main()
