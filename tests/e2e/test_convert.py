# SPDX-License-Identifier: MIT
"""A network in any format that checkpoints come in becomes the same model."""

import copy
import os
import resource
import signal
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import checkpoints
import numpy as np
import pytest
from checkpoints import LANGUAGES, Shape, Tensors, read_floats
from conftest import StartDaemon
from programs import BUILD, RANDOM_MODELS, alone, run
from sounds import SHORT, pcm
from talking import Bare, answer, error_of, text_of

CONVERT = BUILD / "bin" / "hearken-convert"
SEED = 8

SHAPES = {
    "multilingual": Shape(),
    "english": Shape(text_tokens=50256),
    "large-v3": Shape(mels=128, languages=100, heads=4, width=64, mlp=96, speller_layers=2),
}


@dataclass
class Network:
    """A network, and its model file by way of CTranslate2's format, in single precision."""

    shape: Shape
    tensors: Tensors
    tokens: list[bytes]
    names: list[str]
    filters: np.ndarray
    converted: bytes


def convert(checkpoint: Path, out: Path, *options: str | Path) -> None:
    arguments = ["--voice", "none", "--name", "random", *options, "-o", out, checkpoint]
    result = run(*arguments, folder=out.parent, program=CONVERT)
    assert result.returncode == 0, result.stderr.decode()


def refuse(checkpoint: Path, *options: str | Path) -> str:
    """What it says."""
    out = checkpoint.parent / "refused.gguf"
    result = run("-o", out, *options, checkpoint, folder=checkpoint.parent, program=CONVERT)
    assert result.returncode == 1 and not out.exists()
    return result.stderr.decode()


def make_network(shape: Shape, folder: Path) -> Network:
    tensors = checkpoints.random_network(shape, SEED)
    # As half precision has them, so that all formats hold the same.
    tensors = {
        name: values if "encoder.pos" in name else values.astype(np.float16).astype(np.float32)
        for name, values in tensors.items()
    }
    tokens = checkpoints.text_tokens(shape.text_tokens)
    names = checkpoints.names_of(tokens) + checkpoints.special_tokens(shape.languages)
    checkpoints.write_ct2(folder, shape, tensors, names)
    convert(folder, folder / "ct2.gguf", "-t", "f32")
    filters = read_floats(folder / "ct2.gguf")["features.mel_filters"]
    converted = (folder / "ct2.gguf").read_bytes()
    return Network(shape, tensors, tokens, names, filters, converted)


