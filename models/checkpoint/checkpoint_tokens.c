// SPDX-License-Identifier: MIT
#include "models/checkpoint/checkpoint_tokens.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whisper's special tokens, for files that hold only those of text (OpenAI's whisper/tokenizer.py).
 */

/* In the order of their tokens; the last came with large-v3. */
static const char languages[][4] = {
    "en", "zh", "de", "es",  "ru", "ko", "fr", "ja", "pt", "tr",  "pl", "ca", "nl", "ar", "sv",
    "it", "id", "hi", "fi",  "vi", "he", "uk", "el", "ms", "cs",  "ro", "da", "hu", "ta", "no",
    "th", "ur", "hr", "bg",  "lt", "la", "mi", "ml", "cy", "sk",  "te", "fa", "lv", "bn", "sr",
    "az", "sl", "kn", "et",  "mk", "br", "eu", "is", "hy", "ne",  "mn", "bs", "kk", "sq", "sw",
    "gl", "mr", "pa", "si",  "km", "sn", "yo", "so", "af", "oc",  "ka", "be", "tg", "sd", "gu",
    "am", "yi", "lo", "uz",  "fo", "ht", "ps", "tk", "nn", "mt",  "sa", "lb", "my", "bo", "tl",
    "mg", "as", "tt", "haw", "ln", "ha", "ba", "jw", "su", "yue",
};

#define LANGUAGES (sizeof(languages) / sizeof(*languages))

static const char *const before[] = {"<|endoftext|>", "<|startoftranscript|>"};
static const char *const behind[] = {"<|translate|>",   "<|transcribe|>", "<|startoflm|>",
                                     "<|startofprev|>", "<|nospeech|>",   "<|notimestamps|>"};

#define BEFORE (sizeof(before) / sizeof(*before))
#define BEHIND (sizeof(behind) / sizeof(*behind))
#define OTHERS (BEFORE + BEHIND + TIME_TOKENS)

int tokens_add_times(struct tokens *tokens, struct hearken_error *error)
{
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < TIME_TOKENS; i++) {
        char name[32]; /* steps of 20 ms */
        snprintf(name, sizeof(name), "<|%" PRIu32 ".%02" PRIu32 "|>", i / 50, i % 50 * 2);
        result = tokens_add(tokens, name, error);
    }
    return result;
}

int tokens_add_special(struct tokens *tokens, uint32_t count, struct hearken_error *error)
{
    uint64_t text = tokens->count;
    int result = 0;
    if (count < text + OTHERS + LANGUAGES - 1 || count > text + OTHERS + LANGUAGES)
        return hearken_fail(error, -EINVAL,
                            "%" PRIu32 " tokens, of which %" PRIu64
                            " are text: expected %zu or %zu "
                            "special ones more",
                            count, text, OTHERS + LANGUAGES - 1, OTHERS + LANGUAGES);
    uint64_t spoken = count - text - OTHERS;
    for (size_t i = 0; result == 0 && i < BEFORE; i++)
        result = tokens_add(tokens, before[i], error);
    for (size_t i = 0; result == 0 && i < spoken; i++) {
        char name[16];
        snprintf(name, sizeof(name), "<|%.3s|>", languages[i]);
        result = tokens_add(tokens, name, error);
    }
    for (size_t i = 0; result == 0 && i < BEHIND; i++)
        result = tokens_add(tokens, behind[i], error);
    return result < 0 ? result : tokens_add_times(tokens, error);
}

#define MAX_TOKENS 1000000u

/* Reads a line without its newline; false at the end of the file. */
static bool next_line(FILE *file, char **line, size_t *room)
{
    ssize_t length = getline(line, room, file);
    if (length < 0)
        return false;
    if (length > 0 && (*line)[length - 1] == '\n')
        (*line)[length - 1] = 0;
    return true;
}

int tokens_add(struct tokens *tokens, const char *name, struct hearken_error *error)
{
    if (tokens->count == MAX_TOKENS)
        return hearken_fail(error, -EINVAL, "more than %u tokens", MAX_TOKENS);
    if (tokens->count == tokens->room) {
        uint32_t room = tokens->room ? 2 * tokens->room : 1024;
        void *grown = realloc(tokens->names, room * sizeof(*tokens->names));
        if (!grown)
            return hearken_fail(error, -ENOMEM, "out of memory");
        tokens->names = grown;
        tokens->room = room;
    }
    tokens->names[tokens->count] = strdup(name);
    if (!tokens->names[tokens->count])
        return hearken_fail(error, -ENOMEM, "out of memory");
    tokens->count++;
    return 0;
}

