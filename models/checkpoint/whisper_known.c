// SPDX-License-Identifier: MIT
#include "models/checkpoint/whisper_known.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_HEADS 19

/*
 * Alignment heads (OpenAI's whisper/__init__.py), by layer and head. The first and the second large
 * model have the same shape but different heads, so both are left out.
 */
static const struct {
    uint32_t listener_layers, speller_layers, width;
    bool multilingual;
    uint8_t heads[MOST_HEADS][2], count;
} models[] = {
    {4, 4, 384, false, {{1, 0}, {2, 0}, {2, 5}, {3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4}}, 8},
    {4, 4, 384, true, {{2, 2}, {3, 0}, {3, 2}, {3, 3}, {3, 4}, {3, 5}}, 6},
    {6, 6, 512, false, {{3, 3}, {4, 7}, {5, 1}, {5, 5}, {5, 7}}, 5},
    {6, 6, 512, true, {{3, 1}, {4, 2}, {4, 3}, {4, 7}, {5, 1}, {5, 2}, {5, 4}, {5, 6}}, 8},
    {12,
     12,
     768,
     false,
     {{6, 6},
      {7, 0},
      {7, 3},
      {7, 8},
      {8, 2},
      {8, 5},
      {8, 7},
      {9, 0},
      {9, 4},
      {9, 8},
      {9, 10},
      {10, 0},
      {10, 1},
      {10, 2},
      {10, 3},
      {10, 6},
      {10, 11},
      {11, 2},
      {11, 4}},
     19},
    {12,
     12,
     768,
     true,
     {{5, 3}, {5, 9}, {8, 0}, {8, 4}, {8, 7}, {8, 8}, {9, 0}, {9, 7}, {9, 9}, {10, 5}},
     10},
    {24,
     24,
     1024,
     false,
     {{11, 4},
      {14, 1},
      {14, 12},
      {14, 14},
      {15, 4},
      {16, 0},
      {16, 4},
      {16, 9},
      {17, 12},
      {17, 14},
      {18, 7},
      {18, 10},
      {18, 15},
      {20, 0},
      {20, 3},
      {20, 9},
      {20, 14},
      {21, 12}},
     18},
    {24, 24, 1024, true, {{13, 15}, {15, 4}, {15, 15}, {16, 1}, {20, 0}, {23, 4}}, 6},
};

/* The models with 51866 tokens: large-v3 and large-v3-turbo. */
static const uint8_t large_v3[][2] = {{7, 0},   {10, 17}, {12, 18}, {13, 12}, {16, 1},
                                      {17, 14}, {19, 11}, {21, 4},  {24, 1},  {25, 6}};
static const uint8_t turbo[][2] = {{2, 4}, {2, 11}, {3, 3}, {3, 6}, {3, 11}, {3, 14}};

#define LARGE_V3_VOCABULARY 51866u
#define COUNT(list)         (sizeof(list) / sizeof(*(list)))

