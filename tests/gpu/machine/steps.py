"""Steps of a run on a GPU machine: each with a limit, none of which stops the rest, and what comes of them."""

import json
import os
import signal
import subprocess
import threading
import time

WHOLE_LIMIT_S = 8 * 60
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
# What cannot be measured, which is not a failure: of this machine, and of this build.
NOT_POSSIBLE, NOT_BUILT = "not possible", "not built here"


class Problem(Exception):
    """A step's end before its end: in words, with its status, and rows where something was measured all the same."""

    def __init__(self, words, status=FAILED, rows=()):
        super().__init__(words)
        self.status, self.rows = status, list(rows)


class Runner:
    """Runs steps and keeps what came of them."""

    def __init__(self, out, is_fake, limit_s=WHOLE_LIMIT_S):
        self.out, self.is_fake, self.limit_s = out, is_fake, limit_s
        self.began = time.monotonic()
        self.results = []
        self.only = None  # names of steps; none: all
        out.mkdir(parents=True, exist_ok=True)

    def say(self, text):
        print(f"[{time.monotonic() - self.began:5.0f} s] {text}", flush=True)

    def left_s(self):
        return self.limit_s - (time.monotonic() - self.began)

    def step(self, name, work):
        """`work` gives words, or words and rows, or raises a Problem."""
        if self.only is not None and name not in self.only:
            return None
        began = time.monotonic()
        rows = []
        self.say(f"{name} ...")
        try:
            if self.left_s() < 5:
                raise Problem(f"no time left of {self.limit_s} s", SKIPPED)
            done = work()
            words, rows = done if isinstance(done, tuple) else (done, [])
            status = PASSED
        except Problem as problem:
            words, status, rows = str(problem), problem.status, problem.rows
        except (OSError, ValueError, KeyError, IndexError, subprocess.SubprocessError) as error:
            words, status = f"{type(error).__name__}: {error}", FAILED
        result = {"name": name, "status": status, "seconds": round(time.monotonic() - began, 1), "words": words}
        # A stand-in's numbers are no GPU's, and nobody shall find them under the same name.
        result["rows_of_stand_ins" if self.is_fake else "rows"] = rows
        self.results.append(result)
        self.say(f"{name}: {status}, {result['seconds']} s: {words}")
        self.write()
        return result

    def run(self, command, environment, limit_s, name=None, cwd=None):
        """Its standard output; it and all that it started are gone afterwards. Its output stays in a file. Tells that it is still at work."""
        log = self.out / f"{name or os.path.basename(str(command[0]))}.log"
        with open(log, "ab") as errors:
            process = subprocess.Popen(list(map(str, command)), env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=errors,
                                       stdin=subprocess.DEVNULL, start_new_session=True)
        return self.finish([process], limit_s, log)[0]

    def finish(self, processes, limit_s, log):
        """The outputs of processes that end well; where one does not, or is too late, all are ended."""
        limit_s = max(1, min(limit_s, self.left_s()))
        outputs = [b""] * len(processes)

        def read(index):
            outputs[index] = processes[index].stdout.read()

        readers = [threading.Thread(target=read, args=(i,), daemon=True) for i in range(len(processes))]
        for reader in readers:
            reader.start()
        deadline, next_word = time.monotonic() + limit_s, time.monotonic() + 10
        try:
            while any(p.poll() is None for p in processes) and all(p.poll() in (None, 0) for p in processes):
                if time.monotonic() > deadline:
                    raise Problem(f"not done after {limit_s:.0f} s; {tail(log)}")
                if time.monotonic() > next_word:
                    self.say(f"... at work, {deadline - time.monotonic():.0f} s left for it")
                    next_word += 10
                time.sleep(0.02)
        finally:
            for process in processes:
                end_group(process)
        for reader in readers:
            reader.join(5)
        for process, output in zip(processes, outputs):
            with open(log, "ab") as file:
                file.write(output)
            if process.returncode == 77:
                raise Problem(tail(log), SKIPPED)
            if process.returncode != 0:
                others = [p.returncode for p in processes]
                raise Problem(f"ended with {next((c for c in others if c > 0), process.returncode)}; {tail(log)}")
        return [output.decode(errors="replace") for output in outputs]

    def write(self):
        results = {
            "first_line": self.first_line(),
            "is_fake": self.is_fake,
            "seconds": round(time.monotonic() - self.began, 1),
            "steps": self.results,
        }
        unfinished = self.out / "results.json.new"
        unfinished.write_text(json.dumps(results, indent=1) + "\n")
        unfinished.rename(self.out / "results.json")

    def first_line(self):
        if self.is_fake:
            return "FAKE: on stand-ins for CUDA, cuBLAS, NCCL and NVML; nothing here says anything about a GPU"
        return "on the GPUs of this machine"

    def has_failed(self):
        return any(result["status"] == FAILED for result in self.results)


def end_group(process):
    """The process and what it started, which is a session of its own."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def tail(log, most=300):
    """What a log ends with, in one line."""
    try:
        text = log.read_text(errors="replace").strip()
    except OSError as error:
        return str(error)
    lines = text.splitlines()
    # A test's own reason says more than what the launcher adds to it.
    reasons = list(dict.fromkeys(line for line in lines if line.lower().startswith("skipped: ")))
    return " | ".join(reasons[-1:] or lines[-4:])[-most:] or "it said nothing"
