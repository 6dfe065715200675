// SPDX-License-Identifier: MIT
/*
 * Form fields, or a query and the bare recording, an upload that is decoded while it comes, and a
 * request to the workers. Where fields came before the file, recognition begins with the first
 * samples; if a field behind the file changes what was asked, it begins again.
 */
#include "daemon/api/http_transcription.h"

#include "daemon/api/deepgram_answer.h"
#include "daemon/api/deepgram_options.h"
#include "daemon/api/transcription_answer.h"
#include "daemon/api/transcription_fields.h"
#include "daemon/api/upload.h"
#include "daemon/http/http_form.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Weights of alignments in one answer, which has them in base64: some three quarters of an hour. */
#define ALIGNMENT_BYTES_MAX ((size_t)24 << 20)

struct transcription {
    struct http_exchange *exchange;
    bool is_bare; /* the body is the recording, and the query has the fields */
    struct http_form form;
    struct answer_style style;
    bool form_read; /* all fields are known */
    bool waits;     /* is one of service->admitted */

    struct upload *upload;
    unsigned mode;        /* enum hearken_channels of the upload */
    const float *samples; /* [frames, channels] that the request has no room for, or NULL */
    size_t frames;
    uint32_t channels; /* of the sound; 0: not known yet */
    double seconds;    /* of sound so far */
    bool upload_ended; /* all samples have come */

    json_t *asked; /* the data of the `transcribe` event that the request is made from */
    struct transcribe_event transcribe; /* the same, read */
    struct request *request;            /* NULL: not begun, or over */
    struct transcript transcript;
    size_t sent;            /* segments of it, as events of a stream */
    size_t alignment_bytes; /* of its alignments */
    bool lacks_alignments;  /* from `lacks_from` seconds on, as there were too many */
    double lacks_from;
};

/* ---- The end of the exchange ---- */

static void set_waits(struct transcription *transcription, bool waits)
{
    if (waits != transcription->waits)
        transcription->exchange->service->admitted += waits ? 1u : -1u;
    transcription->waits = waits;
}

static void drop(struct transcription *transcription)
{
    set_waits(transcription, false);
    upload_abandon(transcription->upload);
    transcription->upload = NULL;
    request_abandon(transcription->request);
    transcription->request = NULL;
    transcription->samples = NULL;
}

static void fail_with(struct transcription *transcription, unsigned status, const char *code,
                      const char *field, const char *message)
{
    struct http_exchange *exchange = transcription->exchange;
    drop(transcription);
    if (exchange->streams) {
        http_exchange_write_event(exchange, http_error_object(status, code, field, message));
        http_exchange_end_stream(exchange);
    } else {
        http_exchange_fail(exchange, status, code, field, "%s", message);
    }
}

static void fail_field(struct transcription *transcription, const struct field_problem *problem)
{
    fail_with(transcription, problem->status, problem->code, problem->field,
              problem->error.message);
}

static struct transcription_answer answer_of(const struct transcription *transcription,
                                             const struct request_summary *summary)
{
    const char *language = transcription->transcribe.language;
    for (size_t i = 0; i < transcription->transcript.segment_count; i++)
        if (transcription->transcript.segments[i].language)
            language = transcription->transcript.segments[i].language;
    const struct service *service = transcription->exchange->service;
    if (*language == '\0') {
        const struct model_entry *entry =
            catalogue_find(&service->models, transcription->transcribe.options.model);
        const char *only =
            entry ? json_string_value(json_array_get(entry->facts.languages, 0)) : NULL;
        const char *configured = transcription->transcribe.options.stream.language;
        language = *configured && strcmp(configured, "auto") != 0 ? configured : only ? only : "en";
    }
    return (struct transcription_answer){
        .style = transcription->style,
        .transcript = &transcription->transcript,
        .form = &transcription->form,
        .language = language,
        .audio_seconds = summary ? summary->audio_seconds : 0,
        .busy_seconds = summary ? summary->busy_seconds : 0,
    };
}

