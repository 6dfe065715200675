// SPDX-License-Identifier: MIT
/*
 * Any bytes as a list of custom words and, after the first zero byte, as tokens of a vocabulary,
 * separated by bars. The check rejects a list exactly if the trie does, the score of a text never
 * decreases, and the tokens listed as continuing a word do continue it.
 */
#include "models/search/custom_words.h"

#include <hearken/hearken.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define MOST_TOKENS 200u
#define STEPS       64u

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void read_tokens(struct vocabulary *vocabulary, char *text, size_t size)
{
    for (size_t at = 0; at < size && vocabulary->count < MOST_TOKENS;) {
        char *end = memchr(text + at, '|', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;
        vocabulary->tokens[vocabulary->count++] = (struct vocabulary_token){
            .text = text + at,
            .length = length,
            .control = length > 0 && text[at] == '<',
        };
        at += length + 1;
    }
}

static void walk(const struct custom_words *words, const struct vocabulary *vocabulary)
{
    uint32_t reached[2 * MOST_TOKENS];
    struct word_match match = custom_words_begin();
    for (uint32_t step = 0; vocabulary->count > 0 && step < STEPS; step++) {
        uint32_t count = custom_words_continuations(words, match, step % 2 == 0, reached);
        must(count <= 2 * vocabulary->count);
        for (uint32_t i = 0; i < count; i++)
            must(custom_words_within(custom_words_advance(words, match, reached[i])));
        uint32_t token = count > 0 ? reached[step * 7 % count] : step % vocabulary->count;
        struct word_match next = custom_words_advance(words, match, token);
        must(next.earned >= match.earned);
        must(custom_words_earned_at_end(words, next) >= next.earned);
        must(custom_words_potential(words, next) >= custom_words_earned(words, next));
        match = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct vocabulary_token tokens[MOST_TOKENS];
    struct vocabulary vocabulary = {.tokens = tokens};
    struct custom_words *words = NULL;
    struct hearken_error error = {""};
    char *text = malloc(size + 1);
    must(text != NULL);
    if (size > 0)
        memcpy(text, bytes, size);
    text[size] = 0;
    size_t length = strlen(text);
    if (length < size)
        read_tokens(&vocabulary, text + length + 1, size - length - 1);
    int count = hearken_custom_words_check(text, &error);
    int result = custom_words_create(text, &vocabulary, &words, &error);
    must(result == (count < 0 ? count : 0));
    must((words != NULL) == (count > 0));
    must(result == 0 || error.message[0] != '\0');
    if (words)
        walk(words, &vocabulary);
    custom_words_destroy(words);
    free(text);
    return 0;
}
