// SPDX-License-Identifier: MIT
#include "live.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define LEVEL_SAMPLES (HEARKEN_RATE / 10)

struct live {
    struct service *service;
    uv_loop_t *loop;
    struct live_microphone *microphone;
    bool closing; /* the microphone was told to end */
    bool used;    /* it has been opened before */
    bool sounds;  /* it gives sound: `event` says from where */
    struct microphone_event event;
    uint64_t position; /* samples heard */
    struct hearing *hearings;
    struct subscriber *subscribers;
    double level_energy; /* of the samples since it was told last */
    float level_peak;
    size_t level_count;
};

static double time_of(uint64_t position)
{
    return (double)position / HEARKEN_RATE;
}

static double now(const struct live *live)
{
    return time_of(live->position);
}

/* ---- Who hears what ---- */

static bool has_members(const struct live *live, const struct hearing *hearing,
                        const struct subscriber *but, bool stopping)
{
    for (const struct subscriber *s = live->subscribers; s != NULL; s = s->next)
        if (s->hearing == hearing && s != but && (stopping || !s->stopping))
            return true;
    return false;
}

static struct hearing *find_hearing(struct live *live, const struct request_options *options)
{
    for (struct hearing *hearing = live->hearings; hearing != NULL; hearing = hearing->next)
        if (hearing_is_alike(&hearing->options, options))
            return hearing;
    return NULL;
}

static const struct hearing_listener hearing_listener;

static struct hearing *add_hearing(struct live *live, const struct request_options *asked)
{
    struct request_options options = *asked;
    options.segments = options.words = options.stream.voice_events = true;
    struct hearing *hearing = hearing_create(live->service, &options, &hearing_listener, live);
    if (hearing == NULL)
        return NULL;
    hearing->next = live->hearings;
    live->hearings = hearing;
    return hearing;
}

static int attach(struct live *live, struct subscriber *subscriber)
{
    const struct request_options *options = &subscriber->asked->options;
    struct hearing *hearing = find_hearing(live, options);
    if (hearing == NULL)
        hearing = add_hearing(live, options);
    if (hearing == NULL || hearing_start(hearing, now(live)) < 0)
        return -ENOMEM;
    subscriber->hearing = hearing;
    subscriber->joined = now(live);
    return 0;
}

static void remove_hearings_without_members(struct live *live)
{
    struct hearing **at = &live->hearings;
    while (*at != NULL) {
        struct hearing *hearing = *at;
        if (has_members(live, hearing, NULL, true)) {
            at = &hearing->next;
        } else {
            *at = hearing->next;
            hearing_destroy(hearing);
        }
    }
}

static void add_subscriber(struct live *live, struct subscriber *subscriber)
{
    subscriber->subscribed = true;
    subscriber->previous = NULL;
    subscriber->next = live->subscribers;
    if (subscriber->next != NULL)
        subscriber->next->previous = subscriber;
    live->subscribers = subscriber;
}

static void remove_subscriber(struct live *live, struct subscriber *subscriber)
{
    if (subscriber->next != NULL)
        subscriber->next->previous = subscriber->previous;
    if (subscriber->previous != NULL)
        subscriber->previous->next = subscriber->next;
    else
        live->subscribers = subscriber->next;
    subscriber->subscribed = subscriber->stopping = subscriber->leaving = false;
    subscriber->hearing = NULL;
    subscriber_finish(subscriber);
}

/* ---- The end of a subscription ---- */

/* It stays in the list until it is resumed: the list is being walked. */
static void end_subscription(struct subscriber *subscriber, const char *code, const char *problem)
{
    subscriber->hearing = NULL;
    subscriber->leaving = false;
    subscriber->waits_for_resume = true;
    subscriber->peer->over(subscriber->context, code, problem);
}

/* A client that goes on may do anything, so the list is walked anew after each. */
static void resume_all(struct live *live)
{
    struct subscriber *subscriber = live->subscribers;
    while (subscriber != NULL) {
        if (!subscriber->waits_for_resume) {
            subscriber = subscriber->next;
            continue;
        }
        subscriber->waits_for_resume = false;
        remove_subscriber(live, subscriber);
        subscriber->peer->resume(subscriber->context);
        subscriber = live->subscribers;
    }
}

static void end_all(struct live *live, const char *code, const char *problem)
{
    for (struct subscriber *s = live->subscribers; s != NULL; s = s->next)
        if (!s->waits_for_resume)
            end_subscription(s, code, problem);
}

/* ---- The microphone ---- */

