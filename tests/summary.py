#!/usr/bin/env python3
"""What ctest's own summary does not say: the slowest tests, and whether what was skipped is what this kind of machine skips.

usage: summary.py RESULTS EXPECTED     RESULTS: of `ctest --output-junit`; EXPECTED: lines "TEST # why it is skipped"

In CI (CI=true) a skip that is not expected is an error: exit code 1. Elsewhere it is only said, as machines differ."""

import os
import re
import sys
import xml.etree.ElementTree
from pathlib import Path

SLOWEST = 10


def reason(case):
    said = re.search(r"^skipped: (.*)$", case.findtext("system-out") or "", re.MULTILINE | re.IGNORECASE)
    return said[1] if said else "it did not say why"


def expected_skips(file):
    lines = [line.split(" # ", 1) for line in Path(file).read_text().splitlines() if line and not line.startswith("#")]
    assert all(len(line) == 2 for line in lines), f"{file}: a line is TEST # why"
    return {name.strip(): why for name, why in lines}


def main(results, expected_file):
    cases = xml.etree.ElementTree.parse(results).getroot().findall("testcase")
    expected = expected_skips(expected_file)
    skipped = {case.get("name"): reason(case) for case in cases if case.find("skipped") is not None}
    ran = {case.get("name") for case in cases} - skipped.keys()

    print(f"\nThe {SLOWEST} slowest tests:")
    for case in sorted(cases, key=lambda case: -float(case.get("time")))[:SLOWEST]:
        print(f"  {float(case.get('time')):6.1f} s  {case.get('name')}")
    known, unexpected = sorted(skipped.keys() & expected.keys()), sorted(skipped.keys() - expected.keys())
    print(f"{len(skipped)} of {len(cases)} tests were skipped, {len(known)} of them as {expected_file} says.")
    for name in known:
        print(f"  {name}: {skipped[name]}")
    for name in sorted(expected.keys() & ran):
        print(f"  Note: {name} was expected to be skipped ({expected[name]}), but ran.")
    for name in unexpected:
        print(f"  NOT EXPECTED to be skipped: {name}: {skipped[name]}")
    if unexpected and os.environ.get("CI") == "true":
        print(f"Make what is missing available, or say in {expected_file} why it is not.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
