// SPDX-License-Identifier: MIT
/* A random network with the control tokens of a Whisper vocabulary: for tests of its rules. */
#ifndef HEARKEN_TESTS_UNIT_COMMON_WHISPER_MODEL_H
#define HEARKEN_TESTS_UNIT_COMMON_WHISPER_MODEL_H

#include "tests/unit/common/make_model.h"

/* Tokens of it, by their number; text follows. */
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

#endif
