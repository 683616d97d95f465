"""Starts the ranks of a measurement, on GPUs of their own or, where there are fewer, on one: NCCL refuses two ranks of a host on one GPU, so each
then says that it is on a host of its own."""

import json
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from steps import FAILED, NOT_POSSIBLE, SKIPPED, Problem

# What a rank's command begins with, and what its environment has.
OWN_GPUS = "each on a GPU of its own"
HOST_NAMES = "on one GPU, each with a host name of its own"
HOST_IDS = "on one GPU, each with an NCCL_HOSTID of its own"


def in_way(way, rank, command, environment):
    environment = dict(environment)
    if way == OWN_GPUS:
        return command, environment
    environment["GRIT_TEST_SHARED_GPUS"] = "1"
    environment["NCCL_SOCKET_IFNAME"] = "lo"
    if way == HOST_IDS:
        environment["NCCL_HOSTID"] = f"rank{rank}"
        return command, environment
    set_name = f'echo rank{rank} > /proc/sys/kernel/hostname && exec "$@"'
    return ["unshare", "--uts", "sh", "-c", set_name, "sh", *command], environment


class Ranks:
    def __init__(self, runner, directory, environment, sizes):
        self.runner, self.directory, self.environment, self.sizes = runner, directory, environment, sizes
        self.bench = directory / "bench_gpu"
        self.way = None  # in which two ranks work

    def measure(self, what, limit_s, ranks=1, options=(), commands=None, meanwhile=None):
        """Rows that bench_gpu gives. `commands`: of each rank, what its own is put behind, with an environment. `meanwhile` is called with
        the file of its messages, in a thread."""
        if not self.bench.exists():
            raise Problem(f"{self.bench.name} was not built", SKIPPED)
        log = self.runner.out / f"bench_{what}.log"
        log.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="gpu_ranks_") as meeting:
            processes = []
            for rank in range(ranks):
                command = [str(self.bench), what, *map(str, [*self.sizes, *options])]
                command += ["--rank", str(rank), "--ranks", str(ranks), "--directory", meeting]
                environment = self.environment
                if commands is not None:
                    before, more = commands[rank]
                    command, environment = [*before, *command], {**environment, **more}
                elif ranks > 1:
                    command, environment = in_way(self.way, rank, command, environment)
                with open(log, "ab") as errors:
                    processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL,
                                                      start_new_session=True))
            if meanwhile is not None:
                threading.Thread(target=meanwhile, args=(log,), daemon=True).start()
            output = self.runner.finish(processes, limit_s, log)[0]
        told = json.loads(output.splitlines()[-1])
        if told["is_fake"] != self.runner.is_fake:
            raise Problem("the libraries are " + ("stand-ins" if told["is_fake"] else "not the stand-ins that were asked for"), FAILED)
        return told["rows"]

    def gpus(self):
        """How many there are."""
        return self.measure("count", 60)[0]["gpus"]

    def find_way(self):
        """Words, and `way` is set."""
        ways = [OWN_GPUS] if self.gpus() >= 2 else [HOST_NAMES, HOST_IDS]
        tried = []
        for way in ways:
            if way == HOST_NAMES and not shutil.which("unshare"):
                tried.append(f"{way}: there is no unshare")
                continue
            self.way = way
            try:
                self.measure("hooks", 45, ranks=2, options=["--rounds", 1, "--round-ms", 1])
                return "; ".join([*tried, f"{way}: works"]), [{"way": way, "tried": tried}]
            except Problem as problem:
                tried.append(f"{way}: {problem}")
        self.way = None
        raise Problem("; ".join(tried), NOT_POSSIBLE if len(ways) > 1 else FAILED)

    def need_way(self):
        if self.way is None:
            raise Problem("two ranks do not work here, see the step before", SKIPPED)

    def mpirun(self, ranks, program, arguments, limit_s, before=()):
        """A test program as ranks of an MPI job."""
        if not Path(program).exists():
            raise Problem(f"{Path(program).name} was not built", SKIPPED)
        mpirun = next(filter(None, map(self.which, ("mpirun.openmpi", "mpirun"))), None)
        if mpirun is None:
            raise Problem("there is no mpirun", SKIPPED)
        flags = "--oversubscribe --allow-run-as-root --bind-to none --mca btl tcp,self --mca btl_tcp_if_include lo --mca oob_tcp_if_include lo"
        command = [mpirun, *flags.split()]
        for rank in range(ranks):
            own, environment = [*before, str(program), *arguments], {}
            if ranks > 1:
                own, environment = in_way(self.way, rank, own, {})
            variables = [f"{name}={value}" for name, value in environment.items()]
            command += [":"] * (rank > 0) + ["-n", "1", *(["env", *variables] if variables else []), *own]
        return self.runner.run(command, self.environment, limit_s, f"{Path(program).name}_{ranks}")

    def which(self, name):
        return shutil.which(name, path=self.environment["PATH"])
