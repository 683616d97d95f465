"""What the end-to-end tests share: running grit, looking at what it leaves on the machine, checking run directories."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
GRIT = os.environ["GRIT"]
SOURCE = Path(os.environ["GRIT_SOURCE"])
SKIP = 77  # ctest's SKIP_RETURN_CODE

# A link flap that is over soon: 6 pairs, the fewest that can reach p < 0.05.
SHORT_FLAP = """
local grit = require "grit"
return grit.scenario {
  name = "short_flap",
  summary = "a link flap that is over soon",
  options = { node = { "any", help = "the node whose NIC flaps" } },
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.02 },
  faults = function(o) return { grit.fault.link_flap { on = o.node, down = "400ms", after = "200ms" } } end,
  design = { pairs = 6, block = "900ms" },
  expect = { slowdown = { at_least = "10%" } },
}
"""


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    sys.exit(SKIP)


def cmdline(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def processes():
    """pid -> command line of everything that a run may start."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        text = cmdline(entry)
        words = text.split()
        if not words:
            continue
        program = os.path.basename(words[0])
        if program in ("orted", "mpirun", "grit", "grit-agent") or "enter-node" in words or "orted" in words:
            found[int(entry)] = text
    return found


def network_namespaces():
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found.add(os.readlink(f"/proc/{entry}/ns/net"))
            except OSError:
                pass
    return found


def listing(path, prefixes=("",)):
    try:
        return {name for name in os.listdir(path) if name.startswith(prefixes)}
    except OSError:
        return set()


def cgroups():
    """Control groups are the machine's: of those of a test beside it one that runs apart knows nothing."""
    if "GRIT_TEST_APART" in os.environ:
        return set()
    return {root for root, _, _ in os.walk("/sys/fs/cgroup") if "grit" in os.path.basename(root)}


def machine_state():
    """What must be the same before and after a run."""
    links = {}
    for name in listing("/sys/class/net"):
        try:
            links[name] = Path(f"/sys/class/net/{name}/flags").read_text().strip()
        except OSError:
            pass
    return {
        "links": links,
        "processes": set(processes()),
        "network namespaces": network_namespaces(),
        "shared memory": listing("/dev/shm"),
        "temporary files": listing("/tmp", ("grit", "ompi", "openmpi", "pmix")),
        "named namespaces": listing("/run/netns"),
        "cgroups": cgroups(),
        "mounts": len(Path("/proc/self/mounts").read_text().splitlines()),
    }


def assert_same_state(before, patience_s=5.0):
    """Fails when anything is left after a while; the kernel takes namespaces down asynchronously."""
    deadline = time.monotonic() + patience_s
    while True:
        after = machine_state()
        differences = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
        # A namespace or process of somebody else may have gone meanwhile; only what is new counts there.
        for key in ("processes", "network namespaces", "shared memory", "temporary files"):
            if key in differences and after[key] <= before[key]:
                del differences[key]
        if not differences:
            return
        if time.monotonic() > deadline:
            extra = {pid: text for pid, text in processes().items() if pid not in before["processes"]}
            raise AssertionError(f"left behind: {differences}; processes: {extra}")
        time.sleep(0.1)


class Workspace:
    """A temporary directory that any user may use, removed at the end."""

    def __enter__(self):
        self.path = Path(tempfile.mkdtemp(prefix="e2e-"))
        self.path.chmod(0o1777)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name, text):
        file = self.path / name
        file.write_text(text)
        file.chmod(0o644)
        return file


def start(*arguments, user=None, cwd=None, env=None, program=GRIT, **options):
    command = [str(program), *map(str, arguments)]
    if user is not None:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--", *command]
    environment = dict(os.environ)
    environment.update(env or {})
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
                            env=environment, start_new_session=True, **options)


def grit(*arguments, expect=None, timeout=180, **options):
    """Runs grit to its end. expect: the exit code that is right, or several."""
    process = start(*arguments, **options)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"grit {' '.join(map(str, arguments))} did not end in {timeout} s\n{out}\n{err}")
    process.out, process.err = out, err
    if expect is not None:
        wanted = expect if isinstance(expect, (tuple, list, set)) else (expect,)
        assert process.returncode in wanted, (
            f"grit {' '.join(map(str, arguments))}: exit code {process.returncode}, wanted {wanted}\n{out}\n{err}")
    return process


def run_until_clear(*arguments, out, tries=3, **options):
    """grit run that must end reproduced. A busy machine can make a run inconclusive, which is an honest answer and no
    defect: such a run is done again, aloud. Any other end is wrong at once."""
    for attempt in range(1, tries + 1):
        done = grit("run", *arguments, "--out", out, expect=(0, 2) if attempt < tries else 0, **options)
        print(done.out, flush=True)
        if done.returncode == 0:
            return done
        assert verdict(out)["verdict"] == "inconclusive", verdict(out)
        print(f"inconclusive in try {attempt} of {tries}: again", flush=True)
        shutil.rmtree(out)


def verdict(run):
    return json.loads((Path(run) / "verdict.json").read_text())


def events(run, kind=None):
    lines = (Path(run) / "events.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [event for event in found if kind is None or event["type"] == kind]


def with_numpy(code, *arguments):
    """What this code prints, in a Python that has numpy."""
    for python in ("/usr/bin/python3", sys.executable):
        done = subprocess.run([python, "-c", code, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout
    raise AssertionError(f"no Python with numpy can run this: {done.stderr}")


def load_steps(run):
    """How many rows steps.npy has, their names, and of how many ranks they are, as numpy reads it."""
    code = ("import numpy, sys; a = numpy.load(sys.argv[1]); "
            "print(len(a)); print(' '.join(a.dtype.names)); print(len(set(a['rank'].tolist())))")
    count, names, ranks = with_numpy(code, Path(run) / "steps.npy").splitlines()
    return int(count), names.split(), int(ranks)


def children_of(pid):
    """All descendants of a process, over /proc."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                pass
    found, frontier = [], [pid]
    while frontier:
        frontier = [child for child, parent in parents.items() if parent in frontier]
        found += frontier
    return found


def terminate(process):
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()
    process.stdout.close()
    process.stderr.close()
