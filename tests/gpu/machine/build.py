"""Finds the Toolkit, unpacks what was brought, configures and builds what the tests of GPUs need, and no more."""

import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

from packages import CmakePrefix, Prefix, is_cmake_enough, unpack
from steps import FAILED, Problem

TARGETS = ["gpu_tests", "gpu_load_tests", "bench_gpu", "grit_nccl_profiler", "fake_nvml_new"]


def find_nvcc():
    """In PATH, else where NVIDIA's own packages put it, the newest first."""
    found = shutil.which("nvcc")
    if found:
        return Path(found).resolve()
    places = [Path("/usr/local/cuda/bin/nvcc"), *sorted(Path("/usr/local").glob("cuda-*/bin/nvcc"), reverse=True), Path("/opt/cuda/bin/nvcc")]
    return next((p.resolve() for p in places if p.exists()), None)


def version_of(*command):
    """What a program says of itself, its last line or the one with a version; empty: it is not there."""
    try:
        text = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = text.splitlines()
    return next((line for line in lines if re.search(r"\d+\.\d+", line)), lines[-1] if lines else "")


class Build:
    def __init__(self, runner, source, directory, packages, cmake_options):
        self.runner, self.source, self.directory = runner, source, directory
        self.packages, self.cmake_options = packages, cmake_options
        self.prefix = Prefix(directory / "packages/grit")
        self.cmake = ["cmake"]

    def environment(self):
        return self.prefix.environment(os.environ) if self.prefix.is_there() else dict(os.environ)

    def describe_machine(self):
        query = "name,driver_version,memory.total,clocks.max.sm,power.limit,pcie.link.gen.current,pcie.link.width.current,mig.mode.current"
        nvcc = find_nvcc()
        row = {
            "gpus": version_of("nvidia-smi", "-L"),
            "gpu": version_of("nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"),
            "nvcc": version_of(str(nvcc), "--version") if nvcc else "",
            "compiler": version_of("g++", "--version"),
            "cmake": version_of("cmake", "--version"),
            "libc": version_of("getconf", "GNU_LIBC_VERSION"),
            "kernel": os.uname().release,
            "cpus": os.cpu_count(),
        }
        return "; ".join(f"{key} {value}" for key, value in row.items() if value), [row]

    def unpack(self):
        if self.packages is None:
            return "no packages were brought: those of the system are used"
        counts = {}
        for name in ("grit", "cmake"):
            if name == "cmake" and is_cmake_enough():
                continue
            counts[name] = unpack(self.packages / name, self.directory / "packages" / name)
        if not counts.get("grit"):
            raise Problem(f"no packages in {self.packages}/grit: `tests/gpu/run --bring` makes such a folder")
        return ", ".join(f"{count} packages for {name}" for name, count in counts.items())

    def choose_cmake(self):
        if not is_cmake_enough() and (self.directory / "packages/cmake").is_dir():
            self.cmake = CmakePrefix(self.directory / "packages/cmake", self.prefix.root).command()

    def configure(self):
        nvcc = find_nvcc()
        if nvcc is None:
            raise Problem("no nvcc, in PATH or below /usr/local/cuda", FAILED)
        self.choose_cmake()
        options = [
            "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
            "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O2 -DNDEBUG",
            "-DGRIT_UNITY=ON",
            "-DGRIT_WERROR=OFF",  # another compiler has other warnings
            "-DGRIT_CUDA=ON",
            "-DGRIT_NCCL=ON",
            f"-DCUDAToolkit_ROOT={nvcc.parent.parent}",
            f"-DCMAKE_CUDA_COMPILER={nvcc}",
        ]
        environment = self.environment()
        if shutil.which("ninja", path=environment["PATH"]):
            options += ["-G", "Ninja"]
        if self.prefix.is_there():
            options += self.prefix.cmake_options()
        command = [*self.cmake, "-S", self.source, "-B", self.directory, *options, *self.cmake_options]
        output = self.runner.run(command, environment, 120, "configure")
        return next((line[3:] for line in output.splitlines() if "optional backends" in line), "configured")

    def known_targets(self):
        if (self.directory / "build.ninja").exists():  # whose help leaves out what something else is made of
            ninja = shutil.which("ninja", path=self.environment()["PATH"]) or "ninja"
            command = [ninja, "-C", self.directory, "-t", "targets", "all"]
        else:
            command = [*self.cmake, "--build", self.directory, "--target", "help"]
        return set(re.findall(r"[\w.-]+", self.runner.run(command, self.environment(), 30, "targets")))

    def build(self, targets):
        """Each that can be: one that does not compile stops no other."""
        self.choose_cmake()
        known = self.known_targets()
        there = [t for t in targets if t in known]
        keep_going = ["--", "-k", "0"] if (self.directory / "build.ninja").exists() else ["--", "-k"]
        jobs, before = str(os.cpu_count() or 1), resource.getrusage(resource.RUSAGE_CHILDREN)
        self.runner.run([*self.cmake, "--build", self.directory, "-j", jobs, "--target", *there, *keep_going], self.environment(), self.runner.left_s(), "build")
        missing = [t for t in targets if t not in known]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return f"{', '.join(there)}, {jobs} jobs, {cpu_s:.0f} s of CPU time" + (f"; this source has no {', '.join(missing)}" if missing else "")
