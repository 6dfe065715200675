// SPDX-License-Identifier: MIT
#include "daemon/microphone/microphone_hub.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LEVEL_SAMPLES (HEARKEN_RATE / 10)

/* Delay before another attempt to open the microphone; doubles with each failure. */
#define RETRY_MILLISECONDS     1000u
#define RETRY_MILLISECONDS_MAX 60000u

struct microphone_hub {
    struct service *service;
    uv_loop_t *loop;
    uv_idle_t update; /* runs once after a change */
    struct microphone_thread *microphone;
    uv_timer_t retry;     /* runs between attempts to open the microphone */
    unsigned retry_delay; /* next delay, in milliseconds */
    bool loss_notified;   /* the subscribers know that there is no microphone */
    bool closing;         /* microphone_thread_close was called */
    bool opened_before;   /* and has not failed since */
    bool capturing;       /* the capture has named a device; `event` says whether it delivers */
    struct microphone_event event; /* the last one but overruns: names the device */
    uint64_t position;             /* samples captured since the daemon started */
    struct shared_recognition *recognitions;
    struct subscriber *subscribers;
    struct subscriber *ended; /* list: `ended` is to be called at the next update */
    double level_energy;      /* sum of squares since the last level event */
    float level_peak;
    size_t level_count;
};

static double time_of(uint64_t position)
{
    return (double)position / HEARKEN_RATE;
}

static double now(const struct microphone_hub *hub)
{
    return time_of(hub->position);
}

static void on_update(uv_idle_t *update);

/* A change only schedules an update, which the loop runs next: the change may happen while a list
 * is iterated or a client's message is handled. */
static void schedule_update(struct microphone_hub *hub)
{
    uv_idle_start(&hub->update, on_update);
}

/* ---- Lists of subscribers ---- */

static void add_to_list(struct subscriber **list, struct subscriber *subscriber)
{
    assert(!subscriber->list);
    subscriber->list = list;
    subscriber->previous = NULL;
    subscriber->next = *list;
    if (subscriber->next)
        subscriber->next->previous = subscriber;
    *list = subscriber;
}

static void remove_from_list(struct subscriber *subscriber)
{
    if (subscriber->next)
        subscriber->next->previous = subscriber->previous;
    if (subscriber->previous)
        subscriber->previous->next = subscriber->next;
    else
        *subscriber->list = subscriber->next;
    subscriber->list = NULL;
    subscriber->recognition = NULL;
    subscriber_finish(subscriber);
}

/* Moves the subscriber to the list `ended`: a caller that iterates over subscribers must fetch the
 * next one first. */
static void end_subscription(struct microphone_hub *hub, struct subscriber *subscriber,
                             const char *code, const char *problem)
{
    remove_from_list(subscriber);
    subscriber->code = code;
    if (code)
        hearken_fail(&subscriber->problem, -EIO, "%s", problem);
    add_to_list(&hub->ended, subscriber);
    schedule_update(hub);
}

/* A callback may join again or remove any subscriber, so each pass starts at the head. */
static void notify_ended(struct microphone_hub *hub)
{
    struct subscriber *subscriber;
    while ((subscriber = hub->ended)) {
        const struct hearken_error problem = subscriber->problem;
        remove_from_list(subscriber);
        subscriber->peer->ended(subscriber->context, subscriber->code,
                                subscriber->code ? problem.message : NULL);
    }
}

/* ---- Recognitions and their subscribers ---- */

/* `except`: not counted, or NULL. `stopping`: count those that are stopping, too. */
static bool has_subscribers(const struct microphone_hub *hub,
                            const struct shared_recognition *recognition,
                            const struct subscriber *except, bool stopping)
{
    for (const struct subscriber *s = hub->subscribers; s; s = s->next)
        if (s->recognition == recognition && s != except && (stopping || !s->stopping))
            return true;
    return false;
}

