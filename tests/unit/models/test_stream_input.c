// SPDX-License-Identifier: MIT
/* What streams are fed with, and how. */
#include "tests/unit/common/event_record.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void add_stream_input_tests(void);

/* ---- How it is fed ---- */

static void test_pieces_of_any_size(void)
{
    static const size_t pieces[] = {1, 7, 160, 1000, 4095, 4096, 4097, 50000};
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct hearken_model *model = model_of(kind ? transformer_shape(2) : recurrent_shape(2));
        struct hearken_stream_options options = stream_options_of();
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
        struct hearken_stream_options options = stream_options_of();
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
    struct hearken_stream_options options = stream_options_of();
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
    struct hearken_stream_options options = stream_options_of();
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
    struct hearken_stream_options options = stream_options_of();
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
    struct hearken_stream_options options = stream_options_of();
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
        struct hearken_stream_options options = stream_options_of();
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

void add_stream_input_tests(void)
{
    CU_pSuite suite = CU_add_suite("stream input", NULL, NULL);
    CU_ADD_TEST(suite, test_pieces_of_any_size);
    CU_ADD_TEST(suite, test_rates);
    CU_ADD_TEST(suite, test_types);
    CU_ADD_TEST(suite, test_eight_bits);
    CU_ADD_TEST(suite, test_no_samples);
    CU_ADD_TEST(suite, test_silence);
    CU_ADD_TEST(suite, test_short_sound);
}
