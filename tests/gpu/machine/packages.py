"""The Debian packages that a machine without package access needs to build grit's GPU tests: brought there as files, and unpacked into folders of
the build, never into the system. What every Debian or Ubuntu has (the C and C++ libraries, Python) is not among them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

# By what they are for: a set is one folder of files, and one prefix.
SETS = {
    "grit": """libopenmpi-dev libopenmpi3 openmpi-bin openmpi-common libpmix2 libmunge2 libevent-core-2.1-7 libevent-pthreads-2.1-7
        libhwloc-dev libhwloc15 libudev1 libnl-3-dev libnl-3-200 libnl-route-3-dev libnl-route-3-200
        libnftables-dev libnftables1 libnftnl11 libmnl0 libxtables12 libjansson4 libgmp10
        liblua5.4-dev liblua5.4-0 libzmq3-dev cppzmq-dev libzmq5 libsodium23 libpgm-5.3-0 libnorm1
        libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1 libcom-err2 libbsd0 libmd0
        libcli11-dev nlohmann-json3-dev libfmt-dev libfmt9 libexpected-dev libopenblas-pthread-dev libopenblas0-pthread libgfortran5 libquadmath0
        libjs-vega catch2 pkgconf-bin pkgconf libpkgconf3 ninja-build""".split(),
    # Only used where there is no CMake of 3.25 or newer, together with the libraries above.
    "cmake": """cmake cmake-data libarchive13 libjsoncpp25 librhash0 libuv1 libcurl4 libexpat1 libbrotli1 libicu72 libidn2-0 libldap-2.5-0
        libnghttp2-14 libpsl5 librtmp1 libsasl2-2 libssh2-1 libssl3 libunistring2 libxml2 libgnutls30 libhogweed6 libnettle8 libp11-kit0 libffi8
        libtasn1-6 liblz4-1 liblzma5 libzstd1 libbz2-1.0 libacl1""".split(),
}
CMAKE_NEEDED = (3, 25)
ARCHITECTURE = "x86_64-linux-gnu"


def bring(directory, say):
    """Downloads the files, with apt, on a machine that has package access, Debian 12 by these names."""
    total = 0
    for name, packages in SETS.items():
        folder = directory / name
        folder.mkdir(parents=True, exist_ok=True)
        here = {re.sub("_.*", "", p.name) for p in folder.glob("*.deb")}
        missing = [package for package in packages if package not in here]
        say(f"{name}: {len(packages)} packages, {len(missing)} to download")
        if missing:  # by the versions of this machine's lists; into the current folder, as whoever may write there
            subprocess.run(["apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", *missing], cwd=folder, check=True)
        total += sum(p.stat().st_size for p in folder.glob("*.deb"))
    say(f"{total / 2**20:.1f} MiB in {directory}")


def unpack(debs, prefix):
    """What one set's files hold, below `prefix`. How many there were."""
    files = sorted(debs.glob("*.deb"))
    stamp = prefix / ".unpacked"
    names = "\n".join(f.name for f in files)
    if files and stamp.is_file() and stamp.read_text() == names:
        return len(files)
    shutil.rmtree(prefix, ignore_errors=True)
    # As on a system whose /lib is /usr/lib, which the descriptions of libraries count on.
    (prefix / "usr/lib").mkdir(parents=True)
    (prefix / "lib").symlink_to("usr/lib")
    for file in files:
        unpack_one(file, prefix)
    # What a library needs only to be linked statically is in packages that nobody brought, and pkg-config insists on it.
    for description in prefix.glob("usr/lib/*/pkgconfig/*.pc"):
        description.write_text(re.sub(r"(?m)^Requires\.private:.*$", "", description.read_text()))
    stamp.write_text(names)
    return len(files)