static const char *model_of(const struct transcription *transcription)
{
    const struct model_entry *entry = catalogue_find(&transcription->exchange->service->models,
                                                     transcription->transcribe.options.model);
    return entry ? model_entry_name(entry) : transcription->transcribe.options.model;
}

static void finish_answer(struct transcription *transcription,
                          const struct request_summary *summary)
{
    struct transcription_answer answer = answer_of(transcription, summary);
    const char *warning;
    answer.warnings = json_array();
    for (size_t i = 0; (warning = upload_warning(transcription->upload, i)); i++)
        json_array_append_new(answer.warnings, json_string(warning));
    if (transcription->lacks_alignments)
        json_array_append_new(answer.warnings,
                              json_sprintf("alignments are left out from %.2f s on: all of them "
                                           "have more than %zu MiB",
                                           transcription->lacks_from, ALIGNMENT_BYTES_MAX >> 20));
    log_info(transcription->exchange->service->log,
             "request %s: transcribed %.1f s of audio in %.2f s", transcription->exchange->id,
             answer.audio_seconds, answer.busy_seconds);
    if (transcription->style.stream) {
        if (!transcription->exchange->streams)
            http_exchange_stream(transcription->exchange);
        transcription_answer_send_done(&answer, transcription->exchange);
    } else {
        transcript_sort(&transcription->transcript); /* a stream's deltas are as they came */
        if (transcription->style.format == ANSWER_DEEPGRAM)
            deepgram_answer_send(&answer, model_of(transcription), transcription->exchange);
        else
            transcription_answer_send(&answer, transcription->exchange);
    }
    json_decref(answer.warnings);
    drop(transcription);
}

/* ---- The request ---- */

/* Text that came before the last field may still be void. */
static void send_deltas(struct transcription *transcription)
{
    const struct transcript *transcript = &transcription->transcript;
    struct http_exchange *exchange = transcription->exchange;
    if (!transcription->style.stream || !transcription->form_read)
        return;
    struct transcription_answer answer = answer_of(transcription, NULL);
    for (; transcription->sent < transcript->segment_count; transcription->sent++) {
        if (!exchange->streams)
            http_exchange_stream(exchange);
        transcription_answer_send_delta(
            &answer, exchange, &transcript->segments[transcription->sent], transcription->sent);
    }
}

/* Takes over a segment's alignment, if one was asked for and there is room. Errors: -ENOMEM. */
static int take_alignment(struct transcription *transcription, struct transcript_segment *segment,
                          const struct segment_message *message)
{
    if (transcription->style.stream || !json_object_get(message->data, "alignment"))
        return 0;
    transcription->alignment_bytes += message->weights_length;
    if (!transcription->lacks_alignments && transcription->alignment_bytes <= ALIGNMENT_BYTES_MAX) {
        segment->alignment = segment_message_alignment(message);
        return segment->alignment ? 0 : -ENOMEM;
    }
    if (!transcription->lacks_alignments)
        transcription->lacks_from = message->start;
    transcription->lacks_alignments = true;
    segment->alignment = json_null();
    return 0;
}

static void on_segment(void *context, const struct segment_message *message)
{
    struct transcription *transcription = context;
    if (!message->final)
        return;
    const char *text = json_string_value(json_object_get(message->data, "text"));
    struct transcript_segment *segment = transcript_add(&transcription->transcript, text);
    if (!segment || transcript_segment_read_json(segment, message->data, 0) < 0 ||
        take_alignment(transcription, segment, message) < 0) {
        fail_with(transcription, 503, NULL, NULL, "out of memory");
        return;
    }
    send_deltas(transcription);
}

static void give_samples(struct transcription *transcription)
{
    if (!transcription->samples || !transcription->request ||
        request_is_full(transcription->request))
        return;
    int result = request_write(transcription->request, (const uint8_t *)transcription->samples,
                               transcription->frames * transcription->channels * sizeof(float));
    transcription->samples = NULL;
    if (result < 0)
        fail_with(transcription, 503, NULL, NULL, "out of memory");
    else
        upload_continue(transcription->upload);
}

static void on_room(void *context)
{
    give_samples(context);
}

