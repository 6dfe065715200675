// SPDX-License-Identifier: MIT
#include "daemon/api/realtime_settings.h"

#include "daemon/api/language_names.h"
#include "daemon/api/transcription_fields.h"
#include "daemon/common/json_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PCM_RATE  24000
#define G711_RATE 8000

static int refuse(struct realtime_problem *problem, const char *parameter, const char *got,
                  const char *expected)
{
    problem->code = "invalid_value";
    problem->parameter = parameter;
    return hearken_fail(&problem->error, -EINVAL, "%s: got %.100s, expected %s", parameter, got,
                        expected);
}

static int refuse_type(struct realtime_problem *problem, const char *parameter, const json_t *value,
                       const char *expected)
{
    return refuse(problem, parameter, json_type_name(value), expected);
}

static int refuse_memory(struct realtime_problem *problem)
{
    problem->code = NULL;
    problem->parameter = NULL;
    return hearken_fail(&problem->error, -ENOMEM, "out of memory");
}

static bool is_given(const json_t *value)
{
    return value && !json_is_null(value);
}

/* ---- Merging ---- */

json_t *realtime_settings_default(const struct settings *settings)
{
    const struct hearken_stream_options *stream = &settings->recognition;
    return json_pack("{s:{s:{s:{s:s, s:i}, s:n, s:{s:s}, s:{s:s, s:f, s:i, s:i}}}, s:[], s:{}}",
                     "audio", "input", "format", "type", "audio/pcm", "rate", PCM_RATE,
                     "noise_reduction", "transcription", "model", "hearken", "turn_detection",
                     "type", "server_vad", "threshold",
                     round((double)stream->voice_threshold * 100) / 100, "prefix_padding_ms",
                     (int)lround((double)stream->pre_roll * 1000), "silence_duration_ms",
                     (int)lround((double)stream->endpoint_seconds * 1000), "include", "hearken");
}

static json_t *input_of(json_t *session)
{
    return json_object_get(json_object_get(session, "audio"), "input");
}

/* A format is a string in the Beta. A new reference, or NULL: unknown. */
static json_t *read_format(const json_t *value)
{
    static const struct {
        const char *name, *type;
        int rate;
    } formats[] = {
        {"pcm16", "audio/pcm", PCM_RATE},       {"audio/pcm", "audio/pcm", PCM_RATE},
        {"g711_ulaw", "audio/pcmu", G711_RATE}, {"audio/pcmu", "audio/pcmu", G711_RATE},
        {"g711_alaw", "audio/pcma", G711_RATE}, {"audio/pcma", "audio/pcma", G711_RATE},
    };
    const char *name =
        json_string_value(json_is_object(value) ? json_object_get(value, "type") : value);
    const json_t *rate = json_object_get(value, "rate");
    for (size_t i = 0; name && i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(name, formats[i].name) == 0)
            return json_pack("{s:s, s:I}", "type", formats[i].type, "rate",
                             is_given(rate) ? json_integer_value(rate)
                                            : (json_int_t)formats[i].rate);
    return NULL;
}

static int merge_format(json_t *input, const json_t *value, struct realtime_problem *problem)
{
    static const char parameter[] = "session.audio.input.format";
    json_t *format = is_given(value) ? read_format(value) : NULL;
    if (is_given(value) && !format)
        return refuse(problem, parameter,
                      json_is_string(value) ? json_string_value(value) : "another type",
                      "audio/pcm, audio/pcmu or audio/pcma");
    if (!format)
        return 0;
    json_int_t rate = json_integer_value(json_object_get(format, "rate"));
    json_object_set_new(input, "format", format);
    if (rate >= (json_int_t)HEARKEN_RATE_MIN && rate <= (json_int_t)HEARKEN_RATE_MAX)
        return 0;
    return refuse(problem, "session.audio.input.format.rate", "another rate",
                  "a whole number from 1000 to 768000");
}

/* Members that are not mentioned stay as they are. */
static int merge_transcription(json_t *input, json_t *value, struct realtime_problem *problem)
{
    static const char parameter[] = "session.audio.input.transcription";
    if (!is_given(value)) /* there is nothing but transcription here */
        return 0;
    if (!json_is_object(value))
        return refuse_type(problem, parameter, value, "an object");
    return json_object_update(json_object_get(input, "transcription"), value) < 0
               ? refuse_memory(problem)
               : 0;
}

