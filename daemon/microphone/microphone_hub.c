// SPDX-License-Identifier: MIT
#include "daemon/microphone/microphone_hub.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LEVEL_SAMPLES (HEARKEN_RATE / 10)

/* Between two attempts to open a microphone that cannot be had: each time twice as long. */
#define RETRY_MILLISECONDS     1000u
#define RETRY_MILLISECONDS_MAX 60000u

/* What follows from a change is done at the loop's next turn, and not where the change is made:
 * there a list may be being walked, or a client's message handled. */
struct microphone_hub {
    struct service *service;
    uv_loop_t *loop;
    uv_idle_t turn; /* runs once after a change */
    struct microphone_thread *microphone;
    uv_timer_t retry;  /* runs while a microphone that failed is left alone */
    unsigned patience; /* milliseconds that it will be, the next time */
    bool loss_is_told; /* to those who go on listening without one */
    bool closing;      /* the microphone was told to end */
    bool used;         /* it has been opened before */
    bool sounds;       /* it gives sound: `event` says from where */
    struct microphone_event event;
    uint64_t position; /* samples heard */
    struct shared_recognition *hearings;
    struct subscriber *subscribers;
    struct subscriber *ended; /* who is to be told at the next turn */
    double level_energy;      /* of the samples since it was told last */
    float level_peak;
    size_t level_count;
};

static double time_of(uint64_t position)
{
    return (double)position / HEARKEN_RATE;
}

static double now(const struct microphone_hub *live)
{
    return time_of(live->position);
}

static void on_turn(uv_idle_t *turn);

static void schedule_turn(struct microphone_hub *live)
{
    uv_idle_start(&live->turn, on_turn);
}

/* ---- Lists of subscribers ---- */

static void enter(struct subscriber **list, struct subscriber *subscriber)
{
    assert(!subscriber->list);
    subscriber->list = list;
    subscriber->previous = NULL;
    subscriber->next = *list;
    if (subscriber->next)
        subscriber->next->previous = subscriber;
    *list = subscriber;
}

static void take_out(struct subscriber *subscriber)
{
    if (subscriber->next)
        subscriber->next->previous = subscriber->previous;
    if (subscriber->previous)
        subscriber->previous->next = subscriber->next;
    else
        *subscriber->list = subscriber->next;
    subscriber->list = NULL;
    subscriber->hearing = NULL;
    subscriber_finish(subscriber);
}

/* The only way out of a subscription but for a client that is gone. Whoever walks the list has to
 * know the next one beforehand. */
static void end_subscription(struct microphone_hub *live, struct subscriber *subscriber,
                             const char *code, const char *problem)
{
    take_out(subscriber);
    subscriber->code = code;
    if (code)
        hearken_fail(&subscriber->problem, -EIO, "%s", problem);
    enter(&live->ended, subscriber);
    schedule_turn(live);
}

/* A client that goes on may do anything: listen again, end others, be gone. */
static void tell_ended(struct microphone_hub *live)
{
    struct subscriber *subscriber;
    while ((subscriber = live->ended)) {
        const struct hearken_error problem = subscriber->problem;
        take_out(subscriber);
        subscriber->peer->over(subscriber->context, subscriber->code,
                               subscriber->code ? problem.message : NULL);
    }
}

/* ---- Who hears what ---- */

static bool has_members(const struct microphone_hub *live, const struct shared_recognition *hearing,
                        const struct subscriber *but, bool stopping)
{
    for (const struct subscriber *s = live->subscribers; s; s = s->next)
        if (s->hearing == hearing && s != but && (stopping || !s->stopping))
            return true;
    return false;
}

static struct shared_recognition *find_hearing(struct microphone_hub *live,
                                               const struct request_options *options)
{
    for (struct shared_recognition *hearing = live->hearings; hearing; hearing = hearing->next)
        if (shared_recognition_matches(&hearing->options, options))
            return hearing;
    return NULL;
}

static const struct shared_recognition_listener shared_recognition_listener;

static struct shared_recognition *add_hearing(struct microphone_hub *live,
                                              const struct request_options *asked)
{
    struct request_options options = *asked;
    options.segments = options.words = options.stream.voice_events = true;
    struct shared_recognition *hearing =
        shared_recognition_create(live->service, &options, &shared_recognition_listener, live);
    if (!hearing)
        return NULL;
    hearing->next = live->hearings;
    live->hearings = hearing;
    return hearing;
}

