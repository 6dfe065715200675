// SPDX-License-Identifier: MIT
#include "frontend/capture/sound_system.h"

#include <alsa/asoundlib.h>
#include <dlfcn.h>
#include <errno.h>
#include <portaudio.h>
#include <pthread.h>

/* PortAudio's own state is the process's, so what guards it must be too. */
static struct {
    pthread_mutex_t lock;
    unsigned starts;
    bool claimed;
    /* Who heard of errors before it was started. */
    snd_lib_error_handler_t alsa_before;
    void (*jack_error_before)(const char *message);
    void (*jack_info_before)(const char *message);
} system_state = {.lock = PTHREAD_MUTEX_INITIALIZER};

void sound_system_lock(void)
{
    pthread_mutex_lock(&system_state.lock);
}

void sound_system_unlock(void)
{
    pthread_mutex_unlock(&system_state.lock);
}

/* ---- Quiet ---- */

static void ignore_alsa(const char *file, int line, const char *function, int code,
                        const char *format, ...)
{
    (void)file, (void)line, (void)function, (void)code, (void)format;
}

static void ignore_jack(const char *message)
{
    (void)message;
}

/* JACK is there only if this PortAudio was built with it; so it is asked for by name. */
static void set_jack_handler(const char *setter, void (*handler)(const char *message))
{
    void (*set)(void (*)(const char *));
    *(void **)&set = dlsym(RTLD_DEFAULT, setter);
    if (set)
        set(handler);
}

/* NULL, which stands for JACK's own, where it does not tell. */
static void (*jack_handler(const char *variable))(const char *message)
{
    void (**handler)(const char *) = NULL;
    *(void **)&handler = dlsym(RTLD_DEFAULT, variable);
    return handler ? *handler : NULL;
}

static void hush(void)
{
    system_state.alsa_before = snd_lib_error;
    system_state.jack_error_before = jack_handler("jack_error_callback");
    system_state.jack_info_before = jack_handler("jack_info_callback");
    snd_lib_error_set_handler(ignore_alsa);
    set_jack_handler("jack_set_error_function", ignore_jack);
    set_jack_handler("jack_set_info_function", ignore_jack);
}

/* A handler that somebody has set since then stays. */
static void unhush(void)
{
    void (*error)(const char *) = jack_handler("jack_error_callback");
    void (*info)(const char *) = jack_handler("jack_info_callback");
    if (snd_lib_error == ignore_alsa)
        snd_lib_error_set_handler(system_state.alsa_before);
    if (!error || error == ignore_jack)
        set_jack_handler("jack_set_error_function", system_state.jack_error_before);
    if (!info || info == ignore_jack)
        set_jack_handler("jack_set_info_function", system_state.jack_info_before);
}

/* ---- Starting ---- */

/*
 * PortAudio 19.6 takes the end of ALSA's list for an error of its own and aborts the process,
 * unless the list holds a device "default", which it counts but keeps for later. An installation
 * without ALSA's configuration files has none.
 */
static bool alsa_has_default(void)
{
    snd_config_t *top, *found;
    if (snd_config_update_ref(&top) < 0)
        return false;
    bool has = snd_config_search(top, "pcm.default", &found) == 0;
    snd_config_unref(top);
    return has;
}

static int initialise(struct hearken_error *error)
{
    if (!alsa_has_default())
        return hearken_fail(error, -EIO,
                            "ALSA's configuration has no device 'default', expected one (Debian "
                            "has it in libasound2-data)");
    PaError code = Pa_Initialize();
    if (code != paNoError)
        return hearken_fail(error, -EIO, "PortAudio does not start: %s", Pa_GetErrorText(code));
    return 0;
}

int sound_system_start(struct hearken_error *error)
{
    if (system_state.starts == 0)
        hush();
    int result = initialise(error);
    if (result == 0)
        system_state.starts++;
    else if (system_state.starts == 0)
        unhush();
    return result;
}

void sound_system_stop(void)
{
    Pa_Terminate();
    if (--system_state.starts == 0)
        unhush();
}

int sound_system_claim(struct hearken_error *error)
{
    if (system_state.claimed)
        return hearken_fail(error, -EBUSY, "this process captures already: expected one at a time");
    system_state.claimed = true;
    return 0;
}

void sound_system_release(void)
{
    system_state.claimed = false;
}
