# SPDX-License-Identifier: MIT
"""A run's own figures as a page of a model card.

usage: python -m speech.card RUN [FIGURES ...]

FIGURES are what tests/bench/wer printed, a file for each set. Writes to standard output.
"""

import argparse
import json
import re
from pathlib import Path

WER = re.compile(r"WER (?P<rate>[\d.]+) %: (?P<errors>\d+) errors in (?P<words>\d+) words")
SET = re.compile(r"^hearken [\d.]+, (?P<name>\S+)$", re.MULTILINE)


def steps_of(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def cells(*columns: object) -> str:
    return "| " + " | ".join(str(column) for column in columns) + " |"


def watched_table(steps: list[dict]) -> list[str]:
    """The held-out clips at each checkpoint."""
    rows = [step for step in steps if "watched" in step]
    names = list(rows[0]["watched"]) if rows else []
    lines = [cells("minutes", "steps", *names), cells(*["---"] * (2 + len(names)))]
    for row in rows:
        figures = (f"{row['watched'][name]:.4g}" for name in names)
        lines.append(cells(f"{row['minutes']:.0f}", row["steps"], *figures))
    return lines


def score_table(files: list[Path]) -> list[str]:
    lines = ["| set | word error rate |", "| --- | --- |"]
    for file in files:
        text = file.read_text()
        found, name = WER.search(text), SET.search(text)
        if not found or not name:
            raise ValueError(f"{file}: no word error rate in it")
        lines.append(
            f"| {name['name']} | {found['rate']} ({found['errors']} of {found['words']}) |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="speech.card", description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("figures", type=Path, nargs="*")
    arguments = parser.parse_args()
    steps = steps_of(arguments.run / "log.jsonl")
    speeds = [step["speed"] for step in steps if "speed" in step]
    print(f"{steps[-1]['steps']} steps in {steps[-1]['minutes']:.0f} minutes", end="")
    print(f", {sum(speeds) / len(speeds):.1f} times real time.\n" if speeds else ".\n")
    print("\n".join(watched_table(steps)))
    if arguments.figures:
        print("\n" + "\n".join(score_table(arguments.figures)))


if __name__ == "__main__":
    main()
