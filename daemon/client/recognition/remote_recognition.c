// SPDX-License-Identifier: MIT
#include "daemon/client/recognition/remote_recognition.h"

#include "daemon/client/program/client_connection.h"
#include "daemon/common/peer_value.h"
#include "daemon/common/wyoming.h"
#include "include/internal/little_endian.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int no_memory(struct hearken_error *error)
{
    snprintf(error->message, sizeof(error->message), "%s", strerror(ENOMEM));
    return -ENOMEM;
}

/* The texts of an alignment's tokens, "" if invalid; the caller frees the array. NULL: no memory.
 */
static const char **token_texts(const json_t *alignment, size_t tokens)
{
    const json_t *texts = json_object_get(alignment, "texts");
    const char **found = calloc(tokens + 1, sizeof(*found));
    for (size_t i = 0; found && i < tokens; i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        found[i] = text ? text : "";
    }
    return found;
}

/* Converts the payload, little-endian floats that need not be aligned. */
static float *copy_weights(const uint8_t *payload, size_t count)
{
    float *weights = malloc((count + 1) * sizeof(*weights));
    for (size_t i = 0; weights && i < count; i++)
        weights[i] = load_float(payload + 4 * i);
    return weights;
}

/* Reports a segment, with its alignment if that is complete. */
static int report_with_alignment(struct recognition *recognition,
                                 struct transcript_segment *segment,
                                 const struct wyoming_event *event)
{
    const json_t *data = json_object_get(event->data, "alignment");
    size_t count = event->payload_length / 4;
    size_t tokens = peer_count(data, "tokens", UINT32_MAX);
    size_t steps = peer_count(data, "steps", UINT32_MAX);
    if (tokens == 0 || steps == 0 || tokens > count || steps > count || tokens * steps != count)
        return recognition_report_segment(recognition, segment, NULL);
    const char **texts = token_texts(data, tokens);
    float *weights = copy_weights(event->payload, count);
    struct hearken_alignment alignment = {
        .tokens = (uint32_t)tokens,
        .steps = (uint32_t)steps,
        .start = peer_seconds(data, "start"),
        .step_seconds = peer_seconds(data, "step_seconds"),
        .texts = texts,
        .weights = weights,
    };
    int result =
        texts && weights ? recognition_report_segment(recognition, segment, &alignment) : -ENOMEM;
    free(weights);
    free(texts);
    return result;
}

static int handle_segment(struct recognition *recognition, const struct wyoming_event *event,
                          struct hearken_error *error)
{
    if (strcmp(peer_string(event->data, "type"), "final") != 0)
        return 0;
    struct transcript transcript;
    transcript_init(&transcript);
    struct transcript_segment *segment =
        transcript_add(&transcript, peer_string(event->data, "text"));
    int result = segment ? transcript_segment_read_json(segment, event->data, 0) : -ENOMEM;
    if (result == 0)
        result = report_with_alignment(recognition, segment, event);
    transcript_finish(&transcript);
    return result == -ENOMEM ? no_memory(error) : result;
}

/* A server without hearken's extensions sends no segments: its text becomes one without times. */
static int handle_transcript(struct recognition *recognition, const json_t *data,
                             struct hearken_error *error)
{
    const char *text = peer_string(data, "text");
    text += strspn(text, " ");
    if (recognition->has_segments || !*text)
        return 1;
    struct transcript transcript;
    transcript_init(&transcript);
    struct transcript_segment *segment = transcript_add(&transcript, text);
    int result = segment ? recognition_report_segment(recognition, segment, NULL) : -ENOMEM;
    transcript_finish(&transcript);
    if (result == -ENOMEM)
        return no_memory(error);
    return result < 0 ? result : 1;
}

static int read_error(const json_t *data, struct hearken_error *error)
{
    const char *text = peer_string(data, "text"), *code = peer_string(data, "code");
    snprintf(error->message, sizeof(error->message), "the daemon says: %s%s%s%s",
             *text ? text : "error", *code ? " (" : "", code, *code ? ")" : "");
    return -EPROTO;
}

int remote_event(struct recognition *recognition, const struct wyoming_event *event,
                 struct hearken_error *error)
{
    if (strcmp(event->type, "hearken-segment") == 0)
        return handle_segment(recognition, event, error);
    if (strcmp(event->type, "transcript") == 0)
        return handle_transcript(recognition, event->data, error);
    if (strcmp(event->type, "error") == 0)
        return read_error(event->data, error);
    return 0;
}

