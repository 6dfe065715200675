// SPDX-License-Identifier: MIT
/* Streams on small random networks: what they are fed with and how, and what they tell. */
#include "make_model.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <hearken/hearken.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void add_stream_tests(void);

#define RATE 16000u

/* ---- Sound ---- */

/* Bursts of noise of different colour, `seconds` long, with pauses: for a random network as good as
 * speech. In steps of 16 bit samples, so that every sample type but U8 holds it. */
static float *make_sound(unsigned seed, double seconds, size_t *count)
{
    *count = (size_t)(seconds * RATE);
    float *samples = malloc((*count + 1) * sizeof(*samples));
    float low = 0;
    srand(seed);
    for (size_t i = 0; i < *count; i++) {
        float noise = (float)rand() / (float)RAND_MAX - 0.5f;
        low = 0.97f * low + 0.2f * noise;
        float level = i / 2400 % 5 == 4 ? 0.001f : 0.4f;
        float colour = (float)(i / 2400 % 7) / 7;
        samples[i] = roundf(32768 * level * (colour * noise + (1 - colour) * low)) / 32768;
    }
    return samples;
}

/* ---- Models ---- */

static struct hearken_model *model_of(struct model_shape shape)
{
    struct made_file file = make_model(&shape);
    struct hearken_model *model = open_model(&file);
    made_finish(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    return model;
}

/* Random networks believe nothing they say: the guards are off. */
static struct hearken_stream_options options_of(void)
{
    struct hearken_stream_options options;
    hearken_stream_options_init(&options);
    options.beam_width = 2;
    options.padding = 0.5f;
    options.log_probability_threshold = -100;
    options.no_speech_threshold = 1;
    options.compression_threshold = 1000;
    options.partial_share = 0;
    options.alignment = true;
    return options;
}

/* ---- What a stream tells, written down ---- */

struct record {
    struct bytes text;   /* all events, to the bit */
    struct bytes spoken; /* the final texts alone, one a line */
    size_t finals, partials, ends, words, rows, after_end;
    double last_end, first_start, longest, end_time;
    bool ordered, rows_sum_to_one, shown; /* shown: a text that may still change */
    struct hearken_stream *cancels;       /* at the first event */
};

HEARKEN_PRINTF(2, 3) static void note(struct bytes *to, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    bytes_put(to, line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}

static void note_alignment(struct record *r, const struct hearken_alignment *a)
{
    note(&r->text, "  alignment %u %u %a %a\n", a->tokens, a->steps, a->start, a->step_seconds);
    for (uint32_t i = 0; i < a->tokens; i++) {
        double sum = 0;
        note(&r->text, "  '%s'", a->texts[i]);
        for (uint32_t t = 0; t < a->steps; t++) {
            sum += (double)a->weights[(size_t)i * a->steps + t];
            note(&r->text, " %a", (double)a->weights[(size_t)i * a->steps + t]);
        }
        note(&r->text, "\n");
        r->rows_sum_to_one &= fabs(sum - 1) < 1e-3;
        r->rows++;
    }
}

static void note_words(struct record *r, const struct hearken_event *event)
{
    double before = event->start;
    for (size_t i = 0; i < event->word_count; i++) {
        const struct hearken_word *word = &event->words[i];
        note(&r->text, "  '%s' %a %a %a\n", word->text, word->start, word->end,
             (double)word->confidence);
        r->ordered &= word->start >= before && word->end >= word->start;
        r->ordered &= word->end <= event->end + 1e-9;
        r->ordered &= word->confidence >= 0 && word->confidence <= 1;
        before = word->end;
        r->words++;
    }
}

static void take_event(void *context, const struct hearken_event *event)
{
    struct record *r = context;
    if (r->cancels)
        hearken_stream_cancel(r->cancels);
    r->after_end += r->ends > 0;
    note(&r->text, "%d %a %a '%s' %a\n", (int)event->type, event->start, event->end, event->text,
         (double)event->confidence);
    note_words(r, event);
    if (event->alignment)
        note_alignment(r, event->alignment);
    r->ordered &= event->end >= event->start && event->start >= r->last_end - 1e-9;
    switch (event->type) {
    case HEARKEN_EVENT_PARTIAL:
        r->partials++;
        r->shown = *event->text;
        return;
    case HEARKEN_EVENT_FINAL:
        r->ordered &= event->committed == strlen(event->text);
        r->ordered &= event->committed_words == event->word_count;
        r->first_start = r->finals++ ? r->first_start : event->start;
        r->longest = fmax(r->longest, event->end - event->start);
        note(&r->spoken, "%s\n", event->text);
        r->shown = false;
        break;
    case HEARKEN_EVENT_END:
        r->ends++;
        r->end_time = event->end;
        break;
    }
    r->last_end = event->end;
}

static void start_record(struct record *r)
{
    *r = (struct record){.ordered = true, .rows_sum_to_one = true};
}

static void finish_record(struct record *r)
{
    bytes_finish(&r->text);
    bytes_finish(&r->spoken);
}

static bool same_bytes(const struct bytes *a, const struct bytes *b)
{
    return a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
}

static struct hearken_stream *create(struct hearken_model *model,
                                     const struct hearken_stream_options *options, struct record *r)
{
    struct hearken_stream *stream = NULL;
    struct hearken_error error = {""};
    start_record(r);
    int result = hearken_stream_create(model, options, take_event, r, &stream, &error);
    CU_ASSERT_EQUAL_FATAL(result, 0);
    return stream;
}

/* The whole way of `frames` frames, written `piece` at a time (0: at once). */
static void transcribe(struct hearken_model *model, const struct hearken_stream_options *options,
                       const void *samples, size_t frames, size_t piece, struct record *r)
{
    struct hearken_stream *stream = create(model, options, r);
    size_t size = hearken_audio_frame_size(&options->audio);
    int result = 0;
    for (size_t at = 0; at < frames && result == 0;) {
        size_t now = piece && piece < frames - at ? piece : frames - at;
        result = hearken_stream_write(stream, (const uint8_t *)samples + at * size, now, NULL);
        at += now;
    }
    CU_ASSERT_EQUAL(result, 0);
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, NULL), 0);
    CU_ASSERT_EQUAL(r->ends, 1);
    CU_ASSERT_EQUAL(r->after_end, 0);
    CU_ASSERT(r->ordered && r->rows_sum_to_one);
    hearken_stream_destroy(stream);
}

