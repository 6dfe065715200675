// SPDX-License-Identifier: MIT
/*
 * Results with is_final follow on each other: committed words as they come, then the rest of the
 * segment. The last result of a segment that an endpoint ended has speech_final; which one that is
 * shows when the sound of its end was recognised, so finals are held until then.
 */
#include "daemon/api/deepgram.h"

#include "daemon/api/deepgram_answer.h"
#include "daemon/api/deepgram_options.h"
#include "daemon/api/http_transcription.h"
#include "daemon/api/upload.h"
#include "daemon/common/json_text.h"
#include "daemon/http/websocket.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listen_channel {
    size_t sent;      /* words of the present segment in final results */
    bool open;        /* there is a segment without a final text */
    double at;        /* seconds: where the next result begins */
    bool stopped;     /* an endpoint, and not all of its results are sent */
    json_t *held;     /* the last final result, or NULL */
    double last_word; /* seconds: its end; 0: none since UtteranceEnd */
};

/* What follows when all that was written has been recognised. */
enum listen_ending {
    LISTEN_GOES_ON,
    LISTEN_FINALIZES,
    LISTEN_CLOSES,
    LISTEN_GOES_AWAY, /* the daemon stops */
};

struct listen {
    struct service *service;
    struct websocket *websocket;
    char id[72]; /* of the request */
    char model[REQUEST_MODEL_MAX];
    struct deepgram_options options;
    json_t *data; /* of a `transcribe` event */
    struct speech_session speech;
    struct listen_channel channels[HEARKEN_CHANNELS_EACH_MAX];
    unsigned count; /* of them */
    enum listen_ending ending;
    bool results_since; /* Finalize: there were final ones */

    /* A recording that says itself what it is is decoded while it comes. */
    struct upload *upload;
    const float *samples; /* [frames, channels] that the session has no room for, or NULL */
    size_t frames;
    uint32_t upload_channels; /* 0: not known yet */
};

/* ---- Sending ---- */

static void send_json(struct listen *listen, json_t *object)
{
    websocket_send_json(listen->websocket, object);
}

static void send_error(struct listen *listen, const char *description)
{
    log_info(listen->service->log, "request %s: %s", listen->id, description);
    send_json(listen, json_pack("{s:s, s:s, s:o, s:o}", "type", "Error", "variant",
                                "invalid_request", "description", json_from_text(description),
                                "message", json_from_text(description)));
}

static unsigned channel_number(const struct segment_message *segment)
{
    json_int_t number = json_integer_value(json_object_get(segment->data, "channel"));
    return number > 0 && number <= (json_int_t)HEARKEN_CHANNELS_EACH_MAX ? (unsigned)number - 1 : 0;
}

/* Words [from, to) of a segment; `text` is theirs together, or NULL. */
static json_t *make_result(struct listen *listen, unsigned channel, const json_t *words,
                           size_t from, size_t to, const char *text, double end, bool is_final)
{
    double start = listen->channels[channel].at;
    return json_pack(
        "{s:s, s:[i, i], s:f, s:f, s:b, s:b, s:b, s:{s:[o]}, s:{s:s, s:s, s:o}}", "type", "Results",
        "channel_index", (int)channel, (int)listen->count, "duration",
        fmax(round((end - start) * 1e4) / 1e4, 0), "start", round(start * 1e4) / 1e4, "is_final",
        is_final, "speech_final", false, "from_finalize", false, "channel", "alternatives",
        deepgram_alternative(words, from, to, text), "metadata", "request_id", listen->id,
        "model_uuid", listen->model, "model_info", deepgram_model_info(listen->model));
}

/* Sends a final result that was held: the last one of its segment, or another one follows. */
static void send_held(struct listen *listen, unsigned channel, bool is_last)
{
    struct listen_channel *at = &listen->channels[channel];
    json_t *held = at->held;
    if (!held)
        return;
    at->held = NULL;
    listen->results_since = true;
    if (is_last && at->stopped && listen->options.endpointing)
        json_object_set_new(held, "speech_final", json_true());
    if (is_last && listen->ending == LISTEN_FINALIZES)
        json_object_set_new(held, "from_finalize", json_true());
    send_json(listen, held);
}

