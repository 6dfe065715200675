// SPDX-License-Identifier: MIT
/* Partial texts, when they are made, and how they are merged with what is committed. */
#include "models/stream/partial_schedule.h"
#include "models/text/transcript_merge.h"
#include "tests/unit/common/event_record.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_stream_partial_tests(void);

/* They come while a segment is collected, and change nothing of what is final. */
static void test_partials(void)
{
    for (uint32_t kind = 0; kind < 3; kind++) {
        struct model_shape shape = kind == 1 ? transformer_shape(2) : recurrent_shape(2);
        if (kind == 2)
            shape.chunk = 0; /* encoded again each time */
        struct hearken_model *model = model_of(shape);
        struct hearken_stream_options options = stream_options_of();
        struct record without, with, again;
        size_t count;
        float *samples = make_sound(15, 7.3, &count);
        options.alignment = false;
        transcribe(model, &options, samples, count, 1600, &without);
        options.partial_seconds = 0.3f;
        transcribe(model, &options, samples, count, 1600, &with);
        transcribe(model, &options, samples, count, 1600, &again);
        EXPECT_EQUAL(without.partials, 0);
        CU_ASSERT(with.partials > 0 && with.partials <= 24);
        EXPECT_EQUAL(with.finals, without.finals);
        CU_ASSERT(with.commits > 0 || same_bytes(&with.spoken, &without.spoken));
        CU_ASSERT(same_bytes(&with.text, &again.text));
        CU_ASSERT_FALSE(with.shown);
        finish_record(&without);
        finish_record(&with);
        finish_record(&again);
        free(samples);
        hearken_model_destroy(model);
    }
}

/* ---- Committing ---- */

/*
 * A recurrent network that says its tokens one after the other, from SPECIAL_TOKENS to the last,
 * and ends; sound disturbs it more the smaller `sureness` is. Embeddings are one-hot, the
 * projection turns each into that of the next token.
 */
