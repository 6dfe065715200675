# SPDX-License-Identifier: MIT
"""Quick tests of the parts, on networks of random weights: python -m speech.test_speech"""

import argparse
import json
import tempfile
import unittest
from pathlib import Path

import gguf
import numpy as np
import torch
from voice.sounds import HOP, LogMel

from . import export, model_file, whisper
from .checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from .corpus import MULTILINGUAL, Clip, Vocabulary, names_of, prompt_of
from .cut import words_of
from .distil import text_batch
from .examples import Example
from .hearing import Silence, hear
from .label import chosen
from .network import Network, Shape
from .rebuilt import name_of, rebuild
from .recurrent import RecurrentSpeller, State, begin_with, write
from .refine import SKIPPED, Refinement, is_taught
from .remembered import Store, batch_of, remember
from .retyped import retype
from .short import (
    Cut,
    ShortExamples,
    Silent,
    as_sentence,
    is_held_out,
    once_mp3,
    parts_of,
)
from .spell import distance

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

    def test_chunks_hear_what_was_before(self) -> None:
        long, chunk = noise(160), 16
        whole = self.heard_in_chunks(long, chunk)
        begin = self.heard_in_chunks(long[: 70 * HOP], chunk)
        # The convolutions look one frame ahead.
        torch.testing.assert_close(begin[:32], whole[:32], atol=1e-3, rtol=1e-3)
        full = self.heard([long], Silence(0)).rows[0]
        self.assertGreater((whole[:32] - full[:32]).abs().max(), 0.02)
        torch.testing.assert_close(self.heard_in_chunks(long, 80), full)

    @torch.no_grad()
    def heard_in_chunks(self, samples: torch.Tensor, chunk: int) -> torch.Tensor:
        return hear(self.listener, self.logmel, [samples], Silence(0), chunk).rows[0]

    def test_steps_of_speech(self) -> None:
        memory = self.heard([noise(41), noise(100)], Silence(0.3))
        self.assertEqual(memory.spoken.tolist(), [20, 50])


def recurrent() -> RecurrentSpeller:
    torch.manual_seed(2)
    return begin_with(network().speller, SHAPE.heads, [0, 1]).eval()


class VocabularyTest(unittest.TestCase):
    def test_names(self) -> None:
        """Lines and JSON say the same; a token may be what only some take for the end of a line."""
        names = ["!", "\u0120the", "\u2028"]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "vocabulary.txt").write_text("".join(f"{token}\n" for token in names))
            self.assertEqual(names_of(folder), names)
            (folder / "vocabulary.json").write_text(json.dumps(names))
            self.assertEqual(names_of(folder), names)

    def test_prompts(self) -> None:
        self.assertEqual(len(prompt_of(["a"] * MULTILINGUAL)), 4)
        self.assertEqual(
            prompt_of(["a"] * (MULTILINGUAL - 1)), ("<|startoftranscript|>", "<|notimestamps|>")
        )


class RecurrentTest(unittest.TestCase):
    def setUp(self) -> None:
        self.speller = recurrent()
        self.memory = torch.randn(3, 30, SHAPE.width, generator=torch.Generator().manual_seed(3))
        self.mask = torch.zeros(3, 1, 1, 30)

    @torch.no_grad()
    def test_token_by_token_is_all_at_once(self) -> None:
        tokens = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]])
        whole = self.speller(tokens, self.memory, self.mask)
        state = State([None] * len(self.speller.layers))
        steps = [
            self.speller(tokens[:, n : n + 1], self.memory, self.mask, state) for n in range(4)
        ]
        torch.testing.assert_close(torch.cat(steps, 1), whole, atol=1e-4, rtol=1e-4)

    def test_begins_with_the_transformer(self) -> None:
        layer, theirs = self.speller.layers[1], network().speller.layers[1]
        torch.testing.assert_close(layer.attention.key.weight, theirs.attention.key.weight)
        torch.testing.assert_close(layer.mlp.up.weight, theirs.mlp.up.weight)

    def test_writes_to_the_end(self) -> None:
        end, likely = 7, 9
        with torch.no_grad():
            self.speller.bias[likely] = 1000
        texts = write(self.speller, self.memory, self.mask, [1, 2], end, 5)
        self.assertEqual(texts, [[likely] * 5] * 3)
        with torch.no_grad():
            self.speller.bias[end] = 2000
        self.assertEqual(write(self.speller, self.memory, self.mask, [1, 2], end, 5), [[]] * 3)

    def test_distance(self) -> None:
        self.assertEqual(distance([1, 2, 3], [1, 2, 3]), 0)
        self.assertEqual(distance([1, 2, 3], [2, 3, 4, 5]), 3)
        self.assertEqual(distance([], [4]), 1)


