// SPDX-License-Identifier: MIT
#include "frontend/capture/device_failover.h"

#include "frontend/capture/sound_system.h"
#include "include/internal/monotonic_clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Interval of the search for the chosen device while a substitute, or nothing, is open. */
#define SEARCH_MILLISECONDS 1000u
/* Each time the chosen device opens but delivers no sound, the interval doubles, up to this. So a
 * device that is listed but does not work seldom interrupts the substitute. */
#define SEARCH_MILLISECONDS_MAX 60000u
/* Interval at which the chosen device's presence is checked while it delivers sound: a sound server
 * may move the stream to another device without notice. */
#define WATCH_MILLISECONDS 1000u
/* Interval of PortAudio's restarts while no device is open. Only a restart renews its list of
 * devices, and it probes every device. */
#define RESTART_MILLISECONDS 5000
/* A failure must last this long: after the process was stopped, the reader may run before the audio
 * thread does. */
#define FAILURE_MILLISECONDS 100

static void log_line(const struct device_failover *f, enum hearken_log_level level,
                     const char *message)
{
    if (f->log)
        f->log(f->log_context, level, message);
}

/* ---- Opening ---- */

/* Called with the sound system locked and started. */
static int open_device(struct device_failover *f, int index, enum device_failover_place place,
                       struct hearken_error *error)
{
    int result = microphone_open(index, &f->options, &f->microphone, error);
    if (result < 0)
        return result;
    f->place = place;
    capture_device_identify(index, &f->current);
    if (f->options.rate > 0 && microphone_rate(f->microphone) != f->options.rate) {
        char line[512];
        snprintf(line, sizeof(line), "%s does not support %u Hz, using %u Hz", f->current.name,
                 (unsigned)f->options.rate, (unsigned)microphone_rate(f->microphone));
        log_line(f, HEARKEN_LOG_WARNING, line);
    }
    return 0;
}

static int open_first(struct device_failover *f, const char *text, struct hearken_error *error)
{
    int index = capture_device_choose(text, error);
    if (index < 0)
        return index;
    capture_device_identify(index, &f->chosen);
    return open_device(f, index, ATTACHED_TO_CHOSEN, error);
}

