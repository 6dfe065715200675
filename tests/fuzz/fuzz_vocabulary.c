// SPDX-License-Identifier: MIT
/*
 * A vocabulary of any tokens and any text to encode with it. The first byte says of which kind the
 * vocabulary is; the text reaches up to a zero byte; behind it are tokens, each up to a bar, those
 * that begin with '<' for control.
 */
#include "include/internal/utf8.h"
#include "models/text/bpe.h"
#include "tests/unit/common/make_gguf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define MOST_TOKENS 300u

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* What a model file says of them. */
static struct bytes make_file(bool gpt2, const char *list, size_t size)
{
    struct made_file file = {0};
    struct bytes strings = {0};
    double types[MOST_TOKENS];
    uint32_t count = 0;
    for (size_t at = 0; at < size && count < MOST_TOKENS; count++) {
        const char *end = memchr(list + at, '|', size - at);
        size_t length = end ? (size_t)(end - list) - at : size - at;
        types[count] = length > 0 && list[at] == '<' ? 3 : 1;
        bytes_put_u64(&strings, length);
        bytes_put(&strings, list + at, length);
        at += length + 1;
    }
    struct bytes value = {0};
    bytes_put_u32(&value, GGUF_ARRAY);
    bytes_put_u32(&value, GGUF_STRING);
    bytes_put_u64(&value, count);
    bytes_put(&value, strings.data, strings.length);
    bytes_finish(&strings);
    made_raw(&file, "tokenizer.ggml.tokens", value);
    made_string(&file, "tokenizer.ggml.model", gpt2 ? "gpt2" : "hearken-bpe");
    made_numbers(&file, "tokenizer.ggml.token_type", GGUF_I32, types, count);
    struct bytes made = made_bytes(&file);
    made_finish(&file);
    return made;
}

static void must_be_text(const char *text)
{
    uint32_t character;
    for (size_t left = strlen(text), size; left > 0; left -= size, text += size)
        must((size = utf8_decode(text, left, &character)) > 0);
}

/* The tokens' bytes are those of the text, in their order, without those that have no token. */
static void must_be_part_of(const struct vocabulary *v, const uint32_t *tokens, uint32_t count,
                            const char *text)
{
    for (uint32_t i = 0; i < count; i++) {
        must(tokens[i] < v->count && !v->tokens[tokens[i]].control);
        const struct vocabulary_token *token = &v->tokens[tokens[i]];
        must(token->length > 0);
        for (size_t c = 0; c < token->length; c++) {
            text = strchr(text, token->text[c]);
            must(text && *text);
            text++;
        }
    }
}

static void use(const struct vocabulary *v, const char *text)
{
    uint32_t *all, *last, all_count, last_count;
    must(bpe_encode(v, text, (uint32_t)strlen(text), &all, &all_count) == 0);
    must(all_count <= strlen(text));
    must_be_part_of(v, all, all_count, text);
    must(bpe_encode(v, text, 3, &last, &last_count) == 0);
    must(last_count == (all_count < 3 ? all_count : 3));
    must(memcmp(last, all + (all_count - last_count), last_count * sizeof(*last)) == 0);
    char *written = vocabulary_text(v, all, all_count);
    must(written != NULL);
    must_be_text(written);
    for (uint32_t i = 0; i < v->count; i++)
        must(!vocabulary_starts_word(v, i) || vocabulary_follows_word(v, i));
    free(written);
    free(last);
    free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct hearken_error error = {""};
    struct vocabulary vocabulary;
    struct gguf *gguf = NULL;
    const uint8_t *end = size > 1 ? memchr(bytes + 1, 0, size - 1) : NULL;
    if (!end)
        return 0;
    size_t before = (size_t)(end - bytes) + 1;
    struct bytes file = make_file(bytes[0] & 1, (const char *)bytes + before, size - before);
    void *copy = exact_copy(file.data, file.length);
    must(gguf_open_memory(copy, file.length, &gguf, &error) == 0);
    if (vocabulary_read(&vocabulary, gguf, &error) == 0) {
        use(&vocabulary, (const char *)bytes + 1);
        vocabulary_finish(&vocabulary);
    } else {
        must(error.message[0] != 0);
    }
    gguf_destroy(gguf);
    free(copy);
    bytes_finish(&file);
    return 0;
}