static void on_finished(void *context, const struct request_summary *summary)
{
    struct transcription *transcription = context;
    transcription->request = NULL;
    finish_answer(transcription, summary);
}

static void on_failed(void *context, int code, const char *problem)
{
    struct transcription *transcription = context;
    transcription->request = NULL;
    if (code == -EINVAL)
        fail_with(transcription, 400, "unsupported_value", NULL, problem);
    else
        fail_with(transcription, code == -ENOMEM ? 503 : 500, NULL, NULL, problem);
}

static const struct request_listener request_listener = {
    .segment = on_segment,
    .room = on_room,
    .finished = on_finished,
    .failed = on_failed,
};

/* Creates the request, once it is known what is asked for and how many channels there are. Answers
 * on failure. */
static void begin_request(struct transcription *transcription)
{
    struct service *service = transcription->exchange->service;
    struct request_options *options = &transcription->transcribe.options;
    if (transcription->request || !transcription->asked || transcription->channels == 0)
        return;
    options->segments = false; /* no partial ones */
    options->protocol = REQUEST_HTTP;
    options->stream.audio =
        (struct hearken_audio_format){HEARKEN_RATE, transcription->channels, HEARKEN_SAMPLE_F32};
    struct served_model *model = catalogue_acquire(&service->models, options->model);
    if (model)
        transcription->request = request_create(service->workers, model, options,
                                                (size_t)service->settings.audio_queue_kib * 1024,
                                                &request_listener, transcription, &service->totals);
    if (!transcription->request) {
        fail_with(transcription, 503, NULL, NULL, "out of memory for a request");
        return;
    }
    set_waits(transcription, false); /* totals.running has it */
    give_samples(transcription);
}

/* The request ends when all is known: the samples and what is asked of them. */
static void end_request(struct transcription *transcription)
{
    if (!transcription->upload_ended || !transcription->form_read)
        return;
    if (transcription->channels == 0)
        transcription->channels = 1; /* there is no sound */
    begin_request(transcription);
    if (transcription->request)
        request_end(transcription->request);
}

/* Drops what was recognised, and decodes the upload again. */
static void start_again(struct transcription *transcription)
{
    request_abandon(transcription->request);
    transcription->request = NULL;
    transcript_finish(&transcription->transcript);
    transcription->alignment_bytes = 0;
    transcription->lacks_alignments = false;
    transcription->samples = NULL;
    transcription->channels = 0;
    transcription->seconds = 0;
    transcription->upload_ended = false;
    upload_restart(transcription->upload, transcription->mode);
}

/* The fields so far ask for `asked`. Takes over the reference. Answers on failure if these are all
 * fields. */
static void ask(struct transcription *transcription, json_t *asked)
{
    struct transcribe_event *transcribe = &transcription->transcribe;
    struct field_problem problem = {0};
    const char *code;
    if (transcription->asked && json_equal(asked, transcription->asked)) {
        json_decref(asked);
        return;
    }
    json_decref(transcription->asked);
    transcription->asked = asked;
    /* The request in progress has copied what it needs. */
    if (transcribe_event_parse(transcribe, asked, transcription->exchange->service, &code,
                               &problem.error) < 0) {
        field_problem_set(&problem, code, &transcription->form);
        if (transcription->form_read) {
            fail_field(transcription, &problem);
        } else { /* a field behind the file may put it right */
            json_decref(asked);
            transcription->asked = NULL;
        }
        return;
    }
    unsigned mode = transcribe->options.stream.channels;
    bool again = transcription->request || mode != transcription->mode;
    transcription->mode = mode;
    if (transcription->upload && again)
        start_again(transcription);
    else if (transcription->upload)
        begin_request(transcription);
}

/* ---- The upload ---- */

static void on_samples(void *context, const float *samples, size_t frames, uint32_t channels)
{
    struct transcription *transcription = context;
    float limit = transcription->exchange->service->settings.audio_seconds;
    transcription->samples = samples;
    transcription->frames = frames;
    transcription->channels = channels;
    transcription->seconds += (double)frames / HEARKEN_RATE;
    if (transcription->seconds > (double)limit) {
        char text[120];
        snprintf(text, sizeof(text), "file: more than %g seconds of audio, expected less",
                 (double)limit);
        fail_with(transcription, 413, "too_long", "file", text);
        return;
    }
    begin_request(transcription);
    give_samples(transcription);
}

