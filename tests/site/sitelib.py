"""A cluster that grit did not make: nodes of namespaces, and on them either a real Slurm or an sshd each.

A node has its own network (one management NIC, one or more data NICs), host name, processes, /tmp, /dev/shm, /run and /var; what
all share is the kernel, the cores, and /srv, which is the site's shared file system. The head has the bridges, slurmctld and munged, and is where jobs
are launched from. Everything lives in namespaces of the site's own, so the machine's network, mounts and processes stay as they
are; its pid namespace ends with the test, however the test ends, and takes everything along.

A test writes below /srv, and reads the same files from outside through Site.path().
"""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))
from gritlib import GRIT, SOURCE, children_of, skip  # noqa: E402

COMMON_PROGRAMS = ("unshare", "nsenter", "setpriv", "ip", "mpirun")
PROGRAMS = {
    "slurm": ("slurmctld", "slurmd", "srun", "munged"),
    "ssh": ("sshd", "ssh-keygen"),
}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USER_ID = 60123  # of the site's ordinary user, "guest"
UP_LIMIT_S = 60.0  # for daemons on a machine that is busy with something else; they need 2 s


@dataclasses.dataclass(frozen=True)
class Layout:
    """What the nodes look like."""

    nodes: int = 4
    data_nics: int = 1
    bond: bool = False  # the data NIC is a VLAN on a bond of two NICs
    ipv6_only: bool = False
    shared_runs: bool = True  # false: /srv/runs is each node's own
    memory_limit_bytes: int = 0  # of a control group around each node; 0: none

    def management_address(self, node):
        return f"fd78::{node + 10:x}" if self.ipv6_only else f"10.78.0.{node + 10}"

    def data_address(self, node, nic=0):
        return f"fd78:{nic + 1}::{node + 10:x}" if self.ipv6_only else f"10.78.{nic + 1}.{node + 10}"

    @property
    def head_address(self):
        return "fd78::1" if self.ipv6_only else "10.78.0.1"

    @property
    def prefix(self):
        return 64 if self.ipv6_only else 24

    @property
    def wires(self):
        """Of a node, besides the management NIC's."""
        return 2 if self.bond else self.data_nics

    def data_nic(self, nic=0):
        return "bond0.7" if self.bond else f"ens{nic + 1}"


MANAGEMENT_NIC = "eno1"
GRIT_HERE = "/srv/bin/grit"  # on every node; in nobody's PATH by itself

# Runs as process 1 of the site. Parameters: grit, its source.
HEAD = """
set -e
mount -t tmpfs -o mode=755 srv /srv
mkdir -p /srv/bin /srv/scenarios /srv/scripts /srv/log /srv/state /srv/etc/slurm /srv/etc/ssh
mkdir -m 1777 /srv/runs
touch /srv/bin/grit
mount --bind "$1" /srv/bin/grit
mount --bind "$2/scenarios" /srv/scenarios
mount --bind "$2/scripts" /srv/scripts
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/netns /run/munge /run/sshd
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=1777 shm /dev/shm
hostname head
ip link set lo up
echo ready
trap '' CHLD
exec sleep infinity
"""

# On the head, once the files are there.
LAY_OVER_ETC = """
for name in passwd group hosts; do mount --bind /srv/etc/$name /etc/$name; done
for name in slurm ssh; do mkdir -p /etc/$name; mount --bind /srv/etc/$name /etc/$name; done
"""

# Runs as process 1 of a node. Parameters: host name; "own_runs" when /srv/runs is not shared with it.
NODE = """
set -e
hostname "$1"
mount -t proc proc /proc
mount --rbind /sys/fs/cgroup /srv/state/cgroup-$1
mount -t sysfs sysfs /sys
mount --move /srv/state/cgroup-$1 /sys/fs/cgroup
mount --bind /run/munge /srv/state/munge-$1
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/munge /run/sshd
mount --move /srv/state/munge-$1 /run/munge
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=755 var /var/lib
mount -t tmpfs -o mode=755 spool /var/spool
mount -t tmpfs -o mode=755 log /var/log
if [ "$2" = own_runs ]; then mount -t tmpfs -o mode=1777 runs /srv/runs; fi
ip link set lo up
echo ready
trap '' CHLD
exec sleep infinity
"""


class SiteError(Exception):
    """The site did not come up, or a daemon of it ended; with the daemons' own words."""


