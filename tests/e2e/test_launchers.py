"""Launchers that start several tasks which do not see each other: one error that says what to do, never one experiment a task."""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from gritlib import GRIT, SOURCE, Workspace

STEP = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}
LAUNCHERS = {  # what each sets of a job of four, and what the error must name
    "srun without PMI": (STEP, "SLURM_PROCID", "srun --mpi=pmix"),
    "srun with PMI-2": ({**STEP, "PMI_SIZE": "4"}, "SLURM_PROCID", "srun --mpi=pmix"),
    "mpiexec of another MPI": ({"PMI_SIZE": "4"}, "PMI_RANK", "Open MPI's mpirun"),
    "mpirun of another Open MPI": ({"OMPI_COMM_WORLD_SIZE": "4"}, "OMPI_COMM_WORLD_RANK", "Open MPI's mpirun"),
}


def run(arguments, cwd, variables):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "PMI", "OMPI"))}
    return subprocess.run([GRIT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=60,
                          env={**environment, "HOME": str(cwd), **variables})


with Workspace() as work, ThreadPoolExecutor(4) as pool:
    healthy = SOURCE / "scenarios/healthy.lua"
    commands = [["run", healthy, "--out", work.path / "run"], ["plan", healthy], ["replay", work.path / "old"],
                ["resume", work.path / "old"]]
    for name, (variables, rank, advice) in LAUNCHERS.items():
        for arguments in commands:
            began = time.monotonic()
            tasks = list(pool.map(lambda task: run(arguments, work.path, {**variables, rank: str(task)}), range(4)))
            took = time.monotonic() - began
            print(f"{name}, grit {arguments[0]}: {took:.1f} s\n{tasks[0].stderr}", flush=True)
            assert [task.returncode for task in tasks] == [69] * 4, tasks
            assert advice in tasks[0].stderr and "4 tasks" in tasks[0].stderr, tasks[0].stderr
            assert all(task.stderr == "" for task in tasks[1:]) and all(task.stdout == "" for task in tasks), tasks
            assert took < 20, took
    assert os.listdir(work.path) == [], os.listdir(work.path)

    # One task, or a shell inside an allocation, may have a local cluster of its own.
    for variables in ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_NNODES": "4"},
                      {**STEP, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, {"PMI_SIZE": "1", "PMI_RANK": "0"}):
        alone = run(["plan", healthy, "-n", "2"], work.path, variables)
        assert alone.returncode == 0 and "2 nodes" in alone.stdout, alone.stdout + alone.stderr

    # On nodes of one's choice grit becomes the launcher, and what it starts is the same command.
    launchers = work.path / "launchers"
    launchers.mkdir()
    for name in ("mpirun", "srun"):
        (launchers / name).write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\nexit 7\n')
        (launchers / name).chmod(0o755)
    on_path = {"PATH": f"{launchers}:{os.environ['PATH']}"}
    flap = SOURCE / "scenarios/link_flap.lua"
    typed = ["run", flap, "--hosts", "n[1-3]", "--set", "down=2 s", "--ranks-per-node=2", "--out", "runs/a b"]
    started = ["run", str(flap), "--set", "down=2 s", "--out", "runs/a b"]
    for launcher, variables, hosts in (("mpirun", {}, ["-H", "n1:2,n2:2,n3:2"]), ("srun", {"SLURM_JOB_ID": "7"}, ["--nodelist=n[1-3]"])):
        done = run(typed, work.path, {**on_path, **variables})
        words = done.stdout.splitlines()
        assert done.returncode == 7 and words[0] == str(launchers / launcher), done.stdout + done.stderr
        assert [word for word in hosts if word in words] == hosts, words
        assert words[-len(started) - 1:] == [os.path.realpath(GRIT), *started], words
    for arguments, advice in ((["--hosts", "n1", "-n", "2"], "-n"), (["--hosts", "n[1"], "not closed"), (["--hosts", "n1", "--launcher", "qsub"], "mpirun, srun"),
                              (["--hosts", "n1", "--launcher", "srun"], "SLURM_JOB_ID"), (["--launcher", "mpirun"], "--hosts")):
        refused = run(["run", healthy, *arguments], work.path, on_path)
        assert refused.returncode in (64, 69) and advice in refused.stderr and refused.stdout == "", (arguments, refused.stdout + refused.stderr)
    inside = run(["run", healthy, "--hosts", "n1"], work.path, {**on_path, "OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"})
    assert inside.returncode == 64 and "already" in inside.stderr, inside.stdout + inside.stderr
