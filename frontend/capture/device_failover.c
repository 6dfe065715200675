// SPDX-License-Identifier: MIT
#include "frontend/capture/device_failover.h"

#include "frontend/capture/sound_system.h"
#include "include/internal/monotonic_clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Between two looks for the chosen device while another one, or none, serves. */
#define SEARCH_MILLISECONDS 1000u
/* The same after the device was there but gave no sound: each time twice as long, up to this. A
 * device that only seems to be there is not to interrupt the substitute all the time. */
#define SEARCH_MILLISECONDS_MAX 60000u
/* Between two looks whether the chosen device is still there while sound comes: a sound server may
 * have moved the stream to another device and not told. */
#define WATCH_MILLISECONDS 1000u
/* With no device at all, PortAudio makes a new list so often: it probes every device for that. */
#define RESTART_MILLISECONDS 5000
/* Trouble must last: after the process was stopped for a while, the reader may run before the
 * audio thread does. */
#define TROUBLE_MILLISECONDS 100

static void say(const struct device_failover *a, enum hearken_log_level level, const char *message)
{
    if (a->log)
        a->log(a->log_context, level, message);
}

/* ---- Opening ---- */

/* With the sound system locked and started. */
static int open_device(struct device_failover *a, int index, enum device_failover_place place,
                       struct hearken_error *error)
{
    int result = microphone_open(index, &a->wish, &a->microphone, error);
    if (result < 0)
        return result;
    a->place = place;
    capture_device_identify(index, &a->current);
    if (a->wish.rate > 0 && microphone_rate(a->microphone) != a->wish.rate) {
        char line[512];
        snprintf(line, sizeof(line), "%s does not have the rate %u Hz, %u Hz is taken",
                 a->current.name, (unsigned)a->wish.rate, (unsigned)microphone_rate(a->microphone));
        say(a, HEARKEN_LOG_WARNING, line);
    }
    return 0;
}

static int open_first(struct device_failover *a, const char *text, struct hearken_error *error)
{
    int index = capture_device_choose(text, error);
    if (index < 0)
        return index;
    capture_device_identify(index, &a->chosen);
    return open_device(a, index, ATTACHED_TO_CHOSEN, error);
}

int device_failover_init(struct device_failover *failover,
                         const struct hearken_capture_options *options, int wake,
                         struct hearken_error *error)
{
    *failover = (struct device_failover){
        .wish = {options->rate, options->channels, options->frames, options->buffer_seconds, wake},
        .chosen_is_default = capture_device_text_is_default(options->device),
        .patience = SEARCH_MILLISECONDS,
        .look_at = clock_milliseconds() + WATCH_MILLISECONDS,
        .log = options->log,
        .log_context = options->log_context,
    };
    sound_system_lock();
    int result = sound_system_claim(error);
    if (result < 0)
        goto unlock;
    result = sound_system_start(error);
    if (result < 0)
        goto release;
    result = open_first(failover, options->device, error);
    failover->started = result == 0;
    if (result == 0)
        goto unlock;
    sound_system_stop();

release:
    sound_system_release();
unlock:
    sound_system_unlock();
    return result;
}

void device_failover_finish(struct device_failover *failover)
{
    device_probe_finish(&failover->inquiry);
    sound_system_lock();
    microphone_close(failover->microphone);
    if (failover->started)
        sound_system_stop();
    sound_system_release();
    sound_system_unlock();
}

/* ---- When ---- */

/*
 * Asks now and then, every `interval` milliseconds, whether the chosen device is there; true when
 * the answer has come and is this one. An ALSA device can be asked; of another sound system's it
 * stays unknown.
 */
static bool chosen_has_become(struct device_failover *a, enum presence presence, long long now,
                              unsigned interval)
{
    if (device_probe_take(&a->inquiry))
        return a->inquiry.presence == presence;
    if (now >= a->look_at && !a->inquiry.asked && a->started) {
        a->look_at = now + interval;
        device_probe_begin(&a->inquiry, &a->chosen); /* if it fails, there is a next time */
    }
    return false;
}

/* Trouble that lasts, in words. */
static const char *trouble(struct device_failover *a, long long now)
{
    const char *words = microphone_trouble(a->microphone);
    if (!words)
        a->troubled_at = 0;
    else if (a->troubled_at == 0)
        a->troubled_at = now;
    return words && now - a->troubled_at >= TROUBLE_MILLISECONDS ? words : NULL;
}

/* A card's stream is moved by nobody (and in use, it could not be set up a second time). What has
 * one of these names is the sound server's default, wherever that may be. */
