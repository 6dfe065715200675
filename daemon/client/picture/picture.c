// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture.h"

#include "include/internal/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_MAX ((size_t)(PICTURE_SECONDS_MAX * HEARKEN_RATE))

/* More than a recording of this length has; limits what a server can send: 64 MiB, 22 words per
 * second. */
#define WEIGHTS_MAX (16u * 1024 * 1024)
#define WORDS_MAX   4000u

#define DECIBELS_SHOWN 60.0

void picture_init(struct picture *picture)
{
    *picture = (struct picture){0};
}

static void segment_finish(struct picture_segment *segment)
{
    for (size_t i = 0; i < segment->word_count; i++)
        free(segment->words[i].text);
    free(segment->words);
    free(segment->weights);
}

void picture_finish(struct picture *picture)
{
    for (size_t i = 0; i < picture->segment_count; i++)
        segment_finish(&picture->segments[i]);
    free(picture->segments);
    free(picture->samples);
    picture_init(picture);
}

/* ---- Samples ---- */

static int reserve(struct picture *picture, size_t count)
{
    if (count <= picture->sample_capacity)
        return 0;
    size_t room = count + count / 2;
    float *grown = realloc(picture->samples, room * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    picture->samples = grown;
    picture->sample_capacity = room;
    return 0;
}

int picture_add_samples(struct picture *picture, const float *samples, size_t count)
{
    picture->seconds += (double)count / HEARKEN_RATE;
    size_t room = SAMPLES_MAX - picture->sample_count;
    if (count > room)
        count = room;
    if (count == 0)
        return 0;
    if (reserve(picture, picture->sample_count + count) < 0)
        return -ENOMEM;
    memcpy(picture->samples + picture->sample_count, samples, count * sizeof(*samples));
    picture->sample_count += count;
    return 0;
}

double picture_shown_seconds(const struct picture *picture)
{
    return (double)picture->sample_count / HEARKEN_RATE;
}

int picture_spectrogram(const struct picture *picture, float **levels, size_t *frames,
                        struct hearken_error *error)
{
    *frames = hearken_spectrogram_frames(picture->sample_count);
    size_t count = *frames * PICTURE_BANDS;
    float *out = malloc(count * sizeof(*out));
    if (!out)
        return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    int result =
        hearken_spectrogram(picture->samples, picture->sample_count, PICTURE_BANDS, out, error);
    if (result < 0) {
        free(out);
        return result;
    }
    float loudest = -INFINITY;
    for (size_t i = 0; i < count; i++)
        loudest = fmaxf(loudest, out[i]);
    for (size_t i = 0; i < count; i++)
        out[i] = fmaxf(0, 1 + (out[i] - loudest) * (float)(10 / DECIBELS_SHOWN));
    *levels = out;
    return 0;
}

/* ---- Words ---- */

/* Bytes of a token's text in a word, without spaces. U+FFFD stands for one byte of a character that
 * is split between tokens. */
static size_t token_length(const char *text)
{
    size_t length = 0;
    for (; *text; text++) {
        if (strncmp(text, "\xef\xbf\xbd", 3) == 0)
            text += 2;
        length += *text != ' ';
    }
    return length;
}

/* Assigns to each word as many tokens as its text needs. */
static void assign_tokens(struct picture_segment *segment,
                          const struct hearken_alignment *alignment)
{
    uint32_t token = 0;
    size_t spelt = 0, wanted = 0;
    for (size_t i = 0; i < segment->word_count; i++) {
        struct picture_word *word = &segment->words[i];
        wanted += strlen(word->text);
        word->first_token = token;
        while (token < segment->tokens && spelt < wanted)
            spelt += token_length(alignment->texts[token++]);
        word->token_count = token - word->first_token;
    }
}

static int copy_words(struct picture_segment *segment, const struct transcript_segment *from)
{
    segment->words = calloc(from->word_count + 1, sizeof(*segment->words));
    if (!segment->words)
        return -ENOMEM;
    for (size_t i = 0; i < from->word_count; i++) {
        struct picture_word *word = &segment->words[i];
        *word = (struct picture_word){.start = from->words[i].start, .end = from->words[i].end};
        word->text = utf8_repair(from->words[i].text, strlen(from->words[i].text));
        if (!word->text)
            return -ENOMEM;
        segment->word_count++;
    }
    return 0;
}

/* ---- Alignment ---- */

static bool is_valid(const struct picture *picture, const struct hearken_alignment *alignment)
{
    size_t room = WEIGHTS_MAX - picture->weight_count;
    return alignment && alignment->tokens > 0 && alignment->steps > 0 &&
           alignment->steps <= room / alignment->tokens && isfinite(alignment->start) &&
           isfinite(alignment->step_seconds) && alignment->step_seconds > 1e-4 &&
           alignment->step_seconds < 1e4;
}

static int copy_alignment(struct picture_segment *segment,
                          const struct hearken_alignment *alignment)
{
    size_t count = (size_t)alignment->tokens * alignment->steps;
    segment->weights = malloc(count * sizeof(*segment->weights));
    if (!segment->weights)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        float weight = alignment->weights[i];
        segment->weights[i] = weight > 0 ? fminf(weight, 1) : 0; /* NaN becomes 0 */
    }
    segment->tokens = alignment->tokens;
    segment->steps = alignment->steps;
    segment->first_step = alignment->start;
    segment->step_seconds = alignment->step_seconds;
    assign_tokens(segment, alignment);
    return 0;
}

