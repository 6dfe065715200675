// SPDX-License-Identifier: MIT
/* Whisper's rules, from the options of a stream to its events. */
#include "tests/unit/common/event_record.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_model.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_stream_rules_tests(void);

static struct hearken_model *open_whisper(uint32_t seed)
{
    struct made_file file = make_whisper(seed);
    struct hearken_model *model = open_model(&file);
    made_finish(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    return model;
}

/* What a run of all of a sound tells. */
static struct record run(struct hearken_model *model, const struct hearken_stream_options *options,
                         double seconds)
{
    struct record record;
    size_t count;
    float *samples = make_sound(21, seconds, &count);
    transcribe(model, options, samples, count, 0, &record);
    free(samples);
    return record;
}

static bool same(struct hearken_model *model, const struct hearken_stream_options *a,
                 const struct hearken_stream_options *b)
{
    struct record one = run(model, a, 6), other = run(model, b, 6);
    bool equal = same_bytes(&one.spoken, &other.spoken);
    finish_record(&one);
    finish_record(&other);
    return equal;
}

static void test_languages(void)
{
    struct hearken_model *model = open_whisper(5);
    const char *const *codes;
    EXPECT_EQUAL_FATAL(hearken_model_languages(model, &codes), 3);
    CU_ASSERT(strcmp(codes[0], "en") == 0 && strcmp(codes[2], "haw") == 0);
    struct hearken_stream_options plain = stream_options_of(), german = plain, english = plain;
    strcpy(german.language, "de");
    strcpy(english.language, "en");
    CU_ASSERT(same(model, &plain, &english));
    CU_ASSERT(!same(model, &plain, &german));
    hearken_model_destroy(model);
}

/* What each event says of the language. */
static void note_language(void *context, const struct hearken_event *event)
{
    char *seen = context;
    if (event->type != HEARKEN_EVENT_FINAL)
        return;
    CU_ASSERT(event->language_probability > 0 && event->language_probability <= 1);
    CU_ASSERT(strlen(event->language) >= 2);
    strcpy(seen, event->language);
}

static void test_detection(void)
{
    struct hearken_model *model = open_whisper(5);
    struct hearken_stream_options found = stream_options_of(), named = found;
    struct hearken_stream *stream;
    char language[16] = "";
    size_t count;
    float *samples = make_sound(21, 2, &count);
    strcpy(found.language, "auto");
    EXPECT_EQUAL_FATAL(hearken_stream_create(model, &found, note_language, language, &stream, NULL),
                       0);
    EXPECT_EQUAL(hearken_stream_write(stream, samples, count, NULL), 0);
    EXPECT_EQUAL(hearken_stream_finish(stream, NULL), 0);
    hearken_stream_destroy(stream);
    free(samples);
    CU_ASSERT(*language);
    strcpy(named.language, language);
    struct record one = run(model, &found, 2), other = run(model, &named, 2);
    CU_ASSERT(same_bytes(&one.spoken, &other.spoken));
    finish_record(&one);
    finish_record(&other);
    hearken_model_destroy(model);
}

static void test_options_change_the_text(void)
{
    struct hearken_model *model = open_whisper(6);
    struct hearken_stream_options plain = stream_options_of(), changed = plain;
    changed.task = HEARKEN_TRANSLATE;
    CU_ASSERT(!same(model, &plain, &changed));
    changed = plain;
    strcpy(changed.prompt, "the cat sat");
    CU_ASSERT(!same(model, &plain, &changed));
    changed = plain;
    changed.previous_text = true;
    changed.segment_seconds = 2; /* three segments */
    plain.segment_seconds = 2;
    CU_ASSERT(!same(model, &plain, &changed));
    changed = plain;
    snprintf(changed.suppress_tokens, sizeof(changed.suppress_tokens), "%d,%d,%d", W_TEXT + 1,
             W_TEXT + 10, W_TEXT + 11);
    struct record record = run(model, &changed, 6);
    CU_ASSERT(record.finals > 0);
    CU_ASSERT_PTR_NULL(memchr(record.spoken.data, 'b', record.spoken.length));
    CU_ASSERT_PTR_NULL(memmem(record.spoken.data, record.spoken.length, "the", 3));
    finish_record(&record);
    hearken_model_destroy(model);
}

/* Text at times: more events, in order, and the whole of it. */
static void test_timestamps(void)
{
    struct hearken_model *model = open_whisper(7);
    struct hearken_stream_options options = stream_options_of();
    options.timestamps = true;
    options.alignment = true;
    struct record record = run(model, &options, 2.5);
    CU_ASSERT(record.finals >= 1 && record.ordered && record.rows_sum_to_one);
    CU_ASSERT(record.last_end <= 2.5 && record.words > 0);
    CU_ASSERT(record.alignment_end > 0 && record.alignment_end <= 2.5 + 0.1);
    finish_record(&record);
    /* Beside partial texts there are none. */
    struct hearken_stream_options with = options, without = options;
    with.partial_seconds = without.partial_seconds = 0.3f;
    with.partial_share = without.partial_share = 0;
    without.timestamps = false;
    CU_ASSERT(same(model, &with, &without));
    hearken_model_destroy(model);
}

/* Whatever it hears, all letters are nearly as likely at every place, and "a" a little more. */
static struct hearken_model *undecided(void)
{
    struct made_file file = make_whisper(8);
    uint32_t width = 24;
    for (uint32_t i = 0; i < width; i++) {
        set_weight(&file, "speller.norm.weight", i, 0);
        set_weight(&file, "speller.norm.bias", i, i == 0);
    }
    for (uint32_t token = 0; token < W_TEXT + 14; token++)
        set_weight(&file, "speller.embedding.weight", (size_t)token * width,
                   token == W_TEXT                        ? 3
                   : token > W_TEXT && token < W_TEXT + 8 ? 2.5f
                                                          : -4);
    struct hearken_model *model = open_model(&file);
    made_finish(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    return model;
}

/* A loop is written again by chance: always the same way, but for another seed. */
static void test_chance(void)
{
    struct hearken_model *model = undecided();
    struct hearken_stream_options plain = stream_options_of(), chance, other;
    plain.compression_threshold = 2.4f;
    plain.beam_width = 1;
    plain.exact = true; /* otherwise the search itself leaves loops */
    struct record none = run(model, &plain, 2);
    EXPECT_EQUAL(none.finals, 0);
    finish_record(&none);
    chance = plain;
    chance.temperature_step = 0.5f;
    other = chance;
    other.seed = 99;
    struct record some = run(model, &chance, 2);
    CU_ASSERT(some.finals > 0);
    finish_record(&some);
    CU_ASSERT(same(model, &chance, &chance));
    CU_ASSERT(!same(model, &chance, &other));
    /* Where nobody speaks, doubt is no reason; a loop still is. */
    plain.compression_threshold = 1000;
    plain.log_probability_threshold = -0.01f;
    plain.no_speech_threshold = 0;
    chance = plain;
    chance.temperature_step = 0.5f;
    CU_ASSERT(same(model, &chance, &plain));
    hearken_model_destroy(model);
}

static void refuses(struct hearken_model *model, const struct hearken_stream_options *options,
                    const char *part)
{
    struct hearken_stream *stream = NULL;
    struct hearken_error error = {""};
    EXPECT_EQUAL(hearken_stream_create(model, options, take_event, NULL, &stream, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, part);
    if (!strstr(error.message, part))
        printf("\n    '%s' does not say '%s' ", error.message, part);
}

/* However small the steps, a text is not tried for ever. */
static void test_small_steps_of_chance(void)
{
    struct hearken_model *model = open_whisper(5);
    struct hearken_stream_options options = stream_options_of();
    options.log_probability_threshold = 0; /* nothing is sure enough */
    options.temperature_step = 1e-7f;
    struct record record = run(model, &options, 2);
    EXPECT_EQUAL(record.ends, 1);
    finish_record(&record);
    hearken_model_destroy(model);
}

/* A recurrent speller has no positions that would end a text. */
static void test_exact_without_positions(void)
{
    struct hearken_model *model = model_of(recurrent_shape(7));
    struct hearken_stream_options options = stream_options_of();
    options.exact = true;
    struct record record = run(model, &options, 3);
    EXPECT_EQUAL(record.ends, 1);
    CU_ASSERT(record.words <= 10 + 3 * 12); /* as models/search/repetition_guard.c has it */
    finish_record(&record);
    hearken_model_destroy(model);
}

static void test_bad_options(void)
{
    static const char *const lists[] = {"x", "1,", ",1", "1 2", "-2", "100000", "1,,2", "1.5"};
    struct hearken_model *model = open_whisper(5);
    struct hearken_stream_options options = stream_options_of();
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        strcpy(options.suppress_tokens, lists[i]);
        refuses(model, &options, "suppress_tokens");
    }
    options = stream_options_of();
    strcpy(options.language, "xx");
    refuses(model, &options, "language is xx");
    memset(options.language, 'x', sizeof(options.language));
    refuses(model, &options, "language is longer than 15 bytes");
    options = stream_options_of();
    memset(options.prompt, 'x', sizeof(options.prompt));
    refuses(model, &options, "prompt is longer");
    options = stream_options_of();
    options.task = 2;
    refuses(model, &options, "task");
    options = stream_options_of();
    options.temperature_step = 1.5f;
    refuses(model, &options, "temperature_step");
    hearken_model_destroy(model);
}

void add_stream_rules_tests(void)
{
    CU_pSuite suite = CU_add_suite("stream_rules", NULL, NULL);
    CU_add_test(suite, "languages", test_languages);
    CU_add_test(suite, "a language that is found", test_detection);
    CU_add_test(suite, "options change the text", test_options_change_the_text);
    CU_add_test(suite, "timestamps", test_timestamps);
    CU_add_test(suite, "chance", test_chance);
    CU_add_test(suite, "small steps of chance", test_small_steps_of_chance);
    CU_add_test(suite, "exact without positions", test_exact_without_positions);
    CU_add_test(suite, "bad options", test_bad_options);
}