#define CHUNK_SAMPLES 1600u        /* at most 100 ms, the latency for live audio from a pipe */
#define PENDING_BYTES (64u * 1024) /* limit of unsent audio, about a second */
#define RECEIVE_BYTES (64u * 1024)

/* Default timeout: a slow machine may take several times the recording's length, and the request
 * may have to wait for others. */
#define SILENCE_SECONDS 300.0
#define SILENCE_FACTOR  4.0

/* The transcript of a long recording lists all its words and exceeds the default limit. */
static const struct wyoming_limits limits = {
    .header = 64 * 1024,
    .data = 256 * 1024 * 1024,
    .payload = 4 * 1024 * 1024,
    .depth = 32,
};

/* Sends and receives whenever the socket is ready for either, so that full socket buffers cannot
 * cause a deadlock. */
struct conversation {
    int descriptor;
    const struct address *address;
    struct recognition *recognition;
    struct timeout timeout;
    struct wyoming_parser parser;
    struct wyoming_buffer pending; /* output */
    size_t sent;                   /* bytes of it that have been sent */
    json_t *format;                /* data of each audio-chunk */
    bool audio_ended;              /* audio-stop has been queued */
    bool server_closed;            /* sending has failed: only receive */
};

/* ---- Sending ---- */

static int put(struct conversation *conversation, const char *type, const json_t *data,
               const void *payload, size_t length, struct hearken_error *error)
{
    int result = wyoming_serialise(type, data, payload, length, &conversation->pending);
    if (result < 0)
        snprintf(error->message, sizeof(error->message), "%s: %s", type, strerror(-result));
    return result;
}

static int put_opening(struct conversation *conversation, const struct stream_settings *settings,
                       struct hearken_error *error)
{
    json_t *request = json_pack("{s:{s:b, s:b, s:b}}", "hearken", "events", 1, "words", 1,
                                "alignment", conversation->recognition->picture != NULL);
    if (!request || stream_settings_describe(settings, request) < 0) {
        json_decref(request);
        return no_memory(error);
    }
    int result = put(conversation, "transcribe", request, NULL, 0, error);
    json_decref(request);
    return result < 0 ? result
                      : put(conversation, "audio-start", conversation->format, NULL, 0, error);
}

static int put_audio(struct conversation *conversation, struct hearken_error *error)
{
    uint8_t bytes[RECOGNITION_WIDTH * CHUNK_SAMPLES];
    const size_t channels = conversation->recognition->channels;
    long got = recognition_read(conversation->recognition, bytes,
                                CHUNK_SAMPLES / channels * channels, error);
    if (got < 0)
        return (int)got;
    if (got == 0) {
        conversation->audio_ended = true;
        return put(conversation, "audio-stop", NULL, NULL, 0, error);
    }
    return put(conversation, "audio-chunk", conversation->format, bytes,
               RECOGNITION_WIDTH * (size_t)got, error);
}

static size_t unsent(const struct conversation *conversation)
{
    return conversation->pending.length - conversation->sent;
}

static bool wants_audio(const struct conversation *conversation)
{
    return !conversation->audio_ended && !conversation->server_closed &&
           unsent(conversation) < PENDING_BYTES;
}

static void send_pending(struct conversation *conversation)
{
    struct wyoming_buffer *pending = &conversation->pending;
    ssize_t sent = send(conversation->descriptor, pending->bytes + conversation->sent,
                        unsent(conversation), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        conversation->server_closed = true; /* it may have sent an error: keep reading */
        sent = (ssize_t)unsent(conversation);
    }
    if (sent > 0) {
        conversation->sent += (size_t)sent;
        timeout_stop(&conversation->timeout);
    }
    if (unsent(conversation) == 0)
        pending->length = conversation->sent = 0;
}

/* Removes the bytes that have been sent. */
static void compact(struct conversation *conversation)
{
    struct wyoming_buffer *pending = &conversation->pending;
    if (conversation->sent == 0)
        return;
    memmove(pending->bytes, pending->bytes + conversation->sent, unsent(conversation));
    pending->length -= conversation->sent;
    conversation->sent = 0;
}

/* ---- Receiving ---- */

static int fail_closed(int code, struct hearken_error *error)
{
    snprintf(error->message, sizeof(error->message),
             "the daemon closed the connection before the transcript%s%s", code ? ": " : "",
             code ? strerror(code) : "");
    return -EPROTO;
}

