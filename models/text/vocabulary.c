// SPDX-License-Identifier: MIT
#include "models/text/vocabulary.h"

#include "include/internal/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORD_START       "\xe2\x96\x81" /* ▁, U+2581 */
#define CONTROL_TOKEN    3              /* in tokenizer.ggml.token_type */
#define FIRST_BYTE_ALIAS 256u /* first character for a byte that is not encoded as itself */

/*
 * GPT-2 encodes bytes as characters other than spaces and controls: the printable ones of Latin-1
 * as themselves, the 68 others, in order, as U+0100 and up (Radford et al., 2019, "Language Models
 * are Unsupervised Multitask Learners").
 */
static bool stands_for_itself(uint32_t byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* -1: the character encodes no byte. */
static int byte_of_character(uint32_t character)
{
    if (character < FIRST_BYTE_ALIAS)
        return stands_for_itself(character) ? (int)character : -1;
    uint32_t alias = FIRST_BYTE_ALIAS;
    for (uint32_t byte = 0; byte < 256; byte++)
        if (!stands_for_itself(byte) && alias++ == character)
            return (int)byte;
    return -1;
}

/* "Ġthe" → " the", in place; false if a character encodes no byte. */
static bool decode_bytes(struct vocabulary_token *token)
{
    size_t from = 0, to = 0;
    while (from < token->length) {
        uint32_t character;
        size_t size = utf8_decode(token->text + from, token->length - from, &character);
        int byte = size > 0 ? byte_of_character(character) : -1;
        if (byte < 0)
            return false;
        token->text[to++] = (char)byte;
        from += size;
    }
    token->length = to;
    token->text[to] = 0;
    return true;
}

/* "▁the" → " the", in place. */
static void decode_pieces(struct vocabulary_token *token)
{
    size_t from = 0, to = 0, mark = strlen(WORD_START);
    while (from < token->length) {
        bool space =
            token->length - from >= mark && memcmp(token->text + from, WORD_START, mark) == 0;
        token->text[to++] = space ? ' ' : token->text[from];
        from += space ? mark : 1;
    }
    token->length = to;
    token->text[to] = 0;
}

static int copy_tokens(struct vocabulary *vocabulary, const struct gguf_entry *entry,
                       struct hearken_error *error)
{
    vocabulary->tokens = calloc(entry->count + 1, sizeof(*vocabulary->tokens));
    if (!vocabulary->tokens)
        return hearken_fail(error, -ENOMEM, "out of memory");
    vocabulary->count = (uint32_t)entry->count;
    const uint8_t *cursor = entry->data;
    for (uint32_t i = 0; i < vocabulary->count; i++) {
        struct gguf_string string = gguf_next_string(&cursor);
        struct vocabulary_token *token = &vocabulary->tokens[i];
        token->text = malloc(string.length + 1);
        if (!token->text)
            return hearken_fail(error, -ENOMEM, "out of memory");
        memcpy(token->text, string.data, string.length);
        token->text[string.length] = 0;
        token->length = string.length;
    }
    return 0;
}

/*
 * Marks the tokens of control type (tokenizer.ggml.token_type, if present) and the special tokens.
 */
static void mark_control_tokens(struct vocabulary *vocabulary, const struct gguf *gguf)
{
    static const char *const keys[] = {
        "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.unknown_token_id",
        "tokenizer.ggml.blank_token_id",
    };
    const struct gguf_entry *types = gguf_find_entry(gguf, "tokenizer.ggml.token_type");
    if (types && types->is_array && types->type != GGUF_STRING && types->count == vocabulary->count)
        for (uint32_t i = 0; i < vocabulary->count; i++)
            vocabulary->tokens[i].control = gguf_number(types, i) == CONTROL_TOKEN;
    for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
        const struct gguf_entry *entry = gguf_find_entry(gguf, keys[k]);
        if (!entry || entry->is_array || entry->type == GGUF_STRING)
            continue;
        double id = gguf_number(entry, 0);
        if (id >= 0 && id < vocabulary->count)
            vocabulary->tokens[(uint32_t)id].control = true;
    }
}