static int set_heads(struct checkpoint *c, const struct whisper *w, const uint8_t (*heads)[2],
                     size_t count, struct hearken_error *error)
{
    uint32_t *numbers = calloc(count, sizeof(*numbers));
    if (!numbers)
        return hearken_fail(error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        numbers[i] = heads[i][0] * w->heads + heads[i][1];
    c->alignment_heads = (struct number_list){numbers, count};
    return 0;
}

static int fill_in_heads(struct checkpoint *c, const struct whisper *w, struct hearken_error *error)
{
    if (w->width % 64 || w->heads != w->width / 64)
        return 0;
    if (w->vocabulary == LARGE_V3_VOCABULARY && w->width == 1280 && w->listener_layers == 32) {
        if (w->speller_layers == 32)
            return set_heads(c, w, large_v3, COUNT(large_v3), error);
        return w->speller_layers == 4 ? set_heads(c, w, turbo, COUNT(turbo), error) : 0;
    }
    for (size_t i = 0; i < COUNT(models); i++)
        if (models[i].listener_layers == w->listener_layers &&
            models[i].speller_layers == w->speller_layers && models[i].width == w->width &&
            models[i].multilingual == w->multilingual)
            return set_heads(c, w, models[i].heads, models[i].count, error);
    return 0;
}

/* ---- Tokens that are not speech (non_speech_tokens of OpenAI's whisper/tokenizer.py) ---- */

/* Suppressed if a single token holds the whole text, with or without a leading space. */
static const char *const symbols[] = {
    "\"",  "#",  "(",  ")",   "*",   "+",   "/",   ":",  ";",   "<",  "=",   ">",
    "@",   "[",  "\\", "]",   "^",   "_",   "`",   "{",  "|",   "}",  "~",   "「",
    "」",  "『", "』", "<<",  ">>",  "<<<", ">>>", "--", "---", "-(", "-[",  "('",
    "(\"", "((", "))", "(((", ")))", "[[",  "]]",  "{{", "}}",  "♪♪", "♪♪♪",
};

/* Suppressed by its first token: marks of music, U+2669 to U+266F. */
static const char *const notes[] = {"♩", "♪", "♫", "♬", "♭", "♮", "♯"};

/* Suppressed only with the leading space: within words they are text. */
static const char *const with_space[] = {" -", " '"};

static const char *const never_text[] = {"<|translate|>",        "<|transcribe|>", "<|startoflm|>",
                                         "<|startofprev|>",      "<|nospeech|>",   "<|nocaptions|>",
                                         "<|startoftranscript|>"};

/* A list of tokens that is being filled. After the first failure, further calls have no effect. */
struct filling {
    const struct tokens *tokens;
    struct number_list *list;
    struct hearken_error *error;
    int result;
};

/* A token's id by its raw bytes, or NO_TOKEN. */
static uint32_t find_text(struct filling *f, const char *text, size_t length)
{
    struct tokens one = {0};
    uint32_t found = NO_TOKEN;
    if (f->result == 0)
        f->result = tokens_add_bytes(&one, (const uint8_t *)text, length, f->error);
    if (f->result == 0)
        found = tokens_find(f->tokens, one.names[0]);
    tokens_finish(&one);
    return found;
}

static void put(struct filling *f, uint32_t id)
{
    if (id != NO_TOKEN)
        f->list->numbers[f->list->count++] = id;
}

static void put_text(struct filling *f, const char *text)
{
    put(f, find_text(f, text, strlen(text)));
}

/* The first token of the text's byte-pair encoding; for these three bytes, that is the longest
 * token that is a prefix. */
static uint32_t find_first(struct filling *f, const char *text)
{
    for (size_t length = strlen(text); length > 0; length--) {
        uint32_t id = find_text(f, text, length);
        if (id != NO_TOKEN)
            return id;
    }
    return NO_TOKEN;
}

static int compare_numbers(const void *a, const void *b)
{
    const uint32_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* Sorts the list and removes duplicates. */
static void tidy(struct number_list *list)
{
    size_t kept = 0;
    qsort(list->numbers, list->count, sizeof(*list->numbers), compare_numbers);
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || list->numbers[kept - 1] != list->numbers[i])
            list->numbers[kept++] = list->numbers[i];
    list->count = kept;
}

static int fill_in_suppressed(struct checkpoint *c, struct hearken_error *error)
{
    struct number_list *list = &c->suppress;
    struct filling f = {&c->tokens, list, error, 0};
    char spaced[16] = " ";
    list->numbers =
        calloc(2 * (COUNT(symbols) + COUNT(notes)) + COUNT(with_space) + COUNT(never_text),
               sizeof(*list->numbers));
    if (!list->numbers)
        return hearken_fail(error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < COUNT(symbols); i++) {
        strcpy(spaced + 1, symbols[i]);
        put_text(&f, symbols[i]);
        put_text(&f, spaced);
    }
    for (size_t i = 0; i < COUNT(notes); i++) {
        strcpy(spaced + 1, notes[i]);
        put(&f, find_first(&f, notes[i]));
        put(&f, find_first(&f, spaced));
    }
    for (size_t i = 0; i < COUNT(with_space); i++)
        put_text(&f, with_space[i]);
    for (size_t i = 0; i < COUNT(never_text); i++)
        put(&f, tokens_find(&c->tokens, never_text[i]));
    tidy(list);
    return f.result;
}

/* A text starts neither with a lone space nor with the end token. */
static int fill_in_first(struct checkpoint *c, struct hearken_error *error)
{
    struct number_list *list = &c->suppress_at_begin;
    struct filling f = {&c->tokens, list, error, 0};
    list->numbers = calloc(2, sizeof(*list->numbers));
    if (!list->numbers)
        return hearken_fail(error, -ENOMEM, "out of memory");
    put_text(&f, " ");
    put(&f, tokens_find(&c->tokens, "<|endoftext|>"));
    return f.result;
}

int known_fill_in(struct checkpoint *checkpoint, const struct whisper *whisper,
                  struct hearken_error *error)
{
    int result = 0;
    if (checkpoint->alignment_heads.count == 0 && !checkpoint->alignment_heads.numbers)
        result = fill_in_heads(checkpoint, whisper, error);
    if (result == 0 && !checkpoint->suppress.numbers)
        result = fill_in_suppressed(checkpoint, error);
    if (result == 0 && !checkpoint->suppress_at_begin.numbers)
        result = fill_in_first(checkpoint, error);
    return result;
}

/* ---- Window and mel filters, for checkpoints without their own ---- */

/*
 * Slaney's scale (Auditory Toolbox, Technical Report 1998-010): linear below 1 kHz, 15 mels up to
 * there; above, 27 steps multiply the frequency by 6.4.
 */
#define LINEAR_STEP   (200.0 / 3) /* Hz in a mel below the break */
#define BREAK_HERTZ   1000.0
#define BREAK_MEL     15.0
#define LOGARITHMIC   27.0
#define STEP_QUOTIENT 6.4

static double mel_from_hertz(double hertz)
{
    if (hertz < BREAK_HERTZ)
        return hertz / LINEAR_STEP;
    return BREAK_MEL + log(hertz / BREAK_HERTZ) * LOGARITHMIC / log(STEP_QUOTIENT);
}

static double hertz_from_mel(double mel)
{
    if (mel < BREAK_MEL)
        return mel * LINEAR_STEP;
    return BREAK_HERTZ * exp(log(STEP_QUOTIENT) / LOGARITHMIC * (mel - BREAK_MEL));
}

void hann_window(float *out)
{
    for (uint32_t i = 0; i < FFT; i++)
        out[i] = (float)(0.5 - 0.5 * cos(2 * M_PI * i / FFT));
}

void mel_filters(uint32_t mels, float *out)
{
    double highest = mel_from_hertz(SAMPLE_RATE / 2.0);
    for (uint32_t m = 0; m < mels; m++) {
        double lower = hertz_from_mel(highest * m / (mels + 1));
        double centre = hertz_from_mel(highest * (m + 1) / (mels + 1));
        double upper = hertz_from_mel(highest * (m + 2) / (mels + 1));
        for (uint32_t bin = 0; bin < FREQUENCY_BINS; bin++) {
            double hertz = (double)bin * SAMPLE_RATE / FFT;
            double rising = (hertz - lower) / (centre - lower);
            double falling = (upper - hertz) / (upper - centre);
            double height = fmin(rising, falling);
            out[m * FREQUENCY_BINS + bin] = height > 0 ? (float)(height * 2 / (upper - lower)) : 0;
        }
    }
}