/* ---- Options ---- */

static void refuses(struct hearken_model *model, const struct hearken_stream_options *options,
                    const char *name)
{
    struct hearken_stream *stream = NULL;
    struct hearken_error error = {""};
    CU_ASSERT_EQUAL(hearken_stream_create(model, options, take_event, NULL, &stream, &error),
                    -EINVAL);
    CU_ASSERT_PTR_NULL(stream);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, name));
    if (!strstr(error.message, name))
        printf("\n    '%s' does not name %s ", error.message, name);
    hearken_stream_destroy(stream);
}

static void accepts(struct hearken_model *model, const struct hearken_stream_options *options)
{
    struct record record;
    hearken_stream_destroy(create(model, options, &record));
}

static void test_defaults(void)
{
    struct hearken_stream_options o;
    memset(&o, 0xff, sizeof(o));
    hearken_stream_options_init(&o);
    CU_ASSERT(o.audio.rate == HEARKEN_RATE && o.audio.channels == 1);
    CU_ASSERT_EQUAL(o.audio.type, HEARKEN_SAMPLE_F32);
    CU_ASSERT(o.beam_width == 4 && o.length_penalty == 1 && o.padding == 5);
    CU_ASSERT(o.segment_seconds == 28 && o.partial_seconds == 0 && !o.alignment);
    CU_ASSERT_EQUAL(o.partial_share, 0.5f);
    struct hearken_model *model = model_of(recurrent_shape(1));
    accepts(model, &o);
    hearken_model_destroy(model);
}

static void test_real_options(void)
{
    const struct {
        const char *name;
        size_t at;
        float lowest, highest;
    } reals[] = {
        {"length_penalty", offsetof(struct hearken_stream_options, length_penalty), 0, 2},
        {"ctc_weight", offsetof(struct hearken_stream_options, ctc_weight), 0, 1},
        {"padding", offsetof(struct hearken_stream_options, padding), 0, 30},
        {"segment_seconds", offsetof(struct hearken_stream_options, segment_seconds), 2, 28},
        {"no_speech_threshold", offsetof(struct hearken_stream_options, no_speech_threshold), 0, 1},
        {"log_probability_threshold",
         offsetof(struct hearken_stream_options, log_probability_threshold), -100, 0},
        {"compression_threshold", offsetof(struct hearken_stream_options, compression_threshold), 1,
         1000},
        {"partial_seconds", offsetof(struct hearken_stream_options, partial_seconds), 0, 28},
        {"partial_share", offsetof(struct hearken_stream_options, partial_share), 0, 1},
    };
    struct hearken_model *model = model_of(recurrent_shape(1));
    for (size_t i = 0; i < sizeof(reals) / sizeof(*reals); i++) {
        const float wrong[] = {nextafterf(reals[i].lowest, -INFINITY),
                               nextafterf(reals[i].highest, INFINITY), NAN, INFINITY, -INFINITY};
        const float right[] = {reals[i].lowest, reals[i].highest};
        for (size_t k = 0; k < 5; k++) {
            struct hearken_stream_options options = options_of();
            memcpy((char *)&options + reals[i].at, &wrong[k], sizeof(float));
            refuses(model, &options, reals[i].name);
        }
        for (size_t k = 0; k < 2; k++) {
            struct hearken_stream_options options = options_of();
            memcpy((char *)&options + reals[i].at, &right[k], sizeof(float));
            accepts(model, &options);
        }
    }
    hearken_model_destroy(model);
}

