# SPDX-License-Identifier: MIT
"""Writes Whisper checkpoints in the formats that hearken reads, from the facts of each.

A network is a dictionary of arrays by the names that OpenAI's code gives them.
"""

import base64
import json
import struct
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Tensors = dict[str, np.ndarray]
TIMES = [f"<|{step // 50}.{step % 50 * 2:02}|>" for step in range(1501)]
CODES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th "
    "ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr "
    "pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt "
    "haw ln ha ba jw su yue"
)
LANGUAGES = CODES.split()


@dataclass(frozen=True)
class Shape:
    """What a Whisper model has of each thing."""

    mels: int = 80
    width: int = 32
    heads: int = 2
    listener_layers: int = 2
    speller_layers: int = 1
    mlp: int = 128
    positions: int = 1500
    spoken_positions: int = 448
    text_tokens: int = 50257
    languages: int = 99

    @property
    def vocabulary(self) -> int:
        return self.text_tokens + 1509 + self.languages


def text_tokens(count: int) -> list[bytes]:
    """The bytes, then words."""
    return [bytes([b]) for b in range(256)] + [b" w%d" % n for n in range(count - 256)]


def byte_characters() -> dict[int, str]:
    """How GPT-2 writes bytes."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in shown]
    return {b: chr(b) for b in shown} | {b: chr(256 + i) for i, b in enumerate(hidden)}


def special_tokens(languages: int) -> list[str]:
    return [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{code}|>" for code in LANGUAGES[:languages]),
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
        *TIMES,
    ]


def names_of(tokens: Sequence[bytes]) -> list[str]:
    characters = byte_characters()
    return ["".join(characters[b] for b in token) for token in tokens]


def sinusoids(positions: int, width: int) -> np.ndarray:
    frequencies = np.exp(-np.log(10000) * np.arange(width // 2) / (width // 2 - 1))
    angles = np.arange(positions)[:, None] * frequencies[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def random_network(shape: Shape, seed: int) -> Tensors:
    """As OpenAI names and shapes them."""
    random = np.random.default_rng(seed)
    tensors: Tensors = {}

    def weight(name: str, *size: int, scale: float = 0.0) -> None:
        spread = scale or (size[-1] ** -0.5 if len(size) > 1 else 0.1)
        tensors[name] = random.normal(0, spread, size).astype(np.float32)

    def linear(name: str, outputs: int, inputs: int, bias: bool = True) -> None:
        weight(f"{name}.weight", outputs, inputs)
        if bias:
            weight(f"{name}.bias", outputs)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = (1 + random.normal(0, 0.1, shape.width)).astype(np.float32)
        weight(f"{name}.bias", shape.width)

    def attention(name: str) -> None:
        norm(f"{name}_ln")
        for part in ("query", "key", "value", "out"):
            linear(f"{name}.{part}", shape.width, shape.width, part != "key")

    def block(name: str, crossed: bool) -> None:
        attention(f"{name}.attn")
        if crossed:
            attention(f"{name}.cross_attn")
        norm(f"{name}.mlp_ln")
        linear(f"{name}.mlp.0", shape.mlp, shape.width)
        linear(f"{name}.mlp.2", shape.width, shape.mlp)

    for name, inputs in (("conv1", shape.mels), ("conv2", shape.width)):
        weight(f"encoder.{name}.weight", shape.width, inputs, 3, scale=(3 * inputs) ** -0.5)
        weight(f"encoder.{name}.bias", shape.width)
    tensors["encoder.positional_embedding"] = sinusoids(shape.positions, shape.width)
    for layer in range(shape.listener_layers):
        block(f"encoder.blocks.{layer}", crossed=False)
    norm("encoder.ln_post")
    weight("decoder.token_embedding.weight", shape.vocabulary, shape.width, scale=0.3)
    weight("decoder.positional_embedding", shape.spoken_positions, shape.width, scale=0.1)
    for layer in range(shape.speller_layers):
        block(f"decoder.blocks.{layer}", crossed=True)
    norm("decoder.ln")
    return tensors


# ---- whisper.cpp ----------------------------------------------------------------------------


def _blocks(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).reshape(-1, 32)


def _fields(*parts: np.ndarray) -> bytes:
    """Parts of each block, one beside the other."""
    return np.concatenate([p.view(np.uint8).reshape(len(p), -1) for p in parts], axis=1).tobytes()


def _half(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16)[:, None]


def _nibbles(numbers: np.ndarray) -> np.ndarray:
    low = numbers.astype(np.uint8) & 15
    return low[:, :16] | low[:, 16:] << 4


def _fifths(numbers: np.ndarray) -> np.ndarray:
    bits = (numbers.astype(np.uint32) >> 4 & 1) << np.arange(32, dtype=np.uint32)
    return bits.sum(axis=1, dtype=np.uint32)[:, None]


def _from_zero(values: np.ndarray, bits: int) -> bytes:
    """Q4_0 and Q5_0: scale * (number - half of the range)."""
    blocks, half = _blocks(values), 1 << bits - 1
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)[:, 0]
    scale = _half(largest / -half)
    step = scale.astype(np.float32)
    numbers = np.rint(np.divide(blocks, step, out=np.zeros_like(blocks), where=step != 0)) + half
    numbers = numbers.clip(0, 2 * half - 1).astype(np.uint8)
    fifths = [_fifths(numbers)] if bits == 5 else []
    return _fields(scale, *fifths, _nibbles(numbers))


def _from_least(values: np.ndarray, bits: int) -> bytes:
    """Q4_1 and Q5_1: scale * number + the least value."""
    blocks, most = _blocks(values), (1 << bits) - 1
    least = blocks.min(axis=1)
    scale = _half((blocks.max(axis=1) - least) / most)
    step = scale.astype(np.float32)
    above = blocks - least[:, None]
    numbers = np.rint(np.divide(above, step, out=np.zeros_like(above), where=step != 0))
    numbers = numbers.clip(0, most).astype(np.uint8)
    fifths = [_fifths(numbers)] if bits == 5 else []
    return _fields(scale, _half(least), *fifths, _nibbles(numbers))


def _bytes(values: np.ndarray) -> bytes:
    """Q8_0."""
    blocks = _blocks(values)
    scale = _half(np.abs(blocks).max(axis=1) / 127)
    step = scale.astype(np.float32)
    numbers = np.rint(np.divide(blocks, step, out=np.zeros_like(blocks), where=step != 0))
    return _fields(scale, numbers.clip(-127, 127).astype(np.int8))


GGML_TYPES: dict[str, tuple[int, int, Callable[[np.ndarray], bytes]]] = {
    "f32": (0, 0, lambda values: values.astype("<f4").tobytes()),
    "f16": (1, 1, lambda values: values.astype("<f2").tobytes()),
    "q4_0": (2, 2, lambda values: _from_zero(values, 4)),
    "q4_1": (3, 3, lambda values: _from_least(values, 4)),
    "q5_0": (6, 8, lambda values: _from_zero(values, 5)),
    "q5_1": (7, 9, lambda values: _from_least(values, 5)),
    "q8_0": (8, 7, _bytes),
}
"""ggml's number of the type, the file's number for it, and how values are written."""


def _ggml_type(name: str, values: np.ndarray, wanted: str) -> str:
    """Biases, norms and positions stay whole; convolutions are at most halved."""
    if values.ndim < 2 or wanted == "f32" or "positional" in name:
        return "f32"
    return "f16" if values.ndim == 3 or values.shape[-1] % 32 else wanted


def write_ggml(
    path: Path,
    shape: Shape,
    tensors: Tensors,
    tokens: Sequence[bytes],
    filters: np.ndarray,
    kind: str = "f16",
    quantization: int = 2,
) -> None:
    numbers = [shape.vocabulary, shape.positions, shape.width, shape.heads, shape.listener_layers]
    numbers += [shape.spoken_positions, shape.width, shape.heads, shape.speller_layers, shape.mels]
    file_type = GGML_TYPES[kind][1] + (1000 * quantization if kind.startswith("q") else 0)
    with path.open("wb") as file:
        file.write(struct.pack("<12i", 0x67676D6C, *numbers, file_type))
        file.write(struct.pack("<2i", *filters.shape) + filters.astype("<f4").tobytes())
        file.write(struct.pack("<i", len(tokens)))
        for token in tokens:
            file.write(struct.pack("<i", len(token)) + token)
        for name, values in tensors.items():
            values = (
                values[:, None] if name in ("encoder.conv1.bias", "encoder.conv2.bias") else values
            )
            number, _, pack = GGML_TYPES[_ggml_type(name, values.squeeze(), kind)]
            sizes = values.shape[::-1]
            file.write(struct.pack("<3i", len(sizes), len(name), number))
            file.write(struct.pack(f"<{len(sizes)}i", *sizes) + name.encode() + pack(values))


# ---- CTranslate2 ----------------------------------------------------------------------------

CT2_LAYERS = {
    "self_attention/layer_norm": ["attn_ln"],
    "self_attention/linear_0": ["attn.query", "attn.key", "attn.value"],
    "self_attention/linear_1": ["attn.out"],
    "attention/layer_norm": ["cross_attn_ln"],
    "attention/linear_0": ["cross_attn.query"],
    "attention/linear_1": ["cross_attn.key", "cross_attn.value"],
    "attention/linear_2": ["cross_attn.out"],
    "ffn/layer_norm": ["mlp_ln"],
    "ffn/linear_0": ["mlp.0"],
    "ffn/linear_1": ["mlp.2"],
}
CT2_OUTSIDE = {
    "encoder/conv1": "encoder.conv1",
    "encoder/conv2": "encoder.conv2",
    "encoder/layer_norm": "encoder.ln_post",
    "decoder/layer_norm": "decoder.ln",
}


def _ct2_names(shape: Shape) -> Iterable[tuple[str, list[str]]]:
    yield from ((there, [here]) for there, here in CT2_OUTSIDE.items())
    for part, count, other in (
        ("encoder", shape.listener_layers, "self_attention"),
        ("decoder", shape.speller_layers, ""),
    ):
        for layer in range(count):
            for there, here in CT2_LAYERS.items():
                if part == "decoder" or there.startswith((other, "ffn")):
                    yield (
                        f"{part}/layer_{layer}/{there}",
                        [f"{part}.blocks.{layer}.{name}" for name in here],
                    )


def ct2_tensors(shape: Shape, tensors: Tensors) -> Tensors:
    found: Tensors = {
        "encoder/num_heads": np.array(shape.heads, np.int16),
        "decoder/num_heads": np.array(shape.heads, np.int16),
        "decoder/embeddings/weight": tensors["decoder.token_embedding.weight"],
        "encoder/position_encodings/encodings": tensors["encoder.positional_embedding"],
        "decoder/position_encodings/encodings": tensors["decoder.positional_embedding"],
    }
    for there, here in _ct2_names(shape):
        is_norm = there.endswith("layer_norm")
        weights = [tensors[f"{name}.weight"] for name in here]
        biases = [
            tensors.get(f"{name}.bias", np.zeros(len(weight), np.float32))
            for name, weight in zip(here, weights, strict=True)
        ]
        found[f"{there}/{'gamma' if is_norm else 'weight'}"] = np.concatenate(weights)
        found[f"{there}/{'beta' if is_norm else 'bias'}"] = np.concatenate(biases)
    return found


def write_ct2(folder: Path, shape: Shape, tensors: Tensors, names: Sequence[str]) -> None:
    """model.bin of version 6, config.json, vocabulary.json."""
    types = {"float32": 0, "int16": 2, "float16": 4}

    def string(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    found = ct2_tensors(shape, tensors)
    with (folder / "model.bin").open("wb") as file:
        file.write(struct.pack("<I", 6) + string("WhisperSpec") + struct.pack("<2I", 3, len(found)))
        for name, values in found.items():
            head = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
            file.write(
                string(name) + head + struct.pack("<BI", types[str(values.dtype)], values.nbytes)
            )
            file.write(values.tobytes())
        file.write(struct.pack("<I", 1))
        file.write(string("decoder/projection/weight") + string("decoder/embeddings/weight"))
    (folder / "config.json").write_text("{}")
    (folder / "vocabulary.json").write_text(json.dumps(list(names)))


# ---- Hugging Face ---------------------------------------------------------------------------

HUGGING_FACE_LAYERS = {
    "attn_ln": "self_attn_layer_norm",
    "attn.query": "self_attn.q_proj",
    "attn.key": "self_attn.k_proj",
    "attn.value": "self_attn.v_proj",
    "attn.out": "self_attn.out_proj",
    "cross_attn_ln": "encoder_attn_layer_norm",
    "cross_attn.query": "encoder_attn.q_proj",
    "cross_attn.key": "encoder_attn.k_proj",
    "cross_attn.value": "encoder_attn.v_proj",
    "cross_attn.out": "encoder_attn.out_proj",
    "mlp_ln": "final_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
}
HUGGING_FACE_OUTSIDE = {
    "ln_post": "layer_norm",
    "ln": "layer_norm",
    "token_embedding": "embed_tokens",
}


def hugging_face_name(name: str) -> str:
    if name.endswith("positional_embedding"):
        return f"model.{name.split('.')[0]}.embed_positions.weight"
    part, *middle, kind = name.split(".")
    if middle[0] == "blocks":
        return f"model.{part}.layers.{middle[1]}.{HUGGING_FACE_LAYERS['.'.join(middle[2:])]}.{kind}"
    return f"model.{part}.{HUGGING_FACE_OUTSIDE.get(middle[0], middle[0])}.{kind}"


def as_bfloat16(values: np.ndarray) -> np.ndarray:
    """The upper halves, cut."""
    return (values.astype("<f4").view("<u4") >> 16).astype("<u2")


SAFETENSORS_TYPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "F32": lambda values: values.astype("<f4"),
    "F16": lambda values: values.astype("<f2"),
    "BF16": as_bfloat16,
}


def write_safetensors(path: Path, tensors: Tensors, kind: str = "F32") -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at, values = 0, []
    for name, tensor in tensors.items():
        packed = SAFETENSORS_TYPES[kind](tensor)
        header[name] = {
            "dtype": kind,
            "shape": tensor.shape,
            "data_offsets": [at, at + packed.nbytes],
        }
        at += packed.nbytes
        values.append(packed.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(values))


def write_hugging_face(
    folder: Path,
    shape: Shape,
    tensors: Tensors,
    names: Sequence[str],
    kind: str = "F32",
    shards: int = 1,
    tokenizer: bool = False,
) -> None:
    """Model, config.json, and vocab.json with added_tokens.json or tokenizer.json."""
    renamed = {hugging_face_name(name): values for name, values in tensors.items()}
    if shards == 1:
        write_safetensors(folder / "model.safetensors", renamed, kind)
    else:
        index = {}
        for shard in range(shards):
            part = dict(list(renamed.items())[shard::shards])
            file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
            write_safetensors(folder / file, part, kind)
            index |= dict.fromkeys(part, file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    config = {
        "model_type": "whisper",
        "activation_function": "gelu",
        "encoder_attention_heads": shape.heads,
        "decoder_attention_heads": shape.heads,
    }
    (folder / "config.json").write_text(json.dumps(config))
    numbers = {name: number for number, name in enumerate(names)}
    text = dict(list(numbers.items())[: shape.text_tokens])
    added = dict(list(numbers.items())[shape.text_tokens :])
    if tokenizer:
        listed = [
            {"id": number, "content": name, "special": True} for name, number in added.items()
        ]
        both = {"added_tokens": listed, "model": {"type": "BPE", "vocab": text, "merges": []}}
        (folder / "tokenizer.json").write_text(json.dumps(both))
    else:
        (folder / "vocab.json").write_text(json.dumps(text))
        (folder / "added_tokens.json").write_text(json.dumps(added))


# ---- PyTorch --------------------------------------------------------------------------------


class Pickle:
    """The opcodes that torch.save writes, protocol 2."""

    def __init__(self) -> None:
        self.data = bytearray(b"\x80\x02")
        self.memo = 0

    def remember(self) -> None:
        self.data += struct.pack("<cI", b"r", self.memo)
        self.memo += 1

    def text(self, text: str) -> None:
        encoded = text.encode()
        self.data += struct.pack("<cI", b"X", len(encoded)) + encoded
        self.remember()

    def integer(self, value: int) -> None:
        if value < 256:
            self.data += struct.pack("<cB", b"K", value)
        elif value < 65536:
            self.data += struct.pack("<cH", b"M", value)
        elif value < 1 << 31:
            self.data += struct.pack("<ci", b"J", value)
        else:
            self.data += struct.pack("<cBQ", b"\x8a", 8, value)

    def integers(self, values: Sequence[int]) -> None:
        self.data += b"("
        for value in values:
            self.integer(value)
        self.data += b"t"
        self.remember()

    def name(self, module: str, name: str) -> None:
        self.data += f"c{module}\n{name}\n".encode()
        self.remember()

    def tensor(
        self,
        key: str,
        storage: str,
        values: np.ndarray,
        count: int | None = None,
        offset: int = 0,
    ) -> None:
        """`count`: what the storage says that it holds, where not the values alone."""
        steps = [int(np.prod(values.shape[i + 1 :])) for i in range(values.ndim)]
        self.name("torch._utils", "_rebuild_tensor_v2")
        self.data += b"(("
        self.text("storage")
        self.name("torch", storage)
        self.text(key)
        self.text("cpu")
        self.integer(values.size if count is None else count)
        self.data += b"tQ"
        self.integer(offset)
        self.integers(values.shape)
        self.integers(steps)
        self.data += b"\x89"
        self.ordered_dictionary()
        self.data += b"tR"

    def ordered_dictionary(self) -> None:
        self.name("collections", "OrderedDict")
        self.data += b")R"
        self.remember()


def write_torch(path: Path, shape: Shape, tensors: Tensors, half: bool = False) -> None:
    """OpenAI's layout: the numbers, then the tensors."""
    storage, kind = ("HalfStorage", "<f2") if half else ("FloatStorage", "<f4")
    pickle = Pickle()
    dims = {
        "n_mels": shape.mels,
        "n_vocab": shape.vocabulary,
        "n_audio_ctx": shape.positions,
        "n_audio_state": shape.width,
        "n_audio_head": shape.heads,
        "n_audio_layer": shape.listener_layers,
        "n_text_ctx": shape.spoken_positions,
        "n_text_state": shape.width,
        "n_text_head": shape.heads,
        "n_text_layer": shape.speller_layers,
    }
    pickle.data += b"}("
    pickle.text("dims")
    pickle.data += b"}("
    for name, value in dims.items():
        pickle.text(name)
        pickle.integer(value)
    pickle.data += b"u"
    pickle.text("model_state_dict")
    pickle.ordered_dictionary()
    pickle.data += b"("
    for number, (name, values) in enumerate(tensors.items()):
        pickle.text(name)
        pickle.tensor(str(number), storage, values)
    pickle.data += b"uu."
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("archive/data.pkl", bytes(pickle.data))
        file.writestr("archive/version", "3\n")
        for number, values in enumerate(tensors.values()):
            file.writestr(f"archive/data/{number}", values.astype(kind).tobytes())


