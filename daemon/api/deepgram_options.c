// SPDX-License-Identifier: MIT
#include "daemon/api/deepgram_options.h"

#include "daemon/common/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- The query as a form ---- */

struct reading {
    struct http_form *form;
    int result;
};

/* `keywords` are words with a colon and a boost, of which the word counts. */
static int add_keyword(struct http_form *form, const char *value)
{
    char *word = strdup(value);
    if (!word)
        return -ENOMEM;
    char *colon = strrchr(word, ':');
    if (colon && colon != word && strspn(colon + 1, "-.0123456789") == strlen(colon + 1))
        *colon = '\0';
    int result = http_form_add(form, "keywords", word);
    free(word);
    return result;
}

static enum MHD_Result add_argument(void *context, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct reading *reading = context;
    (void)kind;
    const char *text = value ? value : "true";
    if (strcmp(name, "api_key") == 0)
        return MHD_YES;
    if (strcmp(name, "keyterm") == 0)
        reading->result = http_form_add(reading->form, "keywords", text);
    else if (strcmp(name, "keywords") == 0)
        reading->result = add_keyword(reading->form, text);
    else if (strcmp(name, "language") == 0 && strcmp(text, "multi") == 0)
        reading->result = http_form_add(reading->form, name, "auto");
    else
        reading->result = http_form_add(reading->form, name, text);
    return reading->result < 0 ? MHD_NO : MHD_YES;
}

/* ---- Values ---- */

static int read_count(struct deepgram_options *options, const char *field, double minimum,
                      double maximum, uint32_t *count, struct field_problem *problem)
{
    double value = *count;
    int result = field_read_number(&options->form, field, &value, problem);
    if (result < 0)
        return result;
    if (result > 0 && (value < minimum || value > maximum || value != (double)(uint32_t)value))
        return field_refuse(problem, field, http_form_value(&options->form, field),
                            "a whole number in the range of such sound");
    *count = (uint32_t)value;
    return result;
}

static int read_encoding(struct deepgram_options *options, struct field_problem *problem)
{
    static const struct {
        const char *name;
        enum speech_encoding encoding;
        uint32_t rate; /* 0: has to be stated */
    } encodings[] = {{"linear16", SPEECH_S16, 0},
                     {"linear32", SPEECH_F32, 0},
                     {"mulaw", SPEECH_MULAW, 8000},
                     {"alaw", SPEECH_ALAW, 8000}};
    static const char *const containers[] = {"", "flac", "ogg-opus"};
    const char *name = http_form_value(&options->form, "encoding");
    for (size_t i = 0; i < sizeof(containers) / sizeof(containers[0]); i++)
        if (!name || strcmp(name, containers[i]) == 0)
            return 0;
    for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
        if (strcmp(name, encodings[i].name) != 0)
            continue;
        options->is_raw = true;
        options->format = (struct speech_format){
            .encoding = encodings[i].encoding, .rate = encodings[i].rate, .channels = 1};
        int result = read_count(options, "sample_rate", HEARKEN_RATE_MIN, HEARKEN_RATE_MAX,
                                &options->format.rate, problem);
        if (result >= 0 && options->format.rate == 0)
            return field_refuse(problem, "sample_rate", "", "frames a second, with an encoding");
        return result < 0 ? result
                          : read_count(options, "channels", 1, HEARKEN_CHANNELS_MAX,
                                       &options->format.channels, problem);
    }
    return field_refuse(problem, "encoding", name,
                        "linear16, linear32, mulaw, alaw, or none for recordings that say it");
}

/* What would be taken for done is refused. */
static int check_unsupported(const struct http_form *form, struct field_problem *problem)
{
    static const char *const names[] = {"redact",    "replace",          "search",
                                        "callback",  "profanity_filter", "summarize",
                                        "translate", "detect_entities"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = http_form_value(form, names[i]);
        if (value && *value && strcmp(value, "false") != 0)
            return field_refuse(problem, names[i], value, "no such parameter: it is not supported");
    }
    return 0;
}

/* Milliseconds, or false: ends of speech do not count. */
static int read_endpointing(struct deepgram_options *options, json_t *extensions,
                            struct field_problem *problem)
{
    enum { LEAST = 100 };
    const char *value = http_form_value(&options->form, "endpointing");
    double milliseconds = 0;
    options->endpointing = !value || strcmp(value, "false") != 0;
    if (!value || !options->endpointing || strcmp(value, "true") == 0)
        return 0;
    int result = field_read_number(&options->form, "endpointing", &milliseconds, problem);
    if (result <= 0)
        return result;
    if (milliseconds < LEAST)
        milliseconds = LEAST;
    return json_object_set_new(extensions, "endpoint_seconds", json_real(milliseconds * 1e-3));
}

/* Options of docs/protocol.md that stand for parameters, and those of `hearken`. */
static int add_extensions(struct deepgram_options *options, struct field_problem *problem)
{
    json_t *extensions = json_object();
    const char *given = http_form_value(&options->form, "hearken");
    json_t *own = given && *given ? json_loads(given, JSON_REJECT_DUPLICATES, NULL) : NULL;
    int result = read_endpointing(options, extensions, problem);
    if (result == 0 && options->multichannel)
        result = json_object_set_new(extensions, "channels", json_string("each"));
    if (result == 0 && given && *given && !json_is_object(own))
        result = field_refuse(problem, "hearken", given, "an object in JSON");
    if (result == 0 && own)
        result = json_object_update(extensions, own);
    char *text = result == 0 && json_object_size(extensions) > 0 ? json_dumps(extensions, 0) : NULL;
    if (text)
        result = http_form_add(&options->form, "hearken", text);
    free(text);
    json_decref(own);
    json_decref(extensions);
    return result;
}

int deepgram_options_read(struct deepgram_options *options, const struct http_exchange *exchange,
                          struct field_problem *problem)
{
    struct http_form *form = &options->form;
    struct reading reading = {.form = form};
    bool detects = false;
    *options = (struct deepgram_options){0};
    MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, add_argument, &reading);
    int result = reading.result;
    if (result == 0)
        result = check_unsupported(form, problem);
    if (result >= 0)
        result = read_encoding(options, problem);
    if (result >= 0)
        result = field_read_flag(form, "multichannel", &options->multichannel, problem);
    if (result >= 0)
        result = field_read_flag(form, "interim_results", &options->interim_results, problem);
    if (result >= 0)
        result = field_read_flag(form, "vad_events", &options->vad_events, problem);
    if (result >= 0)
        result = field_read_flag(form, "detect_language", &detects, problem);
    if (result >= 0)
        result = field_read_number(form, "utterance_end_ms", &options->utterance_end, problem);
    options->utterance_end *= 1e-3;
    if (result >= 0 && detects)
        result = http_form_add(form, "language", "auto");
    if (result >= 0)
        result = add_extensions(options, problem);
    if (result < 0 && !*problem->error.message)
        *problem = (struct field_problem){
            .status = 400, .error = {"the query has too many parameters, or too long ones"}};
    return result < 0 ? -EINVAL : 0;
}

void deepgram_options_finish(struct deepgram_options *options)
{
    http_form_finish(&options->form);
}

json_t *deepgram_live_data(const struct deepgram_options *options, const struct service *service,
                           struct field_problem *problem)
{
    json_t *data = transcribe_data_make(&options->form, service, false, problem);
    json_t *extensions = json_object_get(data, "hearken");
    if (!data)
        return NULL;
    json_object_del(extensions, "partial_seconds"); /* that of live speech */
    json_object_set_new(extensions, "voice_events", json_true());
    return data;
}
