// SPDX-License-Identifier: MIT
/*
 * An item is what is said between two pauses, or between two commits:
 *
 *     speech_started --> delta ... --> speech_stopped, committed, added, done --> delta ...
 *         --> completed
 *
 * Its text is made of deltas alone: they are committed text, which is never taken back, so that
 * their concatenation is the transcript.
 */
#include "daemon/api/realtime.h"

#include "daemon/api/http_transcription.h"
#include "daemon/api/realtime_settings.h"
#include "daemon/api/transcription_answer.h"
#include "daemon/common/json_text.h"
#include "daemon/http/websocket.h"

#include <errno.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* OpenAI refuses to commit less. */
#define COMMIT_SECONDS 0.1

#define ID_SIZE 48

struct item {
    bool open;
    bool implied;   /* begun by its text: nothing tells of the end of speech but the text's */
    bool committed; /* no more sound comes to it */
    char id[ID_SIZE];
    double start, end; /* seconds; where a text or speech was heard last */
    char *text;        /* what was sent in deltas, or NULL */
    size_t length;
    size_t sent;           /* bytes of the present segment's text that are in it */
    json_t *segments;      /* the final ones as docs/protocol.md has them */
    json_t *probabilities; /* of their words */
};

struct realtime {
    struct service *service;
    struct websocket *websocket;
    struct realtime_settings settings;
    struct speech_session speech;
    bool is_beta; /* events of the Beta's form */
    char hex[25]; /* makes ids unique */
    unsigned events, items;
    char previous[ID_SIZE]; /* id of the last item that was committed, or "" */
    struct item item;
    unsigned commits;        /* items that were committed */
    bool commits_rest;       /* the client has asked for it where ends of speech count */
    unsigned commits_before; /* when it did */
    double start;            /* seconds: what was written since then is not committed */
};

/* ---- Sending ---- */

static json_t *make_event(struct realtime *realtime, const char *type)
{
    char id[ID_SIZE];
    snprintf(id, sizeof(id), "event_%s%u", realtime->hex, ++realtime->events);
    return json_pack("{s:s, s:s}", "type", type, "event_id", id);
}

/* Takes over the reference of `value`; a failure (no memory) leaves NULL in `event`. */
static void put(json_t **event, const char *key, json_t *value)
{
    if (json_object_set_new(*event, key, value) == 0)
        return;
    json_decref(*event);
    *event = NULL;
}

static void send_event(struct realtime *realtime, json_t *event)
{
    websocket_send_json(realtime->websocket, event);
}

/* `about`: the client's event, or NULL. */
static void send_error(struct realtime *realtime, const json_t *about, const char *type,
                       const char *code, const char *parameter, const char *message)
{
    json_t *event = make_event(realtime, "error");
    const char *id = json_string_value(json_object_get(about, "event_id"));
    log_info(realtime->service->log, "realtime %s: %s", realtime->hex, message);
    put(&event, "error",
        json_pack("{s:s, s:s?, s:o, s:s?, s:s?}", "type", type, "code", code, "message",
                  json_from_text(message), "param", parameter, "event_id", id));
    send_event(realtime, event);
}

static void refuse(struct realtime *realtime, const json_t *about, const char *code,
                   const char *parameter, const char *message)
{
    send_error(realtime, about, "invalid_request_error", code, parameter, message);
}

static void send_session(struct realtime *realtime, const char *what, bool flat)
{
    char type[48], id[ID_SIZE];
    snprintf(type, sizeof(type), "%s.%s", flat ? "transcription_session" : "session", what);
    snprintf(id, sizeof(id), "sess_%s", realtime->hex);
    json_t *event = make_event(realtime, type);
    put(&event, "session", realtime_settings_describe(&realtime->settings, id, flat));
    send_event(realtime, event);
}

static json_t *milliseconds(double seconds)
{
    return json_integer((json_int_t)llround(seconds * 1000));
}

/* ---- Items ---- */

static void free_item(struct item *item)
{
    free(item->text);
    json_decref(item->segments);
    json_decref(item->probabilities);
    *item = (struct item){0};
}

static void open_item(struct realtime *realtime, double start)
{
    struct item *item = &realtime->item;
    *item = (struct item){
        .open = true,
        .start = start,
        .end = start,
        .segments = json_array(),
        .probabilities = json_array(),
    };
    snprintf(item->id, sizeof(item->id), "item_%s%u", realtime->hex, ++realtime->items);
}

