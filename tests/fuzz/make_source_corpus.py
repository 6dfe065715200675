#!/usr/bin/env python3
"""Makes the seeds of fuzz_source: recordings of 50 ms in every container, and WAV
headers with every oddity. Needs ffmpeg.

usage: make_source_corpus.py tests/fuzz/corpus/source
"""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from pathlib import Path

RATE = 16000
UNKNOWN = 0xFFFFFFFF
TONE = b"".join(struct.pack("<h", int(8000 * math.sin(0.1 * i))) for i in range(RATE // 20))
PCM = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
GUID_REST = bytes.fromhex("000000001000800000aa00389b71")
EXTENSIBLE = (
    struct.pack("<HHIIHHHHI", 0xFFFE, 1, RATE, 2 * RATE, 2, 16, 22, 16, 4) + b"\1\0" + GUID_REST
)

# File name: what ffmpeg is told.
ENCODED = {
    "alaw.wav": ["-c:a", "pcm_alaw"],
    "ima.wav": ["-c:a", "adpcm_ima_wav"],
    "ms.wav": ["-c:a", "adpcm_ms"],
    "gsm.wav": ["-c:a", "gsm_ms", "-ar", "8000"],
    "double.wav": ["-c:a", "pcm_f64le"],
    "stereo24.wav": ["-c:a", "pcm_s24le", "-ac", "2", "-ar", "22050"],
    "short.flac": [],
    "short.ogg": ["-c:a", "libvorbis"],
    "short.opus": ["-c:a", "libopus", "-b:a", "16k"],
    "short.mp3": ["-b:a", "32k"],
    "short.aiff": [],
    "short.au": [],
    "short.caf": [],
    "flac.oga": ["-c:a", "flac"],
    "short.w64": [],
    "short.voc": [],
}


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """One RIFF chunk, which may lie about its size."""
    stated = len(body) if size is None else size
    return name + struct.pack("<I", stated) + body + b"\0" * (len(body) % 2)


def wav(*chunks: bytes, name: bytes = b"RIFF", size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return chunk(name, body, size)


def ds64(data_size: int) -> bytes:
    return chunk(b"ds64", struct.pack("<QQQI", data_size, data_size, 0, 0))


def headers() -> dict[str, bytes]:
    pcm = chunk(b"fmt ", PCM)
    data = chunk(b"data", TONE)
    listed = chunk(b"LIST", b"INFOISFT" + struct.pack("<I", 5) + b"sound\0")
    plain = wav(pcm, data)
    return {
        "plain.wav": plain,
        "truncated.wav": plain[:-333],
        "header.wav": plain[:30],
        "extensible.wav": wav(chunk(b"fmt ", EXTENSIBLE), data),
        "list.wav": wav(listed, pcm, listed, data, listed),
        "unpadded.wav": wav(pcm, b"junk" + struct.pack("<I", 3) + b"abc", data),
        "zero.wav": wav(pcm, chunk(b"data", TONE, 0), size=0),
        "unknown.wav": wav(pcm, chunk(b"data", TONE, UNKNOWN), size=UNKNOWN),
        "large.wav": wav(pcm, chunk(b"data", TONE, 2 * len(TONE))),
        "rf64.wav": wav(ds64(len(TONE)), pcm, chunk(b"data", TONE, UNKNOWN), name=b"RF64"),
        "rf64-zero.wav": wav(ds64(0), pcm, chunk(b"data", TONE, UNKNOWN), name=b"RF64"),
        "newline.wav": b"\n" + plain,
        "stale.wav": wav(pcm, chunk(b"data", TONE * 4, 100)),
        "joined.wav": plain + plain,
        "huge-float.wav": wav(
            chunk(b"fmt ", struct.pack("<HHIIHH", 3, 2, RATE, 8 * RATE, 8, 32)),
            chunk(b"data", struct.pack("<ff", 20000, -20000) * 200),
        ),
        "text": b"To whom it may concern\n",
    }


def encode(path: Path, options: list[str]) -> None:
    source = ["-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "-"]
    plain = ["-fflags", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "-1"]
    command = ["ffmpeg", "-loglevel", "error", "-y", *source, *options, *plain, str(path)]
    subprocess.run(command, input=TONE, check=True)


def main() -> None:
    folder = Path(sys.argv[1])
    for name, content in headers().items():
        (folder / name).write_bytes(content)
    for name, options in ENCODED.items():
        encode(folder / name, options)
    for name in ("short.flac", "short.ogg", "short.mp3"):
        content = (folder / name).read_bytes()
        (folder / f"truncated-{name}").write_bytes(content[: len(content) * 2 // 3])
    for name in ("short.flac", "short.ogg", "short.opus", "short.mp3", "flac.oga"):
        content = (folder / name).read_bytes()
        (folder / f"joined-{name}").write_bytes(content + content)
        middle = len(content) // 2
        damaged = content[:middle] + b"\x55\xff\xfb" + content[middle + 3 :]
        (folder / f"damaged-{name}").write_bytes(damaged)
    mp3 = (folder / "short.mp3").read_bytes()
    (folder / "padded.mp3").write_bytes(b"ID3\x03" + bytes(500) + mp3[mp3.find(b"\xff\xf3") :])


if __name__ == "__main__":
    main()