static struct hearken_model *reciter(uint32_t seed, uint32_t chunk, float sureness)
{
    struct model_shape shape = recurrent_shape(seed);
    shape.chunk = chunk;
    shape.positions = 500; /* 10 s */
    shape.speller_mlp = 0;
    shape.speller_width = 32;
    shape.speller_heads = 4;
    struct made_file file = make_model(&shape);
    uint32_t width = shape.speller_width, last = shape.token_count - 1;
    for (uint32_t v = 0; v < shape.token_count; v++)
        for (uint32_t i = 0; i < width; i++)
            set_weight(&file, "speller.embedding.weight", v * width + i, v == i);
    for (uint32_t out = 0; out < width; out++)
        for (uint32_t in = 0; in < width; in++) {
            uint32_t next = in == 1 ? SPECIAL_TOKENS : in == last ? 2 : in + 1;
            set_weight(&file, "speller.projection.weight", out * width + in,
                       out == next ? sureness : 0);
        }
    struct hearken_model *model = open_model(&file);
    made_finish(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    return model;
}

static void recite(struct hearken_model *model, const struct hearken_stream_options *options,
                   struct record *r)
{
    size_t count;
    float *samples = make_sound(31, 24, &count);
    transcribe(model, options, samples, count, 1600, r);
    free(samples);
}

/* Words that are committed are in every later text of their segment, whatever guards, loops and
 * cuts do to the rest: `record.kept`, which `transcribe` asserts. */
static void test_committed_words_stay(void)
{
    size_t commits = 0, changed = 0;
    for (uint32_t seed = 1; seed <= 4; seed++)
        for (uint32_t chunk = 0; chunk <= 8; chunk += 8)
            for (float sureness = 2; sureness < 5; sureness += 1) {
                struct hearken_model *model = reciter(seed, chunk, sureness);
                struct hearken_stream_options options = stream_options_of();
                struct record with, without;
                options.alignment = false;
                options.ctc_weight = seed % 2 ? 0 : 0.3f;
                if (seed == 3)
                    options.compression_threshold = 1.1f;
                if (seed == 4)
                    options.log_probability_threshold = -0.9f;
                recite(model, &options, &without);
                options.partial_seconds = 0.2f;
                recite(model, &options, &with);
                commits += with.commits;
                changed += !same_bytes(&with.spoken, &without.spoken);
                finish_record(&with);
                finish_record(&without);
                hearken_model_destroy(model);
            }
    /* That is a matter of the constraint, not of the networks: they would say something else. */
    CU_ASSERT(commits > 12);
    CU_ASSERT(changed > 0);
    printf("(%zu commits, %zu finals are others) ", commits, changed);
}

/*
 * Fed in real time, a stream makes more passes than by sound alone. It uses the real clock, so only
 * the order of events is certain.
 */
static void test_share_of_a_core(void)
{
    struct hearken_model *model = model_of(recurrent_shape(2));
    struct hearken_stream_options options = stream_options_of();
    struct hearken_stream_counters counters[2];
    size_t count;
    float *samples = make_sound(32, 1, &count);
    options.partial_seconds = 0.5f;
    for (int i = 0; i < 2; i++) {
        struct record record;
        options.partial_share = i ? 1 : 0;
        struct hearken_stream *stream = create(model, &options, &record);
        for (size_t at = 0; at < count; at += 320) {
            EXPECT_EQUAL(hearken_stream_write(stream, samples + at, 320, NULL), 0);
            nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
        }
        hearken_stream_count(stream, &counters[i]);
        hearken_stream_destroy(stream);
        finish_record(&record);
    }
    CU_ASSERT(counters[0].partial_updates <= 2);
    CU_ASSERT(counters[1].partial_updates > counters[0].partial_updates);
    EXPECT_EQUAL(counters[0].partial_skipped, 0);
    CU_ASSERT(counters[1].partial_seconds > 0);
    free(samples);
    hearken_model_destroy(model);
}

/* Where nothing has been shown there is nothing to take back. */
static void test_silence_has_no_partials(void)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct hearken_model *model = model_of(kind ? transformer_shape(2) : recurrent_shape(2));
        struct hearken_stream_options options = stream_options_of();
        struct record record;
        float *samples = calloc(5 * RATE, sizeof(*samples));
        options.partial_seconds = 0.3f;
        transcribe(model, &options, samples, 5 * RATE, 1600, &record);
        EXPECT_EQUAL(record.partials, 0);
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
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct hearken_model *model = model_of(recurrent_shape(seed));
        size_t count;
        float *samples = make_sound(seed, 1.5, &count);
        for (float threshold = -0.75f; threshold > -3.5f; threshold -= 0.25f) {
            struct hearken_stream_options options = stream_options_of();
            struct hearken_stream *stream = NULL;
            struct screen screen = {0};
            options.beam_width = 16;
            options.ctc_weight = 1;
            options.partial_seconds = 0.4f;
            options.log_probability_threshold = threshold;
            EXPECT_EQUAL_FATAL(
                hearken_stream_create(model, &options, show_event, &screen, &stream, NULL), 0);
            EXPECT_EQUAL(hearken_stream_write(stream, samples, count, NULL), 0);
            bool before = screen.shown;
            size_t clears = screen.clears;
            EXPECT_EQUAL(hearken_stream_finish(stream, NULL), 0);
            CU_ASSERT_FALSE(screen.shown);
            dropped += before && screen.clears > clears;
            hearken_stream_destroy(stream);
        }
        free(samples);
        hearken_model_destroy(model);
    }
    CU_ASSERT(dropped > 0);
}

/* ---- When they are made ---- */

#define PIECE 0.02 /* seconds */

/*
 * Feeds `seconds` of sound in pieces; each pass takes `cost` seconds of work. If `live`, the stream
 * waits when it is idle. `longest`: the longest interval between passes.
 */
static void run(struct partial_schedule *schedule, double seconds, double cost, bool live,
                double *longest)
{
    double clock = 0, last = 0;
    *longest = 0;
    for (double at = PIECE; at < seconds + PIECE / 2; at += PIECE) {
        if (live && clock < at) {
            partial_schedule_add_idle(schedule, at - clock);
            clock = at;
        }
        partial_schedule_add_audio(schedule, PIECE);
        if (!partial_schedule_is_due(schedule))
            continue;
        clock += cost;
        partial_schedule_add_pass(schedule, cost);
        *longest = fmax(*longest, at - last);
        last = at;
    }
}

static void test_never(void)
{
    struct partial_schedule schedule;
    double longest;
    partial_schedule_init(&schedule, 0, 0.5);
    run(&schedule, 10, 0.01, true, &longest);
    CU_ASSERT(schedule.passes == 0 && schedule.skipped == 0);
}

/* A file, or share 0: passes at the same times whatever they cost. */
static void test_by_sound_alone(void)
{
    for (double cost = 0.001; cost < 3; cost *= 3)
        for (int live = 0; live < 2; live++) {
            struct partial_schedule schedule;
            double longest;
            partial_schedule_init(&schedule, 0.64, live ? 0 : 0.5);
            run(&schedule, 32, cost, live, &longest);
            EXPECT_EQUAL(schedule.passes, 50);
            EXPECT_EQUAL(schedule.skipped, 0);
            EXPECT_CLOSE(longest, 0.64, 1e-6);
        }
}

