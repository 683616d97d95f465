"""tests/summary.py: what is not expected to be skipped fails the CI, and only there."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SUMMARY = Path(__file__).parent / "summary.py"
RESULTS = """<testsuite>
<testcase name="a: skips" time="0.1" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/><system-out>skipped: no QEMU
</system-out></testcase>
<testcase name="b" time="2.5" status="run"/>
</testsuite>"""


def summary(expected, ci):
    with tempfile.TemporaryDirectory() as name:
        results, file = Path(name) / "ctest.xml", Path(name) / "expected.txt"
        results.write_text(RESULTS)
        file.write_text(expected)
        done = subprocess.run([sys.executable, SUMMARY, results, file], capture_output=True, text=True,
                              env={**os.environ, "CI": "true" if ci else ""})
    return done.returncode, done.stdout


assert summary("a: skips # no QEMU here\n", ci=True)[0] == 0
code, said = summary("", ci=True)
assert code == 1 and "NOT EXPECTED to be skipped: a: skips: no QEMU" in said, said
assert summary("", ci=False)[0] == 0
code, said = summary("a: skips # no QEMU here\nb # no browser\nc # did not run at all\n", ci=True)
assert code == 0 and "b was expected to be skipped (no browser), but ran" in said and "c" not in said.split("but ran")[1], said
