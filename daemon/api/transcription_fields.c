// SPDX-License-Identifier: MIT
#include "daemon/api/transcription_fields.h"

#include "daemon/api/language_names.h"
#include "daemon/common/json_text.h"
#include "daemon/common/spaced_list.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int field_refuse(struct field_problem *problem, const char *field, const char *value,
                 const char *expected)
{
    problem->status = 400;
    problem->field = field;
    problem->code = "invalid_value";
    return hearken_fail(&problem->error, -EINVAL, "%s: got %.100s, expected %s", field,
                        *value ? value : "nothing", expected);
}

static int refuse_memory(struct field_problem *problem)
{
    *problem = (struct field_problem){.status = 503};
    return hearken_fail(&problem->error, -ENOMEM, "out of memory");
}

/* ---- Values ---- */

int field_read_flag(const struct http_form *form, const char *field, bool *flag,
                    struct field_problem *problem)
{
    static const char *const yes[] = {"true", "1", "yes", "on"};
    static const char *const no[] = {"false", "0", "no", "off", ""};
    const char *value = http_form_value(form, field);
    if (!value)
        return 0;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        if (strcasecmp(value, yes[i]) == 0) {
            *flag = true;
            return 1;
        }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (strcasecmp(value, no[i]) == 0) {
            *flag = false;
            return 1;
        }
    return field_refuse(problem, field, value, "true or false");
}

int field_read_number(const struct http_form *form, const char *field, double *number,
                      struct field_problem *problem)
{
    const char *value = http_form_value(form, field);
    char *end;
    if (!value || !*value)
        return 0;
    *number = strtod(value, &end);
    if (*end || !isfinite(*number))
        return field_refuse(problem, field, value, "a number");
    return 1;
}

/* ---- The style of the answer ---- */

static int read_format(struct answer_style *style, const struct http_form *form,
                       struct field_problem *problem)
{
    static const char *const names[] = {
        [ANSWER_JSON] = "json",
        [ANSWER_TEXT] = "text",
        [ANSWER_SRT] = "srt",
        [ANSWER_VTT] = "vtt",
        [ANSWER_VERBOSE] = "verbose_json",
        [ANSWER_DIARIZED] = "diarized_json",
    };
    const char *value = http_form_value(form, "response_format");
    if (!value || !*value)
        return 0;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(value, names[i]) == 0) {
            style->format = (enum answer_format)i;
            return 0;
        }
    return field_refuse(problem, "response_format", value,
                        "json, text, srt, vtt, verbose_json or diarized_json");
}

/* Lists come as several fields, or as one with commas. */
static bool next_item(const char **list, char item[32])
{
    *list += strspn(*list, ", []\"");
    size_t length = strcspn(*list, ", []\"");
    snprintf(item, 32, "%.*s", (int)length, *list);
    *list += length;
    return length > 0;
}

static int read_granularities(struct answer_style *style, const struct http_form *form,
                              struct field_problem *problem)
{
    static const char field[] = "timestamp_granularities";
    char item[32];
    bool any = false, words = false;
    for (size_t i = 0; i < form->count; i++) {
        const char *list = form->fields[i].value;
        if (!http_field_is(&form->fields[i], field))
            continue;
        while (next_item(&list, item)) {
            any = true;
            if (strcmp(item, "word") == 0)
                words = true;
            else if (strcmp(item, "segment") != 0)
                return field_refuse(problem, field, item, "word or segment");
        }
    }
    style->words = words || !any;
    return 0;
}

static int read_includes(struct answer_style *style, const struct http_form *form,
                         struct field_problem *problem)
{
    char item[32];
    for (size_t i = 0; i < form->count; i++) {
        const char *list = form->fields[i].value;
        if (!http_field_is(&form->fields[i], "include"))
            continue;
        while (next_item(&list, item)) {
            if (strcmp(item, "logprobs") != 0)
                return field_refuse(problem, "include", item, "logprobs");
            style->log_probabilities = true;
        }
    }
    return 0;
}

int answer_style_read(struct answer_style *style, const struct http_form *form,
                      struct field_problem *problem)
{
    int result = read_format(style, form, problem);
    if (result == 0)
        result = read_granularities(style, form, problem);
    if (result == 0)
        result = read_includes(style, form, problem);
    if (result == 0)
        result = field_read_flag(form, "stream", &style->stream, problem);
    return result < 0 ? result : 0;
}

/* ---- What is recognised ---- */

const struct model_entry *http_model_find(const struct service *service, const char *name)
{
    const struct model_entry *entry = catalogue_find(&service->models, name);
    if (!entry && spaced_list_has(service->settings.http_model_aliases, name))
        entry = catalogue_find(&service->models, "");
    return entry;
}