static int attach(struct microphone_hub *live, struct subscriber *subscriber,
                  struct hearken_error *error)
{
    const struct request_options *options = &subscriber->asked->options;
    struct shared_recognition *hearing = find_hearing(live, options);
    if (!hearing)
        hearing = add_hearing(live, options);
    if (!hearing)
        return hearken_fail(error, -ENOMEM, "out of memory for a subscription");
    int result = shared_recognition_start(hearing, now(live), error);
    if (result < 0)
        return result;
    subscriber->hearing = hearing;
    subscriber->joined = now(live);
    return 0;
}

static void remove_hearings_without_members(struct microphone_hub *live)
{
    struct shared_recognition **at = &live->hearings;
    while (*at) {
        struct shared_recognition *hearing = *at;
        if (has_members(live, hearing, NULL, true)) {
            at = &hearing->next;
        } else {
            *at = hearing->next;
            shared_recognition_destroy(hearing);
        }
    }
}

/* ---- The microphone ---- */

static bool wants_microphone(const struct microphone_hub *live)
{
    const struct settings *settings = &live->service->settings;
    bool listened = false, subscribed = live->subscribers;
    for (const struct subscriber *s = live->subscribers; s; s = s->next)
        listened |= s->hearing && !s->stopping;
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

static void tell_event(struct microphone_hub *live, const struct microphone_event *event)
{
    for (struct subscriber *s = live->subscribers; s; s = s->next)
        subscriber_tell_event(s, event);
}

/* Somebody has done something that may help, or waits for an answer. */
static void retry_now(struct microphone_hub *live)
{
    uv_timer_stop(&live->retry);
    schedule_turn(live);
}

static void on_retry(uv_timer_t *timer)
{
    retry_now(timer->data);
}

static void try_later(struct microphone_hub *live)
{
    uv_timer_start(&live->retry, on_retry, live->patience, 0);
    live->patience =
        live->patience < RETRY_MILLISECONDS_MAX / 2 ? 2 * live->patience : RETRY_MILLISECONDS_MAX;
}

/* It could not be opened, or cannot be read any more. For those who have only come that is the
 * answer; the others wait for the next attempt. */
static void lose_microphone(struct microphone_hub *live, const char *problem)
{
    const char *device = live->service->settings.capture_device;
    struct microphone_event loss = {.type = HEARKEN_CAPTURE_LOST};
    struct subscriber *next;
    log_warning(live->service->log, "microphone: %s", problem);
    live->used = false;
    for (struct subscriber *s = live->subscribers; s; s = next) {
        next = s->next;
        if (s->arriving)
            end_subscription(live, s, "no-microphone", problem);
    }
    snprintf(loss.device, sizeof(loss.device), "%s", *device != '\0' ? device : "default");
    snprintf(loss.reason, sizeof(loss.reason), "%s", problem);
    live->event = loss;
    if (!live->loss_is_told)
        tell_event(live, &loss);
    live->loss_is_told = true;
    try_later(live);
}

static const struct microphone_user microphone_user;

static void open_microphone(struct microphone_hub *live)
{
    int result = microphone_thread_open(live->loop, &live->service->settings, live->service->log,
                                        &microphone_user, live, &live->microphone);
    live->used = true;
    if (result < 0)
        lose_microphone(live, uv_strerror(result));
}

static void close_microphone(struct microphone_hub *live)
{
    live->closing = true;
    live->sounds = false;
    microphone_thread_close(live->microphone);
}

/* Opens or closes it as it is wanted. */
static void settle_microphone(struct microphone_hub *live)
{
    bool wanted = wants_microphone(live);
    if (!wanted) {
        uv_timer_stop(&live->retry);
        live->patience = RETRY_MILLISECONDS;
        live->loss_is_told = false;
    }
    if (live->microphone && !live->closing && !wanted)
        close_microphone(live);
    else if (!live->microphone && wanted && !uv_is_active((uv_handle_t *)&live->retry))
        open_microphone(live);
}

static void on_turn(uv_idle_t *turn)
{
    struct microphone_hub *live = turn->data;
    uv_idle_stop(turn);
    tell_ended(live);
    remove_hearings_without_members(live);
    settle_microphone(live);
}

static void on_event(void *context, const struct microphone_event *event)
{
    struct microphone_hub *live = context;
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
        live->loss_is_told = false;
        live->patience = RETRY_MILLISECONDS;
        for (struct subscriber *s = live->subscribers; s; s = s->next)
            s->arriving = false;
    }
    tell_event(live, event);
}

