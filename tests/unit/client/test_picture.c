// SPDX-License-Identifier: MIT
/* The attention picture: its colours, and where what stands. */
#include "daemon/client/picture/picture.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void add_picture_tests(void);

/* ---- Colours ---- */

#define MAPS 3

/* Lightness L* of CIELAB, by the luminance of linear sRGB. */
static double lightness(struct picture_colour colour)
{
    const double weights[] = {0.2126729, 0.7151522, 0.0721750};
    const uint8_t bytes[] = {colour.red, colour.green, colour.blue};
    double luminance = 0;
    for (int i = 0; i < 3; i++)
        luminance += weights[i] * (bytes[i] <= 10 ? bytes[i] / 255.0 / 12.92
                                                  : pow((bytes[i] / 255.0 + 0.055) / 1.055, 2.4));
    return luminance > 216.0 / 24389 ? 116 * cbrt(luminance) - 16 : luminance * 24389 / 27;
}

static void check_colour(struct picture_colour colour, int red, int green, int blue)
{
    CU_ASSERT(colour.red == red && colour.green == green && colour.blue == blue);
}

static void test_ends(void)
{
    struct picture_map map;
    picture_map_init(&map, PICTURE_MAP_SOUND);
    check_colour(picture_map_at(&map, 0), 0x00, 0x00, 0x04);
    check_colour(picture_map_at(&map, 1), 0xfc, 0xfd, 0xbf);
    picture_map_init(&map, PICTURE_MAP_SOUND_LIGHT);
    check_colour(picture_map_at(&map, 0), 0xff, 0xff, 0xff);
    check_colour(picture_map_at(&map, 1), 0x00, 0x00, 0x04);
    picture_map_init(&map, PICTURE_MAP_ATTENTION);
    check_colour(picture_map_at(&map, 0), 0xff, 0xff, 0xff);
    check_colour(picture_map_at(&map, 1), 0x08, 0x30, 0x6b);
    check_colour(picture_map_at(&map, -1), 0xff, 0xff, 0xff);
    check_colour(picture_map_at(&map, 9), 0x08, 0x30, 0x6b);
    check_colour(picture_map_at(&map, (double)NAN), 0xff, 0xff, 0xff);
}

/* In grey, too, more is darker (or lighter) all the way. */
static void test_lightness_never_turns(void)
{
    for (int name = 0; name < MAPS; name++) {
        struct picture_map map;
        picture_map_init(&map, (enum picture_map_name)name);
        double sign = name == PICTURE_MAP_SOUND ? 1 : -1;
        for (int i = 8; i < PICTURE_MAP_COLOURS; i++)
            CU_ASSERT(sign * (lightness(map.colours[i]) - lightness(map.colours[i - 8])) > 0);
    }
}

/* No step of the value is more to the eye than twice the mean, so none makes a band. */
static void test_steps_are_even(void)
{
    for (int name = 0; name < MAPS; name++) {
        struct picture_map map;
        picture_map_init(&map, (enum picture_map_name)name);
        double whole =
            fabs(lightness(map.colours[PICTURE_MAP_COLOURS - 1]) - lightness(map.colours[0]));
        for (int i = 16; i < PICTURE_MAP_COLOURS; i += 16) {
            double step = fabs(lightness(map.colours[i]) - lightness(map.colours[i - 16]));
            CU_ASSERT(step < 2 * whole / 16);
        }
    }
}

/* ---- Layout ---- */

#define LONGEST 10.0

static struct picture_span panels[64];

static size_t cut(const struct picture_span *words, size_t count, double seconds)
{
    CU_ASSERT_FATAL(picture_panels_max(seconds, LONGEST) <= 64);
    return picture_panels(words, count, seconds, LONGEST, panels);
}

static void test_short_recordings_are_one_panel(void)
{
    static const double lengths[] = {0, 0.1, 9.9, 10, 11.9};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        EXPECT_EQUAL(cut(NULL, 0, lengths[i]), 1);
        EXPECT_EQUAL(panels[0].start, 0);
        EXPECT_EQUAL(panels[0].end, lengths[i]);
        EXPECT_EQUAL(picture_panel_seconds(panels, 1), fmax(lengths[i], 0.1));
    }
    EXPECT_EQUAL(cut(NULL, 0, 12.1), 2);
}

/* In the longest pause of the last third, though a shorter one comes later. */
static void test_cuts_in_the_pause(void)
{
    const struct picture_span words[] = {{0, 5}, {6, 7}, {8, 9}, {9.4, 9.9}, {10, 20}};
    EXPECT_EQUAL(cut(words, 5, 17), 2);
    EXPECT_CLOSE(panels[0].end, 7.5, 1e-9);
    EXPECT_EQUAL(panels[1].start, panels[0].end);
    EXPECT_EQUAL(panels[1].end, 17);
}