@pytest.fixture(scope="module", params=SHAPES.values(), ids=SHAPES.keys())
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Network:
    return make_network(request.param, tmp_path_factory.mktemp("ct2"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return make_network(SHAPES["multilingual"], tmp_path_factory.mktemp("ct2"))


def write_ggml(n: Network, folder: Path, kind: str = "f16", **options: int) -> Path:
    path = folder / "ggml-random.bin"
    checkpoints.write_ggml(path, n.shape, n.tensors, n.tokens, n.filters, kind, **options)
    return path


def write_torch(n: Network, folder: Path, half: bool = True) -> Path:
    path = folder / "random.pt"
    checkpoints.write_torch(path, n.shape, n.tensors, half)
    checkpoints.write_tiktoken(folder / "multilingual.tiktoken", n.tokens)
    return path


def write_hugging_face(n: Network, folder: Path, **options: object) -> Path:
    checkpoints.write_hugging_face(folder, n.shape, n.tensors, n.names, **options)
    return folder


ROUTES: dict[str, Callable[[Network, Path], Path]] = {
    "ggml f32": lambda n, folder: write_ggml(n, folder, "f32"),
    "ggml f16": write_ggml,
    "safetensors F32": write_hugging_face,
    "safetensors F16": lambda n, folder: write_hugging_face(n, folder, kind="F16"),
    "shards": lambda n, folder: write_hugging_face(n, folder, shards=3, tokenizer=True),
    "pt half": write_torch,
    "pt float": lambda n, folder: write_torch(n, folder, half=False),
}


@pytest.mark.parametrize("route", ROUTES)
def test_all_routes_lead_to_the_same_file(route: str, network: Network, folder: Path) -> None:
    checkpoint = ROUTES[route](network, folder)
    convert(checkpoint, folder / "out.gguf", "-t", "f32")
    made = (folder / "out.gguf").read_bytes()
    if "16" not in route and "half" not in route:
        assert made == network.converted
        return
    expected = read_floats(write(folder / "ct2.gguf", network.converted))
    found = read_floats(folder / "out.gguf")
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_bfloat16(small: Network, folder: Path) -> None:
    write_hugging_face(small, folder, kind="BF16")
    convert(folder, folder / "out.gguf", "-t", "f32")
    found = read_floats(folder / "out.gguf")["speller.embedding.weight"]
    exact = small.tensors["decoder.token_embedding.weight"]
    cut = checkpoints.as_bfloat16(exact).astype(np.uint32) << 16
    np.testing.assert_array_equal(found, cut.view(np.float32))


@pytest.mark.parametrize(
    ("kind", "error"),
    [("q4_0", 0.15), ("q4_1", 0.1), ("q5_0", 0.08), ("q5_1", 0.05), ("q8_0", 0.01)],
)
def test_quantized_ggml(kind: str, error: float, small: Network, folder: Path) -> None:
    """The mean error, by the mean size, is that of a format of so many bits."""
    convert(write_ggml(small, folder, kind), folder / "out.gguf", "-t", "f32")
    found = read_floats(folder / "out.gguf")["listener.block.1.mlp_up.weight"]
    exact = small.tensors["encoder.blocks.1.mlp.0.weight"]
    distance = np.abs(found - exact).mean() / np.abs(exact).mean()
    assert error / 8 < distance < error


@pytest.mark.parametrize("kind", ["f32", "f16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"])
def test_ggml_opens_directly(kind: str, small: Network, folder: Path) -> None:
    """And says what a model file with the same weights says, which has no voice network here."""
    path = write_ggml(small, folder, kind)
    lossless = "q8_0" if kind in ("q4_0", "q4_1", "q5_1") else "f32"
    convert(path, folder / "converted.gguf", "-t", lossless)
    alike = ["--backend", "reference", "--set", "voice=off"]
    assert alone(path, SHORT, *alike) == alone(folder / "converted.gguf", SHORT, *alike)


def test_inspecting_ggml(small: Network, folder: Path, hearken: Callable[..., str]) -> None:
    path = write_ggml(small, folder, "q5_0")
    shown = hearken("model", "--tensors", path)
    lines = [line.split() for line in shown.splitlines()]
    assert ["name", "ggml-random"] in lines
    types = {line[-1]: line[0] for line in lines if len(line) > 3}
    assert types["listener.block.0.qkv.weight"] == "Q5_0"
    assert types["listener.conv1.weight"] == "F16"


@pytest.mark.parametrize("form", ["ggml", "gguf"])
def test_languages(form: str, network: Network, start_daemon: StartDaemon, folder: Path) -> None:
    """The daemon tells and takes those of the model, whatever file it comes in."""
    path = write_ggml(network, folder, "f32")
    if form == "gguf":
        convert(path, folder / "converted.gguf", "-t", "f32")
        path = folder / "converted.gguf"
    codes = ["en"] if network.shape.text_tokens == 50256 else LANGUAGES[: network.shape.languages]
    backend = ("--backend", "reference")
    daemon = start_daemon(path, settings={"recognition.voice": "off"}, arguments=backend)
    with Bare(daemon.socket) as bare:
        bare.event("describe")
        info = bare.read()
    assert info is not None
    (model,) = info.data["asr"][0]["models"]
    assert sorted(model["languages"]) == sorted(codes)
    for code in ("de", "en", "auto"):
        events = answer(daemon.socket, pcm(SHORT), {"language": code})
        if code in codes or code == "auto":
            alike = (*backend, "--set", "voice=off", "--language", code)
            assert text_of(events) == alone(path, SHORT, *alike).replace("\n", " ").strip()
        else:
            assert error_of(events).code == "unknown-language"
    if codes == ["en"]:
        translate = answer(daemon.socket, pcm(SHORT), {"hearken": {"task": "translate"}})
        assert error_of(translate).code == "recognition-failed"


def test_vocabulary_of_a_pt_file(small: Network, folder: Path) -> None:
    """Beside it, or by an option; without one it says which it looked for."""
    path = write_torch(small, folder)
    convert(path, folder / "beside.gguf")
    (folder / "multilingual.tiktoken").rename(folder / "elsewhere")
    assert "--vocabulary" in refuse(path)
    convert(path, folder / "named.gguf", "--vocabulary", folder / "elsewhere")
    assert (folder / "beside.gguf").read_bytes() == (folder / "named.gguf").read_bytes()


def test_old_quantization(small: Network, folder: Path) -> None:
    said = refuse(write_ggml(small, folder, "q4_0", quantization=1))
    assert "quantized in version 1, expected 2" in said


def test_wrong_heads(small: Network, folder: Path) -> None:
    wrong = replace(small, shape=replace(small.shape, heads=3))
    assert "3 and 3 heads" in refuse(write_ggml(wrong, folder))


@pytest.mark.parametrize("route", ["ggml f16", "safetensors F32", "pt half"])
def test_truncated(route: str, small: Network, folder: Path) -> None:
    checkpoint = ROUTES[route](small, folder)
    file = folder / "model.safetensors" if checkpoint == folder else checkpoint
    whole = file.read_bytes()
    for size in (3, 40, 5000, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        said = refuse(checkpoint)
        assert f"hearken-convert: {file}: " in said and len(said.splitlines()) == 1


def test_pickle_of_something_else(small: Network, folder: Path) -> None:
    """What would run a program is refused by its name."""
    path = folder / "bad.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.")
    assert "'os system'" in refuse(path)


def test_storage_beyond_memory(folder: Path) -> None:
    """Bytes that do not fit in 64 bits: the file of the storage would seem to hold them."""
    count, offset = (1 << 62) + 4, (1 << 62) - 16
    pickle = checkpoints.Pickle()
    pickle.data += b"}("
    pickle.text("dims")
    pickle.data += b"}"
    pickle.text("model_state_dict")
    pickle.data += b"}("
    pickle.text("encoder.conv1.weight")
    pickle.tensor("0", "FloatStorage", np.zeros(16), count, offset)
    pickle.data += b"uu."
    path = folder / "bad.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", bytes(pickle.data))
        file.writestr("archive/data/0", bytes(16))
    assert f"a storage of {count} values" in refuse(path)


def write_storages(path: Path, storages: list[str]) -> None:
    """A tensor of 100,000 values for each name of a storage."""
    values = np.zeros(100_000, np.float32)
    pickle = checkpoints.Pickle()
    pickle.data += b"}("
    pickle.text("dims")
    pickle.data += b"}"
    pickle.text("model_state_dict")
    pickle.data += b"}("
    for number, storage in enumerate(storages):
        pickle.text(f"tensor {number}")
        pickle.tensor(storage, "FloatStorage", values)
    pickle.data += b"uu."
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", bytes(pickle.data))
        file.writestr("archive/data/0", values.tobytes())
        whole = file.getinfo("archive/data/0")
        for storage in sorted(set(storages) - {"0"}):
            again = copy.copy(whole)
            again.filename = f"archive/data/{storage}"
            file.filelist.append(again)


def test_shared_storage(folder: Path) -> None:
    """Is read once, as it is once in the file."""
    write_storages(folder / "x.pt", ["0"] * 1000)
    assert "'decoder.token_embedding.weight' is missing" in refuse(folder / "x.pt")


def test_files_of_a_zip_in_one_place(folder: Path) -> None:
    """Together they would fill any memory."""
    write_storages(folder / "x.pt", [str(number) for number in range(1000)])
    assert "its files are larger than the archive" in refuse(folder / "x.pt")


def test_not_a_checkpoint(folder: Path) -> None:
    path = folder / "text"
    path.write_bytes(struct.pack("<4I", 99, 98, 97, 96))
    assert "not a checkpoint" in refuse(path)
    path.write_bytes(b"GGUF" + bytes(40))
    assert "a GGUF file" in refuse(path)


# ---- The file that is written ----


@pytest.mark.parametrize("mode", [0o604, 0o660])
def test_a_file_is_replaced_where_it_is(small: Network, folder: Path, mode: int) -> None:
    """It keeps its mode; a link to it, also one to a link, goes on leading there."""
    checkpoint = write_ggml(small, folder)
    (folder / "models").mkdir()
    out, first, second = folder / "models" / "out.gguf", folder / "first", folder / "second"
    first.symlink_to("models/out.gguf")
    second.symlink_to("first")
    out.write_bytes(b"mine")
    out.chmod(mode)
    convert(checkpoint, second)
    assert first.is_symlink() and second.is_symlink()
    assert stat.S_IMODE(out.stat().st_mode) == mode
    assert [file.name for file in out.parent.iterdir()] == ["out.gguf"]
    convert(checkpoint, folder / "new.gguf")
    assert out.read_bytes() == (folder / "new.gguf").read_bytes()


def test_messages_are_fit_for_a_terminal(folder: Path) -> None:
    """Whatever a file's name holds."""
    name = os.fsdecode(b"\xe9\xc3\xa4\x9b\xc2\x9b\x1b\n.bin")
    result = run("-o", folder / "out.gguf", folder / name, folder=folder, program=CONVERT)
    assert result.returncode == 1
    assert f"{folder}/?ä????.bin: No such file" in result.stderr.decode()


def test_mode_of_a_new_file(small: Network, folder: Path) -> None:
    checkpoint, out = write_ggml(small, folder), folder / "out.gguf"
    arguments = ("--voice", "none", "-o", out, checkpoint)
    result = run(*arguments, folder=folder, program=CONVERT, umask=0o027)
    assert result.returncode == 0, result.stderr.decode()
    assert stat.S_IMODE(out.stat().st_mode) == 0o640


@pytest.mark.parametrize("out", ["pipe", "folder", "dangling"])
def test_only_files_are_replaced(small: Network, folder: Path, out: str) -> None:
    checkpoint = write_ggml(small, folder)
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "dangling").symlink_to("nothing")
    before = sorted(os.listdir(folder))
    result = run("-o", folder / out, checkpoint, folder=folder, program=CONVERT)
    assert result.returncode == 1 and f"{folder / out}: " in result.stderr.decode()
    assert sorted(os.listdir(folder)) == before
    assert stat.S_ISFIFO((folder / "pipe").lstat().st_mode)
    assert (folder / "dangling").is_symlink()