int picture_add(struct picture *picture, const struct transcript_segment *segment,
                const struct hearken_alignment *alignment)
{
    if (!segment->timed || segment->start >= PICTURE_SECONDS_MAX ||
        segment->word_count > WORDS_MAX - picture->word_count)
        return 0;
    size_t size = (picture->segment_count + 1) * sizeof(struct picture_segment);
    struct picture_segment *segments = realloc(picture->segments, size);
    if (!segments)
        return -ENOMEM;
    picture->segments = segments;
    struct picture_segment *added = &segments[picture->segment_count++];
    *added = (struct picture_segment){.start = segment->start, .end = segment->end};
    int result = copy_words(added, segment);
    if (result == 0 && is_valid(picture, alignment))
        result = copy_alignment(added, alignment);
    picture->word_count += added->word_count;
    picture->weight_count += (size_t)added->tokens * added->steps;
    return result;
}

int picture_panels_plan(const struct picture *picture, double longest, struct picture_span **panels,
                        size_t *count, struct hearken_error *error)
{
    double seconds = picture_shown_seconds(picture);
    struct picture_span *words = calloc(picture->word_count + 1, sizeof(*words));
    struct picture_span *made = calloc(picture_panels_max(seconds, longest), sizeof(*made));
    if (!words || !made) {
        free(words);
        free(made);
        return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    }
    size_t at = 0;
    for (size_t i = 0; i < picture->segment_count; i++)
        for (size_t k = 0; k < picture->segments[i].word_count; k++, at++)
            words[at] = (struct picture_span){picture->segments[i].words[k].start,
                                              picture->segments[i].words[k].end};
    *count = picture_panels(words, at, seconds, longest, made);
    *panels = made;
    free(words);
    return 0;
}

double picture_strongest(const struct picture *picture)
{
    float strongest = 1e-6f;
    for (size_t i = 0; i < picture->segment_count; i++) {
        const struct picture_segment *segment = &picture->segments[i];
        for (size_t k = 0; k < (size_t)segment->tokens * segment->steps; k++)
            strongest = fmaxf(strongest, segment->weights[k]);
    }
    return (double)strongest;
}

double picture_weight(const struct picture_segment *segment, uint32_t token, double from, double to)
{
    double low = (from - segment->first_step) / segment->step_seconds;
    double high = (to - segment->first_step) / segment->step_seconds;
    low = fmax(low, 0);
    high = fmin(high, segment->steps);
    const float *row = segment->weights + (size_t)token * segment->steps;
    double sum = 0;
    double at = low;
    while (at < high) {
        double end = fmin(floor(at) + 1, high);
        sum += (double)row[(size_t)at] * (end - at);
        at = end;
    }
    return high > low ? sum / (high - low) : 0;
}
