// SPDX-License-Identifier: MIT
/* Options of streams. */
#include "tests/unit/common/event_record.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void add_stream_options_tests(void);

static void refuses(struct hearken_model *model, const struct hearken_stream_options *options,
                    const char *name)
{
    struct hearken_stream *stream = NULL;
    struct hearken_error error = {""};
    EXPECT_EQUAL(hearken_stream_create(model, options, take_event, NULL, &stream, &error), -EINVAL);
    CU_ASSERT_PTR_NULL(stream);
    EXPECT_CONTAINS(error.message, name);
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
    EXPECT_EQUAL(o.audio.type, HEARKEN_SAMPLE_F32);
    CU_ASSERT(o.beam_width == 4 && o.length_penalty == 1 && o.padding == -1);
    CU_ASSERT(o.segment_seconds == 28 && o.partial_seconds == 0 && !o.alignment);
    EXPECT_EQUAL(o.partial_share, 0.5f);
    CU_ASSERT(o.voice && o.voice_threshold == 0.5f && o.pre_roll == 0.5f);
    CU_ASSERT(o.endpoint_seconds == 0.6f && !o.endpointing && !o.voice_events);
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
        {"padding", offsetof(struct hearken_stream_options, padding), -1, 30},
        {"segment_seconds", offsetof(struct hearken_stream_options, segment_seconds), 2, 28},
        {"no_speech_threshold", offsetof(struct hearken_stream_options, no_speech_threshold), 0, 1},
        {"log_probability_threshold",
         offsetof(struct hearken_stream_options, log_probability_threshold), -100, 0},
        {"compression_threshold", offsetof(struct hearken_stream_options, compression_threshold), 1,
         1000},
        {"partial_seconds", offsetof(struct hearken_stream_options, partial_seconds), 0, 28},
        {"partial_share", offsetof(struct hearken_stream_options, partial_share), 0, 1},
        {"voice_threshold", offsetof(struct hearken_stream_options, voice_threshold), 0.05f, 0.95f},
        {"pre_roll", offsetof(struct hearken_stream_options, pre_roll), 0, 2},
        {"endpoint_seconds", offsetof(struct hearken_stream_options, endpoint_seconds), 0.1f, 10},
    };
    struct hearken_model *model = model_of(recurrent_shape(1));
    for (size_t i = 0; i < sizeof(reals) / sizeof(*reals); i++) {
        const float wrong[] = {nextafterf(reals[i].lowest, -INFINITY),
                               nextafterf(reals[i].highest, INFINITY), NAN, INFINITY, -INFINITY};
        const float right[] = {reals[i].lowest, reals[i].highest};
        for (size_t k = 0; k < 5; k++) {
            struct hearken_stream_options options = stream_options_of();
            memcpy((char *)&options + reals[i].at, &wrong[k], sizeof(float));
            refuses(model, &options, reals[i].name);
        }
        for (size_t k = 0; k < 2; k++) {
            struct hearken_stream_options options = stream_options_of();
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
        options = stream_options_of();
        options.beam_width = widths[i];
        refuses(model, &options, "beam_width");
    }
    static const uint32_t rates[] = {0, 999, 768001, UINT32_MAX}, channels[] = {0, 65, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        options = stream_options_of();
        options.audio.rate = rates[i];
        refuses(model, &options, "rate");
    }
    for (size_t i = 0; i < 3; i++) {
        options = stream_options_of();
        options.audio.channels = channels[i];
        refuses(model, &options, "channel");
    }
    options = stream_options_of();
    options.audio.type = (enum hearken_sample_type)5;
    refuses(model, &options, "type");
    options = stream_options_of();
    options.beam_width = 16;
    options.audio = (struct hearken_audio_format){1000, 64, HEARKEN_SAMPLE_U8};
    accepts(model, &options);
    options.audio.rate = 768000;
    accepts(model, &options);
    hearken_model_destroy(model);
}

void add_stream_options_tests(void)
{
    CU_pSuite suite = CU_add_suite("stream options", NULL, NULL);
    CU_ADD_TEST(suite, test_defaults);
    CU_ADD_TEST(suite, test_real_options);
    CU_ADD_TEST(suite, test_whole_options);
}
