"""Machines for fault drills, made of network namespaces on this one: a bridge, and for each host a network, a host name, shared memory
and a disk (a folder, for temporary files too) of its own. A launch agent stands where ssh would. All of it lives in namespaces of the driver
(`inside_namespaces`), which take everything with them when it ends.
"""
import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import sys

SPACES = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "--kill-child"]
NETWORK = "10.77.0"

AGENT = """#!/bin/sh
# HOST COMMAND: what ssh would do.
host="$1"
shift
exec nsenter --net="/run/netns/$host" unshare --uts --ipc --mount sh -c '
  hostname "$1" && mount -t tmpfs none /dev/shm && mount --rbind "$2" {local} && export TMPDIR="$2" && exec sh -c "$3"' \\
  sh "$host" "{tmp}/tmp-$host" "$*"
"""


def why_not():
    """Why this machine has no such hosts; nothing when it has."""
    if os.geteuid() != 0:
        return "needs root, for namespaces"
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for tool in ("ip", "nsenter", "unshare"):
        if not shutil.which(tool):
            return f"no {tool}"
    probe = ["unshare", *SPACES, "sh", "-c", "ip link add br0 type bridge && ip link add to-a type veth peer name to-b"]
    if subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return "this machine does not let root make namespaces, bridges and veth pairs"
    return ""


def inside_namespaces():
    """Runs this program again inside of namespaces of its own; ends with its code. Returns at once where it is inside."""
    if os.environ.get("TUTTI_DRILLS_INSIDE"):
        return
    done = subprocess.run(["unshare", *SPACES, sys.executable, *sys.argv], env={**os.environ, "TUTTI_DRILLS_INSIDE": "1"}, check=False)
    sys.exit(done.returncode)


def _ip(*words):
    subprocess.run(["ip", *words], check=True)


class Hosts:
    """`names` of hosts that mpirun finds in `hostfile`, a rank each. mpirun itself runs on the first one."""

    def __init__(self, folder, number):
        self.names = [f"h{i}" for i in range(number)]
        self.folder = folder = pathlib.Path(folder)
        table = folder / "hosts"
        table.write_text("127.0.0.1 localhost\n" + "".join(f"{NETWORK}.{i + 1} {name}\n" for i, name in enumerate(self.names)))
        subprocess.run(["mount", "--bind", table, "/etc/hosts"], check=True)
        pathlib.Path("/run/netns").mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run/netns"], check=True)
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "hosts", "type", "bridge")
        _ip("link", "set", "hosts", "up")
        for i, name in enumerate(self.names):
            _ip("netns", "add", name)
            _ip("link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", f"to-{name}", "master", "hosts", "up")
            _ip("-n", name, "addr", "add", f"{NETWORK}.{i + 1}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        self.agent = folder / "agent"
        self.local = folder / "local"  # every host's own folder, under one name
        for place in (self.local, *(self.disk_of(name) for name in self.names)):
            place.mkdir()
        self.agent.write_text(AGENT.format(tmp=folder, local=self.local))
        self.agent.chmod(0o755)
        self.hostfile = folder / "hostfile"
        self.hostfile.write_text("".join(f"{name} slots=1\n" for name in self.names))
        self.environment = {"OMPI_MCA_plm_rsh_agent": str(self.agent), "TUTTI_INTERFACE": f"{NETWORK}.0/24"}

    def disk_of(self, name):
        """What a host sees as `local`."""
        return self.folder / f"tmp-{name}"

    def hostfile_of(self, slots):
        """A hostfile with {name: slots}."""
        path = self.folder / ("hostfile-" + "-".join(f"{name}-{number}" for name, number in slots.items()))
        path.write_text("".join(f"{name} slots={number}\n" for name, number in slots.items()))
        return path

    def on(self, name, command):
        """The words that run a command on a host."""
        return [str(self.agent), name, "exec " + shlex.join(str(word) for word in command)]

    def address(self, name):
        return f"{NETWORK}.{self.names.index(name) + 1}"

    def reach_driver(self, address, name):
        """Gives the driver's own machine a name, and an address that the hosts know by it."""
        socket.sethostname(name)
        _ip("addr", "add", f"{address}/24", "dev", "hosts")
        with open("/etc/hosts", "a", encoding="utf-8") as table:
            table.write(f"{address} {name}\n")

    def cut(self, name):
        _ip("link", "set", f"to-{name}", "down")

    def heal(self, name):
        _ip("link", "set", f"to-{name}", "up")
