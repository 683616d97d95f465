#!/usr/bin/env python3
"""The lab itself: what comes back from guests that end, panic or hang, and that the conformance test can fail.

Takes GRIT_VM_DIRECTORY.
"""

import os
import sys
import tempfile
from pathlib import Path

import lab
import test_conformance

BOOT_S = 120  # some 5 s on an idle machine

PASSED = "All tests passed (25 assertions in 5 test cases)"


def check_verdicts():
    """Each way in which a fault is not passed in the guest is noticed."""
    with tempfile.TemporaryDirectory() as name:
        share = Path(name)
        run = test_conformance.Run("f", ("true",), cases=5)
        assert run.verdict(share) is not None, "nothing ran"
        for code, log, fine in (
            ("0\n", PASSED, True),
            ("1\n", PASSED, False),
            ("124\n", "", False),
            ("77\n", f"skipped: f: no netem here\n{PASSED}", False),
            ("0\n", "All tests passed (5 assertions in 1 test case)", False),
            ("0\n", "No tests ran", False),
        ):
            (share / "f.code").write_text(code)
            (share / "f.log").write_text(log)
            why = run.verdict(share)
            assert (why is None) == fine, f"{code!r}, {log!r}: {why}"


def check_panic_and_end(directory, kernel):
    """Two guests at once: one panics, the other ends with an exit code."""
    small = {"memory_mb": 256, "cpus": 1, "modules": ()}
    with lab.Guest(directory, kernel, name="panics", **small) as one, lab.Guest(directory, kernel, name="ends", **small) as two:
        one.start("echo kept > before; sync; echo c > /proc/sysrq-trigger; echo not reached > after")
        two.start("cat /proc/sys/kernel/hostname; exit 7")
        assert one.gets_to("before", BOOT_S), one.console()
        panicked, ended = one.wait(BOOT_S), two.wait(BOOT_S)
        assert panicked.panicked and panicked.exit_code is None and not panicked.timed_out, panicked
        assert (one.share / "before").read_text() == "kept\n", "what was written before the panic came back"
        assert not (one.share / "after").exists()
    assert ended.exit_code == 7 and ended.output == "ends\n" and not ended.panicked, ended
    assert not panicked.problems and not ended.problems, panicked.problems + ended.problems
    print(f"panicked after {panicked.seconds:.0f} s, ended after {ended.seconds:.0f} s")


def check_timeout(directory, kernel):
    with lab.Guest(directory, kernel, name="hangs", memory_mb=256, cpus=1, modules=()) as guest:
        guest.start("sleep 1000")
        assert not guest.gets_to("written", 1), "it writes nothing"
        ending = guest.wait(1)
        assert ending.timed_out and ending.exit_code is None, ending
        assert not guest.running, "QEMU outlived its time"


def main():
    check_verdicts()
    directory = Path(os.environ["GRIT_VM_DIRECTORY"])
    try:
        kernel = lab.kernel(directory / "kernel")
        check_timeout(directory, kernel)
        check_panic_and_end(directory, kernel)
    except lab.Unavailable as why:
        lab.skip(str(why))


if __name__ == "__main__":
    sys.exit(main())