def write_tiktoken(path: Path, tokens: Sequence[bytes]) -> None:
    lines = [f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate(tokens)]
    path.write_text("\n".join(lines) + "\n")


# ---- What became of them --------------------------------------------------------------------

_KEY_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9


def read_floats(path: Path) -> Tensors:
    """The tensors of a model file that has them all in single precision, in its order."""
    data, at = path.read_bytes(), 8

    def take(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(form)
        return value

    def take_string() -> str:
        nonlocal at
        length = take("Q")
        at += length
        return data[at - length : at].decode()

    def skip_values(kind: int, count: int) -> None:
        nonlocal at
        if kind == _STRING:
            for _ in range(count):
                take_string()
        else:
            at += _KEY_SIZES[kind] * count

    tensor_count, key_count = take("Q"), take("Q")
    for _ in range(key_count):
        take_string()
        kind = take("I")
        skip_values(*((take("I"), take("Q")) if kind == _ARRAY else (kind, 1)))
    found = []
    for _ in range(tensor_count):
        name = take_string()
        sizes = [take("Q") for _ in range(take("I"))]
        assert take("I") == 0, f"{name} is not in single precision"
        found.append((name, sizes[::-1], take("Q")))
    start = -(-at // 32) * 32
    return {
        name: np.frombuffer(data, "<f4", int(np.prod(sizes)), start + offset).reshape(sizes)
        for name, sizes, offset in found
    }