class RememberedTest(unittest.TestCase):
    """What comes back from disk is what the teacher heard and said."""

    def examples(self) -> list[Example]:
        return [
            Example(noise(100).numpy(), [1, 2, 3, 4, 5], True),
            Example(noise(41).numpy(), [1, 2, 3], True),
        ]

    @torch.no_grad()
    def test_there_and_back(self) -> None:
        teacher, logmel, silence = network(), LogMel(), Silence(0.2, 4)
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder), SHAPE.width)
            remember(store, teacher, logmel, self.examples()[:1], silence)
            again = Store(Path(folder), SHAPE.width)
            remember(again, teacher, logmel, self.examples()[1:], silence)
            store.open()
            batch = batch_of([store[0], store[1]], silence.stand_ins, 3, 7)
        segments = [torch.from_numpy(e.samples) for e in self.examples()]
        heard = hear(teacher.listener, logmel, segments, silence)
        there = torch.isfinite(heard.mask[:, 0, 0])
        torch.testing.assert_close(batch.memory[there], heard.rows[there], atol=1e-2, rtol=1e-2)
        torch.testing.assert_close(batch.mask, heard.mask, atol=1e-3, rtol=1e-3)
        self.assertEqual(
            batch.wanted.tolist(), [[-100, -100, 4, 5, 7], [-100, -100, 7, -100, -100]]
        )
        said = teacher.speller(batch.tokens, heard.rows, heard.mask)[batch.valid]
        torch.testing.assert_close(batch.taught, said, atol=1e-2, rtol=1e-2)


class CutTest(unittest.TestCase):
    def test_words(self) -> None:
        word = {"text": "Go.", "start": 0.1, "end": 0.6, "confidence": 0.9}
        result = {"segments": [{"words": [word]}, {"words": []}]}
        self.assertEqual(words_of(result), [["Go.", 0.1, 0.6, 0.9]])

    def test_some_are_chosen(self) -> None:
        self.assertEqual(chosen(4, 1.0), [0, 1, 2, 3])
        self.assertEqual(chosen(8, 0.25), [3, 7])

    def test_parts(self) -> None:
        words = [["Turn", 0.0, 0.4, 0.9], ["it", 0.4, 0.5, 0.95], ["around,", 0.5, 1.0, 0.9]]
        texts = [text for _, _, text in parts_of(words, 3, 0.8)]
        self.assertEqual(texts, ["Turn", "around,", "Turn it around,"])
        self.assertEqual(parts_of(words, 3, 0.99), [])

    def test_a_pause_is_in_no_part(self) -> None:
        self.assertEqual(parts_of([["Tomato", 0.0, 2.4, 0.9]], 1, 0.8), [])

    def test_sentences(self) -> None:
        self.assertEqual(
            [as_sentence(text) for text in ("bed", "Go!", "a,")], ["Bed.", "Go.", "A."]
        )


class FakeVocabulary(Vocabulary):
    """What examples ask of a vocabulary."""

    def __init__(self) -> None:
        self.prompt, self.end = [1, 2, 3], 0

    def tokens(self, text: str) -> list[int]:
        return [4 + len(text) % 5]

    def control(self, *_: str) -> int:
        return 9


