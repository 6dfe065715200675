// SPDX-License-Identifier: MIT
#include "frontend/capture/capture_devices.h"

#include "frontend/capture/sound_system.h"

#include <errno.h>
#include <portaudio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_UNKNOWN 44100u /* a device of unknown rate is taken for a usual one */

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

/* ---- The list ---- */

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

/* ---- Finding ---- */

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

/* "mic, default", or as many of them as fit. */
static void name_all(char *list, size_t size)
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
    name_all(list, sizeof(list));
    if (!*list)
        return hearken_fail(error, -ENODEV, "there is no microphone");
    if (capture_device_text_is_default(text))
        return hearken_fail(error, -ENODEV, "there is no default microphone, expected one of: %s",
                            list);
    return hearken_fail(error, -ENODEV, "there is no microphone '%.100s', expected one of: %s",
                        text, list);
}

/* The number that is all of `text`, or -1. */
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

/* At its old place rather than at another. */
int capture_device_find(const struct device_identity *identity)
{
    size_t length = capture_device_name_length(identity->name);
    int elsewhere = -ENODEV;
    for (int i = 0; i < Pa_GetDeviceCount(); i++) {
        if (!is_input(i))
            continue;
        struct device_identity found;
        capture_device_identify(i, &found);
        if (found.system != identity->system)
            continue;
        if (strcmp(found.name, identity->name) == 0)
            return i;
        if (elsewhere < 0 && capture_device_name_length(found.name) == length &&
            strncmp(found.name, identity->name, length) == 0)
            elsewhere = i;
    }
    return elsewhere;
}