static void test_whole_options(void)
{
    static const unsigned widths[] = {0, 17, UINT32_MAX};
    struct hearken_model *model = model_of(recurrent_shape(1));
    struct hearken_stream_options options;
    for (size_t i = 0; i < 3; i++) {
        options = options_of();
        options.beam_width = widths[i];
        refuses(model, &options, "beam_width");
    }
    static const uint32_t rates[] = {0, 999, 768001, UINT32_MAX}, channels[] = {0, 65, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        options = options_of();
        options.audio.rate = rates[i];
        refuses(model, &options, "rate");
    }
    for (size_t i = 0; i < 3; i++) {
        options = options_of();
        options.audio.channels = channels[i];
        refuses(model, &options, "channel");
    }
    options = options_of();
    options.audio.type = (enum hearken_sample_type)5;
    refuses(model, &options, "type");
    options = options_of();
    options.beam_width = 16;
    options.audio = (struct hearken_audio_format){1000, 64, HEARKEN_SAMPLE_U8};
    accepts(model, &options);
    options.audio.rate = 768000;
    accepts(model, &options);
    hearken_model_destroy(model);
}

/* ---- How it is fed ---- */

static void test_pieces_of_any_size(void)
{
    static const size_t pieces[] = {1, 7, 160, 1000, 4095, 4096, 4097, 50000};
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct hearken_model *model = model_of(kind ? transformer_shape(2) : recurrent_shape(2));
        struct hearken_stream_options options = options_of();
        struct record whole, pieced;
        size_t count;
        float *samples = make_sound(10, 7.3, &count);
        transcribe(model, &options, samples, count, 0, &whole);
        CU_ASSERT(whole.finals >= 2 && whole.words > 2 && whole.rows > 4);
        for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
            transcribe(model, &options, samples, count, pieces[i], &pieced);
            CU_ASSERT(same_bytes(&whole.text, &pieced.text));
            finish_record(&pieced);
        }
        finish_record(&whole);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* Pieces of other rates, through the resampler. */
static void test_rates(void)
{
    static const uint32_t rates[] = {1000, 8000, 11025, 44100, 48000, 96000};
    struct hearken_model *model = model_of(recurrent_shape(2));
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        struct hearken_stream_options options = options_of();
        struct record whole, pieced;
        size_t count;
        float *samples = make_sound(11, 6.0 * rates[i] / RATE, &count);
        options.audio.rate = rates[i];
        transcribe(model, &options, samples, count, 0, &whole);
        transcribe(model, &options, samples, count, 1237, &pieced);
        CU_ASSERT(same_bytes(&whole.text, &pieced.text));
        CU_ASSERT(whole.finals >= 2);
        CU_ASSERT(fabs(whole.end_time - (double)count / rates[i]) < 1.0 / RATE);
        finish_record(&whole);
        finish_record(&pieced);
        free(samples);
    }
    hearken_model_destroy(model);
}

/* The same sound as `type`, twice side by side if `channels` is 2. */
static void *convert(const float *samples, size_t count, enum hearken_sample_type type,
                     uint32_t channels)
{
    struct bytes bytes = {0};
    for (size_t i = 0; i < count * channels; i++) {
        float sample = samples[i / channels];
        int32_t whole = (int32_t)(sample * 32768);
        if (type == HEARKEN_SAMPLE_F32)
            bytes_put(&bytes, &sample, 4);
        else if (type == HEARKEN_SAMPLE_S16)
            bytes_put(&bytes, &(int16_t){(int16_t)whole}, 2);
        else if (type == HEARKEN_SAMPLE_S24)
            bytes_put(&bytes, &(int32_t){whole * 256}, 3);
        else
            bytes_put(&bytes, &(int32_t){whole * 65536}, 4);
    }
    return bytes.data;
}

static void test_types(void)
{
    static const enum hearken_sample_type types[] = {HEARKEN_SAMPLE_S16, HEARKEN_SAMPLE_S24,
                                                     HEARKEN_SAMPLE_S32, HEARKEN_SAMPLE_F32};
    struct hearken_model *model = model_of(recurrent_shape(3));
    struct hearken_stream_options options = options_of();
    struct record expected, found;
    size_t count;
    float *samples = make_sound(12, 4, &count);
    transcribe(model, &options, samples, count, 0, &expected);
    CU_ASSERT(expected.finals > 0);
    for (size_t i = 0; i < 8; i++) {
        options.audio = (struct hearken_audio_format){RATE, 1 + (uint32_t)i % 2, types[i / 2]};
        void *converted = convert(samples, count, options.audio.type, options.audio.channels);
        transcribe(model, &options, converted, count, 777, &found);
        CU_ASSERT(same_bytes(&expected.text, &found.text));
        finish_record(&found);
        free(converted);
    }
    finish_record(&expected);
    free(samples);
    hearken_model_destroy(model);
}