def unpack_one(file, prefix):
    """By dpkg-deb, else by ar, which comes with every compiler."""
    if shutil.which("dpkg-deb"):
        command, how = ["dpkg-deb", "--fsys-tarfile", file], []
    else:
        members = subprocess.run(["ar", "t", file], check=True, capture_output=True, text=True).stdout.split()
        data = next(m for m in members if m.startswith("data.tar"))
        command, how = ["ar", "p", file, data], [{".xz": "--xz", ".zst": "--zstd", ".gz": "--gzip"}[Path(data).suffix]]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as source:
        subprocess.run(["tar", "--extract", *how, "--keep-directory-symlink", "--directory", prefix], stdin=source.stdout, check=True)
    if source.returncode != 0:
        raise OSError(f"{' '.join(map(str, command))} failed")


def is_cmake_enough():
    """One in PATH that is new enough."""
    found = shutil.which("cmake")
    if not found:
        return False
    text = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"version (\d+)\.(\d+)", text)
    return bool(version) and tuple(map(int, version.groups())) >= CMAKE_NEEDED


class Prefix:
    """Where the unpacked files are; how a build and what it built find them."""

    def __init__(self, root):
        self.root = root
        self.library = root / "usr/lib" / ARCHITECTURE

    def is_there(self):
        return self.library.is_dir()

    def libraries(self):
        folders = ["", "openblas-pthread", "pmix2/lib"]
        return [str(self.library / f) for f in folders]

    def environment(self, environment):
        """The same with programs and libraries from here. Open MPI knows where it lies by OPAL_PREFIX (its FAQ, "relocatable"), PMIx by
        PMIX_INSTALL_PREFIX; what they can load and no package was brought for is not worth a warning."""
        made = dict(environment)
        made["PATH"] = f"{self.root}/usr/bin:{made['PATH']}"
        made["LD_LIBRARY_PATH"] = ":".join([*self.libraries(), *filter(None, [made.get("LD_LIBRARY_PATH")])])
        made["PKG_CONFIG_SYSROOT_DIR"] = str(self.root)
        folders = [self.library / "pkgconfig", self.library / "openblas-pthread/pkgconfig", self.root / "usr/share/pkgconfig"]
        made["PKG_CONFIG_LIBDIR"] = ":".join(map(str, folders))
        made["OPAL_PREFIX"] = f"{self.root}/usr"
        made["OPAL_LIBDIR"] = str(self.library / "openmpi/lib")
        made["OPAL_SYSCONFDIR"] = f"{self.root}/etc/openmpi"
        made["PMIX_INSTALL_PREFIX"] = str(self.library / "pmix2")
        made["OMPI_MCA_mca_base_component_show_load_errors"] = "0"
        made["PMIX_MCA_mca_base_component_show_load_errors"] = "0"
        return made

    def cmake_options(self):
        """Headers come from here before the system's own; the compiler's wrappers of Open MPI have the system's paths in them and are not asked."""
        include = f"-isystem {self.root}/usr/include -isystem {self.root}/usr/include/{ARCHITECTURE}"
        openmpi = self.library / "openmpi"
        return [
            f"-DCMAKE_PREFIX_PATH={self.root}/usr",
            f"-DCMAKE_C_FLAGS={include}",
            f"-DCMAKE_CXX_FLAGS={include}",
            "-DMPI_SKIP_COMPILER_WRAPPER=ON",
            "-DMPI_C_LIB_NAMES=mpi",
            f"-DMPI_mpi_LIBRARY={openmpi}/lib/libmpi.so",
            f"-DMPI_C_HEADER_DIR={openmpi}/include",
            f"-DMPIEXEC_EXECUTABLE={self.root}/usr/bin/mpirun.openmpi",
            f"-DGRIT_VEGA_DIR={self.root}/usr/share/javascript/vega",
            f"-DPKG_CONFIG_EXECUTABLE={self.root}/usr/bin/pkgconf",
        ]


class CmakePrefix:
    """A CMake that was brought; its libraries are for it alone."""

    def __init__(self, root, others):
        self.root, self.others = root, others

    def command(self):
        library = ":".join(f"{root}/usr/lib/{ARCHITECTURE}" for root in (self.root, self.others))
        return ["env", f"LD_LIBRARY_PATH={library}:{os.environ.get('LD_LIBRARY_PATH', '')}", f"{self.root}/usr/bin/cmake"]