static int put_model(json_t *data, const struct http_form *form, const struct service *service,
                     struct field_problem *problem)
{
    const char *name = http_form_value(form, "model");
    if (!name || !*name)
        return 0;
    const struct model_entry *entry = http_model_find(service, name);
    if (entry)
        return json_object_set_new(data, "name", json_from_text(entry->name));
    if (!service->settings.http_strict_models) {
        log_info(service->log, "no model is called %.60s: the default is used", name);
        return 0;
    }
    char known[400];
    catalogue_list_names(&service->models, known, sizeof(known));
    *problem = (struct field_problem){.status = 404, .field = "model", .code = "model_not_found"};
    return hearken_fail(&problem->error, -EINVAL, "model: got %.100s, expected one of: %s", name,
                        known);
}

/* `language`, or the only one of `languages`; several are hints to detect it. */
static int put_language(json_t *data, const struct http_form *form, struct field_problem *problem)
{
    const char *value = http_form_value(form, "language");
    unsigned count = 0;
    for (size_t i = 0; i < form->count; i++)
        if (http_field_is(&form->fields[i], "languages") && form->fields[i].length > 0) {
            value = form->fields[i].value;
            count++;
        }
    if (!value || !*value)
        return 0;
    const char *code = count > 1 ? "auto" : language_code(value);
    return json_object_set_new(data, "language", json_from_text(code)) < 0 ? refuse_memory(problem)
                                                                           : 0;
}

const char *prompt_end(const char *prompt)
{
    size_t length = strlen(prompt);
    if (length < HEARKEN_PROMPT_SIZE)
        return prompt;
    prompt += length - (HEARKEN_PROMPT_SIZE - 1);
    while (((unsigned char)*prompt & 0xc0) == 0x80) /* not into a character */
        prompt++;
    return prompt;
}

static int put_prompt(json_t *extensions, const struct http_form *form,
                      struct field_problem *problem)
{
    const char *prompt = http_form_value(form, "prompt");
    if (!prompt || !*prompt)
        return 0;
    json_t *text = json_string(prompt_end(prompt));
    if (!text)
        return field_refuse(problem, "prompt", "bytes that are no text", "UTF-8");
    return json_object_set_new(extensions, "prompt", text) < 0 ? refuse_memory(problem) : 0;
}

static int put_keywords(json_t *extensions, const struct http_form *form,
                        struct field_problem *problem)
{
    json_t *words = NULL;
    for (size_t i = 0; i < form->count; i++) {
        const struct http_field *field = &form->fields[i];
        if (!http_field_is(field, "keywords") || field->length == 0)
            continue;
        if (!words && !(words = json_array()))
            return refuse_memory(problem);
        json_t *word = json_string(field->value);
        if (!word) {
            json_decref(words);
            return field_refuse(problem, "keywords", "bytes that are no text", "UTF-8");
        }
        if (json_array_append_new(words, word) < 0) {
            json_decref(words);
            return refuse_memory(problem);
        }
    }
    if (words && json_object_set_new(extensions, "custom_words", words) < 0)
        return refuse_memory(problem);
    return 0;
}

/* One of the settings of chunking_strategy, which comes as chunking_strategy[name] or within an
 * object. */
static int put_chunking_number(json_t *extensions, const struct http_form *form,
                               const json_t *object, const char *name, const char *option,
                               double scale, struct field_problem *problem)
{
    char field[60];
    double value = 0;
    snprintf(field, sizeof(field), "chunking_strategy[%s]", name);
    int result = field_read_number(form, field, &value, problem);
    if (result < 0)
        problem->field = "chunking_strategy";
    const json_t *member = json_object_get(object, name);
    if (result == 0 && json_is_number(member)) {
        value = json_number_value(member);
        result = 1;
    } else if (result == 0 && member && !json_is_null(member)) {
        return field_refuse(problem, "chunking_strategy", json_type_name(member), "numbers");
    }
    if (result <= 0)
        return result;
    return json_object_set_new(extensions, option, json_real(value * scale)) < 0
               ? refuse_memory(problem)
               : 0;
}

static int put_chunking(json_t *extensions, const struct http_form *form,
                        struct field_problem *problem)
{
    static const struct {
        const char *name, *option;
        double scale;
    } numbers[] = {
        {"prefix_padding_ms", "pre_roll", 1e-3},
        {"silence_duration_ms", "endpoint_seconds", 1e-3},
        {"threshold", "voice_threshold", 1},
    };
    static const char expected[] = "auto, or an object of type server_vad";
    const char *value = http_form_value(form, "chunking_strategy");
    const char *type = http_form_value(form, "chunking_strategy[type]");
    json_t *object = NULL;
    if (value && *value && strcmp(value, "auto") != 0) {
        object = json_loads(value, 0, NULL);
        if (!json_is_object(object)) {
            json_decref(object);
            return field_refuse(problem, "chunking_strategy", value, expected);
        }
        type = json_string_value(json_object_get(object, "type"));
        type = type ? type : "";
    }
    int result = 0;
    if (type && strcmp(type, "server_vad") != 0 && strcmp(type, "auto") != 0)
        result = field_refuse(problem, "chunking_strategy", type, expected);
    for (size_t i = 0; i < 3 && result == 0; i++)
        result = put_chunking_number(extensions, form, object, numbers[i].name, numbers[i].option,
                                     numbers[i].scale, problem);
    if (result == 0 && (type || object) &&
        json_object_set_new(extensions, "endpointing", json_true()) < 0)
        result = refuse_memory(problem);
    json_decref(object);
    return result;
}