static int decode_tokens(struct vocabulary *vocabulary, struct gguf_string model,
                         struct hearken_error *error)
{
    bool bytes = model.length == 4 && memcmp(model.data, "gpt2", 4) == 0;
    if (!bytes && !(model.length == 11 && memcmp(model.data, "hearken-bpe", 11) == 0))
        return hearken_fail(error, -EINVAL,
                            "tokenizer.ggml.model is %.*s, expected gpt2 or hearken-bpe",
                            (int)(model.length > 60 ? 60 : model.length), model.data);
    for (uint32_t i = 0; i < vocabulary->count; i++) {
        struct vocabulary_token *token = &vocabulary->tokens[i];
        if (token->control)
            continue;
        if (!bytes)
            decode_pieces(token);
        else if (!decode_bytes(token))
            return hearken_fail(error, -EINVAL,
                                "tokenizer.ggml.tokens: token %u is not bytes encoded as in GPT-2",
                                i);
    }
    return 0;
}

int vocabulary_read(struct vocabulary *vocabulary, const struct gguf *gguf,
                    struct hearken_error *error)
{
    const struct gguf_entry *tokens = gguf_find_entry(gguf, "tokenizer.ggml.tokens");
    const struct gguf_entry *model = gguf_find_entry(gguf, "tokenizer.ggml.model");
    *vocabulary = (struct vocabulary){0};
    if (!tokens || !tokens->is_array || tokens->type != GGUF_STRING)
        return hearken_fail(error, -EINVAL, "tokenizer.ggml.tokens is not an array of strings");
    if (!model || model->is_array || model->type != GGUF_STRING)
        return hearken_fail(error, -EINVAL, "tokenizer.ggml.model is not a string");
    int result = copy_tokens(vocabulary, tokens, error);
    if (result == 0) {
        mark_control_tokens(vocabulary, gguf);
        result = decode_tokens(vocabulary, gguf_string(model), error);
    }
    if (result < 0)
        vocabulary_finish(vocabulary);
    return result;
}

void vocabulary_finish(struct vocabulary *vocabulary)
{
    for (uint32_t i = 0; i < vocabulary->count; i++)
        free(vocabulary->tokens[i].text);
    free(vocabulary->tokens);
    *vocabulary = (struct vocabulary){0};
}

char *vocabulary_text(const struct vocabulary *vocabulary, const uint32_t *tokens, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += vocabulary->tokens[tokens[i]].length;
    char *bytes = malloc(length + 1);
    if (!bytes)
        return NULL;
    length = 0;
    for (size_t i = 0; i < count; i++) {
        const struct vocabulary_token *token = &vocabulary->tokens[tokens[i]];
        if (token->control)
            continue;
        memcpy(bytes + length, token->text, token->length);
        length += token->length;
    }
    while (length > 0 && bytes[length - 1] == ' ')
        length--;
    size_t start = 0;
    while (start < length && bytes[start] == ' ')
        start++;
    char *text = utf8_repair(bytes + start, length - start);
    free(bytes);
    return text;
}

bool vocabulary_starts_word(const struct vocabulary *vocabulary, uint32_t token)
{
    const struct vocabulary_token *t = &vocabulary->tokens[token];
    return !t->control && t->length > 0 && t->text[0] == ' ';
}

bool vocabulary_follows_word(const struct vocabulary *vocabulary, uint32_t token)
{
    const struct vocabulary_token *t = &vocabulary->tokens[token];
    size_t marks = 0;
    while (marks < t->length && strchr(".,;:?!\")]", t->text[marks]) && t->text[marks])
        marks++;
    return vocabulary_starts_word(vocabulary, token) ||
           (!t->control && t->length > 0 && marks == t->length);
}