static int merge_turn_detection(json_t *input, json_t *value, const json_t *standard,
                                struct realtime_problem *problem)
{
    static const char parameter[] = "session.audio.input.turn_detection";
    if (!value)
        return 0;
    const char *type = json_string_value(json_object_get(value, "type"));
    if (json_is_null(value) || (type && strcmp(type, "none") == 0))
        return json_object_set_new(input, "turn_detection", json_null());
    if (!json_is_object(value))
        return refuse_type(problem, parameter, value, "an object or null");
    json_t *merged = json_deep_copy(standard);
    if (!merged || json_object_update(merged, value) < 0) {
        json_decref(merged);
        return refuse_memory(problem);
    }
    return json_object_set_new(input, "turn_detection", merged);
}

static int merge_include(json_t *session, json_t *value, struct realtime_problem *problem)
{
    if (!is_given(value))
        return 0;
    if (!json_is_array(value))
        return refuse_type(problem, "session.include", value, "a list of strings");
    return json_object_set(session, "include", value);
}

static int merge_hearken(json_t *session, json_t *value, struct realtime_problem *problem)
{
    if (!value)
        return 0;
    if (!json_is_object(value) && !json_is_null(value))
        return refuse_type(problem, "session.hearken", value, "an object");
    return json_is_null(value) ? json_object_set_new(session, "hearken", json_object())
                               : json_object_set(session, "hearken", value);
}

/* The member of today's form, or that of the Beta's, which lies flat in the session. */
static json_t *either(const json_t *input, const char *name, const json_t *session,
                      const char *flat)
{
    json_t *value = json_object_get(input, name);
    return value ? value : json_object_get(session, flat);
}

static int merge(json_t *session, const json_t *update, const struct settings *settings,
                 struct realtime_problem *problem)
{
    json_t *input = input_of(session), *standard = realtime_settings_default(settings);
    const json_t *given = json_object_get(json_object_get(update, "audio"), "input");
    if (!standard)
        return refuse_memory(problem);
    int result =
        merge_format(input, either(given, "format", update, "input_audio_format"), problem);
    if (result == 0)
        result = merge_transcription(
            input, either(given, "transcription", update, "input_audio_transcription"), problem);
    if (result == 0)
        result =
            merge_turn_detection(input, either(given, "turn_detection", update, "turn_detection"),
                                 json_object_get(input_of(standard), "turn_detection"), problem);
    if (result == 0)
        result = merge_include(session, json_object_get(update, "include"), problem);
    if (result == 0)
        result = merge_hearken(session, json_object_get(update, "hearken"), problem);
    json_decref(standard);
    return result;
}

/* ---- Options of the recognition ---- */

static int put_model(json_t *data, const json_t *transcription, const struct service *service,
                     struct realtime_problem *problem)
{
    static const char parameter[] = "session.audio.input.transcription.model";
    const json_t *value = json_object_get(transcription, "model");
    const char *name = json_string_value(value);
    if (!is_given(value))
        return 0;
    if (!name)
        return refuse_type(problem, parameter, value, "a string");
    const struct model_entry *entry = http_model_find(service, name);
    if (entry)
        return json_object_set_new(data, "name", json_from_text(entry->name));
    if (!service->settings.http_strict_models || strcmp(name, "hearken") == 0)
        return 0;
    char known[400];
    catalogue_list_names(&service->models, known, sizeof(known));
    refuse(problem, parameter, name, known);
    problem->code = "model_not_found";
    return -EINVAL;
}

/* `language`, or the only one of `languages`; several are hints to detect it. */
static int put_language(json_t *data, const json_t *transcription, struct realtime_problem *problem)
{
    const json_t *language = json_object_get(transcription, "language");
    const json_t *languages = json_object_get(transcription, "languages");
    if (is_given(language) && !json_is_string(language))
        return refuse_type(problem, "session.audio.input.transcription.language", language,
                           "a string");
    const char *code = json_string_value(language);
    if (json_array_size(languages) == 1)
        code = json_string_value(json_array_get(languages, 0));
    else if (json_array_size(languages) > 1)
        code = "auto";
    if (!code || !*code)
        return 0;
    return json_object_set_new(data, "language", json_from_text(language_code(code)));
}

