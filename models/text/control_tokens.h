// SPDX-License-Identifier: MIT
/*
 * The control tokens of a Whisper vocabulary, found by name: tasks, languages, timestamps.
 * Immutable after it is made, so safe from any thread.
 */
#ifndef HEARKEN_MODELS_TEXT_CONTROL_TOKENS_H
#define HEARKEN_MODELS_TEXT_CONTROL_TOKENS_H

#include "models/file/model_parameters.h"
#include "models/text/vocabulary.h"

#define LANGUAGE_CODE_SIZE 8u /* of the longest code, with its 0 */
#define MAX_LANGUAGES      256u
#define TIMESTAMP_SECONDS  0.02 /* from <|0.00|> to <|0.02|> */
#define MIN_TIMESTAMPS     2u   /* fewer count as none */

struct language {
    char code[LANGUAGE_CODE_SIZE]; /* "en" */
    uint32_t token;
};

/* NO_TOKEN: the vocabulary has no such token. */
struct control_tokens {
    uint32_t start;         /* <|startoftranscript|> */
    uint32_t previous;      /* <|startofprev|>: previous text follows */
    uint32_t transcribe;    /* NO_TOKEN, as `translate`, if texts start without a task */
    uint32_t translate;     /* to English */
    uint32_t no_timestamps; /* <|notimestamps|> */
    uint32_t first_timestamp, timestamps; /* <|0.00|>, and the number of timestamps; 0: none */
    struct language *languages;           /* [language_count]: languages that have a token */
    uint32_t language_count;
    char **supported; /* [supported_count]: codes of the languages that the model writes */
    uint32_t supported_count;
    uint32_t language; /* index in `languages` of the one that texts start with by default, or
                          NO_TOKEN */
};

/*
 * Finds the control tokens. The supported languages are those of `general.languages`; without that
 * key, those that have a token. A vocabulary without <|translate|> was reduced to one language: the
 * one that texts start with. If texts start without a language, the model writes English; if they
 * start without a task, it has no tasks. Both hold even if the vocabulary has such tokens, as that
 * of Whisper's English-only models. `vocabulary` and `gguf` are not kept. Errors: -ENOMEM.
 */
int control_tokens_find(struct control_tokens *tokens, const struct vocabulary *vocabulary,
                        const struct speller_parameters *speller, const struct gguf *gguf);
void control_tokens_finish(struct control_tokens *tokens);

/* Whether the model writes this language. "DE", "de-AT" and "de_AT" count as "de". */
bool control_tokens_supports(const struct control_tokens *tokens, const char *code);

/*
 * Index of this language in `languages`; NO_TOKEN if the model does not write it or has no token
 * for it.
 */
uint32_t control_tokens_language(const struct control_tokens *tokens, const char *code);

#endif