static int fail_protocol(const struct hearken_error *problem, struct hearken_error *error)
{
    snprintf(error->message, sizeof(error->message),
             "the server does not speak the Wyoming protocol: %.400s", problem->message);
    return -EPROTO;
}

static int handle_events(struct conversation *conversation, struct hearken_error *error)
{
    for (;;) {
        struct wyoming_event event;
        struct hearken_error problem;
        int result = wyoming_parser_next(&conversation->parser, &event, &problem);
        if (result == 0)
            return 0;
        if (result < 0)
            return fail_protocol(&problem, error);
        result = remote_event(conversation->recognition, &event, error);
        if (result != 0)
            return result;
    }
}

/* 1: the transcript is complete; 0: more events follow; or a negative errno. */
static int receive(struct conversation *conversation, struct hearken_error *error)
{
    uint8_t bytes[RECEIVE_BYTES];
    ssize_t got = recv(conversation->descriptor, bytes, sizeof(bytes), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)
        return fail_closed(got < 0 ? errno : 0, error);
    timeout_stop(&conversation->timeout);
    int result = wyoming_parser_feed(&conversation->parser, bytes, (size_t)got, error);
    return result < 0 ? result : handle_events(conversation, error);
}

/* ---- The conversation ---- */

/* The timeout for poll(). A response is expected while the server does not accept pending audio and
 * after the end of the audio. The timeout grows with the length of the audio sent. */
static int poll_timeout(struct conversation *conversation)
{
    struct timeout *timeout = &conversation->timeout;
    if (unsent(conversation) == 0 && !conversation->audio_ended && !conversation->server_closed) {
        timeout_stop(timeout);
        return -1;
    }
    if (timeout->deadline == 0)
        *timeout = timeout_create(
            conversation->address,
            fmax(SILENCE_SECONDS, SILENCE_FACTOR * conversation->recognition->seconds));
    return timeout_milliseconds(timeout);
}

/* Waits for events; pollers[2] says whether standard input is readable. */
static int wait_for_events(struct conversation *conversation, struct pollfd pollers[3],
                           struct hearken_error *error)
{
    bool sending = unsent(conversation) > 0;
    pollers[0] = (struct pollfd){
        .fd = conversation->descriptor,
        .events = (short)(POLLIN | (sending ? POLLOUT : 0)),
    };
    pollers[1] = (struct pollfd){.fd = conversation->recognition->interrupt, .events = POLLIN};
    bool from_stdin = conversation->recognition->from_stdin && wants_audio(conversation);
    pollers[2] = (struct pollfd){.fd = from_stdin ? STDIN_FILENO : -1, .events = POLLIN};
    int ready;
    do
        ready = poll(pollers, 3, poll_timeout(conversation));
    while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return -errno;
    if (ready == 0)
        return timeout_fail(&conversation->timeout, conversation->address, error);
    return pollers[1].revents ? -ECANCELED : 0;
}

static int converse(struct conversation *conversation, struct hearken_error *error)
{
    struct pollfd pollers[3] = {0};
    bool from_stdin = conversation->recognition->from_stdin;
    for (;;) {
        int result = 0;
        compact(conversation);
        while (wants_audio(conversation) && (!from_stdin || pollers[2].revents) && result == 0) {
            result = put_audio(conversation, error);
            pollers[2].revents = 0;
        }
        if (result == 0)
            result = wait_for_events(conversation, pollers, error);
        if (result == 0 && pollers[0].revents & POLLOUT)
            send_pending(conversation);
        if (result == 0 && pollers[0].revents & (POLLIN | POLLHUP | POLLERR))
            result = receive(conversation, error);
        if (result != 0)
            return result;
    }
}

int remote_recognise(const struct address *address, const struct stream_settings *settings,
                     struct recognition *recognition, struct hearken_error *error)
{
    struct conversation conversation = {.address = address, .recognition = recognition};
    int result = connection_open(address, recognition->interrupt, &conversation.descriptor, error);
    if (result < 0)
        return result;
    wyoming_parser_init(&conversation.parser, &limits);
    conversation.format = json_pack("{s:i, s:i, s:i}", "rate", (int)HEARKEN_RATE, "width",
                                    RECOGNITION_WIDTH, "channels", (int)recognition->channels);
    result = conversation.format ? put_opening(&conversation, settings, error) : no_memory(error);
    if (result == 0)
        result = converse(&conversation, error);
    json_decref(conversation.format);
    wyoming_buffer_finish(&conversation.pending);
    wyoming_parser_finish(&conversation.parser);
    close(conversation.descriptor);
    return result < 0 ? result : 0;
}
