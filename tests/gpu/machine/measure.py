"""What is run and measured on a GPU machine, one function a step."""

import re
import shutil
import tempfile
from pathlib import Path

import flap
from build import find_nvcc
from ranks import Ranks
from steps import FAILED, NOT_BUILT, SKIPPED, Problem

WANTED_SHARE = 0.98  # of what cuBLAS or NCCL does alone, at least
LARGE_BYTES = 1 << 20  # of operations that are held against it: those of which the rate matters
SHARE_ERROR = 0.03  # of a share that a fault is asked for, at most
WANTED_HOG = 0.9  # of the rate of copies within the GPU's memory
# For a GPU, and for stand-ins on a CPU.
SIZES = ["--rounds", 15, "--round-ms", 100, "--size", 4096, "--bytes", 256 << 20]
FAKE_SIZES = ["--rounds", 3, "--round-ms", 2, "--size", 128, "--bytes", 1 << 16]


class Measurements:
    def __init__(self, runner, directory, environment, is_fake):
        self.runner, self.directory, self.environment, self.is_fake = runner, directory, environment, is_fake
        self.ranks = Ranks(runner, directory, environment, FAKE_SIZES if is_fake else SIZES)

    def all_steps(self):
        """In this order, what matters most first: the time may not do for all."""
        return [
            ("tests on one rank", lambda: self.tests(1)),
            ("two ranks", self.ranks.find_way),
            ("tests on two ranks", lambda: self.tests(2)),
            ("matrix products", self.products),
            ("check of products", self.check),
            ("operations of two ranks", self.operations),
            ("hooks of an operation, one rank", lambda: self.hooks(1)),
            ("hooks of an operation, two ranks", lambda: self.hooks(2)),
            ("copies to the GPU", self.copies),
            ("clock of the device", self.clock),
            ("NVML discovery", self.discovery),
            ("tests of loads", self.loads),
            ("contention asked against achieved", self.contention),
            ("HBM hog against a copy's ceiling", self.hog),
            ("the profiler's cost on a step", self.profiler),
            ("link flap under NCCL traffic", self.flap),
            ("compute-sanitizer", self.sanitizer),
        ]

    def judged(self, words, rows, name, row_name):
        """Below the wanted share is a failure; of stand-ins there is nothing to judge, and no number is said."""
        if self.is_fake:
            return f"{len(rows)} rows of stand-ins", rows
        found = [f"{row_name(row)}: {row['share']['median']:.3f} ({row['share']['p10']:.3f} to {row['share']['p90']:.3f}), "
                 f"{row['ours_' + name]:.4g} beside {row['bare_' + name]:.4g} {words}" for row in rows if "share" in row]
        unavailable = [f"{row_name(row)}: {row['unavailable']}" for row in rows if "unavailable" in row]
        return "; ".join(found + unavailable), rows

    def need_share(self, result, is_judged):
        words, rows = result
        low = [row for row in rows if "share" in row and is_judged(row) and row["share"]["median"] < WANTED_SHARE]
        if low and not self.is_fake:
            raise Problem(f"below {WANTED_SHARE}: {words}", FAILED, rows)
        return result

    def said(self, rows, words):
        return f"{len(rows)} rows of stand-ins" if self.is_fake else words(rows), rows

    def tests(self, ranks):
        if ranks > 1:
            self.ranks.need_way()
        output = self.ranks.mpirun(ranks, self.directory / "gpu_tests", ["--abort"], 150)
        return passed_cases(output)

    def loads(self):
        program = next((p for p in (self.directory / "gpu_load_tests", self.directory / "tests/gpu/gpu_load_tests") if p.exists()), None)
        if program is None:
            raise Problem("there is no gpu_load_tests", NOT_BUILT)
        environment = {**self.environment, "GRIT_CUDA_MODULE": str(self.directory / "grit-cuda.so")}
        output = self.runner.run([program, *([] if self.is_fake else ["~[fake]"])], environment, 100, "gpu_load_tests")
        return passed_cases(output)

    def products(self):
        rows = self.ranks.measure("products", 120)
        return self.need_share(self.judged("TFLOP/s", rows, "tflops", lambda r: r["type"]), lambda row: True)

    def check(self):
        rows = self.ranks.measure("check", 60)
        return self.said(rows, lambda all: "; ".join(
            f"{r['type']}: {100 * r['cost_share']['median']:.3f} % of the products' time" for r in all if "cost_share" in r))

    def operations(self):
        self.ranks.need_way()
        rows = self.ranks.measure("operations", 150, ranks=2)
        named = self.judged("GB/s", rows, "bus_gb_per_s", lambda r: f"{r['operation']} of {r['bytes']} bytes")
        return self.need_share(named, lambda row: row["bytes"] >= LARGE_BYTES)

    def hooks(self, ranks):
        if ranks > 1:
            self.ranks.need_way()
        rows = self.ranks.measure("hooks", 60, ranks=ranks)
        return self.said(rows, lambda all: f"{all[0]['cost_us']['median']:.2f} us an operation, of {all[0]['ours_us']:.2f} us")

    def copies(self):
        return self.judged("GB/s", self.ranks.measure("copies", 60), "gb_per_s", lambda r: f"{r['bytes']} bytes")

    def clock(self):
        rows = self.ranks.measure("clock", 30)
        row = rows[0]
        if row["outside_of_the_hosts_bounds"] > 0 and not self.is_fake:
            raise Problem(f"{row['outside_of_the_hosts_bounds']} of {row['events']} events lie outside of what the host saw, and the error said", FAILED, rows)
        return self.said(rows, lambda all: f"error {row['error_ns']['median'] / 1e3:.2f} us (p90 {row['error_ns']['p90'] / 1e3:.2f} us) of "
                                           f"{row['events']} events, {row['contradictions']} contradictions")

    def discovery(self):
        rows = self.ranks.measure("discovery", 60)
        if "unavailable" in rows[0]:
            raise Problem(rows[0]["unavailable"], SKIPPED)
        return self.said(rows, lambda all: f"{all[0]['gpus']} GPUs in {all[0]['ms']['median']:.0f} ms, the first time {all[0]['first_ms']:.0f} ms"
                                           + (f"; {all[0]['problem']}" if all[0]["problem"] else ""))

    def contention(self):
        rows = self.ranks.measure("contention", 60)
        self.need_any(rows)
        words = "; ".join(f"{row['given'].get('resource', row['fault'])} {row['asked']:.2f} asked: {row['achieved']:.3f}" for row in rows
                          if "achieved" in row)
        far = [row for row in rows if "achieved" in row and abs(row["achieved"] - row["asked"]) > SHARE_ERROR]
        if far and not self.is_fake:
            raise Problem(f"more than {SHARE_ERROR} off: {words}", FAILED, rows)
        return self.said(rows, lambda all: words)

    def hog(self):
        """One after the other, and not in one process, since a fault's GPU process begins before any other use of CUDA."""
        rows = []
        for _ in range(1 if self.is_fake else 3):
            rows += self.ranks.measure("hog", 30) + self.ranks.measure("memory_copies", 30)
        self.need_any(rows[::2])
        shares = sorted(hog["gb_per_s"] / copies["gb_per_s"] for hog, copies in zip(rows[::2], rows[1::2]))
        words = f"{shares[len(shares) // 2]:.3f} of {rows[1]['gb_per_s']:.0f} GB/s ({shares[0]:.3f} to {shares[-1]:.3f})"
        if shares[len(shares) // 2] < WANTED_HOG and not self.is_fake:
            raise Problem(f"below {WANTED_HOG}: {words}", FAILED, rows)
        return self.said(rows, lambda all: words)

    def need_any(self, rows):
        why = [row["unavailable"] for row in rows if "unavailable" in row]
        if len(why) == len(rows):
            raise Problem(why[0], NOT_BUILT, rows)

    def profiler(self):
        """Steps of processes with it and without, in turn."""
        library = next(self.directory.rglob("libnccl-profiler-grit.so"), None)
        if library is None:
            raise Problem("there is no libnccl-profiler-grit.so", NOT_BUILT)
        self.ranks.need_way()
        plain, rows, written = self.ranks.environment, [], 0
        with tempfile.TemporaryDirectory(prefix="gpu_profile_") as directory:
            profiled = {**plain, "NCCL_PROFILER_PLUGIN": str(library), "GRIT_PROFILE_DIR": directory}
            try:
                for i in range(2 if self.is_fake else 6):
                    self.ranks.environment = (plain, profiled)[i % 2]
                    rows += self.ranks.measure("steps", 40, ranks=2)
            finally:
                self.ranks.environment = plain
            written = sum(p.is_file() for p in Path(directory).rglob("*"))
        if written == 0:
            raise Problem("NCCL wrote nothing by it: it did not load it", SKIPPED if self.is_fake else FAILED)
        costs = sorted(100 * (b["step_ms"]["median"] / a["step_ms"]["median"] - 1) for a, b in zip(rows[::2], rows[1::2]))
        return self.said(rows, lambda all: f"{costs[len(costs) // 2]:.2f} % of a step ({costs[0]:.2f} to {costs[-1]:.2f})")

    def flap(self):
        rows = flap.flap(self.ranks, 6 if self.is_fake else 12, 60)
        return self.said(rows, lambda all: f"the traffic stood still for {all[0]['longest_s']:.2f} s in an outage of {all[0]['outage_s']:.0f} s")

    def sanitizer(self):
        """Kernels of all kinds, on one rank, for accesses out of bounds."""
        nvcc = find_nvcc()
        program = shutil.which("compute-sanitizer") or (nvcc and next(map(str, nvcc.parent.glob("compute-sanitizer")), None))
        if not program:
            raise Problem("the Toolkit here has no compute-sanitizer", SKIPPED)
        if self.is_fake:
            raise Problem("stand-ins have no device code", SKIPPED)
        before = [program, "--tool", "memcheck", "--error-exitcode", "9"]
        names = ["a GPU fills*", "a GPU's optimizer*", "products of every type*"]
        output = self.ranks.mpirun(1, self.directory / "gpu_tests", names, 90, before)
        errors = re.search(r"ERROR SUMMARY: .*", output)
        return errors[0] if errors else passed_cases(output)


def passed_cases(output):
    """Catch2's own last words, of every rank once."""
    output = re.sub(r"\x1b\[[0-9;]*m", "", output)  # mpirun has a terminal for each
    found = re.findall(r"All tests passed \(([^)]*)\)|test cases: .*", output)
    if not found:
        raise Problem("no test ran", FAILED)
    return "; ".join(dict.fromkeys(f"passed: {text}" if text else "see the log" for text in found))


def fake_environment(environment, directory, out):
    """With the stand-ins of tests/fakes, one GPU, and of NVML one as well."""
    script = out / "fakes.txt"
    script.write_text("devices 1\n")
    nvml = out / "fake_nvml.txt"
    nvml.write_text("gpus 1\n")
    made = dict(environment)
    made["LD_LIBRARY_PATH"] = ":".join(filter(None, [str(directory / "tests/fakes/cuda/lib"), made.get("LD_LIBRARY_PATH")]))
    made["GRIT_FAKE_CUDA"] = str(script)
    made["NCCL_SOCKET_IFNAME"] = "lo"
    library = directory / "tests/libfake_nvml_new.so"
    if library.exists():
        made["GRIT_NVML_LIBRARY"], made["GRIT_FAKE_NVML"] = str(library), str(nvml)
    return made
