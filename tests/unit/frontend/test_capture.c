// SPDX-License-Identifier: MIT
/* Capture without a sound card: devices, the ring between the threads, the sound system's handlers.
 */
#include "frontend/capture/device_failover.h"
#include "frontend/capture/device_probe.h"
#include "frontend/capture/sample_ring.h"
#include "frontend/capture/sound_system.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <alsa/asoundlib.h>
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
        struct hearken_capture_options options = wrong[i].options;
        options.struct_size = sizeof(options);
        EXPECT_EQUAL(hearken_capture_open(&options, NULL, NULL, &capture, &error), -EINVAL);
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
    EXPECT_EQUAL(capture_device_name_length("USB Audio: #1 (hw:2,10)"), 13);
    EXPECT_EQUAL(capture_device_name_length("default"), 7);
    EXPECT_EQUAL(capture_device_name_length(""), 0);
}

static void test_words_for_the_default(void)
{
    CU_ASSERT(capture_device_text_is_default(NULL) && capture_device_text_is_default(""));
    CU_ASSERT(capture_device_text_is_default("default"));
    CU_ASSERT_FALSE(capture_device_text_is_default("mic"));
    CU_ASSERT_FALSE(capture_device_text_is_default("0"));
}

/* ---- The ring between the threads ---- */

