// SPDX-License-Identifier: MIT
#include "daemon/common/json_text.h"
#include "daemon/recognition/request_options.h"
#include "daemon/session/conversation_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Sending ---- */

void conversation_send(struct conversation *conversation, const char *type, json_t *data)
{
    conversation->peer->send(conversation->context, type, data, NULL, 0);
}

void conversation_send_error(const struct conversation_peer *peer, void *context, const char *code,
                             const char *text)
{
    peer->send(context, "error",
               json_pack("{s:o, s:s}", "text", json_from_text(text), "code", code), NULL, 0);
}

void conversation_report_error(struct conversation *conversation, const char *code,
                               const char *text)
{
    log_info(conversation->service->log, "connection %u: %s: %s", conversation->id, code, text);
    conversation_send_error(conversation->peer, conversation->context, code, text);
}

/* Adds the language if the client named one or it was detected. */
static json_t *with_language(const struct conversation *conversation, json_t *data)
{
    if (*conversation->transcribe.language != '\0')
        json_object_set_new(data, "language", json_string(conversation->transcribe.language));
    return data;
}

static void send_start(struct conversation *conversation)
{
    if (conversation->started)
        return;
    conversation->started = true;
    conversation_send(conversation, "transcript-start", with_language(conversation, json_object()));
}

/* The concatenation of all chunks is the transcript. */
static void send_chunk(struct conversation *conversation, const char *separator, const char *text)
{
    char *chunk;
    send_start(conversation);
    if (asprintf(&chunk, "%s%s", separator, text) < 0)
        chunk = NULL;
    json_t *value = chunk ? json_from_text(chunk) : NULL;
    conversation_send(conversation, "transcript-chunk", json_pack("{s:o}", "text", value));
    free(chunk);
}

/* ---- The request ---- */

void conversation_drop_request(struct conversation *conversation)
{
    request_abandon(conversation->request);
    conversation->request = NULL;
    json_decref(conversation->segments);
    conversation->segments = NULL;
    free(conversation->text);
    conversation->text = NULL;
    conversation->started = false;
    conversation->frames = 0;
    conversation->partial.length = 0;
}

enum conversation_verdict conversation_refuse(struct conversation *conversation, const char *code,
                                              const char *format, ...)
{
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    conversation_drop_request(conversation);
    bool complete = conversation->state == CONVERSATION_FINISHING;
    conversation->state = complete ? CONVERSATION_IDLE : CONVERSATION_REFUSED;
    conversation->ended = complete && (conversation->plain || conversation_is_cut(conversation));
    conversation_report_error(conversation, code, text);
    return CONVERSATION_CONTINUE;
}

/* The segment's data without the alignment, whose weights were a payload. */
static json_t *plain_segment(const struct segment_message *segment)
{
    json_t *copy = json_copy(segment->data);
    json_object_del(copy, "alignment");
    return copy;
}

/* Appends a segment's text to the transcript and sends it as a chunk. */
static int join_text(struct conversation *conversation, const char *text)
{
    const char *separator = conversation->text ? " " : "";
    if (*text == '\0')
        return 0;
    char *joined;
    if (asprintf(&joined, "%s%s%s", conversation->text ? conversation->text : "", separator, text) <
        0)
        return -ENOMEM;
    free(conversation->text);
    conversation->text = joined;
    send_chunk(conversation, separator, text);
    return 0;
}

static void set_language(struct conversation *conversation, const json_t *segment)
{
    char *language = conversation->transcribe.language;
    const char *found = json_string_value(json_object_get(segment, "language"));
    if (found)
        snprintf(language, sizeof(conversation->transcribe.language), "%s", found);
}

static void on_segment(void *context, const struct segment_message *segment)
{
    struct conversation *conversation = context;
    const struct transcribe_event *transcribe = &conversation->transcribe;
    int result = 0;
    if (transcribe->options.segments || segment->voice)
        conversation->peer->send(conversation->context, segment->event, json_incref(segment->data),
                                 segment->weights, segment->weights_length);
    if (!segment->final)
        return;
    set_language(conversation, segment->data);
    if (transcribe->extended)
        result = json_array_append_new(conversation->segments, plain_segment(segment));
    if (result == 0)
        result = join_text(conversation, json_string_value(json_object_get(segment->data, "text")));
    if (result < 0) {
        conversation_refuse(conversation, "out-of-memory", "out of memory for the transcript");
        conversation->peer->resume(conversation->context);
    }
}

static void on_room(void *context)
{
    struct conversation *conversation = context;
    conversation->peer->resume(conversation->context);
}

void conversation_send_transcript(struct conversation *conversation,
                                  const struct request_summary *summary)
{
    const char *text = conversation->text ? conversation->text : "";
    json_t *data = with_language(conversation, json_pack("{s:o}", "text", json_from_text(text)));
    if (conversation->transcribe.extended) {
        json_object_set(data, "segments", conversation->segments);
        json_object_set_new(data, "audio_seconds", json_real(summary->audio_seconds));
        json_object_set_new(data, "recognition_seconds", json_real(summary->busy_seconds));
    }
    if (!conversation->started)
        send_chunk(conversation, "", "");
    conversation_send(conversation, "transcript", data);
    conversation_send(conversation, "transcript-stop", json_object());
}

