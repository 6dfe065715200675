// SPDX-License-Identifier: MIT
#include "daemon/client/recognition/http_recognition.h"

#include "daemon/common/peer_value.h"
#include "include/internal/little_endian.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_SECONDS 10L
#define SILENCE_SECONDS 300.0
#define SILENCE_FACTOR  4.0

/* Hours of speech with all words. */
#define ANSWER_BYTES ((size_t)256 << 20)

#define WAV_HEADER_BYTES 44

struct exchange {
    struct recognition *recognition;
    struct hearken_error *error;
    int result; /* of reading the recording: a negative errno */
    uint8_t head[WAV_HEADER_BYTES];
    size_t head_sent;
    bool ended; /* the recording was read to its end */
    char *answer;
    size_t answer_length;
    curl_off_t progress; /* bytes sent and received when there last was any */
    double progress_at;  /* seconds of the transfer */
};

/* ---- The recording as a WAV file of unknown length ---- */

/* Linear PCM at no rate yet; both sizes are unknown. */
static const uint8_t wav_head[WAV_HEADER_BYTES] = {
    'R', 'I', 'F', 'F', 0xff, 0xff, 0xff, 0xff, 'W', 'A', 'V',  'E',  'f',  'm',  't',
    ' ', 16,  0,   0,   0,    1,    0,    0,    0,   0,   0,    0,    0,    0,    0,
    0,   0,   0,   0,   0,    0,    'd',  'a',  't', 'a', 0xff, 0xff, 0xff, 0xff,
};

static void make_head(uint8_t head[WAV_HEADER_BYTES], uint32_t channels)
{
    const uint32_t frame = RECOGNITION_WIDTH * channels;
    memcpy(head, wav_head, WAV_HEADER_BYTES);
    store_u16(head + 22, (uint16_t)channels);
    store_u32(head + 24, HEARKEN_RATE);
    store_u32(head + 28, HEARKEN_RATE * frame);
    store_u16(head + 32, (uint16_t)frame);
    store_u16(head + 34, 8 * RECOGNITION_WIDTH);
}

/* Gives curl the next bytes of the file. */
static size_t read_file(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    size_t room = size * count;
    if (exchange->head_sent < WAV_HEADER_BYTES) {
        size_t left = WAV_HEADER_BYTES - exchange->head_sent;
        size_t sent = left < room ? left : room;
        memcpy(bytes, exchange->head + exchange->head_sent, sent);
        exchange->head_sent += sent;
        return sent;
    }
    if (exchange->ended)
        return 0;
    exchange->result = recognition_wait(exchange->recognition);
    if (exchange->result < 0)
        return CURL_READFUNC_ABORT;
    const size_t channels = exchange->recognition->channels;
    long got = recognition_read(exchange->recognition, (uint8_t *)bytes,
                                room / RECOGNITION_WIDTH / channels * channels, exchange->error);
    if (got < 0) {
        exchange->result = (int)got;
        return CURL_READFUNC_ABORT;
    }
    exchange->ended = got == 0;
    return RECOGNITION_WIDTH * (size_t)got;
}

/* ---- The request ---- */

static CURLcode add_field(curl_mime *form, const char *name, const char *value)
{
    curl_mimepart *part = curl_mime_addpart(form);
    if (!part)
        return CURLE_OUT_OF_MEMORY;
    CURLcode code = curl_mime_name(part, name);
    return code ? code : curl_mime_data(part, value, CURL_ZERO_TERMINATED);
}

static CURLcode add_settings(curl_mime *form, const struct stream_settings *settings)
{
    json_t *request = json_pack("{s:{}}", "hearken");
    CURLcode code = CURLE_OUT_OF_MEMORY;
    char *text = NULL;
    if (request && stream_settings_describe(settings, request) == 0)
        text = json_dumps(json_object_get(request, "hearken"), JSON_COMPACT);
    if (text)
        code = strcmp(text, "{}") == 0 ? CURLE_OK : add_field(form, "hearken", text);
    if (code == CURLE_OK)
        code = add_field(form, "model", settings->model ? settings->model : "whisper-1");
    free(text);
    json_decref(request);
    return code;
}

