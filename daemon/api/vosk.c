// SPDX-License-Identifier: MIT
/*
 * Each message with sound has one answer: the text of what ended in it, or the text so far. Clients
 * wait for it before they send more, so it comes once the sound of its message was recognised.
 */
#include "daemon/api/vosk.h"

#include "daemon/api/http_transcription.h"
#include "daemon/common/json_text.h"
#include "daemon/http/websocket.h"
#include "daemon/recognition/speech_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE 16000

/* Messages that wait for their answers; more are not read. */
#define WAITING_MAX 64u

/* What follows when all that was written has been recognised. */
enum vosk_ending {
    VOSK_GOES_ON,
    VOSK_RESETS, /* the next sound is another speech */
    VOSK_CLOSES,
    VOSK_GOES_AWAY, /* the daemon stops */
};

struct vosk {
    struct service *service;
    struct websocket *websocket;
    struct speech_session speech;
    bool words;                /* results have them */
    double marks[WAITING_MAX]; /* seconds up to which each message goes whose answer is due */
    unsigned waiting;
    char *partial;  /* text of the open segment, or NULL */
    char *text;     /* of the segments that have ended since the last answer, or NULL */
    json_t *result; /* their words */
    enum vosk_ending ending;
};

/* ---- Answers ---- */

static void send_result(struct vosk *vosk)
{
    json_t *answer = json_object();
    if (vosk->words && json_array_size(vosk->result) > 0)
        json_object_set(answer, "result", vosk->result);
    json_object_set_new(answer, "text", json_from_text(vosk->text ? vosk->text : ""));
    websocket_send_json(vosk->websocket, answer);
    free(vosk->text);
    vosk->text = NULL;
    json_array_clear(vosk->result);
}

static void send_answer(struct vosk *vosk)
{
    if (vosk->text)
        send_result(vosk);
    else
        websocket_send_json(
            vosk->websocket,
            json_pack("{s:o}", "partial", json_from_text(vosk->partial ? vosk->partial : "")));
}

/* Answers the messages that end before `seconds`, of a stream of samples. */
static void answer_until(struct vosk *vosk, double seconds)
{
    unsigned count = 0;
    while (count < vosk->waiting && vosk->marks[count] <= seconds + 0.5 / HEARKEN_RATE_MAX) {
        send_answer(vosk);
        count++;
    }
    vosk->waiting -= count;
    memmove(vosk->marks, vosk->marks + count, vosk->waiting * sizeof(*vosk->marks));
}

/* ---- Text ---- */

static void add_words(struct vosk *vosk, const json_t *words)
{
    const json_t *word;
    size_t index;
    json_array_foreach(words, index, word)
    {
        json_array_append_new(vosk->result, json_pack("{s:O, s:O, s:O, s:O}", "conf",
                                                      json_object_get(word, "confidence"), "end",
                                                      json_object_get(word, "end"), "start",
                                                      json_object_get(word, "start"), "word",
                                                      json_object_get(word, "text")));
    }
}

static void on_segment(void *context, const struct segment_message *segment)
{
    struct vosk *vosk = context;
    const char *text = json_string_value(json_object_get(segment->data, "text"));
    if (segment->voice)
        return;
    char *kept = NULL;
    if (!segment->final)
        kept = strdup(text);
    else if (asprintf(&kept, "%s%s%s", vosk->text ? vosk->text : "",
                      vosk->text && *vosk->text && *text ? " " : "", text) < 0)
        kept = NULL;
    if (!kept) {
        websocket_close(vosk->websocket, WEBSOCKET_INTERNAL, "out of memory");
        return;
    }
    free(vosk->partial);
    vosk->partial = segment->final ? NULL : kept;
    if (!segment->final)
        return;
    free(vosk->text);
    vosk->text = kept;
    add_words(vosk, json_object_get(segment->data, "words"));
}

/* ---- The end ---- */

static void finish_part(struct vosk *vosk)
{
    enum vosk_ending ending = vosk->ending;
    vosk->ending = VOSK_GOES_ON;
    for (; vosk->waiting > 0; vosk->waiting--)
        websocket_send_json(vosk->websocket, json_pack("{s:s}", "partial", ""));
    if (ending != VOSK_GOES_ON)
        send_result(vosk);
    if (ending == VOSK_CLOSES)
        websocket_close(vosk->websocket, WEBSOCKET_NORMAL, "");
    else if (ending == VOSK_GOES_AWAY)
        websocket_close(vosk->websocket, WEBSOCKET_GOING_AWAY, "hearkend is shutting down");
}

static void end_part(struct vosk *vosk, enum vosk_ending ending)
{
    vosk->ending = ending;
    if (!speech_session_end(&vosk->speech))
        finish_part(vosk);
}

static void end_if_draining(struct vosk *vosk)
{
    if (speech_session_is_draining(&vosk->speech) && !(vosk->partial && *vosk->partial) &&
        vosk->ending == VOSK_GOES_ON)
        end_part(vosk, VOSK_GOES_AWAY);
}

/* ---- Callbacks of the recognition ---- */

static void on_heard(void *context, double seconds)
{
    struct vosk *vosk = context;
    answer_until(vosk, seconds);
    end_if_draining(vosk);
    websocket_wake(vosk->websocket);
}

static void on_room(void *context)
{
    struct vosk *vosk = context;
    websocket_wake(vosk->websocket);
}

static void on_ended(void *context, const struct request_summary *summary)
{
    struct vosk *vosk = context;
    (void)summary;
    finish_part(vosk);
    end_if_draining(vosk);
    websocket_wake(vosk->websocket);
}