static struct shared_recognition *find_recognition(struct microphone_hub *hub,
                                                   const struct request_options *options)
{
    for (struct shared_recognition *recognition = hub->recognitions; recognition;
         recognition = recognition->next)
        if (shared_recognition_matches(&recognition->options, options))
            return recognition;
    return NULL;
}

static const struct shared_recognition_listener shared_recognition_listener;

static struct shared_recognition *add_recognition(struct microphone_hub *hub,
                                                  const struct request_options *requested)
{
    struct request_options options = *requested;
    options.segments = options.words = options.stream.voice_events = true;
    options.is_live = options.from_microphone = true;
    struct shared_recognition *recognition =
        shared_recognition_create(hub->service, &options, &shared_recognition_listener, hub);
    if (!recognition)
        return NULL;
    recognition->next = hub->recognitions;
    hub->recognitions = recognition;
    return recognition;
}

static int attach(struct microphone_hub *hub, struct subscriber *subscriber,
                  struct hearken_error *error)
{
    const struct request_options *options = &subscriber->transcribe->options;
    struct shared_recognition *recognition = find_recognition(hub, options);
    if (!recognition)
        recognition = add_recognition(hub, options);
    if (!recognition)
        return hearken_fail(error, -ENOMEM, "out of memory for a subscription");
    int result = shared_recognition_start(recognition, now(hub), error);
    if (result < 0)
        return result;
    subscriber->recognition = recognition;
    subscriber->joined = now(hub);
    return 0;
}

static void remove_unused_recognitions(struct microphone_hub *hub)
{
    struct shared_recognition **at = &hub->recognitions;
    while (*at) {
        struct shared_recognition *recognition = *at;
        if (has_subscribers(hub, recognition, NULL, true)) {
            at = &recognition->next;
        } else {
            *at = recognition->next;
            shared_recognition_destroy(recognition);
        }
    }
}

/* ---- The microphone ---- */

static bool any_listening(const struct microphone_hub *hub)
{
    for (const struct subscriber *s = hub->subscribers; s; s = s->next)
        if (s->recognition && !s->stopping)
            return true;
    return false;
}

static bool needs_microphone(const struct microphone_hub *hub)
{
    const struct settings *settings = &hub->service->settings;
    bool listening = any_listening(hub), subscribed = hub->subscribers;
    if (hub->service->draining)
        return false;
    switch ((enum capture_release)settings->capture_release) {
    case CAPTURE_WHEN_IDLE:
        return subscribed;
    case CAPTURE_WHEN_HELD:
        return listening;
    case CAPTURE_NEVER:
        return subscribed || hub->opened_before;
    }
    return subscribed;
}

static void notify_capture_event(struct microphone_hub *hub, const struct microphone_event *event)
{
    for (struct subscriber *s = hub->subscribers; s; s = s->next)
        subscriber_send_capture_event(s, event);
}

/* For a change that may have made the microphone available, or a client that waits for it. */
static void retry_now(struct microphone_hub *hub)
{
    uv_timer_stop(&hub->retry);
    schedule_update(hub);
}

static void on_retry(uv_timer_t *timer)
{
    retry_now(timer->data);
}

static void retry_later(struct microphone_hub *hub)
{
    uv_timer_start(&hub->retry, on_retry, hub->retry_delay, 0);
    hub->retry_delay = hub->retry_delay < RETRY_MILLISECONDS_MAX / 2 ? 2 * hub->retry_delay
                                                                     : RETRY_MILLISECONDS_MAX;
}

/* The microphone could not be opened or has failed. Ends new subscriptions with an error; the
 * others wait for the next attempt. */
