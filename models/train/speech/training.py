# SPDX-License-Identifier: MIT
"""What the trainings have in common: steps by the clock, an average of the weights, saving, a log.

A run that was stopped goes on from what is in its folder.
"""

import argparse
import copy
import json
import math
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import torch

SAVE_SECONDS = 300
SHOW_SECONDS = 30


class Stop:
    """Set by SIGTERM and SIGINT: the step in flight is finished, then all is saved."""

    def __init__(self) -> None:
        self.asked = False
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self.ask)

    def ask(self, *_) -> None:
        self.asked = True


class Training:
    """`network` learns; `average`, of its weights over the steps, is what is exported.

    `groups`: the weights that learn, each list with the learning rate's highest value.
    """

    name: str  # of the network, in what is saved
    figures: tuple[str, ...]  # what step() and losses() give
    warm_up: int  # steps

    def __init__(
        self,
        network: torch.nn.Module,
        groups: list[tuple[list[torch.nn.Parameter], float]],
        arguments: argparse.Namespace,
        weight_decay: float,
    ) -> None:
        self.network, self.arguments = network, arguments
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            [{"params": weights, "highest": highest} for weights, highest in groups],
            betas=(0.9, 0.98),
            weight_decay=weight_decay,
        )
        self.trained = [weight for weights, _ in groups for weight in weights]
        names = {id(p): n for n, p in network.named_parameters()}
        of_average = dict(self.average.named_parameters())
        self.averaged = [of_average[names[id(p)]] for p in self.trained]
        self.spread: torch.Tensor | None = None  # [width]: variance of what the teacher gives
        self.steps, self.elapsed = 0, 0.0

    def loss(self, batch) -> tuple[torch.Tensor, torch.Tensor]:
        """What is minimised, and the figures of which it is made."""
        raise NotImplementedError

    def measure(self, batches: list) -> dict:
        """The average's figures, by name."""
        raise NotImplementedError

    def seconds(self, batch) -> float:
        """Of sound."""
        raise NotImplementedError

    def rate(self) -> float:
        """Rises over the first steps, then falls along a cosine by the clock."""
        done = min(self.elapsed / max(60 * self.arguments.minutes, 1), 1)
        rising = min((self.steps + 1) / self.warm_up, 1)
        return rising * max(0.5 * (1 + math.cos(math.pi * done)), 0.01)

    def step(self, batch) -> torch.Tensor:
        begun = time.monotonic()
        loss, figures = self.loss(batch)
        loss.backward()
        for group in self.optimizer.param_groups:
            group["lr"] = group["highest"] * self.rate()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1
        decay = min(self.arguments.decay, self.steps / (self.steps + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.averaged, self.trained, 1 - decay)
        self.elapsed += time.monotonic() - begun
        return figures.detach()

    def named(self, figures: torch.Tensor) -> dict[str, float]:
        return dict(zip(self.figures, (round(float(x), 4) for x in figures), strict=True))

    def state(self) -> dict:
        return {
            self.name: self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "steps": self.steps,
            "elapsed": self.elapsed,
            "spread": self.spread,
        }

    def save(self, path: Path) -> None:
        torch.save(self.state(), path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def resume(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state[self.name])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps, self.elapsed, self.spread = state["steps"], state["elapsed"], state["spread"]


def train(run: Training, batches: Iterable, watched: list) -> None:
    """Until the minutes are over or somebody stops it."""
    arguments, stop = run.arguments, Stop()
    checkpoint, log = arguments.out / "last.pt", (arguments.out / "log.jsonl").open("a")
    shown = saved = time.monotonic()
    figures, seconds = [], 0.0

    def note(**found) -> None:
        line = json.dumps({"steps": run.steps, "minutes": round(run.elapsed / 60, 2), **found})
        print(line, flush=True)
        log.write(line + "\n")
        log.flush()

    if run.steps == 0:
        note(watched=run.measure(watched))
    for batch in batches:
        figures.append(run.step(batch))
        seconds += run.seconds(batch)
        if time.monotonic() - shown > SHOW_SECONDS:
            speed = seconds / (time.monotonic() - shown)
            note(**run.named(torch.stack(figures).mean(0)), speed=round(speed, 2))
            shown, figures, seconds = time.monotonic(), [], 0.0
        over = stop.asked or run.elapsed > 60 * arguments.minutes
        if over or time.monotonic() - saved > SAVE_SECONDS:
            run.save(checkpoint)
            if not stop.asked:
                note(watched=run.measure(watched))
            saved = shown = time.monotonic()
            figures, seconds = [], 0.0
        if over:
            return