static CURLcode fill_form(curl_mime *form, const struct stream_settings *settings,
                          struct exchange *exchange)
{
    CURLcode code = add_settings(form, settings);
    if (!code)
        code = add_field(form, "response_format", "verbose_json");
    if (!code)
        code = add_field(form, "timestamp_granularities[]", "word");
    if (!code)
        code = add_field(form, "timestamp_granularities[]", "segment");
    curl_mimepart *file = code ? NULL : curl_mime_addpart(form);
    if (!file)
        return CURLE_OUT_OF_MEMORY;
    code = curl_mime_name(file, "file");
    if (!code)
        code = curl_mime_filename(file, "recording.wav");
    if (!code)
        code = curl_mime_type(file, "audio/wav");
    return code ? code : curl_mime_data_cb(file, -1, read_file, NULL, NULL, exchange);
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    size_t length = size * count;
    if (length > ANSWER_BYTES - exchange->answer_length)
        return 0;
    char *grown = realloc(exchange->answer, exchange->answer_length + length + 1);
    if (!grown)
        return 0;
    memcpy(grown + exchange->answer_length, bytes, length);
    exchange->answer = grown;
    exchange->answer_length += length;
    return length;
}

/* ".../v1/audio/transcriptions" for the server's address, which may end with a part of that. */
static char *endpoint_of(const char *url)
{
    static const char route[] = "/audio/transcriptions";
    size_t length = strlen(url), tail = sizeof(route) - 1;
    char *endpoint = NULL;
    while (length > 0 && url[length - 1] == '/')
        length--;
    bool whole = length >= tail && strncmp(url + length - tail, route, tail) == 0;
    bool version = length >= 3 && strncmp(url + length - 3, "/v1", 3) == 0;
    if (asprintf(&endpoint, "%.*s%s%s", (int)length, url, whole || version ? "" : "/v1",
                 whole ? "" : route) < 0)
        return NULL;
    return endpoint;
}

/* ---- The transfer ---- */

/* Whether nothing has moved for too long. */
static bool is_silent(CURL *curl, struct exchange *exchange, const struct address *address,
                      double *limit)
{
    curl_off_t sent = 0, received = 0, elapsed = 0;
    curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(curl, CURLINFO_SIZE_DOWNLOAD_T, &received);
    curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME_T, &elapsed);
    double now = (double)elapsed * 1e-6;
    if (sent + received != exchange->progress) {
        exchange->progress = sent + received;
        exchange->progress_at = now;
    }
    *limit = address->timeout.set
                 ? address->timeout.value
                 : fmax(SILENCE_SECONDS, SILENCE_FACTOR * exchange->recognition->seconds);
    return *limit > 0 && now - exchange->progress_at > *limit;
}

/* Runs the transfer until it is over or the interrupt is readable. */
static int transfer(CURL *curl, struct exchange *exchange, const struct address *address,
                    CURLcode *code)
{
    CURLM *multi = curl_multi_init();
    struct curl_waitfd interrupt = {.fd = exchange->recognition->interrupt,
                                    .events = CURL_WAIT_POLLIN};
    int running = 1, result = multi ? 0 : -ENOMEM;
    if (result == 0 && curl_multi_add_handle(multi, curl) != CURLM_OK)
        result = -ENOMEM;
    while (result == 0 && running) {
        double limit;
        if (curl_multi_perform(multi, &running) != CURLM_OK ||
            (running && curl_multi_poll(multi, &interrupt, 1, 1000, NULL) != CURLM_OK))
            result = -EIO;
        else if (interrupt.revents)
            result = -ECANCELED;
        else if (running && is_silent(curl, exchange, address, &limit))
            result =
                hearken_fail(exchange->error, -ETIMEDOUT,
                             "%s has not answered for %.6g s (--timeout)", address->url, limit);
    }
    int left;
    const CURLMsg *message = result == 0 ? curl_multi_info_read(multi, &left) : NULL;
    *code = message ? message->data.result : CURLE_OK;
    if (multi)
        curl_multi_remove_handle(multi, curl);
    curl_multi_cleanup(multi);
    return result;
}

