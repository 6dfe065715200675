// SPDX-License-Identifier: MIT
/* The layout of the public structs where pointers have 64 bits: programs and plugins are built
 * against it. A change here needs another SONAME or another HEARKEN_PLUGIN_ABI, but for members
 * added at the end of a struct that begins with its size. */
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <hearken/hearken.h>
#include <hearken/plugin.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void add_interface_layout_tests(void);

#define SIZE(type, expected)                                                                       \
    {                                                                                              \
        "sizeof " #type, sizeof(struct type), expected                                             \
    }
#define AT(type, member, expected)                                                                 \
    {                                                                                              \
#type "." #member, offsetof(struct type, member), expected                                 \
    }

static const struct {
    const char *name;
    size_t found, expected;
} layout[] = {
    SIZE(hearken_error, 1024),
    AT(hearken_error, message, 0),
    SIZE(hearken_audio_format, 12),
    AT(hearken_audio_format, rate, 0),
    AT(hearken_audio_format, channels, 4),
    AT(hearken_audio_format, type, 8),
    SIZE(hearken_source_warning, 24),
    AT(hearken_source_warning, message, 0),
    AT(hearken_source_warning, seconds, 8),
    AT(hearken_source_warning, lossy, 16),
    SIZE(hearken_level, 8),
    AT(hearken_level, rms, 0),
    AT(hearken_level, peak, 4),
    SIZE(hearken_device, 40),
    AT(hearken_device, index, 0),
    AT(hearken_device, name, 8),
    AT(hearken_device, system, 16),
    AT(hearken_device, channels, 24),
    AT(hearken_device, rate, 28),
    AT(hearken_device, is_default, 32),
    SIZE(hearken_capture_options, 48),
    AT(hearken_capture_options, struct_size, 0),
    AT(hearken_capture_options, device, 8),
    AT(hearken_capture_options, rate, 16),
    AT(hearken_capture_options, channels, 20),
    AT(hearken_capture_options, frames, 24),
    AT(hearken_capture_options, buffer_seconds, 28),
    AT(hearken_capture_options, log, 32),
    AT(hearken_capture_options, log_context, 40),
    SIZE(hearken_capture_event, 48),
    AT(hearken_capture_event, type, 0),
    AT(hearken_capture_event, device, 8),
    AT(hearken_capture_event, reason, 16),
    AT(hearken_capture_event, rate, 24),
    AT(hearken_capture_event, channels, 28),
    AT(hearken_capture_event, overruns, 32),
    AT(hearken_capture_event, lost_seconds, 40),
    SIZE(hearken_backend_options, 56),
    AT(hearken_backend_options, struct_size, 0),
    AT(hearken_backend_options, backend, 8),
    AT(hearken_backend_options, plugin_directory, 16),
    AT(hearken_backend_options, cpu_mask, 24),
    AT(hearken_backend_options, threads, 32),
    AT(hearken_backend_options, log, 40),
    AT(hearken_backend_options, log_context, 48),
    SIZE(hearken_plugin_report, 40),
    AT(hearken_plugin_report, path, 0),
    AT(hearken_plugin_report, name, 8),
    AT(hearken_plugin_report, description, 16),
    AT(hearken_plugin_report, score, 24),
    AT(hearken_plugin_report, reason, 32),
    SIZE(hearken_model_item, 40),
    AT(hearken_model_item, name, 0),
    AT(hearken_model_item, type, 8),
    AT(hearken_model_item, value, 16),
    AT(hearken_model_item, shape, 24),
    AT(hearken_model_item, bytes, 32),
    SIZE(hearken_word, 32),
    AT(hearken_word, text, 0),
    AT(hearken_word, start, 8),
    AT(hearken_word, end, 16),
    AT(hearken_word, confidence, 24),
    SIZE(hearken_alignment, 40),
    AT(hearken_alignment, tokens, 0),
    AT(hearken_alignment, steps, 4),
    AT(hearken_alignment, start, 8),
    AT(hearken_alignment, step_seconds, 16),
    AT(hearken_alignment, texts, 24),
    AT(hearken_alignment, weights, 32),
    SIZE(hearken_event, 104),
    AT(hearken_event, type, 0),
    AT(hearken_event, start, 8),
    AT(hearken_event, end, 16),
    AT(hearken_event, text, 24),
    AT(hearken_event, confidence, 32),
    AT(hearken_event, committed, 40),
    AT(hearken_event, word_count, 48),
    AT(hearken_event, words, 56),
    AT(hearken_event, committed_words, 64),
    AT(hearken_event, alignment, 72),
    AT(hearken_event, language, 80),
    AT(hearken_event, language_probability, 88),
    AT(hearken_event, channel, 92),
    AT(hearken_event, no_speech_probability, 96),
    SIZE(hearken_stream_options, 2184),
    AT(hearken_stream_options, struct_size, 0),
    AT(hearken_stream_options, audio, 8),
    AT(hearken_stream_options, beam_width, 20),
    AT(hearken_stream_options, length_penalty, 24),
    AT(hearken_stream_options, ctc_weight, 28),
    AT(hearken_stream_options, padding, 32),
    AT(hearken_stream_options, segment_seconds, 36),
    AT(hearken_stream_options, no_speech_threshold, 40),
    AT(hearken_stream_options, log_probability_threshold, 44),
    AT(hearken_stream_options, compression_threshold, 48),
    AT(hearken_stream_options, custom_words, 56),
    AT(hearken_stream_options, custom_words_boost, 64),
    AT(hearken_stream_options, partial_seconds, 68),
    AT(hearken_stream_options, partial_share, 72),
    AT(hearken_stream_options, alignment, 76),
    AT(hearken_stream_options, voice, 77),
    AT(hearken_stream_options, voice_threshold, 80),
    AT(hearken_stream_options, pre_roll, 84),
    AT(hearken_stream_options, endpoint_seconds, 88),
    AT(hearken_stream_options, endpointing, 92),
    AT(hearken_stream_options, voice_events, 93),
    AT(hearken_stream_options, language, 94),
    AT(hearken_stream_options, task, 112),
    AT(hearken_stream_options, timestamps, 116),
    AT(hearken_stream_options, previous_text, 117),
    AT(hearken_stream_options, prompt, 118),
    AT(hearken_stream_options, suppress_tokens, 1142),
    AT(hearken_stream_options, suppress_blank, 2166),
    AT(hearken_stream_options, temperature_step, 2168),
    AT(hearken_stream_options, seed, 2172),
    AT(hearken_stream_options, exact, 2176),
    AT(hearken_stream_options, channels, 2180),
    SIZE(hearken_option, 88),
    AT(hearken_option, name, 0),
    AT(hearken_option, type, 8),
    AT(hearken_option, offset, 16),
    AT(hearken_option, size, 24),
    AT(hearken_option, minimum, 32),
    AT(hearken_option, maximum, 40),
    AT(hearken_option, choices, 48),
    AT(hearken_option, standard, 56),
    AT(hearken_option, standard_text, 64),
    AT(hearken_option, meaning, 72),
    AT(hearken_option, help, 80),
    SIZE(hearken_stream_counters, 32),
    AT(hearken_stream_counters, partial_updates, 0),
    AT(hearken_stream_counters, partial_skipped, 8),
    AT(hearken_stream_counters, partial_seconds, 16),
    AT(hearken_stream_counters, early_finals, 24),
    SIZE(hearken_plugin_host, 40),
    AT(hearken_plugin_host, struct_size, 0),
    AT(hearken_plugin_host, cpu_mask, 8),
    AT(hearken_plugin_host, threads, 16),
    AT(hearken_plugin_host, log_context, 24),
    AT(hearken_plugin_host, log, 32),
    SIZE(hearken_probe, 260),
    AT(hearken_probe, score, 0),
    AT(hearken_probe, reason, 4),
    SIZE(hearken_weights, 32),
    AT(hearken_weights, type, 0),
    AT(hearken_weights, use, 4),
    AT(hearken_weights, rows, 8),
    AT(hearken_weights, columns, 12),
    AT(hearken_weights, taps, 16),
    AT(hearken_weights, data, 24),
    SIZE(hearken_matrix, 32),
    AT(hearken_matrix, buffer, 0),
    AT(hearken_matrix, offset, 8),
    AT(hearken_matrix, rows, 16),
    AT(hearken_matrix, columns, 20),
    AT(hearken_matrix, stride, 24),
    SIZE(hearken_linear, 96),
    AT(hearken_linear, out, 0),
    AT(hearken_linear, in, 32),
    AT(hearken_linear, weight, 64),
    AT(hearken_linear, bias, 72),
    AT(hearken_linear, activation, 80),
    AT(hearken_linear, residual, 88),
    SIZE(hearken_convolve, 112),
    AT(hearken_convolve, out, 0),
    AT(hearken_convolve, in, 32),
    AT(hearken_convolve, weight, 64),
    AT(hearken_convolve, bias, 72),
    AT(hearken_convolve, stride, 80),
    AT(hearken_convolve, padding, 84),
    AT(hearken_convolve, activation, 88),
    AT(hearken_convolve, positions, 96),
    AT(hearken_convolve, position, 104),
    SIZE(hearken_layer_norm, 88),
    AT(hearken_layer_norm, out, 0),
    AT(hearken_layer_norm, in, 32),
    AT(hearken_layer_norm, scale, 64),
    AT(hearken_layer_norm, shift, 72),
    AT(hearken_layer_norm, epsilon, 80),
    SIZE(hearken_stand_ins, 8),
    AT(hearken_stand_ins, count, 0),
    AT(hearken_stand_ins, bias, 4),
    SIZE(hearken_self_attend, 152),
    AT(hearken_self_attend, out, 0),
    AT(hearken_self_attend, qkv, 32),
    AT(hearken_self_attend, keys, 64),
    AT(hearken_self_attend, values, 96),
    AT(hearken_self_attend, sequences, 128),
    AT(hearken_self_attend, heads, 132),
    AT(hearken_self_attend, past, 136),
    AT(hearken_self_attend, chunk, 140),
    AT(hearken_self_attend, stand_ins, 144),
    SIZE(hearken_attend, 152),
    AT(hearken_attend, context, 0),
    AT(hearken_attend, alignment, 32),
    AT(hearken_attend, query, 40),
    AT(hearken_attend, keys, 72),
    AT(hearken_attend, values, 104),
    AT(hearken_attend, heads, 136),
    AT(hearken_attend, stand_ins, 140),
    SIZE(hearken_lstm, 168),
    AT(hearken_lstm, out, 0),
    AT(hearken_lstm, in, 32),
    AT(hearken_lstm, hidden, 64),
    AT(hearken_lstm, cell, 96),
    AT(hearken_lstm, input_weight, 128),
    AT(hearken_lstm, hidden_weight, 136),
    AT(hearken_lstm, input_bias, 144),
    AT(hearken_lstm, hidden_bias, 152),
    AT(hearken_lstm, residual, 160),
    SIZE(hearken_embed, 72),
    AT(hearken_embed, out, 0),
    AT(hearken_embed, table, 32),
    AT(hearken_embed, tokens, 40),
    AT(hearken_embed, scale, 48),
    AT(hearken_embed, positions, 56),
    AT(hearken_embed, position, 64),
    AT(hearken_embed, period, 68),
    SIZE(hearken_kernels, 128),
    AT(hearken_kernels, struct_size, 0),
    AT(hearken_kernels, buffer_create, 8),
    AT(hearken_kernels, memory_create, 16),
    AT(hearken_kernels, buffer_destroy, 24),
    AT(hearken_kernels, write, 32),
    AT(hearken_kernels, read, 40),
    AT(hearken_kernels, linear, 48),
    AT(hearken_kernels, convolve, 56),
    AT(hearken_kernels, layer_norm, 64),
    AT(hearken_kernels, self_attend, 72),
    AT(hearken_kernels, attend, 80),
    AT(hearken_kernels, lstm, 88),
    AT(hearken_kernels, embed, 96),
    AT(hearken_kernels, reorder, 104),
    AT(hearken_kernels, log_softmax, 112),
    AT(hearken_kernels, top_k, 120),
    SIZE(hearken_plugin, 96),
    AT(hearken_plugin, abi_version, 0),
    AT(hearken_plugin, struct_size, 4),
    AT(hearken_plugin, name, 8),
    AT(hearken_plugin, description, 16),
    AT(hearken_plugin, probe, 24),
    AT(hearken_plugin, backend_create, 32),
    AT(hearken_plugin, backend_destroy, 40),
    AT(hearken_plugin, tensor_create, 48),
    AT(hearken_plugin, tensor_destroy, 56),
    AT(hearken_plugin, queue_create, 64),
    AT(hearken_plugin, queue_destroy, 72),
    AT(hearken_plugin, kernels, 80),
    AT(hearken_plugin, copies, 88),
    AT(hearken_plugin, synchronous, 92),
};

