// SPDX-License-Identifier: MIT
/*
 * The public capture API: samples at HEARKEN_RATE from the current device, with events between the
 * samples that they apply to. Everything here runs in the reader's thread; microphone.h describes
 * the audio thread.
 */
#include "frontend/capture/device_failover.h"
#include "frontend/sound/resample.h"
#include "include/internal/monotonic_clock.h"
#include "include/internal/sized_options.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Frames of the device that are resampled at a time. */
#define BLOCK 4096u
/* A waiting reader checks the devices at least this often. */
#define CHECK_MILLISECONDS 50

struct hearken_capture {
    hearken_capture_callback *callback;
    void *context;
    int wake; /* an eventfd: the audio thread and hearken_capture_cancel() write to it */
    atomic_bool cancelled; /* atomic; any thread sets it */
    struct device_failover failover;
    struct resampler *resampler; /* NULL: no device is open */

    float *mono;  /* [BLOCK] */
    float *ready; /* [ready_room]: samples ready_at <= i < ready_end are to be returned */
    size_t ready_room, ready_at, ready_end;

    bool started;                    /* HEARKEN_CAPTURE_STARTED was emitted */
    bool announced;                  /* the current microphone's event was emitted */
    bool lost;                       /* HEARKEN_CAPTURE_LOST was emitted; no samples since */
    bool draining;                   /* returning the last samples before a change of device */
    enum device_failover_due due;    /* with `draining`: the change */
    struct microphone_counts before; /* of the current microphone at the last report */
    uint64_t overruns;
    double lost_seconds;
};

/* ---- Opening ---- */

static const struct hearken_capture_options default_options = {
    .struct_size = sizeof(default_options),
    .buffer_seconds = 10,
};

void hearken_capture_options_init_sized(struct hearken_capture_options *options, size_t struct_size)
{
    memset(options, 0, struct_size);
    memcpy(options, &default_options,
           struct_size < sizeof(default_options) ? struct_size : sizeof(default_options));
    options->struct_size = struct_size;
}

static int check_options(const struct hearken_capture_options *o, struct hearken_error *error)
{
    if (o->rate != 0 && (o->rate < HEARKEN_RATE_MIN || o->rate > HEARKEN_RATE_MAX))
        return hearken_fail(error, -EINVAL, "a rate of %u Hz: expected %u to %u, or 0",
                            (unsigned)o->rate, HEARKEN_RATE_MIN, HEARKEN_RATE_MAX);
    if (o->channels > HEARKEN_CHANNELS_MAX)
        return hearken_fail(error, -EINVAL, "%u channels: expected 0 to %u", (unsigned)o->channels,
                            HEARKEN_CHANNELS_MAX);
    if (o->frames > 65536)
        return hearken_fail(error, -EINVAL, "%u frames between deliveries: expected 0 to 65536",
                            (unsigned)o->frames);
    if (!(o->buffer_seconds >= 0.5f && o->buffer_seconds <= 60))
        return hearken_fail(error, -EINVAL, "a buffer of %g seconds: expected 0.5 to 60",
                            (double)o->buffer_seconds);
    return 0;
}

/* Resets the state that belongs to one microphone. */
static int reset_microphone(struct hearken_capture *c)
{
    resampler_destroy(c->resampler);
    c->resampler = NULL;
    c->announced = false;
    c->before = (struct microphone_counts){0};
    struct microphone *microphone = c->failover.microphone;
    return microphone ? resampler_create(microphone_rate(microphone), &c->resampler) : 0;
}

int hearken_capture_open(const struct hearken_capture_options *options,
                         hearken_capture_callback *callback, void *context,
                         struct hearken_capture **capture, struct hearken_error *error)
{
    struct hearken_capture_options own = default_options;
    int result = options_copy("options", &own, sizeof(own), sizeof(own), options, error);
    if (result < 0 || (result = check_options(&own, error)) < 0)
        return result;
    struct hearken_capture *c = calloc(1, sizeof(*c));
    float *mono = malloc(BLOCK * sizeof(*mono));
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!c || !mono || wake < 0) {
        result = hearken_fail(error, -ENOMEM, "a capture: %s", strerror(errno));
        goto fail;
    }
    *c = (struct hearken_capture){
        .callback = callback, .context = context, .wake = wake, .mono = mono};
    result = device_failover_init(&c->failover, &own, wake, error);
    if (result < 0)
        goto fail;
    if (reset_microphone(c) < 0) {
        hearken_capture_destroy(c);
        return hearken_fail(error, -ENOMEM, "a capture: %s", strerror(ENOMEM));
    }
    *capture = c;
    return 0;

fail:
    if (wake >= 0)
        close(wake);
    free(mono);
    free(c);
    return result;
}

void hearken_capture_destroy(struct hearken_capture *capture)
{
    if (!capture)
        return;
    device_failover_finish(&capture->failover);
    resampler_destroy(capture->resampler);
    close(capture->wake);
    free(capture->ready);
    free(capture->mono);
    free(capture);
}

void hearken_capture_cancel(struct hearken_capture *capture)
{
    int kept = errno;
    static const uint64_t one = 1;
    atomic_store(&capture->cancelled, true);
    ssize_t written = write(capture->wake, &one, sizeof(one));
    (void)written; /* fails only if the counter is full, and then the reader is awake anyway */
    errno = kept;
}

/* ---- Events ---- */

