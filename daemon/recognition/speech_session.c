// SPDX-License-Identifier: MIT
#include "daemon/recognition/speech_session.h"

#include "daemon/recognition/g711.h"

#include <errno.h>
#include <string.h>

/* Seconds of sound that may wait for a worker. As the client sends on when half of it was
 * recognised, it does not wait for longer than it takes its answers to pings. */
#define QUEUE_SECONDS 5

/* A session without a request counts among the requests that may be served, too. */
static void set_waits(struct speech_session *session, bool waits)
{
    if (waits != session->waits)
        session->service->admitted += waits ? 1u : -1u;
    session->waits = waits;
}

static void forget_request(struct speech_session *session)
{
    session->origin = speech_session_seconds(session);
    session->request = NULL;
    session->frames = 0;
    session->partial.length = 0;
    session->ending = false;
    set_waits(session, true);
}

/* ---- Callbacks of the request ---- */

static void on_segment(void *context, const struct segment_message *segment)
{
    struct speech_session *session = context;
    session->listener->segment(session->context, segment);
}

static void on_heard(void *context, double seconds)
{
    struct speech_session *session = context;
    session->listener->heard(session->context, seconds);
}

static void on_room(void *context)
{
    struct speech_session *session = context;
    session->listener->room(session->context);
}

static void on_finished(void *context, const struct request_summary *summary)
{
    struct speech_session *session = context;
    forget_request(session);
    session->listener->ended(session->context, summary);
}

static void on_failed(void *context, int code, const char *problem)
{
    struct speech_session *session = context;
    (void)code;
    forget_request(session);
    session->listener->failed(session->context, problem);
}

static const struct request_listener listener = {
    .segment = on_segment,
    .heard = on_heard,
    .room = on_room,
    .finished = on_finished,
    .failed = on_failed,
};

/* ---- Sound ---- */

static bool is_g711(enum speech_encoding encoding)
{
    return encoding == SPEECH_MULAW || encoding == SPEECH_ALAW;
}

/* Bytes of a frame as the client sends it. */
static size_t frame_size(const struct speech_format *format)
{
    size_t sample = is_g711(format->encoding) ? 1 : format->encoding == SPEECH_F32 ? 4 : 2;
    return sample * format->channels;
}

static int begin(struct speech_session *session)
{
    struct service *service = session->service;
    struct request_options *options = &session->transcribe.options;
    const struct speech_format *format = &session->next_format;
    options->stream.audio = (struct hearken_audio_format){
        .rate = format->rate,
        .channels = format->channels,
        .type = format->encoding == SPEECH_F32 ? HEARKEN_SAMPLE_F32 : HEARKEN_SAMPLE_S16,
    };
    options->protocol = session->protocol;
    options->origin = session->origin;
    options->heard = true;
    options->is_live = true;
    struct served_model *model = catalogue_acquire(&service->models, options->model);
    if (!model)
        return catalogue_find(&service->models, options->model) ? -ENOMEM : -ENOENT;
    size_t queue = hearken_audio_frame_size(&options->stream.audio) * format->rate * QUEUE_SECONDS;
    size_t most = (size_t)service->settings.audio_queue_kib * 1024;
    session->request = request_create(service->workers, model, options, queue < most ? queue : most,
                                      &listener, session, &service->totals);
    if (!session->request)
        return -ENOMEM;
    session->format = *format;
    set_waits(session, false); /* totals.running has it */
    return 0;
}

static int write_g711(struct speech_session *session, const uint8_t *bytes, size_t length)
{
    enum { BLOCK = 4096 };
    uint8_t samples[2 * BLOCK];
    int16_t (*decode)(uint8_t) =
        session->format.encoding == SPEECH_MULAW ? g711_from_mulaw : g711_from_alaw;
    for (size_t done = 0; done < length;) {
        size_t count = length - done < BLOCK ? length - done : BLOCK;
        count -= count < BLOCK ? 0 : BLOCK % session->format.channels;
        for (size_t i = 0; i < count; i++) {
            uint16_t sample = (uint16_t)decode(bytes[done + i]);
            samples[2 * i] = (uint8_t)sample;
            samples[2 * i + 1] = (uint8_t)(sample >> 8);
        }
        int result = request_write(session->request, samples, 2 * count);
        if (result < 0)
            return result;
        done += count;
    }
    return 0;
}

/* A whole_frames_sink. */
static int write_frames(void *context, const uint8_t *bytes, size_t length)
{
    struct speech_session *session = context;
    session->frames += length / frame_size(&session->format);
    return is_g711(session->format.encoding) ? write_g711(session, bytes, length)
                                             : request_write(session->request, bytes, length);
}

int speech_session_write(struct speech_session *session, const uint8_t *bytes, size_t length,
                         struct hearken_error *error)
{
    int result = 0;
    if (length == 0)
        return 0;
    if (!session->request)
        result = begin(session);
    if (result == -ENOENT)
        return hearken_fail(error, result, "the model is no longer configured");
    if (result == 0)
        result = whole_frames_write(&session->partial, frame_size(&session->format), bytes, length,
                                    write_frames, session);
    return result < 0 ? hearken_fail(error, result, "out of memory for audio") : 0;
}

bool speech_session_end(struct speech_session *session)
{
    if (!session->request || session->ending)
        return session->ending;
    session->ending = true;
    request_end(session->request);
    return true;
}

void speech_session_drop(struct speech_session *session)
{
    request_abandon(session->request);
    forget_request(session);
}

bool speech_session_is_ready(struct speech_session *session)
{
    return !session->ending && !(session->request && request_is_full(session->request));
}

double speech_session_seconds(const struct speech_session *session)
{
    return session->origin +
           (session->format.rate > 0 ? (double)session->frames / session->format.rate : 0);
}

static double now(void)
{
    return (double)uv_hrtime() * 1e-9;
}

/* The rest of timeouts.drain_seconds is for the last text. */
void speech_session_drain(struct speech_session *session)
{
    session->drain_until = now() + (double)session->service->settings.drain_seconds / 2;
}

bool speech_session_is_draining(const struct speech_session *session)
{
    return session->drain_until > 0;
}

bool speech_session_is_overdue(const struct speech_session *session)
{
    return speech_session_is_draining(session) && !session->ending && now() >= session->drain_until;
}

/* ---- Life ---- */

void speech_session_init(struct speech_session *session, struct service *service,
                         enum request_protocol protocol, const struct speech_listener *to,
                         void *context)
{
    *session = (struct speech_session){
        .service = service,
        .listener = to,
        .context = context,
        .protocol = protocol,
    };
    set_waits(session, true);
}

void speech_session_finish(struct speech_session *session)
{
    if (!session->service)
        return;
    request_abandon(session->request);
    session->request = NULL;
    set_waits(session, false);
    transcribe_event_finish(&session->transcribe);
}

int speech_session_configure(struct speech_session *session, const json_t *data,
                             const struct speech_format *format, const char **code,
                             struct hearken_error *error)
{
    struct transcribe_event transcribe = {0};
    int result = transcribe_event_parse_live(&transcribe, data, session->service, code, error);
    if (result < 0) {
        transcribe_event_finish(&transcribe);
        return result;
    }
    transcribe_event_finish(&session->transcribe);
    session->transcribe = transcribe;
    session->next_format = *format;
    return 0;
}