/* What the server says of an error: OpenAI's object, or a plain string. */
static int fail_status(long status, const struct exchange *exchange)
{
    json_t *answer =
        json_loadb(exchange->answer ? exchange->answer : "", exchange->answer_length, 0, NULL);
    const json_t *problem = json_object_get(answer, "error");
    const char *text =
        json_is_string(problem) ? json_string_value(problem) : peer_string(problem, "message");
    int result = hearken_fail(exchange->error, -EPROTO, "the server says: %.600s (HTTP %ld)",
                              *text ? text : "error", status);
    json_decref(answer);
    return result;
}

static int fail_transfer(CURLcode code, const struct exchange *exchange,
                         const struct address *address, const char *reason)
{
    if (exchange->result < 0)
        return exchange->result;
    bool unreachable = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                       code == CURLE_OPERATION_TIMEDOUT || code == CURLE_COULDNT_RESOLVE_PROXY;
    return hearken_fail(exchange->error, unreachable ? -ENOTCONN : -EPROTO, "%s: %.300s",
                        address->url, *reason ? reason : curl_easy_strerror(code));
}

/* ---- The answer ---- */

static double confidence_of(const json_t *segment)
{
    const json_t *own = json_object_get(segment, "confidence");
    const json_t *mean = json_object_get(segment, "avg_logprob");
    return json_is_number(own)    ? json_number_value(own)
           : json_is_number(mean) ? exp(json_number_value(mean))
                                  : 0;
}

static unsigned channel_of(const json_t *object)
{
    return (unsigned)peer_count(object, "channel", HEARKEN_CHANNELS_MAX);
}

/* Adds the next words of the segment's channel up to its end, or all if no other one follows. The
 * list has the words of all channels by time; NULL stands for those that were taken. */
static int take_words(struct transcript_segment *segment, const json_t **words, size_t count,
                      bool last)
{
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        if (!words[i] || channel_of(words[i]) != segment->channel)
            continue;
        double from = peer_seconds(words[i], "start"), to = peer_seconds(words[i], "end");
        if (!last && (from + to) / 2 > segment->end)
            break;
        result = transcript_segment_add_word(segment, peer_string(words[i], "word"), from, to,
                                             json_object_get(words[i], "confidence")
                                                 ? peer_seconds(words[i], "confidence")
                                                 : segment->confidence);
        words[i] = NULL;
    }
    return result;
}

static bool is_last(const json_t *segments, size_t at)
{
    unsigned channel = channel_of(json_array_get(segments, at));
    for (size_t i = at + 1; i < json_array_size(segments); i++)
        if (channel_of(json_array_get(segments, i)) == channel)
            return false;
    return true;
}

static int report_text(struct recognition *recognition, const char *text)
{
    struct transcript transcript;
    transcript_init(&transcript);
    struct transcript_segment *added = transcript_add(&transcript, text);
    int result = added ? recognition_report_segment(recognition, added, NULL) : -ENOMEM;
    transcript_finish(&transcript);
    return result;
}

static int report_segment(struct recognition *recognition, const json_t *segment,
                          const json_t **words, size_t count, bool last)
{
    const char *text = peer_string(segment, "text");
    struct transcript transcript;
    transcript_init(&transcript);
    struct transcript_segment *added = transcript_add(&transcript, text + strspn(text, " "));
    int result = added ? 0 : -ENOMEM;
    if (result == 0) {
        added->channel = channel_of(segment);
        transcript_segment_time(added, peer_seconds(segment, "start"), peer_seconds(segment, "end"),
                                confidence_of(segment));
        result = take_words(added, words, count, last);
    }
    if (result == 0)
        result = recognition_report_segment(recognition, added, NULL);
    transcript_finish(&transcript);
    return result;
}

