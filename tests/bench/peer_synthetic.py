# SPDX-License-Identifier: MIT
"""Whisper checkpoints with random weights, and faster-whisper with one: see synthetic_whisper.py,
which starts this with the Python of build/peers-venv.

usage: peer_synthetic.py make SHAPE TOKENS FOLDER
       peer_synthetic.py serve FOLDER

A network with random weights writes rubbish without end. This one recites: the embedding of each
position of the text points to the token that comes next, so every search, with the arithmetic of
any program, writes the same TOKENS tokens and the end. All other weights do their work as they
would in a trained network, and weigh too little to change the text.

`make` writes FOLDER/hf (half precision), FOLDER/ct2 (bytes, as ct2-transformers-converter writes
them with --quantization int8), FOLDER/ggml-f16.bin and ggml-q5_0.bin, and FOLDER/text.

`serve` reads lines of JSON, {"samples": 16-bit PCM at 16 kHz in base 64, "beam": width}, and
answers each with one: "text", "seconds", and "peak", the most memory that the process had, in KiB.
At first it says {"seconds": to load the model}.
"""

import base64
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import checkpoints
from checkpoints import Shape, Tensors

SHAPES = {
    "small": Shape(
        width=768, heads=12, listener_layers=12, speller_layers=12, mlp=3072
    ),
    "large-v3-turbo": Shape(
        mels=128, width=1280, heads=20, listener_layers=32, speller_layers=4, mlp=5120,
        languages=100,
    ),
}  # fmt: skip
SEED = 23
THREADS = 2
LETTERS = "abcdefghijklmnopqrstuvwxyz"
EMBEDDED = 0.03  # root mean square of an embedding
POINTING = 4.0  # of a position, which outweighs what the layers add
MERGES: list[str] = []  # nothing is encoded but the bytes of symbols


def vocabulary(shape: Shape) -> list[str]:
    """The bytes, words of random letters, an empty one as in OpenAI's (by which CTranslate2 knows
    a model of many languages), and Whisper's special tokens."""
    random = np.random.default_rng(SEED)
    words: dict[str, None] = {}
    while len(words) < shape.text_tokens - 257:
        words["".join(random.choice(list(LETTERS), random.integers(2, 8)))] = None
    tokens = [bytes([b]) for b in range(256)] + [b" " + word.encode() for word in words]
    tokens.append(b"")
    return checkpoints.names_of(tokens) + checkpoints.special_tokens(shape.languages)


def recite(shape: Shape, tensors: Tensors, names: list[str], count: int) -> str:
    """Makes the network write `count` words, which it returns."""
    embedding = tensors["decoder.token_embedding.weight"]
    embedding *= EMBEDDED / embedding.std()
    words = np.random.default_rng(SEED).choice(
        np.arange(256, shape.text_tokens - 1), count, replace=False
    )
    before = [names.index(f"<|{name}|>") for name in ("en", "transcribe", "notimestamps")]
    end = names.index("<|endoftext|>")
    said = np.array([*before, *words])
    after = np.full(shape.spoken_positions - len(said), end)
    tensors["decoder.positional_embedding"] = (
        embedding[np.concatenate((said, after))] * (POINTING / EMBEDDED)
    ).astype(np.float32)
    return "".join(names[word] for word in words).replace("Ġ", " ").strip()


def write_tokenizer(path: Path, shape: Shape, names: list[str]) -> None:
    """tokenizer.json as the package tokenizers reads it."""
    level = {
        "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True,
    }  # fmt: skip
    flags = {
        "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
        "special": True,
    }  # fmt: skip
    numbers = dict(zip(names, range(len(names)), strict=True))
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": numbers[name], "content": name, **flags} for name in names[shape.text_tokens :]
        ],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": level,
        "decoder": level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False,
            "vocab": {name: numbers[name] for name in names[: shape.text_tokens]},
            "merges": MERGES,
        },
    }  # fmt: skip
    path.write_text(json.dumps(whole))


def write_ct2(folder: Path, shape: Shape, tensors: Tensors, names: list[str]) -> None:
    """By CTranslate2's own classes, with matrices of bytes."""
    from ctranslate2.specs import WhisperSpec

    heads = shape.heads
    spec = WhisperSpec(shape.listener_layers, heads, shape.speller_layers, heads)
    for name, values in checkpoints.ct2_tensors(shape, tensors).items():
        if name.endswith("num_heads"):
            continue
        *path, last = name.split("/")
        at = spec
        for part in path:
            if hasattr(at, part):
                at = getattr(at, part)
            else:  # an item of a list
                kind, _, number = part.rpartition("_")
                at = getattr(at, kind)[int(number)]
        setattr(at, last, values)
    spec.decoder.projection.weight = tensors["decoder.token_embedding.weight"]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [ord(" "), names.index("<|endoftext|>")]
    first = names.index("<|startoftranscript|>") + 1
    spec.config.lang_ids = list(range(first, first + shape.languages))
    spec.config.alignment_heads = [[shape.speller_layers - 1, 0]]
    spec.register_vocabulary(names)
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": shape.mels}))


def make(shape: Shape, count: int, folder: Path) -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    names = vocabulary(shape)
    tensors = checkpoints.random_network(shape, SEED)
    text = recite(shape, tensors, names, count)
    for part in ("hf", "ct2"):
        (folder / part).mkdir(parents=True)
    write_tokenizer(folder / "hf" / "tokenizer.json", shape, names)
    checkpoints.write_hugging_face(folder / "hf", shape, tensors, names, "F16")
    write_tokenizer(folder / "hf" / "tokenizer.json", shape, names)
    (folder / "ct2" / "tokenizer.json").write_bytes((folder / "hf/tokenizer.json").read_bytes())
    filters = FeatureExtractor(feature_size=shape.mels).mel_filters
    characters = {shown: value for value, shown in checkpoints.byte_characters().items()}
    tokens = [bytes(characters[c] for c in name) for name in names[: shape.text_tokens]]
    for kind in ("f16", "q5_0"):
        path = folder / f"ggml-{kind}.bin"
        checkpoints.write_ggml(path, shape, tensors, tokens, filters, kind)
    write_ct2(folder / "ct2", shape, tensors, names)
    (folder / "text").write_text(text)


def serve(folder: Path) -> None:
    from faster_whisper import WhisperModel

    began = time.monotonic()
    whisper = WhisperModel(
        str(folder / "ct2"), device="cpu", compute_type="int8", cpu_threads=THREADS
    )
    print(json.dumps({"seconds": time.monotonic() - began}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        samples = np.frombuffer(base64.b64decode(asked["samples"]), dtype=np.int16)
        began = time.monotonic()
        segments, _ = whisper.transcribe(
            samples.astype(np.float32) / 32768,
            language="en",
            beam_size=asked["beam"],
            temperature=0,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        text = "".join(segment.text for segment in segments).strip()
        seconds = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"text": text, "seconds": seconds, "peak": peak}), flush=True)


def main() -> None:
    if sys.argv[1] == "make":
        make(SHAPES[sys.argv[2]], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        serve(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