static bool wants_microphone(const struct live *live)
{
    const struct settings *settings = &live->service->settings;
    bool listened = false, subscribed = false;
    for (const struct subscriber *s = live->subscribers; s != NULL; s = s->next) {
        subscribed |= !s->waits_for_resume;
        listened |= s->hearing != NULL && !s->stopping;
    }
    if (live->service->draining)
        return false;
    switch ((enum capture_release)settings->capture_release) {
    case CAPTURE_WHEN_IDLE:
        return subscribed;
    case CAPTURE_WHEN_HELD:
        return listened;
    case CAPTURE_NEVER:
        return subscribed || live->used;
    }
    return subscribed;
}

static const struct microphone_user microphone_user;

/* Opens or closes it as it is wanted, and stops what nobody hears. */
static void settle(struct live *live)
{
    remove_hearings_without_members(live);
    bool wanted = wants_microphone(live);
    if (live->microphone != NULL && !live->closing && !wanted) {
        live->closing = true;
        live->sounds = false;
        live_microphone_close(live->microphone);
    } else if (live->microphone == NULL && wanted) {
        int status = live_microphone_open(live->loop, &live->service->settings, live->service->log,
                                          &microphone_user, live, &live->microphone);
        live->used = true;
        if (status < 0)
            log_error(live->service->log, "microphone: %s", uv_strerror(status));
    }
}

static void settle_and_resume(struct live *live)
{
    settle(live);
    resume_all(live);
    settle(live);
}

static void on_event(void *context, const struct microphone_event *event)
{
    struct live *live = context;
    struct log *log = live->service->log;
    if (event->type == HEARKEN_CAPTURE_LOST)
        log_warning(log, "microphone: lost %s: %s", event->device, event->reason);
    else if (event->type == HEARKEN_CAPTURE_OVERRUN)
        log_warning(log, "microphone: sound was lost %llu times so far",
                    (unsigned long long)event->overruns);
    else
        log_info(log, "microphone: %s (%u Hz, %u channels)", event->device, (unsigned)event->rate,
                 (unsigned)event->channels);
    if (event->type != HEARKEN_CAPTURE_OVERRUN) {
        live->event = *event;
        live->sounds = true;
    }
    for (struct subscriber *s = live->subscribers; s != NULL; s = s->next)
        if (!s->waits_for_resume)
            subscriber_tell_event(s, event);
}

static void tell_level(struct live *live)
{
    double rms = sqrt(live->level_energy / (double)live->level_count);
    for (struct subscriber *s = live->subscribers; s != NULL; s = s->next)
        if (s->asked->meter && s->hearing != NULL)
            s->peer->send(s->context, "hearken-level",
                          json_pack("{s:f, s:f, s:f}", "rms", rms, "peak", (double)live->level_peak,
                                    "time", now(live)),
                          NULL, 0);
    live->level_energy = 0;
    live->level_peak = 0;
    live->level_count = 0;
}

static void measure(struct live *live, const float *samples, size_t count)
{
    struct hearken_level level;
    hearken_level_measure(samples, count, &level);
    live->level_energy += (double)level.rms * (double)level.rms * (double)count;
    live->level_peak = fmaxf(live->level_peak, level.peak);
    live->level_count += count;
    if (live->level_count >= LEVEL_SAMPLES)
        tell_level(live);
}

static void on_sound(void *context, const float *samples, size_t count)
{
    struct live *live = context;
    double time = now(live);
    live->position += count;
    for (struct hearing *hearing = live->hearings; hearing != NULL; hearing = hearing->next) {
        if (hearing_hear(hearing, samples, count, time) == 0)
            continue;
        for (struct subscriber *s = live->subscribers; s != NULL; s = s->next)
            if (s->hearing == hearing)
                end_subscription(s, "out-of-memory", "out of memory for sound");
    }
    measure(live, samples, count);
    settle_and_resume(live);
}

static void on_closed(void *context, const char *problem)
{
    struct live *live = context;
    live->microphone = NULL;
    live->closing = live->sounds = false;
    if (problem != NULL) {
        log_warning(live->service->log, "microphone: %s", problem);
        live->used = false;
        end_all(live, "no-microphone", problem);
    } else {
        log_info(live->service->log, "microphone: released");
    }
    settle_and_resume(live);
}

static const struct microphone_user microphone_user = {
    .sound = on_sound,
    .event = on_event,
    .closed = on_closed,
};

/* ---- What is heard ---- */

static void on_segment(void *context, struct hearing *hearing, const struct heard_segment *segment)
{
    struct live *live = context;
    for (struct subscriber *s = live->subscribers; s != NULL; s = s->next)
        if (s->hearing == hearing)
            subscriber_hear(s, segment);
}

static void on_ended(void *context, struct hearing *hearing, const char *problem)
{
    struct live *live = context;
    for (struct subscriber *s = live->subscribers; s != NULL; s = s->next) {
        if (s->hearing != hearing || (problem == NULL && !s->stopping))
            continue;
        s->stopping = false;
        s->hearing = NULL;
        if (problem != NULL || s->leaving)
            end_subscription(s, "recognition-failed", problem);
        else
            subscriber_tell_hearing(s, now(live));
    }
    settle_and_resume(live);
}

