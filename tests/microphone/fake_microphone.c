// SPDX-License-Identifier: MIT
#include "tests/microphone/fakes.h"

#include <stdio.h>

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