static void report_cut(struct conversation *conversation)
{
    conversation_report_error(conversation, conversation->cut_code, conversation->cut_text);
    conversation->ended = true;
}

static void on_finished(void *context, const struct request_summary *summary)
{
    struct conversation *conversation = context;
    log_info(conversation->service->log,
             "connection %u: transcribed %.1f s of audio in %.2f s: %zu bytes of text",
             conversation->id, summary->audio_seconds, summary->busy_seconds,
             conversation->text ? strlen(conversation->text) : 0);
    conversation->request = NULL;
    conversation->state = CONVERSATION_IDLE;
    conversation_send_transcript(conversation, summary);
    conversation_drop_request(conversation);
    if (conversation_is_cut(conversation))
        report_cut(conversation);
    conversation->peer->resume(conversation->context);
}

static void on_failed(void *context, int code, const char *problem)
{
    struct conversation *conversation = context;
    (void)code;
    conversation->request = NULL;
    conversation_refuse(conversation, "recognition-failed", "%s", problem);
    conversation->peer->resume(conversation->context);
}

static const struct request_listener listener = {
    .segment = on_segment,
    .room = on_room,
    .finished = on_finished,
    .failed = on_failed,
};

/* ---- Audio ---- */

void conversation_end_audio(struct conversation *conversation)
{
    conversation->state = CONVERSATION_FINISHING;
    if (conversation->partial.length > 0)
        log_info(conversation->service->log,
                 "connection %u: the audio ends within a frame: %zu of %zu bytes dropped",
                 conversation->id, conversation->partial.length, conversation->frame_size);
    request_end(conversation->request);
}

bool conversation_cut(struct conversation *conversation, bool recognise_rest, const char *code,
                      const char *text)
{
    if (conversation->state != CONVERSATION_RECEIVING || conversation->frames == 0)
        return false;
    conversation->cut_code = code;
    conversation->cut_text = text;
    if (recognise_rest) {
        conversation_end_audio(conversation);
        return true;
    }
    const struct request_summary summary = {
        .audio_seconds =
            (double)conversation->frames / conversation->transcribe.options.stream.audio.rate,
    };
    conversation_send_transcript(conversation, &summary);
    conversation_drop_request(conversation);
    conversation->state = CONVERSATION_IDLE;
    report_cut(conversation);
    return true;
}

enum conversation_verdict conversation_begin_audio(struct conversation *conversation,
                                                   const struct wyoming_event *event)
{
    struct service *service = conversation->service;
    struct request_options *options = &conversation->transcribe.options;
    struct hearken_error error;
    if (audio_format_read(event, NULL, &options->stream.audio, &error) < 0)
        return conversation_refuse(conversation, "bad-format", "%s", error.message);
    if (options->stream.channels == HEARKEN_CHANNELS_EACH &&
        options->stream.audio.channels > HEARKEN_CHANNELS_EACH_MAX)
        return conversation_refuse(
            conversation, "bad-format", "channels: got %u, expected at most %u to recognise each",
            (unsigned)options->stream.audio.channels, HEARKEN_CHANNELS_EACH_MAX);
    if (!options->segments)
        options->stream.partial_seconds = 0; /* partial segments are not sent */
    conversation->frame_size = hearken_audio_frame_size(&options->stream.audio);
    conversation->segments = json_array();
    struct served_model *model = catalogue_acquire(&service->models, options->model);
    if (!model && !catalogue_find(&service->models, options->model))
        return conversation_refuse(conversation, "unknown-model",
                                   "model %s is no longer configured", options->model);
    if (!model)
        return conversation_refuse(conversation, "out-of-memory", "out of memory for a model");
    conversation->request = request_create(service->workers, model, options,
                                           (size_t)service->settings.audio_queue_kib * 1024,
                                           &listener, conversation, &service->totals);
    if (!conversation->request || !conversation->segments)
        return conversation_refuse(conversation, "out-of-memory", "out of memory for a request");
    conversation->state = CONVERSATION_RECEIVING;
    return CONVERSATION_CONTINUE;
}

/* A whole_frames_sink. */
static int write_frames(void *context, const uint8_t *bytes, size_t length)
{
    return request_write(context, bytes, length);
}

enum conversation_verdict conversation_write_samples(struct conversation *conversation,
                                                     const struct wyoming_event *event)
{
    const struct hearken_audio_format *audio = &conversation->transcribe.options.stream.audio;
    float limit = conversation->service->settings.audio_seconds;
    conversation->frames +=
        (conversation->partial.length + event->payload_length) / conversation->frame_size;
    if ((double)conversation->frames / audio->rate > (double)limit)
        return conversation_refuse(conversation, "too-long",
                                   "more than %g seconds of audio in one request", (double)limit);
    if (whole_frames_write(&conversation->partial, conversation->frame_size, event->payload,
                           event->payload_length, write_frames, conversation->request) < 0)
        return conversation_refuse(conversation, "out-of-memory", "out of memory for audio");
    return CONVERSATION_CONTINUE;
}
