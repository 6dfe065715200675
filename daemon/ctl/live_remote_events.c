// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "live_remote.h"
#include "wyoming.h"

static double number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static const char *string(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static int tell(struct live_conversation *conversation, const struct live_event *event)
{
    return conversation->options->callback(conversation->options->context, event);
}

/* ---- Segments ---- */

static int fill_segment(struct transcript_segment *segment, const json_t *data, double origin)
{
    const json_t *words = json_object_get(data, "words");
    int result = transcript_segment_language(segment, string(data, "language"),
                                             number(data, "language_probability"));
    transcript_segment_time(segment, number(data, "start") - origin, number(data, "end") - origin,
                            number(data, "confidence"));
    for (size_t i = 0; i < json_array_size(words) && result == 0; i++) {
        const json_t *word = json_array_get(words, i);
        result = transcript_segment_add_word(
            segment, string(word, "text"), number(word, "start") - origin,
            number(word, "end") - origin, number(word, "confidence"));
    }
    return result;
}

static int take_segment(struct live_conversation *conversation, const json_t *data,
                        struct hearken_error *error)
{
    struct transcript transcript;
    transcript_init(&transcript);
    bool final = strcmp(string(data, "type"), "final") == 0;
    json_int_t committed = json_integer_value(json_object_get(data, "committed"));
    struct transcript_segment *segment = transcript_add(&transcript, string(data, "text"));
    int result = -ENOMEM;
    if (segment)
        result = fill_segment(segment, data, conversation->origin);
    if (result < 0)
        hearken_fail(error, result, "%s", strerror(-result));
    else
        result = tell(conversation, &(struct live_event){
                                        .type = final ? LIVE_FINAL : LIVE_PARTIAL,
                                        .segment = segment,
                                        .committed = committed > 0 ? (size_t)committed : 0,
                                    });
    transcript_finish(&transcript);
    return result;
}

/* ---- The microphone ---- */

/* What would steer a terminal is left out of what is quoted. */
static void copy_clean(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text);
    for (; *to; to++)
        if ((unsigned char)*to < 0x20 || *to == 0x7f)
            *to = '?';
}

static int take_capture(struct live_conversation *conversation, const json_t *data)
{
    static const char *const names[] = {"started", "lost", "fell-back", "returned", "overrun"};
    char device[256], reason[256];
    copy_clean(device, sizeof(device), string(data, "device"));
    copy_clean(reason, sizeof(reason), string(data, "reason"));
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(string(data, "type"), names[i]) != 0)
            continue;
        const struct hearken_capture_event event = {
            .type = (enum hearken_capture_event_type)i,
            .device = device,
            .reason = *reason || i == HEARKEN_CAPTURE_LOST ? reason : NULL,
            .rate = (uint32_t)number(data, "rate"),
            .channels = (uint32_t)number(data, "channels"),
            .overruns = (uint64_t)number(data, "overruns"),
            .lost_seconds = number(data, "lost_seconds"),
        };
        return tell(conversation, &(struct live_event){.type = LIVE_CAPTURE, .capture = &event});
    }
    return 0;
}

static int take_level(struct live_conversation *conversation, const json_t *data)
{
    const struct live_event event = {
        .type = LIVE_LEVEL,
        .time = number(data, "time") - conversation->origin,
        .level = {.rms = (float)number(data, "rms"), .peak = (float)number(data, "peak")},
    };
    return tell(conversation, &event);
}

static int take_voice(struct live_conversation *conversation, const json_t *data, bool started)
{
    const struct live_event event = {
        .type = started ? LIVE_VOICE_STARTED : LIVE_VOICE_STOPPED,
        .time = number(data, "timestamp") / 1000 - conversation->origin,
    };
    return tell(conversation, &event);
}

static int take_hearing(struct live_conversation *conversation, const json_t *data)
{
    bool hearing = json_is_true(json_object_get(data, "hearing"));
    return tell(conversation, &(struct live_event){.type = LIVE_HEARING, .hearing = hearing});
}

/* That it is heard is news only where it is held. */
static int take_acceptance(struct live_conversation *conversation, const json_t *data)
{
    conversation->accepted = true;
    conversation->origin = number(data, "time");
    return conversation->options->hold ? take_hearing(conversation, data) : 0;
}

static int take_error(const json_t *data, struct hearken_error *error)
{
    char text[400];
    copy_clean(text, sizeof(text), string(data, "text"));
    return hearken_fail(error, -EPROTO, "the daemon says: %s", text);
}

int live_remote_event(struct live_conversation *conversation, const struct wyoming_event *event,
                      struct hearken_error *error)
{
    const char *type = event->type;
    if (strcmp(type, "hearken-segment") == 0)
        return take_segment(conversation, event->data, error);
    if (strcmp(type, "hearken-capture") == 0)
        return take_capture(conversation, event->data);
    if (strcmp(type, "hearken-level") == 0)
        return take_level(conversation, event->data);
    if (strcmp(type, "voice-started") == 0 || strcmp(type, "voice-stopped") == 0)
        return take_voice(conversation, event->data, strcmp(type, "voice-started") == 0);
    if (strcmp(type, "hearken-hearing") == 0)
        return take_hearing(conversation, event->data);
    if (strcmp(type, "hearken-listening") == 0)
        return take_acceptance(conversation, event->data);
    if (strcmp(type, "hearken-listen-stopped") == 0)
        return 1;
    if (strcmp(type, "error") == 0)
        return take_error(event->data, error);
    return 0;
}
