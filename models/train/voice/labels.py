# SPDX-License-Identifier: MIT
"""Where there is speech in a clean recording of it.

Read speech in a quiet room has its words 30 dB and more above what is between them, so energy
tells them apart to the frame, which an alignment of words does not: a recogniser's attention is
good to some 100 ms and knows nothing of the pauses within a phrase. A recording whose range is
smaller is not clean, and gets no labels.

The threshold lies between the recording's own floor and top. Gaps shorter than a stop consonant's
closure belong to the speech around them, as does the decay behind a word; what is shorter than a
syllable is a click.
"""

import numpy as np
import torch

from .sounds import LogMel, Recording

LOWEST_BAND = 4  # about 150 Hz: below is hum and handling noise
SMALLEST_RANGE = 30.0  # dB from floor to top
THRESHOLD = 0.3  # of that range above the floor
LONGEST_GAP = 20  # frames of 10 ms
SHORTEST_SPEECH = 6
MARGIN = 3  # frames before and behind


def levels(logmel: np.ndarray) -> np.ndarray:
    """Decibels of each frame, smoothed over three."""
    power = (10.0 ** logmel[:, LOWEST_BAND:]).sum(1)
    padded = np.pad(power, 1, mode="edge")
    return 10 * np.log10((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


def runs(active: np.ndarray) -> list[tuple[int, int]]:
    """Where it is true: from, to."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], active.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def mark_speech(logmel: np.ndarray) -> np.ndarray | None:
    """A truth value for each frame; None for a recording that is not clean enough to tell."""
    level = levels(logmel)
    floor, top = np.percentile(level, [8, 95])
    if len(level) < 20 or top - floor < SMALLEST_RANGE:
        return None
    active = level > floor + THRESHOLD * (top - floor)
    for start, end in runs(~active):
        if 0 < start and end < len(active) and end - start <= LONGEST_GAP:
            active[start:end] = True
    for start, end in runs(active):
        if end - start < SHORTEST_SPEECH:
            active[start:end] = False
    for start, end in runs(active):
        active[max(start - MARGIN, 0) : end + MARGIN] = True
    return active


def label(recording: Recording, logmel: LogMel) -> np.ndarray | None:
    samples = torch.from_numpy(recording.samples.astype(np.float32) / 32768)
    return mark_speech(logmel(samples[None])[0].numpy()) if len(samples) > 3200 else None