static void handle_lost_microphone(struct microphone_hub *hub, const char *problem)
{
    const char *device = hub->service->settings.capture_device;
    struct microphone_event loss = {.type = HEARKEN_CAPTURE_LOST};
    struct subscriber *next;
    log_warning(hub->service->log, "microphone: %s", problem);
    hub->opened_before = false;
    for (struct subscriber *s = hub->subscribers; s; s = next) {
        next = s->next;
        if (s->awaits_microphone)
            end_subscription(hub, s, "no-microphone", problem);
    }
    snprintf(loss.device, sizeof(loss.device), "%s", *device != '\0' ? device : "default");
    snprintf(loss.reason, sizeof(loss.reason), "%s", problem);
    hub->event = loss;
    if (!hub->loss_notified)
        notify_capture_event(hub, &loss);
    hub->loss_notified = true;
    retry_later(hub);
}

static const struct microphone_callbacks microphone_callbacks;

static void open_microphone(struct microphone_hub *hub)
{
    int result = microphone_thread_open(hub->loop, &hub->service->settings, hub->service->log,
                                        &microphone_callbacks, hub, &hub->microphone);
    hub->opened_before = true;
    if (result < 0)
        handle_lost_microphone(hub, uv_strerror(result));
}

static void close_microphone(struct microphone_hub *hub)
{
    hub->closing = true;
    hub->capturing = false;
    microphone_thread_close(hub->microphone);
}

/* Opens or closes the microphone as the subscribers need it. */
static void update_microphone(struct microphone_hub *hub)
{
    bool wanted = needs_microphone(hub);
    if (!wanted) {
        uv_timer_stop(&hub->retry);
        hub->retry_delay = RETRY_MILLISECONDS;
        hub->loss_notified = false;
    }
    if (hub->microphone && !hub->closing && !wanted)
        close_microphone(hub);
    else if (!hub->microphone && wanted && !uv_is_active((uv_handle_t *)&hub->retry))
        open_microphone(hub);
}

static void on_update(uv_idle_t *update)
{
    struct microphone_hub *hub = update->data;
    uv_idle_stop(update);
    notify_ended(hub);
    remove_unused_recognitions(hub);
    update_microphone(hub);
}

static void on_event(void *context, const struct microphone_event *event)
{
    struct microphone_hub *hub = context;
    struct log *log = hub->service->log;
    if (event->type == HEARKEN_CAPTURE_LOST)
        log_warning(log, "microphone: lost %s: %s", event->device, event->reason);
    else if (event->type == HEARKEN_CAPTURE_OVERRUN)
        log_warning(log, "microphone: audio was lost %llu times so far",
                    (unsigned long long)event->overruns);
    else
        log_info(log, "microphone: %s (%u Hz, %u channels)", event->device, (unsigned)event->rate,
                 (unsigned)event->channels);
    if (event->type != HEARKEN_CAPTURE_OVERRUN) {
        hub->event = *event;
        hub->capturing = true;
        hub->loss_notified = false;
        hub->retry_delay = RETRY_MILLISECONDS;
        for (struct subscriber *s = hub->subscribers; s; s = s->next)
            s->awaits_microphone = false;
    }
    notify_capture_event(hub, event);
}

static void send_level(struct microphone_hub *hub)
{
    double rms = sqrt(hub->level_energy / (double)hub->level_count);
    for (struct subscriber *s = hub->subscribers; s; s = s->next)
        if (s->transcribe->meter && s->recognition)
            s->peer->send(s->context, "hearken-level",
                          json_pack("{s:f, s:f, s:f}", "rms", rms, "peak", (double)hub->level_peak,
                                    "time", now(hub)),
                          NULL, 0);
    hub->level_energy = 0;
    hub->level_peak = 0;
    hub->level_count = 0;
}

static void measure(struct microphone_hub *hub, const float *samples, size_t count)
{
    struct hearken_level level;
    hearken_level_measure(samples, count, &level);
    hub->level_energy += (double)level.rms * (double)level.rms * (double)count;
    hub->level_peak = fmaxf(hub->level_peak, level.peak);
    hub->level_count += count;
    if (hub->level_count >= LEVEL_SAMPLES)
        send_level(hub);
}