static void tell_level(struct microphone_hub *live)
{
    double rms = sqrt(live->level_energy / (double)live->level_count);
    for (struct subscriber *s = live->subscribers; s; s = s->next)
        if (s->asked->meter && s->hearing)
            s->peer->send(s->context, "hearken-level",
                          json_pack("{s:f, s:f, s:f}", "rms", rms, "peak", (double)live->level_peak,
                                    "time", now(live)),
                          NULL, 0);
    live->level_energy = 0;
    live->level_peak = 0;
    live->level_count = 0;
}

static void measure(struct microphone_hub *live, const float *samples, size_t count)
{
    struct hearken_level level;
    hearken_level_measure(samples, count, &level);
    live->level_energy += (double)level.rms * (double)level.rms * (double)count;
    live->level_peak = fmaxf(live->level_peak, level.peak);
    live->level_count += count;
    if (live->level_count >= LEVEL_SAMPLES)
        tell_level(live);
}

static void end_members(struct microphone_hub *live, const struct shared_recognition *hearing,
                        const char *code, const char *problem)
{
    struct subscriber *next;
    for (struct subscriber *s = live->subscribers; s; s = next) {
        next = s->next;
        if (s->hearing == hearing)
            end_subscription(live, s, code, problem);
    }
}

static void on_sound(void *context, const float *samples, size_t count)
{
    struct microphone_hub *live = context;
    double time = now(live);
    live->position += count;
    for (struct shared_recognition *hearing = live->hearings; hearing; hearing = hearing->next)
        if (shared_recognition_write(hearing, samples, count, time) < 0)
            end_members(live, hearing, "out-of-memory", "out of memory for sound");
    measure(live, samples, count);
}

static void on_closed(void *context, const char *problem)
{
    struct microphone_hub *live = context;
    live->microphone = NULL;
    live->closing = live->sounds = false;
    if (problem)
        lose_microphone(live, problem);
    else
        log_info(live->service->log, "microphone: released");
    schedule_turn(live);
}

static const struct microphone_user microphone_user = {
    .sound = on_sound,
    .event = on_event,
    .closed = on_closed,
};

/* ---- What is heard ---- */

static void on_segment(void *context, struct shared_recognition *hearing,
                       const struct heard_segment *segment)
{
    struct microphone_hub *live = context;
    for (struct subscriber *s = live->subscribers; s; s = s->next)
        if (s->hearing == hearing)
            subscriber_hear(s, segment);
}

static void on_ended(void *context, struct shared_recognition *hearing)
{
    struct microphone_hub *live = context;
    struct subscriber *next;
    for (struct subscriber *s = live->subscribers; s; s = next) {
        next = s->next;
        if (s->hearing != hearing || !s->stopping)
            continue;
        s->stopping = false;
        s->hearing = NULL;
        if (s->leaving)
            end_subscription(live, s, NULL, NULL);
        else
            subscriber_tell_hearing(s, now(live));
    }
    schedule_turn(live);
}

static void on_failed(void *context, struct shared_recognition *hearing, const char *code,
                      const char *problem)
{
    end_members(context, hearing, code, problem);
}

static const struct shared_recognition_listener shared_recognition_listener = {
    .segment = on_segment,
    .ended = on_ended,
    .failed = on_failed,
};

/* ---- Interface ---- */

struct microphone_hub *microphone_hub_create(struct service *service, uv_loop_t *loop)
{
    struct microphone_hub *live = calloc(1, sizeof(*live));
    if (!live)
        return NULL;
    live->service = service;
    live->loop = loop;
    live->patience = RETRY_MILLISECONDS;
    uv_idle_init(loop, &live->turn);
    uv_timer_init(loop, &live->retry);
    live->turn.data = live->retry.data = live;
    return live;
}

void microphone_hub_destroy(struct microphone_hub *live)
{
    free(live);
}

