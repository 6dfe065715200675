# SPDX-License-Identifier: MIT
"""Makes the inputs that the fuzz target websocket begins with: what each protocol's clients send.

build/venv/bin/python tests/fuzz/make_websocket_corpus.py
"""

import base64
import json
import struct
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "corpus" / "websocket"
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
REALTIME, LISTEN, RECORDING, VOSK = range(4)  # of fuzz_websocket.c


def frame(opcode: int, payload: bytes, final: bool = True) -> bytes:
    """With a mask of zeros, so that the fuzzer sees what it changes."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
    return bytes([opcode | 0x80 * final]) + length + bytes(4) + payload


def text(message: Any) -> bytes:
    return frame(TEXT, json.dumps(message).encode())


def append(sound: bytes) -> bytes:
    return text({"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()})


def wav(sound: bytes) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
    chunks = (
        b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(sound)) + sound
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


SOUND = bytes(range(256)) * 20
GOODBYE = frame(CLOSE, struct.pack(">H", 1000) + b"bye")
COMMIT, CLEAR = ({"type": f"input_audio_buffer.{verb}"} for verb in ("commit", "clear"))
INPUT: dict[str, Any] = {
    "format": {"type": "audio/pcm", "rate": 16000},
    "transcription": {"model": "whisper-1", "language": "en", "prompt": "p", "keywords": ["Haydn"]},
    "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500},
}
UPDATE = {
    "type": "session.update",
    "session": {
        "type": "transcription",
        "audio": {"input": INPUT},
        "include": ["item.input_audio_transcription.logprobs"],
        "hearken": {"partial": True, "words": True, "alignment": True, "beam_width": 2},
    },
}
FLAT = {
    "type": "transcription_session.update",
    "session": {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": None,
    },
}
SEEDS: dict[str, tuple[int, list[bytes]]] = {
    "update": (REALTIME, [text(UPDATE), GOODBYE]),
    "items": (REALTIME, [text(FLAT), append(SOUND), text(COMMIT), append(SOUND), text(COMMIT)]),
    "clear": (REALTIME, [append(SOUND), text(CLEAR), text({"type": "response.create"})]),
    "semantic": (
        REALTIME,
        [
            text(
                {
                    "type": "session.update",
                    "session": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}},
                }
            )
        ],
    ),
    "pieces": (
        REALTIME,
        [frame(TEXT, b'{"type":', False), frame(PING, b"?"), frame(0, b'"x"}'), GOODBYE],
    ),
    "listen": (
        LISTEN,
        [
            frame(BINARY, SOUND),
            text({"type": "KeepAlive"}),
            text({"type": "Finalize"}),
            frame(BINARY, SOUND),
            text({"type": "CloseStream"}),
        ],
    ),
    "recording": (RECORDING, [frame(BINARY, wav(SOUND[:2000])), text({"type": "CloseStream"})]),
    "no-recording": (RECORDING, [frame(BINARY, b"no sound"), frame(BINARY, b"")]),
    "vosk": (
        VOSK,
        [
            text({"config": {"sample_rate": 8000, "words": 1, "phrase_list": ["one two"]}}),
            frame(BINARY, SOUND[:3200]),
            frame(TEXT, b'{"reset" : 1}'),
            frame(BINARY, SOUND[:3200]),
            frame(TEXT, b'{"eof" : 1}'),
        ],
    ),
    "unmasked": (VOSK, [b"\x81\x02{}"]),
    "too-long": (VOSK, [b"\x82\xff" + struct.pack(">Q", 64 << 20) + bytes(4) + SOUND]),
}


def main() -> None:
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name, (protocol, frames) in SEEDS.items():
        (CORPUS / name).write_bytes(bytes([protocol]) + b"".join(frames))


if __name__ == "__main__":
    main()