static void emit(struct hearken_capture *c, enum hearken_capture_event_type type)
{
    struct microphone *microphone = c->failover.microphone;
    struct hearken_capture_event event = {
        .type = type,
        .device = c->failover.current.name,
        .reason = type == HEARKEN_CAPTURE_LOST ? c->failover.reason : NULL,
        .rate = microphone ? microphone_rate(microphone) : 0,
        .channels = microphone ? microphone_channels(microphone) : 0,
        .overruns = c->overruns,
        .lost_seconds = c->lost_seconds,
    };
    if (c->callback)
        c->callback(c->context, &event);
}

/* Emitted with a microphone's first samples: a device may open and never deliver any. */
static void announce(struct hearken_capture *c)
{
    if (c->announced)
        return;
    c->announced = true;
    c->lost = false;
    if (c->failover.place == ATTACHED_TO_SUBSTITUTE)
        emit(c, HEARKEN_CAPTURE_FELL_BACK);
    else
        emit(c, c->started ? HEARKEN_CAPTURE_RETURNED : HEARKEN_CAPTURE_STARTED);
    c->started = true;
}

static void report_overruns(struct hearken_capture *c)
{
    struct microphone_counts now = microphone_counts(c->failover.microphone);
    unsigned overruns = now.overruns - c->before.overruns;
    unsigned frames = now.lost_frames - c->before.lost_frames;
    c->before = now;
    if (overruns == 0 && frames == 0)
        return;
    c->overruns += overruns;
    c->lost_seconds += (double)frames / microphone_rate(c->failover.microphone);
    emit(c, HEARKEN_CAPTURE_OVERRUN);
}

/* ---- Samples ---- */

static int reserve_ready(struct hearken_capture *c, size_t room)
{
    c->ready_at = c->ready_end = 0;
    if (room <= c->ready_room)
        return 0;
    float *grown = realloc(c->ready, room * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    c->ready = grown;
    c->ready_room = room;
    return 0;
}

/* Refills the empty `ready` from the microphone's ring. */
static int read_block(struct hearken_capture *c)
{
    struct microphone *microphone = c->failover.microphone;
    if (!microphone)
        return 0;
    size_t frames = microphone_read(microphone, c->mono, BLOCK);
    if (frames == 0)
        return 0;
    announce(c);
    report_overruns(c);
    int result = reserve_ready(c, resampler_room(c->resampler, frames));
    if (result < 0)
        return result;
    long count = resampler_process(c->resampler, c->mono, frames, c->ready);
    if (count > 0)
        c->ready_end = (size_t)count;
    return count < 0 ? (int)count : 0;
}

/* Refills it with what the resampler still holds. */
static int drain_resampler(struct hearken_capture *c)
{
    if (!c->resampler)
        return 0;
    int result = reserve_ready(c, resampler_room(c->resampler, 0));
    if (result < 0)
        return result;
    long count = resampler_flush(c->resampler, c->ready);
    if (count > 0)
        c->ready_end = (size_t)count;
    return count < 0 ? (int)count : 0;
}

/* ---- Devices ---- */

static int change_device(struct hearken_capture *c)
{
    c->draining = false;
    if (c->due == DUE_LOSS && !c->lost) {
        c->lost = true;
        emit(c, HEARKEN_CAPTURE_LOST);
    }
    device_failover_change(&c->failover);
    return reset_microphone(c);
}

/* Changes the device if that is due, after returning all samples from before. */
static int check_devices(struct hearken_capture *c)
{
    struct microphone *microphone = c->failover.microphone;
    if (c->draining)
        return change_device(c);
    if (microphone && microphone_waiting(microphone) > 0)
        return 0;
    c->due = device_failover_due(&c->failover);
    if (c->due == DUE_NOTHING)
        return 0;
    c->draining = true;
    return drain_resampler(c);
}

/* ---- Reading ---- */

/* Waits for samples, a cancel or the next check of the devices. */
static void wait_for_samples(struct hearken_capture *c, long long milliseconds)
{
    struct pollfd poller = {.fd = c->wake, .events = POLLIN};
    int most = milliseconds < CHECK_MILLISECONDS ? (int)milliseconds : CHECK_MILLISECONDS;
    uint64_t writes;
    if (poll(&poller, 1, most) > 0 && read(c->wake, &writes, sizeof(writes)) < 0)
        return; /* the counter is 0 already: harmless */
}

static long copy_ready(struct hearken_capture *c, float *samples, size_t count)
{
    size_t available = c->ready_end - c->ready_at;
    if (count > available)
        count = available;
    memcpy(samples, c->ready + c->ready_at, count * sizeof(*samples));
    c->ready_at += count;
    return (long)count;
}

long hearken_capture_read(struct hearken_capture *capture, float *samples, size_t count,
                          int milliseconds, struct hearken_error *error)
{
    long long deadline = clock_milliseconds() + milliseconds;
    while (count > 0 && !atomic_load(&capture->cancelled)) {
        if (capture->ready_at < capture->ready_end)
            return copy_ready(capture, samples, count);
        int result = check_devices(capture);
        if (result == 0 && capture->ready_at == capture->ready_end)
            result = read_block(capture);
        if (result < 0)
            return hearken_fail(error, result, "capture: %s", strerror(-result));
        long long left = milliseconds < 0 ? CHECK_MILLISECONDS : deadline - clock_milliseconds();
        if (capture->ready_at == capture->ready_end) {
            if (left <= 0)
                return 0;
            wait_for_samples(capture, left);
        }
    }
    if (count > 0)
        return hearken_fail(error, -ECANCELED, "the capture was cancelled");
    return 0;
}