static void send_all_held(struct listen *listen)
{
    for (unsigned channel = 0; channel < listen->count; channel++) {
        send_held(listen, channel, true);
        listen->channels[channel].stopped = false;
    }
}

static double word_end(const json_t *words, size_t index)
{
    return json_number_value(json_object_get(json_array_get(words, index), "end"));
}

static json_t *channel_list(const struct listen *listen, unsigned channel)
{
    return json_pack("[i, i]", (int)channel, (int)listen->count);
}

/* ---- Text ---- */

/* Committed words, but the last one, to which a mark may still be added. */
static void send_committed(struct listen *listen, unsigned channel, const json_t *data)
{
    struct listen_channel *at = &listen->channels[channel];
    const json_t *words = json_object_get(data, "words");
    size_t count = json_array_size(words);
    size_t sure = (size_t)json_integer_value(json_object_get(data, "committed_words"));
    sure = sure > count ? count : sure;
    if (sure < at->sent + 2)
        return;
    double end = word_end(words, sure - 2);
    send_json(listen, make_result(listen, channel, words, at->sent, sure - 1, NULL, end, true));
    listen->results_since = true;
    at->sent = sure - 1;
    at->at = end;
}

static void on_partial(struct listen *listen, unsigned channel, const json_t *data)
{
    struct listen_channel *at = &listen->channels[channel];
    const json_t *words = json_object_get(data, "words");
    size_t count = json_array_size(words);
    if (websocket_is_slow(listen->websocket))
        return; /* the words come with those that follow */
    send_committed(listen, channel, data);
    if (!listen->options.interim_results || count < at->sent)
        return;
    send_json(listen, make_result(listen, channel, words, at->sent, count, NULL,
                                  json_number_value(json_object_get(data, "end")), false));
}

static void on_final(struct listen *listen, unsigned channel, const json_t *data)
{
    struct listen_channel *at = &listen->channels[channel];
    const json_t *words = json_object_get(data, "words");
    size_t count = json_array_size(words), from = at->sent < count ? at->sent : count;
    const char *text = json_string_value(json_object_get(data, "text"));
    double end = json_number_value(json_object_get(data, "end"));
    send_held(listen, channel, false);
    at->held = make_result(listen, channel, words, from, count, from == 0 ? text : NULL, end, true);
    if (count > 0)
        at->last_word = word_end(words, count - 1);
    at->sent = 0;
    at->at = end;
    at->open = false;
}

static void on_text(struct listen *listen, const struct segment_message *segment)
{
    unsigned channel = channel_number(segment);
    struct listen_channel *at = &listen->channels[channel];
    if (!at->open) {
        at->open = true;
        at->at = fmax(at->at, segment->start);
    }
    if (segment->final)
        on_final(listen, channel, segment->data);
    else
        on_partial(listen, channel, segment->data);
}

static void on_voice(struct listen *listen, const struct segment_message *segment)
{
    unsigned channel = channel_number(segment);
    if (strcmp(segment->event, "voice-stopped") == 0) {
        listen->channels[channel].stopped = true;
        return;
    }
    send_held(listen, channel, true);
    listen->channels[channel].stopped = false;
    if (listen->options.vad_events)
        send_json(listen, json_pack("{s:s, s:o, s:f}", "type", "SpeechStarted", "channel",
                                    channel_list(listen, channel), "timestamp", segment->start));
}

/* ---- The end ---- */

static void close_session(struct listen *listen)
{
    double seconds = speech_session_seconds(&listen->speech);
    json_t *metadata = deepgram_metadata(listen->id, listen->model, seconds, listen->count);
    if (metadata)
        json_object_set_new(metadata, "type", json_string("Metadata"));
    send_json(listen, metadata);
    websocket_close(listen->websocket,
                    listen->ending == LISTEN_GOES_AWAY ? WEBSOCKET_GOING_AWAY : WEBSOCKET_NORMAL,
                    listen->ending == LISTEN_GOES_AWAY ? "hearkend is shutting down" : "");
}

