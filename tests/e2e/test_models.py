# SPDX-License-Identifier: MIT
"""Several models in one daemon: chosen by name, loaded when they are needed, released when not."""

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
from conftest import StartDaemon
from programs import HEARKEND, RANDOM_MODELS, REAL_MODEL, Daemon, alone, run, wait_until
from sounds import LONG, SHORT, pcm
from talking import Bare, answer, error_of, text_of, transcribed

RECURRENT, TRANSFORMER = RANDOM_MODELS["recurrent"], RANDOM_MODELS["transformer"]
OTHER = {"model other.file": str(TRANSFORMER)}


def expected(model: Path, recording: Path) -> str:
    return alone(model, recording).replace("\n", " ").strip()


def by_name(daemon: Daemon, name: str, recording: Path = SHORT) -> str:
    return text_of(answer(daemon.socket, pcm(recording), {"name": name}))


def ask(daemon: Daemon, kind: str, reply: str) -> dict:
    with Bare(daemon.socket) as bare:
        bare.event(kind)
        event = bare.read()
        assert event is not None and event.type == reply
        return event.data


def states(daemon: Daemon) -> dict[str, str]:
    models = ask(daemon, "hearken-status", "hearken-status")["models"]
    return {model["name"]: model["state"] for model in models}


def state(daemon: Daemon, name: str = "other") -> str:
    return states(daemon)[name]


def reload(daemon: Daemon, said: str = "reloaded") -> None:
    before = daemon.log().count(said)
    daemon.write_configuration()
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: daemon.log().count(said) > before, f"'{said}' in the log")


def test_models_by_name(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings=OTHER)
    default = ask(daemon, "describe", "info")["asr"][0]["models"][0]["name"]
    assert state(daemon) == "not loaded"
    assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)
    assert state(daemon) == "not loaded", "nobody has asked for it"
    assert by_name(daemon, "other") == expected(TRANSFORMER, SHORT)
    assert by_name(daemon, default) == expected(RECURRENT, SHORT)
    assert states(daemon) == {default: "loaded", "other": "loaded"}
    assert daemon.log().count("loaded model other") == 1


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("change", ["truncate", "overwrite"])
def test_file_changes_in_place(
    start_daemon: StartDaemon, folder: Path, change: str, backend: str
) -> None:
    """What is loaded stays what it was, whatever happens to the file."""
    model = folder / "model.gguf"
    shutil.copyfile(RECURRENT, model)
    daemon = start_daemon(model, arguments=["--backend", backend])
    before = [transcribed(daemon.socket, pcm(recording)) for recording in (SHORT, LONG)]
    assert all(before)
    if change == "truncate":
        os.truncate(model, 0)
    else:
        shutil.copyfile(TRANSFORMER, model)
    assert [transcribed(daemon.socket, pcm(recording)) for recording in (SHORT, LONG)] == before


def test_info_lists_them_unloaded(start_daemon: StartDaemon, folder: Path) -> None:
    daemon = start_daemon(settings=OTHER | {"model gone.file": str(folder / "gone.gguf")})
    models = ask(daemon, "describe", "info")["asr"][0]["models"]
    assert [model["installed"] for model in models] == [True, True, False]
    assert [model["name"] for model in models][1:] == ["other", "gone"]
    assert all(model["languages"] == ["en"] for model in models)
    assert state(daemon) == "not loaded"


def test_unknown_model(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings=OTHER)
    default = ask(daemon, "describe", "info")["asr"][0]["models"][0]["name"]
    error = error_of(answer(daemon.socket, pcm(SHORT), {"name": "another"}))
    assert error.code == "unknown-model"
    assert error.text == f"transcribe: name: got another, expected one of: {default}, other"
    assert by_name(daemon, "other") == expected(TRANSFORMER, SHORT)


def test_client_chooses(start_daemon: StartDaemon, folder: Path) -> None:
    daemon = start_daemon(settings=OTHER)
    at = ("transcribe", "--socket", daemon.socket, "--quiet")
    chosen = run(*at, "--model", "other", SHORT, folder=folder)
    assert chosen.stdout.decode() == alone(TRANSFORMER, SHORT)
    assert run(*at, SHORT, folder=folder).stdout.decode() == alone(RECURRENT, SHORT)
    wrong = run(*at, "-m", "another", SHORT, folder=folder)
    assert wrong.returncode == 1 and b"got another, expected one of" in wrong.stderr


def test_requests_for_one_that_is_being_loaded(start_daemon: StartDaemon) -> None:
    """They share the load, and who uses another model notices nothing."""
    daemon = start_daemon(settings=OTHER | {"server.workers": "3"})
    texts: list[tuple[str, str]] = []

    def client(name: str) -> None:
        texts.append((name, by_name(daemon, name)))

    clients = [threading.Thread(target=client, args=(name,)) for name in ("other", "") * 4]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    wanted = {"other": expected(TRANSFORMER, SHORT), "": expected(RECURRENT, SHORT)}
    assert sorted(texts) == sorted((name, wanted[name]) for name in ("other", "") * 4)
    assert daemon.log().count("loaded model other") == 1


