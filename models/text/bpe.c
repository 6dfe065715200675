// SPDX-License-Identifier: MIT
#include "models/text/bpe.h"

#include "include/internal/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* ---- Tokens by their text ---- */

struct bpe_encoder {
    const struct vocabulary *vocabulary;
    uint32_t *order; /* [count]: tokens with text, sorted by it */
    uint32_t count;
    uint32_t *tokens; /* [token_count]: result */
    size_t token_count, capacity;
};

static int compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : a_length < b_length ? -1 : a_length > b_length;
}

static int compare_tokens(const void *a, const void *b, void *vocabulary)
{
    const struct vocabulary_token *tokens = ((const struct vocabulary *)vocabulary)->tokens;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = compare(tokens[x].text, tokens[x].length, tokens[y].text, tokens[y].length);
    return order ? order : x < y ? -1 : x > y;
}

static bool index_tokens(struct bpe_encoder *e)
{
    const struct vocabulary *v = e->vocabulary;
    e->order = calloc((size_t)v->count + 1, sizeof(*e->order));
    if (!e->order)
        return false;
    for (uint32_t i = 0; i < v->count; i++)
        if (!v->tokens[i].control && v->tokens[i].length > 0)
            e->order[e->count++] = i;
    qsort_r(e->order, e->count, sizeof(*e->order), compare_tokens, (void *)e->vocabulary);
    return true;
}

/* The token of this text with the lowest id; NONE if there is none. */
static uint32_t find(const struct bpe_encoder *e, const char *text, size_t length)
{
    uint32_t low = 0, high = e->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct vocabulary_token *t = &e->vocabulary->tokens[e->order[middle]];
        if (compare(t->text, t->length, text, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == e->count)
        return NONE;
    const struct vocabulary_token *t = &e->vocabulary->tokens[e->order[low]];
    return compare(t->text, t->length, text, length) == 0 ? e->order[low] : NONE;
}

/* ---- One word ---- */

static bool add(struct bpe_encoder *e, uint32_t token)
{
    if (e->token_count == e->capacity) {
        size_t capacity = 2 * e->capacity + 64;
        uint32_t *grown = realloc(e->tokens, capacity * sizeof(*grown));
        if (!grown)
            return false;
        e->tokens = grown;
        e->capacity = capacity;
    }
    e->tokens[e->token_count++] = token;
    return true;
}

/* `ends` [length]: end of each part of the word. At first each byte is a part. */
static bool encode_word(struct bpe_encoder *e, const char *word, size_t length, size_t *ends)
{
    size_t parts = length;
    for (size_t i = 0; i < length; i++)
        ends[i] = i + 1;
    for (;;) {
        uint32_t best = NONE;
        size_t at = 0;
        for (size_t i = 0; i + 1 < parts; i++) {
            size_t from = i > 0 ? ends[i - 1] : 0;
            uint32_t token = find(e, word + from, ends[i + 1] - from);
            if (token < best) {
                best = token;
                at = i;
            }
        }
        if (best == NONE)
            break;
        memmove(ends + at, ends + at + 1, (parts - at - 1) * sizeof(*ends));
        parts--;
    }
    for (size_t i = 0, from = 0; i < parts; from = ends[i++]) {
        uint32_t token = find(e, word + from, ends[i] - from);
        if (token != NONE && !add(e, token))
            return false;
    }
    return true;
}

/* ---- Splitting into words ---- */

enum kind { SPACE, LETTER, DIGIT, MARK };

/* Beyond ASCII, characters of the punctuation and symbol blocks are marks, all others letters. */
static enum kind kind_of(uint32_t character)
{
    if (character == ' ' || (character >= '\t' && character <= '\r') || character == 0xa0 ||
        character == 0x3000 || (character >= 0x2000 && character <= 0x200a))
        return SPACE;
    if (character < 0x80) {
        uint32_t small = character | 0x20;
        return character >= '0' && character <= '9' ? DIGIT
               : small >= 'a' && small <= 'z'       ? LETTER
                                                    : MARK;
    }
    bool latin_mark =
        character < 0xc0 && character != 0xaa && character != 0xb5 && character != 0xba;
    bool block_of_marks = (character >= 0x2010 && character < 0x2c00) ||
                          (character >= 0x3001 && character <= 0x3004) ||
                          (character >= 0x3008 && character <= 0x3020) ||
                          (character >= 0xff01 && character <= 0xff0f) ||
                          (character >= 0x1f000 && character <= 0x1faff);
    return latin_mark || character == 0xd7 || character == 0xf7 || block_of_marks ? MARK : LETTER;
}

static size_t next_character(const char *text, size_t length, enum kind *kind)
{
    uint32_t character = 0;
    size_t size = utf8_decode(text, length, &character);
    *kind = size > 0 ? kind_of(character) : MARK;
    return size > 0 ? size : 1;
}

/* 's, 't, 're, 've, 'm, 'll, 'd */
static size_t contraction(const char *text, size_t length)
{
    static const char *const all[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (strlen(all[i]) <= length && memcmp(text, all[i], strlen(all[i])) == 0)
            return strlen(all[i]);
    return 0;
}

/* Length in bytes of the characters of one kind at the start. */
static size_t run(const char *text, size_t length, enum kind kind)
{
    size_t end = 0;
    while (end < length) {
        enum kind next;
        size_t size = next_character(text + end, length - end, &next);
        if (next != kind)
            break;
        end += size;
    }
    return end;
}

/* A space belongs to the word after it; of several, the last one. */
static size_t word_length(const char *text, size_t length)
{
    enum kind kind;
    size_t size = contraction(text, length);
    if (size > 0)
        return size;
    next_character(text, length, &kind);
    if (kind != SPACE)
        return run(text, length, kind);
    size_t spaces = run(text, length, SPACE);
    if (spaces == length)
        return length;
    if (spaces == 1 && *text == ' ') {
        next_character(text + 1, length - 1, &kind);
        return 1 + run(text + 1, length - 1, kind);
    }
    return text[spaces - 1] == ' ' && spaces > 1 ? spaces - 1 : spaces;
}

/* ---- Whole texts ---- */

static bool encode_all(struct bpe_encoder *e, const char *text)
{
    size_t length = strlen(text);
    size_t *ends = calloc(length + 1, sizeof(*ends));
    bool good = ends && index_tokens(e);
    while (good && length > 0) {
        size_t word = word_length(text, length);
        good = encode_word(e, text, word, ends);
        text += word;
        length -= word;
    }
    free(ends);
    return good;
}

int bpe_encode(const struct vocabulary *vocabulary, const char *text, uint32_t most,
               uint32_t **tokens, uint32_t *count)
{
    struct bpe_encoder e = {.vocabulary = vocabulary};
    *tokens = NULL;
    *count = 0;
    bool good = encode_all(&e, text);
    free(e.order);
    if (!good || !(*tokens = calloc((size_t)most + 1, sizeof(**tokens)))) {
        free(e.tokens);
        return -ENOMEM;
    }
    *count = e.token_count < most ? (uint32_t)e.token_count : most;
    if (*count > 0)
        memcpy(*tokens, e.tokens + (e.token_count - *count), *count * sizeof(**tokens));
    free(e.tokens);
    return 0;
}
