// SPDX-License-Identifier: MIT
#include "daemon/client/live/live_remote.h"
#include "daemon/client/program/message.h"
#include "daemon/client/program/peer_json.h"
#include "daemon/common/wyoming.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LEVEL_MAX 1e6 /* full scale is 1 */

static int tell(struct live_conversation *conversation, const struct live_event *event)
{
    return conversation->options->callback(conversation->options->context, event);
}

/* ---- Segments ---- */

static int fill_segment(struct transcript_segment *segment, const json_t *data, double origin)
{
    const json_t *words = json_object_get(data, "words");
    int result = transcript_segment_language(segment, peer_string(data, "language"),
                                             peer_seconds(data, "language_probability"));
    transcript_segment_time(segment, peer_seconds(data, "start") - origin,
                            peer_seconds(data, "end") - origin, peer_seconds(data, "confidence"));
    for (size_t i = 0; i < json_array_size(words) && result == 0; i++) {
        const json_t *word = json_array_get(words, i);
        result = transcript_segment_add_word(
            segment, peer_string(word, "text"), peer_seconds(word, "start") - origin,
            peer_seconds(word, "end") - origin, peer_seconds(word, "confidence"));
    }
    return result;
}

static int take_segment(struct live_conversation *conversation, const json_t *data,
                        struct hearken_error *error)
{
    struct transcript transcript;
    transcript_init(&transcript);
    bool final = strcmp(peer_string(data, "type"), "final") == 0;
    struct transcript_segment *segment = transcript_add(&transcript, peer_string(data, "text"));
    int result = -ENOMEM;
    if (segment)
        result = fill_segment(segment, data, conversation->origin);
    if (result < 0)
        hearken_fail(error, result, "%s", strerror(-result));
    else
        result = tell(conversation, &(struct live_event){
                                        .type = final ? LIVE_FINAL : LIVE_PARTIAL,
                                        .segment = segment,
                                        .committed = peer_count(data, "committed", SIZE_MAX),
                                    });
    transcript_finish(&transcript);
    return result;
}

/* ---- The microphone ---- */

static void copy_clean(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text);
    message_clean(to);
}

static int take_capture(struct live_conversation *conversation, const json_t *data)
{
    static const char *const names[] = {"started", "lost", "fell-back", "returned", "overrun"};
    char device[256], reason[256];
    copy_clean(device, sizeof(device), peer_string(data, "device"));
    copy_clean(reason, sizeof(reason), peer_string(data, "reason"));
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(peer_string(data, "type"), names[i]) != 0)
            continue;
        const struct hearken_capture_event event = {
            .type = (enum hearken_capture_event_type)i,
            .device = device,
            .reason = *reason || i == HEARKEN_CAPTURE_LOST ? reason : NULL,
            .rate = (uint32_t)peer_count(data, "rate", UINT32_MAX),
            .channels = (uint32_t)peer_count(data, "channels", UINT32_MAX),
            .overruns = peer_count(data, "overruns", INT64_MAX),
            .lost_seconds = peer_seconds(data, "lost_seconds"),
        };
        return tell(conversation, &(struct live_event){.type = LIVE_CAPTURE, .capture = &event});
    }
    return 0;
}

static int take_level(struct live_conversation *conversation, const json_t *data)
{
    const struct live_event event = {
        .type = LIVE_LEVEL,
        .time = peer_seconds(data, "time") - conversation->origin,
        .level = {.rms = (float)peer_number(data, "rms", 0, LEVEL_MAX),
                  .peak = (float)peer_number(data, "peak", 0, LEVEL_MAX)},
    };
    return tell(conversation, &event);
}

static int take_voice(struct live_conversation *conversation, const json_t *data, bool started)
{
    const struct live_event event = {
        .type = started ? LIVE_VOICE_STARTED : LIVE_VOICE_STOPPED,
        .time = peer_seconds(data, "timestamp") / 1000 - conversation->origin,
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
    conversation->origin = peer_seconds(data, "time");
    return conversation->options->hold ? take_hearing(conversation, data) : 0;
}

static int take_error(const json_t *data, struct hearken_error *error)
{
    char text[400];
    copy_clean(text, sizeof(text), peer_string(data, "text"));
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