static void end_subscriptions(struct microphone_hub *hub,
                              const struct shared_recognition *recognition, const char *code,
                              const char *problem)
{
    struct subscriber *next;
    for (struct subscriber *s = hub->subscribers; s; s = next) {
        next = s->next;
        if (s->recognition == recognition)
            end_subscription(hub, s, code, problem);
    }
}

static void on_samples(void *context, const float *samples, size_t count)
{
    struct microphone_hub *hub = context;
    double time = now(hub);
    hub->position += count;
    for (struct shared_recognition *recognition = hub->recognitions; recognition;
         recognition = recognition->next)
        if (shared_recognition_write(recognition, samples, count, time) < 0)
            end_subscriptions(hub, recognition, "out-of-memory", "out of memory for audio");
    measure(hub, samples, count);
}

static void on_closed(void *context, const char *problem)
{
    struct microphone_hub *hub = context;
    hub->microphone = NULL;
    hub->closing = hub->capturing = false;
    if (problem)
        handle_lost_microphone(hub, problem);
    else
        log_info(hub->service->log, "microphone: released");
    schedule_update(hub);
}

static const struct microphone_callbacks microphone_callbacks = {
    .samples = on_samples,
    .event = on_event,
    .closed = on_closed,
};

/* ---- Segments ---- */

static void on_segment(void *context, struct shared_recognition *recognition,
                       const struct segment_message *segment)
{
    struct microphone_hub *hub = context;
    for (struct subscriber *s = hub->subscribers; s; s = s->next)
        if (s->recognition == recognition)
            subscriber_send_segment(s, segment);
}

static void on_ended(void *context, struct shared_recognition *recognition)
{
    struct microphone_hub *hub = context;
    struct subscriber *next;
    for (struct subscriber *s = hub->subscribers; s; s = next) {
        next = s->next;
        if (s->recognition != recognition || !s->stopping)
            continue;
        s->stopping = false;
        s->recognition = NULL;
        if (s->leaving)
            end_subscription(hub, s, NULL, NULL);
        else
            subscriber_notify_listening(s, now(hub));
    }
    schedule_update(hub);
}

static void on_failed(void *context, struct shared_recognition *recognition, const char *code,
                      const char *problem)
{
    end_subscriptions(context, recognition, code, problem);
}

static const struct shared_recognition_listener shared_recognition_listener = {
    .segment = on_segment,
    .ended = on_ended,
    .failed = on_failed,
};

/* ---- Interface ---- */

struct microphone_hub *microphone_hub_create(struct service *service, uv_loop_t *loop)
{
    struct microphone_hub *hub = calloc(1, sizeof(*hub));
    if (!hub)
        return NULL;
    hub->service = service;
    hub->loop = loop;
    hub->retry_delay = RETRY_MILLISECONDS;
    uv_idle_init(loop, &hub->update);
    uv_timer_init(loop, &hub->retry);
    hub->update.data = hub->retry.data = hub;
    return hub;
}

void microphone_hub_destroy(struct microphone_hub *hub)
{
    free(hub);
}

int microphone_hub_join(struct microphone_hub *hub, struct subscriber *subscriber,
                        struct hearken_error *error)
{
    if (subscriber->list)
        return hearken_fail(error, -EALREADY, "this client already listens to the microphone");
    subscriber->stopping = subscriber->leaving = false;
    subscriber->joined = now(hub);
    subscriber->awaits_microphone = !hub->capturing && !subscriber->transcribe->hold;
    retry_now(hub);
    int result = subscriber->transcribe->hold ? 0 : attach(hub, subscriber, error);
    if (result < 0)
        return result;
    add_to_list(&hub->subscribers, subscriber);
    subscriber->notified_listening = subscriber->recognition;
    subscriber->peer->send(
        subscriber->context, "hearken-listening",
        json_pack("{s:b, s:f}", "hearing", subscriber->notified_listening, "time", now(hub)), NULL,
        0);
    if (hub->capturing || (hub->loss_notified && !subscriber->awaits_microphone))
        subscriber_send_capture_event(subscriber, &hub->event);
    return 0;
}

