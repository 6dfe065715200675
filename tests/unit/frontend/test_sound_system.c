// SPDX-License-Identifier: MIT
/* The process's sound libraries: what is made quiet while they run is as before afterwards. */
#include "frontend/capture/sound_system.h"

#include <CUnit/Basic.h>
#include <alsa/asoundlib.h>
#include <dlfcn.h>
#include <stdbool.h>

void add_sound_system_tests(void);

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
        CU_ASSERT_PTR_NOT_EQUAL(snd_lib_error, hear_alsa);
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
    CU_ASSERT_PTR_EQUAL(snd_lib_error, hear_alsa);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT(jack_is(i, hear_jack));
        set_jack(i, NULL);
    }
    run(hear_alsa_later); /* the program's own since then */
    CU_ASSERT_PTR_EQUAL(snd_lib_error, hear_alsa_later);
    snd_lib_error_set_handler(NULL);
}

void add_sound_system_tests(void)
{
    CU_pSuite suite = CU_add_suite("sound system", NULL, NULL);

    CU_ADD_TEST(suite, test_handlers_come_back);
}
