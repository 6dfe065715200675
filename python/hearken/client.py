# SPDX-License-Identifier: MIT
"""A daemon, hearkend, instead of a model in this process: by Wyoming, or by HTTP."""

from __future__ import annotations

import base64
import json
import os
import queue
import socket
import struct
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hearken._native import Cancelled, Closing
from hearken._options import Options, check_names, custom_words_text
from hearken.audio import (
    Audio,
    Format,
    Source,
    array_chunks,
    array_format,
    as_samples,
    is_recording,
)
from hearken.live import Events
from hearken.transcript import Alignment, Event, EventType, Segment, Transcript, Word

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hearken._compatible import Unpack
    from hearken.model import Live

SYSTEM_SOCKET = "/run/hearken/hearken.sock"


class ServerError(Exception):
    """What a daemon refused: its sentence, and its code ("unknown-model", "bad-value" ...)."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


# ---- Wyoming ----


class _Connection:
    """Events of Wyoming over a socket: a line of JSON, data, payload."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._file = sock.makefile("rb")

    def send(self, kind: str, data: Mapping[str, object], payload: bytes = b"") -> None:
        encoded = json.dumps(data).encode()
        head = {"type": kind, "data_length": len(encoded), "payload_length": len(payload)}
        self.socket.sendall(json.dumps(head).encode() + b"\n" + encoded + payload)

    def receive(self) -> tuple[str, dict[str, Any], bytes]:
        """Type, data and payload. Raises ServerError for an error, and where the daemon ends."""
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise ServerError("the daemon has closed the connection", "closed")
        head = json.loads(line)
        data = dict(head.get("data") or {})
        if length := head.get("data_length"):
            data |= json.loads(self._read(length))
        payload = self._read(head.get("payload_length") or 0)
        if head["type"] == "error":
            raise ServerError(str(data.get("text")), str(data.get("code", "")))
        return str(head["type"]), data, payload

    def _read(self, size: int) -> bytes:
        found = self._file.read(size)
        if len(found) < size:
            raise ServerError("the daemon has closed the connection", "closed")
        return found

    def shut_down(self) -> None:
        """Ends what another thread waits for."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed

    def close(self) -> None:
        self.shut_down()
        self._file.close()
        self.socket.close()


def _word(data: Mapping[str, Any]) -> Word:
    return Word(data["text"], data["start"], data["end"], data["confidence"])


def _alignment(data: Mapping[str, Any] | None, payload: bytes) -> Alignment | None:
    if not data:
        return None
    weights = np.frombuffer(payload, "<f4").reshape(data["tokens"], data["steps"])
    return Alignment(weights, tuple(data["texts"]), data["start"], data["step_seconds"])


def _event(data: Mapping[str, Any], payload: bytes) -> Event:
    """Of hearken-segment."""
    kind: EventType = "partial" if data["type"] == "partial" else "final"
    committed = data["text"].encode()[: data.get("committed", 0)]
    return Event(
        type=kind,
        start=data["start"],
        end=data["end"],
        text=data["text"],
        confidence=data["confidence"],
        committed=committed.decode(errors="replace"),
        words=tuple(map(_word, data.get("words") or ())),
        language=data.get("language", ""),
        language_probability=data.get("language_probability", 0.0),
        no_speech_probability=data.get("no_speech_probability", 0.0),
        channel=data.get("channel", 0),
        alignment=_alignment(data.get("alignment"), payload),
    )


def _voice_event(kind: str, data: Mapping[str, Any]) -> Event:
    name: EventType = "voice-started" if kind == "voice-started" else "voice-stopped"
    seconds = (data.get("timestamp") or 0) / 1000
    return Event(type=name, start=seconds, end=seconds, text="", channel=data.get("channel", 0))


def _sendable(samples: NDArray[Any]) -> tuple[bytes, int]:
    """PCM and its width: the protocol has no floating point."""
    if samples.dtype == np.float32:
        scaled = np.nan_to_num(samples).astype(np.float64) * 2.0**31
        samples = np.clip(np.rint(scaled), -(2**31), 2**31 - 1).astype("<i4")
    return samples.tobytes(), samples.dtype.itemsize


class _Request:
    """One transcription over a connection of its own; what `Events` writes to."""

    def __init__(
        self, connection: _Connection, request: Mapping[str, object], form: Format
    ) -> None:
        self._connection = connection
        self._rate, self._channels = form.rate, form.channels
        self._got: queue.SimpleQueue[Event | Exception | None] = queue.SimpleQueue()
        self._cancelled = False
        connection.send("transcribe", request)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """The daemon drops clients that do not read what it sends, so a thread does."""
        try:
            while True:
                kind, data, payload = self._connection.receive()
                if kind == "hearken-segment":
                    self._got.put(_event(data, payload))
                elif kind in ("voice-started", "voice-stopped"):
                    self._got.put(_voice_event(kind, data))
                elif kind == "transcript-stop":
                    self._got.put(None)
                    return
        except Exception as error:  # noqa: BLE001 (raised where it is taken)
            self._got.put(error)

    def _take(self, found: Event | Exception | None, events: list[Event]) -> bool:
        """Whether more may follow."""
        if isinstance(found, Event):
            events.append(found)
            return True
        if self._cancelled:
            raise Cancelled("the request was cancelled")
        if found:
            raise found
        return False

    def write(self, samples: NDArray[Any]) -> list[Event]:
        payload, width = _sendable(samples)
        data = {"rate": self._rate, "width": width, "channels": self._channels}
        try:
            self._connection.send("audio-chunk", data, payload)
        except OSError:
            return self.finish()  # raises what the daemon says about it
        events: list[Event] = []
        while not self._got.empty():
            self._take(self._got.get(), events)
        return events

    def finish(self) -> list[Event]:
        try:
            self._connection.send("audio-stop", {})
        except OSError:
            pass  # what was read from it says why
        events: list[Event] = []
        while self._take(self._got.get(), events):
            pass
        return events

    def cancel(self) -> None:
        self._cancelled = True
        self._connection.shut_down()

    def close(self) -> None:
        self._connection.shut_down()
        self._reader.join()
        self._connection.close()


class MicrophoneEvents(Closing):
    """What the daemon's microphone hears: see `Client.listen`."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def __iter__(self) -> Iterator[Event]:
        """Until the daemon stops, `close`, or the loop is left."""
        try:
            while True:
                kind, data, payload = self._connection.receive()
                if kind == "hearken-segment":
                    yield _event(data, payload)
                elif kind in ("voice-started", "voice-stopped"):
                    yield _voice_event(kind, data)
                elif kind == "hearken-listen-stopped":
                    return
        finally:
            self._connection.close()

    def stop(self) -> None:
        """From any thread: ends the segment, whose text is then the last."""
        self._connection.send("hearken-listen-stop", {})

    def close(self) -> None:
        self._connection.shut_down()