def test_gone_before_it_is_loaded(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings=OTHER)
    form = {"rate": 16000, "width": 2, "channels": 1}
    for _ in range(5):
        with Bare(daemon.socket) as bare:
            bare.event("transcribe", {"name": "other"})
            bare.event("audio-chunk", form, bytes(32000))
    assert by_name(daemon, "other") == expected(TRANSFORMER, SHORT)
    status = ask(daemon, "hearken-status", "hearken-status")
    wait_until(
        lambda: ask(daemon, "hearken-status", "hearken-status")["requests_running"] == 0,
        f"abandoned requests to end: {status}",
    )


def test_stop_while_one_is_being_loaded(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings=OTHER)
    with Bare(daemon.socket) as bare:
        bare.event("transcribe", {"name": "other"})
        bare.sound(pcm(SHORT))
        wait_until(lambda: state(daemon) != "not loaded", "the load to begin")
        daemon.signal(signal.SIGTERM)
        events = bare.read_all()
    assert text_of(events) == expected(TRANSFORMER, SHORT)
    assert daemon.wait() == 0


def test_file_that_cannot_be_loaded(start_daemon: StartDaemon, folder: Path) -> None:
    """Only who asks for it is told, and each time it is tried again."""
    file = folder / "other.gguf"
    daemon = start_daemon(settings={"model other.file": str(file)})
    missing = error_of(answer(daemon.socket, pcm(SHORT), {"name": "other"}))
    assert missing.code == "recognition-failed" and "No such file" in missing.text
    file.write_bytes(TRANSFORMER.read_bytes()[:5000])
    damaged = error_of(answer(daemon.socket, pcm(SHORT), {"name": "other"}))
    assert damaged.code == "recognition-failed" and str(file) in damaged.text
    assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)
    assert state(daemon) == "not loaded"
    shutil.copy(TRANSFORMER, file)
    assert by_name(daemon, "other") == expected(TRANSFORMER, SHORT)


def test_released_when_idle(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings=OTHER | {"model.release_seconds": "0.5"})
    default = ask(daemon, "describe", "info")["asr"][0]["models"][0]["name"]
    for turn in range(1, 3):
        assert by_name(daemon, "other") == expected(TRANSFORMER, SHORT)
        wait_until(lambda: state(daemon) == "not loaded", "the model to be released")
        assert daemon.log().count("released model other") == turn
    assert state(daemon, default) == "loaded", "the default stays"


def test_not_released_while_in_use(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings=OTHER | {"model.release_seconds": "0.3"})
    form = {"rate": 16000, "width": 2, "channels": 1}
    chunks = pcm(LONG).chunks(16000)
    with Bare(daemon.socket) as bare:
        bare.event("transcribe", {"name": "other"})
        for chunk in chunks:
            bare.event("audio-chunk", form, chunk)
            time.sleep(0.15)
        bare.event("audio-stop")
        while (event := bare.read()) is not None and event.type != "transcript":
            pass
    assert event is not None and event.data["text"] == expected(TRANSFORMER, LONG)
    assert daemon.log().count("loaded model other") == 1


def test_default_need_not_be_kept(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings={"model.keep": "off", "model.release_seconds": "0.3"})
    (default,) = states(daemon)
    for _ in range(2):
        wait_until(lambda: state(daemon, default) == "not loaded", "the model to be released")
        assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)
    reload(daemon)
    assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)


def test_reload_of_the_list(start_daemon: StartDaemon) -> None:
    """What is in use goes on; what is no longer there cannot be asked for any more."""
    daemon = start_daemon(settings=OTHER)
    form = {"rate": 16000, "width": 2, "channels": 1}
    chunks = pcm(LONG).chunks(16000)
    with Bare(daemon.socket) as bare:
        bare.event("transcribe", {"name": "other"})
        bare.event("audio-chunk", form, chunks[0])
        wait_until(lambda: state(daemon) == "loaded", "the model to be loaded")
        del daemon.settings["model other.file"]
        daemon.settings["model third.file"] = str(RECURRENT)
        reload(daemon)
        assert error_of(answer(daemon.socket, pcm(SHORT), {"name": "other"}))
        assert by_name(daemon, "third") == expected(RECURRENT, SHORT)
        for chunk in chunks[1:]:
            bare.event("audio-chunk", form, chunk)
        bare.event("audio-stop")
        while (event := bare.read()) is not None and event.type != "transcript":
            pass
    assert event is not None and event.data["text"] == expected(TRANSFORMER, LONG)


