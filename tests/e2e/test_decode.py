# SPDX-License-Identifier: MIT
"""Recordings that hearken-decode reads: phones', browsers', messengers', videos."""

import ctypes
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from conftest import Serve
from normalise import word_errors, words
from programs import (
    DECODER,
    HEARKEN,
    RANDOM_MODELS,
    REAL_MODEL,
    SANITIZER,
    SCALE,
    environment,
    run,
    succeed,
    wait_until,
)
from sounds import LONG, SHORT
from web import Form, Recording, request

RECURRENT = RANDOM_MODELS["recurrent"]

pytestmark = pytest.mark.skipif(
    not DECODER.exists() or not shutil.which("ffmpeg"),
    reason="hearken-decode was not built, or there is no ffmpeg",
)


def ffmpeg(*arguments: object) -> None:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=60)


def convert(folder: Path, name: str, options: str, source: Path = LONG) -> Path:
    ffmpeg("-i", source, *options.split(), folder / name)
    return folder / name


# ---- Every form ----

PICTURE = "-f lavfi -i testsrc=size=64x48:rate=5:duration=9 -map 0:a -map 1:v -c:v mpeg4"

FORMS = {  # what each is: name, options of ffmpeg
    "m4a, AAC": ("a.m4a", "-ar 44100 -ac 2 -c:a aac -b:a 128k"),
    "mp4, index at its end": ("a.mp4", "-ar 48000 -c:a aac"),
    "mp4, index in front": ("a.mp4", "-c:a aac -movflags +faststart"),
    "mp4, fragmented": ("a.mp4", "-c:a aac -movflags frag_keyframe+empty_moov"),
    "QuickTime": ("a.mov", "-c:a aac"),
    "ALAC": ("a.m4a", "-c:a alac"),
    "Matroska, FLAC": ("a.mkv", "-c:a flac"),
    "Matroska, PCM": ("a.mkv", "-c:a pcm_s24le"),
    "WebM, Opus": ("a.webm", "-c:a libopus -b:a 32k"),
    "WebM, Vorbis": ("a.webm", "-c:a libvorbis"),
    "Ogg, Opus": ("a.opus", "-c:a libopus -b:a 32k"),
    "Ogg, Speex": ("a.spx", "-c:a libspeex -ar 16000 -q:a 10"),
    "Ogg, FLAC": ("a.oga", "-c:a flac"),
    "CAF, Opus": ("a.caf", "-c:a libopus -b:a 32k"),
    "CAF, ALAC": ("a.caf", "-c:a alac"),
    "AAC without a container": ("a.aac", "-c:a aac"),
    "AAC, LATM": ("a.latm", "-c:a aac -f latm"),
    "MPEG transport stream": ("a.ts", "-c:a aac"),
    "MPEG program stream": ("a.mpg", "-c:a mp2 -ar 44100"),
    "Windows Media Audio": ("a.wma", "-c:a wmav2 -ar 44100"),
    "Windows Media Audio 1": ("a.asf", "-c:a wmav1 -ar 44100"),
    "AC-3": ("a.ac3", "-c:a ac3 -ar 48000"),
    "E-AC-3": ("a.eac3", "-c:a eac3 -ar 48000"),
    "DTS": ("a.dts", "-c:a dca -strict -2 -ar 48000 -ac 2 -b:a 768k"),
    "MP3": ("a.mp3", "-c:a libmp3lame -ar 44100"),
    "MP2": ("a.mp2", "-c:a mp2 -ar 48000"),
    "True Audio": ("a.tta", "-c:a tta"),
    "WavPack": ("a.wv", "-c:a wavpack"),
    "AVI, MP3": ("a.avi", f"{PICTURE} -c:a libmp3lame -ar 44100"),
    "Flash": ("a.flv", "-c:a aac"),
    "video": ("a.mp4", f"{PICTURE} -c:a aac"),
    "A-law": ("a.wav", "-c:a pcm_alaw"),
    "µ-law": ("a.au", "-c:a pcm_mulaw"),
    "GSM": ("a.wav", "-c:a libgsm_ms -ar 8000 -ac 1"),
    "IMA ADPCM": ("a.wav", "-c:a adpcm_ima_wav"),
    "Microsoft ADPCM": ("a.wav", "-c:a adpcm_ms"),
    "G.726": ("a.wav", "-c:a g726 -ar 8000 -ac 1 -b:a 32k"),
    "24 bits": ("a.wav", "-c:a pcm_s24le"),
    "32 bits": ("a.wav", "-c:a pcm_s32le"),
    "64-bit floats": ("a.wav", "-c:a pcm_f64le"),
    "RF64": ("a.wav", "-rf64 always"),
    "W64": ("a.w64", "-c:a pcm_s16le"),
    "AIFF-C": ("a.aif", "-c:a pcm_s16le -f aiff"),
    "8 kHz": ("a.m4a", "-ar 8000 -c:a aac"),
    "96 kHz": ("a.m4a", "-ar 96000 -c:a aac -b:a 192k"),
    "192 kHz": ("a.mkv", "-ar 192000 -c:a flac"),
    "3 channels": ("a.m4a", "-ac 3 -c:a aac"),
    "6 channels": ("a.m4a", "-ac 6 -c:a aac"),
    "8 channels": ("a.mka", "-ac 8 -c:a flac"),
}


