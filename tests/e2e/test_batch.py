# SPDX-License-Identifier: MIT
"""`hearken batch`: archives, in shards, whatever ends the processes that work on them."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import programs
import pytest
import sounds
from programs import (
    DECODER,
    PATIENCE,
    RANDOM_MODELS,
    deadly_decoder,
    environment,
    run,
    running,
    succeed,
    unguarded_options,
    wait_until,
)
from sounds import LONG, SHORT, pcm, write_wav

RECURRENT = RANDOM_MODELS["recurrent"]
AGAIN = 75
# Borders are where there is a pause, and a random network takes all for speech.
IN_PIECES = ("--set", "segment_seconds=3")

Item = dict[str, Any]


def write_manifest(folder: Path, items: Sequence[Item]) -> Path:
    file = folder / "manifest.jsonl"
    file.write_text("".join(json.dumps(item) + "\n" for item in items))
    return file


def command(folder: Path, *options: str | Path, model: Path = RECURRENT) -> list[str | Path]:
    """On the manifest in the folder, into its folder "out"."""
    manifest = ("--manifest", folder / "manifest.jsonl", "--output", folder / "out")
    return ["batch", *manifest, "--model", model, *unguarded_options(), *options]


def batch(
    folder: Path,
    *options: str | Path,
    status: int = 0,
    model: Path = RECURRENT,
    extra: Mapping[str, str] | None = None,
) -> str:
    """Runs it to its end; returns what it says on standard error."""
    result = run(*command(folder, *options, model=model), folder=folder, extra_environment=extra)
    said = result.stderr.decode(errors="replace")
    assert result.returncode == status, said
    assert result.stdout == b""
    return said


def results(folder: Path, out: str = "out") -> dict[str, bytes]:
    return {file.stem: file.read_bytes() for file in (folder / out).glob("*.json")}


def failures(folder: Path) -> dict[str, str]:
    """The class of each recording that was given up."""
    found = {}
    for file in (folder / "out" / "failed").glob("*.json"):
        found[file.stem] = json.loads(file.read_text())["class"]
    return found


def leftovers(folder: Path) -> list[str]:
    """What must not be there when all is done."""
    out = folder / "out"
    aside = [file.name for file in out.rglob("*.tmp.*")]
    return aside + [
        file.name for part in ("attempts", "partial") for file in (out / part).iterdir()
    ]


def several(folder: Path, count: int) -> list[Item]:
    """Recordings that differ, between half a second and two seconds long."""
    made = random.Random(5)
    items = []
    for i in range(count):
        file = folder / f"{i}.wav"
        write_wav(file, pcm(SHORT).first(made.uniform(0.5, 2)))
        items.append({"id": f"item-{i}", "url": str(file), "bytes": file.stat().st_size})
    return items


def long_recording(folder: Path, times: int = 60) -> Path:
    """Of which a random network has something to do."""
    sound = pcm(LONG)
    return write_wav(folder / "long.wav", sounds.Pcm(16000, 2, 1, sound.data * times))


def working(folder: Path, item: str) -> int | None:
    """The process that has begun with an item last and has not ended it."""
    with suppress(OSError, IndexError, ValueError):
        word, _, *pid = (folder / "out/attempts" / item).read_text().splitlines()[-1].split()
        if word == "start":
            return int(pid[0])
    return None


# ---- Results ----


def test_results_are_those_of_transcribe(hearken, folder: Path) -> None:
    write_manifest(
        folder,
        [
            {"id": "short", "url": str(SHORT)},
            {"id": "long", "url": f"file://{LONG}", "options": {"beam_width": 1}},
            {"url": str(LONG)},
        ],
    )
    said = batch(folder, "--workers", "2")
    assert "3 published and 0 failed (0 of them before), 0 left" in said
    found = {name: json.loads(text) for name, text in results(folder).items()}
    by_hand = [
        ("short", SHORT, ()),
        ("long", LONG, ("--beam", "1")),
        (next(name for name in found if name not in ("short", "long")), LONG, ()),
    ]
    for name, file, options in by_hand:
        local = ("transcribe", "--local", "-m", RECURRENT, *unguarded_options(), "-f", "json")
        alone = json.loads(hearken(*local, *options, file))
        header = found[name].pop("batch")
        assert found[name] == alone | {"file": header["url"]}
        assert header["id"] == name and header["hearken"] == "0.1.0"
        assert header["recording"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert header["model"]["sha256"] == hashlib.sha256(RECURRENT.read_bytes()).hexdigest()
        assert ("beam_width" in header["options"]) == bool(options)
    counts = json.loads((folder / "out/_SUCCESS.1-of-1").read_text())
    assert (counts["items"], counts["published"], counts["failed"]) == (3, 3, 0)
    assert leftovers(folder) == []


def test_what_matches_is_skipped(folder: Path) -> None:
    """By the recording's bytes, the model and the options, not by a name alone."""
    file = folder / "a.flac"
    shutil.copy(SHORT, file)
    write_manifest(folder, [{"id": "a", "url": str(file)}])
    result = folder / "out" / "a.json"

    def changes(*options: str, model: Path = RECURRENT) -> bool:
        before = result.stat().st_ino, result.read_bytes()
        said = batch(folder, *options, model=model)
        skipped = "(1 of them before)" in said
        assert skipped == (before == (result.stat().st_ino, result.read_bytes()))
        return not skipped

    batch(folder)
    assert not changes()
    os.utime(file, (1, 1))
    assert not changes(), "the same bytes at another time"
    shutil.copy(LONG, file)
    assert changes(), "another recording"
    bytes_ = bytearray(file.read_bytes())
    bytes_[-1] ^= 1
    file.write_bytes(bytes_)
    assert changes(), "another one of the same length"
    assert changes("--beam", "1") and not changes("--beam", "1")
    assert changes("--beam", "1", model=RANDOM_MODELS["transformer"])
    file.unlink()
    assert not changes("--beam", "1", model=RANDOM_MODELS["transformer"]), "nothing to compare"