/* Eight bits are coarse: the same as those very steps in float. */
static void test_eight_bits(void)
{
    struct hearken_model *model = model_of(recurrent_shape(3));
    struct hearken_stream_options options = options_of();
    struct record expected, found;
    size_t count;
    float *samples = make_sound(12, 4, &count);
    uint8_t *bytes = malloc(count);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(128 + lroundf(samples[i] * 128));
        samples[i] = (float)(bytes[i] - 128) / 128;
    }
    transcribe(model, &options, samples, count, 0, &expected);
    options.audio.type = HEARKEN_SAMPLE_U8;
    transcribe(model, &options, bytes, count, 0, &found);
    CU_ASSERT(expected.finals > 0);
    CU_ASSERT(same_bytes(&expected.text, &found.text));
    finish_record(&expected);
    finish_record(&found);
    free(samples);
    free(bytes);
    hearken_model_destroy(model);
}

/* ---- Nothing to hear ---- */

static void test_no_samples(void)
{
    struct hearken_model *model = model_of(recurrent_shape(1));
    struct hearken_stream_options options = options_of();
    struct record record;
    struct hearken_stream *stream = create(model, &options, &record);
    CU_ASSERT_EQUAL(hearken_stream_write(stream, NULL, 0, NULL), 0);
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, NULL), 0);
    CU_ASSERT(record.ends == 1 && record.finals == 0 && record.partials == 0);
    CU_ASSERT_EQUAL(record.end_time, 0);
    hearken_stream_destroy(stream);
    hearken_stream_destroy(NULL);
    finish_record(&record);
    hearken_model_destroy(model);
    hearken_model_destroy(NULL);
}

/* Silence, a constant, what is no number, of any length: no text, and the right end. */
static void test_silence(void)
{
    static const float values[] = {0, 0.25f, NAN, INFINITY, -INFINITY};
    static const size_t counts[] = {1, 159, 160, 399, 400, 16000, 16000 * 9 + 5};
    struct hearken_model *model = model_of(recurrent_shape(1));
    struct hearken_stream_options options = options_of();
    float *samples = malloc((16000 * 9 + 5) * sizeof(*samples));
    for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++) {
        for (size_t i = 0; i < 16000 * 9 + 5; i++)
            samples[i] = values[v];
        for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
            struct record record;
            transcribe(model, &options, samples, counts[c], 0, &record);
            CU_ASSERT(record.finals == 0 && record.partials == 0);
            CU_ASSERT_EQUAL(record.end_time, (double)counts[c] / RATE);
            finish_record(&record);
        }
    }
    free(samples);
    hearken_model_destroy(model);
}

/* As short as sound can be. */
static void test_short_sound(void)
{
    static const size_t counts[] = {1, 2, 159, 160, 161, 319, 320, 399, 400, 401, 640, 641};
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct hearken_model *model = model_of(kind ? transformer_shape(1) : recurrent_shape(1));
        struct hearken_stream_options options = options_of();
        for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
            float samples[641];
            struct record record;
            for (size_t i = 0; i < 641; i++)
                samples[i] = i % 2 ? 0.5f : -0.5f;
            transcribe(model, &options, samples, counts[c], 0, &record);
            CU_ASSERT_EQUAL(record.end_time, (double)counts[c] / RATE);
            finish_record(&record);
        }
        hearken_model_destroy(model);
    }
}

/* ---- Long sound ---- */

static void test_segments(void)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct hearken_model *model = model_of(kind ? transformer_shape(2) : recurrent_shape(2));
        struct hearken_stream_options options = options_of();
        struct record record;
        size_t count;
        float *samples = make_sound(13, 40, &count);
        options.segment_seconds = 2;
        transcribe(model, &options, samples, count, 0, &record);
        CU_ASSERT(record.finals >= 20 && record.finals <= 40);
        CU_ASSERT(record.longest <= 2);
        CU_ASSERT_EQUAL(record.first_start, 0);
        CU_ASSERT_EQUAL(record.last_end, 40);
        CU_ASSERT_EQUAL(record.end_time, 40);
        finish_record(&record);
        /* Nor is a segment longer than the network has positions for: 3 s. */
        options.segment_seconds = 28;
        transcribe(model, &options, samples, count, 0, &record);
        CU_ASSERT(record.finals >= 13 && record.longest > 2 && record.longest <= 3);
        finish_record(&record);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* Networks of the fewest positions there may be. */
