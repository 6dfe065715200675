# SPDX-License-Identifier: MIT
"""An archive in an array of jobs of the real Slurm, while processes are killed, jobs requeued and a node
drained. Prints what it took."""

import json
import os
import random
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import programs
import pytest
import slurm
import sounds
from programs import (
    HEARKEN,
    RANDOM_MODELS,
    REAL_MODELS,
    REPOSITORY,
    deadly_decoder,
    environment,
    wait_until,
)
from sounds import LONG, SHORT, Pcm, write_wav

ITEMS, SHARDS, FORMS = 10_000, 40, 200
DISTURBANCES = 60
PAIRS, SAMPLE = 3, 500
RECURRENT, SMALL = RANDOM_MODELS["recurrent"], REAL_MODELS[2]
SCRIPT = REPOSITORY / "deploy" / "slurm" / "hearken.sbatch"
UNGUARDED = programs.unguarded_options()


# ---- The archive ----


def cut_header(file: Path) -> None:
    file.write_bytes(SHORT.read_bytes()[:60])


def huge_header(file: Path) -> None:
    """65,535 channels of 4,294,967,295 Hz, of which there are 4 GB."""
    head = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\xff\xff\xff\xff\xff\xff"
    file.write_bytes(head + b"\xff\xff\xff\xff\xff\xff\x20\0data\xff\xff\xff\xff")


def no_sound(file: Path) -> None:
    file.write_text("this is no sound at all\n" * 50)


def kills_decoder(file: Path) -> None:
    file.write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0KILLKILL" + bytes(1000))


POISONS = {
    "cut": (cut_header, "flac", "unreadable"),
    "huge": (huge_header, "wav", "unreadable"),
    "text": (no_sound, "wav", "unreadable"),
    "killer": (kills_decoder, "mp4", "crash"),
}


def make_archive(folder: Path) -> tuple[Path, dict[str, str]]:
    """A manifest of short recordings, links to the same few; and the class of each poison."""
    archive = folder / "archive"
    archive.mkdir()
    chance = random.Random(7)
    speech = [sounds.samples(file) for file in (SHORT, LONG)]
    for form in range(FORMS):
        words = speech[form % 2]
        count = int(chance.uniform(0.4, 1) * 16000)
        at = chance.randrange(len(words) - count)
        sound = Pcm(16000, 2, 1, words[at : at + count].tobytes())
        write_wav(archive / f"form-{form}.wav", sound)
    poisoned = chance.sample(range(ITEMS), 20)
    classes, lines = {}, []
    for i in range(ITEMS):
        name = f"{i:05}"
        if i in poisoned:
            make, ending, cause = list(POISONS.values())[poisoned.index(i) % len(POISONS)]
            file = archive / f"{name}.{ending}"
            make(file)
            classes[name] = cause
        else:
            file = archive / f"{name}.wav"
            os.link(archive / f"form-{i % FORMS}.wav", file)
        item = {"id": name, "url": str(file), "bytes": file.stat().st_size}
        lines.append(json.dumps(item) + "\n")
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(lines))
    return manifest, classes


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that all nodes see."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def outcome(out: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """The results, and the class of each recording without one."""
    results = {file.stem: file.read_bytes() for file in out.glob("*.json")}
    failed = {f.stem: json.loads(f.read_text())["class"] for f in (out / "failed").glob("*.json")}
    return results, failed


# ---- Disturbances ----


def processes_of(out: Path) -> list[int]:
    """Every hearken that works on the folder: those at work and those that watch them."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if words and words[0].endswith(b"/hearken") and os.fsencode(out) in words:
                found.append(int(entry.name))
    return found


def disturb(cluster: slurm.Cluster, out: Path, chance: random.Random) -> str:
    """Kills a process or requeues a job, one of those that run now."""
    if chance.random() < 0.2:
        running = [task for task, state in cluster.queue().items() if state == "RUNNING"]
        if running:
            cluster.run("scontrol", "requeue", chance.choice(running), check=False)
            return "requeued"
    found = processes_of(out)
    if found:
        with suppress(ProcessLookupError):
            os.kill(chance.choice(found), signal.SIGKILL)
            return "killed"
    return "missed"


def drain(cluster: slurm.Cluster) -> None:
    """Takes a node out, with what runs there, and gives it back when another one has gone on."""
    cluster.run("scontrol", "update", "nodename=two", "state=drain", "reason=test")
    there = cluster.run("squeue", "-h", "-w", "two", "--array", "-o", "%i").split()
    for task in there:
        cluster.run("scontrol", "requeue", task, check=False)
    wait_until(
        lambda: cluster.run("sinfo", "-h", "-n", "two", "-o", "%T").strip() == "drained",
        "the node to be drained",
        interval=0.2,
    )
    cluster.run("scontrol", "update", "nodename=two", "state=resume")


