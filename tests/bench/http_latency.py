# SPDX-License-Identifier: MIT
"""Time to the answer over HTTP and over Wyoming, for the same recording, by turns.

    build/venv/bin/python tests/bench/http_latency.py [--runs 40] [RECORDING ...]

Both get the same WAV samples from memory, from the first byte sent to the last byte of the answer. Needs a
quiet machine: the figure is the median of the paired differences.
"""

from __future__ import annotations

import argparse
import io
import json
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import soundfile

ROOT = Path(__file__).resolve().parents[2]
BORDER = b"border-of-the-parts"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask_wyoming(path: Path, pcm: bytes, rate: int) -> str:
    form = {"rate": rate, "width": 2, "channels": 1}
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        lines = [
            json.dumps({"type": "transcribe", "data": {"hearken": {"words": True}}}).encode(),
            json.dumps({"type": "audio-start", "data": form}).encode(),
        ]
        client.sendall(b"\n".join(lines) + b"\n")
        chunk = {"type": "audio-chunk", "data": form, "payload_length": len(pcm)}
        client.sendall(json.dumps(chunk).encode() + b"\n" + pcm)
        client.sendall(json.dumps({"type": "audio-stop"}).encode() + b"\n")
        reader = client.makefile("rb")
        text = ""
        while line := reader.readline():
            header = json.loads(line)
            data = json.loads(reader.read(header.get("data_length") or 0) or b"{}")
            reader.read(header.get("payload_length") or 0)
            if header["type"] == "transcript":
                text = data["text"]
            if header["type"] in ("transcript-stop", "error"):
                break
    return text


def ask_http(port: int, wav: bytes) -> str:
    def field(name: str, value: str) -> bytes:
        head = f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        return b"--" + BORDER + b"\r\n" + head.encode()

    body = field("model", "whisper-1") + field("response_format", "verbose_json")
    body += b"--" + BORDER + b"\r\n"
    body += b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    body += wav + b"\r\n--" + BORDER + b"--\r\n"
    head = (
        "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary={BORDER.decode()}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head.encode() + body)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    text: str = json.loads(answer.split(b"\r\n\r\n", 1)[1])["text"]
    return text


def timed(ask: Callable[[], str]) -> tuple[float, str]:
    begin = time.perf_counter()
    text = ask()
    return time.perf_counter() - begin, text


def compare(recording: Path, path: Path, port: int, runs: int) -> None:
    samples, rate = soundfile.read(recording, dtype="int16")
    wav = io.BytesIO()
    soundfile.write(wav, samples, rate, format="WAV", subtype="PCM_16")
    pcm = samples.tobytes()
    differences, times = [], []
    for run in range(runs + 2):
        wyoming, expected = timed(lambda: ask_wyoming(path, pcm, rate))
        http, text = timed(lambda: ask_http(port, wav.getvalue()))
        assert text == expected, f"{recording}: {text!r} over HTTP, {expected!r} over Wyoming"
        if run >= 2:  # the first ones warm up
            differences.append(http - wyoming)
            times.append(wyoming)
    print(
        f"{recording.name}: {len(samples) / rate:.1f} s of sound, Wyoming {statistics.median(times) * 1e3:.1f} ms, "
        f"HTTP {statistics.median(differences) * 1e3:+.1f} ms"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares HTTP with Wyoming")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument(
        "recordings", nargs="*", type=Path, default=sorted((ROOT / "tests/data").glob("*.flac"))
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, port = Path(folder) / "s", free_port()
        daemon = subprocess.Popen(
            [ROOT / "build/bin/hearkend", "-q", "--socket", path, "--http", f"127.0.0.1:{port}"]
        )
        try:
            while not path.exists():
                assert daemon.poll() is None, "hearkend did not start"
                time.sleep(0.05)
            for recording in arguments.recordings:
                compare(recording, path, port, arguments.runs)
        finally:
            daemon.terminate()
            daemon.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