static void on_upload_ended(void *context, int result, const char *problem)
{
    struct transcription *transcription = context;
    struct service *service = transcription->exchange->service;
    transcription->upload_ended = true;
    if (result < 0)
        (*(result == -EINVAL ? &service->decode_failures.not_audio
                             : &service->decode_failures.system))++;
    if (result == -EINVAL)
        fail_with(transcription, 400, "invalid_audio", "file", problem);
    else if (result < 0)
        fail_with(transcription, 503, NULL, "file", problem);
    else
        end_request(transcription);
}

static const struct upload_listener upload_listener = {
    .samples = on_samples,
    .ended = on_upload_ended,
};

static bool translates(const struct transcription *transcription)
{
    const char *flag = http_form_value(&transcription->form, "translate");
    return strcmp(transcription->exchange->path, "audio/translations") == 0 ||
           (flag && strcmp(flag, "true") == 0 &&
            strcmp(transcription->exchange->path, "inference") == 0);
}

static json_t *read_fields(struct transcription *transcription, struct field_problem *problem)
{
    transcription->style.translates = translates(transcription);
    return transcribe_data_make(&transcription->form, transcription->exchange->service,
                                transcription->style.translates, problem);
}

/* The first piece of the file. As curl's users write it, the fields come behind. */
static void begin_upload(struct transcription *transcription)
{
    struct http_exchange *exchange = transcription->exchange;
    const struct settings *settings = &exchange->service->settings;
    struct field_problem problem = {0};
    struct hearken_error error;
    struct upload_options options;
    transcription->mode = settings->recognition.channels;
    if (transcription->form.count > 0) {
        json_t *asked = read_fields(transcription, &problem);
        if (asked)
            ask(transcription, asked);
    }
    upload_options_init(&options, settings, transcription->mode);
    int result = upload_create(exchange->loop, &options, &upload_listener, transcription,
                               &transcription->upload, &error);
    if (result < 0)
        fail_with(transcription, 503, NULL, "file", error.message);
}

static void on_file(void *context, const char *bytes, size_t size)
{
    struct transcription *transcription = context;
    struct http_exchange *exchange = transcription->exchange;
    if (exchange->status != 0)
        return;
    if (!transcription->upload)
        begin_upload(transcription);
    if (exchange->status != 0)
        return;
    int result = upload_write(transcription->upload, bytes, size);
    char text[200];
    if (result == -EFBIG) {
        snprintf(text, sizeof(text), "file: more than %u MiB, expected less (http.upload_mib)",
                 exchange->service->settings.http_upload_mib);
        fail_with(transcription, 413, "too_large", "file", text);
    } else if (result < 0) {
        snprintf(text, sizeof(text), "file: cannot be stored: %s", strerror(-result));
        fail_with(transcription, 507, NULL, "file", text);
    }
}

/* ---- The route ---- */

/* Seconds until a place may be free: what waits, at the pace of what was done so far. */
static unsigned seconds_to_wait(const struct service *service)
{
    const struct request_totals *totals = &service->totals;
    unsigned waiting = workers_load(service->workers).waiting;
    double each = totals->finished > 0 ? totals->busy_seconds / (double)totals->finished : 1;
    double seconds = each * (waiting + 1) / workers_count(service->workers);
    return seconds < 1 ? 1 : seconds > 60 ? 60 : (unsigned)seconds;
}

bool http_transcription_is_full(const struct service *service)
{
    return service->totals.running + service->admitted >= service->settings.http_requests;
}

bool http_transcription_admit(struct http_exchange *exchange)
{
    const struct service *service = exchange->service;
    if (service->draining)
        http_exchange_postpone(exchange, 5, "hearkend is shutting down");
    else if (http_transcription_is_full(service))
        http_exchange_postpone(exchange, seconds_to_wait(service), "too many requests at a time");
    else
        return true;
    return false;
}