def test_default_ids_are_for_model_and_options(folder: Path) -> None:
    """So that results of two models can stand side by side; the same line twice is one."""
    write_manifest(folder, [{"url": str(SHORT)}, {"url": str(SHORT)}])
    for count, options in ((1, ()), (2, ("--beam", "1"))):
        assert "1 published" in batch(folder, *options)
        assert len(results(folder)) == count
    batch(folder, model=RANDOM_MODELS["transformer"])
    assert len(results(folder)) == 3


# ---- The manifest is not trusted ----


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "expected a JSON object with a url"),
        ("[1]", "is an array, expected a JSON object"),
        ('"x"', "is a string, expected a JSON object"),
        ('{"id": "a"}', "has no url"),
        ('{"url": 5}', "url is a number, expected the address of a recording"),
        ('{"url": ""}', 'url is "", expected the address'),
        ('{"url": "a\\u0000b"}', "expected a JSON object with a url"),
        ('{"url": "a", "url": "b"}', "expected a JSON object with a url"),
        ('{"url": "a", "id": "../../etc/passwd"}', 'id is "../../etc/passwd", expected 1 to 128'),
        ('{"url": "a", "id": "a/b"}', 'id is "a/b", expected 1 to 128 letters'),
        ('{"url": "a", "id": ".hidden"}', 'id is ".hidden", expected'),
        ('{"url": "a", "id": "_SUCCESS"}', "a letter or digit first"),
        ('{"url": "a", "id": "' + "x" * 129 + '"}', "expected 1 to 128 letters"),
        ('{"url": "a", "bytes": -1}', "bytes is a number, expected a whole number of bytes"),
        ('{"url": "a", "bytes": 1.5}', "bytes is a fraction, expected a whole number of bytes"),
        ('{"url": "a", "sha256": "beef"}', 'sha256 is "beef", expected 64 digits'),
        ('{"url": "a", "sha265": "beef"}', 'unknown member "sha265", expected id, url, bytes'),
        ('{"url": "a", "options": []}', "options is an array, expected an object"),
        ('{"url": "a", "options": {"beam": 1}}', "options: beam: expected name=value with one of"),
        ('{"url": "a", "options": {"beam_width": 99}}', "beam_width=99: expected a whole number"),
        ('{"url": "a", "options": {"voice": "x"}}', "voice=x: expected on or off"),
        ('{"url": "a", "options": {"prompt": 5}}', "prompt=5: expected a text"),
        ('{"url": "a", "options": {"custom_words": "a"}}', "custom_words is a string, expected a"),
        ('{"url": "a", "options": {"partial_seconds": 1}}', "partial_seconds: expected 0"),
        ('{"url": "a", "id": "same"}', "the id same is also that of line 1"),
        ('{"url": "' + "x" * 70000 + '"}', "longer than 65536 bytes"),
        ("[" * 60000, "expected a JSON object with a url"),
    ],
)
def test_bad_lines(folder: Path, line: str, said: str) -> None:
    """One message with the line and what was expected; nothing is begun."""
    (folder / "manifest.jsonl").write_text(f'{{"url": "{SHORT}", "id": "same"}}\n{line}\n')
    message = batch(folder, status=1)
    assert message.count("\n") == 1 and said in message
    assert "line 2: " in message
    assert results(folder) == {}