@cache
def text_of(recording: Path) -> str:
    return succeed(
        "transcribe", "--local", "--model", REAL_MODEL, recording, folder=recording.parent
    )


def expect_same(folder: Path, recording: Path, *options: str) -> None:
    """Two doubtful words may be others in a lossy format; nothing is said on standard error."""
    command = ("transcribe", "--local", "--model", REAL_MODEL, *options, recording)
    result = run(*command, folder=folder)
    assert (result.returncode, result.stderr) == (0, b"")
    original, heard = words(text_of(LONG)), words(result.stdout.decode())
    assert word_errors(original, heard).total() <= 2, result.stdout


@pytest.mark.real
@pytest.mark.parametrize("form", FORMS)
def test_forms(folder: Path, form: str) -> None:
    name, options = FORMS[form]
    expect_same(folder, convert(folder, name, options))


@pytest.mark.real
def test_mp3_with_a_picture(folder: Path) -> None:
    convert(folder, "plain.mp3", "-c:a libmp3lame -ar 44100")
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=640x480:duration=1", "-frames:v", 1, folder / "c.png")
    picture = "-map 0 -map 1 -c copy -id3v2_version 3 -disposition:v attached_pic"
    inputs = ("-i", folder / "plain.mp3", "-i", folder / "c.png")
    ffmpeg(*inputs, *picture.split(), folder / "a.mp3")
    expect_same(folder, folder / "a.mp3")


@pytest.mark.real
def test_mp3_behind_junk(folder: Path) -> None:
    junk = random.Random(1).randbytes(5000)
    sound = convert(folder, "plain.mp3", "-c:a libmp3lame -ar 44100").read_bytes()
    (folder / "a.mp3").write_bytes(junk + sound)
    expect_same(folder, folder / "a.mp3")


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("sox"), reason="there is no sox")
def test_amr(folder: Path) -> None:
    """Which Debian's ffmpeg does not write; in 3GP, too, as telephones do."""
    wav = convert(folder, "a.wav", "-ar 8000 -ac 1")
    amr = folder / "a.amr"
    subprocess.run(["sox", wav, "-t", "amr-nb", "-C", "7", amr], check=True, timeout=60)
    expect_same(folder, amr)
    expect_same(folder, convert(folder, "a.3gp", "-c:a copy", amr))


@pytest.mark.real
def test_name_says_nothing(folder: Path) -> None:
    expect_same(folder, convert(folder, "a.m4a", "-c:a aac").rename(folder / "a.txt"))


