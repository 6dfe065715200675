# SPDX-License-Identifier: MIT
"""Microphones, with a real sound server: `hearken devices` and `hearken record`."""

import json
import os
import pty
import re
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import sounds
from microphones import Listening, SoundServer, listening
from programs import PATIENCE, SANITIZER, SCALE, run, running, wait_until
from sounds import LONG, SHORT, Pcm, write_wav

BACK_SECONDS = 3.0  # in which a microphone that was plugged in again is listened to
ROUNDS = 20


@pytest.fixture
def server(folder: Path) -> Iterator[SoundServer]:
    with SoundServer(folder) as server:
        yield server


def recorded(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path)
    assert rate == 16000 and samples.ndim == 1
    return samples


def likeness(part: np.ndarray, whole: np.ndarray) -> tuple[float, int]:
    """The largest correlation of `part` with a piece of `whole`, and where that starts."""
    if len(whole) < len(part):
        return 0.0, 0
    size = 1 << (len(part) + len(whole)).bit_length()
    spectrum = np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size))
    products = np.fft.irfft(spectrum, size)[: len(whole) - len(part) + 1]
    energy = np.concatenate(([0.0], np.cumsum(whole**2)))
    energies = energy[len(part) :] - energy[: len(energy) - len(part)]
    scores = products / np.sqrt(np.maximum(energies, 1e-9) * np.sum(part**2))
    best = int(np.argmax(scores))
    return float(scores[best]), best


def tone(path: Path, frequency: float, seconds: float) -> Path:
    time_points = np.arange(int(seconds * 16000)) / 16000
    wave = 8000 * np.sin(2 * np.pi * frequency * time_points)
    return write_wav(path, Pcm(16000, 2, 1, sounds.encode(wave, 2)))


def assert_heard(recording: Path, output: Path, said: list[str]) -> None:
    score, at = likeness(sounds.samples(recording) / 32768, recorded(output))
    seconds = len(recorded(output)) / 16000
    assert score > 0.99, f"{score:.3f} at {at / 16000:.2f} of {seconds:.2f} s; {said}"


def tones_in_turn(samples: np.ndarray) -> list[int]:
    """The strongest frequencies, in steps of 100 Hz, of the half seconds that are not quiet."""
    found: list[int] = []
    for at in range(0, len(samples) - 8000, 8000):
        piece = samples[at : at + 8000]
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(8000)))
        frequency = int(np.argmax(spectrum)) * 2  # bins of 2 Hz
        if np.sqrt(np.mean(piece**2)) > 0.1 and round(frequency, -2) not in found[-1:]:
            found.append(round(frequency, -2))
    return found


@contextmanager
def playing(server: SoundServer, name: str, recording: Path) -> Iterator[None]:
    player = server.start_playing(name, recording)
    try:
        yield
    finally:
        player.kill()
        player.wait()


# ---- Devices ----


def test_devices(server: SoundServer, hearken) -> None:
    lines = hearken("devices", extra_environment=server.environment).splitlines()
    assert lines[0].split() == ["INDEX", "SYSTEM", "CHANNELS", "RATE", "NAME"]
    rows = {line.split()[-1]: line for line in lines[1:]}
    assert set(rows) == {"mic", "default"}
    assert rows["default"].startswith("*") and rows["mic"].startswith(" ")
    told = hearken("devices", "--json", extra_environment=server.environment).splitlines()
    devices = {device["name"]: device for device in map(json.loads, told)}
    assert devices["default"]["default"] and not devices["mic"]["default"]
    assert devices["mic"]["system"] == "ALSA" and devices["mic"]["rate"] > 0


def test_no_devices(folder: Path) -> None:
    without = {"PULSE_SERVER": "unix:/nonexistent", "XDG_RUNTIME_DIR": str(folder)}
    assert not list(Path("/proc/asound").glob("card[0-9]")), "this test needs a machine without"
    for command in (["devices"], ["record", "-o", folder / "never.wav"]):
        result = run(*command, folder=folder, extra_environment=without)
        assert result.returncode == 1 and result.stdout == b""
        assert b"there is no microphone" in result.stderr
        assert result.stderr.count(b"\n") == 1, "nothing else, of ALSA or JACK"
    assert not (folder / "never.wav").exists()