class ShortTest(unittest.TestCase):
    def examples(self, short: float) -> ShortExamples:
        def sound(seconds: float) -> np.ndarray:
            return (noise(round(seconds * 100)).numpy() * 32767).astype(np.int16)

        vocabulary = FakeVocabulary()
        speech = [Clip("sentences", sound(2), [5, 6, 7])]
        around = [Clip("noise", sound(3), None)]
        words, cuts = {"bed": [Cut(sound(0.5), [8])]}, [Cut(sound(0.6), [4])]
        return ShortExamples(speech, around, vocabulary, 1, words, cuts, short)

    def test_words_and_sentences(self) -> None:
        for short, texts in ((1.0, ([8], [4])), (0.0, None)):
            examples = self.examples(short)
            for _ in range(40):
                example = examples.draw()
                self.assertTrue(np.isfinite(example.samples).all())
                self.assertLessEqual(abs(example.samples).max(), 1)
                if texts and not isinstance(example, Silent):
                    self.assertIn(example.tokens[3:], texts)
                    self.assertLess(len(example.samples), 2 * 16000)

    def test_some_are_silent(self) -> None:
        examples = self.examples(0.4)
        self.assertTrue(any(isinstance(examples.draw(), Silent) for _ in range(100)))

    def test_speakers_are_held_out(self) -> None:
        rows = [{"speaker": f"s{n}", "start": 0.0} for n in range(200)]
        held = sum(is_held_out("train-commonvoice", row) for row in rows)
        self.assertTrue(10 < held < 50)
        self.assertEqual(
            [is_held_out("train-commonvoice", row) for row in rows],
            [is_held_out("train-commonvoice", row | {"start": 3.0}) for row in rows],
        )
        self.assertFalse(is_held_out("train-read", rows[0]))

    def test_some_texts_are_not_taught(self) -> None:
        row = {"speaker": "s0", "start": 0.0}
        self.assertTrue(is_taught("train-read", row, "A mister, and a dot."))
        for text in ("Dear mister. Grey.", "Books, and so on,."):
            self.assertFalse(is_taught("train-read", row, text))

    def test_coding_loses_little(self) -> None:
        seconds = np.arange(8000, dtype=np.float32) / 16000
        tone = 0.5 * np.sin(2 * np.pi * 440 * seconds, dtype=np.float32)
        coded = once_mp3(tone, 0.9)
        self.assertEqual(len(coded), len(tone))
        self.assertFalse(np.array_equal(coded, tone))
        self.assertAlmostEqual(float(coded.std() / tone.std()), 1, places=1)


class RefineTest(unittest.TestCase):
    def setUp(self) -> None:
        torch.manual_seed(5)
        arguments = argparse.Namespace(
            padding=0.2,
            stand_ins=4,
            rate=1e-3,
            minutes=1.0,
            teacher_weight=0.3,
            taught=1.0,
            silence_weight=0.7,
            heat=1.0,
            smooth=0.02,
            decay=0.9,
            seed=1,
        )
        self.run_ = Refinement(network(), arguments, FakeVocabulary())
        self.batch = [
            Example(noise(100).numpy(), [1, 2, 3, 5, 6], True),
            Example(noise(41).numpy(), [1, 2, 3, 7], False),
            Silent(noise(60).numpy(), [1, 2, 3, 4], True),
        ]

    def test_what_is_wanted(self) -> None:
        tokens, valid = text_batch(self.batch, 0)
        no = SKIPPED
        self.assertEqual(
            self.run_.wanted(self.batch, tokens, valid).tolist(),
            [[2, no, 5, 6, 0], [2, no, 7, no, no], [9, no, no, no, no]],
        )

    def test_learns_and_stays_near(self) -> None:
        first = self.run_.step(self.batch)
        self.assertAlmostEqual(first[1].item(), 0, places=2)
        for _ in range(15):
            last = self.run_.step(self.batch)
        self.assertLess(last[0], first[0])
        before = self.run_.teacher.speller.embedding.weight.float()
        torch.testing.assert_close(
            self.run_.average.speller.embedding.weight, before, atol=1e-2, rtol=1e-2
        )

    def test_goes_on(self) -> None:
        self.run_.step(self.batch)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pt"
            self.run_.save(path)
            weight = self.run_.network.listener.norm.weight.detach().clone()
            self.run_.step(self.batch)
            self.run_.resume(path)
        torch.testing.assert_close(self.run_.network.listener.norm.weight.detach(), weight)
        self.assertEqual(self.run_.steps, 1)

    def test_runs_are_mixed(self) -> None:
        runs = [{"a": torch.tensor([1.0])}, {"a": torch.tensor([3.0])}]
        before = {"a": torch.tensor([0.0])}
        self.assertEqual(export.mixed(runs, before, 1.0)["a"].item(), 2)
        self.assertEqual(export.mixed(runs, before, 0.25)["a"].item(), 0.5)