@pytest.mark.real
def test_from_a_pipe(folder: Path) -> None:
    sound = convert(folder, "a.m4a", "-c:a aac").read_bytes()
    command = [HEARKEN, "transcribe", "--local", "--model", REAL_MODEL, "-"]
    done = subprocess.run(
        command, input=sound, capture_output=True, env=environment(folder), check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert word_errors(words(text_of(LONG)), words(done.stdout.decode())).total() <= 1


# ---- Tracks, gaps, ends ----


def sound_of(file: Path, *options: str) -> dict:
    return json.loads(succeed("sound", "--json", *options, file, folder=file.parent))


@pytest.mark.real
def test_tracks(folder: Path) -> None:
    """A film with two languages."""
    film = folder / "film.mkv"
    ffmpeg(
        *("-i", LONG, "-i", SHORT, "-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=9"),
        *("-map", "2:v", "-map", "0:a", "-map", "1:a", "-c:v", "mpeg4", "-c:a", "aac"),
        *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", film),
    )
    tracks = sound_of(film)["tracks"]
    assert [track["language"] for track in tracks] == ["eng", "ger"]
    assert [track["chosen"] for track in tracks] == [True, False]
    assert 8.9 < sound_of(film)["seconds"] < 9.2
    assert 2.4 < sound_of(film, "--track", "2")["seconds"] < 2.7
    expect_same(folder, film)
    expect_same(folder, film, "--track", "1")
    command = ("transcribe", "--local", "--model", REAL_MODEL, "--track", "2", film)
    heard = words(succeed(*command, folder=folder))
    assert word_errors(words(text_of(SHORT)), heard).total() <= 1
    for file, message in (
        (film, "it has no audio track 3, expected 1 to 2"),
        (LONG, "it has no audio track 3, expected 1"),
    ):
        result = run("transcribe", "--local", "--track", "3", file, folder=folder)
        assert result.returncode == 1 and message in result.stderr.decode()


def test_late_track(folder: Path) -> None:
    """Times are those of the film, also where its sound begins later than its picture."""
    film = folder / "film.mp4"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=12", "-itsoffset", "3"),
        *("-i", LONG, "-map", "0:v", "-map", "1:a", "-c:v", "mpeg4", "-c:a", "aac", film),
    )
    assert 11.9 < sound_of(film)["seconds"] < 12.2


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", "-c:a aac -movflags +faststart"),
        ("a.mkv", "-c:a flac"),
        ("a.webm", "-c:a libopus"),
        ("a.caf", "-c:a pcm_s16be"),
        ("a.aif", "-c:a pcm_s16be"),
        ("a.au", "-c:a pcm_s16be"),
        ("a.w64", "-c:a pcm_s16le"),
        ("a.wav", "-c:a pcm_s16le"),
        ("b.wav", "-c:a pcm_alaw"),
        ("a.ogg", "-c:a libvorbis"),
        ("a.flac", "-c:a flac"),
        ("a.mp3", "-c:a libmp3lame"),
        ("a.wv", "-c:a wavpack"),
        ("a.tta", "-c:a tta"),
    ],
)
def test_cut_off(folder: Path, name: str, options: str) -> None:
    """What is there is read, and a warning says where it ends; a whole one has none."""
    file = convert(folder, name, options)
    assert sound_of(file)["warnings"] == []
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 6 // 10])
    found = sound_of(file)
    (warning,) = found["warnings"]
    at = re.search(r"at ([\d.]+) s", warning)
    assert "ends too early" in warning and at
    assert 2 < found["seconds"] < 7.5 and abs(float(at[1]) - found["seconds"]) < 0.1


def test_cut_off_before_its_index(folder: Path) -> None:
    file = convert(folder, "a.m4a", "-c:a aac")
    file.write_bytes(file.read_bytes()[:20000])
    result = run("sound", file, folder=folder)
    assert result.returncode == 1
    assert "it has no index (moov): it was cut off, or never finished" in result.stderr.decode()


def test_film_without_sound(folder: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x48:duration=1", "-c:v", "mpeg4", folder / "a.mp4")
    result = run("sound", folder / "a.mp4", folder=folder)
    assert result.returncode == 1 and "it has no audio track" in result.stderr.decode()


# ---- Without it, or one that misbehaves ----


def decoder_of(folder: Path, script: str) -> dict[str, str]:
    """An environment in which a shell script decodes."""
    program = folder / "decoder"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"HEARKEN_DECODER": str(program)}


def told_by(folder: Path, extra: dict[str, str]) -> str:
    file = convert(folder, "a.m4a", "-c:a aac")
    result = run("sound", file, folder=folder, extra_environment=extra)
    assert result.returncode == 1
    told = result.stderr.decode()
    assert told.startswith(f"hearken: {file}: ") and told.count("\n") == 1
    return told


def test_not_installed(folder: Path) -> None:
    told = told_by(folder, {"HEARKEN_DECODER": "/nowhere/hearken-decode"})
    assert "is an MP4 file (AAC or ALAC), which needs hearken-decode" in told
    assert "not installed (/nowhere/hearken-decode)" in told


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 1", "the decoder died"),
        ("kill -9 $$", "the decoder died"),
        ("head -c 100000 /dev/urandom", "the decoder makes no sense"),
        ("cat", "the decoder makes no sense"),
        ("while :; do :; done", "decoding it takes too long"),
    ],
)
def test_bad_decoder(folder: Path, script: str, message: str) -> None:
    assert message in told_by(folder, decoder_of(folder, script))


# ---- Files that attack ----