static void test_few_positions(void)
{
    for (uint32_t positions = 2; positions <= 5; positions++) {
        struct model_shape shape = recurrent_shape(2);
        shape.positions = positions;
        struct hearken_model *model = model_of(shape);
        struct hearken_stream_options options = options_of();
        struct record record;
        size_t count;
        float *samples = make_sound(14, 1, &count);
        options.partial_seconds = 0.02f;
        transcribe(model, &options, samples, count, 333, &record);
        CU_ASSERT_EQUAL(record.end_time, 1);
        CU_ASSERT(record.longest <= 0.02 * positions);
        finish_record(&record);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* ---- Partial texts ---- */

/* They come while a segment is collected, and change nothing of what is final. */
static void test_partials(void)
{
    for (uint32_t kind = 0; kind < 3; kind++) {
        struct model_shape shape = kind == 1 ? transformer_shape(2) : recurrent_shape(2);
        if (kind == 2)
            shape.chunk = 0; /* heard anew each time */
        struct hearken_model *model = model_of(shape);
        struct hearken_stream_options options = options_of();
        struct record without, with, again;
        size_t count;
        float *samples = make_sound(15, 7.3, &count);
        options.alignment = false;
        transcribe(model, &options, samples, count, 1600, &without);
        options.partial_seconds = 0.3f;
        transcribe(model, &options, samples, count, 1600, &with);
        transcribe(model, &options, samples, count, 1600, &again);
        CU_ASSERT_EQUAL(without.partials, 0);
        CU_ASSERT(with.partials > 12 && with.partials <= 24);
        CU_ASSERT_EQUAL(with.finals, without.finals);
        CU_ASSERT(same_bytes(&with.spoken, &without.spoken));
        CU_ASSERT(same_bytes(&with.text, &again.text));
        CU_ASSERT_FALSE(with.shown);
        finish_record(&without);
        finish_record(&with);
        finish_record(&again);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* Where nothing has been shown there is nothing to take back. */
static void test_silence_has_no_partials(void)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct hearken_model *model = model_of(kind ? transformer_shape(2) : recurrent_shape(2));
        struct hearken_stream_options options = options_of();
        struct record record;
        float *samples = calloc(5 * RATE, sizeof(*samples));
        options.partial_seconds = 0.3f;
        transcribe(model, &options, samples, 5 * RATE, 1600, &record);
        CU_ASSERT_EQUAL(record.partials, 0);
        finish_record(&record);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* Counts what is on show, and how often it changes to nothing. */
struct screen {
    size_t shows, clears;
    bool shown;
};

static void show_event(void *context, const struct hearken_event *event)
{
    struct screen *screen = context;
    if (event->type == HEARKEN_EVENT_END)
        return;
    if (*event->text && event->type == HEARKEN_EVENT_PARTIAL)
        screen->shows++;
    if (!*event->text && screen->shown)
        screen->clears++;
    screen->shown = *event->text && event->type == HEARKEN_EVENT_PARTIAL;
}

/*
 * A text that was shown and is dropped in the end is taken back. Here a beam of one believes what
 * the wide beam does not: the threshold lies between.
 */
static void test_what_is_dropped_is_taken_back(void)
{
    size_t dropped = 0;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        struct hearken_model *model = model_of(recurrent_shape(seed));
        size_t count;
        float *samples = make_sound(seed, 1.5, &count);
        for (float threshold = -0.75f; threshold > -2.5f; threshold -= 0.25f) {
            struct hearken_stream_options options = options_of();
            struct hearken_stream *stream = NULL;
            struct screen screen = {0};
            options.beam_width = 16;
            options.ctc_weight = 1;
            options.partial_seconds = 0.4f;
            options.log_probability_threshold = threshold;
            CU_ASSERT_EQUAL_FATAL(
                hearken_stream_create(model, &options, show_event, &screen, &stream, NULL), 0);
            CU_ASSERT_EQUAL(hearken_stream_write(stream, samples, count, NULL), 0);
            bool before = screen.shown;
            size_t clears = screen.clears;
            CU_ASSERT_EQUAL(hearken_stream_finish(stream, NULL), 0);
            CU_ASSERT_FALSE(screen.shown);
            dropped += before && screen.clears > clears;
            hearken_stream_destroy(stream);
        }
        free(samples);
        hearken_model_destroy(model);
    }
    CU_ASSERT(dropped > 0);
}

/* ---- What is not believed ---- */

static void test_thresholds(void)
{
    struct hearken_model *model = model_of(transformer_shape(2));
    size_t count;
    float *samples = make_sound(16, 5, &count);
    for (uint32_t i = 0; i < 3; i++) {
        struct hearken_stream_options options = options_of();
        struct record record;
        if (i == 1)
            options.log_probability_threshold = 0;
        if (i == 2)
            options.compression_threshold = 1; /* even random text deflates a little worse */
        transcribe(model, &options, samples, count, 0, &record);
        CU_ASSERT(i == 1 ? record.finals == 0 : record.finals > 0);
        finish_record(&record);
    }
    free(samples);
    hearken_model_destroy(model);
}

/* Says "the the the …" whatever it hears. */
static struct hearken_model *stubborn(void)
{
    struct model_shape shape = recurrent_shape(1);
    shape.positions = 400; /* 8 s */
    struct made_file file = make_model(&shape);
    struct made_tensor *embedding = made_find(&file, "speller.embedding.weight");
    memset(embedding->data.data, 0, embedding->data.length);
    for (uint32_t v = 0; v < shape.token_count; v++)
        set_weight(&file, "speller.bias", v, v == 4 ? 0 : -INFINITY);
    struct hearken_model *model = open_model(&file);
    made_finish(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    return model;
}

/* A loop is tried again in halves, and dropped when those loop as well. */
static void test_loops(void)
{
    struct hearken_model *model = stubborn();
    struct hearken_stream_options options = options_of();
    struct record record;
    size_t count;
    float *samples = make_sound(17, 20, &count);
    options.ctc_weight = 0;
    transcribe(model, &options, samples, count, 0, &record);
    CU_ASSERT(record.finals >= 3 && record.words >= 33);
    finish_record(&record);
    options.compression_threshold = 2.4f;
    transcribe(model, &options, samples, count, 0, &record);
    CU_ASSERT_EQUAL(record.finals, 0);
    CU_ASSERT_EQUAL(record.end_time, 20);
    finish_record(&record);
    free(samples);
    hearken_model_destroy(model);
}

/* Random attention goes back and forth: that is held against a text only where the file says which
 * heads go along the sound. The ones it lists here are those that count without a list. */
static void test_attention_is_a_limit_where_it_is_known(void)
{
    bool different = false;
    uint32_t seed;
    /* Which networks look back far enough hangs on rounding: look for one. */
    for (seed = 1; seed <= 40 && !different; seed++) {
        struct model_shape shape = transformer_shape(seed);
        struct made_file file = make_model(&shape);
        struct hearken_stream_options options = options_of();
        struct record records[2];
        size_t count;
        float *samples = make_sound(23, 12, &count);
        /* Nothing ends by itself, so there is time to look back. */
        made_numbers(&file, "hearken.speller.suppress", GGUF_U32, (const double[]){0}, 1);
        for (size_t i = 0; i < 2; i++) {
            if (i == 1)
                made_numbers(&file, "hearken.speller.alignment_heads", GGUF_U32,
                             (const double[]){8, 9, 10, 11}, 4);
            struct hearken_model *model = open_model(&file);
            CU_ASSERT_PTR_NOT_NULL_FATAL(model);
            transcribe(model, &options, samples, count, 0, &records[i]);
            hearken_model_destroy(model);
        }
        different = !same_bytes(&records[0].text, &records[1].text);
        finish_record(&records[0]);
        finish_record(&records[1]);
        free(samples);
        made_finish(&file);
    }
    printf("(seed %u) ", seed - 1);
    CU_ASSERT(different);
}

/* ---- Ends ---- */

static void test_after_the_end(void)
{
    struct hearken_model *model = model_of(recurrent_shape(1));
    struct hearken_stream_options options = options_of();
    struct record record;
    struct hearken_error error = {""};
    float sample = 0;
    struct hearken_stream *stream = create(model, &options, &record);
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, NULL), 0);
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, &error), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "finished"));
    CU_ASSERT_EQUAL(hearken_stream_write(stream, &sample, 1, &error), -EINVAL);
    CU_ASSERT_EQUAL(hearken_stream_write(stream, NULL, 0, NULL), -EINVAL);
    CU_ASSERT_EQUAL(record.ends, 1);
    hearken_stream_destroy(stream);
    finish_record(&record);
    hearken_model_destroy(model);
}