# ---- HTTP ----


def _form(fields: Mapping[str, str], name: str, content: bytes) -> tuple[bytes, str]:
    """A multipart body and its type."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    safe = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{safe}"\r\n\r\n'
    body = b"".join(parts) + head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def _wave(samples: NDArray[Any], form: Format) -> bytes:
    """A WAV file of samples; float32 as such."""
    data = samples.tobytes()
    width = samples.dtype.itemsize
    kind = 3 if samples.dtype.kind == "f" else 1
    block = width * form.channels
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16,
        kind, form.channels, form.rate, form.rate * block, block, 8 * width,
        b"data", len(data),
    )  # fmt: skip
    return head + data


def _spoken_segment(data: Mapping[str, Any], words: list[dict[str, Any]]) -> Segment:
    """Of verbose_json."""
    aligned = data.get("alignment")
    start, end, channel = data["start"], data["end"], data.get("channel", 0)
    own = [
        Word(w["word"], w["start"], w["end"], w.get("confidence", 0.0))
        for w in words
        if w.get("channel", 0) == channel and start - 1e-3 <= w["start"] and w["end"] <= end + 1e-3
    ]
    return Segment(
        start=start,
        end=end,
        text=data["text"].strip(),
        confidence=data.get("confidence", float(np.exp(data.get("avg_logprob", 0.0)))),
        words=tuple(own),
        language=data.get("language", ""),
        language_probability=data.get("language_probability", 0.0),
        no_speech_probability=data.get("no_speech_prob", 0.0),
        channel=channel,
        alignment=_alignment(aligned, base64.b64decode(aligned["weights"])) if aligned else None,
    )


class Client:
    """A daemon that recognises: no model is loaded in this process.

    >>> client = hearken.Client()                          # the daemon of this machine
    >>> client = hearken.Client("/run/hearken/hearken.sock")
    >>> client = hearken.Client("host:10300")              # Wyoming over TCP
    >>> client = hearken.Client("http://host:8080", token="...")
    >>> client.transcribe("talk.flac").text

    Every call makes a connection of its own, so threads may share it. `timeout` is how many seconds
    the daemon may be silent. Raises ServerError for what the daemon refuses, ConnectionError or
    FileNotFoundError if there is none.
    """

    def __init__(
        self, address: str | os.PathLike[str] | None = None, *,
        token: str | None = None, timeout: float | None = None,
    ) -> None:  # fmt: skip
        self.address = self._default() if address is None else os.fspath(address)
        self._token = token
        self._timeout = timeout
        self._is_http = self.address.startswith(("http://", "https://"))

    @staticmethod
    def _default() -> str:
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        own = f"{runtime}/hearken/hearken.sock"
        return own if runtime.startswith("/") and os.path.exists(own) else SYSTEM_SOCKET

    def __repr__(self) -> str:
        return f"<hearken.Client {self.address}>"

    def _connect(self) -> _Connection:
        if self._is_http:
            raise ValueError(f"{self.address} speaks HTTP, expected a socket or HOST:PORT for this")
        where = self.address.removeprefix("tcp://").removeprefix("unix:")
        host, colon, port = where.rpartition(":")
        if "/" not in where and colon and port.isdigit():
            return _Connection(
                socket.create_connection((host.strip("[]"), int(port)), self._timeout)
            )
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(self._timeout)
        try:
            sock.connect(where)
        except OSError as error:
            sock.close()
            if error.errno is None:  # the path is too long
                raise ValueError(f"{where}: {error}") from None
            raise OSError(error.errno, f"{where}: {error.strerror}") from None
        return _Connection(sock)

    @staticmethod
    def _request(
        model: str | None,
        custom_words: str | Iterable[str] | None,
        options: Mapping[str, object],
        **more: object,
    ) -> dict[str, object]:
        check_names(options)
        own: dict[str, object] = {**options, **more}
        if custom_words is not None:
            own["custom_words"] = custom_words_text(custom_words).split("\n")
        return {"name": model, "hearken": own} if model else {"hearken": own}

    # ---- Recordings ----

    def transcribe(
        self,
        audio: Audio,
        *,
        model: str | None = None,
        rate: int | None = None,
        custom_words: str | Iterable[str] | None = None,
        alignment: bool = False,
        **options: Unpack[Options],
    ) -> Transcript:
        """As `Model.transcribe`, with a model of the daemon by its name."""
        if self._is_http:
            return self._transcribe_http(audio, model, rate, custom_words, alignment, options)
        request = self._request(
            model, custom_words, options, events=True, words=True, alignment=alignment
        )
        frames = 0
        warnings: tuple[str, ...] = ()
        source = Source(audio) if is_recording(audio) else None  # type: ignore[arg-type]
        if source:
            source.separate(options.get("channels"))
            form, chunks = source.format, source.chunks()
        else:
            samples = as_samples(audio)
            form = array_format(samples, rate)
            chunks = array_chunks(samples, form.rate)
        running = _Request(self._connect(), request, form)
        events: list[Event] = []
        try:
            for chunk in chunks:
                frames += len(chunk)
                events += running.write(chunk)
            if frames:
                events += running.finish()
            if source:
                warnings = source.warnings()
        finally:
            running.close()
            if source:
                source.close()
        finals = tuple(event.segment for event in events if event.type == "final")
        return Transcript(segments=finals, duration=frames / form.rate, warnings=warnings)

    def iter(
        self,
        audio: Live,
        *,
        model: str | None = None,
        rate: int | None = None,
        custom_words: str | Iterable[str] | None = None,
        alignment: bool = False,
        voice_events: bool = False,
        **options: Unpack[Options],
    ) -> Events:
        """As `Model.iter`: events while sound is recognised, for `for` and `async for`."""
        request = self._request(
            model, custom_words, options,
            events=True, words=True, alignment=alignment, voice_events=voice_events,
        )  # fmt: skip

        def start(form: Format) -> _Request:
            return _Request(self._connect(), request, form)

        return Events(start, audio, rate, options.get("channels"))

    def listen(
        self,
        *,
        model: str | None = None,
        custom_words: str | Iterable[str] | None = None,
        voice_events: bool = False,
        **options: Unpack[Options],
    ) -> MicrophoneEvents:
        """Events of what the daemon's microphone hears."""
        request = self._request(model, custom_words, options, words=True, voice_events=voice_events)
        connection = self._connect()
        connection.send("hearken-listen", request)
        return MicrophoneEvents(connection)

    # ---- About the daemon ----

    def status(self) -> dict[str, Any]:
        """`hearken-status` of docs/protocol.md; over HTTP what `/health` answers."""
        if self._is_http:
            found: dict[str, Any] = self._http("/health")
            return found
        return self._ask("hearken-status")

    def models(self) -> list[str]:
        """The names of its models, the default first."""
        if self._is_http:
            return [model["id"] for model in self._http("/v1/models")["data"]]
        return [model["name"] for model in self._ask("hearken-status")["models"]]

    def _ask(self, kind: str) -> dict[str, Any]:
        connection = self._connect()
        try:
            connection.send(kind, {})
            while True:
                answered, data, _ = connection.receive()
                if answered == kind:
                    return data
        finally:
            connection.close()

    def _http(self, path: str, body: bytes | None = None, content_type: str = "") -> Any:
        request = urllib.request.Request(self.address.rstrip("/") + path, data=body)
        if content_type:
            request.add_header("Content-Type", content_type)
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            content = error.read()
            try:
                told = json.loads(content)["error"]
            except (ValueError, KeyError, TypeError):
                raise ServerError(f"{error.code} {error.reason}", str(error.code)) from None
            raise ServerError(told["message"], str(told.get("code") or error.code)) from None
        except urllib.error.URLError as error:
            raise ConnectionError(f"{self.address}: {error.reason}") from None

    def _transcribe_http(
        self,
        audio: Audio,
        model: str | None,
        rate: int | None,
        custom_words: str | Iterable[str] | None,
        alignment: bool,
        options: Mapping[str, object],
    ) -> Transcript:
        own = self._request(None, custom_words, options, alignment=alignment)["hearken"]
        name = "sound.wav"
        if isinstance(audio, bytes):
            content = audio
        elif isinstance(audio, (str, os.PathLike)):
            name = os.path.basename(os.fspath(audio))
            with open(audio, "rb") as file:
                content = file.read()
        elif is_recording(audio):
            content = audio.read()  # type: ignore[union-attr]
        else:
            samples = as_samples(audio)
            content = _wave(samples, array_format(samples, rate))
        fields = {"response_format": "verbose_json", "hearken": json.dumps(own)}
        if model:
            fields["model"] = model
        body, content_type = _form(fields, name, content)
        answer = self._http("/v1/audio/transcriptions", body, content_type)
        words = answer.get("words") or []
        found = answer.get("segments") or ()
        segments = tuple(_spoken_segment(segment, words) for segment in found)
        warnings = tuple((answer.get("hearken") or {}).get("warnings") or ())
        return Transcript(segments=segments, duration=answer["duration"], warnings=warnings)