static json_t *make_item_event(struct realtime *realtime, const char *type)
{
    json_t *event = make_event(realtime, type);
    put(&event, "item_id", json_string(realtime->item.id));
    return event;
}

static void tell_start(struct realtime *realtime)
{
    if (!realtime->settings.detects_turns)
        return;
    json_t *event = make_item_event(realtime, "input_audio_buffer.speech_started");
    put(&event, "audio_start_ms", milliseconds(realtime->item.start));
    send_event(realtime, event);
}

static void tell_stop(struct realtime *realtime)
{
    if (!realtime->settings.detects_turns)
        return;
    json_t *event = make_item_event(realtime, "input_audio_buffer.speech_stopped");
    put(&event, "audio_end_ms", milliseconds(realtime->item.end));
    send_event(realtime, event);
}

static void tell_item(struct realtime *realtime, const char *type)
{
    json_t *event = make_event(realtime, type);
    put(&event, "previous_item_id",
        *realtime->previous ? json_string(realtime->previous) : json_null());
    put(&event, "item",
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:n}]}", "id", realtime->item.id, "object",
                  "realtime.item", "type", "message", "status", "completed", "role", "user",
                  "content", "type", "input_audio", "transcript"));
    send_event(realtime, event);
}

/* All sound up to the item's end is committed. */
static void commit_item(struct realtime *realtime)
{
    struct item *item = &realtime->item;
    if (item->committed)
        return;
    item->committed = true;
    realtime->commits++;
    realtime->start = item->end;
    json_t *event = make_item_event(realtime, "input_audio_buffer.committed");
    put(&event, "previous_item_id",
        *realtime->previous ? json_string(realtime->previous) : json_null());
    send_event(realtime, event);
    if (realtime->is_beta) {
        tell_item(realtime, "conversation.item.created");
    } else {
        tell_item(realtime, "conversation.item.added");
        tell_item(realtime, "conversation.item.done");
    }
    strcpy(realtime->previous, item->id);
}

static json_t *make_transcription_event(struct realtime *realtime, const char *what)
{
    char type[80];
    snprintf(type, sizeof(type), "conversation.item.input_audio_transcription.%s", what);
    json_t *event = make_item_event(realtime, type);
    put(&event, "content_index", json_integer(0));
    return event;
}

/* What `hearken` of an event says of a segment: what was asked for. */
static json_t *describe_segment(const struct realtime *realtime,
                                const struct segment_message *segment)
{
    json_t *described = json_copy(segment->data);
    if (!realtime->settings.words) {
        json_object_del(described, "words");
        json_object_del(described, "committed_words");
        json_object_del(described, "no_speech_probability");
    }
    json_t *alignment = segment_message_alignment(segment);
    if (alignment)
        json_object_set_new(described, "alignment", alignment);
    return described;
}

static void complete_item(struct realtime *realtime)
{
    struct item *item = &realtime->item;
    json_t *event = make_transcription_event(realtime, "completed");
    put(&event, "transcript", json_from_text(item->text ? item->text : ""));
    put(&event, "usage",
        json_pack("{s:s, s:f}", "type", "duration", "seconds",
                  round(fmax(item->end - item->start, 0) * 1e3) / 1e3));
    if (realtime->settings.log_probabilities)
        put(&event, "logprobs", json_incref(item->probabilities));
    if (json_object_size(json_object_get(realtime->settings.session, "hearken")) > 0)
        put(&event, "hearken", json_pack("{s:O}", "segments", item->segments));
    send_event(realtime, event);
    free_item(item);
}

static void end_item(struct realtime *realtime)
{
    if (!realtime->item.open)
        return;
    if (!realtime->item.committed) {
        tell_stop(realtime);
        commit_item(realtime);
    }
    complete_item(realtime);
}

/* Everything that was written belongs to the item, which is open then. */
static void open_rest(struct realtime *realtime)
{
    if (!realtime->item.open)
        open_item(realtime, realtime->start);
    realtime->item.end = speech_session_seconds(&realtime->speech);
}

/* Where ends of speech count, the client learns only after them what there is to commit. If all of
 * it was committed as speech it has its answer; else it was silence. */
static void finish_commit(struct realtime *realtime)
{
    if (realtime->commits_rest && realtime->commits == realtime->commits_before) {
        open_rest(realtime);
        commit_item(realtime);
        complete_item(realtime);
    }
    realtime->commits_rest = false;
    realtime->start = speech_session_seconds(&realtime->speech);
}