def disturb_until_done(cluster: slurm.Cluster, out: Path) -> dict[str, int]:
    """Something happens each time some more recordings are done; once, that a node is drained."""
    chance = random.Random(3)
    marks = sorted(chance.sample(range(50, ITEMS - 200), DISTURBANCES))
    drain_at = marks[DISTURBANCES // 2]
    counts = {"killed": 0, "requeued": 0, "missed": 0, "drained": 0}

    def done_or_idle(mark: int) -> bool:
        return len(os.listdir(out)) >= mark or not cluster.queue()

    wait_until(out.exists, "the first task", interval=0.1)
    for mark in marks:
        wait_until(lambda mark=mark: done_or_idle(mark), f"{mark} results", 300, 0.05)
        counts[disturb(cluster, out, chance)] += 1
        if mark == drain_at:
            drain(cluster)
            counts["drained"] += 1
    wait_until(lambda: not cluster.queue(), f"the end\n{cluster.logs()}", 400, 0.5)
    return counts


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start Slurm's daemons")
def test_ten_thousand_recordings(shared: Path) -> None:
    """Each good one has its result once, the same bytes as in a single run, and each bad one is named."""
    assert slurm.is_installed(), "Slurm is missing: apt-get install slurm-wlm munge"
    manifest, classes = make_archive(shared)
    options = ["--model", str(RECURRENT), *UNGUARDED]
    variables = {"HEARKEN_DECODER": str(deadly_decoder(shared))}
    alone, out = shared / "alone", shared / "results"
    began = time.monotonic()
    single = [str(HEARKEN), "batch", "--manifest", str(manifest), "--output", str(alone), *options]
    subprocess.run(single, env=environment(shared, variables), check=True, stderr=subprocess.PIPE)
    single_seconds = time.monotonic() - began
    with slurm.cluster(shared) as cluster:
        began = time.monotonic()
        exported = variables | {"MANIFEST": manifest, "OUTPUT": out, "HEARKEN": HEARKEN}
        cluster.run(
            "sbatch",
            "--array=0-39%4",
            "--cpus-per-task=1",
            "--mem=0",
            f"--output={shared}/task-%a.txt",
            "--export=ALL," + ",".join(f"{name}={value}" for name, value in exported.items()),
            SCRIPT,
            *options,
        )
        counts = disturb_until_done(cluster, out)
        seconds = time.monotonic() - began
        said = "".join(file.read_text() for file in shared.glob("task-*.txt"))
        restarts = said.count("published and")
    print(
        f"\n{ITEMS} recordings in {SHARDS} shards: {seconds:.0f} s, alone {single_seconds:.0f} s; "
        f"{counts}, {restarts} runs to their end"
    )
    for number in range(1, SHARDS + 1):
        assert (out / f"_SUCCESS.{number}-of-{SHARDS}").exists(), said[-3000:]
    expected, expected_failed = outcome(alone)
    results, failed = outcome(out)
    assert expected_failed == classes and len(classes) == 20
    assert failed == classes
    assert len(results) == ITEMS - len(classes)
    assert results == expected
    assert counts["killed"] >= 20 and counts["drained"] == 1 and counts["requeued"] > 0
    for part in ("attempts", "partial"):
        assert not list((out / part).iterdir())
    status = json.loads(cluster.run(HEARKEN, "batch", "status", "--json", out))
    assert status["left"] == 0 and status["shards_finished"] == SHARDS


# ---- What it costs ----


def processor_seconds(command: Sequence[str], folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment(folder), check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_overhead(shared: Path) -> None:
    """Beside `hearken transcribe` of the same recordings, with a model that people use.

    Processor time depends on what else runs, so the least of the pairs is judged: an overhead is in all.
    """
    manifest, classes = make_archive(shared)
    lines = [
        line for line in manifest.read_text().splitlines() if json.loads(line)["id"] not in classes
    ]
    some = shared / "some.jsonl"
    some.write_text("".join(f"{line}\n" for line in lines[:SAMPLE]))
    files = [json.loads(line)["url"] for line in lines[:SAMPLE]]
    common = ["--model", str(SMALL), "--threads", "1"]
    plain = [str(HEARKEN), "transcribe", "--local", "-j", "2", "-f", "json", "-q", *common, *files]
    shares = []
    for pair in range(PAIRS):
        out = shared / f"out-{pair}"
        batch = [str(HEARKEN), "batch", "--manifest", str(some), "--output", str(out), "-j", "2"]
        first = processor_seconds(plain, shared)
        shares.append(processor_seconds([*batch, *common], shared) / first - 1)
        assert len(list(out.glob("*.json"))) == SAMPLE
    shares.sort()
    least, median, most = (f"{100 * shares[i]:.1f}" for i in (0, PAIRS // 2, -1))
    print(f"\nhearken batch takes {median} % more than hearken transcribe ({least} to {most})")
    assert shares[0] < 0.05
