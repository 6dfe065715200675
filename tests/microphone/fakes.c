// SPDX-License-Identifier: MIT
#include "tests/microphone/fakes.h"

#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct microphone_thread {
    char unused;
};

struct fake_microphone *fake_microphone(void)
{
    static struct fake_microphone microphone;
    return &microphone;
}

void microphone_reports(enum hearken_capture_event_type type)
{
    const struct fake_microphone *microphone = fake_microphone();
    struct microphone_event event = {.type = type, .device = "mic", .rate = 48000, .channels = 1};
    if (type == HEARKEN_CAPTURE_LOST)
        snprintf(event.reason, sizeof(event.reason), "it is gone");
    microphone->callbacks->event(microphone->context, &event);
}

void microphone_captures(size_t count)
{
    float samples[HEARKEN_RATE];
    const struct fake_microphone *microphone = fake_microphone();
    for (size_t i = 0; i < count; i++)
        samples[i] = 0.5f;
    microphone->callbacks->samples(microphone->context, samples, count);
}

void microphone_closes(const char *problem)
{
    struct fake_microphone *microphone = fake_microphone();
    microphone->is_open = false;
    microphone->callbacks->closed(microphone->context, problem);
}

int microphone_thread_open(uv_loop_t *loop, const struct settings *settings, struct log *log,
                           const struct microphone_callbacks *callbacks, void *context,
                           struct microphone_thread **result)
{
    static struct microphone_thread made;
    struct fake_microphone *microphone = fake_microphone();
    (void)loop;
    (void)settings;
    (void)log;
    microphone->opened++;
    if (microphone->refuses < 0)
        return microphone->refuses;
    microphone->is_open = true;
    microphone->callbacks = callbacks;
    microphone->context = context;
    *result = &made;
    return 0;
}

bool microphone_thread_differs(const struct microphone_thread *microphone,
                               const struct settings *settings)
{
    (void)microphone;
    (void)settings;
    return fake_microphone()->differs;
}

void microphone_thread_close(struct microphone_thread *microphone)
{
    (void)microphone;
    fake_microphone()->close_calls++;
}

struct fake_requests *fake_requests(void)
{
    static struct fake_requests requests;
    return &requests;
}

void fakes_reset(void)
{
    *fake_microphone() = (struct fake_microphone){0};
    *fake_requests() = (struct fake_requests){0};
}

struct request *only_request(void)
{
    struct request *found = NULL;
    for (unsigned i = 0; i < FAKE_REQUESTS; i++) {
        struct request *request = fake_requests()->all[i];
        if (!request)
            continue;
        CU_ASSERT_PTR_NULL(found);
        found = request;
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(found);
    return found;
}

static void hear(struct request *request, const struct hearken_event *event)
{
    struct segment_message segment;
    EXPECT_EQUAL_FATAL(segment_message_init(&segment, event, true, 0), 0);
    request->listener->segment(request->context, &segment);
    segment_message_finish(&segment);
}

void request_reports(struct request *request, const char *text, double start, bool final)
{
    hear(request, &(struct hearken_event){
                      .type = final ? HEARKEN_EVENT_FINAL : HEARKEN_EVENT_PARTIAL,
                      .text = text,
                      .committed = final ? strlen(text) : 0,
                      .start = start,
                      .end = start + 1,
                  });
}

void request_reports_voice(struct request *request, bool started, double start)
{
    hear(request, &(struct hearken_event){
                      .type = started ? HEARKEN_EVENT_VOICE_STARTED : HEARKEN_EVENT_VOICE_STOPPED,
                      .start = start,
                  });
}

static void free_request(struct request *request)
{
    for (unsigned i = 0; i < FAKE_REQUESTS; i++)
        if (fake_requests()->all[i] == request)
            fake_requests()->all[i] = NULL;
    served_model_release(request->model);
    free(request);
}

void request_finishes(struct request *request)
{
    const struct request_listener *listener = request->listener;
    void *context = request->context;
    free_request(request);
    listener->finished(context, &(struct request_summary){0});
}

void request_fails(struct request *request, const char *problem)
{
    const struct request_listener *listener = request->listener;
    void *context = request->context;
    free_request(request);
    listener->failed(context, -EIO, problem);
}

/* ---- As daemon/recognition/request.h has it ---- */

struct request *request_create(struct workers *workers, struct served_model *model,
                               const struct request_options *options, size_t queue_limit,
                               const struct request_listener *listener, void *context,
                               struct request_totals *totals)
{
    struct fake_requests *requests = fake_requests();
    struct request *request = requests->no_memory ? NULL : calloc(1, sizeof(*request));
    (void)workers;
    (void)queue_limit;
    (void)totals;
    if (!request) {
        served_model_release(model);
        return NULL;
    }
    CU_ASSERT_FATAL(requests->created < FAKE_REQUESTS);
    requests->all[requests->created++] = request;
    request->listener = listener;
    request->context = context;
    request->options = *options;
    request->model = model;
    return request;
}

int request_write(struct request *request, const uint8_t *samples, size_t length)
{
    (void)samples;
    CU_ASSERT_FALSE(request->ended);
    if (fake_requests()->no_room)
        return -ENOMEM;
    request->samples += length / sizeof(float);
    return 0;
}

bool request_is_full(struct request *request)
{
    return request->full;
}

void request_end(struct request *request)
{
    CU_ASSERT_FALSE(request->ended);
    request->ended = true;
}

void request_abandon(struct request *request)
{
    if (!request)
        return;
    fake_requests()->abandoned++;
    free_request(request);
}