int microphone_hub_join(struct microphone_hub *live, struct subscriber *subscriber,
                        struct hearken_error *error)
{
    if (subscriber->list)
        return hearken_fail(error, -EALREADY, "this client listens to the microphone already");
    subscriber->stopping = subscriber->leaving = false;
    subscriber->joined = now(live);
    subscriber->arriving = !live->sounds && !subscriber->asked->hold;
    retry_now(live);
    int result = subscriber->asked->hold ? 0 : attach(live, subscriber, error);
    if (result < 0)
        return result;
    enter(&live->subscribers, subscriber);
    subscriber->told_hearing = subscriber->hearing;
    subscriber->peer->send(
        subscriber->context, "hearken-listening",
        json_pack("{s:b, s:f}", "hearing", subscriber->told_hearing, "time", now(live)), NULL, 0);
    if (live->sounds || (live->loss_is_told && !subscriber->arriving))
        subscriber_tell_event(subscriber, &live->event);
    return 0;
}

static bool listens(const struct microphone_hub *live, const struct subscriber *subscriber)
{
    return subscriber->list == &live->subscribers;
}

void microphone_hub_leave(struct microphone_hub *live, struct subscriber *subscriber)
{
    struct shared_recognition *hearing = subscriber->hearing;
    if (!listens(live, subscriber))
        return; /* it is over already, which is about to be told */
    if (!hearing || has_members(live, hearing, subscriber, false)) {
        subscriber_settle(subscriber);
        end_subscription(live, subscriber, NULL, NULL);
        return;
    }
    subscriber->leaving = true;
    if (!subscriber->stopping) {
        subscriber->stopping = true;
        shared_recognition_end(hearing);
    }
}

void microphone_hub_forget(struct microphone_hub *live, struct subscriber *subscriber)
{
    if (!subscriber->list)
        return;
    take_out(subscriber);
    schedule_turn(live);
}

static int start_one(struct microphone_hub *live, struct subscriber *subscriber,
                     struct hearken_error *error)
{
    int result = 0;
    if (!subscriber->hearing)
        result = attach(live, subscriber, error);
    else if (subscriber->stopping)
        result = shared_recognition_start(subscriber->hearing, now(live), error);
    subscriber->stopping = false;
    return result;
}

static void start_all(struct microphone_hub *live)
{
    struct hearken_error error;
    struct subscriber *next;
    for (struct subscriber *s = live->subscribers; s; s = next) {
        next = s->next;
        if (s->leaving)
            continue;
        int result = start_one(live, s, &error);
        if (result < 0)
            end_subscription(live, s, hearing_error_code(result), error.message);
        else
            subscriber_tell_hearing(s, now(live));
    }
    retry_now(live);
}

static void stop_all(struct microphone_hub *live)
{
    for (struct subscriber *s = live->subscribers; s; s = s->next)
        s->stopping = s->hearing;
    for (struct shared_recognition *hearing = live->hearings; hearing; hearing = hearing->next)
        shared_recognition_end(hearing);
}

static bool any_is_heard(const struct microphone_hub *live)
{
    for (const struct subscriber *s = live->subscribers; s; s = s->next)
        if (s->hearing && !s->stopping)
            return true;
    return false;
}

unsigned microphone_hub_switch(struct microphone_hub *live, enum microphone_hub_switch action,
                               bool *hearing)
{
    bool start = action == LIVE_START || (action == LIVE_TOGGLE && !any_is_heard(live));
    if (!start)
        stop_all(live);
    else if (!live->service->draining)
        start_all(live);
    schedule_turn(live);
    *hearing = any_is_heard(live);
    return microphone_hub_subscribers(live);
}

void microphone_hub_reload(struct microphone_hub *live)
{
    for (struct shared_recognition *hearing = live->hearings; hearing; hearing = hearing->next)
        shared_recognition_restart(hearing);
    if (live->microphone && !live->closing &&
        microphone_thread_differs(live->microphone, &live->service->settings))
        close_microphone(live);
    retry_now(live);
}

void microphone_hub_drain(struct microphone_hub *live)
{
    struct subscriber *next;
    stop_all(live);
    for (struct subscriber *s = live->subscribers; s; s = next) {
        next = s->next;
        s->leaving = true;
        if (!s->hearing)
            end_subscription(live, s, NULL, NULL);
    }
    schedule_turn(live);
}

bool microphone_hub_is_busy(const struct microphone_hub *live)
{
    return live->microphone || live->hearings;
}

unsigned microphone_hub_subscribers(const struct microphone_hub *live)
{
    unsigned count = 0;
    for (const struct subscriber *s = live->subscribers; s; s = s->next)
        count += !s->leaving;
    return count;
}

const char *microphone_hub_device(const struct microphone_hub *live)
{
    return live->sounds && live->event.type != HEARKEN_CAPTURE_LOST ? live->event.device : NULL;
}