@pytest.mark.parametrize("killed", [True, False])
def test_ended_while_it_writes(small: Network, folder: Path, killed: bool) -> None:
    """By the signal, or the error, that comes when a file becomes too large: nothing is left."""
    checkpoint, out = write_ggml(small, folder), folder / "out.gguf"
    out.write_bytes(b"mine")
    before = sorted(os.listdir(folder))

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if killed else signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))

    arguments = ("--voice", "none", "-o", out, checkpoint)
    result = run(*arguments, folder=folder, program=CONVERT, preexec_fn=limit)
    assert result.returncode == (-signal.SIGXFSZ if killed else 1)
    assert killed or f"{out}: File too large" in result.stderr.decode()
    assert out.read_bytes() == b"mine"
    assert sorted(os.listdir(folder)) == before


def test_options_that_add_voice_has_no_use_for(folder: Path) -> None:
    """They would be ignored."""
    for options in (("-t", "f16"), ("--language", "de"), ("--no-window",)):
        arguments = ("--add-voice", *options, "-o", folder / "out.gguf", RANDOM_MODELS["recurrent"])
        result = run(*arguments, folder=folder, program=CONVERT)
        assert result.returncode != 0 and b"--voice and --output alone" in result.stderr
        assert not (folder / "out.gguf").exists()


def test_option_errors_name_the_option(folder: Path) -> None:
    for options, said in (
        (["--bogus"], "no option --bogus;"),
        (["a", "--bogus"], "no option --bogus;"),
        (["-kx", "-xk"], "no option -x;"),
        (["-o"], "--output: expected a value after it"),
        (["--no-window=1"], "--no-window takes no value"),
        (["--vo", "x"], "--vo is the beginning of several: --voice, --vocabulary;"),
        (["-o", "", "x"], "-o: expected OUT, got an empty argument"),
        (["-o", "x", ""], "expected the name of a file, got an empty argument"),
        (["-o", "x", "y", "--", "-z"], "2 checkpoints given, expected one"),
    ):
        result = run(*options, folder=folder, program=CONVERT)
        assert result.returncode == 2 and said in result.stderr.decode()