@contextmanager
def opened(folder: Path) -> Iterator[list[str]]:
    """Names in the folder that somebody opens, in the end."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert watch >= 0 and libc.inotify_add_watch(watch, str(folder).encode(), 0x20) >= 0  # IN_OPEN
    names: list[str] = []
    try:
        yield names
        while True:
            try:
                events = os.read(watch, 65536)
            except BlockingIOError:
                break
            while events:
                (length,) = struct.unpack_from("I", events, 12)
                names.append(events[16 : 16 + length].rstrip(b"\0").decode())
                events = events[16 + length :]
    finally:
        os.close(watch)


def playlists(target: str) -> dict[str, bytes]:
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n"
    concat = f"ffconcat version 1.0\nfile '{target}'\n"
    sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n"
    tag = b"ID3\x04\0\0\0\0\0\0"
    smil = f'<?xml version="1.0"?><smil><body><audio src="{target}"/></body></smil>'
    return {
        "hls": hls.encode(),
        "hls behind a tag": tag + hls.encode(),
        "hls behind zeros": bytes(200) + hls.encode(),
        "hls behind junk": bytes([0x81, 0xFE, 0x07]) * 50 + hls.encode(),
        "concat": concat.encode(),
        "concat behind a tag": tag + concat.encode(),
        "sdp": sdp.encode(),
        "smil": smil.encode(),
    }


@pytest.mark.parametrize("kind", playlists(""))
def test_playlists_open_nothing(folder: Path, kind: str) -> None:
    secrets = folder / "secrets"
    secrets.mkdir()
    shutil.copy(LONG, secrets / "secret.flac")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.mp3"
        for target in (f"{secrets}/secret.flac", f"file://{secrets}/secret.flac", url):
            file = folder / "song.mp3"
            file.write_bytes(playlists(target)[kind])
            with opened(secrets) as names:
                result = run("sound", file, folder=folder)
            assert result.returncode == 1 and result.stdout == b""
            assert names == []
            with pytest.raises(BlockingIOError):
                server.accept()


def test_reference_to_another_file(folder: Path) -> None:
    """A QuickTime film whose sound lies in another file."""
    secrets = folder / "secrets"
    secrets.mkdir()
    film = convert(secrets, "secret.mov", "-c:a pcm_s16le").read_bytes()
    name = str(secrets / "secret.mov").encode()
    plain = b"\0\0\0\x0curl \0\0\0\1"  # the sound is in this file
    other = struct.pack(">I", 12 + len(name) + 1) + b"url \0\0\0\0" + name + b"\0"
    assert film.count(plain) >= 1
    (folder / "a.mov").write_bytes(film.replace(plain, other))
    with opened(secrets) as names:
        run("sound", folder / "a.mov", folder=folder)
    assert names == []


def children() -> list[int]:
    """hearken-decode processes of this tree."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "exe") == str(DECODER.resolve()):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_child_is_confined(folder: Path) -> None:
    """While it decodes: seccomp filters, no new privileges, no memory of others' files."""
    file = convert(folder, "a.mkv", "-c:a flac -ar 96000 -ac 2")
    with file.open("rb") as recording:
        child = subprocess.Popen([DECODER], stdin=recording, stdout=subprocess.PIPE)
    status = Path(f"/proc/{child.pid}/status")
    wait_until(lambda: "Seccomp:\t2" in status.read_text(), "the sandbox")
    assert "NoNewPrivs:\t1" in status.read_text()
    child.kill()
    child.communicate()