def test_reload_keeps_what_has_not_changed(start_daemon: StartDaemon, folder: Path) -> None:
    file = folder / "other.gguf"
    shutil.copy(TRANSFORMER, file)
    daemon = start_daemon(settings={"model other.file": str(file)})
    assert by_name(daemon, "other") == expected(TRANSFORMER, SHORT)
    daemon.settings["recognition.beam_width"] = "3"
    reload(daemon)
    assert state(daemon) == "loaded"
    replacement = folder / "new.gguf"
    shutil.copy(RECURRENT, replacement)
    os.replace(replacement, file)
    reload(daemon)
    assert state(daemon) == "not loaded"
    assert by_name(daemon, "other") == alone(RECURRENT, SHORT, "--beam", "3").strip()


def test_reloads_under_load(start_daemon: StartDaemon) -> None:
    """Lists come and go, and models are released and loaded, while clients talk."""
    daemon = start_daemon(settings=OTHER | {"model.release_seconds": "0.01"})
    texts: list[str] = []

    def client() -> None:
        texts.extend(by_name(daemon, "other") for _ in range(4))

    clients = [threading.Thread(target=client) for _ in range(3)]
    for thread in clients:
        thread.start()
    for model in (RECURRENT, TRANSFORMER) * 3:
        daemon.settings["model other.file"] = str(model)
        reload(daemon)
    for thread in clients:
        thread.join()
    assert len(texts) == 12
    assert set(texts) <= {expected(model, SHORT) for model in (RECURRENT, TRANSFORMER)}


@pytest.mark.real
def test_memory_is_given_back(start_daemon: StartDaemon) -> None:
    """To the system, but for what malloc cannot part with."""
    real = {"model real.file": str(REAL_MODEL), "model.release_seconds": "0.2"}
    daemon = start_daemon(settings=real)

    def memory() -> float:
        status = ask(daemon, "hearken-status", "hearken-status")
        return status["memory_bytes"] / 1024**2

    before = memory()
    for turn in range(1, 4):
        assert "London" in by_name(daemon, "real")
        wait_until(lambda: state(daemon, "real") == "not loaded", "the model to be released")
        size = REAL_MODEL.stat().st_size / 1024**2
        wait_until(
            lambda n=before + size / 3: memory() < n, f"memory, {memory():.0f} MiB, {before:.0f}"
        )
        assert daemon.log().count("released model real") == turn


def test_settings(folder: Path) -> None:
    """What is wrong with a list of models is told with its line."""
    file = folder / "c.conf"
    for lines, problem in (
        ("[model a]\nfil = x\n", "2: fil: no such setting in section [model a], expected file"),
        ("[model a]\nfile =\n", "2: file: got nothing, expected a model file"),
        ("[model a,b]\nfile = x\n", "the name has a comma or a control character"),
        ("[model ]\nfile = x\n", "the name has 0 bytes, expected 1 to 40"),
        (f"[model {'n' * 40}]\nfile = x\n", ""),
        (f"[model {'n' * 41}]\nfile = x\n", "the name has 41 bytes, expected 1 to 40"),
        (f"[model {'n' * 100}]\nfile = x\n", "expected 1 to 40"),
        (
            "[model a]\nfile = x\n[model b]\nfile = y\n\n[model a]\nfile = z\n",
            "c.conf:7: file: [model a] has a file already, in line 2",
        ),
        ("[model a]\nfile = x\nfile = x\n", "c.conf:3: file: [model a] has a file already"),
        ("".join(f"[model {n}]\nfile = x\n" for n in range(33)), "66: file: more than 32 models"),
    ):
        file.write_text(lines)
        checked = run("--config", file, "--check-config", folder=folder, program=HEARKEND)
        assert (checked.returncode == 0) == (not problem), checked
        assert problem in checked.stderr.decode() + checked.stdout.decode()


def test_command_line_over_a_section(start_daemon: StartDaemon) -> None:
    """It names the same model, and is no second one."""
    arguments = ["--set", f"model other.file={TRANSFORMER}"]
    daemon = start_daemon(settings={"model other.file": "/none"}, arguments=arguments)
    assert by_name(daemon, "other") == expected(TRANSFORMER, SHORT)


def test_name_of_the_default(start_daemon: StartDaemon) -> None:
    """Nobody could choose the other one. A reload with such a name changes nothing."""
    name = ask(start_daemon(), "describe", "info")["asr"][0]["models"][0]["name"]
    settings = {f"model {name}.file": str(TRANSFORMER)}
    refused = start_daemon(settings=settings, launch_only=True)
    assert refused.wait() == 1
    said = f"[model {name}]: the default model, {RECURRENT}, has the same name"
    assert said in refused.log()
    daemon = start_daemon(settings=OTHER)
    daemon.settings |= settings
    daemon.write_configuration()
    reload(daemon, "nothing was changed")
    assert said in daemon.log()
    assert by_name(daemon, "other") == expected(TRANSFORMER, SHORT)


def test_listening_with_a_model_of_ones_own(start_daemon: StartDaemon) -> None:
    """Without a microphone, but as far as that: the name is checked first."""
    daemon = start_daemon(settings=OTHER)
    with Bare(daemon.socket) as bare:
        bare.event("hearken-listen", {"name": "another"})
        event = bare.read()
        assert event is not None and event.type == "error"
        assert event.data["code"] == "unknown-model"
