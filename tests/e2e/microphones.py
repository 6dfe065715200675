# SPDX-License-Identifier: MIT
"""Microphones that hear what a test plays: a PulseAudio of the test's own, reached through ALSA.

Each microphone is the monitor of a null sink: it hears what is played into the sink, in real time,
and silence otherwise. `default` is a further one, named room.

    with SoundServer(folder, ["mic"]) as server:
        server.play("mic", recording)                  # returns when it was heard
        run("record", "-d", "mic", ..., extra_environment=server.environment)
        server.unplug("mic")

Nothing of it is visible outside of `folder`, whose path must be short: it holds a socket.
"""

import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import programs
import soundfile
from programs import PATIENCE, SCALE, wait_until

ROOM = "room"

# Seconds that the last sample may take from a player to whoever listens, through all buffers.
ON_ITS_WAY = max(0.5, 0.25 * SCALE)

# Shared memory would be left in /dev/shm by a server that is killed.
CLIENT_CONFIGURATION = "autospawn = no\nenable-shm = no\n"
ALSA_MICROPHONE = "pcm.{name} {{ type pulse device {source}.monitor }}\n"
COMMAND = (
    "pulseaudio",
    "-n",
    "--daemonize=no",
    "--system=false",
    "--exit-idle-time=-1",
    "--use-pid-file=no",
    "--realtime=no",
    "--high-priority=no",
    "--disable-shm=yes",
    "--log-target=stderr",
)


class SoundServer:
    """A PulseAudio with microphones of these names, and `room`; the context of a with statement.

    `options` are further ones of pulseaudio(1), `form` one of module-null-sink.
    """

    def __init__(
        self, folder: Path, names: Sequence[str] = ("mic",), *options: str, form: str = ""
    ) -> None:
        self.folder = folder / "sound"
        self.folder.mkdir()
        self.socket = self.folder / "pulse"
        self.log_file = self.folder / "log"
        self.names = [ROOM, *names]
        self.options = options
        self.form = form
        self.modules: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None
        configuration = self.folder / "asound.conf"
        microphones = {name: name for name in names} | {"!default": ROOM}
        configuration.write_text(
            "".join(ALSA_MICROPHONE.format(name=n, source=s) for n, s in microphones.items())
        )
        (self.folder / "client.conf").write_text(CLIENT_CONFIGURATION)
        self.environment = {
            "ALSA_CONFIG_PATH": str(configuration),
            "PULSE_SERVER": f"unix:{self.socket}",
            "PULSE_CLIENTCONFIG": str(self.folder / "client.conf"),
            "PULSE_COOKIE": str(self.folder / "cookie"),
            "PULSE_RUNTIME_PATH": str(self.folder),
            "PULSE_STATE_PATH": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
        }

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- The server ----

    def _environment(self) -> dict[str, str]:
        return programs.environment(self.folder, self.environment)

    def start(self) -> None:
        """With all its microphones plugged in."""
        protocol = f"module-native-protocol-unix socket={self.socket} auth-anonymous=1"
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, *self.options, "-L", protocol],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                cwd=self.folder,
            )
        process = self.process

        def ready() -> bool:
            assert process.poll() is None, f"pulseaudio stopped: {self.log_file.read_text()}"
            return self._pactl("info", check=False).returncode == 0

        wait_until(ready, "pulseaudio to answer", interval=0.05)
        for name in self.names:
            self.plug_in(name)
        self.control("set-default-source", f"{ROOM}.monitor")

    def stop(self) -> None:
        """At once, as if it had crashed."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.modules.clear()
        self.socket.unlink(missing_ok=True)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It does nothing meanwhile."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _pactl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["pactl", *arguments],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=check,
        )

    def control(self, *arguments: str) -> str:
        """What pactl(1) answers."""
        return self._pactl(*arguments).stdout.decode().strip()

    # ---- Microphones ----

    def plug_in(self, name: str) -> None:
        """Without rewinds a null sink works in steps of 50 ms; else its monitor may give nothing for
        the first two seconds."""
        options = (f"sink_name={name}", "norewinds=1", *self.form.split())
        self.modules[name] = self.control("load-module", "module-null-sink", *options)

    def unplug(self, name: str) -> None:
        self.control("unload-module", self.modules.pop(name))

    def start_playing(self, name: str, recording: Path) -> "subprocess.Popen[bytes]":
        """Any file that libsndfile reads, in real time; ends when it was heard."""
        return subprocess.Popen(
            ["paplay", f"--device={name}", str(recording)],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
        )

    def play(self, name: str, recording: Path) -> None:
        process = self.start_playing(name, recording)
        try:
            seconds = soundfile.info(recording).duration
            assert process.wait(seconds + PATIENCE) == 0, f"{recording} could not be played"
            time.sleep(ON_ITS_WAY)
        finally:
            process.kill()
            process.wait()


class Listening:
    """A hearken that listens to a microphone, and what it says of it on standard error."""

    def __init__(self, process: "subprocess.Popen[bytes]", errors: Path) -> None:
        self.process = process
        self.errors = errors

    def said(self) -> list[str]:
        return self.errors.read_text(errors="replace").splitlines()

    def wait_for(self, pattern: str, after: int = 0, seconds: float = PATIENCE) -> int:
        """Until a line from number `after` on matches; returns the number of the next line."""

        def find() -> int | None:
            for number, line in enumerate(self.said()[after:], after):
                if re.search(pattern, line):
                    return number + 1
            return None

        def found() -> bool:
            assert self.process.poll() is None or find(), f"it has stopped: {self.said()}"
            return find() is not None

        wait_until(found, f"'{pattern}' in {self.said()}", seconds)
        number = find()
        assert number is not None
        return number

    def memory(self) -> int:
        """Bytes that are resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert match
        return int(match[1]) * 1024

    def stop(self, number: signal.Signals = signal.SIGINT) -> list[str]:
        """Ends it as a user does; all must be well then. Returns what it said."""
        self.process.send_signal(number)
        assert self.process.wait(PATIENCE) == 0, self.said()
        programs.complain_of_sanitizers("\n".join(self.said()))
        return self.said()


@contextmanager
def listening(server: SoundServer, *arguments: str | Path, folder: Path) -> Iterator[Listening]:
    """hearken with these arguments, which listens by now."""
    errors = folder / f"listening-{time.monotonic_ns()}"
    with (
        errors.open("wb") as file,
        programs.running(
            *arguments, folder=folder, stderr=file, extra_environment=server.environment
        ) as process,
    ):
        hears = Listening(process, errors)
        hears.wait_for("listening to")
        yield hears
