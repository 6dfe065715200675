# SPDX-License-Identifier: MIT
"""A multilingual model and speech in languages other than English, from end to end.

espeak-ng speaks sentences of German, French and Spanish; `hearken` is to find the language, write
the sentence down, and translate it. Such a voice is hard to hear for a small model: the guard
against invented text is lowered, the sentences are some that Whisper base can hear, and what is
asked for is each language found and most words right.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from normalise import word_errors

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_ERRORS = 0.35  # of the words of a language
SPEECH = ["-s", "120", "-g", "2"]  # slow, with pauses
GUARD = "log_probability_threshold=-2"

SENTENCES = {
    "de": [
        "Guten Morgen. Heute ist das Wetter schön, und wir gehen in den Park.",
        "Die Kinder spielen im Garten, und die Sonne scheint.",
        "Ich habe gestern ein neues Buch gekauft.",
    ],
    "fr": [
        "Bonjour madame, je voudrais une table pour deux personnes.",
        "Je voudrais acheter du pain et du fromage.",
    ],
    "es": [
        "Buenos días. Hoy hace buen tiempo y vamos a comer en la casa de mi abuela.",
        "Mi hermana vive en una casa pequeña cerca del mar.",
    ],
}


@dataclass
class Heard:
    """What was made of one sentence."""

    text: str
    language: str
    translated: str


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/languages", description=__doc__)
    add = parser.add_argument
    add("--build", type=Path, default=REPOSITORY / "build", metavar="DIR")
    add("--model", type=Path, metavar="FILE", help="default: Whisper base, made for this")
    add("--voice", default="m1", metavar="NAME", help="espeak-ng's variant of each voice (m1)")
    add("-v", "--verbose", action="store_true", help="show each sentence")
    return parser.parse_args()


def made_model(build: Path) -> Path:
    """Whisper base with all of its vocabulary."""
    model = build / "peers" / "whisper-base.gguf"
    if not model.exists():
        python = build / "peers-venv" / "bin" / "python"
        script = (
            "import peer, sys; from pathlib import Path; print(peer.whole_base(Path(sys.argv[1])))"
        )
        found = subprocess.run(
            [str(python), "-c", script, str(build / "peers")],
            cwd=Path(__file__).parent,
            check=True,
            capture_output=True,
            text=True,
        )
        command = [str(build / "bin" / "hearken-convert"), "-o", str(model), found.stdout.strip()]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return model


def speak(language: str, variant: str, text: str, file: Path) -> None:
    voice = f"{language}+{variant}" if variant else language
    subprocess.run(["espeak-ng", "-v", voice, *SPEECH, "-w", str(file), text], check=True)


def transcribe(build: Path, model: Path, file: Path, *options: str) -> dict[str, object]:
    program = [str(build / "bin" / "hearken"), "transcribe", "--local", "--model", str(model)]
    command = [*program, "-f", "json", "--set", GUARD, *options, str(file)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def hear(build: Path, model: Path, file: Path) -> Heard:
    found = transcribe(build, model, file, "--language", "auto")
    translated = transcribe(build, model, file, "--language", "auto", "--translate")
    segments: list[dict[str, object]] = found["segments"]  # type: ignore[assignment]
    language = str(segments[0]["language"]) if segments else "-"
    return Heard(str(found["text"]), language, str(translated["text"]))


def spoken_words(text: str) -> list[str]:
    """In small letters, without marks; accents stay."""
    kept = "".join(c if c.isalnum() else " " for c in text.lower())
    return kept.split()


def measure(arguments: argparse.Namespace, model: Path, language: str, folder: Path) -> bool:
    errors = count = right = 0
    for number, sentence in enumerate(SENTENCES[language]):
        file = folder / f"{language}-{number}.wav"
        speak(language, arguments.voice, sentence, file)
        heard = hear(arguments.build, model, file)
        reference = spoken_words(sentence)
        errors += word_errors(reference, spoken_words(heard.text)).total()
        count += len(reference)
        right += heard.language == language
        if arguments.verbose:
            print(f"  {sentence}\n  {heard.language}: {heard.text}\n  en: {heard.translated}\n")
    sentences = len(SENTENCES[language])
    print(f"| {language} | {right} of {sentences} | {100 * errors / count:.0f} % of {count} |")
    return right == sentences and errors <= MOST_ERRORS * count


def main() -> int:
    arguments = parse_arguments()
    model = arguments.model or made_model(arguments.build)
    print("| language | found | words wrong |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        good = [measure(arguments, model, name, Path(folder)) for name in SENTENCES]
    if not all(good):
        print("tests/bench/languages: not heard well enough", file=sys.stderr)
    return 0 if all(good) else 1
