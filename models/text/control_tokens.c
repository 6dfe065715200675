// SPDX-License-Identifier: MIT
#include "models/text/control_tokens.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_named(const struct vocabulary *v, uint32_t token, const char *name)
{
    const struct vocabulary_token *t = &v->tokens[token];
    return t->control && t->length == strlen(name) && memcmp(t->text, name, t->length) == 0;
}

static uint32_t find(const struct vocabulary *v, const char *name)
{
    for (uint32_t i = v->count; i-- > 0;)
        if (is_named(v, i, name))
            return i;
    return NO_TOKEN;
}

/* ---- Timestamps ---- */

/* Number of consecutive timestamps <|0.00|>, <|0.02|> and so on, from token `first` on. */
static uint32_t count_timestamps(const struct vocabulary *v, uint32_t first)
{
    char name[32];
    uint32_t count = 0;
    while (first != NO_TOKEN && first + count < v->count) {
        snprintf(name, sizeof(name), "<|%u.%02u|>", count / 50, count % 50 * 2);
        if (!is_named(v, first + count, name))
            break;
        count++;
    }
    return count < MIN_TIMESTAMPS ? 0 : count;
}

/* ---- Languages ---- */

/* Reads the code of "<|de|>" or "<|haw|>": two or three lower-case letters. */
static bool read_code(const struct vocabulary *v, uint32_t token, char *code)
{
    const struct vocabulary_token *t = &v->tokens[token];
    size_t length = t->length - 4;
    if (!t->control || t->length < 6 || length > 3 || memcmp(t->text, "<|", 2) != 0 ||
        memcmp(t->text + 2 + length, "|>", 2) != 0)
        return false;
    for (size_t i = 0; i < length; i++)
        if (t->text[2 + i] < 'a' || t->text[2 + i] > 'z')
            return false;
    memcpy(code, t->text + 2, length);
    code[length] = 0;
    return true;
}

/* Language tokens follow <|startoftranscript|> without a gap. */
static int find_languages(struct control_tokens *c, const struct vocabulary *v)
{
    c->languages = calloc(MAX_LANGUAGES, sizeof(*c->languages));
    if (!c->languages)
        return -ENOMEM;
    for (uint32_t i = c->start + 1; c->start != NO_TOKEN && i < v->count; i++) {
        struct language *language = &c->languages[c->language_count];
        if (c->language_count == MAX_LANGUAGES || !read_code(v, i, language->code))
            break;
        language->token = i;
        c->language_count++;
    }
    return 0;
}

static uint32_t find_code(const struct control_tokens *c, const char *code, size_t length)
{
    for (uint32_t i = 0; i < c->language_count; i++)
        if (strlen(c->languages[i].code) == length &&
            strncasecmp(c->languages[i].code, code, length) == 0)
            return i;
    return NO_TOKEN;
}

static void find_default_language(struct control_tokens *c,
                                  const struct speller_parameters *speller)
{
    c->language = NO_TOKEN;
    for (uint32_t i = 0; i < speller->start_count; i++)
        for (uint32_t k = 0; k < c->language_count; k++)
            if (c->languages[k].token == speller->start[i])
                c->language = k;
}

static int add_supported(struct control_tokens *c, const char *code, size_t length)
{
    char *copy = strndup(code, length);
    if (!copy)
        return -ENOMEM;
    c->supported[c->supported_count++] = copy;
    return 0;
}

/* If the vocabulary has language tokens, a listed language without one is not supported. */
static int add_listed(struct control_tokens *c, const struct gguf_entry *list)
{
    const uint8_t *cursor = list->data;
    int result = 0;
    for (uint64_t i = 0; result == 0 && i < list->count && c->supported_count < MAX_LANGUAGES;
         i++) {
        struct gguf_string string = gguf_next_string(&cursor);
        if (c->language_count == 0 || find_code(c, string.data, string.length) != NO_TOKEN)
            result = add_supported(c, string.data, string.length);
    }
    return result;
}

static int find_supported(struct control_tokens *c, const struct gguf *gguf)
{
    const struct gguf_entry *list = gguf_find_entry(gguf, "general.languages");
    int result = 0;
    c->supported = calloc(MAX_LANGUAGES, sizeof(*c->supported));
    if (!c->supported)
        return -ENOMEM;
    if (list && list->is_array && list->type == GGUF_STRING)
        result = add_listed(c, list);
    if (result < 0 || c->supported_count > 0)
        return result;
    for (uint32_t i = 0; result == 0 && c->language != NO_TOKEN && i < c->language_count; i++)
        if (c->translate != NO_TOKEN || i == c->language)
            result = add_supported(c, c->languages[i].code, strlen(c->languages[i].code));
    return result < 0 || c->supported_count > 0 ? result : add_supported(c, "en", 2);
}

/*
 * A task is chosen by replacing the task token that texts start with. Without one, there are no
 * tasks.
 */
static void drop_unused_tasks(struct control_tokens *c, const struct speller_parameters *speller)
{
    for (uint32_t i = 0; i < speller->start_count; i++)
        if (speller->start[i] == c->transcribe || speller->start[i] == c->translate)
            return;
    c->transcribe = c->translate = NO_TOKEN;
}

int control_tokens_find(struct control_tokens *tokens, const struct vocabulary *vocabulary,
                        const struct speller_parameters *speller, const struct gguf *gguf)
{
    *tokens = (struct control_tokens){
        .start = find(vocabulary, "<|startoftranscript|>"),
        .previous = find(vocabulary, "<|startofprev|>"),
        .transcribe = find(vocabulary, "<|transcribe|>"),
        .translate = find(vocabulary, "<|translate|>"),
        .no_timestamps = find(vocabulary, "<|notimestamps|>"),
        .first_timestamp = find(vocabulary, "<|0.00|>"),
    };
    tokens->timestamps = count_timestamps(vocabulary, tokens->first_timestamp);
    int result = find_languages(tokens, vocabulary);
    if (result == 0) {
        find_default_language(tokens, speller);
        result = find_supported(tokens, gguf);
        drop_unused_tasks(tokens, speller);
    }
    if (result < 0)
        control_tokens_finish(tokens);
    return result;
}

void control_tokens_finish(struct control_tokens *tokens)
{
    for (uint32_t i = 0; i < tokens->supported_count; i++)
        free(tokens->supported[i]);
    free(tokens->languages);
    free(tokens->supported);
    *tokens = (struct control_tokens){0};
}

bool control_tokens_supports(const struct control_tokens *tokens, const char *code)
{
    size_t length = strcspn(code, "-_");
    for (uint32_t i = 0; i < tokens->supported_count; i++)
        if (strcspn(tokens->supported[i], "-_") == length &&
            strncasecmp(tokens->supported[i], code, length) == 0)
            return true;
    return false;
}

uint32_t control_tokens_language(const struct control_tokens *tokens, const char *code)
{
    return control_tokens_supports(tokens, code) ? find_code(tokens, code, strcspn(code, "-_"))
                                                 : NO_TOKEN;
}