def test_manifests_that_cannot_be_read(folder: Path) -> None:
    assert "No such file" in batch(folder, status=1)
    (folder / "manifest.jsonl").mkdir()
    assert "Is a directory" in batch(folder, status=1)
    (folder / "manifest.jsonl").rmdir()
    (folder / "manifest.jsonl").write_bytes(b"\n  \n\r\n")
    assert "0 published" in batch(folder)


def test_addresses_that_are_no_recordings(folder: Path) -> None:
    """Nothing is waited for, and each is named with its class."""
    os.mkfifo(folder / "fifo")
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("this is no sound at all\n" * 100)
    (folder / "cut.flac").write_bytes(SHORT.read_bytes()[:60])
    silent = write_wav(folder / "none.wav", sounds.Pcm(16000, 2, 1, b""))
    urls = {
        "fifo": folder / "fifo",
        "zero": "/dev/zero",
        "directory": folder,
        "web": "https://example.org/a.wav",
        "relative-scheme": "file://a.wav",
        "encoded": "file:///tmp/a%00.wav",
        "standard-input": "-",
        "empty": folder / "empty.wav",
        "silent": silent,
        "text": folder / "text.wav",
        "cut": folder / "cut.flac",
        "good": SHORT,
    }
    write_manifest(folder, [{"id": name, "url": str(url)} for name, url in urls.items()])
    assert "1 left" in batch(folder, "--tries", "1", status=AGAIN)
    assert list(results(folder)) == ["good"]
    unreadable = ("fifo", "zero", "directory", "web", "relative-scheme", "encoded", "text", "cut")
    assert failures(folder) == {
        **dict.fromkeys(unreadable, "unreadable"),
        "empty": "no audio",
        "silent": "no audio",
    }
    # A file that is missing may be on a disk that is: that takes three runs.
    batch(folder, "--tries", "1", status=AGAIN)
    batch(folder, "--tries", "1")
    assert failures(folder)["standard-input"] == "io"
    assert leftovers(folder) == []


def test_what_the_manifest_says_of_bytes(folder: Path) -> None:
    right = hashlib.sha256(SHORT.read_bytes()).hexdigest()
    write_manifest(
        folder,
        [
            {"id": "right", "url": str(SHORT), "sha256": right, "bytes": SHORT.stat().st_size},
            {"id": "sum", "url": str(SHORT), "sha256": "0" * 64},
            {"id": "size", "url": str(SHORT), "bytes": 5},
        ],
    )
    batch(folder, "--tries", "1")
    assert list(results(folder)) == ["right"]
    assert failures(folder) == {"sum": "mismatch", "size": "mismatch"}


def test_too_long(folder: Path) -> None:
    write_manifest(folder, [{"id": p.stem, "url": str(p)} for p in (SHORT, LONG)])
    batch(folder, "--longest", "5")
    assert list(results(folder)) == [SHORT.stem]
    assert failures(folder) == {LONG.stem: "too long"}


