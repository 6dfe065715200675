// SPDX-License-Identifier: MIT
/* What needs no sound system; tests/e2e/test_capture.py has one. */
#include "frontend/capture/device_failover.h"
#include "frontend/capture/device_probe.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <string.h>

void add_capture_tests(void);

static void test_level(void)
{
    struct hearken_level level;
    float samples[] = {0.5f, -0.5f, 0.5f, -0.5f, 1, -1, 0, 0};
    hearken_level_measure(samples, 0, &level);
    CU_ASSERT(level.rms == 0 && level.peak == 0);
    hearken_level_measure(samples, 4, &level);
    CU_ASSERT(level.rms == 0.5f && level.peak == 0.5f);
    hearken_level_measure(samples, 8, &level);
    CU_ASSERT(fabsf(level.rms - sqrtf(3.0f / 8)) < 1e-6f && level.peak == 1);
    samples[7] = -2;
    hearken_level_measure(samples, 8, &level);
    CU_ASSERT(level.peak == 2);
}

/* Each message names the value and what was expected. */
static void test_options_out_of_range(void)
{
    static const struct {
        struct hearken_capture_options options;
        const char *said;
    } wrong[] = {
        {{.rate = 999, .buffer_seconds = 10}, "999 Hz"},
        {{.rate = 768001, .buffer_seconds = 10}, "768001 Hz"},
        {{.channels = 65, .buffer_seconds = 10}, "65 channels"},
        {{.frames = 65537, .buffer_seconds = 10}, "65537 frames"},
        {{.buffer_seconds = 0}, "0 seconds"},
        {{.buffer_seconds = 61}, "61 seconds"},
        {{.buffer_seconds = NAN}, "nan seconds"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct hearken_capture *capture = NULL;
        struct hearken_error error = {""};
        CU_ASSERT_EQUAL(hearken_capture_open(&wrong[i].options, NULL, NULL, &capture, &error),
                        -EINVAL);
        CU_ASSERT(strstr(error.message, wrong[i].said) && strstr(error.message, "expected"));
        CU_ASSERT_PTR_NULL(capture);
    }
    hearken_capture_destroy(NULL);
}

static void test_names_of_cards(void)
{
    int card = -1, device = -1;
    CU_ASSERT(capture_device_name_place("USB Audio: #1 (hw:2,10)", &card, &device));
    CU_ASSERT(card == 2 && device == 10);
    CU_ASSERT_FALSE(capture_device_name_place("default", &card, &device));
    CU_ASSERT_FALSE(capture_device_name_place("odd (hw:x,1)", &card, &device));
    CU_ASSERT_FALSE(capture_device_name_place("odd (hw:-1,1)", &card, &device));
    CU_ASSERT_EQUAL(capture_device_name_length("USB Audio: #1 (hw:2,10)"), 13);
    CU_ASSERT_EQUAL(capture_device_name_length("default"), 7);
    CU_ASSERT_EQUAL(capture_device_name_length(""), 0);
}

static void test_words_for_the_default(void)
{
    CU_ASSERT(capture_device_text_is_default(NULL) && capture_device_text_is_default(""));
    CU_ASSERT(capture_device_text_is_default("default"));
    CU_ASSERT_FALSE(capture_device_text_is_default("mic"));
    CU_ASSERT_FALSE(capture_device_text_is_default("0"));
}

void add_capture_tests(void)
{
    CU_pSuite suite = CU_add_suite("capture", NULL, NULL);
    CU_add_test(suite, "level", test_level);
    CU_add_test(suite, "options out of range", test_options_out_of_range);
    CU_add_test(suite, "names of cards", test_names_of_cards);
    CU_add_test(suite, "words for the default", test_words_for_the_default);
}
