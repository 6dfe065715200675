// SPDX-License-Identifier: MIT
#include "models/text/transcript_merge.h"

/* Iterates over the letters and digits of a text. */
struct letters {
    const struct vocabulary *vocabulary;
    const uint32_t *tokens;
    size_t count, token, at; /* at: byte within the token */
};

/*
 * A letter or digit in lower case, else 0. Each byte beyond ASCII counts as one: punctuation is
 * rare there.
 */
static int letter_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 'a';
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80 ? c : 0;
}

/* 0: no letter is left. */
static int next_letter(struct letters *l)
{
    for (; l->token < l->count; l->token++, l->at = 0) {
        const struct vocabulary_token *token = &l->vocabulary->tokens[l->tokens[l->token]];
        while (!token->control && l->at < token->length) {
            int letter = letter_of((unsigned char)token->text[l->at++]);
            if (letter)
                return letter;
        }
    }
    return 0;
}

/* Whether the token read last has no further letters. */
static bool is_at_token_end(const struct letters *l)
{
    struct letters rest = *l;
    if (l->at == 0)
        return true;
    rest.count = l->token + 1;
    return next_letter(&rest) == 0;
}

static bool is_punctuation(const struct vocabulary *vocabulary, uint32_t token)
{
    return vocabulary_follows_word(vocabulary, token) && !vocabulary_starts_word(vocabulary, token);
}

size_t transcript_merge_point(const struct vocabulary *vocabulary, const uint32_t *committed,
                              size_t committed_count, const uint32_t *found, size_t found_count)
{
    struct letters a = {vocabulary, committed, committed_count, 0, 0};
    struct letters b = {vocabulary, found, found_count, 0, 0};
    for (int letter; (letter = next_letter(&a)) != 0;)
        if (next_letter(&b) != letter)
            return found_count + 1;
    if (!is_at_token_end(&b))
        return found_count + 1;
    size_t point = b.at > 0 ? b.token + 1 : b.token;
    /* Keeps only one punctuation mark after the last committed word. */
    if (committed_count > 0 && is_punctuation(vocabulary, committed[committed_count - 1]))
        while (point < found_count && is_punctuation(vocabulary, found[point]))
            point++;
    if (point < found_count && !vocabulary_follows_word(vocabulary, found[point]))
        return found_count + 1;
    return point;
}

bool transcript_has_same_words(const struct vocabulary *vocabulary, const uint32_t *a,
                               size_t a_count, const uint32_t *b, size_t b_count)
{
    struct letters one = {vocabulary, a, a_count, 0, 0}, other = {vocabulary, b, b_count, 0, 0};
    int letter;
    while ((letter = next_letter(&one)) != 0)
        if (next_letter(&other) != letter)
            return false;
    return next_letter(&other) == 0;
}
