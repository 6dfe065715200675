// SPDX-License-Identifier: MIT
/* Small networks of random weights, of any shape, for tests that need one that says something. */
#ifndef HEARKEN_TESTS_UNIT_COMMON_MAKE_MODEL_H
#define HEARKEN_TESTS_UNIT_COMMON_MAKE_MODEL_H

#include "models/network/network.h"
#include "tests/unit/common/make_gguf.h"

struct model_shape {
    enum speller_kind kind;
    uint32_t seed, mels;
    uint32_t width, heads, layers, mlp, positions, pyramid, memory_width, chunk;
    uint32_t speller_width, speller_heads, speller_layers;
    uint32_t speller_mlp;       /* 0: none */
    uint32_t speller_positions; /* transformer only */
    bool ctc;
    const char *const *tokens; /* the special ones first, see below */
    uint32_t token_count;
};

/* Recurrent: "<blank>", "<s>", "</s>", "<unk>"; transformer: "<|endoftext|>",
 * "<|startoftranscript|>", "<|en|>", "<|nospeech|>". */
#define SPECIAL_TOKENS 4u

/* Of each kind one whose sizes differ wherever they may. */
struct model_shape recurrent_shape(uint32_t seed);
struct model_shape transformer_shape(uint32_t seed);

/* The file of such a network: made_finish. */
struct made_file make_model(const struct model_shape *shape);

/* A random network with the control tokens of a Whisper vocabulary, for tests of its rules. Its
 * tokens by their number; text follows. */
enum {
    W_END,
    W_START,
    W_ENGLISH,
    W_GERMAN,
    W_HAWAIIAN,
    W_TRANSLATE,
    W_TRANSCRIBE,
    W_PREVIOUS,
    W_NO_SPEECH,
    W_NO_TIMESTAMPS,
    W_TIMES,                /* <|0.00|> */
    W_TEXT = W_TIMES + 101, /* up to <|2.00|> */
};

/* Multilingual, with times; texts start with <|startoftranscript|><|en|><|transcribe|>
 * <|notimestamps|>. */
struct made_file make_whisper(uint32_t seed);

/* Gives it a voice network that takes for speech what is louder than `level`, the mean of a frame's
 * log-mel bands. */
void add_voice(struct made_file *file, uint32_t mels, float level);

/* Sets element `index` of a tensor of type F32. */
void set_weight(struct made_file *file, const char *name, size_t index, float value);

/* Written to a file, opened on the reference backend, the file removed. A message is printed where
 * that fails, and NULL returned. */
struct network *open_network(const struct made_file *file);
struct hearken_model *open_model(const struct made_file *file);

/* The reference backend, in the directory of the plugins that were built. */
extern const struct hearken_backend_options reference_backend;

#endif