@pytest.mark.parametrize("configuration", ["", "pcm.mic { type null }\n"])
def test_no_alsa_configuration(folder: Path, configuration: str) -> None:
    """What makes PortAudio abort."""
    file = folder / "asound.conf"
    file.write_text(configuration)
    for command in (["devices"], ["record", "-o", folder / "never.wav"]):
        result = run(*command, folder=folder, extra_environment={"ALSA_CONFIG_PATH": str(file)})
        assert result.returncode == 1 and result.stdout == b""
        assert b"no device 'default'" in result.stderr and result.stderr.count(b"\n") == 1


def test_unknown_device(server: SoundServer, folder: Path) -> None:
    for device in ("nosuch", "99", "-1", "1x"):
        result = run("record", "-d", device, folder=folder, extra_environment=server.environment)
        assert result.returncode == 1 and result.stdout == b""
        assert device in result.stderr.decode() and b"mic, default" in result.stderr
        assert result.stderr.count(b"\n") == 1


# ---- Recording ----


@pytest.mark.parametrize(
    ("options", "described"),
    [
        (["-d", "mic"], "mic (44100 Hz, 2 channels)"),
        (["-d", "0", "--channels", "1"], "mic (44100 Hz, 1 channel)"),
        (["-d", "MI", "--rate", "48000", "--channels", "5"], "mic (48000 Hz, 5 channels)"),
        (["--device=mic", "--rate", "16000"], "mic (16000 Hz, 2 channels)"),
    ],
)
def test_what_was_played_is_recorded(
    server: SoundServer, folder: Path, options: list[str], described: str
) -> None:
    output = folder / "out.wav"
    with listening(server, "record", *options, "-o", output, folder=folder) as hears:
        server.play("mic", LONG)
        said = hears.stop()
    assert said == [f"hearken: listening to {described}"], "no overrun, no loss"
    assert_heard(LONG, output, said)


def test_default_device(server: SoundServer, folder: Path) -> None:
    output = folder / "out.wav"
    with listening(server, "record", "-o", output, folder=folder) as hears:
        server.play("mic", SHORT)
        server.play("room", LONG)
        hears.stop()
    heard = recorded(output)
    assert likeness(sounds.samples(LONG) / 32768, heard)[0] > 0.99
    assert likeness(sounds.samples(SHORT) / 32768, heard)[0] < 0.5


def test_length_and_raw(server: SoundServer, folder: Path) -> None:
    command = ("record", "-d", "mic", "--seconds", "2", "--quiet")
    result = run(*command, folder=folder, extra_environment=server.environment)
    assert result.returncode == 0 and result.stderr == b""
    assert len(result.stdout) == 2 * 16000 * 2
    output = folder / "out.wav"
    result = run(*command, "-o", output, folder=folder, extra_environment=server.environment)
    assert result.returncode == 0 and result.stdout == result.stderr == b""
    assert len(recorded(output)) == 2 * 16000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_recording_well(
    server: SoundServer, folder: Path, number: signal.Signals
) -> None:
    output = folder / "out.wav"
    with listening(server, "record", "-o", output, folder=folder) as hears:
        time.sleep(1)
        hears.stop(number)
    assert len(recorded(output)) > 8000


def test_a_recording_replaces_a_file_at_its_end(server: SoundServer, folder: Path) -> None:
    output, link = folder / "out.wav", folder / "link.wav"
    output.write_bytes(b"mine")
    output.chmod(0o604)
    link.symlink_to(output)
    with listening(server, "record", "-o", link, folder=folder) as hears:
        wait_until(
            lambda: any(made.stat().st_size > 8000 for made in folder.glob(".hearken-*")),
            "sound to be written",
        )
        assert output.read_bytes() == b"mine"
        hears.stop()
    assert len(recorded(output)) > 3000
    assert link.is_symlink() and output.stat().st_mode & 0o777 == 0o604
    assert not list(folder.glob(".hearken-*"))


