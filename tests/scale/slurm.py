# SPDX-License-Identifier: MIT
"""A Slurm on this machine: munged, slurmctld and two nodes, in a folder and on ports of their own.
Needs root."""

import contextlib
import os
import random
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from programs import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "sinfo")

# How long a requeued job waits: until its last start's credential is worth nothing.
CREDENTIAL_SECONDS = 5

CONFIGURATION = """\
ClusterName=hearken
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={credential}
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=100000
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
KillWait=30
MaxArraySize=1001
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 State=UNKNOWN
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 State=UNKNOWN
PartitionName=all Nodes=one,two Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def is_installed() -> bool:
    return all(shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") for name in PROGRAMS)


@dataclass
class Cluster:
    folder: Path

    def environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.folder),
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }

    def run(self, *arguments: str | Path, check: bool = True) -> str:
        result = subprocess.run(
            [str(word) for word in arguments],
            env=self.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert not check or result.returncode == 0, (arguments, result.stdout, result.stderr)
        return result.stdout

    def queue(self) -> dict[str, str]:
        """The state of each task that is not done: {"12_3": "RUNNING"}."""
        lines = self.run("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def logs(self) -> str:
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text()[-3000:]}" for file in files)


def start(folder: Path, name: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    with (folder / f"{name}.out.log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"SLURM_CONF": str(folder / "slurm.conf"), "PATH": os.environ["PATH"]},
        )


def free_ports(count: int) -> list[int]:
    """Below those that the kernel gives to connections, of which there are many beside this test."""
    found: list[int] = []
    with contextlib.ExitStack() as probes:
        for port in random.sample(range(20_000, 30_000), 1000):
            probe = probes.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("", port))
                found.append(port)
            if len(found) == count:
                break
    return found


def cgroup_plugin() -> str:
    """One that asks nothing of the machine."""
    said = subprocess.run(["slurmd", "-V"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(part) for part in said.split()[-1].split(".")[:2])
    return "disabled" if version >= (23, 11) else "cgroup/v1"


def munged(folder: Path) -> list[str]:
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    return [
        "munged",
        "--foreground",
        "--force",
        f"--socket={folder}/munge.socket",
        f"--key-file={key}",
        f"--log-file={folder}/munged.log",
        f"--pid-file={folder}/munged.pid",
        f"--seed-file={folder}/munged.seed",
    ]


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Running, with two nodes of one processor each."""
    (folder / "state").mkdir()
    for node in ("one", "two"):
        (folder / f"spool-{node}").mkdir()
    ports = free_ports(3)
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            folder=folder,
            host=socket.gethostname().split(".")[0],
            ports=ports,
            credential=CREDENTIAL_SECONDS,
        )
    )
    (folder / "cgroup.conf").write_text(f"CgroupPlugin={cgroup_plugin()}\n")
    found = Cluster(folder)
    started = []
    try:
        started.append(start(folder, "munged", munged(folder)))
        wait_until((folder / "munge.socket").exists, "munged")
        started.append(start(folder, "slurmctld", ["slurmctld", "-D", "-i"]))
        started += [start(folder, f"slurmd-{n}", ["slurmd", "-D", "-N", n]) for n in ("one", "two")]

        def ready() -> bool:
            assert all(process.poll() is None for process in started), found.logs()
            return found.run("sinfo", "-h", "-o", "%D %T", check=False).strip() == "2 idle"

        wait_until(ready, f"two idle nodes\n{found.logs()}", seconds=60, interval=0.2)
        yield found
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()
