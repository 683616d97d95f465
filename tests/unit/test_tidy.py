"""tests/unit/tidy.py finds what it is there for."""

import subprocess
import sys
import tempfile
from pathlib import Path

TIDY = Path(__file__).parent / "tidy.py"
GOOD = {f"docs/{i}.md": "a line\n" for i in range(101)}


def tidy(**files):
    with tempfile.TemporaryDirectory() as name:
        for path, text in {**GOOD, **{k.replace("__", "/").replace("_x_", "."): v for k, v in files.items()}}.items():
            (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / path).write_text(text)
        done = subprocess.run([sys.executable, TIDY, name], capture_output=True, text=True)
    return done.returncode, done.stdout


assert tidy() == (0, "101 files are tidy\n")
for text, words in (("as DESIGN" + " §2 says\n", "say the reason itself"), ("mended: A" + "1.7\n", "a number of a review"), ("TO" + "DO\n", "do it, or file it"),
                    ("a \n", "white space"), ("a\tb\n", "U+0009"), ("a\u202eb\n", "U+202E"), ("no end", "no newline")):
    code, said = tidy(docs__x_x_md=text)
    assert code == 1 and words in said and said.startswith("docs/x.md:1: "), (text, said)
LONG = "int f(int a) {\n" + "  ++a;\n" * 71 + "}\n"
for path, text, words in (("analysis__a_x_cpp", LONG, "a function of 71 lines"), ("analysis__a_x_cpp", "\n" * 660, "a file of 661 lines"),
                          ("analysis__a_x_hpp", "\n", "nobody includes it"), ("tests__data__old__plan_x_json", "{}\n", "no test reads it"),
                          ("analysis__report__plots__specs__a_x_json", "{}\n", "does not embed it")):
    code, said = tidy(**{path: text})
    assert code == 1 and words in said, (path, said)
code, said = tidy(tests__e2e__test_lost_x_py="\n", tests__e2e__CMakeLists_x_txt="grit_e2e(found)\n")
assert code == 1 and "no test runs it" in said, said
KIND = "namespace grit {\nstruct Kind {\n  int a;\n};\n}\n"
code, said = tidy(harness__a_x_hpp=KIND, harness__b_x_hpp=KIND, harness__c_x_cpp='#include "harness/a.hpp"\n#include "harness/b.hpp"\n')
assert code == 1 and "harness/b.hpp: harness/a.hpp has a type Kind, too" in said, said
# A user's own files are none of ours: runs, and what git does not track.
assert tidy(runs__x__notes_x_md="TO" + "DO\n") == (0, "101 files are tidy\n")
with tempfile.TemporaryDirectory() as name:
    for path, text in GOOD.items():
        (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
        (Path(name) / path).write_text(text)
    subprocess.run(["git", "init", "-q", name], check=True)
    subprocess.run(["git", "-C", name, "add", "."], check=True)
    (Path(name) / "mine.md").write_text("TO" + "DO\n")
    done = subprocess.run([sys.executable, TIDY, name], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "101 files are tidy\n"), done.stdout
print("all found")