static void test_layout(void)
{
    if (sizeof(void *) != 8)
        return;
    for (size_t i = 0; i < sizeof(layout) / sizeof(layout[0]); i++) {
        EXPECT_EQUAL(layout[i].found, layout[i].expected);
        if (layout[i].found != layout[i].expected)
            printf("    %s\n", layout[i].name);
    }
}

/* A program built for another version of the library. */
static void test_sizes(void)
{
    struct hearken_error error;
    struct hearken_model *model = NULL;
    struct hearken_capture *capture = NULL;
    struct hearken_backend_options backend;
    struct hearken_capture_options microphone;
    hearken_backend_options_init(&backend);
    backend.struct_size++;
    EXPECT_EQUAL(hearken_model_open("/nonexistent", &backend, &model, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "options.struct_size is 57, expected 56 to 56");
    EXPECT_EQUAL(hearken_plugins_list(&backend, NULL, NULL, &error), -EINVAL);
    backend.struct_size = 0;
    EXPECT_EQUAL(hearken_model_open("/nonexistent", &backend, &model, &error), -EINVAL);
    EXPECT_EQUAL(hearken_model_open(NULL, NULL, &model, &error), -EINVAL);
    hearken_capture_options_init(&microphone);
    microphone.struct_size = 4;
    EXPECT_EQUAL(hearken_capture_open(&microphone, NULL, NULL, &capture, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "options.struct_size is 4, expected 48 to 48");
    EXPECT_EQUAL(hearken_capture_open(NULL, NULL, NULL, &capture, &error), -EINVAL);
}

/* The library writes no more than the caller has. */
static void test_init_of_an_older_struct(void)
{
    struct {
        struct hearken_stream_options options;
        unsigned char behind[16];
    } own;
    const size_t size = offsetof(struct hearken_stream_options, language);
    memset(&own, 0xaa, sizeof(own));
    hearken_stream_options_init_sized(&own.options, size);
    EXPECT_EQUAL(own.options.struct_size, size);
    EXPECT_EQUAL(own.options.beam_width, 4);
    EXPECT_EQUAL((unsigned char)own.options.language[0], 0xaa);
    hearken_stream_options_init(&own.options);
    EXPECT_EQUAL(own.options.language[0], 0);
    EXPECT_EQUAL(own.behind[0], 0xaa);
}

void add_interface_layout_tests(void)
{
    CU_pSuite suite = CU_add_suite("interface layout", NULL, NULL);
    CU_add_test(suite, "layout", test_layout);
    CU_add_test(suite, "sizes", test_sizes);
    CU_add_test(suite, "init of an older struct", test_init_of_an_older_struct);
}