static void test_cancelled_before(void)
{
    struct hearken_model *model = model_of(recurrent_shape(1));
    struct hearken_stream_options options = options_of();
    struct record record;
    struct hearken_error error = {""};
    float sample = 0;
    struct hearken_stream *stream = create(model, &options, &record);
    hearken_stream_cancel(stream);
    hearken_stream_cancel(stream);
    CU_ASSERT_EQUAL(hearken_stream_write(stream, &sample, 1, &error), -ECANCELED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "cancelled"));
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, &error), -ECANCELED);
    CU_ASSERT_EQUAL(record.text.length, 0);
    hearken_stream_destroy(stream);
    finish_record(&record);
    hearken_model_destroy(model);
}

/* From the callback: what is being written is not gone on with. */
static void test_cancelled_by_the_callback(void)
{
    struct hearken_model *model = model_of(recurrent_shape(2));
    struct hearken_stream_options options = options_of();
    struct record record;
    size_t count;
    float *samples = make_sound(18, 30, &count);
    struct hearken_stream *stream = create(model, &options, &record);
    record.cancels = stream;
    CU_ASSERT_EQUAL(hearken_stream_write(stream, samples, count, NULL), -ECANCELED);
    CU_ASSERT(record.finals == 1 && record.ends == 0);
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, NULL), -ECANCELED);
    CU_ASSERT(record.finals == 1 && record.ends == 0);
    hearken_stream_destroy(stream);
    finish_record(&record);
    free(samples);
    hearken_model_destroy(model);
}

static void *cancel_soon(void *context)
{
    nanosleep(&(struct timespec){.tv_nsec = 30 * 1000 * 1000}, NULL);
    hearken_stream_cancel(context);
    return NULL;
}

