// SPDX-License-Identifier: MIT
#include "daemon/microphone/subscriber.h"

#include "daemon/common/json_text.h"

#include <stdlib.h>
#include <string.h>

static void send_event(struct subscriber *subscriber, const char *type, json_t *data)
{
    subscriber->peer->send(subscriber->context, type, data, NULL, 0);
}

/* ---- Wyoming's streaming transcripts: one for each segment ---- */

static json_t *with_language(const struct subscriber *subscriber, json_t *data)
{
    if (*subscriber->transcribe->language != '\0')
        json_object_set_new(data, "language", json_string(subscriber->transcribe->language));
    return data;
}

/* Sends the part of the first `length` bytes of `text` that has not been sent. */
static void send_chunk(struct subscriber *subscriber, const char *text, size_t length)
{
    size_t sent = subscriber->chunks_sent ? strlen(subscriber->chunks_sent) : 0;
    if (length <= sent || (sent > 0 && strncmp(subscriber->chunks_sent, text, sent) != 0))
        return;
    char *all = strndup(text, length);
    if (!all)
        return; /* the transcript contains the text */
    if (!subscriber->started)
        send_event(subscriber, "transcript-start", with_language(subscriber, json_object()));
    subscriber->started = true;
    send_event(subscriber, "transcript-chunk",
               json_pack("{s:o}", "text", json_from_text(all + sent)));
    free(subscriber->chunks_sent);
    subscriber->chunks_sent = all;
}

static void send_transcript(struct subscriber *subscriber, const char *text)
{
    send_chunk(subscriber, text, strlen(text));
    send_event(subscriber, "transcript",
               with_language(subscriber, json_pack("{s:o}", "text", json_from_text(text))));
    send_event(subscriber, "transcript-stop", json_object());
    subscriber->started = false;
    free(subscriber->chunks_sent);
    subscriber->chunks_sent = NULL;
}

/* ---- Segments ---- */

/* A shared recognition always lists words: removes them for a subscriber that did not ask. */
static json_t *select_data(const struct subscriber *subscriber, json_t *data)
{
    if (subscriber->transcribe->options.words)
        return json_incref(data);
    json_t *copy = json_copy(data);
    json_object_del(copy, "words");
    json_object_del(copy, "committed_words");
    return copy;
}

static void send_segment(struct subscriber *subscriber, json_t *data, bool final,
                         const void *weights, size_t weights_length)
{
    const char *text = json_string_value(json_object_get(data, "text"));
    size_t committed = (size_t)json_integer_value(json_object_get(data, "committed"));
    if (subscriber->transcribe->options.segments)
        subscriber->peer->send(subscriber->context, "hearken-segment",
                               select_data(subscriber, data), weights, weights_length);
    if (!subscriber->transcribe->transcripts || !text)
        return;
    if (final)
        send_transcript(subscriber, text);
    else if (committed <= strlen(text))
        send_chunk(subscriber, text, committed);
}

static void set_last_partial(struct subscriber *subscriber, json_t *data)
{
    json_decref(subscriber->last_partial);
    subscriber->last_partial = data;
}

static bool came_after_joining(const struct subscriber *subscriber, double time)
{
    return time >= subscriber->joined - (double)subscriber->transcribe->options.stream.pre_roll;
}

/*
 * A subscriber that joins during a segment gets the next one first. A segment may begin before its
 * speech by more than the pre-roll, with sound that was doubtful.
 */
static bool concerns_subscriber(const struct subscriber *subscriber,
                                const struct segment_message *segment)
{
    return came_after_joining(subscriber, segment->start) ||
           (!segment->voice && came_after_joining(subscriber, subscriber->speech_started));
}

void subscriber_send_segment(struct subscriber *subscriber, const struct segment_message *segment)
{
    if (segment->voice && strcmp(segment->event, "voice-started") == 0)
        subscriber->speech_started = segment->start;
    if (!concerns_subscriber(subscriber, segment))
        return;
    if (segment->voice) {
        if (subscriber->transcribe->options.stream.voice_events)
            send_event(subscriber, segment->event, json_incref(segment->data));
        return;
    }
    const char *text = json_string_value(json_object_get(segment->data, "text"));
    bool empty = !text || *text == '\0';
    set_last_partial(subscriber, segment->final || empty ? NULL : json_incref(segment->data));
    send_segment(subscriber, segment->data, segment->final, segment->weights,
                 segment->weights_length);
}

void subscriber_finalise(struct subscriber *subscriber)
{
    if (!subscriber->last_partial)
        return;
    json_t *data = json_copy(subscriber->last_partial);
    set_last_partial(subscriber, NULL);
    const char *text = json_string_value(json_object_get(data, "text"));
    if (!text)
        return;
    json_object_set_new(data, "type", json_string("final"));
    json_object_set_new(data, "committed", json_integer((json_int_t)strlen(text)));
    json_object_del(data, "alignment"); /* its weights are not kept */
    send_segment(subscriber, data, true, NULL, 0);
    json_decref(data);
}

/* ---- The microphone ---- */

void subscriber_send_capture_event(struct subscriber *subscriber,
                                   const struct microphone_event *event)
{
    static const char *const names[] = {
        [HEARKEN_CAPTURE_STARTED] = "started",     [HEARKEN_CAPTURE_LOST] = "lost",
        [HEARKEN_CAPTURE_FELL_BACK] = "fell-back", [HEARKEN_CAPTURE_RETURNED] = "returned",
        [HEARKEN_CAPTURE_OVERRUN] = "overrun",
    };
    json_t *data = json_pack("{s:s, s:o, s:I, s:I, s:I, s:f}", "type", names[event->type], "device",
                             json_from_text(event->device), "rate", (json_int_t)event->rate,
                             "channels", (json_int_t)event->channels, "overruns",
                             (json_int_t)event->overruns, "lost_seconds", event->lost_seconds);
    if (data && *event->reason != '\0')
        json_object_set_new(data, "reason", json_from_text(event->reason));
    send_event(subscriber, "hearken-capture", data);
}

void subscriber_notify_listening(struct subscriber *subscriber, double time)
{
    bool listening = subscriber->recognition && !subscriber->stopping;
    if (listening == subscriber->notified_listening)
        return;
    subscriber->notified_listening = listening;
    send_event(subscriber, "hearken-hearing",
               json_pack("{s:b, s:f}", "hearing", listening, "time", time));
}

void subscriber_finish(struct subscriber *subscriber)
{
    set_last_partial(subscriber, NULL);
    free(subscriber->chunks_sent);
    subscriber->chunks_sent = NULL;
    subscriber->started = false;
}
