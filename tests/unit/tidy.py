"""Style that nobody has to look for: words that say nothing to a reader from outside, characters that nobody sees, files and functions that
grew too long, and files that nobody uses any more.

usage: tidy.py ROOT     of a checkout; what git does not track there is not looked at"""

import re
import subprocess
import sys
from pathlib import Path

SOURCES = (".cpp", ".hpp", ".py", ".lua", ".md", ".cmake", ".js", ".css", ".html", ".txt", ".in")
# Of C++. A test is read section by section, not as a whole.
FILE_LINES, TEST_FILE_LINES = 650, 1100
FUNCTION_LINES, TEST_LINES = 70, 200
TABLE_STATEMENTS = 5  # a function of fewer is a table
# Words for those who wrote it, and none that a reader could look up.
WORDS = {
    r"\bDESIGN(\.md| ?§)|\bDESIGN [0-9]": "say the reason itself, not where a design has it",
    r"\b[A-E][0-9]{1,2}\.[0-9]{1,2}\b": "a number of a review means nothing to who reads this",
    r"\b(TODO|FIXME|XXX)\b": "do it, or file it",
}
MAY_SAY = {"docs/adding-a-fault.md", "scripts/new-fault", "tests/unit/new_fault.py", "tests/unit/tidy.py"}
# Tabs, other controls, zero-width characters and those that turn the direction of writing.
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f\u00a0\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def listed(root):
    """What git tracks: a user's own files are none of ours. Of a source without git, everything but builds and runs."""
    command = ["git", "-C", root, "ls-files"]
    done = subprocess.run(command, capture_output=True, text=True)
    names = done.stdout.splitlines() if done.returncode == 0 else [str(p.relative_to(root)) for p in root.rglob("*")]
    return sorted(n for n in set(names) if (root / n).is_file() and not n.startswith(("build/", "runs/", ".git/")))


def long_functions(name, lines):
    most = TEST_LINES if name.startswith("tests/") else FUNCTION_LINES
    for start, line in enumerate(lines):
        head = re.match(r"( {0,4})(?! |namespace|class|struct|enum|union|extern|if|for|while|switch|else|#|//)\S.*\)[^;=]*\{$", line)
        if not head:
            continue
        indent = "" if line.startswith("    : ") else head[1]  # members of a constructor
        end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith(indent + "}")), start)
        statements = sum(line.endswith(";") for line in lines[start + 1:end])
        if end - start - 1 > most and statements >= TABLE_STATEMENTS:
            yield start + 1, f"a function of {end - start - 1} lines, {most} at most: give a part of it a name"


def of_text(name, text):
    lines = text.split("\n")
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end"
    for number, line in enumerate(lines, 1):
        if line.endswith((" ", "\t")):
            yield number, "white space at the end of a line"
        if (found := UNSEEN.search(line)) and name != "tests/unit/tidy.py":
            yield number, f"a character that nobody sees: U+{ord(found[0]):04X}"
        for word, why in WORDS.items():
            if name not in MAY_SAY and (found := re.search(word, line)):
                yield number, f"{found[0]}: {why}"
    if not name.endswith((".cpp", ".hpp")):
        return
    most = TEST_FILE_LINES if name.startswith("tests/") else FILE_LINES
    if len(lines) > most:
        yield most, f"a file of {len(lines)} lines, {most} at most: there are two in it"
    yield from long_functions(name, lines)


def unused(root, names, texts):
    """Files that nothing names."""
    code = "\n".join(texts.values())
    of_build = "\n".join(text for name, text in texts.items() if name.endswith(("CMakeLists.txt", ".cmake")))
    of_tests = "\n".join(text for name, text in texts.items() if name.startswith("tests/") and name.endswith((".cpp", ".hpp", ".py")))
    for name in names:
        path = Path(name)
        if path.suffix == ".hpp" and f'"{name}"' not in code and f'"{path.name}"' not in code:
            yield name, "nobody includes it"
        if name.startswith("analysis/report/") and path.suffix in (".json", ".js", ".css", ".html", ".txt") and path.name not in of_build:
            yield name, "cmake/vega.cmake does not embed it"
        if name.startswith(("tests/data/", "tests/snapshots/")) and f"{path.parts[2]}/" not in of_tests and f'"{path.parts[2]}"' not in of_tests \
                and f"/{path.parts[2]}\"" not in of_tests:
            yield name, "no test reads it"
        script = re.match(r"tests/(e2e|site|vm)/test_(\w+)\.py", name)
        runs = texts.get(f"tests/{script[1]}/CMakeLists.txt", "") + texts.get("scripts/nightly", "") if script else ""
        if script and not re.search(rf"\b(test_)?{script[2]}\b", runs):
            yield name, "no test runs it"


def names_of_two(texts):
    """Types of one name in one namespace: the linker takes the code of one of them for both, without a word (one definition rule)."""
    places = {}
    for name, text in texts.items():
        if not name.endswith(".hpp") or name.startswith("tests/"):
            continue
        space = "".join(re.findall(r"^namespace ([\w:]+) \{", text, re.M)[:1])
        for kind in re.finditer(r"^(?:struct|class|enum class) (\w+)\b[^;{]*\{", text, re.M):
            places.setdefault((space, kind[1]), []).append(name)
    for (_, kind), files in places.items():
        for name in files[1:]:
            yield name, f"{files[0]} has a type {kind}, too"


def main(root):
    names = listed(root)
    texts = {n: (root / n).read_text(errors="replace") for n in names
             if n.endswith(SOURCES) or n.startswith("scripts/") or "." not in Path(n).name}
    wrong = []
    for name, text in texts.items():
        if not name.startswith(("tests/data/", "tests/snapshots/")):
            wrong += [f"{name}:{number}: {why}" for number, why in of_text(name, text)]
    wrong += [f"{name}: {why}" for name, why in (*unused(root, names, texts), *names_of_two(texts))]
    assert len(texts) > 100, "found no sources"
    print("\n".join(wrong) or f"{len(texts)} files are tidy")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
