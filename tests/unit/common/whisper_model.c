// SPDX-License-Identifier: MIT
#include "tests/unit/common/whisper_model.h"

#include <stdio.h>

#define SPACE "\xc4\xa0" /* the byte of a space, as GPT-2 writes it */

static const char *const first_tokens[] = {
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>",          "<|de|>",       "<|haw|>",
    "<|translate|>", "<|transcribe|>",        "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
};

static const char *const text_tokens[] = {
    "a", "b", "c", "d", "e", "n", "s", "t", SPACE, SPACE "a", SPACE "the", SPACE "to", ".", ",",
};

#define TEXTS (sizeof(text_tokens) / sizeof(*text_tokens))

struct made_file make_whisper(uint32_t seed)
{
    static const double start[] = {W_START, W_ENGLISH, W_TRANSCRIBE, W_NO_TIMESTAMPS};
    char times[W_TEXT - W_TIMES][16];
    const char *tokens[W_TEXT + TEXTS];
    double types[W_TEXT + TEXTS];
    for (uint32_t i = 0; i < W_TIMES; i++)
        tokens[i] = first_tokens[i];
    for (uint32_t i = 0; i < W_TEXT - W_TIMES; i++) {
        snprintf(times[i], sizeof(times[i]), "<|%u.%02u|>", i / 50, i % 50 * 2);
        tokens[W_TIMES + i] = times[i];
    }
    for (uint32_t i = 0; i < TEXTS; i++)
        tokens[W_TEXT + i] = text_tokens[i];
    for (uint32_t i = 0; i < W_TEXT + TEXTS; i++)
        types[i] = i < W_TEXT ? 3 : 1;
    struct model_shape shape = transformer_shape(seed);
    shape.speller_positions = 60;
    shape.tokens = tokens;
    shape.token_count = W_TEXT + TEXTS;
    struct made_file file = make_model(&shape);
    made_numbers(&file, "hearken.speller.start", GGUF_U32, start, 4);
    made_number(&file, "hearken.speller.no_speech_token", GGUF_U32, W_NO_SPEECH);
    made_numbers(&file, "tokenizer.ggml.token_type", GGUF_I32, types, W_TEXT + TEXTS);
    return file;
}