def test_damage_is_told(folder: Path) -> None:
    """What can be read of a recording is published with what was wrong."""
    flac = bytearray(LONG.read_bytes())
    flac[len(flac) // 2 : len(flac) // 2 + 500] = bytes(500)
    (folder / "damaged.flac").write_bytes(flac)
    write_manifest(folder, [{"id": "damaged", "url": str(folder / "damaged.flac")}])
    batch(folder)
    found = json.loads(results(folder)["damaged"])
    assert found["text"] and "damaged" in found["batch"]["warnings"][0]


# ---- Shards ----


def test_shards_have_each_recording_once(folder: Path) -> None:
    items = several(folder, 11)
    write_manifest(folder, items)
    seen: list[str] = []
    for number in range(1, 4):
        before = set(results(folder)) if (folder / "out").exists() else set()
        batch(folder, "--shard", f"{number}/3")
        seen += set(results(folder)) - before
        assert (folder / f"out/_SUCCESS.{number}-of-3").exists()
    assert sorted(seen) == sorted(item["id"] for item in items)
    status = json.loads(succeed("batch", "status", "--json", folder / "out", folder=folder))
    assert status["items"] == status["published"] == 11 and status["left"] == 0
    assert status["shards"] == status["shards_finished"] == 3


SLURM = "SLURM_ARRAY_TASK_"


@pytest.mark.parametrize(
    ("extra", "options", "said"),
    [
        ({"ID": "7", "COUNT": "3", "MIN": "6", "MAX": "8"}, (), "shard 2/3"),
        ({"ID": "10", "COUNT": "3", "MIN": "0", "MAX": "10", "STEP": "5"}, (), "shard 3/3"),
        ({"ID": "3", "COUNT": "2", "MIN": "3", "MAX": "9"}, (), "a range without gaps"),
        ({"ID": "3"}, (), "without _COUNT and _MIN"),
        ({"ID": "x", "COUNT": "2", "MIN": "0"}, (), "SLURM_ARRAY_TASK_ID is x, expected a number"),
        ({"ID": "1", "COUNT": "2", "MIN": "0"}, ("--shards", "3"), "has 2 tasks, expected 3"),
        ({"JOB_COMPLETION_INDEX": "0"}, ("--shards", "4"), "shard 1/4"),
        ({"JOB_COMPLETION_INDEX": "3"}, ("--shards", "4"), "shard 4/4"),
        ({"JOB_COMPLETION_INDEX": "4"}, ("--shards", "4"), "expected 0 to 3"),
        ({"JOB_COMPLETION_INDEX": "4"}, (), "expected --shards N"),
        ({"ID": "7", "COUNT": "3", "MIN": "6"}, ("--shard", "1/5"), "shard 1/5"),
        ({}, ("--shard", "0/5"), "expected I/N"),
        ({}, ("--shard", "6/5"), "expected I/N"),
        ({}, ("--shard", "1/0"), "expected I/N"),
        ({}, ("--shard", "1"), "expected I/N"),
        ({}, ("--shards", "5"), "which of 5 shards"),
        ({}, (), "shard 1/1"),
    ],
)
def test_which_shard(
    folder: Path, extra: dict[str, str], options: Sequence[str], said: str
) -> None:
    write_manifest(folder, [{"url": str(SHORT)}])
    variables = {name if "_" in name else SLURM + name: value for name, value in extra.items()}
    good = said.startswith("shard")
    assert said in batch(folder, *options, status=0 if good else 2, extra=variables)


# ---- Whatever ends the process ----


def test_killed_anywhere(folder: Path) -> None:
    """This loop stands for the scheduler. The results are those of a run that nobody disturbed, and no
    recording is blamed."""
    items = several(folder, 60)
    write_manifest(folder, items)
    batch(folder)
    (folder / "out").rename(folder / "alone")
    done = sorted(random.Random(11).sample(range(1, 56), 8))
    for count in done:
        with running(*command(folder, "--workers", "2"), folder=folder) as process:
            wait_until(
                lambda count=count: len(list((folder / "out").glob("*.json"))) >= count,
                f"{count} results",
                interval=0.0005,
            )
            process.kill()
            process.wait()
    batch(folder)
    assert results(folder) == results(folder, "alone")
    assert failures(folder) == {}
    assert leftovers(folder) == []


def test_another_process_goes_on(folder: Path) -> None:
    """Without a scheduler: what dies is the process at work, not the one that watches it."""
    long = long_recording(folder)
    write_manifest(folder, [{"id": "long", "url": str(long)}, {"id": "short", "url": str(SHORT)}])
    with running(*command(folder, *IN_PIECES, "--workers", "1"), folder=folder) as process:
        wait_until(lambda: working(folder, "long"), "the work to begin", interval=0.001)
        worker = working(folder, "long")
        assert worker is not None and worker != process.pid
        os.kill(worker, signal.SIGKILL)
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert b"ended by signal 9" in process.stderr.read()
    assert sorted(results(folder)) == ["long", "short"]
    assert leftovers(folder) == []


def test_the_worker_dies_with_its_watcher(folder: Path) -> None:
    write_manifest(folder, [{"id": "long", "url": str(long_recording(folder))}])
    with running(*command(folder), folder=folder) as process:
        wait_until(lambda: working(folder, "long"), "the work to begin", interval=0.001)
        worker = working(folder, "long")
        assert worker is not None
        process.kill()
        process.wait()

        def gone() -> bool:
            state = Path(f"/proc/{worker}/stat")
            return not state.exists() or state.read_text().split()[2] == "Z"

        wait_until(gone, "the worker to end")


def test_poison_is_named_after_three_starts(folder: Path) -> None:
    """Whatever works on it dies; those beside it are not blamed."""
    poison = long_recording(folder)
    write_manifest(folder, [{"id": "poison", "url": str(poison)}, *several(folder, 12)])
    starts = 0
    with running(*command(folder, *IN_PIECES, "--workers", "3"), folder=folder) as process:
        while process.poll() is None:
            if worker := working(folder, "poison"):
                os.kill(worker, signal.SIGKILL)
                starts += 1
                wait_until(
                    lambda dead=worker: working(folder, "poison") != dead,
                    "another start",
                    interval=0.001,
                )
            time.sleep(0.001)
        assert process.returncode == 0
    assert starts == 3
    assert failures(folder) == {"poison": "crash"}
    assert len(results(folder)) == 12
    assert "1 of 13, 1 failed" not in succeed("batch", "status", folder / "out", folder=folder)
    reason = json.loads((folder / "out/failed/poison.json").read_text())["reason"]
    assert "3 starts without an end" in reason
    assert leftovers(folder) == []
    assert "13 of them before" in batch(folder, *IN_PIECES)


@pytest.mark.skipif(not DECODER.exists(), reason="hearken-decode was not built")
def test_a_decoder_that_dies(folder: Path) -> None:
    """It takes the crash in its own process, a few times; the others are done."""
    killer = folder / "killer.mp4"
    killer.write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0KILLKILL" + bytes(1000))
    write_manifest(folder, [{"id": p.stem, "url": str(p)} for p in (killer, SHORT)])
    extra = {"HEARKEN_DECODER": str(deadly_decoder(folder))}
    said = batch(folder, "--tries", "2", extra=extra)
    assert said.count("the decoder died") == 2
    assert failures(folder) == {"killer": "crash"}
    assert list(results(folder)) == [SHORT.stem]


@pytest.mark.parametrize("channels", ["mix", "each"])
def test_a_long_recording_goes_on(folder: Path, channels: str) -> None:
    """SIGTERM ends it at the end of a segment; the result is that of a run without a break, to the
    byte. It did not begin anew: what was kept is in it."""
    speech, pause = sounds.samples(LONG), sounds.np.zeros(2 * 16000)
    turn = sounds.np.concatenate([speech, pause])
    first = sounds.np.concatenate([turn, 0 * turn])
    both = sounds.np.stack([first, sounds.np.roll(first, len(turn))], axis=1).reshape(-1)
    data = sounds.encode(both if channels == "each" else first, 2) * 30
    long = write_wav(
        folder / "long.wav", sounds.Pcm(16000, 2, 2 if channels == "each" else 1, data)
    )
    write_manifest(folder, [{"id": "long", "url": str(long)}])
    options = (*IN_PIECES, "--channels", channels, "--keep", "20")
    hearing = folder / "hearing.gguf"
    arguments = ("--add-voice", "--voice", programs.VOICE, "-o", hearing, RECURRENT)
    assert run(*arguments, folder=folder, program=programs.CONVERT).returncode == 0
    batch(folder, *options, model=hearing)
    (folder / "out").rename(folder / "alone")
    partial = folder / "out/partial/long.json"
    breaks = 0
    for _ in range(3):
        arguments_ = command(folder, *options, model=hearing)
        before = partial.read_bytes() if partial.exists() else b""
        with running(*arguments_, folder=folder) as process:
            wait_until(
                lambda before=before, process=process: (
                    process.poll() is not None
                    or (partial.exists() and partial.read_bytes() != before)
                ),
                "a resume point",
                interval=0.001,
            )
            process.send_signal(signal.SIGTERM)
            status = process.wait(PATIENCE)
        if status == 0:
            break
        assert status == AGAIN and partial.exists()
        assert working(folder, "long") is None
        breaks += 1
    assert breaks > 0
    if not (folder / "out/long.json").exists():
        batch(folder, *options, model=hearing)
    assert results(folder) == results(folder, "alone")
    assert leftovers(folder) == []


def test_what_was_kept_is_used(folder: Path) -> None:
    """And what is not of this recording is not."""
    write_manifest(folder, [{"id": "long", "url": str(long_recording(folder, 20))}])
    partial = folder / "out/partial/long.json"
    options = (*IN_PIECES, "--keep", "20")
    for kept in ("used", "of another model", "broken", "of no time"):
        with running(*command(folder, *options), folder=folder) as process:
            wait_until(partial.exists, "a resume point", interval=0.001)
            process.kill()
            process.wait()
        document = json.loads(partial.read_text())
        document["segments"][0]["text"] = "what was kept"
        if kept == "of another model":
            document["batch"]["model"]["sha256"] = "0" * 64
        if kept == "broken":
            document["segments"] = "none"
        if kept == "of no time":
            document["samples"] = -5
        partial.write_text(json.dumps(document))
        batch(folder, *options)
        assert ("what was kept" in results(folder)["long"].decode()) == (kept == "used")
        shutil.rmtree(folder / "out")


def test_two_at_once(folder: Path) -> None:
    """A job that was started again while the first one still runs does no harm."""
    write_manifest(folder, several(folder, 40))
    batch(folder)
    (folder / "out").rename(folder / "alone")
    processes = [
        subprocess.Popen(
            [str(programs.HEARKEN), *map(str, command(folder, "--workers", "2"))],
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for process in processes:
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
    assert results(folder) == results(folder, "alone")
    assert failures(folder) == {} and leftovers(folder) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_full_file_system(folder: Path) -> None:
    """No recording is blamed, nothing is cut off, and it goes on when there is room."""
    write_manifest(folder, several(folder, 20))
    disk = folder / "out"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        said = batch(folder, status=AGAIN)
        assert "No space left on device" in said
        for text in results(folder).values():
            json.loads(text)
        assert 0 < len(results(folder)) < 20 and failures(folder) == {}
        remount = ["mount", "-o", "remount,size=4m", str(disk)]
        subprocess.run(remount, check=True)
        batch(folder)
        assert len(results(folder)) == 20 and failures(folder) == {}
        assert leftovers(folder) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_interrupt(folder: Path) -> None:
    write_manifest(folder, [{"id": "long", "url": str(long_recording(folder))}])
    with running(*command(folder, *IN_PIECES), folder=folder) as process:
        wait_until(lambda: working(folder, "long"), "the work to begin", interval=0.001)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert working(folder, "long") is None and failures(folder) == {}


# ---- As a job of Slurm's ----


def job(folder: Path, *options: str) -> "subprocess.Popen[bytes]":
    """deploy/slurm/hearken.sbatch as task 7 of 6 to 8, with a scontrol that notes what it is told."""
    scontrol = folder / "bin" / "scontrol"
    scontrol.parent.mkdir(exist_ok=True)
    scontrol.write_text(f'#!/bin/sh\necho "$@" >>"{folder}/told"\n')
    scontrol.chmod(0o755)
    extra = {
        "PATH": f"{scontrol.parent}:{os.environ['PATH']}",
        "HEARKEN": str(programs.HEARKEN),
        "MANIFEST": str(folder / "manifest.jsonl"),
        "OUTPUT": str(folder / "out"),
        "SLURM_ARRAY_JOB_ID": "5",
        **{SLURM + name: value for name, value in zip(("ID", "MIN", "MAX"), "768", strict=True)},
        SLURM + "COUNT": "3",
    }
    script = programs.REPOSITORY / "deploy" / "slurm" / "hearken.sbatch"
    return subprocess.Popen(
        ["bash", script, "--model", RECURRENT, *unguarded_options(), *options],
        env=environment(folder, extra),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_job_script(folder: Path) -> None:
    """Asks to be started again when it was told to stop or its program was killed, and only then."""
    write_manifest(folder, [{"id": f"long-{i}", "url": str(long_recording(folder))} for i in "012"])
    told = folder / "told"
    for ends in ("told to stop", "killed", "done"):
        process = job(folder, *IN_PIECES, "--workers", "1")
        try:
            if ends != "done":
                wait_until(lambda: working(folder, "long-1"), "the work to begin", interval=0.001)
            if ends == "told to stop":
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENCE) == AGAIN
            elif ends == "killed":
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
                os.kill(int(children.split()[0]), signal.SIGKILL)
                assert process.wait(PATIENCE) == 128 + signal.SIGKILL
            else:
                told.unlink()
                assert process.wait(PATIENCE) == 0 and not told.exists()
                break
            assert told.read_text().splitlines()[-1] == "requeue 5_7"
        finally:
            process.kill()
            process.wait()
    assert list(results(folder)) == ["long-1"]
    assert (folder / "out/_SUCCESS.2-of-3").exists()


# ---- From elsewhere ----


def store(folder: Path) -> Path:
    """A program that has recordings by name, notes what it was asked, and fails when it is told to."""
    program = folder / "store"
    program.write_text(
        "#!/bin/sh\n"
        f'printf "%s\\n" "$#:$2" >>"{folder}/asked"\n'
        f'case $2 in short) cat "{SHORT}" ;; long) cat "{LONG}" ;;\n'
        f'once) [ -e "{folder}/once" ] && cat "{SHORT}" || {{ touch "{folder}/once"; exit 4; }} ;;\n'
        "*) printf half; exit 3 ;; esac\n"
    )
    program.chmod(0o755)
    return program


def test_get(folder: Path) -> None:
    store(folder)
    hostile = f"$(touch {folder}/pwned); touch {folder}/pwned | `id` \" ' x"
    names = {"short": "short", "long": "long", "once": "once", "no": "no", "hostile": hostile}
    write_manifest(folder, [{"id": key, "url": url} for key, url in names.items()])
    get = ("--get", f"{folder}/store cat  {{}}", "--tries", "2")
    said = batch(folder, *get, status=AGAIN)
    assert "once: did not work (io): once: " in said and "failed with status 4" in said
    assert sorted(results(folder)) == ["long", "once", "short"]
    asked = (folder / "asked").read_text().splitlines()
    assert all(line.startswith("2:") for line in asked) and f"2:{hostile}" in asked
    assert not (folder / "pwned").exists()
    once_more = ("--get", f"{folder}/store cat {{}}", "--tries", "1")
    batch(folder, *once_more, status=AGAIN)
    batch(folder, *once_more)
    assert failures(folder) == {"no": "io", "hostile": "io"}
    local = {"short": SHORT, "long": LONG}
    for name, file in local.items():
        here = json.loads(results(folder)[name])
        write_manifest(folder, [{"id": f"local-{name}", "url": str(file)}])
        batch(folder)
        there = json.loads(results(folder)[f"local-{name}"])
        assert here["segments"] == there["segments"]
        assert here["batch"]["recording"]["sha256"] == there["batch"]["recording"]["sha256"]


@pytest.mark.parametrize(
    ("get", "said"),
    [("cat", "expected a program and {}"), ("{}", "expected a program and {}"), ("", "{}")],
)
def test_get_makes_sense(folder: Path, get: str, said: str) -> None:
    write_manifest(folder, [{"url": "x"}])
    assert said in batch(folder, "--get", get, status=2)


def test_get_takes_no_options_from_addresses(folder: Path) -> None:
    write_manifest(folder, [{"id": "a", "url": "--output=/tmp/x"}])
    store(folder)
    batch(folder, "--get", f"{folder}/store cat {{}}")
    assert failures(folder) == {"a": "unreadable"}
    assert not (folder / "asked").exists()


def test_program_without_an_end(folder: Path) -> None:
    write_manifest(folder, [{"id": "a", "url": "/dev/zero"}])
    said = batch(folder, "--get", "cat {}", "--largest", "1")
    assert "has more than 1 MiB (--largest)" in said and failures(folder) == {"a": "too long"}
    write_manifest(folder, [{"id": "b", "url": "/dev/zero", "bytes": 1000}])
    said = batch(folder, "--get", "cat {}", "--tries", "1")
    assert "has more than the 1000 bytes of the manifest" in said
    assert failures(folder)["b"] == "mismatch"


def test_stopped_while_a_program_gets(folder: Path) -> None:
    program = folder / "slow"
    program.write_text(f'#!/bin/sh\necho $$ >"{folder}/pid"\nprintf RIFF\nexec sleep 1000\n')
    program.chmod(0o755)
    write_manifest(folder, [{"id": "a", "url": "x"}])
    with running(*command(folder, "--get", f"{program} {{}}"), folder=folder) as process:
        pid = folder / "pid"
        wait_until(lambda: pid.exists() and pid.read_text().endswith("\n"), "the program to start")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == AGAIN
        wait_until(lambda: not Path(f"/proc/{int(pid.read_text())}").exists(), "its end")


# ---- Around it ----


def test_plan_of_a_folder(folder: Path) -> None:
    archive = folder / "archive"
    (archive / "deep/er").mkdir(parents=True)
    (archive / ".hidden").mkdir()
    for name in ("a.flac", "deep/B.FLAC", "deep/er/c.flac", ".hidden/d.flac", "notes.txt"):
        shutil.copy(SHORT, archive / name)
    shutil.copy(LONG, archive / "deep/long.flac")
    odd = os.fsencode(archive) + b"/odd-\xff%.flac"
    shutil.copy(os.fsencode(SHORT), odd)
    (archive / "empty.wav").touch()
    file = folder / "manifest.jsonl"
    result = run("batch", "plan", "-o", file, "--shards", "2", archive, folder=folder)
    assert result.returncode == 0 and b"5 recordings" in result.stderr
    assert b"2 shards" in result.stderr
    items = [json.loads(line) for line in file.read_text().splitlines()]
    assert items[0] == {"url": str(archive / "deep/long.flac"), "bytes": LONG.stat().st_size}
    urls = {item["url"] for item in items[1:]}
    paths = {str(archive / name) for name in ("a.flac", "deep/B.FLAC", "deep/er/c.flac")}
    assert urls == paths | {f"file://{archive}/odd-%FF%25.flac"}
    assert "5 published" in batch(folder)
    everything = run("batch", "plan", "--all", archive, folder=folder).stdout.decode()
    assert "notes.txt" in everything and "hidden" not in everything
    result = run("batch", "plan", folder / "none", folder=folder)
    assert result.returncode == 1 and b"No such file" in result.stderr


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ("     1234 talks/a b.wav\n        5 c.txt\n", {"talks/a b.wav": 1234}),
        ("talks/a.wav\r\nb.mp3\r\n", {"talks/a.wav": None, "b.mp3": None}),
        ("2026-01-31 12:00:00      77 x/y.opus\n", {"x/y.opus": 77}),
        ("12 angry men.mp4\n", {"angry men.mp4": 12}),
        (
            '[\n{"Path":"a.wav","Size":9,"IsDir":false},\n{"Path":"d","Size":-1,"IsDir":true},\n'
            + '{"Path":"b.wav","Size":-1,"IsDir":false}]\n',
            {"a.wav": 9, "b.wav": None},
        ),
        ("", {}),
        ("[]", {}),
    ],
)
def test_plan_of_a_listing(folder: Path, listing: str, expected: dict[str, int | None]) -> None:
    arguments = ("batch", "plan", "--list", "-", "--prefix", "s3:bucket/")
    result = run(*arguments, folder=folder, stdin=listing.encode())
    assert result.returncode == 0, result.stderr
    items = [json.loads(line) for line in result.stdout.decode().splitlines()]
    found = {item["url"].removeprefix("s3:bucket/"): item.get("bytes") for item in items}
    assert found == expected
    assert all(item["url"].startswith("s3:bucket/") for item in items)


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        (b"[{}]", "entry 1: has no Path"),
        (b"[", "line 1: "),
        (b"a.wav\n\xff.wav\n", "line 2: is no UTF-8"),
    ],
)
def test_listings_that_make_no_sense(folder: Path, listing: bytes, said: str) -> None:
    (folder / "list").write_bytes(listing)
    result = run("batch", "plan", "--list", folder / "list", folder=folder)
    assert result.returncode == 1 and said in result.stderr.decode() and result.stdout == b""


