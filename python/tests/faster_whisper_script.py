# As in the README of faster-whisper 1.2, written for it: only its import is changed by the test.
import sys

from faster_whisper import BatchedInferencePipeline, WhisperModel

model_size = "base.en"

model = WhisperModel(model_size, device="cpu", compute_type="int8")

segments, info = model.transcribe(sys.argv[1], beam_size=5)

print("Detected language '%s' with probability %f" % (info.language, info.language_probability))

for segment in segments:
    print("[%.2fs -> %.2fs] %s" % (segment.start, segment.end, segment.text))

segments, _ = model.transcribe(sys.argv[1], word_timestamps=True)

for segment in segments:
    for word in segment.words:
        print("[%.2fs -> %.2fs] %s" % (word.start, word.end, word.word))

segments, _ = model.transcribe(
    sys.argv[1],
    vad_filter=True,
    vad_parameters=dict(min_silence_duration_ms=500),
)
segments = list(segments)  # The transcription will actually run here.
print("".join(segment.text for segment in segments))

batched_model = BatchedInferencePipeline(model=model)
segments, info = batched_model.transcribe(sys.argv[1], batch_size=16)
for segment in segments:
    print("[%.2fs -> %.2fs] %s" % (segment.start, segment.end, segment.text))
