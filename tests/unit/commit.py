"""The commit that a program says it was built from: cmake/commit.cmake in a repository, in an archive of it, and in a copy within another one."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

source, cmake = Path(sys.argv[1]), sys.argv[2]
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
               **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}}


def run(*words, at):
    return subprocess.run(words, cwd=at, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout.strip()


def commit_of(tree, out):
    run(cmake, "-D", f"SOURCE_DIR={tree}", "-D", f"OUT={out}", "-P", tree / "cmake/commit.cmake", at="/")
    return out.read_text().split('return "')[1].split('"')[0]


with tempfile.TemporaryDirectory() as place:
    place = Path(os.path.realpath(place))
    tree, out = place / "tree", place / "commit.cpp"
    (tree / "cmake").mkdir(parents=True)
    for name in ("cmake/commit.cmake", "cmake/archived_commit.txt", ".gitattributes"):
        shutil.copy(source / name, tree / name)
    assert commit_of(tree, out) == "unknown", "no repository"
    run("git", "init", "-q", at=tree)
    run("git", "add", "-A", at=tree)
    run("git", "commit", "-q", "-m", "one", at=tree)
    first = run("git", "rev-parse", "HEAD", at=tree)[:12]
    assert commit_of(tree, out) == first
    os.utime(out, (1, 1))
    commit_of(tree, out)
    assert out.stat().st_mtime == 1, "written again although the commit is the same: everything would be linked again"
    (tree / "more").write_text("x")
    run("git", "add", "more", at=tree)
    assert commit_of(tree, out) == first + "-dirty"
    run("git", "commit", "-q", "-m", "two", at=tree)
    second = run("git", "rev-parse", "HEAD", at=tree)[:12]
    assert second != first and commit_of(tree, out) == second
    (place / "unpacked").mkdir()
    run("sh", "-c", f"git archive HEAD | tar -x -C {place}/unpacked", at=tree)
    assert commit_of(place / "unpacked", out) == second, "an archive"
    shutil.copytree(tree, tree / "copy", ignore=shutil.ignore_patterns(".git"))
    assert commit_of(tree / "copy", out) == "unknown", "sources within another repository"
print("the commit is right")