/*
 * GPT-2 represents the bytes without a printable character by U+0100 and following, in order
 * (Radford et al., 2019, "Language Models are Unsupervised Multitask Learners").
 */
static uint32_t character_of(uint8_t byte)
{
    if ((byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae)
        return byte;
    return byte < 0x21 ? 0x100u + byte : byte < 0xa1 ? 0x121u + (byte - 0x7fu) : 0x143u;
}

int tokens_add_bytes(struct tokens *tokens, const uint8_t *bytes, size_t length,
                     struct hearken_error *error)
{
    char *name = malloc(2 * length + 1);
    if (!name)
        return hearken_fail(error, -ENOMEM, "out of memory");
    size_t size = 0;
    for (size_t i = 0; i < length; i++) {
        uint32_t character = character_of(bytes[i]);
        if (character >= 0x80)
            name[size++] = (char)(0xc0 | character >> 6);
        name[size++] = (char)(character >= 0x80 ? 0x80 | (character & 0x3f) : character);
    }
    name[size] = 0;
    int result = tokens_add(tokens, name, error);
    free(name);
    return result;
}

static int compare_tokens(const void *a, const void *b, void *names)
{
    const uint32_t *left = a, *right = b;
    return strcmp(((char **)names)[*left], ((char **)names)[*right]);
}

int tokens_index(struct tokens *v, struct hearken_error *error)
{
    v->order = calloc(v->count + 1, sizeof(*v->order));
    v->ids = calloc(v->count + 1, sizeof(*v->ids));
    v->kept = calloc(v->count + 1, sizeof(*v->kept));
    if (!v->order || !v->ids || !v->kept)
        return hearken_fail(error, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < v->count; i++)
        v->order[i] = v->ids[i] = v->kept[i] = i;
    v->kept_count = v->count;
    qsort_r(v->order, v->count, sizeof(*v->order), compare_tokens, v->names);
    for (uint32_t i = 1; i < v->count; i++)
        if (strcmp(v->names[v->order[i - 1]], v->names[v->order[i]]) == 0)
            return hearken_fail(error, -EINVAL,
                                "vocabulary: tokens %" PRIu32 " and %" PRIu32 " are both '%.80s'",
                                v->order[i - 1], v->order[i], v->names[v->order[i]]);
    return 0;
}

void tokens_finish(struct tokens *tokens)
{
    for (uint32_t i = 0; i < tokens->count; i++)
        free(tokens->names[i]);
    free(tokens->names);
    free(tokens->order);
    free(tokens->ids);
    free(tokens->kept);
    *tokens = (struct tokens){0};
}

uint32_t tokens_find(const struct tokens *tokens, const char *name)
{
    uint32_t low = 0, high = tokens->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(name, tokens->names[tokens->order[middle]]);
        if (order == 0)
            return tokens->order[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NO_TOKEN;
}

/* Numbers the kept tokens, whose id is not NO_TOKEN, in the checkpoint's order. */
static void number_kept(struct tokens *v)
{
    v->kept_count = 0;
    for (uint32_t i = 0; i < v->count; i++)
        if (v->ids[i] != NO_TOKEN) {
            v->ids[i] = v->kept_count;
            v->kept[v->kept_count++] = i;
        }
}

int tokens_keep(struct tokens *tokens, const char *path, struct hearken_error *error)
{
    char *line = NULL;
    size_t room = 0, number = 0;
    int result = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return hearken_fail(error, -errno, "%s: %s", path, strerror(errno));
    for (uint32_t i = 0; i < tokens->count; i++)
        tokens->ids[i] = NO_TOKEN;
    while (result == 0 && next_line(file, &line, &room)) {
        uint32_t id = tokens_find(tokens, line);
        number++;
        if (id == NO_TOKEN)
            result = hearken_fail(error, -EINVAL,
                                  "%s:%zu: '%.80s' is no token of the checkpoint's vocabulary",
                                  path, number, line);
        else
            tokens->ids[id] = 0;
    }
    if (result == 0 && !feof(file)) /* also without memory for a line */
        result = hearken_fail(error, errno ? -errno : -EIO, "%s: %s", path,
                              strerror(errno ? errno : EIO));
    free(line);
    fclose(file);
    number_kept(tokens);
    return result;
}

bool tokens_is_control(const struct tokens *tokens, uint32_t id)
{
    const char *name = tokens->names[id];
    size_t length = strlen(name);
    return length > 4 && memcmp(name, "<|", 2) == 0 && memcmp(name + length - 2, "|>", 2) == 0;
}