/* All that was written has been recognised. */
static void finish_part(struct listen *listen)
{
    enum listen_ending ending = listen->ending;
    send_all_held(listen);
    if (ending == LISTEN_FINALIZES && !listen->results_since) {
        json_t *result =
            make_result(listen, 0, NULL, 0, 0, "", speech_session_seconds(&listen->speech), true);
        json_object_set_new(result, "from_finalize", json_true());
        send_json(listen, result);
    }
    for (unsigned i = 0; i < listen->count; i++) {
        listen->channels[i].sent = 0;
        listen->channels[i].open = false;
        listen->channels[i].at = speech_session_seconds(&listen->speech);
    }
    if (ending == LISTEN_CLOSES || ending == LISTEN_GOES_AWAY)
        close_session(listen);
    listen->ending = LISTEN_GOES_ON;
}

static void end_part(struct listen *listen, enum listen_ending ending)
{
    listen->ending = ending;
    listen->results_since = false;
    if (!speech_session_end(&listen->speech))
        finish_part(listen);
}

static bool is_speaking(const struct listen *listen)
{
    for (unsigned i = 0; i < listen->count; i++)
        if (listen->channels[i].open || listen->channels[i].held)
            return true;
    return false;
}

static void end_if_draining(struct listen *listen)
{
    if (speech_session_is_draining(&listen->speech) && !is_speaking(listen) &&
        !listen->speech.ending)
        end_part(listen, LISTEN_GOES_AWAY);
}

/* ---- Callbacks of the recognition ---- */

static void on_segment(void *context, const struct segment_message *segment)
{
    struct listen *listen = context;
    if (segment->voice)
        on_voice(listen, segment);
    else
        on_text(listen, segment);
}

static void tell_utterance_ends(struct listen *listen, double seconds)
{
    for (unsigned i = 0; i < listen->count; i++) {
        struct listen_channel *at = &listen->channels[i];
        if (at->last_word == 0 || at->open ||
            seconds < at->last_word + listen->options.utterance_end)
            continue;
        send_json(listen, json_pack("{s:s, s:o, s:f}", "type", "UtteranceEnd", "channel",
                                    channel_list(listen, i), "last_word_end", at->last_word));
        at->last_word = 0;
    }
}

static void on_heard(void *context, double seconds)
{
    struct listen *listen = context;
    if (!listen->speech.ending)
        send_all_held(listen);
    if (listen->options.utterance_end > 0)
        tell_utterance_ends(listen, seconds);
    end_if_draining(listen);
}

static void on_ended(void *context, const struct request_summary *summary)
{
    struct listen *listen = context;
    (void)summary;
    finish_part(listen);
    end_if_draining(listen);
    websocket_wake(listen->websocket);
}

static void on_failed(void *context, const char *problem)
{
    struct listen *listen = context;
    send_error(listen, problem);
    websocket_close(listen->websocket, WEBSOCKET_INTERNAL, "the recogniser failed");
}

static void give_samples(struct listen *listen);

static void on_room(void *context)
{
    struct listen *listen = context;
    give_samples(listen);
    websocket_wake(listen->websocket);
}

static const struct speech_listener speech_listener = {
    .segment = on_segment,
    .heard = on_heard,
    .room = on_room,
    .ended = on_ended,
    .failed = on_failed,
};

/* ---- Sound ---- */

static void write_sound(struct listen *listen, const void *bytes, size_t size)
{
    struct hearken_error error;
    if (speech_session_write(&listen->speech, bytes, size, &error) == 0)
        return;
    send_error(listen, error.message);
    websocket_close(listen->websocket, WEBSOCKET_INTERNAL, "");
}

static void give_samples(struct listen *listen)
{
    if (!listen->samples || !speech_session_is_ready(&listen->speech))
        return;
    size_t size = listen->frames * listen->upload_channels * sizeof(float);
    const float *samples = listen->samples;
    listen->samples = NULL;
    write_sound(listen, samples, size);
    upload_continue(listen->upload);
}

/* Configures the recognition for sound of the options' format. */
static int configure(struct listen *listen, const char **code, struct hearken_error *error)
{
    const struct speech_format *format = &listen->options.format;
    listen->count = listen->options.multichannel ? format->channels : 1;
    if (listen->count > HEARKEN_CHANNELS_EACH_MAX) {
        *code = "bad-value";
        return hearken_fail(error, -EINVAL,
                            "channels: got %u, expected at most %u with multichannel",
                            listen->count, HEARKEN_CHANNELS_EACH_MAX);
    }
    return speech_session_configure(&listen->speech, listen->data, format, code, error);
}