static int report_segments(struct recognition *recognition, const json_t *segments,
                           const json_t *list)
{
    size_t count = json_array_size(list);
    const json_t **words = calloc(count + 1, sizeof(*words));
    int result = words ? 0 : -ENOMEM;
    for (size_t i = 0; words && i < count; i++)
        words[i] = json_array_get(list, i);
    for (size_t i = 0; i < json_array_size(segments) && result == 0; i++)
        result = report_segment(recognition, json_array_get(segments, i), words, count,
                                is_last(segments, i));
    free(words);
    return result;
}

int http_recognition_read_answer(struct recognition *recognition, const char *bytes, size_t length,
                                 struct hearken_error *error)
{
    json_t *answer = json_loadb(bytes ? bytes : "", length, 0, NULL);
    const json_t *segments = json_object_get(answer, "segments");
    int result = 0;
    if (!json_is_string(json_object_get(answer, "text")))
        result = hearken_fail(error, -EPROTO,
                              "the server does not speak the transcription interface of OpenAI");
    else if (json_is_array(segments))
        result = report_segments(recognition, segments, json_object_get(answer, "words"));
    else if (*peer_string(answer, "text"))
        result = report_text(recognition, peer_string(answer, "text"));
    if (result == -ENOMEM)
        hearken_fail(error, result, "%s", strerror(ENOMEM));
    json_decref(answer);
    return result;
}

/* ---- Interface ---- */

static int set_up(CURL *curl, const char *endpoint, curl_mime *form, struct curl_slist *headers,
                  struct exchange *exchange, char reason[CURL_ERROR_SIZE])
{
    CURLcode code = CURLE_OK;
#define SET(option, value) code = code ? code : curl_easy_setopt(curl, option, value)
    SET(CURLOPT_URL, endpoint);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_MIMEPOST, form);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_ERRORBUFFER, reason);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    SET(CURLOPT_WRITEFUNCTION, take_answer);
    SET(CURLOPT_WRITEDATA, exchange);
    SET(CURLOPT_USERAGENT, "hearken/" HEARKEN_VERSION);
#undef SET
    return code ? -EIO : 0;
}

static struct curl_slist *make_headers(void)
{
    const char *key = secure_getenv("HEARKEN_API_KEY");
    char *line = NULL;
    /* No "Expect: 100-continue": some servers never answer it. */
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (key && *key && headers && asprintf(&line, "Authorization: Bearer %s", key) >= 0) {
        struct curl_slist *longer = curl_slist_append(headers, line);
        headers = longer ? longer : headers;
    }
    free(line);
    return headers;
}

int http_recognise(const struct address *address, const struct stream_settings *settings,
                   struct recognition *recognition, struct hearken_error *error)
{
    struct exchange exchange = {.recognition = recognition, .error = error};
    char reason[CURL_ERROR_SIZE] = "";
    char *endpoint = endpoint_of(address->url);
    struct curl_slist *headers = make_headers();
    CURL *curl = curl_easy_init();
    curl_mime *form = curl ? curl_mime_init(curl) : NULL;
    CURLcode code = CURLE_OK;
    long status = 0;
    int result = -ENOMEM;
    make_head(exchange.head, recognition->channels);
    hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    if (endpoint && headers && form && fill_form(form, settings, &exchange) == CURLE_OK)
        result = set_up(curl, endpoint, form, headers, &exchange, reason);
    if (result == 0)
        result = transfer(curl, &exchange, address, &code);
    if (result == 0 && curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
        status = 0;
    if (result == 0 && status >= 400)
        result = fail_status(status, &exchange);
    else if (result == 0 && code != CURLE_OK)
        result = fail_transfer(code, &exchange, address, reason);
    else if (result == 0)
        result = http_recognition_read_answer(recognition, exchange.answer, exchange.answer_length,
                                              error);
    free(exchange.answer);
    curl_mime_free(form);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    free(endpoint);
    return result;
}