/* Sound for minutes of work; the cancel comes from another thread. */
static void test_cancelled_by_another_thread(void)
{
    struct model_shape shape = recurrent_shape(2);
    shape.layers = 24;
    struct hearken_model *model = model_of(shape);
    struct hearken_stream_options options = options_of();
    struct record record;
    pthread_t thread;
    size_t count, written = 0;
    float *samples = make_sound(19, 60, &count);
    options.beam_width = 16;
    struct hearken_stream *stream = create(model, &options, &record);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, cancel_soon, stream), 0);
    int result = 0;
    while (result == 0 && written < 1000) {
        result = hearken_stream_write(stream, samples, count, NULL);
        written++;
    }
    CU_ASSERT_EQUAL(result, -ECANCELED);
    CU_ASSERT_EQUAL(hearken_stream_finish(stream, NULL), -ECANCELED);
    CU_ASSERT_EQUAL(record.ends, 0);
    pthread_join(thread, NULL);
    hearken_stream_destroy(stream);
    finish_record(&record);
    free(samples);
    hearken_model_destroy(model);
}

/* Streams that are given up at any point leave nothing behind: the leak check judges. */
static void test_destroyed_early(void)
{
    struct hearken_model *model = model_of(recurrent_shape(2));
    struct hearken_stream_options options = options_of();
    size_t count;
    float *samples = make_sound(20, 7, &count);
    options.partial_seconds = 0.5f;
    for (size_t part = 0; part <= 4; part++) {
        struct record record;
        struct hearken_stream *stream = create(model, &options, &record);
        CU_ASSERT_EQUAL(hearken_stream_write(stream, samples, count * part / 4, NULL), 0);
        CU_ASSERT_EQUAL(record.ends, 0);
        hearken_stream_destroy(stream);
        finish_record(&record);
    }
    free(samples);
    hearken_model_destroy(model);
}

/* ---- Alignment ---- */

struct expectation {
    bool wants;
    size_t events, right;
};

static void check_alignment(void *context, const struct hearken_event *event)
{
    struct expectation *e = context;
    const struct hearken_alignment *a = event->alignment;
    if (event->type != HEARKEN_EVENT_FINAL)
        return;
    e->events++;
    if (!e->wants) {
        e->right += a == NULL;
        return;
    }
    /* The memory has a step each 40 ms; the transformer's would have one each 20 ms. */
    e->right += a && a->tokens > 0 && a->start == event->start && a->step_seconds == 0.04 &&
                a->steps == ceil((event->end - event->start) * 100 / 4 - 1e-6);
}

static void test_alignment_is_asked_for(void)
{
    struct hearken_model *model = model_of(recurrent_shape(2));
    size_t count;
    float *samples = make_sound(21, 6, &count);
    for (int wants = 0; wants < 2; wants++) {
        struct hearken_stream_options options = options_of();
        struct expectation expectation = {.wants = wants};
        struct hearken_stream *stream = NULL;
        options.alignment = wants;
        CU_ASSERT_EQUAL_FATAL(
            hearken_stream_create(model, &options, check_alignment, &expectation, &stream, NULL),
            0);
        CU_ASSERT_EQUAL(hearken_stream_write(stream, samples, count, NULL), 0);
        CU_ASSERT_EQUAL(hearken_stream_finish(stream, NULL), 0);
        CU_ASSERT(expectation.events >= 2);
        CU_ASSERT_EQUAL(expectation.right, expectation.events);
        hearken_stream_destroy(stream);
    }
    free(samples);
    hearken_model_destroy(model);
}

/* ---- Threads ---- */

#define THREADS 4

struct worker {
    struct hearken_model *model;
    const float *samples;
    size_t count, piece;
    bool failed;
    struct record record;
};

/* No assertions: CUnit's are for one thread. */
static void *work(void *context)
{
    struct worker *w = context;
    struct hearken_stream_options options = options_of();
    struct hearken_stream *stream = NULL;
    start_record(&w->record);
    w->failed =
        hearken_stream_create(w->model, &options, take_event, &w->record, &stream, NULL) < 0;
    for (size_t at = 0; at < w->count && !w->failed; at += w->piece) {
        size_t left = w->count - at;
        w->failed = hearken_stream_write(stream, w->samples + at, left < w->piece ? left : w->piece,
                                         NULL) < 0;
    }
    w->failed = w->failed || hearken_stream_finish(stream, NULL) < 0;
    hearken_stream_destroy(stream);
    return NULL;
}

static void test_many_streams_on_one_model(void)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct hearken_model *model = model_of(kind ? transformer_shape(2) : recurrent_shape(2));
        struct hearken_stream_options options = options_of();
        struct worker workers[THREADS];
        pthread_t threads[THREADS];
        struct record expected;
        size_t count;
        float *samples = make_sound(22, 8, &count);
        transcribe(model, &options, samples, count, 0, &expected);
        for (size_t i = 0; i < THREADS; i++) {
            workers[i] = (struct worker){
                .model = model, .samples = samples, .count = count, .piece = 500 + 3000 * i};
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            CU_ASSERT_FALSE(workers[i].failed);
            CU_ASSERT(same_bytes(&workers[i].record.text, &expected.text));
            finish_record(&workers[i].record);
        }
        finish_record(&expected);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* ---- The model itself ---- */