def test_collect_and_status(folder: Path) -> None:
    items = several(folder, 3)
    (folder / "bad.wav").write_text("no sound" * 20)
    write_manifest(folder, [*items, {"id": "bad", "url": str(folder / "bad.wav")}])
    batch(folder)
    out = folder / "out"
    (out / "_other").write_text("not ours")
    text = succeed("batch", "collect", out, folder=folder)
    assert text.encode() == b"".join(results(folder)[f"item-{i}"] for i in range(3))
    succeed("batch", "collect", "-o", folder / "all.jsonl", out, folder=folder)
    assert (folder / "all.jsonl").read_text() == text
    why = json.loads(succeed("batch", "collect", "--failed", out, folder=folder))
    assert why["class"] == "unreadable" and why["batch"]["id"] == "bad"
    shown = succeed("batch", "status", out, folder=folder)
    assert "3 of 4, 1 failed, 0 left" in shown and "1 of 1 done" in shown
    status = json.loads(succeed("batch", "status", "--json", out, folder=folder))
    seconds = sum(json.loads(text)["seconds"] for text in results(folder).values())
    assert abs(status["sound_hours"] * 3600 - seconds) < 5
    assert status["seconds_left"] == 0
    (out / "item-0.json").write_text("{")
    result = run("batch", "collect", out, folder=folder)
    assert result.returncode == 1 and b"item-0.json: is no result" in result.stderr
    for part in ("status", "collect"):
        result = run("batch", part, folder / "none", folder=folder)
        assert result.returncode == 1 and b"No such file" in result.stderr


def test_command_line(folder: Path) -> None:
    for arguments, said in (
        ([], b"expected --manifest FILE and --output DIR"),
        (["--manifest", "x"], b"expected --manifest FILE and --output DIR"),
        (["--manifest", "x", "--output", "y", "z"], b"unexpected z"),
        (["--manifest", "x", "--output", "y", "--shard", "1/2", "--shards", "2"], b"choose one"),
        (["plan"], b"expected FOLDER or --list FILE"),
        (["plan", "--prefix", "x", "."], b"--prefix is for --list"),
        (["status"], b"expected DIR"),
    ):
        result = run("batch", *arguments, folder=folder)
        assert result.returncode == 2 and said in result.stderr, result.stderr
