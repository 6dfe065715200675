// SPDX-License-Identifier: MIT
#include "daemon/client/picture/picture_layout.h"

#include <CUnit/Basic.h>
#include <math.h>

void add_picture_colour_tests(void);

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

void add_picture_colour_tests(void)
{
    CU_pSuite suite = CU_add_suite("picture colours", NULL, NULL);
    CU_add_test(suite, "ends", test_ends);
    CU_add_test(suite, "lightness never turns", test_lightness_never_turns);
    CU_add_test(suite, "steps are even", test_steps_are_even);
}
