// SPDX-License-Identifier: MIT
/* Which channels are heard, and when. */
#include "models/stream/separator.h"
#include "tests/unit/common/event_record.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void add_separator_tests(void);

#define SECONDS 8
#define COUNT   ((size_t)SECONDS * RATE)
#define DELAY   37

/* What came out: lanes [1 + channels][COUNT], silence as zeros. */
struct output {
    size_t count;
    float *lanes[SEPARATOR_LANES];
    size_t heard[SEPARATOR_LANES]; /* samples of hops that were not silence */
};

static void take_hops(struct separator *s, struct output *output)
{
    struct separator_hop hop;
    while (separator_next(s, &hop)) {
        CU_ASSERT_FATAL(output->count + hop.count <= COUNT);
        for (size_t i = 0; i < SEPARATOR_LANES; i++) {
            if (!hop.lanes[i])
                continue;
            memcpy(output->lanes[i] + output->count, hop.lanes[i], hop.count * sizeof(float));
            output->heard[i] += hop.count;
        }
        output->count += hop.count;
    }
}

static struct output separate(float *const *channels, uint32_t count, bool automatic, size_t piece)
{
    struct output output = {0};
    struct separator *s;
    EXPECT_EQUAL_FATAL(separator_create(count, automatic, &s), 0);
    for (size_t i = 0; i < SEPARATOR_LANES; i++)
        output.lanes[i] = calloc(COUNT, sizeof(float));
    for (size_t at = 0; at < COUNT;) {
        float *now[HEARKEN_CHANNELS_EACH_MAX];
        size_t more = COUNT - at < piece ? COUNT - at : piece;
        for (uint32_t c = 0; c < count; c++)
            now[c] = channels[c] + at;
        separator_feed(s, now, more);
        take_hops(s, &output);
        at += more;
    }
    separator_finish(s);
    take_hops(s, &output);
    EXPECT_EQUAL(output.count, COUNT);
    separator_destroy(s);
    return output;
}

static void finish_output(struct output *output)
{
    for (size_t i = 0; i < SEPARATOR_LANES; i++)
        free(output->lanes[i]);
}

/* Sound from <= t < to, seconds; else silence. */
static float *sound_between(unsigned seed, double from, double to)
{
    size_t count;
    float *made = make_sound(seed, to - from, &count), *all = calloc(COUNT, sizeof(*all));
    memcpy(all + (size_t)(from * RATE), made, count * sizeof(*made));
    free(made);
    return all;
}

static void add_copy(float *to, const float *from, float gain)
{
    for (size_t i = DELAY; i < COUNT; i++)
        to[i] += gain * from[i - DELAY];
}

static double energy(const float *samples, double from, double to)
{
    double sum = 0;
    for (size_t i = (size_t)(from * RATE); i < (size_t)(to * RATE); i++)
        sum += (double)samples[i] * (double)samples[i];
    return sum;
}

static bool is_same(const float *a, const float *b, double from, double to)
{
    for (size_t i = (size_t)(from * RATE); i < (size_t)(to * RATE); i++)
        if (a[i] != b[i]) /* whatever the sign of zero */
            return false;
    return true;
}

