# SPDX-License-Identifier: MIT
"""Quick tests of the parts, on networks of random weights: python -m speech.test_speech"""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from voice.sounds import HOP, LogMel

from . import whisper
from .checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from .hearing import Silence, hear
from .network import Network, Shape

SHAPE = Shape(
    mels=80,
    width=64,
    heads=1,
    mlp=96,
    listener_layers=2,
    listener_positions=1500,
    speller_layers=2,
    speller_positions=20,
    vocabulary=50,
)


def random_checkpoint() -> Checkpoint:
    """All tensors of SHAPE, joined as CTranslate2 joins them."""
    random = np.random.default_rng(1)
    weights = Network(SHAPE).state_dict()
    out = Checkpoint(6, "WhisperSpec", 3)
    for ours, theirs, part in whisper.pieces_of(SHAPE):
        shape = tuple(weights[ours].shape)
        rows = shape[0] * (1 if part is None else 2)
        if theirs not in out.tensors:
            values = random.standard_normal((rows, *shape[1:])) * 0.3
            out.tensors[theirs] = values.astype("<f2")
    out.aliases["decoder/projection/weight"] = "decoder/embeddings/weight"
    return out


def network() -> Network:
    return whisper.load(random_checkpoint()).eval()


def noise(frames: int) -> torch.Tensor:
    return torch.randn(frames * HOP, generator=torch.Generator().manual_seed(frames)) * 0.1


class CheckpointTest(unittest.TestCase):
    def test_written_and_read(self) -> None:
        checkpoint = random_checkpoint()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.bin"
            write_checkpoint(checkpoint, path)
            again = read_checkpoint(path)
        self.assertEqual(again.aliases, checkpoint.aliases)
        self.assertEqual(list(again.tensors), list(checkpoint.tensors))
        for name, values in checkpoint.tensors.items():
            np.testing.assert_array_equal(again[name], values)

    def test_cut_short(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.bin"
            write_checkpoint(random_checkpoint(), path)
            path.write_bytes(path.read_bytes()[:-7])
            with self.assertRaises(ValueError):
                read_checkpoint(path)

    def test_stored_weights_come_back(self) -> None:
        checkpoint, trained = random_checkpoint(), network()
        with torch.no_grad():
            for weight in trained.parameters():
                weight += 0.25
        before = checkpoint["decoder/embeddings/weight"].copy()
        whisper.store(trained.state_dict(), checkpoint)
        again = whisper.load(checkpoint)
        for name, weight in trained.named_parameters():
            if name != "speller.embedding.weight":
                torch.testing.assert_close(
                    again.state_dict()[name], weight.detach(), atol=2e-3, rtol=2e-3
                )
        np.testing.assert_array_equal(checkpoint["decoder/embeddings/weight"], before)

    def test_kept_rows(self) -> None:
        kept = [3, 7, 49]
        cut = whisper.load(random_checkpoint(), kept).speller.embedding.weight
        torch.testing.assert_close(cut, network().speller.embedding.weight[kept])


class HearingTest(unittest.TestCase):
    def setUp(self) -> None:
        self.listener, self.logmel = network().listener, LogMel()

    @torch.no_grad()
    def heard(self, segments: list[torch.Tensor], silence: Silence):
        return hear(self.listener, self.logmel, segments, silence)

    def test_a_batch_is_its_segments(self) -> None:
        segments = [noise(n) for n in (41, 100, 77)]
        for silence in (Silence(0), Silence(0.3), Silence(0.1, 5)):
            together = self.heard(segments, silence)
            for row, samples in enumerate(segments):
                alone = self.heard([samples], silence)
                count = alone.rows.shape[1]
                torch.testing.assert_close(
                    together.rows[row, :count], alone.rows[0], atol=1e-4, rtol=1e-4
                )
                self.assertTrue(torch.isneginf(together.mask[row, ..., count:]).all())

    def test_stand_ins_are_the_window(self) -> None:
        samples = noise(100)
        positions = SHAPE.listener_positions
        window = self.heard([samples], Silence(2 * positions * HOP / 16000 - 1)).rows
        near = (110 + 1) // 2 - 2
        sampled = self.heard([samples], Silence(0.1, positions - near))
        self.assertEqual(sampled.rows.shape[1], positions)
        self.assertTrue((sampled.mask == 0).all())
        # The last step of the window alone knows where it ends.
        torch.testing.assert_close(sampled.rows[0, :50], window[0, :50], atol=1e-3, rtol=1e-3)

    def test_steps_of_speech(self) -> None:
        memory = self.heard([noise(41), noise(100)], Silence(0.3))
        self.assertEqual(memory.spoken.tolist(), [20, 50])


if __name__ == "__main__":
    unittest.main()