static void fail_item(struct realtime *realtime, const char *problem)
{
    open_rest(realtime);
    commit_item(realtime);
    json_t *event = make_transcription_event(realtime, "failed");
    put(&event, "error",
        json_pack("{s:s, s:s, s:o, s:n}", "type", "server_error", "code", "transcription_failed",
                  "message", json_from_text(problem), "param"));
    send_event(realtime, event);
    free_item(&realtime->item);
}

/* ---- Text ---- */

/* Adds to the item's text. NULL: no memory; else where the addition begins. */
static const char *append_text(struct item *item, const char *text, size_t length)
{
    bool joins = item->sent == 0 && item->length > 0 && length > 0;
    char *grown = realloc(item->text, item->length + joins + length + 1);
    if (!grown)
        return NULL;
    item->text = grown;
    char *addition = grown + item->length;
    if (joins)
        grown[item->length++] = ' ';
    memcpy(grown + item->length, text, length);
    item->length += length;
    grown[item->length] = '\0';
    return addition;
}

/* A slow reader gets what is committed later, with more of it. */
static void send_delta(struct realtime *realtime, const struct segment_message *segment)
{
    struct item *item = &realtime->item;
    const char *text = json_string_value(json_object_get(segment->data, "text"));
    size_t committed = (size_t)json_integer_value(json_object_get(segment->data, "committed"));
    bool has_partial = realtime->settings.partial && !segment->final;
    const char *addition = "";
    if (!segment->final && websocket_is_slow(realtime->websocket))
        return;
    if (committed > item->sent) {
        addition = append_text(item, text + item->sent, committed - item->sent);
        item->sent = addition ? committed : item->sent;
    }
    if (!addition) {
        websocket_close(realtime->websocket, WEBSOCKET_INTERNAL, "out of memory");
        return;
    }
    if (!*addition && !has_partial)
        return;
    json_t *event = make_transcription_event(realtime, "delta");
    put(&event, "delta", json_from_text(addition));
    if (has_partial)
        put(&event, "hearken", describe_segment(realtime, segment));
    send_event(realtime, event);
}

/* A word is a token to those who ask for log-probabilities. Alignments are large, and somebody may
 * speak for long without a pause: only the last segment keeps its own. */
static void note_final(struct realtime *realtime, const struct segment_message *segment)
{
    struct item *item = &realtime->item;
    const json_t *word;
    size_t index, count = json_array_size(item->segments);
    item->sent = 0;
    if (count > 0)
        json_object_del(json_array_get(item->segments, count - 1), "alignment");
    json_array_append_new(item->segments, describe_segment(realtime, segment));
    json_array_foreach(json_object_get(segment->data, "words"), index, word)
    {
        bool first = json_array_size(item->probabilities) == 0;
        json_array_append_new(item->probabilities,
                              transcription_word_probability(
                                  json_string_value(json_object_get(word, "text")),
                                  json_number_value(json_object_get(word, "confidence")), first));
    }
}

static void on_text(struct realtime *realtime, const struct segment_message *segment)
{
    struct item *item = &realtime->item;
    const char *text = json_string_value(json_object_get(segment->data, "text"));
    if (!item->open) {
        if (!*text)
            return;
        open_item(realtime, segment->start);
        item->implied = true;
        tell_start(realtime);
    }
    item->end = fmax(item->end, json_number_value(json_object_get(segment->data, "end")));
    send_delta(realtime, segment);
    if (segment->final)
        note_final(realtime, segment);
    if (segment->final && item->implied && realtime->settings.detects_turns)
        end_item(realtime);
}

static void on_voice(struct realtime *realtime, const struct segment_message *segment)
{
    struct item *item = &realtime->item;
    if (!realtime->settings.detects_turns)
        return;
    if (strcmp(segment->event, "voice-started") == 0) {
        if (item->committed)
            complete_item(realtime);
        if (item->open)
            return;
        open_item(realtime, segment->start);
        tell_start(realtime);
    } else if (item->open) {
        item->end = segment->start;
        tell_stop(realtime);
        commit_item(realtime);
    }
}

/* ---- Callbacks of the recognition ---- */

/* The daemon stops, and an item is complete: the session ends. */
static void end_if_draining(struct realtime *realtime)
{
    if (speech_session_is_draining(&realtime->speech) && !realtime->item.open &&
        !realtime->speech.ending)
        websocket_close(realtime->websocket, WEBSOCKET_GOING_AWAY, "hearkend is shutting down");
}

static void on_segment(void *context, const struct segment_message *segment)
{
    struct realtime *realtime = context;
    if (segment->voice)
        on_voice(realtime, segment);
    else
        on_text(realtime, segment);
}