def mutated(original: bytes, seed: int) -> bytes:
    """A few bytes changed, a piece lost or doubled, or the end cut off."""
    chance = random.Random(seed)
    sound = bytearray(original)
    for _ in range(chance.randrange(1, 12)):
        at = chance.randrange(min(len(sound), 4000) if chance.random() < 0.5 else len(sound))
        kind = chance.randrange(4)
        if kind == 0:
            sound[at] = chance.randrange(256)
        elif kind == 1:
            sound[at : at + 4] = chance.choice([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"])
        elif kind == 2:
            del sound[at : at + chance.randrange(1, 100)]
        else:
            sound[at:at] = sound[at : at + chance.randrange(1, 100)]
    if chance.random() < 0.1:
        del sound[chance.randrange(len(sound)) :]
    return bytes(sound)


MUTATED = [
    ("a.m4a", "-c:a aac -t 2"),
    ("a.webm", "-c:a libopus -t 2"),
    ("a.mkv", "-c:a libvorbis -t 2"),
    ("a.ac3", "-c:a ac3 -ar 48000 -t 2"),
    ("a.wma", "-c:a wmav2 -t 2"),
    ("a.ts", "-c:a aac -t 2"),
    ("a.avi", "-c:a libmp3lame -t 2"),
    ("a.caf", "-c:a alac -t 2"),
]
MUTANTS = int(os.environ.get("HEARKEN_MUTANTS", "400"))  # of all forms together


@pytest.mark.parametrize(("name", "options"), MUTATED)
def test_mutated_files(folder: Path, name: str, options: str) -> None:
    """Cost at most an error of one line each."""
    original = convert(folder, name, options).read_bytes()
    files = []
    for seed in range(int(MUTANTS / SCALE) // len(MUTATED)):
        files.append(folder / f"{seed}-{name}")
        files[-1].write_bytes(mutated(original, seed))
    result = run("sound", "--json", *files, folder=folder)
    assert result.returncode in (0, 1)
    answers = {json.loads(line)["file"] for line in result.stdout.splitlines()}
    lines = result.stderr.decode().splitlines()
    assert all(line.startswith("hearken: ") for line in lines), lines
    for file in files:
        assert str(file) in answers or any(str(file) in line for line in lines)


# ---- By HTTP ----


def upload(file: Path, kind: str = "audio/mp4") -> Form:
    return Form([("model", "whisper-1")], Recording(file.read_bytes(), file.name, kind))


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "options"),
    [("a.m4a", "-c:a aac"), ("a.webm", "-c:a libopus"), ("a.mp4", f"{PICTURE} -c:a aac")],
)
def test_upload(serve: Serve, folder: Path, name: str, options: str) -> None:
    served = serve(model=REAL_MODEL)
    file = convert(folder, name, options)
    heard = words(served.send(upload(file)).text())
    assert word_errors(words(text_of(LONG)), heard).total() <= 1
    wait_until(lambda: served.running() == 0, "the request to end")


def test_upload_without_decoder(serve: Serve, folder: Path) -> None:
    served = serve({"http.decoder": "none"})
    answer = served.send(upload(convert(folder, "a.m4a", "-c:a aac")))
    assert answer.status == 400
    assert "is an MP4 file (AAC or ALAC), which hearken-decode reads" in answer.error()["message"]


def test_client_leaves_a_decoder_that_hangs(serve: Serve, folder: Path) -> None:
    """The child ends with its request, and holds up nobody."""
    program = folder / "decoder"
    program.write_text('#!/bin/sh\necho $$ >"$0.pid"\nexec sleep 1000\n')
    program.chmod(0o755)
    served = serve({"http.decoder": str(program)})
    with served.bare() as bare:
        bare.send(request(upload(convert(folder, "a.m4a", "-c:a aac"))))
        wait_until(lambda: (folder / "decoder.pid").exists(), "the decoder to start")
        assert served.ask("/health/ready").status == 200
    wait_until(lambda: served.running() == 0, "the client to be missed")
    pid = int((folder / "decoder.pid").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the decoder to end")


def test_killed_client(folder: Path) -> None:
    """The child ends where nobody reads what it decodes."""
    file = folder / "a.mkv"
    ffmpeg("-stream_loop", 30, "-i", LONG, "-c:a", "flac", "-ar", 96000, "-ac", 2, file)
    before = len(children())
    command = [HEARKEN, "transcribe", "--local", "--model", REAL_MODEL, file]
    client = subprocess.Popen(command, env=environment(folder), stderr=subprocess.DEVNULL)
    wait_until(lambda: len(children()) > before, "the decoder to start")
    client.kill()
    client.wait()
    wait_until(lambda: len(children()) <= before, "the decoder to end")


@pytest.mark.skipif(bool(SANITIZER), reason="the decoder has no sanitizer, and this takes long")
def test_mutated_uploads(serve: Serve, folder: Path) -> None:
    """Others notice nothing, the daemon lives on, and no child is left."""
    served = serve()
    before = len(children())
    expected = served.transcribed(SHORT)
    originals = [convert(folder, name, options) for name, options in MUTATED[:4]]

    def send(seed: int) -> int:
        original = originals[seed % len(originals)]
        form = Form([], Recording(mutated(original.read_bytes(), seed)))
        return served.send(form).status

    with ThreadPoolExecutor(4) as pool:
        statuses = pool.map(send, range(MUTANTS // 5))
        for _ in range(5):
            assert served.transcribed(SHORT) == expected
        assert set(statuses) <= {200, 400}
    wait_until(lambda: len(children()) <= before, "the children to end")
    assert served.transcribed(SHORT) == expected
