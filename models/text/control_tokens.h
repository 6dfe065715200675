// SPDX-License-Identifier: MIT
/*
 * What the tokens of a Whisper vocabulary that are no text stand for, found by their names: tasks,
 * languages, times. Immutable after it is made: safe from any thread.
 */
#ifndef HEARKEN_MODELS_TEXT_CONTROL_TOKENS_H
#define HEARKEN_MODELS_TEXT_CONTROL_TOKENS_H

#include "models/file/model_parameters.h"
#include "models/text/vocabulary.h"

#define LANGUAGE_CODE_SIZE 8u /* of the longest, with its 0 */
#define MAX_LANGUAGES      256u
#define TIMESTAMP_SECONDS  0.02 /* from <|0.00|> to <|0.02|> */
#define LEAST_TIMESTAMPS   2u   /* fewer are none */

struct language {
    char code[LANGUAGE_CODE_SIZE]; /* "en" */
    uint32_t token;
};

/* NO_TOKEN for what is not there. */
struct control_tokens {
    uint32_t start;                       /* <|startoftranscript|> */
    uint32_t previous;                    /* <|startofprev|>: text before it follows */
    uint32_t transcribe;                  /* the tasks, where texts start with one */
    uint32_t translate;                   /* to English */
    uint32_t no_timestamps;               /* <|notimestamps|> */
    uint32_t first_timestamp, timestamps; /* <|0.00|>, and how many there are; 0: none */
    struct language *spoken;              /* [spoken_count]: those that can be detected */
    uint32_t spoken_count;
    char **written; /* [written_count]: codes of those that the model writes */
    uint32_t written_count;
    uint32_t language; /* the index in `spoken` of the one that the file starts texts with, or
                          NO_TOKEN */
};

/*
 * The languages that the model writes are those of `general.languages`, where the file has it;
 * otherwise those of its tokens. A vocabulary without <|translate|> was cut to one language: then
 * it is that with which the file starts texts. A model whose texts start with no language writes
 * English, and one whose texts start with no task has none, whatever tokens there are: Whisper's
 * English-only models have them all. `vocabulary` and `gguf` are not kept. Errors:
 * -ENOMEM.
 */
int control_tokens_find(struct control_tokens *tokens, const struct vocabulary *vocabulary,
                        const struct speller_parameters *speller, const struct gguf *gguf);
void control_tokens_finish(struct control_tokens *tokens);

/* Whether the model writes the language of that code. "DE", "de-AT" and "de_AT" are "de". */
bool control_tokens_writes(const struct control_tokens *tokens, const char *code);

/* Its index in `spoken`; NO_TOKEN if the model does not write it, or has no token for it. */
uint32_t control_tokens_language(const struct control_tokens *tokens, const char *code);

#endif