def need(launcher):
    """Skips the test, aloud, where this launcher's site cannot be."""
    if os.geteuid() != 0:
        skip("the site needs root: it mounts, and its daemons run as root")
    missing = [name for name in (*COMMON_PROGRAMS, *PROGRAMS[launcher]) if shutil.which(name, path=PATH) is None]
    if missing:
        skip(f"not installed: {', '.join(missing)} (scripts/packages tests)")


def wait_for(what, condition, limit_s, *, poll_s=0.02, alive=lambda: None):
    """Waits until the condition holds, and returns what it returned. alive: raises when waiting has become pointless."""
    deadline = time.monotonic() + limit_s
    while True:
        if found := condition():
            return found
        alive()
        if time.monotonic() > deadline:
            raise SiteError(f"not within {limit_s:.0f} s: {what}")
        time.sleep(poll_s)


class Site:
    """Use as a context manager. launcher: "slurm" or "ssh". slurm_conf: lines added to slurm.conf."""

    def __init__(self, launcher, layout=Layout(), *, slurm_conf=()):
        need(launcher)
        self.launcher = launcher
        self.layout = layout
        self.names = [f"n{node}" for node in range(layout.nodes)]
        self._slurm_conf = slurm_conf
        self.up_states = {"idle"}  # of a node that is up; in an allocation others
        self.holder = None  # of the allocation
        self.allocation = {}  # its variables
        self._processes = []  # (what, Popen, log file or None), in the order of their start
        self._groups = {}  # node -> its control group, to be removed at the end
        self._head_pid = 0
        self._node_pids = {}

    def __enter__(self):
        started = time.monotonic()
        try:
            self._start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        print(f"site: {self.launcher} on {self.layout.nodes} nodes, up in {time.monotonic() - started:.1f} s", flush=True)
        return self

    def __exit__(self, kind, *_):
        if kind is not None and issubclass(kind, SiteError):
            self._print_logs()
        for _, process, _ in reversed(self._processes):
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        for group in self._groups.values():
            remove_group(group)

    # ── Running things ──

    def path(self, inside, node=None):
        """A path of the head (or a node), as seen from the test."""
        pid = self._head_pid if node is None else self._node_pids[node]
        return Path(f"/proc/{pid}/root") / str(inside).lstrip("/")

    def command(self, *words, node=None, user=None):
        """argv that runs words on the head, or on a node, as root or as the given user id."""
        pid = self._head_pid if node is None else self._node_pids[node]
        group = in_memory_group(self._groups[node]) if node in self._groups else []
        entered = [*group, "nsenter", f"--target={pid}", "--mount", "--net", "--uts", "--ipc", "--pid", "--wd=/srv", "--"]
        become = ["setpriv"] if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        return [*entered, *become, "--pdeathsig=KILL", "--", *map(str, words)]  # who kills nsenter means what it has started

    def start(self, *words, node=None, user=None, env=None, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self.command(*words, node=node, user=user), text=True, stdin=subprocess.DEVNULL,
                                start_new_session=True, env=self.environment(env), **options)  # fmt: skip

    def run(self, *words, expect=0, timeout=180, **options):
        """Runs words to their end. expect: the exit code that is right, several, or None for any."""
        process = self.start(*words, **options)
        try:
            process.out, process.err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.out, process.err = process.communicate()
            raise AssertionError(f"{words} did not end in {timeout} s\n{process.out}\n{process.err}") from None
        wanted = expect if isinstance(expect, (tuple, list)) else (expect,)
        assert expect is None or process.returncode in wanted, (
            f"{words}: exit code {process.returncode}, wanted {wanted}\n{process.out}\n{process.err}")  # fmt: skip
        return process

    def environment(self, extra=None):
        """A user's environment on this site; the Open MPI settings are what an administrator would put into openmpi-mca-params.conf."""
        names = ",".join(self.layout.data_nic(nic) for nic in range(self.layout.data_nics))
        environment = {
            "PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "LOGNAME": "root",
            "OMPI_MCA_btl": "tcp,vader,self", "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl_tcp_if_include": names,
            "OMPI_MCA_oob_tcp_if_include": MANAGEMENT_NIC + ",br-mgmt",
            # All nodes share the machine's few cores.
            "OMPI_MCA_mpi_yield_when_idle": "1",
        }  # fmt: skip
        return {**environment, **(extra or {})}

    def launch(self, ranks, *, bound=False, options=()):
        """The words that launch a command on all nodes with so many ranks in all, each bound to a core or not at all: srun's or mpirun's."""
        if self.launcher == "slurm":
            binding = "--cpu-bind=cores" if bound else "--cpu-bind=none"
            return ["srun", "--mpi=pmix", "--kill-on-bad-exit=1", binding, f"-N{self.layout.nodes}", f"-n{ranks}", "--distribution=block:cyclic", *options]
        slots = ranks // self.layout.nodes
        self.path("/srv/hosts").write_text("".join(f"{name} slots={slots}\n" for name in self.names))
        binding = "core" if bound else "none"
        return ["mpirun", "--allow-run-as-root", "--hostfile", "/srv/hosts", "-n", str(ranks), "--bind-to", binding, *options]

    # ── What runs on a node ──

    def processes(self, node):
        """pid (as the test sees it) -> command line, of everything on a node but its process 1; nothing once that is dead."""
        init = self._node_pids[node]
        if not os.path.exists(f"/proc/{init}/ns/pid"):
            return {}
        space = os.readlink(f"/proc/{init}/ns/pid")
        found = {}
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and int(entry) != init and os.readlink(f"/proc/{entry}/ns/pid") == space:
                    found[int(entry)] = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
        return {pid: [word.decode(errors="replace") for word in words if word] for pid, words in found.items()}

    def grit_processes(self, node):
        """All of grit's runs on a node; not `grit revert`, which an epilog may be at: one that is killed drains the node."""
        return [pid for pid, words in self.processes(node).items() if words and os.path.basename(words[0]) == "grit" and words[1:2] != ["revert"]]

    def agents(self, node):
        """The agents of grit on a node, without what they forked."""
        found = [pid for pid, words in self.processes(node).items() if is_grit(words, "agent")]
        return [pid for pid in found if parent(pid) not in found]

    def ranks(self, node):
        """grit's ranks on a node by their rank in the job."""
        found = {}
        for pid, words in self.processes(node).items():
            if not is_grit(words, "run", "rank", "replay"):
                continue
            try:
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for variable in variables:
                name, _, value = variable.partition(b"=")
                if name in (b"SLURM_PROCID", b"OMPI_COMM_WORLD_RANK"):
                    found.setdefault(int(value), pid)
        return found

    def daemon_pid(self, node):
        """slurmd or sshd of a node."""
        name = "slurmd" if self.launcher == "slurm" else "sshd"
        found = [pid for pid, words in self.processes(node).items() if words and (os.path.basename(words[0]) == name or is_listener(words))]
        return min(found)

    def restart_daemon(self, node):
        """slurmd or sshd of a node again, after a test has killed it."""
        self._start_node_daemon(node)
        self.wait_until_up()

    def end_node(self, node):
        """SIGKILL of everything on a node but slurmd or sshd, at once: the control group of a job, when it is killed whole."""
        kept = self.daemon_pid(node)
        pids = [pid for pid in self.processes(node) if pid != kept]
        for end in (signal.SIGSTOP, signal.SIGKILL):  # all stand still before the first dies, so that none sees another one end
            for pid in pids:
                try:
                    os.kill(pid, end)
                except ProcessLookupError:
                    pass

    def kill_node(self, node):
        """The whole node at once, as when its power fails."""
        os.kill(self._node_pids[node], signal.SIGKILL)
        self.forget(node)

    def forget(self, node):
        for what, process, log in list(self._processes):
            if what == node or what.endswith("-" + node):
                process.wait()
                self._processes.remove((what, process, log))

    def revive_node(self, node):
        """A node after a restart: nothing of before is there, its name and addresses aside."""
        index = self.names.index(node)
        wires = [f"m{index}", *(f"d{index}x{nic}" for nic in range(self.layout.wires))]
        gone = "\n".join(f"if ip link show {wire} >/dev/null 2>&1; then ip link del {wire}; fi" for wire in wires)  # or the kernel is about to
        self._on_head(f"{gone}\nip netns del {node}; rm -d /srv/state/*-{node}")
        self._start_node(index, node)
        self.restart_daemon(node)

    # ── Coming up ──

    def _start(self):
        head = ["setpriv", "--pdeathsig", "KILL", "unshare", "--kill-child", "--fork", "--pid", "--mount", "--mount-proc",
                "--net", "--uts", "--ipc", "sh", "-c", HEAD, "head", GRIT, str(SOURCE)]  # fmt: skip
        self._head_pid = self._start_init("head", head)
        self._write_etc()
        nodad = "nodad" if self.layout.ipv6_only else ""
        bridges = [f"ip link add br-data{nic} type bridge; ip link set br-data{nic} up" for nic in range(self.layout.data_nics)]
        self._on_head("\n".join([LAY_OVER_ETC, "ip link add br-mgmt type bridge; ip link set br-mgmt up",
                                 f"ip addr add {self.layout.head_address}/{self.layout.prefix} dev br-mgmt {nodad}", *bridges]))  # fmt: skip
        for index, name in enumerate(self.names):
            self._start_node(index, name)
        if self.launcher == "slurm":
            self._start_slurm()
        else:
            self._start_ssh()

    def _start_init(self, what, argv):
        """Starts a process 1 under unshare and returns its pid, once it has said that it is ready."""
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                                   start_new_session=True, env={"PATH": PATH})  # fmt: skip
        self._processes.append((what, process, None))
        said = []
        for line in process.stdout:
            if line == "ready\n":
                return children_of(process.pid)[-1]
            said.append(line)
        raise SiteError(f"{what} did not come up: {''.join(said).strip()}")

    def _on_head(self, script):
        self.run("sh", "-ec", script)

    def _start_node(self, index, name):
        layout = self.layout
        self._on_head(f"ip netns add {name}; mkdir /srv/state/cgroup-{name} /srv/state/munge-{name}")
        wires = [f"link add m{index} type veth peer name {MANAGEMENT_NIC} netns {name}", f"link set m{index} master br-mgmt up"]
        for nic in range(layout.wires):
            bridge = 0 if layout.bond else nic
            wires += [f"link add d{index}x{nic} type veth peer name ens{nic + 1} netns {name}",
                      f"link set d{index}x{nic} master br-data{bridge} up"]  # fmt: skip
        self._on_head("ip -batch - <<'END'\n" + "\n".join(wires) + "\nEND")
        own_runs = "shared_runs" if layout.shared_runs or index == 0 else "own_runs"
        argv = self.command("nsenter", f"--net=/run/netns/{name}", "unshare", "--kill-child", "--fork", "--pid", "--mount", "--uts", "--ipc",
                            "sh", "-c", NODE, "node", name, own_runs)  # fmt: skip
        if layout.memory_limit_bytes:
            argv = [*in_memory_group(self._make_group(name)), *argv]
        self._node_pids[name] = self._start_init(name, argv)
        self.run("sh", "-ec", self._node_addresses(index), node=name)

    def _node_addresses(self, index):
        layout, nodad = self.layout, "nodad" if self.layout.ipv6_only else ""
        lines = [f"ip addr add {layout.management_address(index)}/{layout.prefix} dev {MANAGEMENT_NIC} {nodad}",
                 f"ip link set {MANAGEMENT_NIC} up"]  # fmt: skip
        if layout.bond:
            lines += ["ip link add bond0 type bond mode active-backup miimon 100",
                      "ip link set ens1 master bond0", "ip link set ens2 master bond0",
                      "ip link set bond0 up", "ip link set ens1 up", "ip link set ens2 up",
                      "ip link add link bond0 name bond0.7 type vlan id 7"]  # fmt: skip
        for nic in range(layout.data_nics):
            lines += [f"ip addr add {layout.data_address(index, nic)}/{layout.prefix} dev {layout.data_nic(nic)} {nodad}",
                      f"ip link set {layout.data_nic(nic)} up"]  # fmt: skip
        return "\n".join(lines)

    def _make_group(self, name):
        group = make_group(f"grit-site-{os.getpid()}-{name}", self.layout.memory_limit_bytes)
        self._groups[name] = group
        return group

    def _start_daemon(self, what, *words, node=None):
        log = self.path("/srv/log") / f"{what}.log"
        with log.open("ab") as file:
            process = self.start(*words, node=node, stdout=file, stderr=subprocess.STDOUT)
        self._processes.append((what, process, log))
        return process

    def _daemons_alive(self):
        ended = [what for what, process, _ in self._processes if process.poll() is not None]
        if ended:
            raise SiteError(f"ended: {', '.join(ended)}")

    # ── Slurm ──

    def _start_slurm(self):
        self._start_daemon("munged", "munged", "--foreground", "--force", "--key-file=/etc/slurm/munge.key",
                           "--pid-file=/run/munge/munged.pid", "--seed-file=/run/munge/munged.seed")  # fmt: skip
        wait_for("munged's socket", lambda: self.path("/run/munge/munge.socket.2").exists(), UP_LIMIT_S, alive=self._daemons_alive)
        self._start_daemon("slurmctld", "slurmctld", "-D", "-i")
        for name in self.names:
            self._start_node_daemon(name)
        self.wait_until_up()

    def _start_node_daemon(self, name):
        if self.launcher == "slurm":
            self._start_daemon(f"slurmd-{name}", "slurmd", "-D", node=name)
        else:
            self._start_daemon(f"sshd-{name}", "/usr/sbin/sshd", "-D", "-e", node=name)

    def states(self):
        """Node name -> Slurm's word for its state."""
        listed = self.run("sinfo", "--noheader", "--Node", "-o", "%N %t", expect=None).out
        return dict(line.split() for line in listed.splitlines())

    def drain_reason(self, node):
        return self.run("sinfo", "--noheader", "-n", node, "-o", "%E").out.strip()

    def wait_until_up(self):
        """Until every daemon answers, and Slurm has no job left that is about to end."""
        if self.launcher == "ssh":
            for name in self.names:
                wait_for(f"sshd of {name}", lambda: self.run("ssh", name, "true", expect=None).returncode == 0, UP_LIMIT_S)
            return
        wait_for("all nodes idle", lambda: set(self.states().values()) <= self.up_states and len(self.states()) == self.layout.nodes, UP_LIMIT_S,
                 poll_s=0.1)  # fmt: skip

    # ── ssh ──

    def _start_ssh(self):
        for name in self.names:
            self._start_node_daemon(name)
        self.wait_until_up()

    # ── Files ──

    def _write_etc(self):
        etc = self.path("/srv/etc")
        (etc / "passwd").write_text(with_line("/etc/passwd", f"guest:x:{USER_ID}:{USER_ID}::/tmp:/bin/sh"))
        (etc / "group").write_text(with_line("/etc/group", f"guest:x:{USER_ID}:"))
        hosts = ["127.0.0.1 localhost", "::1 localhost", f"{self.layout.head_address} head"]
        hosts += [f"{self.layout.management_address(index)} {name}" for index, name in enumerate(self.names)]
        (etc / "hosts").write_text("\n".join(hosts) + "\n")
        if self.launcher == "slurm":
            self._write_slurm_etc(etc / "slurm")
        else:
            write_ssh_etc(etc / "ssh")

    def _write_slurm_etc(self, directory):
        key = directory / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        (directory / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        self.write_slurm_conf(self._slurm_conf)

    def write_slurm_conf(self, extra):
        """slurm.conf with these further lines; `scontrol reconfigure` makes a running site read it."""
        layout = self.layout
        lines = [
            "ClusterName=site", "SlurmctldHost=head", "SlurmUser=root", "SlurmdUser=root", "AuthType=auth/munge",
            "StateSaveLocation=/srv/state/slurmctld", "SlurmdSpoolDir=/var/spool/slurmd", "SlurmctldPidFile=/run/slurmctld.pid", "SlurmdPidFile=/run/slurmd.pid",
            "ProctrackType=proctrack/linuxproc", "TaskPlugin=task/affinity", "MpiDefault=none", "ReturnToService=2",
            "SelectType=select/cons_tres", "SelectTypeParameters=CR_Core", "SlurmdParameters=config_overrides",
            # A node that is silent is given up soon, and a job that is cancelled gets a second before SIGKILL.
            "SlurmdTimeout=10", "KillWait=1", "UnkillableStepTimeout=20", "MessageTimeout=5", "TreeWidth=64",
            *(["CommunicationParameters=EnableIPv6,DisableIPv4"] if layout.ipv6_only else []),
            *[f"NodeName={name} NodeAddr={layout.management_address(index)} CPUs=2 CoresPerSocket=2 RealMemory=512" for index, name in enumerate(self.names)],
            "PartitionName=all Nodes=ALL Default=YES OverSubscribe=FORCE:8 MaxTime=INFINITE State=UP",
            *extra,
        ]  # fmt: skip
        self.path("/srv/etc/slurm/slurm.conf").write_text("\n".join(lines) + "\n")

    # ── When it goes wrong ──

    def _print_logs(self):
        for what, process, log in self._processes:
            if log is None:
                continue
            try:
                lines = log.read_text(errors="replace").splitlines()[-8:]
            except OSError:
                lines = ["(its log went with the site)"]
            code = process.poll()
            print(f"── {what}, {'which runs' if code is None else f'which ended with {code}'}:", *lines, sep="\n", flush=True)


def is_grit(words, *subcommands):
    return len(words) > 1 and os.path.basename(words[0]) == "grit" and words[1] in subcommands


def is_listener(words):
    """sshd says what it is: "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"."""
    return words[0].startswith("sshd: ") and "[listener]" in words[0]


def parent(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def with_line(file, line):
    return Path(file).read_text().rstrip("\n") + "\n" + line + "\n"


def write_ssh_etc(directory):
    for name in ("host_key", "site_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    shutil.copy(directory / "site_key.pub", directory / "authorized_keys")
    (directory / "sshd_config").write_text(
        "HostKey /etc/ssh/host_key\nAuthorizedKeysFile /etc/ssh/authorized_keys\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
        "PasswordAuthentication no\nPidFile none\nMaxStartups 64\nLogLevel ERROR\n")
    (directory / "ssh_config").write_text(
        "Host *\n  IdentityFile /etc/ssh/site_key\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  BatchMode yes\n")


# ── Control groups: the machine's, version 1 or 2 ──

V1_MEMORY = Path("/sys/fs/cgroup/memory")
V2_ROOT = Path("/sys/fs/cgroup")


def make_group(name, limit_bytes):
    """A control group with this memory limit. Removes what a killed test left behind under such a name."""
    root = V1_MEMORY if (V1_MEMORY / "memory.limit_in_bytes").exists() else V2_ROOT
    for old in root.glob("grit-site-*"):
        if not Path(f"/proc/{old.name.split('-')[2]}").exists():
            remove_group(old)
    group = root / name
    if root == V2_ROOT:
        (root / "cgroup.subtree_control").write_text("+memory")
    group.mkdir()
    (group / ("memory.limit_in_bytes" if root == V1_MEMORY else "memory.max")).write_text(str(limit_bytes))
    return group


def in_memory_group(group):
    """Words that put what follows into a group of its own inside `group`, as Slurm and systemd do with a job."""
    script = 'mkdir -p "$0/job" && echo $$ > "$0/job/cgroup.procs" && exec "$@"'
    return ["sh", "-c", script, str(group)]


def remove_group(group):
    """With what is inside; its processes have just been killed and may still be on their way out."""
    deadline = time.monotonic() + 5
    while group.exists():
        try:
            for directory, _, _ in os.walk(group, topdown=False):
                os.rmdir(directory)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


# ── grit on the site ──

FLAP = """
local grit = require "grit"
return grit.scenario {
  name = "site_flap",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.005 },
  faults = { grit.fault.link_flap { on = 2, down = "400ms", after = "200ms" } },
  design = { pairs = 6, block = "900ms", link_test = true },
  checks = { grit.check.link_up {} },
  expect = { slowdown = { at_least = "10%" }, culprit = { node = 2, resource = "network" } },
}
"""

THROTTLE = """
local grit = require "grit"
return grit.scenario {
  name = "site_throttle",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.005, peak = "50 GFLOP/s" },
  faults = { grit.fault.gpu_throttle { on = 1, clock = "25%" } },
  design = { pairs = 6, block = "1s" },
  expect = { slowdown = { at_least = "5%" }, culprit = { node = 1 } },  -- eight ranks on two cores: which resource is short beside is another matter
}
"""

HEALTHY = """
local grit = require "grit"
return grit.scenario {
  name = "site_healthy",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.005 },
  design = { pairs = 6, block = "700ms" },
  expect = { slowdown = { at_most = "30%" } },
}
"""

# Nobody waits for it to end: it is there to be killed. Two nodes have a wrong MTU in every fault block, so that there is something
# to take off on nodes that nobody touches.
LONG = """
local grit = require "grit"
return grit.scenario {
  name = "site_long",
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.005 },
  faults = { grit.fault.link_mtu { on = { 1, 2 }, mtu = "1300B" } },
  design = { pairs = 100, block = "30s", warmup = 1 },
  expect = { slowdown = { at_most = "1000%" } },
}
"""


def write(site, name, text):
    site.path(f"/srv/{name}").write_text(text)
    return f"/srv/{name}"


def outside(site, run):
    """A run directory of the site, as the test sees it; of node 0 where each node has its own."""
    return site.path(run, node=site.names[0])


def node_state(site, node):
    """What a run must leave as it was on a node, as the system's own tools say it."""
    script = """ip -o link; ip -o addr show scope global; ip route; ip -6 route show proto static; tc qdisc show
                if command -v nft >/dev/null; then nft list ruleset; fi
                find /var/lib/grit/journal -type f 2>/dev/null || true"""
    said = site.run("sh", "-c", script, node=node).out.splitlines()
    kept = [" ".join(line.split()) for line in said]
    running = [" ".join(words) for words in site.processes(node).values() if words and os.path.basename(words[0]) == "grit"]
    return sorted(kept) + running


def site_state(site):
    return {node: node_state(site, node) for node in site.names}


def assert_no_residue(site, before, limit_s=15.0):
    """Fails when a node is not as it was, after a while: the kernel takes some things down asynchronously, and where srun kills a
    step at once, an agent whose recorder is gone, with nothing in force any more, has 6 s to say so, and the recorder misses an
    agent after 5 s."""
    deadline = time.monotonic() + limit_s
    while (after := site_state(site)) != before:
        if time.monotonic() > deadline:
            left = {node: (sorted(set(before[node]) ^ set(after[node]))) for node in before if before[node] != after[node]}
            raise AssertionError(f"not as it was before: {left}")
        time.sleep(0.1)


def allocate(site):
    """Holds all nodes, and goes on when one is lost. site.allocation is for the environment of what shall run in it."""
    script = "env > /srv/allocation.new; mv /srv/allocation.new /srv/allocation; exec sleep 3600"
    site.holder = site.start("salloc", "--no-kill", "--kill-command=KILL", f"--nodes={site.layout.nodes}", "--quiet", "sh", "-c", script)
    wait_for("the allocation", site.path("/srv/allocation").exists, 30)
    site.up_states = {"idle", "mix", "alloc"}
    lines = site.path("/srv/allocation").read_text().splitlines()
    site.allocation = dict(line.split("=", 1) for line in lines if line.startswith("SLURM_"))


def release(site):
    """Ends what allocate() holds."""
    site.run("scancel", "--full", site.allocation["SLURM_JOB_ID"])
    site.holder.communicate(timeout=60)
    site.up_states = {"idle"}


def run_grit(site, launch, *words, run, tries=3, **options):
    """grit run into the directory `run`. Open MPI now and then crashes in MPI_Init on a busy machine when it was started by srun
    (open-mpi/ompi issue 12495): a launch that ended so before grit had begun is made again, aloud."""
    for attempt in range(1, tries + 1):
        done = site.run(*launch, GRIT_HERE, "run", *words, "--out", run, expect=None, **options)
        if attempt == tries or "Segmentation fault" not in done.err or outside(site, run).exists():
            return done
        print(f"MPI_Init crashed in try {attempt} of {tries}: again", flush=True)


class Meanwhile(threading.Thread):
    """Looks until it has seen what is wanted, for as long as a block of the test lasts. Use as a context manager."""

    def __init__(self, look, wanted):
        super().__init__()
        self._look, self._wanted, self._over = look, wanted, threading.Event()
        self._seen = None

    def run(self):
        while not self._over.wait(0.1) and self._seen != self._wanted:
            self._seen = self._look()

    def __enter__(self):
        self.start()

    def __exit__(self, kind, *_):
        self._over.set()
        self.join()
        assert kind is not None or self._seen == self._wanted, f"last seen {self._seen}"


def run_until_clear(site, launch, scenario, run, *flags, tries=3, **options):
    """A run that must end reproduced; its directory, as the test sees it. A busy machine can make a run inconclusive, or its analysis name nobody; both
    are honest, and such a run is done again, aloud. Any other end is wrong at once."""
    for attempt in range(1, tries + 1):
        done = run_grit(site, launch, scenario, *flags, run=f"{run}-{attempt}", **options)
        print(done.out, flush=True)
        file = outside(site, f"{run}-{attempt}") / "verdict.json"
        assert file.exists(), f"no verdict: exit code {done.returncode}\n{done.err}"
        result = json.loads(file.read_text())
        if result["verdict"] == "reproduced":
            return file.parent
        unmet = [expectation["text"] for expectation in result["expectations"] if expectation["met"] is False]
        nobody = result["culprit"] is None and all(text.startswith("culprit") for text in unmet)
        assert attempt < tries and (result["verdict"] == "inconclusive" or nobody), f"{result}\n{done.err}"
        print(f"not clear in try {attempt} of {tries}: again", flush=True)