/* Energy of the difference as a share of that of `b`. */
static double distance(const float *a, const float *b, double from, double to)
{
    double sum = 0;
    for (size_t i = (size_t)(from * RATE); i < (size_t)(to * RATE); i++)
        sum += (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
    return sum / energy(b, from, to);
}

/* Two that have nothing in common are left as they are, to the bit. */
static void test_different_channels(void)
{
    for (int automatic = 0; automatic < 2; automatic++) {
        float *channels[] = {sound_between(1, 0, SECONDS), sound_between(2, 0, SECONDS)};
        struct output output = separate(channels, 2, automatic, SEPARATOR_HOP);
        EXPECT_EQUAL(output.heard[0], 0);
        for (size_t c = 0; c < 2; c++) {
            CU_ASSERT(is_same(output.lanes[c + 1], channels[c], 0, SECONDS));
            free(channels[c]);
        }
        finish_output(&output);
    }
}

/* Mono in two channels is heard once: with `automatic` mixed, whose mean has the same bits. The
 * inverse is a copy, too. */
static void test_same_channels(void)
{
    for (int inverse = 0; inverse < 2; inverse++) {
        float *channels[] = {sound_between(1, 0, SECONDS), sound_between(1, 0, SECONDS)};
        for (size_t i = 0; inverse && i < COUNT; i++)
            channels[1][i] = -channels[1][i];
        struct output each = separate(channels, 2, false, SEPARATOR_HOP);
        struct output automatic = separate(channels, 2, true, SEPARATOR_HOP);
        CU_ASSERT(is_same(each.lanes[1], channels[0], 0, SECONDS));
        EXPECT_EQUAL(each.heard[0] + each.heard[2], 0);
        EXPECT_EQUAL(automatic.heard[1] + automatic.heard[2], 0);
        if (!inverse) {
            CU_ASSERT(is_same(automatic.lanes[0], channels[0], 0, SECONDS));
        } else {
            EXPECT_CLOSE(energy(automatic.lanes[0], 1, 8) / energy(channels[0], 1, 8), 1, 0.01);
        }
        finish_output(&each);
        finish_output(&automatic);
        free(channels[0]);
        free(channels[1]);
    }
}

/* They take turns, and each channel picks up the other one, 20 dB softer and later. */
static void test_cross_talk(void)
{
    for (int automatic = 0; automatic < 2; automatic++) {
        float *a = sound_between(1, 0.5, 3.5), *b = sound_between(2, 4, 7);
        float *channels[] = {sound_between(1, 0.5, 3.5), sound_between(2, 4, 7)};
        add_copy(channels[0], b, 0.1f);
        add_copy(channels[1], a, 0.1f);
        struct output output = separate(channels, 2, automatic, SEPARATOR_HOP);
        EXPECT_EQUAL(output.heard[0], 0);
        CU_ASSERT(distance(output.lanes[1], channels[0], 0.5, 3.5) < 1e-3);
        CU_ASSERT(distance(output.lanes[2], channels[1], 4, 7) < 1e-3);
        EXPECT_CLOSE(energy(output.lanes[1], 3.7, 7.5), 0, 1e-9);
        EXPECT_CLOSE(energy(output.lanes[2], 0.2, 3.7), 0, 1e-9);
        finish_output(&output);
        free(channels[0]);
        free(channels[1]);
        free(a);
        free(b);
    }
}

/* A channel that has sound of its own at the time is not silenced: what leaks into it is taken
 * away, once enough of it was heard. */
static void test_cross_talk_at_once(void)
{
    float *a = sound_between(1, 0, 8), *b = sound_between(2, 0, 8);
    float *channels[] = {sound_between(1, 0, 8), sound_between(2, 0, 8)};
    add_copy(channels[0], b, 0.1f);
    add_copy(channels[1], a, 0.1f);
    struct output output = separate(channels, 2, false, SEPARATOR_HOP);
    CU_ASSERT(distance(output.lanes[1], a, 0, 2) < 0.05);
    CU_ASSERT(distance(output.lanes[2], b, 0, 2) < 0.05);
    CU_ASSERT(distance(output.lanes[1], a, 4, 8) < 0.1 * distance(channels[0], a, 4, 8));
    CU_ASSERT(distance(output.lanes[2], b, 4, 8) < 0.1 * distance(channels[1], b, 4, 8));
    finish_output(&output);
    free(channels[0]);
    free(channels[1]);
    free(a);
    free(b);
}

/* A recording that is announced in both channels is heard apart when two speak. */
static void test_change(void)
{
    float *channels[] = {sound_between(1, 0, SECONDS), sound_between(1, 0, SECONDS)};
    float *other = sound_between(3, 0, SECONDS);
    memcpy(channels[1] + 2 * RATE, other + 2 * RATE, 6 * RATE * sizeof(*other));
    struct output output = separate(channels, 2, true, SEPARATOR_HOP);
    CU_ASSERT(is_same(output.lanes[0], channels[0], 0, 1.5));
    EXPECT_CLOSE(energy(output.lanes[1], 0, 1.5) + energy(output.lanes[2], 0, 1.5), 0, 0);
    CU_ASSERT(is_same(output.lanes[1], channels[0], 7.8, 8));
    CU_ASSERT(is_same(output.lanes[2], channels[1], 7.8, 8));
    EXPECT_CLOSE(energy(output.lanes[0], 7.8, 8), 0, 0);
    finish_output(&output);
    free(channels[0]);
    free(channels[1]);
    free(other);
}

static void test_pieces(void)
{
    float *channels[] = {sound_between(1, 0, 6), sound_between(2, 3, SECONDS),
                         sound_between(4, 2, 5)};
    add_copy(channels[2], channels[0], 0.2f);
    for (int automatic = 0; automatic < 2; automatic++) {
        struct output whole = separate(channels, 3, automatic, SEPARATOR_HOP);
        struct output pieces = separate(channels, 3, automatic, 333);
        for (size_t i = 0; i < 4; i++)
            CU_ASSERT(is_same(whole.lanes[i], pieces.lanes[i], 0, SECONDS));
        finish_output(&whole);
        finish_output(&pieces);
    }
    for (size_t c = 0; c < 3; c++)
        free(channels[c]);
}

/* Recordings of any length, whose windows are cut. */
static void test_short_sounds(void)
{
    float *sound = sound_between(1, 0, 1), *other = sound_between(2, 0, 1);
    for (size_t count = 1; count < RATE; count += 317) {
        for (int kind = 0; kind < 4; kind++) {
            struct separator *s;
            struct separator_hop hop;
            size_t got = 0;
            float *pair[] = {sound, kind % 2 ? sound : other};
            EXPECT_EQUAL_FATAL(separator_create(2, kind / 2, &s), 0);
            for (size_t at = 0; at < count; at += SEPARATOR_HOP) {
                float *now[] = {pair[0] + at, pair[1] + at};
                separator_feed(s, now, count - at < SEPARATOR_HOP ? count - at : SEPARATOR_HOP);
                while (separator_next(s, &hop))
                    got += hop.count;
            }
            separator_finish(s);
            while (separator_next(s, &hop))
                got += hop.count;
            EXPECT_EQUAL(got, count);
            separator_destroy(s);
        }
    }
    free(sound);
    free(other);
}

/* Nothing, silence, and what integers make of floats. */
static void test_extremes(void)
{
    for (int automatic = 0; automatic < 2; automatic++) {
        struct separator *s;
        struct separator_hop hop;
        EXPECT_EQUAL_FATAL(separator_create(8, automatic, &s), 0);
        separator_finish(s);
        CU_ASSERT_FALSE(separator_next(s, &hop));
        separator_destroy(s);
    }
    float *channels[] = {calloc(COUNT, sizeof(float)), calloc(COUNT, sizeof(float))};
    struct output output = separate(channels, 2, false, SEPARATOR_HOP);
    EXPECT_EQUAL(output.heard[1] + output.heard[2], 0);
    finish_output(&output);
    for (size_t i = 0; i < COUNT; i++)
        channels[0][i] = channels[1][i] = i / 100 % 2 ? 0x1p31f : -0x1p31f;
    output = separate(channels, 2, true, SEPARATOR_HOP);
    CU_ASSERT(is_same(output.lanes[0], channels[0], 0, SECONDS));
    finish_output(&output);
    free(channels[0]);
    free(channels[1]);
}

void add_separator_tests(void)
{
    CU_pSuite suite = CU_add_suite("separator", NULL, NULL);
    CU_ADD_TEST(suite, test_different_channels);
    CU_ADD_TEST(suite, test_same_channels);
    CU_ADD_TEST(suite, test_cross_talk);
    CU_ADD_TEST(suite, test_cross_talk_at_once);
    CU_ADD_TEST(suite, test_change);
    CU_ADD_TEST(suite, test_pieces);
    CU_ADD_TEST(suite, test_short_sounds);
    CU_ADD_TEST(suite, test_extremes);
}