class RebuiltTest(unittest.TestCase):
    def test_there_and_back(self) -> None:
        """A model file of other weights than its checkpoint's gives a checkpoint of them."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_checkpoint(random_checkpoint(), folder / "model.bin")
            writer = gguf.GGUFWriter(folder / "model.gguf", "hearken-las")
            for weight, values in network().named_parameters():
                if ".embedding." not in weight:
                    writer.add_tensor(name_of(weight), values.detach().numpy() + 0.25)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            rebuild(folder / "model.gguf", folder, folder / "out")
            again = whisper.load(read_checkpoint(folder / "out" / "model.bin"))
        for weight, values in network().named_parameters():
            expected = values if ".embedding." in weight else values + 0.25
            torch.testing.assert_close(
                again.state_dict()[weight], expected.detach(), atol=2e-3, rtol=2e-3
            )

    def test_names_are_those_of_model_files(self) -> None:
        names = {
            "listener.layers.3.self_attention.qkv.weight": "listener.block.3.qkv.weight",
            "listener.layers.0.self_norm.bias": "listener.block.0.attention_norm.bias",
            "speller.layers.1.self_norm.bias": "speller.layer.1.self_norm.bias",
            "speller.layers.1.attention.key.weight": "speller.layer.1.attention_key.weight",
            "speller.layers.2.mlp.down.weight": "speller.layer.2.mlp_down.weight",
            "speller.positions": "speller.positions",
        }
        self.assertEqual([name_of(name) for name in names], list(names.values()))


class RetypedTest(unittest.TestCase):
    def test_some_matrices_get_another_type(self) -> None:
        matrix = noise(64).numpy().reshape(-1, 64)
        names = ("speller.layer.0.mlp_up.weight", "speller.layer.0.self_qkv.weight")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            writer = gguf.GGUFWriter(folder / "model.gguf", "hearken-las")
            writer.add_name("model")
            for tensor in names:
                model_file.add_matrix(writer, tensor, matrix, model_file.Type.Q8_0)
            writer.add_tensor("speller.layer.0.mlp_up.bias", matrix[0])
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            out = folder / "out.gguf"
            retype(folder / "model.gguf", out, model_file.Type.Q5_0, ["speller.*.mlp_*"])
            reader = gguf.GGUFReader(out)
            values = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors}
        self.assertEqual(reader.fields["general.name"].contents(), "model")
        self.assertEqual([t.tensor_type.name for t in reader.tensors], ["Q5_0", "Q8_0", "F32"])
        np.testing.assert_allclose(values[names[0]], matrix, atol=0.05)
        np.testing.assert_allclose(values[names[1]], matrix, atol=0.005)


class ModelFileTest(unittest.TestCase):
    def base(self, path: Path) -> None:
        """A model file with all that is looked at."""
        writer = gguf.GGUFWriter(path, "hearken-las")
        writer.add_name("base")
        writer.add_string("hearken.speller.kind", "transformer")
        writer.add_uint32("hearken.speller.layers", 6)
        writer.add_uint32("hearken.speller.heads", 8)
        writer.add_array("hearken.speller.start", [1, 2])
        writer.add_array("hearken.speller.alignment_heads", [3, 17, 34])
        writer.add_tensor("listener.norm.weight", np.ones(64, np.float32))
        writer.add_tensor("speller.norm.weight", np.zeros(64, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def test_export(self) -> None:
        speller = recurrent()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            self.base(folder / "base.gguf")
            torch.save({"average": speller.state_dict(), "layers": [2, 4]}, folder / "last.pt")
            model_file.export(folder, folder / "base.gguf", folder / "out.gguf", "small")
            reader = gguf.GGUFReader(folder / "out.gguf")
            keys = {key: field.contents() for key, field in reader.fields.items()}
            tensors = {
                t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors
            }
        self.assertEqual(keys["general.name"], "small")
        self.assertEqual(keys["hearken.speller.kind"], "lstm")
        self.assertEqual(keys["hearken.speller.layers"], 2)
        self.assertEqual(keys["hearken.speller.start"], [1, 2])
        self.assertEqual(keys["hearken.speller.alignment_heads"], [1, 10])
        self.assertTrue((tensors["listener.norm.weight"] == 1).all())
        expected = {
            "speller.norm.weight": speller.norm.weight,
            "speller.bias": speller.bias,
            "speller.layer.1.lstm_hidden.weight": speller.layers[1].lstm.weight_hh_l0,
            "speller.layer.0.attention_query.bias": speller.layers[0].attention.query.bias,
            "speller.layer.1.mlp_norm.bias": speller.layers[1].mlp_norm.bias,
            "speller.layer.0.mlp_down.weight": speller.layers[0].mlp.down.weight,
        }
        for tensor, values in expected.items():
            np.testing.assert_allclose(tensors[tensor], values.detach(), atol=0.02)
        self.assertNotIn("speller.embedding.weight", tensors)


if __name__ == "__main__":
    unittest.main()