def limited_to(size: int) -> Callable[[], None]:
    """Files of a child to so many bytes: more of one cannot be written, as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("size", [44, 20000])
def test_disk_that_becomes_full(server: SoundServer, folder: Path, size: int) -> None:
    """What was recorded until then is kept; if nothing was, what was there before."""
    output = folder / "out.wav"
    output.write_bytes(b"mine")
    options = {"extra_environment": server.environment, "preexec_fn": limited_to(size)}
    result = run("record", "-s", "2", "-o", output, folder=folder, **options)
    assert result.returncode == 1 and "File too large" in result.stderr.decode()
    if size == 44:  # a header
        assert output.read_bytes() == b"mine"
    else:
        assert len(recorded(output)) == (size - 44) // 2
    assert not list(folder.glob(".hearken-*"))


def test_no_such_microphone(server: SoundServer, folder: Path) -> None:
    output = folder / "out.wav"
    output.write_bytes(b"mine")
    command = ("record", "-d", "absent", "-o", output)
    result = run(*command, folder=folder, extra_environment=server.environment)
    assert result.returncode == 1 and "absent" in result.stderr.decode()
    assert output.read_bytes() == b"mine"
    assert not list(folder.glob(".hearken-*"))


def test_full_disk(server: SoundServer, folder: Path) -> None:
    for output, told in (("/dev/full", "No space left"), (folder / "no" / "x", "No such file")):
        result = run("record", "-o", output, folder=folder, extra_environment=server.environment)
        assert result.returncode == 1 and told in result.stderr.decode()


def test_meter(server: SoundServer, folder: Path) -> None:
    """On a terminal: that there is no sound is seen at once, and how loud it is."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def shows(pattern: bytes) -> bool:
        while select.select([ours], [], [], 0)[0]:
            shown.extend(os.read(ours, 65536))
        return re.search(pattern, shown) is not None

    command = ("record", "-d", "mic", "--meter", "-o", folder / "out.wav")
    options = {"stderr": theirs, "extra_environment": server.environment}
    try:
        with running(*command, folder=folder, **options) as process:
            wait_until(lambda: shows(rb"\[ {40}\]  no sound"), "silence to be shown")
            with playing(server, "mic", tone(folder / "tone.wav", 400, 60)):
                wait_until(lambda: shows(rb"\[#{30,}[ |]*\]  -1[3-7] dB"), "the level")
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        assert shows(rb"\r\x1b\[K$"), "the line is taken away"
    finally:
        os.close(ours)
        os.close(theirs)


# ---- Devices that come and go ----


def test_default_serves_meanwhile(server: SoundServer, folder: Path) -> None:
    """Each of the two microphones hears a tone of its own."""
    output = folder / "out.wav"
    low, high = tone(folder / "low.wav", 400, 60), tone(folder / "high.wav", 1000, 60)
    with (
        playing(server, "room", low),
        listening(server, "record", "-d", "mic", "-o", output, folder=folder) as hears,
    ):
        with playing(server, "mic", high):
            time.sleep(3)
        server.unplug("mic")
        at = hears.wait_for("lost mic", 1)
        at = hears.wait_for("listening to the default meanwhile, default", at)
        time.sleep(3)
        server.plug_in("mic")
        hears.wait_for("listening again to mic", at)
        with playing(server, "mic", high):
            time.sleep(3)
        hears.stop()
    assert tones_in_turn(recorded(output)) == [1000, 400, 1000]


def come_and_go(server: SoundServer, hears: Listening, at: int, long: bool) -> tuple[int, float]:
    """Unplugs the microphone and plugs it in again, after the default has taken its place if
    `long`; returns how long it took to be back."""
    server.unplug("mic")
    at = hears.wait_for("lost mic", at)
    if long:
        at = hears.wait_for("listening to the default", at)
    server.plug_in("mic")
    begin = time.monotonic()
    at = hears.wait_for("listening again to mic", at)
    return at, time.monotonic() - begin


