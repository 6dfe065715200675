// SPDX-License-Identifier: MIT
#include "frontend/capture/sound_system.h"

#include "frontend/capture/sound_libraries.h"

#include <alsa/asoundlib.h>
#include <dlfcn.h>
#include <errno.h>
#include <portaudio.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PortAudio's state is global to the process, so its lock must be too. */
static struct {
    pthread_mutex_t lock;
    unsigned starts;
    bool claimed;
    /* Error handlers from before the start. */
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

/* ---- Error handlers of ALSA and JACK ---- */

static void ignore_alsa(const char *file, int line, const char *function, int code,
                        const char *format, ...)
{
    (void)file, (void)line, (void)function, (void)code, (void)format;
}

static void ignore_jack(const char *message)
{
    (void)message;
}

/* Looked up by name, since JACK is loaded only if PortAudio was built with it. */
static void set_jack_handler(const char *setter, void (*handler)(const char *message))
{
    void (*set)(void (*)(const char *));
    *(void **)&set = dlsym(RTLD_DEFAULT, setter);
    if (set)
        set(handler);
}

/* The current handler; NULL, which selects JACK's default, if it is unknown. */
static void (*jack_handler(const char *variable))(const char *message)
{
    void (**handler)(const char *) = NULL;
    *(void **)&handler = dlsym(RTLD_DEFAULT, variable);
    return handler ? *handler : NULL;
}

/* By name, too: ALSA may be loaded only now. */
static snd_lib_error_handler_t alsa_handler(void)
{
    snd_lib_error_handler_t *handler = dlsym(RTLD_DEFAULT, "snd_lib_error");
    return handler ? *handler : NULL;
}

static void silence_libraries(void)
{
    system_state.alsa_before = alsa_handler();
    system_state.jack_error_before = jack_handler("jack_error_callback");
    system_state.jack_info_before = jack_handler("jack_info_callback");
    snd_lib_error_set_handler(ignore_alsa);
    set_jack_handler("jack_set_error_function", ignore_jack);
    set_jack_handler("jack_set_info_function", ignore_jack);
}

/* Leaves handlers alone that the program has set meanwhile. */
static void restore_handlers(void)
{
    void (*error)(const char *) = jack_handler("jack_error_callback");
    void (*info)(const char *) = jack_handler("jack_info_callback");
    if (alsa_handler() == ignore_alsa)
        snd_lib_error_set_handler(system_state.alsa_before);
    if (!error || error == ignore_jack)
        set_jack_handler("jack_set_error_function", system_state.jack_error_before);
    if (!info || info == ignore_jack)
        set_jack_handler("jack_set_info_function", system_state.jack_info_before);
}

/* ---- Starting ---- */

/*
 * PortAudio 19.6 aborts the process if ALSA's list has no device "default": it counts that device
 * in advance, and treats the early end of the list as an internal error. An installation without
 * ALSA's configuration files lacks it.
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
        return hearken_fail(error, -EIO, "PortAudio cannot be started: %s", Pa_GetErrorText(code));
    return 0;
}

int sound_system_start(struct hearken_error *error)
{
#ifdef HEARKEN_LOAD_PORTAUDIO
    int loaded = sound_libraries_load(error);
    if (loaded < 0)
        return loaded;
#endif
    if (system_state.starts == 0)
        silence_libraries();
    int result = initialise(error);
    if (result == 0)
        system_state.starts++;
    else if (system_state.starts == 0)
        restore_handlers();
    return result;
}

void sound_system_stop(void)
{
    Pa_Terminate();
    if (--system_state.starts == 0)
        restore_handlers();
}

int sound_system_claim(struct hearken_error *error)
{
    if (system_state.claimed)
        return hearken_fail(error, -EBUSY, "this process already has a capture, expected one");
    system_state.claimed = true;
    return 0;
}

void sound_system_release(void)
{
    system_state.claimed = false;
}

#define RATE_UNKNOWN 44100u /* assumed where PortAudio reports no rate */

static bool is_input(int index)
{
    const PaDeviceInfo *info = Pa_GetDeviceInfo(index);
    return info && info->maxInputChannels > 0;
}

static PaHostApiTypeId system_of(const PaDeviceInfo *info)
{
    const PaHostApiInfo *system = Pa_GetHostApiInfo(info->hostApi);
    return system ? system->type : paInDevelopment;
}

/* ---- The list of devices ---- */

static void describe(int index, hearken_device_callback *callback, void *context)
{
    const PaDeviceInfo *info = Pa_GetDeviceInfo(index);
    const PaHostApiInfo *system = Pa_GetHostApiInfo(info->hostApi);
    struct hearken_device device = {
        .index = (unsigned)index,
        .name = info->name,
        .system = system ? system->name : "unknown",
        .channels = (uint32_t)info->maxInputChannels,
        .rate = info->defaultSampleRate >= 1 ? (uint32_t)info->defaultSampleRate : RATE_UNKNOWN,
        .is_default = index == capture_device_default(),
    };
    callback(context, &device);
}

long hearken_devices_list(hearken_device_callback *callback, void *context,
                          struct hearken_error *error)
{
    sound_system_lock();
    long count = sound_system_start(error);
    if (count == 0) {
        for (int i = 0; i < Pa_GetDeviceCount(); i++) {
            if (is_input(i)) {
                describe(i, callback, context);
                count++;
            }
        }
        sound_system_stop();
    }
    sound_system_unlock();
    return count;
}

/* ---- Finding a device ---- */

bool capture_device_text_is_default(const char *text)
{
    return !text || !*text || strcmp(text, "default") == 0;
}

int capture_device_default(void)
{
    int index = Pa_GetDefaultInputDevice();
    return index >= 0 && is_input(index) ? index : -ENODEV;
}

size_t capture_device_name_length(const char *name)
{
    const char *place = strstr(name, " (hw:");
    return place ? (size_t)(place - name) : strlen(name);
}

/* The inputs' names, like "mic, default"; as many as fit. */
static void list_inputs(char *list, size_t size)
{
    size_t length = 0;
    *list = '\0';
    for (int i = 0; i < Pa_GetDeviceCount() && length < size; i++)
        if (is_input(i))
            length += (size_t)snprintf(list + length, size - length, "%s%s", length ? ", " : "",
                                       Pa_GetDeviceInfo(i)->name);
}

static int fail_absent(const char *text, struct hearken_error *error)
{
    char list[256];
    list_inputs(list, sizeof(list));
    if (!*list)
        return hearken_fail(error, -ENODEV, "there is no microphone");
    if (capture_device_text_is_default(text))
        return hearken_fail(error, -ENODEV, "there is no default microphone, expected one of: %s",
                            list);
    return hearken_fail(error, -ENODEV, "there is no microphone '%.100s', expected one of: %s",
                        text, list);
}

/* `text` as a number, or -1 if it is not one. */
static int whole_number(const char *text)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    bool whole = *text >= '0' && *text <= '9' && !*end && !errno && number <= 100000;
    return whole ? (int)number : -1;
}

