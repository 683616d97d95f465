"""scripts/new-fault in a copy of what it writes to: everything is named where it must be, and the source compiles."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

source, build, compiler = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
name = "sudden_silence"
wrong = []
with tempfile.TemporaryDirectory() as directory:
    copy = Path(directory)
    for part in ("scripts/new-fault", "README.md", "injectors/faults.hpp", "tests/conformance/rows.cpp"):
        (copy / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / part, copy / part)
    (copy / "tests/faults").mkdir()
    (copy / "scenarios").mkdir()
    script = [sys.executable, copy / "scripts/new-fault"]
    subprocess.run([*script, name], check=True)
    for file, pattern in {
        "injectors/faults.hpp": rf"^  X\({name}\) \\$",
        f"injectors/{name}.cpp": rf"^const Injector& {name}\(\) \{{$",
        f"scenarios/{name}.lua": rf"grit\.fault\.{name} \{{",
        "tests/conformance/rows.cpp": rf'^      \{{\.name = "{name}"\}},$',
        f"tests/faults/test_{name}.cpp": rf"{name}\(\)\.prepare",
        "README.md": rf"^\| others \|.*`{name}`",
    }.items():
        if not re.search(pattern, (copy / file).read_text(), re.MULTILINE):
            wrong.append(f"{file}: nothing there matches {pattern}")
    includes = [f"-I{copy}", f"-I{source}", f"-I{build / 'generated'}"]
    warnings = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror", "-std=c++20", "-fsyntax-only", "-DFMT_SHARED"]
    if subprocess.run([compiler, *warnings, *includes, copy / f"injectors/{name}.cpp"]).returncode != 0:
        wrong.append("the skeleton does not compile")
    for bad in (name, "Link-Flap", "../x"):  # there already; no names
        if subprocess.run([*script, bad], capture_output=True).returncode == 0:
            wrong.append(f"new-fault {bad} was not refused")
print("\n".join(wrong) or "a new fault is named everywhere, and compiles")
sys.exit(1 if wrong else 0)