static void on_samples(void *context, const float *samples, size_t frames, uint32_t channels)
{
    struct listen *listen = context;
    const char *code;
    struct hearken_error error;
    if (listen->upload_channels == 0) {
        listen->upload_channels = channels;
        listen->options.format = (struct speech_format){
            .encoding = SPEECH_F32, .rate = HEARKEN_RATE, .channels = channels};
        if (configure(listen, &code, &error) < 0) {
            send_error(listen, error.message);
            websocket_close(listen->websocket, WEBSOCKET_POLICY, "");
            return;
        }
    }
    listen->samples = samples;
    listen->frames = frames;
    give_samples(listen);
}

static void on_upload_ended(void *context, int result, const char *problem)
{
    struct listen *listen = context;
    if (result == 0) {
        end_part(listen, LISTEN_CLOSES);
        return;
    }
    (*(result == -EINVAL ? &listen->service->decode_failures.not_audio
                         : &listen->service->decode_failures.system))++;
    send_error(listen, problem);
    websocket_close(listen->websocket, WEBSOCKET_POLICY, "the sound cannot be decoded");
}

static const struct upload_listener upload_listener = {
    .samples = on_samples,
    .ended = on_upload_ended,
};

static int spool(struct listen *listen, const char *bytes, size_t size, struct hearken_error *error)
{
    const struct settings *settings = &listen->service->settings;
    struct upload_options options;
    int result = 0;
    upload_options_init(&options, settings,
                        listen->options.multichannel ? HEARKEN_CHANNELS_EACH
                                                     : HEARKEN_CHANNELS_MIX);
    if (!listen->upload)
        result = upload_create(websocket_loop(listen->websocket), &options, &upload_listener,
                               listen, &listen->upload, error);
    if (result < 0)
        return result;
    result = upload_write(listen->upload, bytes, size);
    if (result == -EFBIG)
        return hearken_fail(error, result, "more than %u MiB, expected less (http.upload_mib)",
                            settings->http_upload_mib);
    return result < 0 ? hearken_fail(error, result, "cannot store the sound: %s", strerror(-result))
                      : 0;
}

/* ---- Messages of the client ---- */

static void close_stream(struct listen *listen)
{
    if (listen->upload)
        upload_end(listen->upload);
    else
        end_part(listen, LISTEN_CLOSES);
}

static void on_sound(struct listen *listen, const char *bytes, size_t size)
{
    struct hearken_error error;
    if (size == 0) { /* the end, to older clients */
        close_stream(listen);
    } else if (listen->options.is_raw) {
        write_sound(listen, bytes, size);
    } else if (spool(listen, bytes, size, &error) < 0) {
        send_error(listen, error.message);
        websocket_close(listen->websocket, WEBSOCKET_POLICY, "the sound cannot be stored");
    }
}

/* Other keyterms, for what comes now; there are no features to turn on or off. */
static void reconfigure(struct listen *listen, const json_t *command)
{
    json_t *terms = json_object_get(command, "keyterms");
    json_t *changed = json_deep_copy(listen->data), *old = listen->data;
    const char *code;
    struct hearken_error error = {"out of memory"};
    if (json_is_array(terms))
        json_object_set(json_object_get(changed, "hearken"), "custom_words", terms);
    listen->data = changed;
    int result = changed ? configure(listen, &code, &error) : -ENOMEM;
    if (result < 0) {
        listen->data = old;
        json_decref(changed);
        send_json(listen,
                  json_pack("{s:s, s:s, s:s, s:o}", "type", "ConfigureFailure", "request_id",
                            listen->id, "code", "CONFIGURE_KEYTERM_LIMIT_EXCEEDED", "description",
                            json_from_text(error.message)));
        return;
    }
    json_decref(old);
    send_json(listen,
              json_pack("{s:s, s:s, s:O}", "type", "ConfigureSuccess", "request_id", listen->id,
                        "keyterms", json_is_array(terms) ? terms : json_null()));
    speech_session_end(&listen->speech);
}