static void on_failed(void *context, const char *problem)
{
    struct vosk *vosk = context;
    log_warning(vosk->service->log, "vosk: %s", problem);
    websocket_close(vosk->websocket, WEBSOCKET_INTERNAL, "the recogniser failed");
}

static const struct speech_listener speech_listener = {
    .segment = on_segment,
    .heard = on_heard,
    .room = on_room,
    .ended = on_ended,
    .failed = on_failed,
};

/* ---- Messages of the client ---- */

/* `words`: custom ones, a list of strings, or NULL. Errors: -EINVAL with the reason. */
static int configure(struct vosk *vosk, uint32_t rate, json_t *words, struct hearken_error *error)
{
    const struct speech_format format = {.encoding = SPEECH_S16, .rate = rate, .channels = 1};
    const char *code;
    json_t *data = json_pack("{s:{s:b, s:b}}", "hearken", "words", true, "events", true);
    if (!data)
        return hearken_fail(error, -ENOMEM, "out of memory");
    if (json_array_size(words) > 0)
        json_object_set(json_object_get(data, "hearken"), "custom_words", words);
    int result = speech_session_configure(&vosk->speech, data, &format, &code, error);
    json_decref(data);
    return result;
}

/* The error is not part of Vosk's protocol: it goes into the frame that closes. */
static void refuse(struct vosk *vosk, const char *problem)
{
    log_info(vosk->service->log, "vosk: %s", problem);
    websocket_close(vosk->websocket, WEBSOCKET_POLICY, problem);
}

static void on_config(struct vosk *vosk, const json_t *config)
{
    const json_t *rate = json_object_get(config, "sample_rate");
    const json_t *words = json_object_get(config, "words");
    struct hearken_error error;
    double number = rate ? json_number_value(rate) : RATE;
    if (words)
        vosk->words = json_is_true(words) || json_integer_value(words) > 0;
    if (!(number >= HEARKEN_RATE_MIN && number <= HEARKEN_RATE_MAX))
        refuse(vosk, "config: sample_rate: expected a number from 1000 to 768000");
    else if (configure(vosk, (uint32_t)number, json_object_get(config, "phrase_list"), &error) < 0)
        refuse(vosk, error.message);
    else
        speech_session_end(&vosk->speech); /* it counts for what comes now */
}

static void on_command(struct vosk *vosk, const char *bytes, size_t size)
{
    json_t *command =
        websocket_text_is_simple(bytes, size) ? json_loadb(bytes, size, 0, NULL) : NULL;
    const json_t *config = json_object_get(command, "config");
    if (json_is_object(config))
        on_config(vosk, config);
    else if (json_object_get(command, "eof"))
        end_part(vosk, VOSK_CLOSES);
    else if (json_object_get(command, "reset"))
        end_part(vosk, VOSK_RESETS);
    else
        refuse(vosk, "expected sound, or config, eof or reset in JSON");
    json_decref(command);
}

static void on_sound(struct vosk *vosk, const char *bytes, size_t size)
{
    struct hearken_error error;
    int result = speech_session_write(&vosk->speech, (const uint8_t *)bytes, size, &error);
    double end = speech_session_seconds(&vosk->speech);
    if (result < 0)
        refuse(vosk, error.message);
    else if (vosk->speech.request && size > 1)
        vosk->marks[vosk->waiting++] = end;
    else
        send_answer(vosk); /* nothing of it will be heard */
}

static void on_message(void *state, const char *bytes, size_t size, bool is_text)
{
    if (is_text)
        on_command(state, bytes, size);
    else
        on_sound(state, bytes, size);
}

/* ---- The WebSocket ---- */

static void on_opened(void *state, struct websocket *websocket)
{
    struct vosk *vosk = state;
    vosk->websocket = websocket;
}

static bool is_ready(void *state)
{
    struct vosk *vosk = state;
    return vosk->ending == VOSK_GOES_ON && vosk->waiting < WAITING_MAX &&
           speech_session_is_ready(&vosk->speech);
}

static void on_drain(void *state)
{
    struct vosk *vosk = state;
    speech_session_drain(&vosk->speech);
    end_if_draining(vosk);
}

/* Somebody who does not stop speaking is cut off. */
static void on_tick(void *state)
{
    struct vosk *vosk = state;
    if (speech_session_is_overdue(&vosk->speech) && vosk->ending == VOSK_GOES_ON)
        end_part(vosk, VOSK_GOES_AWAY);
}

static void on_closed(void *state)
{
    struct vosk *vosk = state;
    speech_session_finish(&vosk->speech);
    free(vosk->partial);
    free(vosk->text);
    json_decref(vosk->result);
    free(vosk);
}

static const struct websocket_protocol protocol = {
    .name = "vosk",
    .opened = on_opened,
    .message = on_message,
    .is_ready = is_ready,
    .drain = on_drain,
    .tick = on_tick,
    .closed = on_closed,
};

void vosk_start(struct http_exchange *exchange)
{
    struct hearken_error error;
    if (!http_transcription_admit(exchange))
        return;
    struct vosk *vosk = calloc(1, sizeof(*vosk));
    if (!vosk) {
        http_exchange_answer(exchange, 503, NULL);
        return;
    }
    vosk->service = exchange->service;
    vosk->words = true;
    speech_session_init(&vosk->speech, exchange->service, REQUEST_VOSK, &speech_listener, vosk);
    vosk->result = json_array();
    if (!vosk->result || configure(vosk, RATE, NULL, &error) < 0) {
        on_closed(vosk);
        http_exchange_answer(exchange, 503, NULL);
        return;
    }
    websocket_accept(exchange, &protocol, vosk, NULL);
}
