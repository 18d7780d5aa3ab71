"""Machines for fault drills, made of network namespaces on this one: a bridge, and for each host a network, a host name, shared memory
and a folder for temporary files of its own. A launch agent stands where ssh would. All of it lives in namespaces of the driver
(`inside_namespaces`), which take everything with them when it ends.
"""
import os
import pathlib
import shutil
import subprocess
import sys

SPACES = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "--kill-child"]
NETWORK = "10.77.0"

AGENT = """#!/bin/sh
# HOST COMMAND: what ssh would do.
host="$1"
shift
exec nsenter --net="/run/netns/$host" unshare --uts --ipc --mount sh -c '
  hostname "$1" && mount -t tmpfs none /dev/shm && mkdir -p "$2" && export TMPDIR="$2" && exec sh -c "$3"' sh "$host" "{tmp}/tmp-$host" "$*"
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
        folder = pathlib.Path(folder)
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
        self.agent.write_text(AGENT.format(tmp=folder))
        self.agent.chmod(0o755)
        self.hostfile = folder / "hostfile"
        self.hostfile.write_text("".join(f"{name} slots=1\n" for name in self.names))
        self.environment = {"OMPI_MCA_plm_rsh_agent": str(self.agent), "TUTTI_INTERFACE": f"{NETWORK}.0/24"}

    def on_first(self, command):
        """The words that run a command on the first host."""
        quoted = " ".join("'" + str(word).replace("'", "'\\''") + "'" for word in command)
        return [str(self.agent), self.names[0], "exec " + quoted]

    def cut(self, name):
        _ip("link", "set", f"to-{name}", "down")

    def heal(self, name):
        _ip("link", "set", f"to-{name}", "up")