/* Only its range is checked: hearken decodes by beam search, which is right at 0. */
static int check_temperature(const struct http_form *form, struct field_problem *problem)
{
    double value = 0;
    int result = field_read_number(form, "temperature", &value, problem);
    if (result > 0 && (value < 0 || value > 1))
        return field_refuse(problem, "temperature", http_form_value(form, "temperature"),
                            "a number from 0 to 1");
    return result < 0 ? result : 0;
}

/* An answer with speakers wants channels told apart. */
static int put_channels(json_t *extensions, const struct http_form *form,
                        struct field_problem *problem)
{
    const char *format = http_form_value(form, "response_format");
    if (!format || strcmp(format, "diarized_json") != 0)
        return 0;
    return json_object_set_new(extensions, "channels", json_string("auto")) < 0
               ? refuse_memory(problem)
               : 0;
}

static int check_speakers(const struct http_form *form, struct field_problem *problem)
{
    if (!http_form_value(form, "known_speaker_references"))
        return 0;
    return field_refuse(problem, "known_speaker_references", "a recording",
                        "no such field: speakers are told apart by channels only");
}

/* Options of hearken as the protocol has them: an object in JSON. */
static int put_extensions(json_t *extensions, const struct http_form *form,
                          struct field_problem *problem)
{
    const char *value = http_form_value(form, "hearken");
    if (!value || !*value)
        return 0;
    json_t *object = json_loads(value, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return field_refuse(problem, "hearken", value, "an object in JSON");
    }
    int result = json_object_update(extensions, object);
    json_decref(object);
    return result < 0 ? refuse_memory(problem) : 0;
}

/* Only one format has a place for what may be large. */
static bool has_alignment(const struct http_form *form)
{
    const char *format = http_form_value(form, "response_format");
    return format && strcmp(format, "verbose_json") == 0;
}

/* A model that knows English alone hears English: there is nothing to translate. */
static bool needs_translation(const struct service *service, const json_t *data)
{
    const char *name = json_string_value(json_object_get(data, "name"));
    const struct model_entry *entry = catalogue_find(&service->models, name ? name : "");
    return json_array_size(entry->facts.languages) > 1 ||
           strcmp(json_string_value(json_array_get(entry->facts.languages, 0)), "en") != 0;
}

json_t *transcribe_data_make(const struct http_form *form, const struct service *service,
                             bool translates, struct field_problem *problem)
{
    json_t *extensions = json_object();
    json_t *data = json_pack("{s:o}", "hearken", extensions);
    if (!data) {
        refuse_memory(problem);
        return NULL;
    }
    int result = put_model(data, form, service, problem);
    if (result == 0)
        result = put_language(data, form, problem);
    if (result == 0)
        result = put_prompt(extensions, form, problem);
    if (result == 0)
        result = put_keywords(extensions, form, problem);
    if (result == 0)
        result = put_chunking(extensions, form, problem);
    if (result == 0)
        result = check_temperature(form, problem);
    if (result == 0)
        result = check_speakers(form, problem);
    if (result == 0)
        result = put_channels(extensions, form, problem);
    if (result == 0)
        result = put_extensions(extensions, form, problem);
    /* What the answer is made of. */
    json_object_set_new(extensions, "events", json_true());
    json_object_set_new(extensions, "words", json_true());
    if (!has_alignment(form))
        json_object_set_new(extensions, "alignment", json_false());
    json_object_set_new(extensions, "partial_seconds", json_integer(0));
    if (translates && needs_translation(service, data))
        json_object_set_new(extensions, "task", json_string("translate"));
    if (result == 0)
        return data;
    json_decref(data);
    return NULL;
}

/* The field that an option of the event was made from. */
static const char *origin_of(const char *message, const struct http_form *form)
{
    static const struct {
        const char *beginning, *field;
    } origins[] = {
        {"hearken: custom words", "keywords"},
        {"hearken: custom_words", "keywords"},
        {"hearken: pre_roll", "chunking_strategy"},
        {"hearken: endpoint_seconds", "chunking_strategy"},
        {"hearken: voice_threshold", "chunking_strategy"},
    };
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++)
        if (strncmp(message, origins[i].beginning, strlen(origins[i].beginning)) == 0)
            for (size_t j = 0; j < form->count; j++)
                if (strncmp(form->fields[j].name, origins[i].field, strlen(origins[i].field)) == 0)
                    return origins[i].field;
    return http_form_value(form, "hearken") ? "hearken" : NULL;
}

void field_problem_set(struct field_problem *problem, const char *code,
                       const struct http_form *form)
{
    bool language = strcmp(code, "unknown-language") == 0;
    bool model = strcmp(code, "unknown-model") == 0;
    problem->status = strcmp(code, "out-of-memory") == 0 ? 503 : model ? 404 : 400;
    problem->code = model ? "model_not_found" : problem->status == 400 ? "invalid_value" : NULL;
    problem->field = language ? "language"
                     : model  ? "model"
                              : origin_of(problem->error.message, form);
}