/* Live: as often as the share allows, but at most every 0.16 s where passes are cheap. */
static void test_as_often_as_is_affordable(void)
{
    static const double costs[] = {0.001, 0.05, 0.1, 0.2, 0.3};
    for (int i = 0; i < 5; i++) {
        struct partial_schedule schedule;
        double longest;
        partial_schedule_init(&schedule, 0.64, 0.5);
        run(&schedule, 100, costs[i], true, &longest);
        double every = fmax(0.16, 2 * costs[i]);
        EXPECT_CLOSE((double)schedule.passes, 100 / every, 0.12 * 100 / every + 1);
        EXPECT_CLOSE(schedule.spent, (double)schedule.passes * costs[i], 1e-6);
        CU_ASSERT(schedule.spent <= 0.5 * 100 + costs[i]);
        CU_ASSERT(longest <= 0.64 + 1e-6);
        EXPECT_EQUAL(schedule.skipped, 0);
    }
}

/* Above the share, but faster than real time: at the maximum interval. */
static void test_never_later_than_asked_for(void)
{
    struct partial_schedule schedule;
    double longest;
    partial_schedule_init(&schedule, 0.64, 0.5);
    run(&schedule, 64, 0.55, true, &longest);
    EXPECT_EQUAL(schedule.passes, 100);
    EXPECT_CLOSE(longest, 0.64, 1e-6);
    EXPECT_EQUAL(schedule.skipped, 0);
}

/* A pass slower than its sound: the stream would fall behind for ever. */
static void test_what_is_not_affordable_is_skipped(void)
{
    struct partial_schedule schedule;
    double longest;
    partial_schedule_init(&schedule, 0.64, 0.5);
    for (int i = 0; i < 100; i++) { /* silence so far: it has waited */
        partial_schedule_add_idle(&schedule, PIECE);
        partial_schedule_add_audio(&schedule, PIECE);
    }
    partial_schedule_begin_segment(&schedule, 0);
    run(&schedule, 14, 1, true, &longest);
    CU_ASSERT(schedule.skipped >= 10);
    CU_ASSERT(schedule.passes >= 13 && schedule.passes <= 15);
    CU_ASSERT(longest <= 1 + PIECE + 1e-6);
    /* A segment later it is tried again. */
    uint64_t passes = schedule.passes;
    partial_schedule_begin_segment(&schedule, 0);
    run(&schedule, 0.7, 0.01, true, &longest);
    CU_ASSERT(schedule.passes > passes);
}

/* While more of the speech is there already, a text would be late; the next one is not. */
static void test_late_texts_are_left_out(void)
{
    struct partial_schedule schedule;
    double longest;
    partial_schedule_init(&schedule, 0.64, 0.5);
    run(&schedule, 2, 0.01, true, &longest);
    uint64_t passes = schedule.passes;
    partial_schedule_set_waiting(&schedule, 0.6);
    run(&schedule, 10, 0.01, false, &longest);
    EXPECT_EQUAL(schedule.passes, passes);
    EXPECT_EQUAL(schedule.skipped, 1);
    partial_schedule_set_waiting(&schedule, 0.4);
    CU_ASSERT(partial_schedule_is_due(&schedule));
}

/* ---- Merging ---- */

/* Tokens of a text are its parts between bars. */
struct text {
    char bytes[256];
    struct vocabulary_token tokens[32];
    uint32_t count;
};

static void cut(struct text *text, const char *parts)
{
    *text = (struct text){0};
    strcpy(text->bytes, parts);
    for (char *part = strtok(text->bytes, "|"); part; part = strtok(NULL, "|"))
        text->tokens[text->count++] = (struct vocabulary_token){
            .text = part, .length = strlen(part), .control = part[0] == '<'};
}

/* Two texts, and a vocabulary in which each of their tokens has a number of its own. */
struct two_texts {
    struct text a, b;
    struct vocabulary_token tokens[64];
    struct vocabulary vocabulary;
    uint32_t numbers[64];
};