static bool may_be_moved(const struct device_failover *a)
{
    static const char *const defaults[] = {"default", "pulse", "pipewire"};
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        if (strcmp(a->chosen.name, defaults[i]) == 0)
            return false;
    int card, device;
    return !a->chosen_is_default && !capture_device_name_place(a->chosen.name, &card, &device);
}

static enum device_failover_due watch_chosen(struct device_failover *a, long long now)
{
    if (!may_be_moved(a) || !chosen_has_become(a, PRESENCE_ABSENT, now, WATCH_MILLISECONDS))
        return DUE_NOTHING;
    a->reason = "it is gone";
    return DUE_LOSS;
}

static enum device_failover_due search_chosen(struct device_failover *a, long long now)
{
    return chosen_has_become(a, PRESENCE_HERE, now, a->patience) ? DUE_RETURN : DUE_NOTHING;
}

/* With no sound at all any device is welcome, and which would be the default only PortAudio
 * knows. */
static enum device_failover_due search_any(struct device_failover *a, long long now)
{
    bool here = chosen_has_become(a, PRESENCE_HERE, now, a->patience);
    return here || now >= a->restart_at ? DUE_SEARCH : DUE_NOTHING;
}

enum device_failover_due device_failover_due(struct device_failover *failover)
{
    long long now = clock_milliseconds();
    if (failover->place == ATTACHED_NOWHERE)
        return search_any(failover, now);
    const char *words = trouble(failover, now);
    if (words) {
        failover->reason = words;
        return DUE_LOSS;
    }
    return failover->place == ATTACHED_TO_CHOSEN ? watch_chosen(failover, now)
                                                 : search_chosen(failover, now);
}

/* ---- Changing ---- */

/* -ENODEV: it is not there. */
static int open_chosen(struct device_failover *a, struct hearken_error *error)
{
    int index = a->chosen_is_default ? capture_device_default() : capture_device_find(&a->chosen);
    if (index >= 0 && a->chosen_is_default)
        capture_device_identify(index, &a->chosen);
    if (index < 0 || device_presence(&a->chosen) == PRESENCE_ABSENT)
        return hearken_fail(error, -ENODEV, "%s is not there", a->chosen.name);
    return open_device(a, index, ATTACHED_TO_CHOSEN, error);
}

static int open_substitute(struct device_failover *a, struct hearken_error *error)
{
    int index = a->chosen_is_default ? -ENODEV : capture_device_default();
    if (index < 0 || index == capture_device_find(&a->chosen))
        return hearken_fail(error, -ENODEV, "there is no other microphone");
    return open_device(a, index, ATTACHED_TO_SUBSTITUTE, error);
}

/* With the sound system locked. `skip_chosen`: it was opened before and gave no sound. Returns
 * whether the chosen device was there but is of no use. */
static bool open_best(struct device_failover *a, bool skip_chosen)
{
    struct hearken_error error;
    int result = -EIO;
    if (!skip_chosen) {
        result = open_chosen(a, &error);
        if (result < 0)
            say(a, HEARKEN_LOG_DEBUG, error.message);
    }
    if (result < 0 && open_substitute(a, &error) < 0)
        say(a, HEARKEN_LOG_DEBUG, error.message);
    return result < 0 && result != -ENODEV;
}

static void plan(struct device_failover *a, bool chosen_useless)
{
    long long now = clock_milliseconds();
    if (chosen_useless && a->patience < SEARCH_MILLISECONDS_MAX)
        a->patience *= 2;
    a->look_at = now + (a->place == ATTACHED_TO_CHOSEN ? WATCH_MILLISECONDS : a->patience);
    a->restart_at = now + RESTART_MILLISECONDS;
}

void device_failover_change(struct device_failover *failover)
{
    struct device_failover *a = failover;
    struct hearken_error error;
    bool chosen_spoke = a->microphone && microphone_has_spoken(a->microphone);
    bool skip_chosen = a->place == ATTACHED_TO_CHOSEN && !chosen_spoke;
    if (a->place == ATTACHED_TO_CHOSEN && chosen_spoke)
        a->patience = SEARCH_MILLISECONDS;
    device_probe_finish(&a->inquiry);
    sound_system_lock();
    microphone_close(a->microphone);
    a->microphone = NULL;
    a->place = ATTACHED_NOWHERE;
    a->troubled_at = 0;
    if (a->started)
        sound_system_stop();
    a->started = sound_system_start(&error) == 0;
    if (!a->started)
        say(a, HEARKEN_LOG_WARNING, error.message);
    plan(a, a->started && open_best(a, skip_chosen));
    sound_system_unlock();
}