def test_unplugged_twenty_times(server: SoundServer, folder: Path) -> None:
    output = folder / "out.wav"
    with listening(server, "record", "-d", "mic", "-o", output, folder=folder) as hears:
        at, times, memory = 1, [], []
        for round_number in range(ROUNDS):
            at, seconds = come_and_go(server, hears, at, long=round_number % 2 == 0)
            times.append(seconds)
            memory.append(hears.memory())
        server.play("mic", SHORT)
        hears.stop()
    assert max(times) < BACK_SECONDS * SCALE, times
    # What the libraries keep from the first rounds is kept once.
    growth = memory[-1] - memory[ROUNDS // 2 - 1]
    assert SANITIZER or growth < 256 * 1024, memory
    assert_heard(SHORT, output, hears.said())


def test_the_only_microphone(server: SoundServer, folder: Path) -> None:
    """There is no other one meanwhile, nor is there one that the server could move to."""
    output = folder / "out.wav"
    with listening(server, "record", "-o", output, folder=folder) as hears:
        server.unplug("mic")
        server.unplug("room")
        at = hears.wait_for("lost default", 1)
        time.sleep(2)
        server.plug_in("room")
        hears.wait_for("listening again to default", at)
        server.play("room", SHORT)
        hears.stop()
    assert_heard(SHORT, output, hears.said())


def test_sound_server_starts_again(server: SoundServer, folder: Path) -> None:
    output = folder / "out.wav"
    with listening(server, "record", "-d", "mic", "-o", output, folder=folder) as hears:
        server.stop()
        begin = time.monotonic()
        at = hears.wait_for("lost mic", 1)
        assert time.monotonic() - begin < SCALE
        time.sleep(1)
        server.start()
        hears.wait_for("listening again to mic", at)
        server.play("mic", SHORT)
        hears.stop()
    assert_heard(SHORT, output, hears.said())


def test_sound_server_hangs(server: SoundServer, folder: Path) -> None:
    output = folder / "out.wav"
    with listening(server, "record", "-d", "mic", "-o", output, folder=folder) as hears:
        with server.frozen():
            begin = time.monotonic()
            at = hears.wait_for("lost mic: sound stopped arriving", 1)
            assert time.monotonic() - begin < 1.5 * SCALE
            time.sleep(2)
        hears.wait_for("listening again to mic", at)
        server.play("mic", SHORT)
        hears.stop()
    assert_heard(SHORT, output, hears.said())


def test_stopped_for_a_while(server: SoundServer, folder: Path) -> None:
    """As when the machine is suspended: what is played afterwards is recorded."""
    output = folder / "out.wav"
    with listening(server, "record", "-d", "mic", "-o", output, folder=folder) as hears:
        hears.process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        hears.process.send_signal(signal.SIGCONT)
        time.sleep(3)
        server.play("mic", SHORT)
        hears.stop()
    assert_heard(SHORT, output, hears.said())


def test_servers_do_not_meet(folder: Path) -> None:
    """Two at the same time, each with its microphone."""
    outputs = [folder / "1.wav", folder / "2.wav"]
    places = [folder / "1", folder / "2"]
    for place in places:
        place.mkdir()
    with SoundServer(places[0]) as first, SoundServer(places[1]) as second:
        arguments = [("record", "-d", "mic", "-o", output) for output in outputs]
        with (
            listening(first, *arguments[0], folder=places[0]) as a,
            listening(second, *arguments[1], folder=places[1]) as b,
        ):
            first.play("mic", SHORT)
            a.stop()
            b.stop()
    assert likeness(sounds.samples(SHORT) / 32768, recorded(outputs[0]))[0] > 0.99
    assert np.abs(recorded(outputs[1])).max() < 0.01