static const struct hearing_listener hearing_listener = {
    .segment = on_segment,
    .ended = on_ended,
};

/* ---- Interface ---- */

struct live *live_create(struct service *service, uv_loop_t *loop)
{
    struct live *live = calloc(1, sizeof *live);
    if (live == NULL)
        return NULL;
    live->service = service;
    live->loop = loop;
    return live;
}

void live_destroy(struct live *live)
{
    free(live);
}

int live_join(struct live *live, struct subscriber *subscriber, struct hearken_error *error)
{
    subscriber->joined = now(live);
    add_subscriber(live, subscriber);
    int status = subscriber->asked->hold ? 0 : attach(live, subscriber);
    if (status < 0) {
        remove_subscriber(live, subscriber);
        settle(live);
        return hearken_fail(error, status, "out of memory for a subscription");
    }
    subscriber->told_hearing = subscriber->hearing != NULL;
    subscriber->peer->send(
        subscriber->context, "hearken-listening",
        json_pack("{s:b, s:f}", "hearing", subscriber->told_hearing, "time", now(live)), NULL, 0);
    if (live->sounds)
        subscriber_tell_event(subscriber, &live->event);
    settle(live);
    return 0;
}

bool live_leave(struct live *live, struct subscriber *subscriber)
{
    struct hearing *hearing = subscriber->hearing;
    if (hearing == NULL || has_members(live, hearing, subscriber, false)) {
        subscriber_settle(subscriber);
        remove_subscriber(live, subscriber);
        settle(live);
        return true;
    }
    subscriber->leaving = true;
    if (!subscriber->stopping) {
        subscriber->stopping = true;
        hearing_end(hearing);
    }
    return false;
}

void live_forget(struct live *live, struct subscriber *subscriber)
{
    subscriber->waits_for_resume = false;
    if (!subscriber->subscribed)
        return;
    remove_subscriber(live, subscriber);
    settle(live);
}

static void start_all(struct live *live)
{
    for (struct subscriber *s = live->subscribers; s != NULL; s = s->next) {
        if (s->leaving || s->waits_for_resume)
            continue;
        int status = 0;
        if (s->hearing == NULL)
            status = attach(live, s);
        else if (s->stopping)
            status = hearing_start(s->hearing, now(live));
        s->stopping = false;
        if (status < 0)
            end_subscription(s, "out-of-memory", "out of memory for a request");
        else
            subscriber_tell_hearing(s, now(live));
    }
}

static void stop_all(struct live *live)
{
    for (struct subscriber *s = live->subscribers; s != NULL; s = s->next)
        s->stopping = s->hearing != NULL;
    for (struct hearing *hearing = live->hearings; hearing != NULL; hearing = hearing->next)
        hearing_end(hearing);
}

static bool any_is_heard(const struct live *live)
{
    for (const struct subscriber *s = live->subscribers; s != NULL; s = s->next)
        if (s->hearing != NULL && !s->stopping)
            return true;
    return false;
}

unsigned live_switch(struct live *live, enum live_switch action, bool *hearing)
{
    bool start = action == LIVE_START || (action == LIVE_TOGGLE && !any_is_heard(live));
    if (!start)
        stop_all(live);
    else if (!live->service->draining)
        start_all(live);
    settle(live);
    *hearing = any_is_heard(live);
    return live_subscribers(live);
}

void live_reload(struct live *live)
{
    for (struct hearing *hearing = live->hearings; hearing != NULL; hearing = hearing->next)
        hearing_renew(hearing);
    if (live->microphone != NULL && !live->closing &&
        live_microphone_differs(live->microphone, &live->service->settings)) {
        live->closing = true;
        live->sounds = false;
        live_microphone_close(live->microphone);
    }
    settle(live);
}

void live_drain(struct live *live)
{
    stop_all(live);
    for (struct subscriber *s = live->subscribers; s != NULL; s = s->next) {
        s->leaving = true;
        if (s->hearing == NULL && !s->waits_for_resume)
            end_subscription(s, NULL, NULL);
    }
    settle_and_resume(live);
}

bool live_is_busy(const struct live *live)
{
    return live->microphone != NULL || live->hearings != NULL;
}

unsigned live_subscribers(const struct live *live)
{
    unsigned count = 0;
    for (const struct subscriber *s = live->subscribers; s != NULL; s = s->next)
        count += !s->leaving && !s->waits_for_resume;
    return count;
}

const char *live_device(const struct live *live)
{
    return live->sounds && live->event.type != HEARKEN_CAPTURE_LOST ? live->event.device : NULL;
}