static void on_heard(void *context, double seconds)
{
    struct realtime *realtime = context;
    (void)seconds;
    if (realtime->item.committed && !realtime->speech.ending)
        complete_item(realtime);
    end_if_draining(realtime);
}

static void on_room(void *context)
{
    struct realtime *realtime = context;
    websocket_wake(realtime->websocket);
}

static void on_ended(void *context, const struct request_summary *summary)
{
    struct realtime *realtime = context;
    (void)summary;
    end_item(realtime);
    finish_commit(realtime);
    end_if_draining(realtime);
    websocket_wake(realtime->websocket);
}

static void on_failed(void *context, const char *problem)
{
    struct realtime *realtime = context;
    fail_item(realtime, problem);
    realtime->commits_rest = false;
    end_if_draining(realtime);
    websocket_wake(realtime->websocket);
}

static const struct speech_listener speech_listener = {
    .segment = on_segment,
    .heard = on_heard,
    .room = on_room,
    .ended = on_ended,
    .failed = on_failed,
};

/* ---- Events of the client ---- */

/* The new settings count for what is said from now on. */
static void update_session(struct realtime *realtime, const json_t *event)
{
    struct realtime_problem problem = {0};
    const char *type = json_string_value(json_object_get(event, "type"));
    bool flat = strcmp(type, "transcription_session.update") == 0;
    const json_t *session = json_object_get(event, "session");
    if (!json_is_object(session)) {
        refuse(realtime, event, "invalid_type", "session", "session: expected an object");
    } else if (realtime_settings_update(&realtime->settings, session, &realtime->speech, &problem) <
               0) {
        refuse(realtime, event, problem.code, problem.parameter, problem.error.message);
    } else {
        realtime->is_beta |= flat;
        speech_session_end(&realtime->speech);
        send_session(realtime, "updated", flat);
    }
}

static void append_audio(struct realtime *realtime, const json_t *event)
{
    static const char parameter[] = "audio";
    const json_t *audio = json_object_get(event, parameter);
    size_t length = json_string_length(audio), size = length / 4 * 3 + 3, count = 0;
    if (!json_is_string(audio)) {
        refuse(realtime, event, "invalid_type", parameter, "audio: expected a string in base64");
        return;
    }
    struct hearken_error error = {"out of memory for audio"};
    uint8_t *bytes = malloc(size);
    int result = bytes ? 0 : -ENOMEM;
    if (bytes && sodium_base642bin(bytes, size, json_string_value(audio), length, "\r\n ", &count,
                                   NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
        refuse(realtime, event, "invalid_value", parameter, "audio: is no base64");
    else if (bytes)
        result = speech_session_write(&realtime->speech, bytes, count, &error);
    free(bytes);
    if (result < 0)
        send_error(realtime, event, "server_error", NULL, NULL, error.message);
}

static void commit_audio(struct realtime *realtime, const json_t *event)
{
    double seconds = speech_session_seconds(&realtime->speech) - realtime->start;
    char message[160];
    if (seconds < COMMIT_SECONDS) {
        snprintf(message, sizeof(message),
                 "the audio buffer has %.0f ms, expected at least 100 ms to commit", seconds * 1e3);
        refuse(realtime, event, "input_audio_buffer_commit_empty", NULL, message);
        return;
    }
    if (realtime->settings.detects_turns) {
        realtime->commits_rest = true;
        realtime->commits_before = realtime->commits;
    } else {
        open_rest(realtime);
        commit_item(realtime);
    }
    if (speech_session_end(&realtime->speech))
        return;
    end_item(realtime);
    finish_commit(realtime);
}

static void clear_audio(struct realtime *realtime, const json_t *event)
{
    (void)event;
    speech_session_drop(&realtime->speech);
    realtime->start = speech_session_seconds(&realtime->speech);
    free_item(&realtime->item);
    send_event(realtime, make_event(realtime, "input_audio_buffer.cleared"));
}

/* There are no answers to speech here, but clients ask for them out of habit. */
static void ignore(struct realtime *realtime, const json_t *event)
{
    (void)realtime, (void)event;
}

static const struct {
    const char *type;
    void (*handle)(struct realtime *realtime, const json_t *event);
} events[] = {
    {"session.update", update_session},
    {"transcription_session.update", update_session},
    {"input_audio_buffer.append", append_audio},
    {"input_audio_buffer.commit", commit_audio},
    {"input_audio_buffer.clear", clear_audio},
    {"response.create", ignore},
    {"response.cancel", ignore},
    {"output_audio_buffer.clear", ignore},
};

static void handle(struct realtime *realtime, const json_t *event)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    char message[600] = "";
    size_t length = 0;
    for (size_t i = 0; type && i < sizeof(events) / sizeof(events[0]); i++)
        if (strcmp(type, events[i].type) == 0) {
            events[i].handle(realtime, event);
            return;
        }
    length += (size_t)snprintf(message, sizeof(message),
                               "type: got %.100s, expected one of: ", type ? type : "nothing");
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i].handle != ignore)
            length += (size_t)snprintf(message + length, sizeof(message) - length, "%s%s",
                                       i > 0 ? ", " : "", events[i].type);
    refuse(realtime, event, "invalid_value", "type", message);
}