static int put_hints(json_t *options, json_t *transcription, struct realtime_problem *problem)
{
    static const char parameter[] = "session.audio.input.transcription.keywords";
    const json_t *prompt = json_object_get(transcription, "prompt");
    json_t *keywords = json_object_get(transcription, "keywords");
    if (is_given(prompt) && !json_is_string(prompt))
        return refuse_type(problem, "session.audio.input.transcription.prompt", prompt, "a string");
    if (is_given(keywords) && !json_is_array(keywords))
        return refuse_type(problem, parameter, keywords, "a list of strings");
    int result = 0;
    if (json_string_length(prompt) > 0)
        result |= json_object_set_new(options, "prompt",
                                      json_string(prompt_end(json_string_value(prompt))));
    if (json_array_size(keywords) > 0)
        result |= json_object_set(options, "custom_words", keywords);
    return result < 0 ? refuse_memory(problem) : 0;
}

static int put_number(json_t *options, const json_t *detection, const char *name,
                      const char *parameter, const char *option, double scale,
                      struct realtime_problem *problem)
{
    const json_t *value = json_object_get(detection, name);
    if (!is_given(value))
        return 0;
    if (!json_is_number(value))
        return refuse_type(problem, parameter, value, "a number");
    return json_object_set_new(options, option, json_real(json_number_value(value) * scale));
}

/* Turns that are found by their meaning end where a speaker waits: the more eager, the sooner. */
static int put_eagerness(json_t *options, const json_t *detection, struct realtime_problem *problem)
{
    static const struct {
        const char *name;
        double seconds;
    } levels[] = {{"low", 1.2}, {"medium", 0.6}, {"high", 0.3}};
    const char *eagerness = json_string_value(json_object_get(detection, "eagerness"));
    if (!eagerness || strcmp(eagerness, "auto") == 0)
        return 0;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (strcmp(eagerness, levels[i].name) == 0)
            return json_object_set_new(options, "endpoint_seconds", json_real(levels[i].seconds));
    return refuse(problem, "session.audio.input.turn_detection.eagerness", eagerness,
                  "low, medium, high or auto");
}

static int put_turn_detection(json_t *options, const json_t *detection,
                              struct realtime_problem *problem)
{
#define DETECTION "session.audio.input.turn_detection."
    const char *type = json_string_value(json_object_get(detection, "type"));
    if (!json_is_object(detection))
        return 0;
    if (!type || (strcmp(type, "server_vad") != 0 && strcmp(type, "semantic_vad") != 0))
        return refuse(problem, DETECTION "type", type ? type : "another type",
                      "server_vad or semantic_vad");
    int result = put_number(options, detection, "threshold", DETECTION "threshold",
                            "voice_threshold", 1, problem);
    if (result == 0)
        result = put_number(options, detection, "prefix_padding_ms", DETECTION "prefix_padding_ms",
                            "pre_roll", 1e-3, problem);
    if (result == 0)
        result = put_number(options, detection, "silence_duration_ms",
                            DETECTION "silence_duration_ms", "endpoint_seconds", 1e-3, problem);
    if (result == 0 && strcmp(type, "semantic_vad") == 0)
        result = put_eagerness(options, detection, problem);
    return result;
#undef DETECTION
}

/* The keys of `hearken` that are options of docs/protocol.md; the others are ours. */
static int put_extensions(json_t *options, json_t *hearken)
{
    int result = json_object_update(options, hearken);
    json_object_del(options, "partial");
    result |= json_object_set_new(options, "events", json_true());
    result |= json_object_set_new(options, "words", json_true());
    result |= json_object_set_new(options, "voice_events", json_true());
    return result;
}

/* The data of a `transcribe` event. NULL, with the problem. */
static json_t *make_options(json_t *session, const struct service *service,
                            struct realtime_problem *problem)
{
    json_t *input = input_of(session);
    json_t *transcription = json_object_get(input, "transcription");
    json_t *options = json_object();
    json_t *data = json_pack("{s:o}", "hearken", options);
    int result = data ? put_model(data, transcription, service, problem) : -ENOMEM;
    if (result == 0)
        result = put_language(data, transcription, problem);
    if (result == 0)
        result = put_hints(options, transcription, problem);
    if (result == 0)
        result = put_turn_detection(options, json_object_get(input, "turn_detection"), problem);
    if (result == 0)
        result = put_extensions(options, json_object_get(session, "hearken"));
    if (result == 0)
        return data;
    if (!*problem->error.message)
        refuse_memory(problem);
    json_decref(data);
    return NULL;
}