/* A pause that began before, in which nothing ends. */
static void test_cuts_in_a_long_silence(void)
{
    const struct picture_span words[] = {{0, 1}, {9, 12}};
    EXPECT_EQUAL(cut(words, 2, 15), 2);
    CU_ASSERT(panels[0].end > 6.6 && panels[0].end <= 9);
    const struct picture_span late = {8, 14};
    EXPECT_EQUAL(cut(&late, 1, 15), 2);
    CU_ASSERT(panels[0].end > 6.6 && panels[0].end <= 8);
}

/* Words that touch are cut between; where all is one word, a full panel is cut through it. */
static void test_cuts_without_pauses(void)
{
    const struct picture_span words[] = {{0, 5}, {5, 8}, {8, 9.5}, {9.5, 20}};
    cut(words, 4, 20);
    EXPECT_CLOSE(panels[0].end, 9.5, 1e-9);
    const struct picture_span one = {1, 39};
    EXPECT_EQUAL(cut(&one, 1, 40), 4);
    EXPECT_CLOSE(panels[0].end, 10, 1e-9);
}

/* Whatever the words are, in whatever order: panels follow each other, none is too long, and each
 * word that is not longer than a third of one is in exactly one panel. */
static void test_any_words(void)
{
    unsigned seed = (unsigned)time(NULL);
    printf("(seed %u) ", seed);
    srand(seed);
    for (int round = 0; round < 200; round++) {
        struct picture_span words[100];
        double seconds = 180.0 * rand() / RAND_MAX;
        for (size_t i = 0; i < 100; i++) {
            words[i].start = seconds * rand() / RAND_MAX;
            words[i].end = words[i].start + 2.0 * rand() / RAND_MAX;
        }
        size_t count = cut(words, 100, seconds);
        CU_ASSERT(count <= picture_panels_max(seconds, LONGEST));
        CU_ASSERT(panels[0].start == 0 && panels[count - 1].end == seconds);
        for (size_t i = 0; i + 1 < count; i++) {
            double length = panels[i].end - panels[i].start;
            CU_ASSERT(panels[i].end == panels[i + 1].start);
            CU_ASSERT(length > LONGEST * 0.66 && length <= LONGEST + 1e-9);
        }
        for (size_t i = 0; i < 100; i++) {
            int shown = 0;
            for (size_t k = 0; k < count; k++)
                shown += picture_panel_shows(panels, count, k, words[i]);
            EXPECT_EQUAL(shown, 1);
        }
    }
}

static void test_ticks(void)
{
    EXPECT_CLOSE(picture_tick_seconds(10, 1000, 70), 1, 1e-9);
    EXPECT_CLOSE(picture_tick_seconds(10, 1000, 101), 2, 1e-9);
    EXPECT_CLOSE(picture_tick_seconds(10, 1000, 300), 5, 1e-9);
    EXPECT_CLOSE(picture_tick_seconds(10, 1000, 501), 10, 1e-9);
    EXPECT_CLOSE(picture_tick_seconds(2, 1000, 70), 0.2, 1e-9);
    EXPECT_CLOSE(picture_tick_seconds(0.1, 1000, 70), 0.1, 1e-9);
}

static void test_labels(void)
{
    struct picture_span plot = {100, 500};
    EXPECT_EQUAL(picture_label_at((struct picture_span){120, 150}, 40, 5, plot), 155);
    EXPECT_EQUAL(picture_label_at((struct picture_span){430, 455}, 40, 5, plot), 460);
    EXPECT_EQUAL(picture_label_at((struct picture_span){430, 456}, 40, 5, plot), 385);
    /* No room on either side: within the plot; wider than it: from its start. */
    EXPECT_EQUAL(picture_label_at((struct picture_span){110, 490}, 40, 5, plot), 100);
    EXPECT_EQUAL(picture_label_at((struct picture_span){110, 490}, 900, 5, plot), 100);
}

void add_picture_tests(void)
{
    CU_pSuite suite = CU_add_suite("picture colours", NULL, NULL);
    CU_add_test(suite, "ends", test_ends);
    CU_add_test(suite, "lightness never turns", test_lightness_never_turns);
    CU_add_test(suite, "steps are even", test_steps_are_even);
    suite = CU_add_suite("picture layout", NULL, NULL);
    CU_add_test(suite, "short recordings are one panel", test_short_recordings_are_one_panel);
    CU_add_test(suite, "cuts in the longest pause", test_cuts_in_the_pause);
    CU_add_test(suite, "cuts in a long silence", test_cuts_in_a_long_silence);
    CU_add_test(suite, "cuts without pauses", test_cuts_without_pauses);
    CU_add_test(suite, "any words", test_any_words);
    CU_add_test(suite, "ticks", test_ticks);
    CU_add_test(suite, "labels", test_labels);
}