static bool is_subscribed(const struct microphone_hub *hub, const struct subscriber *subscriber)
{
    return subscriber->list == &hub->subscribers;
}

void microphone_hub_leave(struct microphone_hub *hub, struct subscriber *subscriber)
{
    struct shared_recognition *recognition = subscriber->recognition;
    if (!is_subscribed(hub, subscriber))
        return; /* it has ended already, and `ended` will be called */
    if (!recognition || has_subscribers(hub, recognition, subscriber, false)) {
        subscriber_finalise(subscriber);
        end_subscription(hub, subscriber, NULL, NULL);
        return;
    }
    subscriber->leaving = true;
    if (!subscriber->stopping) {
        subscriber->stopping = true;
        shared_recognition_end(recognition);
    }
}

void microphone_hub_remove(struct microphone_hub *hub, struct subscriber *subscriber)
{
    if (!subscriber->list)
        return;
    remove_from_list(subscriber);
    schedule_update(hub);
}

static int start_one(struct microphone_hub *hub, struct subscriber *subscriber,
                     struct hearken_error *error)
{
    int result = 0;
    if (!subscriber->recognition)
        result = attach(hub, subscriber, error);
    else if (subscriber->stopping)
        result = shared_recognition_start(subscriber->recognition, now(hub), error);
    subscriber->stopping = false;
    return result;
}

static void start_all(struct microphone_hub *hub)
{
    struct hearken_error error;
    struct subscriber *next;
    for (struct subscriber *s = hub->subscribers; s; s = next) {
        next = s->next;
        if (s->leaving)
            continue;
        int result = start_one(hub, s, &error);
        if (result < 0)
            end_subscription(hub, s, shared_recognition_error_code(result), error.message);
        else
            subscriber_notify_listening(s, now(hub));
    }
    retry_now(hub);
}

static void stop_all(struct microphone_hub *hub)
{
    for (struct subscriber *s = hub->subscribers; s; s = s->next)
        s->stopping = s->recognition;
    for (struct shared_recognition *recognition = hub->recognitions; recognition;
         recognition = recognition->next)
        shared_recognition_end(recognition);
}

unsigned microphone_hub_switch(struct microphone_hub *hub, enum microphone_hub_switch action,
                               bool *listening)
{
    bool start = action == HUB_START || (action == HUB_TOGGLE && !any_listening(hub));
    if (!start)
        stop_all(hub);
    else if (!hub->service->draining)
        start_all(hub);
    schedule_update(hub);
    *listening = any_listening(hub);
    return microphone_hub_subscribers(hub);
}

void microphone_hub_reload(struct microphone_hub *hub)
{
    for (struct shared_recognition *recognition = hub->recognitions; recognition;
         recognition = recognition->next)
        shared_recognition_restart(recognition);
    if (hub->microphone && !hub->closing &&
        microphone_thread_differs(hub->microphone, &hub->service->settings))
        close_microphone(hub);
    retry_now(hub);
}

void microphone_hub_drain(struct microphone_hub *hub)
{
    struct subscriber *next;
    stop_all(hub);
    for (struct subscriber *s = hub->subscribers; s; s = next) {
        next = s->next;
        s->leaving = true;
        if (!s->recognition)
            end_subscription(hub, s, NULL, NULL);
    }
    schedule_update(hub);
}

bool microphone_hub_is_busy(const struct microphone_hub *hub)
{
    return hub->microphone || hub->recognitions;
}

unsigned microphone_hub_subscribers(const struct microphone_hub *hub)
{
    unsigned count = 0;
    for (const struct subscriber *s = hub->subscribers; s; s = s->next)
        count += !s->leaving;
    return count;
}

const char *microphone_hub_device(const struct microphone_hub *hub)
{
    return hub->capturing && hub->event.type != HEARKEN_CAPTURE_LOST ? hub->event.device : NULL;
}