/* The parameter that a refused option was made from. */
static const char *origin_of(const char *code, const char *message)
{
    static const struct {
        const char *beginning, *parameter;
    } origins[] = {
        {"hearken: custom", "session.audio.input.transcription.keywords"},
        {"hearken: prompt", "session.audio.input.transcription.prompt"},
        {"hearken: pre_roll", "session.audio.input.turn_detection.prefix_padding_ms"},
        {"hearken: endpoint_seconds", "session.audio.input.turn_detection.silence_duration_ms"},
        {"hearken: voice_threshold", "session.audio.input.turn_detection.threshold"},
    };
    if (strcmp(code, "unknown-language") == 0)
        return "session.audio.input.transcription.language";
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++)
        if (strncmp(message, origins[i].beginning, strlen(origins[i].beginning)) == 0)
            return origins[i].parameter;
    return "session.hearken";
}

static int configure(json_t *session, struct speech_session *speech,
                     struct realtime_problem *problem)
{
    static const struct {
        const char *type;
        enum speech_encoding encoding;
    } encodings[] = {
        {"audio/pcm", SPEECH_S16}, {"audio/pcmu", SPEECH_MULAW}, {"audio/pcma", SPEECH_ALAW}};
    const json_t *format = json_object_get(input_of(session), "format");
    const char *type = json_string_value(json_object_get(format, "type"));
    struct speech_format sound = {
        .rate = (uint32_t)json_integer_value(json_object_get(format, "rate")), .channels = 1};
    for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
        if (strcmp(type, encodings[i].type) == 0)
            sound.encoding = encodings[i].encoding;
    json_t *data = make_options(session, speech->service, problem);
    const char *code;
    if (!data)
        return -EINVAL;
    int result = speech_session_configure(speech, data, &sound, &code, &problem->error);
    json_decref(data);
    if (result == 0)
        return 0;
    problem->code = strcmp(code, "out-of-memory") == 0 ? NULL : "invalid_value";
    problem->parameter = origin_of(code, problem->error.message);
    return -EINVAL;
}

static bool has_flag(const json_t *session, const char *name)
{
    return json_is_true(json_object_get(json_object_get(session, "hearken"), name));
}

static bool includes_log_probabilities(const json_t *session)
{
    const json_t *item;
    size_t index;
    json_array_foreach(json_object_get(session, "include"), index, item)
    {
        const char *name = json_string_value(item);
        if (name && strcmp(name, "item.input_audio_transcription.logprobs") == 0)
            return true;
    }
    return false;
}

int realtime_settings_update(struct realtime_settings *settings, const json_t *update,
                             struct speech_session *speech, struct realtime_problem *problem)
{
    json_t *session = json_deep_copy(settings->session);
    if (!session)
        return refuse_memory(problem);
    int result = update ? merge(session, update, &speech->service->settings, problem) : 0;
    if (result == 0)
        result = configure(session, speech, problem);
    if (result < 0) {
        if (!*problem->error.message)
            refuse_memory(problem);
        json_decref(session);
        return -EINVAL;
    }
    json_decref(settings->session);
    settings->session = session;
    settings->detects_turns = json_is_object(json_object_get(input_of(session), "turn_detection"));
    settings->log_probabilities = includes_log_probabilities(session);
    settings->partial = has_flag(session, "partial");
    settings->words = has_flag(session, "words");
    return 0;
}

/* ---- Describing ---- */

/* As the Beta calls the formats. */
static const char *flat_format(const json_t *format)
{
    const char *type = json_string_value(json_object_get(format, "type"));
    return strcmp(type, "audio/pcmu") == 0   ? "g711_ulaw"
           : strcmp(type, "audio/pcma") == 0 ? "g711_alaw"
                                             : "pcm16";
}

json_t *realtime_settings_describe(const struct realtime_settings *settings, const char *id,
                                   bool flat)
{
    json_t *described = json_pack("{s:s, s:s, s:s, s:n}", "type", "transcription", "object",
                                  "realtime.transcription_session", "id", id, "expires_at");
    const json_t *input = input_of(settings->session);
    if (!described)
        return NULL;
    if (!flat) {
        if (json_object_update(described, settings->session) == 0)
            return described;
        json_decref(described);
        return NULL;
    }
    int result = json_object_set_new(described, "input_audio_format",
                                     json_string(flat_format(json_object_get(input, "format"))));
    result |= json_object_set(described, "input_audio_transcription",
                              json_object_get(input, "transcription"));
    result |=
        json_object_set(described, "turn_detection", json_object_get(input, "turn_detection"));
    result |= json_object_set_new(described, "input_audio_noise_reduction", json_null());
    result |= json_object_set(described, "include", json_object_get(settings->session, "include"));
    if (result == 0)
        return described;
    json_decref(described);
    return NULL;
}