static void on_message(void *state, const char *bytes, size_t size, bool is_text)
{
    struct realtime *realtime = state;
    json_error_t error;
    char message[300];
    if (!is_text) {
        refuse(realtime, NULL, "invalid_event", NULL, "got bytes, expected events in JSON");
        return;
    }
    if (!websocket_text_is_simple(bytes, size)) {
        refuse(realtime, NULL, "invalid_event", NULL, "the event has too many members");
        return;
    }
    json_t *event = json_loadb(bytes, size, 0, &error);
    if (json_is_object(event)) {
        handle(realtime, event);
    } else {
        snprintf(message, sizeof(message), "expected an event, an object in JSON: %s",
                 event ? json_type_name(event) : error.text);
        refuse(realtime, NULL, "invalid_json", NULL, message);
    }
    json_decref(event);
}

/* ---- The WebSocket ---- */

static void on_opened(void *state, struct websocket *websocket)
{
    struct realtime *realtime = state;
    realtime->websocket = websocket;
    send_session(realtime, "created", realtime->is_beta);
}

static bool is_ready(void *state)
{
    struct realtime *realtime = state;
    return speech_session_is_ready(&realtime->speech);
}

static void on_drain(void *state)
{
    struct realtime *realtime = state;
    speech_session_drain(&realtime->speech);
    if (!realtime->settings.detects_turns)
        speech_session_end(&realtime->speech);
    end_if_draining(realtime);
}

/* Somebody who does not stop speaking is cut off. */
static void on_tick(void *state)
{
    struct realtime *realtime = state;
    if (!speech_session_is_overdue(&realtime->speech))
        return;
    speech_session_end(&realtime->speech);
    end_if_draining(realtime);
}

static void on_closed(void *state)
{
    struct realtime *realtime = state;
    speech_session_finish(&realtime->speech);
    free_item(&realtime->item);
    json_decref(realtime->settings.session);
    free(realtime);
}

static const struct websocket_protocol protocol = {
    .name = "realtime",
    .opened = on_opened,
    .message = on_message,
    .is_ready = is_ready,
    .drain = on_drain,
    .tick = on_tick,
    .closed = on_closed,
};

/* A client of the Beta that transcribes, and does not converse. */
static bool is_beta(const struct http_exchange *exchange)
{
    const char *intent =
        MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "intent");
    return (http_exchange_header(exchange, "OpenAI-Beta") ||
            websocket_offers(exchange, "openai-beta.realtime-v1")) &&
           intent && strcmp(intent, "transcription") == 0 &&
           !MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "model");
}

void realtime_start(struct http_exchange *exchange)
{
    struct service *service = exchange->service;
    struct realtime_problem problem = {0};
    uint8_t bytes[12];
    if (!http_transcription_admit(exchange))
        return;
    struct realtime *realtime = calloc(1, sizeof(*realtime));
    if (!realtime) {
        http_exchange_answer(exchange, 503, NULL);
        return;
    }
    realtime->service = service;
    realtime->is_beta = is_beta(exchange);
    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2hex(realtime->hex, sizeof(realtime->hex), bytes, sizeof(bytes));
    speech_session_init(&realtime->speech, service, REQUEST_REALTIME, &speech_listener, realtime);
    realtime->settings.session = realtime_settings_default(&service->settings);
    if (!realtime->settings.session ||
        realtime_settings_update(&realtime->settings, NULL, &realtime->speech, &problem) < 0) {
        on_closed(realtime);
        http_exchange_answer(exchange, 503, NULL);
        return;
    }
    websocket_accept(exchange, &protocol, realtime,
                     websocket_offers(exchange, "realtime") ? "realtime" : NULL);
}
