"""The distribution's own kernel for guests, and programs: downloaded as ordinary packages, unpacked beside the tests, not installed."""

import gzip
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

DOWNLOAD_S = 120
UNPACK_S = 120
# The kernel with all its modules; Debian's "cloud" variant lacks most of those that faults need.
PACKAGE = re.compile(r"linux-image-6\.1\.0-(\d+)-amd64")


class Unavailable(Exception):
    """This machine cannot run guests; says why and what would help."""


def _run(*command, timeout, cwd=None):
    try:
        done = subprocess.run(command, cwd=cwd, timeout=timeout, capture_output=True, text=True, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout


def _newest(names):
    found = [(int(match[1]), match[0]) for match in map(PACKAGE.fullmatch, names) if match]
    return max(found)[1] if found else None


def extract_vmlinux(bzimage):
    """The ELF file in a bzImage, which QEMU boots at once (PVH) where the bzImage would first unpack itself under
    emulation. The header's fields: Documentation/x86/boot.rst (setup_sects, payload_offset, payload_length)."""
    if bzimage[0x202:0x206] != b"HdrS":
        raise Unavailable("the kernel package's vmlinuz is not a bzImage")
    start = (bzimage[0x1F1] + 1) * 512
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    payload = bzimage[start + offset : start + offset + length]
    if payload.startswith(b"\xfd7zXZ\x00"):
        vmlinux = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload)  # the length behind it is left over
    elif payload.startswith(b"\x1f\x8b"):
        vmlinux = gzip.decompress(payload[:-4])
    else:
        raise Unavailable(f"the kernel is packed in a way not known here (magic {payload[:4].hex()})")
    if not vmlinux.startswith(b"\x7fELF"):
        raise Unavailable("no ELF file came out of the kernel package's vmlinuz")
    return vmlinux


class Kernel:
    """An unpacked kernel: its vmlinux, and its modules with what they depend on."""

    def __init__(self, directory):
        self.vmlinux = directory / "vmlinux"
        self._builtin = set()
        self._files = {}
        [modules] = (directory / "lib/modules").iterdir()
        for line in (modules / "modules.builtin").read_text().split():
            self._builtin.add(_module_name(line))
        for file in modules.rglob("*.ko"):
            self._files[_module_name(file)] = file

    def in_order(self, names):
        """The files of these modules and of all that they depend on, each after what it depends on."""
        ordered = {}
        for name in names:
            self._add(_module_name(name), ordered)
        return list(ordered.values())

    def _add(self, name, ordered):
        if name in ordered or name in self._builtin:
            return
        if name not in self._files:
            raise Unavailable(f"the kernel package has no module {name}")
        for needed in _dependencies(self._files[name]):
            self._add(needed, ordered)
        ordered[name] = self._files[name]


def _module_name(path):
    return Path(path).name.removesuffix(".ko").replace("-", "_")


def _dependencies(file):
    """From the module's .modinfo section: what depmod(8) would find, without installing it."""
    [depends] = re.findall(rb"\0depends=([^\0]*)\0", file.read_bytes()) or [b""]
    return [_module_name(one) for one in depends.decode().split(",") if one]


def _fetch(package, directory, finish=lambda _: None):
    """Into a directory beside the final one, which appears only when all is there. finish: what is done with it before."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise Unavailable(f"no apt-get and dpkg here to fetch {package} with")
    with tempfile.TemporaryDirectory(dir=directory.parent) as name:
        made = Path(name)
        print(f"downloading and unpacking {package}", flush=True)
        # The lists' sandbox user may be unable to write here; apt says so on every download. It is no concern.
        _run("apt-get", "download", "-q", package, timeout=DOWNLOAD_S, cwd=made)
        [deb] = made.glob("*.deb")
        _run("dpkg", "-x", str(deb), str(made), timeout=UNPACK_S)
        deb.unlink()
        finish(made)
        shutil.rmtree(directory, ignore_errors=True)
        made.chmod(0o755)  # tests may run as another user later
        os.rename(made, directory)
        made.mkdir()  # for the context manager to take away


def _add_vmlinux(directory):
    [bzimage] = (directory / "boot").glob("vmlinuz-*")
    (directory / "vmlinux").write_bytes(extract_vmlinux(bzimage.read_bytes()))


def program(package, path, cache):
    """The machine's program, or that of a package ("usr/sbin/smartctl"), whose libraries must be there. Raises Unavailable."""
    if found := shutil.which(Path(path).name):
        return Path(found)
    if not (cache / package).is_dir():
        _fetch(package, cache / package)
    return cache / package / path


def kernel(cache):
    """The newest kernel that apt knows of; one fetched earlier is used again. Raises Unavailable."""
    cached = _newest(one.name for one in cache.iterdir()) if cache.is_dir() else None
    if cached is None:
        cached = _newest(_run("apt-cache", "pkgnames", "linux-image-6.1.0-", timeout=DOWNLOAD_S).split())
        if cached is None:
            raise Unavailable("apt knows no linux-image-6.1.0-NN-amd64 (Debian 12's); 'apt-get update' may help there")
        _fetch(cached, cache / cached, _add_vmlinux)
    return Kernel(cache / cached)