static int find_name(const char *text, bool whole)
{
    for (int i = 0; i < Pa_GetDeviceCount(); i++) {
        if (!is_input(i))
            continue;
        const char *name = Pa_GetDeviceInfo(i)->name;
        if (whole ? strcmp(name, text) == 0 : strcasestr(name, text) != NULL)
            return i;
    }
    return -ENODEV;
}

int capture_device_choose(const char *text, struct hearken_error *error)
{
    int index = -ENODEV;
    if (capture_device_text_is_default(text))
        index = capture_device_default();
    else if (whole_number(text) >= 0)
        index = is_input(whole_number(text)) ? whole_number(text) : -ENODEV;
    else if ((index = find_name(text, true)) < 0)
        index = find_name(text, false);
    return index < 0 ? fail_absent(text, error) : index;
}

void capture_device_identify(int index, struct device_identity *identity)
{
    const PaDeviceInfo *info = Pa_GetDeviceInfo(index);
    snprintf(identity->name, sizeof(identity->name), "%s", info->name);
    identity->system = (int)system_of(info);
}

/* Prefers the same card and device number, since a name can be there twice. */
int capture_device_find(const struct device_identity *identity)
{
    size_t length = capture_device_name_length(identity->name);
    int on_other_card = -ENODEV;
    for (int i = 0; i < Pa_GetDeviceCount(); i++) {
        if (!is_input(i))
            continue;
        struct device_identity found;
        capture_device_identify(i, &found);
        if (found.system != identity->system)
            continue;
        if (strcmp(found.name, identity->name) == 0)
            return i;
        if (on_other_card < 0 && capture_device_name_length(found.name) == length &&
            strncmp(found.name, identity->name, length) == 0)
            on_other_card = i;
    }
    return on_other_card;
}