static void test_empty_and_full(void)
{
    struct sample_ring *ring;
    float in[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, out[9] = {0};
    EXPECT_EQUAL_FATAL(sample_ring_create(5, &ring), 0);
    EXPECT_EQUAL(sample_ring_room(ring), 8);
    EXPECT_EQUAL(sample_ring_filled(ring), 0);
    EXPECT_EQUAL(sample_ring_read(ring, out, 9), 0);
    EXPECT_EQUAL(sample_ring_write(ring, in, 9), 8);
    EXPECT_EQUAL(sample_ring_write(ring, in, 1), 0);
    EXPECT_EQUAL(sample_ring_room(ring), 0);
    EXPECT_EQUAL(sample_ring_filled(ring), 8);
    EXPECT_EQUAL(sample_ring_read(ring, out, 9), 8);
    for (size_t i = 0; i < 8; i++)
        EXPECT_EQUAL(out[i], in[i]);
    sample_ring_destroy(ring);
}

static void test_sizes_out_of_range(void)
{
    struct sample_ring *ring;
    EXPECT_EQUAL(sample_ring_create(0, &ring), -EINVAL);
    EXPECT_EQUAL(sample_ring_create(RING_SAMPLES_MAX + 1, &ring), -EINVAL);
    EXPECT_EQUAL_FATAL(sample_ring_create(1, &ring), 0);
    EXPECT_EQUAL(sample_ring_room(ring), 1);
    sample_ring_destroy(ring);
    sample_ring_destroy(NULL);
}

/* Samples count up, so that each that is lost, doubled or out of place shows. */
static void test_order_in_any_pieces(void)
{
    unsigned seed = (unsigned)time(NULL);
    printf("(seed %u) ", seed);
    struct sample_ring *ring;
    float piece[100];
    size_t in = 0, out = 0, wrong = 0;
    EXPECT_EQUAL_FATAL(sample_ring_create(64, &ring), 0);
    while (out < 100000) {
        size_t count = (size_t)rand_r(&seed) % 100, room = sample_ring_room(ring);
        for (size_t i = 0; i < count; i++)
            piece[i] = (float)(in + i);
        size_t written = sample_ring_write(ring, piece, count);
        wrong += written != (count < room ? count : room);
        in += written;
        wrong += sample_ring_filled(ring) != in - out;
        size_t got = sample_ring_read(ring, piece, (size_t)rand_r(&seed) % 100);
        for (size_t i = 0; i < got; i++)
            wrong += piece[i] != (float)(out + i);
        out += got;
    }
    EXPECT_EQUAL(wrong, 0);
    sample_ring_destroy(ring);
}

#define SENT 2000000u

struct sender {
    struct sample_ring *ring;
    unsigned seed;
};

/* Numbers below 2^24, which a float holds exactly. */
static void *send_numbers(void *context)
{
    struct sender *sender = context;
    float piece[300];
    for (size_t sent = 0; sent < SENT;) {
        size_t count = 1 + (size_t)rand_r(&sender->seed) % 300;
        if (count > SENT - sent)
            count = SENT - sent;
        for (size_t i = 0; i < count; i++)
            piece[i] = (float)(sent + i);
        size_t written = sample_ring_write(sender->ring, piece, count);
        if (written == 0)
            sched_yield();
        sent += written;
    }
    return NULL;
}

static void test_two_threads(void)
{
    unsigned seed = (unsigned)time(NULL);
    printf("(seed %u) ", seed);
    struct sender sender = {.seed = seed};
    pthread_t thread;
    float piece[300];
    size_t wrong = 0;
    EXPECT_EQUAL_FATAL(sample_ring_create(1024, &sender.ring), 0);
    EXPECT_EQUAL_FATAL(pthread_create(&thread, NULL, send_numbers, &sender), 0);
    seed += 1;
    for (size_t got = 0; got < SENT;) {
        size_t count = sample_ring_read(sender.ring, piece, 1 + (size_t)rand_r(&seed) % 300);
        for (size_t i = 0; i < count; i++)
            wrong += piece[i] != (float)(got + i);
        if (count == 0)
            sched_yield();
        got += count;
    }
    pthread_join(thread, NULL);
    EXPECT_EQUAL(wrong, 0);
    EXPECT_EQUAL(sample_ring_filled(sender.ring), 0);
    sample_ring_destroy(sender.ring);
}

/* ---- The sound system ---- */

static void hear_alsa(const char *file, int line, const char *function, int code,
                      const char *format, ...)
{
    (void)file, (void)line, (void)function, (void)code, (void)format;
}

static void hear_alsa_later(const char *file, int line, const char *function, int code,
                            const char *format, ...)
{
    (void)file, (void)line, (void)function, (void)code, (void)format;
}

static void hear_jack(const char *message)
{
    (void)message;
}

/* JACK's setters and the variables that they set; NULL where this PortAudio goes without. */
static const struct {
    const char *setter, *variable;
} jack[] = {{"jack_set_error_function", "jack_error_callback"},
            {"jack_set_info_function", "jack_info_callback"}};

static void set_jack(size_t which, void (*handler)(const char *))
{
    void (*set)(void (*)(const char *));
    *(void **)&set = dlsym(RTLD_DEFAULT, jack[which].setter);
    if (set)
        set(handler);
}

static bool jack_is(size_t which, void (*handler)(const char *))
{
    void (**now)(const char *);
    *(void **)&now = dlsym(RTLD_DEFAULT, jack[which].variable);
    return !now || *now == handler;
}

/* Whether it starts or not: a machine without ALSA's configuration has none. */
static void run(snd_lib_error_handler_t meanwhile)
{
    struct hearken_error error;

    sound_system_lock();
    const bool started = sound_system_start(&error) == 0;
    if (started)
        CU_ASSERT(snd_lib_error != hear_alsa);
    if (meanwhile)
        snd_lib_error_set_handler(meanwhile);
    if (started)
        sound_system_stop();
    sound_system_unlock();
}

/* ALSA's modules leak when they are unloaded, where no suppression can name them. */
static bool is_leak_sanitized(void)
{
#ifdef __SANITIZE_ADDRESS__
    return true;
#else
    return false;
#endif
}

static void test_handlers_come_back(void)
{
    if (is_leak_sanitized())
        return;
    snd_lib_error_set_handler(hear_alsa);
    for (size_t i = 0; i < 2; i++)
        set_jack(i, hear_jack);
    run(NULL);
    CU_ASSERT(snd_lib_error == hear_alsa);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT(jack_is(i, hear_jack));
        set_jack(i, NULL);
    }
    run(hear_alsa_later); /* the program's own since then */
    CU_ASSERT(snd_lib_error == hear_alsa_later);
    snd_lib_error_set_handler(NULL);
}

void add_capture_tests(void)
{
    CU_pSuite suite = CU_add_suite("capture", NULL, NULL);
    CU_add_test(suite, "level", test_level);
    CU_add_test(suite, "options out of range", test_options_out_of_range);
    CU_add_test(suite, "names of cards", test_names_of_cards);
    CU_add_test(suite, "words for the default", test_words_for_the_default);
    suite = CU_add_suite("ring", NULL, NULL);
    CU_add_test(suite, "empty and full", test_empty_and_full);
    CU_add_test(suite, "sizes out of range", test_sizes_out_of_range);
    CU_add_test(suite, "order in any pieces", test_order_in_any_pieces);
    CU_add_test(suite, "two threads", test_two_threads);
    suite = CU_add_suite("sound system", NULL, NULL);

    CU_ADD_TEST(suite, test_handlers_come_back);
}