static void cut_two(struct two_texts *t, const char *a, const char *b)
{
    cut(&t->a, a);
    cut(&t->b, b);
    memcpy(t->tokens, t->a.tokens, sizeof(t->a.tokens));
    memcpy(t->tokens + t->a.count, t->b.tokens, sizeof(t->b.tokens));
    for (uint32_t i = 0; i < 64; i++)
        t->numbers[i] = i;
    t->vocabulary = (struct vocabulary){t->tokens, t->a.count + t->b.count};
}

/* The point, or -1. */
static long point(const char *committed, const char *found)
{
    struct two_texts t;
    cut_two(&t, committed, found);
    size_t at = transcript_merge_point(&t.vocabulary, t.numbers, t.a.count, t.numbers + t.a.count,
                                       t.b.count);
    return at > t.b.count ? -1 : (long)at;
}

static bool same_words(const char *one, const char *other)
{
    struct two_texts t;
    cut_two(&t, one, other);
    return transcript_has_same_words(&t.vocabulary, t.numbers, t.a.count, t.numbers + t.a.count,
                                     t.b.count);
}

static void test_variants_of_a_text(void)
{
    CU_ASSERT(same_words(" bed", " Bed|!"));
    CU_ASSERT(same_words(" B|ed|.", " bed"));
    CU_ASSERT(same_words("", "."));
    CU_ASSERT_FALSE(same_words(" bed", " beds"));
    CU_ASSERT_FALSE(same_words(" beds", " bed"));
    CU_ASSERT_FALSE(same_words("", " bed"));
    CU_ASSERT_FALSE(same_words(" na\xc3\xafve", " na\xc3\xa9ve"));
}

static void test_same_words(void)
{
    EXPECT_EQUAL(point(" the| cat", " the| cat| sat"), 2);
    EXPECT_EQUAL(point(" the| cat", " the| c|at| sat"), 3);
    EXPECT_EQUAL(point(" the| c|at", " the| cat"), 2);
    EXPECT_EQUAL(point("", " the| cat"), 0);
    EXPECT_EQUAL(point("", ""), 0);
    EXPECT_EQUAL(point(" na\xc3|\xafve", " na\xc3\xaf|ve| one"), 2);
}

static void test_marks_and_capitals(void)
{
    EXPECT_EQUAL(point(" The| cat", " the|,| cat| sat"), 3);
    EXPECT_EQUAL(point(" the|,| cat", " the| cat|,| sat"), 2); /* the mark may come */
    EXPECT_EQUAL(point(" cat|,", " cat|.| Sat"), 2);           /* there is one already */
    EXPECT_EQUAL(point(" cat|,", " cat.| Sat"), 1);
    EXPECT_EQUAL(point(" well| known", " well|-|known| man"), 3);
    EXPECT_EQUAL(point(" a|<|>", " a| b"), 1); /* control tokens are no text */
}

static void test_other_words(void)
{
    EXPECT_EQUAL(point(" the| cat", " the| car"), -1);
    EXPECT_EQUAL(point(" the| cat", " the"), -1);
    EXPECT_EQUAL(point(" the| cat", ""), -1);
    EXPECT_EQUAL(point(" the| cat", " the| cats"), -1);
    EXPECT_EQUAL(point(" the| cat", " the| cat|s| sat"), -1);
    EXPECT_EQUAL(point(" the| cat", " the| cat|'s| toy"), -1);
    EXPECT_EQUAL(point(" the| cat", " the| old| cat"), -1);
}

void add_stream_partial_tests(void)
{
    CU_pSuite suite = CU_add_suite("stream partial", NULL, NULL);
    CU_ADD_TEST(suite, test_partials);
    CU_ADD_TEST(suite, test_committed_words_stay);
    CU_ADD_TEST(suite, test_share_of_a_core);
    CU_ADD_TEST(suite, test_silence_has_no_partials);
    CU_ADD_TEST(suite, test_what_is_dropped_is_taken_back);
    suite = CU_add_suite("pace", NULL, NULL);
    CU_ADD_TEST(suite, test_never);
    CU_ADD_TEST(suite, test_by_sound_alone);
    CU_ADD_TEST(suite, test_as_often_as_is_affordable);
    CU_ADD_TEST(suite, test_never_later_than_asked_for);
    CU_ADD_TEST(suite, test_what_is_not_affordable_is_skipped);
    CU_ADD_TEST(suite, test_late_texts_are_left_out);
    suite = CU_add_suite("splice", NULL, NULL);
    CU_ADD_TEST(suite, test_same_words);
    CU_ADD_TEST(suite, test_marks_and_capitals);
    CU_ADD_TEST(suite, test_variants_of_a_text);
    CU_ADD_TEST(suite, test_other_words);
}