int device_failover_init(struct device_failover *failover,
                         const struct hearken_capture_options *options, int wake,
                         struct hearken_error *error)
{
    *failover = (struct device_failover){
        .options = {options->rate, options->channels, options->frames, options->buffer_seconds,
                    wake},
        .chosen_is_default = capture_device_text_is_default(options->device),
        .search_interval = SEARCH_MILLISECONDS,
        .probe_at = clock_milliseconds() + WATCH_MILLISECONDS,
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
    device_probe_finish(&failover->probe);
    sound_system_lock();
    microphone_close(failover->microphone);
    if (failover->started)
        sound_system_stop();
    sound_system_release();
    sound_system_unlock();
}

/* ---- Deciding ---- */

/*
 * Probes the chosen device every `interval` milliseconds. True if a probe has just finished and
 * found `presence`. Only ALSA devices can be probed; of others the presence is always unknown.
 */
static bool chosen_is_now(struct device_failover *f, enum presence presence, long long now,
                          unsigned interval)
{
    if (device_probe_collect(&f->probe))
        return f->probe.presence == presence;
    if (now >= f->probe_at && !f->probe.running && f->started) {
        f->probe_at = now + interval;
        device_probe_begin(&f->probe, &f->chosen); /* on failure: repeated after `interval` */
    }
    return false;
}

/* The reason of a failure that lasts; NULL if there is none. */
static const char *lasting_failure(struct device_failover *f, long long now)
{
    const char *reason = microphone_failure(f->microphone);
    if (!reason)
        f->failing_since = 0;
    else if (f->failing_since == 0)
        f->failing_since = now;
    return reason && now - f->failing_since >= FAILURE_MILLISECONDS ? reason : NULL;
}

/* A sound server never moves a stream on a card itself (and a busy card cannot be probed). The
 * names below stand for the server's default, which follows its moves. */
static bool may_be_moved(const struct device_failover *f)
{
    static const char *const defaults[] = {"default", "pulse", "pipewire"};
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        if (strcmp(f->chosen.name, defaults[i]) == 0)
            return false;
    int card, device;
    return !f->chosen_is_default && !capture_device_name_place(f->chosen.name, &card, &device);
}

static enum device_failover_due watch_chosen(struct device_failover *f, long long now)
{
    if (!may_be_moved(f) || !chosen_is_now(f, PRESENCE_ABSENT, now, WATCH_MILLISECONDS))
        return DUE_NOTHING;
    f->reason = "the device is gone";
    return DUE_LOSS;
}

static enum device_failover_due search_chosen(struct device_failover *f, long long now)
{
    return chosen_is_now(f, PRESENCE_PRESENT, now, f->search_interval) ? DUE_RETURN : DUE_NOTHING;
}

/* With nothing open, any device will do. Only PortAudio knows the default, so it is restarted at
 * intervals. */
static enum device_failover_due search_any(struct device_failover *f, long long now)
{
    bool here = chosen_is_now(f, PRESENCE_PRESENT, now, f->search_interval);
    return here || now >= f->restart_at ? DUE_SEARCH : DUE_NOTHING;
}

enum device_failover_due device_failover_due(struct device_failover *failover)
{
    long long now = clock_milliseconds();
    if (failover->place == ATTACHED_NOWHERE)
        return search_any(failover, now);
    const char *reason = lasting_failure(failover, now);
    if (reason) {
        failover->reason = reason;
        return DUE_LOSS;
    }
    return failover->place == ATTACHED_TO_CHOSEN ? watch_chosen(failover, now)
                                                 : search_chosen(failover, now);
}

/* ---- Changing ---- */

/* Errors: -ENODEV if the device is absent, those of microphone_open(). */
static int open_chosen(struct device_failover *f, struct hearken_error *error)
{
    int index = f->chosen_is_default ? capture_device_default() : capture_device_find(&f->chosen);
    if (index >= 0 && f->chosen_is_default)
        capture_device_identify(index, &f->chosen);
    if (index < 0 || device_presence(&f->chosen) == PRESENCE_ABSENT)
        return hearken_fail(error, -ENODEV, "no device '%s'", f->chosen.name);
    return open_device(f, index, ATTACHED_TO_CHOSEN, error);
}

static int open_substitute(struct device_failover *f, struct hearken_error *error)
{
    int index = f->chosen_is_default ? -ENODEV : capture_device_default();
    if (index < 0 || index == capture_device_find(&f->chosen))
        return hearken_fail(error, -ENODEV, "there is no other microphone");
    return open_device(f, index, ATTACHED_TO_SUBSTITUTE, error);
}

/* Called with the sound system locked. `skip_chosen`: the chosen device was open and delivered
 * nothing. Returns true if the chosen device is present but failed. */
static bool open_best(struct device_failover *f, bool skip_chosen)
{
    struct hearken_error error;
    int result = -EIO;
    if (!skip_chosen) {
        result = open_chosen(f, &error);
        if (result < 0)
            log_line(f, HEARKEN_LOG_DEBUG, error.message);
    }
    if (result < 0 && open_substitute(f, &error) < 0)
        log_line(f, HEARKEN_LOG_DEBUG, error.message);
    return result < 0 && result != -ENODEV;
}

static void schedule(struct device_failover *f, bool chosen_failed)
{
    long long now = clock_milliseconds();
    if (chosen_failed && f->search_interval < SEARCH_MILLISECONDS_MAX)
        f->search_interval *= 2;
    f->probe_at = now + (f->place == ATTACHED_TO_CHOSEN ? WATCH_MILLISECONDS : f->search_interval);
    f->restart_at = now + RESTART_MILLISECONDS;
}

void device_failover_change(struct device_failover *failover)
{
    struct device_failover *f = failover;
    struct hearken_error error;
    bool chosen_delivered = f->microphone && microphone_has_delivered(f->microphone);
    bool skip_chosen = f->place == ATTACHED_TO_CHOSEN && !chosen_delivered;
    if (f->place == ATTACHED_TO_CHOSEN && chosen_delivered)
        f->search_interval = SEARCH_MILLISECONDS;
    device_probe_finish(&f->probe);
    sound_system_lock();
    microphone_close(f->microphone);
    f->microphone = NULL;
    f->place = ATTACHED_NOWHERE;
    f->failing_since = 0;
    if (f->started)
        sound_system_stop();
    f->started = sound_system_start(&error) == 0;
    if (!f->started)
        log_line(f, HEARKEN_LOG_WARNING, error.message);
    schedule(f, f->started && open_best(f, skip_chosen));
    sound_system_unlock();
}
