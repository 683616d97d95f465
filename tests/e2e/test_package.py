"""The Debian package, in a root directory that has nothing but Debian's essential packages and what the package says it depends on.

No network: the packages are not fetched but copied, file by file, from this machine, which has them installed. What a library or a
program is missing in the package's dependencies is missing in the root as well."""

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gritlib import skip

BUILD = Path(os.environ["GRIT_BUILD"])
# Packages of Debian's without files of their own, which need not be installed where what they stand for is.
STANDS_FOR = {"libopenblas0": "libopenblas0-pthread"}


def run(*words, ok=True, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    assert not ok or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def installed():
    """name -> (entry of the status file, dependencies as lists of alternatives); and who provides what."""
    packages, provided = {}, {}
    for entry in Path("/var/lib/dpkg/status").read_text().split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", entry, re.MULTILINE))
        if not fields.get("Status", "").endswith(" installed"):
            continue
        packages[fields["Package"]] = (entry, [fields.get("Pre-Depends", ""), fields.get("Depends", "")], fields.get("Essential") == "yes")
        for one in names(fields.get("Provides", "")):
            for name in one:
                provided.setdefault(name, fields["Package"])
    for name, other in STANDS_FOR.items():
        if name not in packages and other in packages:
            entry = re.sub(r"^Package: .*", f"Package: {name}", packages[other][0])
            packages[name] = (re.sub(r"^(Depends|Provides|Conffiles|Pre-Depends): .*\n", "", entry, flags=re.MULTILINE), [other], False)
    return packages, provided


def names(depends):
    """"a (>= 1) | b, c:any" -> [["a", "b"], ["c"]]"""
    return [[re.match(r"[^ :(]+", word.strip())[0] for word in one.split("|")] for one in depends.split(",") if one.strip()]


def closure(depends, packages, provided):
    wanted = names(depends) + [[name] for name, (_, _, essential) in packages.items() if essential]
    found = set()
    while wanted:
        one = wanted.pop()
        here = [name if name in packages else provided.get(name) for name in one]
        here = [name for name in here if name]
        assert here, f"none of {one} is installed here"
        if here[0] in found:
            continue
        found.add(here[0])
        for field in packages[here[0]][1]:
            wanted += names(field)
    return found


def make_root(root, found, packages):
    for part in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / part).mkdir(parents=True)
        (root / part).symlink_to(f"usr/{part}")
    listed = root.parent / "files"
    with listed.open("w") as out:
        for name in sorted(found):
            for file in run("dpkg", "-L", name, ok=name not in STANDS_FOR).stdout.splitlines():
                if file != "/." and os.path.lexists(file) and file.count("/") > 1:  # /bin, /lib ... are links, made above
                    out.write(f"{os.path.realpath(os.path.dirname(file))[1:]}/{os.path.basename(file)}\n")
    packed = subprocess.Popen(["tar", "-C", "/", "--no-recursion", "-T", str(listed), "-cf", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    run("tar", "-C", root, "--keep-directory-symlink", "-xf", "-", stdin=packed.stdout)
    assert packed.wait() in (0, 1, 2)
    # What the packages' scripts would have made: alternatives, users, the linker's cache.
    links = run("find", "/usr/bin", "/usr/lib", "-lname", "/etc/alternatives/*").stdout.splitlines()
    (root / "etc/alternatives").mkdir(parents=True, exist_ok=True)
    for link in links:
        middle = os.readlink(link)
        target = os.readlink(middle) if os.path.islink(middle) else ""
        if target and (root / target.lstrip("/")).exists() and not os.path.lexists(root / link.lstrip("/")):
            (root / link.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            (root / link.lstrip("/")).symlink_to(middle)
            if not os.path.lexists(root / middle.lstrip("/")):
                (root / middle.lstrip("/")).symlink_to(target)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    for directory in ("proc", "sys", "dev", "tmp", "run", "root", "old", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dpkg/status").write_text("\n\n".join(packages[name][0] for name in sorted(found)) + "\n")
    run("ldconfig", "-r", root)


def enter(root, command):
    """In namespaces of its own: makes `root` the root of everything, and becomes a shell there. This process has all that it needs of the
    old root in memory; the new one has no umount."""
    libc = ctypes.CDLL(None, use_errno=True)
    bind, detach, private, recursive = 4096, 2, 1 << 18, 1 << 14

    def call(function, *arguments):
        words = [ctypes.c_char_p(os.fsencode(a)) if isinstance(a, (str, Path)) else ctypes.c_ulong(a) for a in arguments]
        if function(*words) != 0:
            raise OSError(ctypes.get_errno(), f"{function.__name__}{arguments}")

    call(libc.mount, "none", "/", "none", private | recursive, 0)
    call(libc.mount, root, root, "none", bind, 0)
    for part in ("sys", "dev"):
        call(libc.mount, f"/{part}", f"{root}/{part}", "none", bind | recursive, 0)
    for part, kind in (("proc", "proc"), ("tmp", "tmpfs"), ("run", "tmpfs")):
        call(libc.mount, kind, f"{root}/{part}", kind, 0, 0)
    call(libc.pivot_root, root, f"{root}/old")
    os.chdir("/root")
    call(libc.umount2, "/old", detach)
    os.execve("/bin/sh", ["sh", "-c", command], {"PATH": "/usr/bin:/bin", "HOME": "/root"})


def inside(root, command, ok=True):
    return run("unshare", "--mount", "--pid", "--fork", sys.executable, __file__, root, command, ok=ok, timeout=180)


def check_node(root):
    """grit check on a node without GPU, RDMA, NIC and configuration, as root and as nobody: no false alarm of what is not there, and who
    cannot look says why and what it takes."""
    for become in ("", "setpriv --reuid 65534 --regid 65534 --clear-groups "):
        done = inside(root, f"unshare --net {become}grit check --json", ok=False)
        assert done.stderr == "", f"{become}{done.returncode}\n{done.stdout}\n{done.stderr}"
        checks = json.loads(done.stdout)["checks"]
        outcomes = [(check["check"], one) for check in checks for one in check["outcomes"]]
        # Of the machine that the test runs on these can be true; so can a warning: that it is busy, or that nothing keeps its clock right.
        critical = {name for name, one in outcomes if one["severity"] == "critical"} - {"disk_space", "kernel_log"}
        assert not critical and done.returncode in (0, 1, 2), (done.returncode, outcomes)
        looked = {check["check"] for check in checks if check["severity"] != "unknown"}
        assert {"net_tables", "stuck_tasks", "clock", "memory_room", "disk_space"} <= looked, outcomes
        unknown = [one for one in outcomes if one[1]["severity"] == "unknown"]
        assert all(one["detail"] for _, one in unknown), unknown
        assert {"link_up", "rdma_ports", "gpu_memory", "nvlink"} <= {name for name, one in unknown if one.get("not_here")}, unknown
        unreadable = [(name, one["detail"]) for name, one in unknown if not one.get("not_here")]
        assert all(name == "kernel_log" and "it takes root" in detail for name, detail in unreadable), unreadable


def main():
    if os.geteuid() != 0:
        skip("needs root, to make a root directory and to enter it")
    for tool in ("cpack", "dpkg-shlibdeps", "man"):
        if shutil.which(tool) is None:
            skip(f"{tool} is not installed")
    # Container images have a script in its place that says that pages were left out.
    if "man 2." not in run("man", "--version", ok=False).stdout:
        skip("man is not that of man-db: scripts/packages tests")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        place = Path(directory)
        run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", place / "deb", cwd=BUILD)
        deb = next((place / "deb").glob("*.deb"))
        depends = run("dpkg-deb", "-f", deb, "Depends").stdout.strip()
        packages, provided = installed()
        found = closure(depends, packages, provided)
        root = place / "root"
        root.mkdir()
        make_root(root, found, packages)
        print(f"{deb.name}: {len(found)} packages in the root, depends on {depends}")
        missing = inside(root, "command -v grit", ok=False)
        assert missing.returncode != 0, "grit was in the root before it was installed"
        # Also where this machine, a container say, leaves such files out (path-exclude in dpkg.cfg.d): it is read all the same.
        run("dpkg", f"--root={root}", "--path-include=/usr/share/man/*", "--path-include=/usr/share/doc/*", "-i", deb)

        assert re.match(r"grit \d", inside(root, "grit --version").stdout)
        assert "link_flap" in inside(root, "grit list faults").stdout
        listed = inside(root, "grit list scenarios").stdout
        assert "what does a step cost?" in listed and "/usr/share/grit/scenarios" in listed, listed
        assert "--down" in inside(root, "grit run link_flap --help").stdout
        check_node(root)
        # Two pairs are a look and no verdict: 2.
        ran = inside(root, "grit run healthy -n 2 --pairs 2 && echo no; code=$?; ls runs/healthy/latest/; exit $code", ok=False)
        assert ran.returncode == 2 and "report.html" in ran.stdout, f"{ran.returncode}\n{ran.stdout}\n{ran.stderr}"

        pages = sorted((root / "usr/share/man/man1").glob("grit*"))
        assert {"grit.1", "grit-run.1", "grit-report.1"} <= {page.name for page in pages}, pages
        for page in pages:
            shown = run("man", "--warnings", "-l", page, env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
            assert shown.stderr == "", shown.stderr
            assert "NAME" in shown.stdout and "SYNOPSIS" in shown.stdout, page
        assert "--ranks-per-node" in run("man", "-l", root / "usr/share/man/man1/grit-run.1").stdout.replace("\b", "")

        completion = root / "usr/share/bash-completion/completions/grit"
        ask = ('. {0}; COMP_WORDS=({1}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _grit; echo "${{COMPREPLY[@]}}"').format
        for words, expected in (("grit r", "run"), ("grit run --se", "--set"), ("grit run link_fl", "link_flap"), ("grit run link_flap --do", "--down"),
                                ("grit describe link_f", "link_flap")):
            inner = ask("/usr/share/bash-completion/completions/grit", words)
            shown = inside(root, f"bash -c '{inner}'").stdout.split()
            assert expected in shown, (words, shown)
        assert completion.exists() and (root / "usr/share/fish/vendor_completions.d/grit.fish").exists()
        assert (root / "usr/share/zsh/vendor-completions/_grit").read_text().startswith("#compdef grit\n")
    print("the package works where there is nothing else")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        enter(*sys.argv[1:])
    main()