static struct transcription *begin_transcription(struct http_exchange *exchange)
{
    struct transcription *transcription =
        http_transcription_admit(exchange) ? calloc(1, sizeof(*transcription)) : NULL;
    exchange->state = transcription;
    if (!transcription) {
        http_exchange_answer(exchange, 503, NULL); /* unless it is answered */
        return NULL;
    }
    transcription->exchange = exchange;
    set_waits(transcription, true);
    transcript_init(&transcription->transcript);
    return transcription;
}

void http_transcription_start(struct http_exchange *exchange)
{
    struct transcription *transcription = begin_transcription(exchange);
    if (!transcription)
        return;
    const char *type = http_exchange_header(exchange, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (!http_form_init(&transcription->form, type, on_file, transcription)) {
        set_waits(transcription, false);
        http_exchange_fail(exchange, 415, NULL, NULL,
                           "Content-Type: got %.100s, expected multipart/form-data with a boundary",
                           type ? type : "nothing");
    }
}

void http_transcription_start_bare(struct http_exchange *exchange)
{
    struct transcription *transcription = begin_transcription(exchange);
    struct field_problem problem = {0};
    struct deepgram_options options;
    if (!transcription)
        return;
    const char *type = http_exchange_header(exchange, MHD_HTTP_HEADER_CONTENT_TYPE);
    int result = deepgram_options_read(&options, exchange, &problem);
    transcription->form = options.form;
    transcription->is_bare = true;
    transcription->style.format = ANSWER_DEEPGRAM;
    if (type && strncasecmp(type, "application/json", strlen("application/json")) == 0)
        fail_with(transcription, 400, "not_supported", NULL,
                  "got JSON, expected the recording itself: nothing is fetched by url");
    else if (result == 0 && options.is_raw)
        fail_with(transcription, 400, "not_supported", "encoding",
                  "encoding: got one, expected a file that says itself what it holds");
    else if (result < 0)
        fail_field(transcription, &problem);
}

void http_transcription_body(struct http_exchange *exchange, const char *bytes, size_t size)
{
    struct transcription *transcription = exchange->state;
    if (transcription->is_bare) {
        on_file(transcription, bytes, size);
        return;
    }
    int result = http_form_feed(&transcription->form, bytes, size);
    if (result == -E2BIG)
        fail_with(transcription, 413, "too_large", NULL,
                  "the fields of the form are too many or too long, expected at most 256 KiB");
    else if (result == -ENOMEM)
        fail_with(transcription, 503, NULL, NULL, "out of memory for the form");
    else if (result == -EEXIST)
        fail_with(transcription, 400, NULL, "file", "file: got two, expected one");
    else if (result < 0)
        fail_with(transcription, 400, NULL, NULL, "the body is no valid form");
}

void http_transcription_end(struct http_exchange *exchange)
{
    struct transcription *transcription = exchange->state;
    struct field_problem problem = {0};
    if (!transcription->is_bare && http_form_end(&transcription->form) < 0) {
        fail_with(transcription, 400, NULL, NULL, "the body is no complete form");
        return;
    }
    if (!transcription->upload) {
        fail_with(transcription, 400, "missing", "file", "file: is missing, expected a recording");
        return;
    }
    json_t *asked = NULL;
    if ((!transcription->is_bare &&
         answer_style_read(&transcription->style, &transcription->form, &problem) < 0) ||
        !(asked = read_fields(transcription, &problem))) {
        fail_field(transcription, &problem);
        return;
    }
    transcription->form_read = true;
    upload_end(transcription->upload);
    ask(transcription, asked);
    send_deltas(transcription);
    end_request(transcription);
}

void http_transcription_finish(struct http_exchange *exchange)
{
    struct transcription *transcription = exchange->state;
    if (!transcription)
        return;
    drop(transcription);
    http_form_finish(&transcription->form);
    json_decref(transcription->asked);
    transcribe_event_finish(&transcription->transcribe);
    transcript_finish(&transcription->transcript);
    free(transcription);
}
