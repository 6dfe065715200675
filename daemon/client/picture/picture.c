// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture.h"

#include "include/internal/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
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

/* The least share of a panel that is filled, except for the last. */
#define FULL_ENOUGH (2.0 / 3)

/* A recording up to this many times as long as a panel becomes one panel. */
#define ONE_PANEL 1.2

size_t picture_panels_max(double seconds, double longest)
{
    return (size_t)ceil(fmax(seconds, 0) / (longest * FULL_ENOUGH)) + 1;
}

/* The pause between words around `at`; empty if `at` is within a word. */
static struct picture_span pause_at(const struct picture_span *words, size_t count, double at)
{
    struct picture_span pause = {-INFINITY, INFINITY};
    for (size_t i = 0; i < count; i++) {
        if (words[i].start < at && words[i].end > at)
            return (struct picture_span){at, at - 1};
        if (words[i].end <= at)
            pause.start = fmax(pause.start, words[i].end);
        else
            pause.end = fmin(pause.end, words[i].start);
    }
    return pause;
}

/* The middle of the longest pause between `from` and `to`, else `to`. */
static double cut_between(const struct picture_span *words, size_t count, double from, double to)
{
    double best = to, longest = -1;
    for (size_t i = 0; i <= count; i++) {
        double at = i < count ? fmax(words[i].end, from) : from;
        if (!(at <= to))
            continue;
        struct picture_span pause = pause_at(words, count, at);
        double length = fmin(pause.end, to) - at;
        if (pause.end >= pause.start && length >= longest) {
            longest = length;
            best = at + length / 2;
        }
    }
    return best;
}

size_t picture_panels(const struct picture_span *words, size_t count, double seconds,
                      double longest, struct picture_span *panels)
{
    size_t made = 0;
    double start = 0;
    while (seconds - start > longest && !(made == 0 && seconds <= longest * ONE_PANEL)) {
        double cut = cut_between(words, count, start + longest * FULL_ENOUGH, start + longest);
        panels[made++] = (struct picture_span){start, cut};
        start = cut;
    }
    panels[made++] = (struct picture_span){start, fmax(seconds, start)};
    return made;
}

double picture_panel_seconds(const struct picture_span *panels, size_t count)
{
    double seconds = 0;
    for (size_t i = 0; i < count; i++)
        seconds = fmax(seconds, panels[i].end - panels[i].start);
    return fmax(seconds, 0.1);
}

bool picture_panel_shows(const struct picture_span *panels, size_t count, size_t panel,
                         struct picture_span word)
{
    double middle = (word.start + word.end) / 2;
    bool last = panel + 1 == count;
    return middle >= panels[panel].start && (middle < panels[panel].end || last);
}

double picture_tick_seconds(double seconds, double width, double apart)
{
    static const double steps[] = {1, 2, 5};
    double least = seconds * apart / width;
    for (double power = 0.1;; power *= 10)
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
            if (steps[i] * power >= least || power > 1e9)
                return steps[i] * power;
}

double picture_label_at(struct picture_span mark, double width, double gap,
                        struct picture_span plot)
{
    double at = mark.end + gap;
    if (at + width > plot.end)
        at = mark.start - gap - width;
    return fmax(fmin(at, plot.end - width), plot.start);
}

#define POINTS 9

/* ---- Colours ---- */

/* "magma" of S. van der Walt and N. Smith, 2015 (https://bids.github.io/colormap/, CC0), sampled at
 * every eighth of its length. */
static const uint32_t magma[POINTS] = {0x000004, 0x1d1147, 0x51127c, 0x832681, 0xb73779,
                                       0xe75263, 0xfc8961, 0xfec488, 0xfcfdbf};

/* The reverse, but starting with white, the colour of the background. */
static const uint32_t magma_light[POINTS] = {0xffffff, 0xfec488, 0xfc8961, 0xe75263, 0xb73779,
                                             0x832681, 0x51127c, 0x1d1147, 0x000004};

/* "Blues" of C. Brewer's ColorBrewer (https://colorbrewer2.org/), nine classes, starting with white
 * too. */
static const uint32_t blues[POINTS] = {0xffffff, 0xdeebf7, 0xc6dbef, 0x9ecae1, 0x6baed6,
                                       0x4292c6, 0x2171b5, 0x08519c, 0x08306b};

/* ---- CIELAB of sRGB (IEC 61966-2-1), white D65 ---- */

struct lab {
    double l, a, b;
};

static double linear_of(uint32_t byte)
{
    double value = byte / 255.0;
    return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
}

static uint8_t byte_of(double linear)
{
    double value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
    return (uint8_t)lrint(fmin(fmax(value, 0), 1) * 255);
}

static const double white[3] = {0.95047, 1, 1.08883};

static double compress(double t)
{
    return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116;
}

static double expand(double f)
{
    return f > 6.0 / 29 ? f * f * f : (116 * f - 16) * 27 / 24389;
}

static struct lab lab_of(uint32_t colour)
{
    double r = linear_of(colour >> 16), g = linear_of(colour >> 8 & 0xff);
    double b = linear_of(colour & 0xff);
    double x = compress((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / white[0]);
    double y = compress((0.2126729 * r + 0.7151522 * g + 0.0721750 * b) / white[1]);
    double z = compress((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / white[2]);
    return (struct lab){116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

static struct picture_colour colour_of(struct lab lab)
{
    double f = (lab.l + 16) / 116;
    double x = white[0] * expand(f + lab.a / 500), y = white[1] * expand(f);
    double z = white[2] * expand(f - lab.b / 200);
    return (struct picture_colour){
        byte_of(3.2404542 * x - 1.5371385 * y - 0.4985314 * z),
        byte_of(-0.9692660 * x + 1.8760108 * y + 0.0415560 * z),
        byte_of(0.0556434 * x - 0.2040259 * y + 1.0572252 * z),
    };
}

/* ---- The maps ---- */

static double distance(struct lab one, struct lab other)
{
    return hypot(hypot(one.l - other.l, one.a - other.a), one.b - other.b);
}

static struct lab between(struct lab one, struct lab other, double share)
{
    return (struct lab){one.l + (other.l - one.l) * share, one.a + (other.a - one.a) * share,
                        one.b + (other.b - one.b) * share};
}

void picture_map_init(struct picture_map *map, enum picture_map_name name)
{
    static const uint32_t *const sources[] = {magma, magma_light, blues};
    const uint32_t *points = sources[name];
    struct lab labs[POINTS];
    double way[POINTS] = {0};
    for (size_t i = 0; i < POINTS; i++) {
        labs[i] = lab_of(points[i]);
        if (i > 0)
            way[i] = way[i - 1] + distance(labs[i - 1], labs[i]);
    }
    size_t leg = 0;
    for (size_t i = 0; i < PICTURE_MAP_COLOURS; i++) {
        double at = way[POINTS - 1] * (double)i / (PICTURE_MAP_COLOURS - 1);
        while (leg + 2 < POINTS && at > way[leg + 1])
            leg++;
        double share = (at - way[leg]) / (way[leg + 1] - way[leg]);
        map->colours[i] = colour_of(between(labs[leg], labs[leg + 1], share));
    }
}

struct picture_colour picture_map_at(const struct picture_map *map, double value)
{
    double inside = value > 0 ? fmin(value, 1) : 0;
    return map->colours[lrint(inside * (PICTURE_MAP_COLOURS - 1))];
}
