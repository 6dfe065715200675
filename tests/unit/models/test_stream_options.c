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

/* What an option's default is as a user would write it. */
static void write_standard(const struct hearken_option *option, char *text, size_t size)
{
    const char *written = option->standard_text;
    if (option->type == HEARKEN_OPTION_SWITCH)
        written = option->standard > 0 ? "on" : "off";
    if (option->type == HEARKEN_OPTION_CHOICE)
        written = option->choices[(size_t)option->standard];
    snprintf(text, size, "%s", written);
    if (option->type == HEARKEN_OPTION_NUMBER || option->type == HEARKEN_OPTION_COUNT)
        snprintf(text, size, "%.15g", option->standard);
}

static size_t size_of(enum hearken_option_type type)
{
    if (type == HEARKEN_OPTION_NUMBER)
        return sizeof(float);
    return type == HEARKEN_OPTION_SWITCH ? sizeof(bool) : sizeof(unsigned);
}

static void test_table(void)
{
    bool taken[sizeof(struct hearken_stream_options)] = {false};
    const struct hearken_option *option;
    size_t count = 0;
    for (; (option = hearken_stream_option(count)); count++) {
        char text[100];
        size_t choices = 0;
        write_standard(option, text, sizeof(text));
        CU_ASSERT_STRING_EQUAL(option->standard_text, text);
        CU_ASSERT_EQUAL(option->meaning != NULL, *option->standard_text == '\0');
        CU_ASSERT(strlen(option->help) > 20 && option->help[strlen(option->help) - 1] == '.');
        CU_ASSERT(option->minimum <= option->standard && option->standard <= option->maximum);
        if (option->type != HEARKEN_OPTION_TEXT)
            CU_ASSERT_EQUAL(option->size, size_of(option->type));
        while (option->choices && option->choices[choices])
            choices++;
        CU_ASSERT_EQUAL(option->type == HEARKEN_OPTION_CHOICE, option->choices != NULL);
        if (option->choices)
            CU_ASSERT_EQUAL(option->maximum, (double)choices - 1);
        for (size_t i = 0; i < option->size; i++) {
            CU_ASSERT_FALSE(taken[option->offset + i]);
            taken[option->offset + i] = true;
        }
        CU_ASSERT_PTR_EQUAL(hearken_stream_option_find(option->name, strlen(option->name)), option);
    }
    CU_ASSERT_EQUAL(count, 27);
    CU_ASSERT_PTR_NULL(hearken_stream_option(count + 1));
    CU_ASSERT_PTR_NULL(hearken_stream_option(SIZE_MAX));
    CU_ASSERT_STRING_EQUAL(hearken_stream_option_find("voice=on", 5)->name, "voice");
    CU_ASSERT_PTR_NULL(hearken_stream_option_find("voice", 4));
    CU_ASSERT_PTR_NULL(hearken_stream_option_find("", 0));
    CU_ASSERT_PTR_NULL(hearken_stream_option_find("alignment", 9));
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
        {"custom_words_boost", offsetof(struct hearken_stream_options, custom_words_boost), 0, 10},
        {"temperature_step", offsetof(struct hearken_stream_options, temperature_step), 0, 1},
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

static void test_texts(void)
{
    struct hearken_model *model = model_of(recurrent_shape(1));
    struct hearken_stream_options options = stream_options_of();
    memset(options.language, 'x', sizeof(options.language));
    refuses(model, &options, "language is longer than 15 bytes");
    options = stream_options_of();
    memset(options.prompt, 'x', sizeof(options.prompt));
    refuses(model, &options, "prompt is longer than 1023 bytes");
    options = stream_options_of();
    memset(options.suppress_tokens, '1', sizeof(options.suppress_tokens));
    refuses(model, &options, "suppress_tokens is longer than 1023 bytes");
    options = stream_options_of();
    options.task = 2;
    refuses(model, &options, "task is 2, expected 0 to 1");
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
    options.channels = 3;
    refuses(model, &options, "channels is 3, expected 0 to 2");
    options.channels = HEARKEN_CHANNELS_EACH;
    options.audio.channels = HEARKEN_CHANNELS_EACH_MAX + 1;
    refuses(model, &options, "channels is each with 9 channels, expected at most 8");
    options.audio.channels = HEARKEN_CHANNELS_EACH_MAX;
    accepts(model, &options);
    options.channels = HEARKEN_CHANNELS_AUTO;
    options.audio.channels = HEARKEN_CHANNELS_MAX;
    accepts(model, &options);
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
    CU_ADD_TEST(suite, test_table);
    CU_ADD_TEST(suite, test_real_options);
    CU_ADD_TEST(suite, test_texts);
    CU_ADD_TEST(suite, test_whole_options);
}