static void test_model(void)
{
    struct hearken_model *model = model_of(recurrent_shape(1));
    CU_ASSERT_STRING_EQUAL(hearken_model_name(model), "random");
    CU_ASSERT_STRING_EQUAL(hearken_model_description(model), "Random weights for tests");
    CU_ASSERT_STRING_EQUAL(hearken_model_backend(model), "reference");
    hearken_model_destroy(model);
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    CU_ASSERT(made_remove(&file, "general.name"));
    made_number(&file, "general.description", GGUF_U32, 5);
    model = open_model(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT_STRING_EQUAL(hearken_model_name(model), "");
    CU_ASSERT_STRING_EQUAL(hearken_model_description(model), "");
    hearken_model_destroy(model);
    made_finish(&file);
}

/* Strings of the interface are UTF-8, whatever is in the file. */
static void test_names_that_are_no_text(void)
{
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    made_string(&file, "general.name", "caf\xe9");
    struct hearken_model *model = open_model(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT_STRING_EQUAL(hearken_model_name(model), "caf\xef\xbf\xbd");
    hearken_model_destroy(model);
    made_finish(&file);
}

static void test_features_that_are_no_numbers(void)
{
    static const char *const names[] = {"features.window", "features.mel_filters"};
    for (size_t i = 0; i < 2; i++) {
        struct model_shape shape = recurrent_shape(1);
        struct made_file file = make_model(&shape);
        struct hearken_model *model = NULL;
        struct hearken_error error = {""};
        set_weight(&file, names[i], 17, i ? NAN : INFINITY);
        struct bytes bytes = made_bytes(&file);
        char *path = write_temporary(bytes.data, bytes.length);
        CU_ASSERT_EQUAL(hearken_model_open(path, &reference_backend, &model, &error), -EINVAL);
        CU_ASSERT_PTR_NULL(model);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.message, names[i]));
        CU_ASSERT_PTR_NOT_NULL(strstr(error.message, path));
        unlink(path);
        free(path);
        bytes_finish(&bytes);
        made_finish(&file);
    }
}

static void test_default_model(void)
{
    char path[4096], exact[4096];
    CU_ASSERT_PTR_EQUAL_FATAL(hearken_default_model(path, sizeof(path)), path);
    CU_ASSERT_EQUAL(path[0], '/');
    CU_ASSERT_PTR_NOT_NULL(strstr(path, "/share/hearken/hearken-en.gguf"));
    CU_ASSERT_PTR_NULL(hearken_default_model(exact, strlen(path)));
    CU_ASSERT_PTR_NULL(hearken_default_model(exact, 0));
    CU_ASSERT_PTR_EQUAL(hearken_default_model(exact, strlen(path) + 1), exact);
    CU_ASSERT_STRING_EQUAL(exact, path);
    CU_ASSERT_STRING_EQUAL(hearken_version(), "0.1.0");
}

void add_stream_tests(void)
{
    CU_pSuite suite = CU_add_suite("stream", NULL, NULL);
    CU_ADD_TEST(suite, test_defaults);
    CU_ADD_TEST(suite, test_real_options);
    CU_ADD_TEST(suite, test_whole_options);
    CU_ADD_TEST(suite, test_pieces_of_any_size);
    CU_ADD_TEST(suite, test_rates);
    CU_ADD_TEST(suite, test_types);
    CU_ADD_TEST(suite, test_eight_bits);
    CU_ADD_TEST(suite, test_no_samples);
    CU_ADD_TEST(suite, test_silence);
    CU_ADD_TEST(suite, test_short_sound);
    CU_ADD_TEST(suite, test_segments);
    CU_ADD_TEST(suite, test_few_positions);
    CU_ADD_TEST(suite, test_partials);
    CU_ADD_TEST(suite, test_silence_has_no_partials);
    CU_ADD_TEST(suite, test_what_is_dropped_is_taken_back);
    CU_ADD_TEST(suite, test_thresholds);
    CU_ADD_TEST(suite, test_loops);
    CU_ADD_TEST(suite, test_attention_is_a_limit_where_it_is_known);
    CU_ADD_TEST(suite, test_after_the_end);
    CU_ADD_TEST(suite, test_cancelled_before);
    CU_ADD_TEST(suite, test_cancelled_by_the_callback);
    CU_ADD_TEST(suite, test_cancelled_by_another_thread);
    CU_ADD_TEST(suite, test_destroyed_early);
    CU_ADD_TEST(suite, test_alignment_is_asked_for);
    CU_ADD_TEST(suite, test_many_streams_on_one_model);
    CU_ADD_TEST(suite, test_model);
    CU_ADD_TEST(suite, test_names_that_are_no_text);
    CU_ADD_TEST(suite, test_features_that_are_no_numbers);
    CU_ADD_TEST(suite, test_default_model);
}
