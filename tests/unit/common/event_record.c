// SPDX-License-Identifier: MIT
#include "tests/unit/common/event_record.h"

#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Sound ---- */

float *make_sound(unsigned seed, double seconds, size_t *count)
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

struct hearken_model *model_of(struct model_shape shape)
{
    struct made_file file = make_model(&shape);
    struct hearken_model *model = open_model(&file);
    made_finish(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    return model;
}

struct hearken_model *hearing_model_of(struct model_shape shape)
{
    struct made_file file = make_model(&shape);
    add_voice(&file, shape.mels, -4);
    struct hearken_model *model = open_model(&file);
    made_finish(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    return model;
}

struct hearken_stream_options stream_options_of(void)
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
    r->alignment_end = fmax(r->alignment_end, a->start + a->steps * a->step_seconds);
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

/* What is committed is whole words, and stays at the start of all texts of a segment. */
static void follow_committed(struct record *r, const struct hearken_event *event)
{
    size_t before = strlen(r->committed), length = strlen(event->text);
    r->kept &= strncmp(event->text, r->committed, before) == 0;
    r->kept &= event->committed >= before && event->committed <= length;
    r->kept &= event->committed_words <= event->word_count;
    r->kept &= event->committed == length || event->type == HEARKEN_EVENT_PARTIAL;
    r->kept &= event->committed == 0 || event->committed == length ||
               strchr(" .,;:?!\")]", event->text[event->committed]);
    if (event->type == HEARKEN_EVENT_PARTIAL && event->committed < sizeof(r->committed)) {
        r->commits += event->committed > before;
        memcpy(r->committed, event->text, event->committed);
        r->committed[event->committed] = '\0';
    } else {
        r->committed[0] = '\0';
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

void take_event(void *context, const struct hearken_event *event)
{
    struct record *r = context;
    if (r->cancels)
        hearken_stream_cancel(r->cancels);
    r->after_end += r->ends > 0;
    note(&r->text, "%d %a %a '%s' %a %zu\n", (int)event->type, event->start, event->end,
         event->text, (double)event->confidence, event->committed);
    note_words(r, event);
    if (event->type == HEARKEN_EVENT_PARTIAL || event->type == HEARKEN_EVENT_FINAL)
        follow_committed(r, event);
    if (event->alignment)
        note_alignment(r, event->alignment);
    r->ordered &= event->end >= event->start && event->start >= r->last_end - 1e-9;
    switch (event->type) {
    case HEARKEN_EVENT_PARTIAL:
        r->partials++;
        r->shown = *event->text;
        return;
    case HEARKEN_EVENT_FINAL:
        r->first_start = r->finals++ ? r->first_start : event->start;
        r->longest = fmax(r->longest, event->end - event->start);
        note(&r->spoken, "%s\n", event->text);
        r->shown = false;
        break;
    case HEARKEN_EVENT_END:
        r->ends++;
        r->end_time = event->end;
        break;
    case HEARKEN_EVENT_VOICE_STARTED:
    case HEARKEN_EVENT_VOICE_STOPPED:
        r->voice_events++;
        return;
    }
    r->last_end = event->end;
}

void start_record(struct record *r)
{
    *r = (struct record){.ordered = true, .rows_sum_to_one = true, .kept = true};
}

void finish_record(struct record *r)
{
    bytes_finish(&r->text);
    bytes_finish(&r->spoken);
}

bool same_bytes(const struct bytes *a, const struct bytes *b)
{
    return a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
}

struct hearken_stream *create(struct hearken_model *model,
                              const struct hearken_stream_options *options, struct record *r)
{
    struct hearken_stream *stream = NULL;
    struct hearken_error error = {""};
    start_record(r);
    int result = hearken_stream_create(model, options, take_event, r, &stream, &error);
    EXPECT_EQUAL_FATAL(result, 0);
    return stream;
}

void transcribe(struct hearken_model *model, const struct hearken_stream_options *options,
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
    EXPECT_EQUAL(result, 0);
    EXPECT_EQUAL(hearken_stream_finish(stream, NULL), 0);
    EXPECT_EQUAL(r->ends, 1);
    EXPECT_EQUAL(r->after_end, 0);
    CU_ASSERT(r->ordered && r->rows_sum_to_one && r->kept);
    hearken_stream_destroy(stream);
}