static void on_command(struct listen *listen, const char *bytes, size_t size)
{
    json_t *command =
        websocket_text_is_simple(bytes, size) ? json_loadb(bytes, size, 0, NULL) : NULL;
    const char *type = json_string_value(json_object_get(command, "type"));
    char text[200];
    if (type && strcmp(type, "CloseStream") == 0) {
        close_stream(listen);
    } else if (type && strcmp(type, "Finalize") == 0) {
        end_part(listen, LISTEN_FINALIZES);
    } else if (type && strcmp(type, "Configure") == 0) {
        reconfigure(listen, command);
    } else if (!type || strcmp(type, "KeepAlive") != 0) {
        snprintf(text, sizeof(text),
                 "type: got %.100s, expected KeepAlive, Finalize, Configure or CloseStream",
                 type ? type : "no message in JSON");
        send_error(listen, text);
    }
    json_decref(command);
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
    struct listen *listen = state;
    listen->websocket = websocket;
}

static bool is_ready(void *state)
{
    struct listen *listen = state;
    return listen->ending == LISTEN_GOES_ON &&
           (listen->upload || speech_session_is_ready(&listen->speech));
}

static void on_drain(void *state)
{
    struct listen *listen = state;
    speech_session_drain(&listen->speech);
    end_if_draining(listen);
}

/* Somebody who does not stop speaking is cut off. */
static void on_tick(void *state)
{
    struct listen *listen = state;
    if (speech_session_is_overdue(&listen->speech))
        end_part(listen, LISTEN_GOES_AWAY);
}

static void on_closed(void *state)
{
    struct listen *listen = state;
    upload_abandon(listen->upload);
    speech_session_finish(&listen->speech);
    for (unsigned i = 0; i < HEARKEN_CHANNELS_EACH_MAX; i++)
        json_decref(listen->channels[i].held);
    deepgram_options_finish(&listen->options);
    json_decref(listen->data);
    free(listen);
}

static const struct websocket_protocol protocol = {
    .name = "listen",
    .opened = on_opened,
    .message = on_message,
    .is_ready = is_ready,
    .drain = on_drain,
    .tick = on_tick,
    .closed = on_closed,
};

/* Reads the query and configures the recognition. Errors: -EINVAL with the problem. */
static int prepare(struct listen *listen, const struct http_exchange *exchange,
                   struct field_problem *problem)
{
    const struct model_entry *entry;
    const char *code;
    if (deepgram_options_read(&listen->options, exchange, problem) < 0)
        return -EINVAL;
    if (listen->options.multichannel && listen->options.format.channels > HEARKEN_CHANNELS_EACH_MAX)
        return field_refuse(problem, "channels", http_form_value(&listen->options.form, "channels"),
                            "at most 8 with multichannel");
    listen->data = deepgram_live_data(&listen->options, listen->service, problem);
    if (!listen->data)
        return -EINVAL;
    if (!listen->options.is_raw) /* until it is known; what is asked for is checked now */
        listen->options.format =
            (struct speech_format){.encoding = SPEECH_F32, .rate = HEARKEN_RATE, .channels = 1};
    if (configure(listen, &code, &problem->error) < 0) {
        field_problem_set(problem, code, &listen->options.form);
        return -EINVAL;
    }
    entry = catalogue_find(&listen->service->models, listen->speech.transcribe.options.model);
    snprintf(listen->model, sizeof(listen->model), "%s", model_entry_name(entry));
    return 0;
}

void deepgram_start(struct http_exchange *exchange)
{
    struct field_problem problem = {0};
    if (!http_transcription_admit(exchange))
        return;
    struct listen *listen = calloc(1, sizeof(*listen));
    if (!listen) {
        http_exchange_answer(exchange, 503, NULL);
        return;
    }
    listen->service = exchange->service;
    strcpy(listen->id, exchange->id);
    speech_session_init(&listen->speech, exchange->service, REQUEST_DEEPGRAM, &speech_listener,
                        listen);
    if (prepare(listen, exchange, &problem) < 0) {
        http_exchange_fail(exchange, problem.status, problem.code, problem.field, "%s",
                           problem.error.message);
        on_closed(listen);
        return;
    }
    websocket_accept(exchange, &protocol, listen,
                     websocket_offers(exchange, "token")    ? "token"
                     : websocket_offers(exchange, "bearer") ? "bearer"
                                                            : NULL);
}
