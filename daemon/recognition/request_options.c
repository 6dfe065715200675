// SPDX-License-Identifier: MIT
#include "daemon/recognition/request_options.h"

#include "daemon/common/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A default that shows each word soon after it was spoken. */
#define LIVE_PARTIAL_SECONDS 0.64f

/* Reads an integer from the event's data; `fallback` replaces an absent one; 0: it is required. */
static int read_number(const struct wyoming_event *event, const char *key, uint32_t minimum,
                       uint32_t maximum, uint32_t fallback, uint32_t *number,
                       struct hearken_error *error)
{
    const json_t *value = json_object_get(event->data, key);
    if ((!value || json_is_null(value)) && fallback > 0) {
        *number = fallback;
        return 0;
    }
    json_int_t given = json_is_integer(value) ? json_integer_value(value) : -1;
    if (given >= (json_int_t)minimum && given <= (json_int_t)maximum) {
        *number = (uint32_t)given;
        return 0;
    }
    if (json_is_integer(value))
        snprintf(error->message, sizeof(error->message),
                 "%s: %s: got %" JSON_INTEGER_FORMAT ", expected a whole number from %" PRIu32
                 " to %" PRIu32,
                 event->type, key, json_integer_value(value), minimum, maximum);
    else
        snprintf(error->message, sizeof(error->message),
                 "%s: %s: got %s, expected a whole number from %" PRIu32 " to %" PRIu32,
                 event->type, key, json_type_name(value), minimum, maximum);
    return -EINVAL;
}

static const enum hearken_sample_type types_of_width[] = {
    [1] = HEARKEN_SAMPLE_U8,
    [2] = HEARKEN_SAMPLE_S16,
    [3] = HEARKEN_SAMPLE_S24,
    [4] = HEARKEN_SAMPLE_S32,
};

uint32_t audio_format_width(enum hearken_sample_type type)
{
    uint32_t width = 1;
    while (width < 4 && types_of_width[width] != type)
        width++;
    return width;
}

int audio_format_read(const struct wyoming_event *event, const struct hearken_audio_format *known,
                      struct hearken_audio_format *format, struct hearken_error *error)
{
    uint32_t width = 0;
    int result = read_number(event, "rate", HEARKEN_RATE_MIN, HEARKEN_RATE_MAX,
                             known ? known->rate : 0, &format->rate, error);
    if (result == 0)
        result = read_number(event, "width", 1, 4, known ? audio_format_width(known->type) : 0,
                             &width, error);
    if (result == 0)
        result = read_number(event, "channels", 1, HEARKEN_CHANNELS_MAX,
                             known ? known->channels : 0, &format->channels, error);
    if (result == 0)
        format->type = types_of_width[width];
    return result;
}

/* The text of a key; NULL if it is absent, null or empty. */
static int get_text(const json_t *data, const char *key, const char **text,
                    struct hearken_error *error)
{
    const json_t *value = json_object_get(data, key);
    *text = NULL;
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return hearken_fail(error, -EINVAL, "%s: got %s, expected a string", key,
                            json_type_name(value));
    if (json_string_length(value) > 0)
        *text = json_string_value(value);
    return 0;
}

static int check_list_of_texts(const char *key, const json_t *list, struct hearken_error *error)
{
    size_t index;
    json_t *item;
    if (!json_is_array(list))
        return hearken_fail(error, -EINVAL, "%s: got %s, expected a list of strings", key,
                            json_type_name(list));
    json_array_foreach(list, index, item)
    {
        if (!json_is_string(item))
            return hearken_fail(error, -EINVAL, "%s: got %s in a list, expected a list of strings",
                                key, json_type_name(item));
    }
    return 0;
}

/* ---- Custom words: a text with a word or phrase a line ---- */

/* The first `count` strings of the array. */
static int append_array(char **list, const json_t *words, size_t count)
{
    size_t used = *list ? strlen(*list) : 0, room = used + 1;
    for (size_t i = 0; i < count; i++)
        room += json_string_length(json_array_get(words, i)) + 1;
    char *grown = realloc(*list, room);
    if (!grown)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *word = json_array_get(words, i);
        memcpy(grown + used, json_string_value(word), json_string_length(word));
        used += json_string_length(word);
        grown[used++] = '\n';
    }
    grown[used] = '\0';
    *list = grown;
    return 0;
}

/* A list of the strings of a JSON array, which holds nothing else; NULL: there are none. Errors:
 * -EINVAL with what is wrong, -ENOMEM; there is no list then. */
static int make_list(char **list, const json_t *words, struct hearken_error *error)
{
    *list = NULL;
    if (json_array_size(words) == 0)
        return 0;
    int result = append_array(list, words, json_array_size(words));
    if (result < 0)
        return hearken_fail(error, result, "out of memory");
    result = hearken_custom_words_check(*list, error);
    if (result < 0) {
        free(*list);
        *list = NULL;
    }
    return result < 0 ? result : 0;
}

/* Adds those of another array, as far as they fit in and are words. Errors: -ENOMEM. */
static int add_hints(char **list, const json_t *words)
{
    struct hearken_error error;
    int count = *list ? hearken_custom_words_check(*list, &error) : 0;
    json_t *good = json_array();
    size_t index;
    json_t *word;
    json_array_foreach(words, index, word)
    {
        int more = hearken_custom_words_check(json_string_value(word), &error);
        if (more <= 0 || count + more > (int)HEARKEN_CUSTOM_WORDS_MAX)
            continue;
        count += more;
        if (json_array_append(good, word) < 0) {
            json_decref(good);
            return -ENOMEM;
        }
    }
    int result = 0;
    if (!good)
        result = -ENOMEM;
    else if (json_array_size(good) > 0) /* no words are NULL, not an empty list */
        result = append_array(list, good, json_array_size(good));
    json_decref(good);
    return result;
}

/* ---- Wyoming's part ---- */

/* Adds a list of Wyoming's names or terms to the custom words. */
static int read_hints(struct transcribe_event *transcribe, const json_t *data, const char *key,
                      const char **code, struct hearken_error *error)
{
    const json_t *list = json_object_get(data, key);
    if (!list || json_is_null(list))
        return 0;
    if (check_list_of_texts(key, list, error) < 0)
        return -EINVAL;
    if (add_hints(&transcribe->custom_words, list) == 0)
        return 0;
    *code = "out-of-memory";
    return hearken_fail(error, -EINVAL, "out of memory");
}

/* Fields that only other engines use: they must be valid nevertheless. */
static int check_unused(const json_t *data, struct hearken_error *error)
{
    const char *text;
    const json_t *context = json_object_get(data, "context");
    if (context && !json_is_null(context) && !json_is_object(context))
        return hearken_fail(error, -EINVAL, "context: got %s, expected an object",
                            json_type_name(context));
    return get_text(data, "vad_sensitivity", &text, error);
}

/* Reads the model's name. NULL on failure. */
static const struct model_entry *read_name(struct transcribe_event *transcribe, const json_t *data,
                                           const struct catalogue *models, const char **code,
                                           struct hearken_error *error)
{
    const char *name;
    char known[400];
    if (get_text(data, "name", &name, error) < 0)
        return NULL;
    const struct model_entry *entry = catalogue_find(models, name ? name : "");
    if (!entry) {
        catalogue_list_names(models, known, sizeof(known));
        *code = "unknown-model";
        hearken_fail(error, -EINVAL, "name: got %.100s, expected one of: %s", name, known);
        return NULL;
    }
    /* "" for the default, so that a reload may replace it. */
    snprintf(transcribe->options.model, sizeof(transcribe->options.model), "%s", entry->name);
    return entry;
}

static void list_languages(const struct model_facts *model, char *text, size_t size)
{
    size_t length = 0, index;
    json_t *language;
    json_array_foreach(model->languages, index, language)
    {
        if (length < size)
            length += (size_t)snprintf(text + length, size - length, "%s%s", index > 0 ? ", " : "",
                                       json_string_value(language));
    }
}

static void set_language(struct transcribe_event *transcribe, const char *language)
{
    char *option = transcribe->options.stream.language;
    size_t length = strcspn(language, "-_");
    snprintf(option, sizeof(transcribe->options.stream.language), "%.*s", (int)length, language);
}

static int read_language(struct transcribe_event *transcribe, const json_t *data,
                         const struct model_facts *model, const char **code,
                         struct hearken_error *error)
{
    const char *language;
    int result = get_text(data, "language", &language, error);
    if (result < 0 || !language)
        return result;
    if (strcmp(language, "auto") == 0) {
        set_language(transcribe, language);
        return 0;
    }
    if (strlen(language) < sizeof(transcribe->language) && model_facts_speaks(model, language)) {
        strcpy(transcribe->language, language);
        set_language(transcribe, language);
        return 0;
    }
    char known[480] = "";
    list_languages(model, known, sizeof(known));
    *code = "unknown-language";
    return hearken_fail(error, -EINVAL, "language: got %.100s, this model knows: %s", language,
                        known);
}

/* ---- Extensions ---- */

static int read_flag(const char *key, const json_t *value, bool *flag, struct hearken_error *error)
{
    if (!json_is_boolean(value))
        return hearken_fail(error, -EINVAL, "hearken: %s: got %s, expected true or false", key,
                            json_type_name(value));
    *flag = json_boolean_value(value);
    return 0;
}

static int read_setting(struct transcribe_event *transcribe, const struct setting *setting,
                        const json_t *value, struct hearken_error *error)
{
    struct settings scratch = {.recognition = transcribe->options.stream};
    struct hearken_error reason;
    int result;
    if (setting->type == SETTING_SWITCH) {
        if (!json_is_boolean(value))
            return hearken_fail(error, -EINVAL, "hearken: %s: got %s, expected true or false",
                                setting->name, json_type_name(value));
        result = setting_assign(setting, &scratch, json_is_true(value) ? "on" : "off", &reason);
    } else if (json_is_string(value) &&
               (setting->type == SETTING_STRING || setting->type == SETTING_CHOICE)) {
        result = setting_assign(setting, &scratch, json_string_value(value), &reason);
    } else if (json_is_number(value)) {
        result = setting_assign_number(setting, &scratch, json_number_value(value), &reason);
    } else {
        char expectation[160];
        setting_expectation(setting, expectation, sizeof(expectation));
        result = hearken_fail(&reason, -EINVAL, "got %s, expected %s", json_type_name(value),
                              expectation);
    }
    if (result < 0)
        return hearken_fail(error, -EINVAL, "hearken: %s: %.400s", setting->name, reason.message);
    transcribe->options.stream = scratch.recognition;
    return 0;
}

/* Replaces the custom words of the configuration. */
static int read_custom_words(struct transcribe_event *transcribe, const json_t *list,
                             const char **code, struct hearken_error *error)
{
    struct hearken_error reason;
    if (check_list_of_texts("hearken: custom_words", list, error) < 0)
        return -EINVAL;
    free(transcribe->custom_words);
    int result = make_list(&transcribe->custom_words, list, &reason);
    if (result == -ENOMEM)
        *code = "out-of-memory";
    return result < 0 ? hearken_fail(error, -EINVAL, "hearken: %.400s", reason.message) : 0;
}

/* Returns 1 for a key that it does not know. */
static int read_microphone_extension(struct transcribe_event *transcribe, const char *key,
                                     const json_t *value, struct hearken_error *error)
{
    if (strcmp(key, "transcripts") == 0)
        return read_flag(key, value, &transcribe->transcripts, error);
    if (strcmp(key, "meter") == 0)
        return read_flag(key, value, &transcribe->meter, error);
    if (strcmp(key, "hold") == 0)
        return read_flag(key, value, &transcribe->hold, error);
    return 1;
}

/* Returns 1 for a key that it does not know. */
static int read_extension(struct transcribe_event *transcribe, const char *key, const json_t *value,
                          const char **code, struct hearken_error *error)
{
    if (strcmp(key, "words") == 0)
        return read_flag(key, value, &transcribe->options.words, error);
    if (strcmp(key, "events") == 0)
        return read_flag(key, value, &transcribe->options.segments, error);
    if (strcmp(key, "alignment") == 0)
        return read_flag(key, value, &transcribe->options.stream.alignment, error);
    if (strcmp(key, "voice_events") == 0)
        return read_flag(key, value, &transcribe->options.stream.voice_events, error);
    if (strcmp(key, "custom_words") == 0)
        return read_custom_words(transcribe, value, code, error);
    struct setting setting;
    if (setting_find("recognition", key, &setting) &&
        setting.type != SETTING_TEXT) /* not the daemon's own lists of words */
        return read_setting(transcribe, &setting, value, error);
    return transcribe->from_microphone ? read_microphone_extension(transcribe, key, value, error)
                                       : 1;
}

static int read_extensions(struct transcribe_event *transcribe, json_t *extensions,
                           const char **code, struct hearken_error *error)
{
    char unknown[200] = "";
    size_t length = 0;
    const char *key;
    json_t *value;
    transcribe->extended = true;
    json_object_foreach(extensions, key, value)
    {
        int result = read_extension(transcribe, key, value, code, error);
        if (result < 0)
            return result;
        if (result == 1 && length < sizeof(unknown))
            length += (size_t)snprintf(unknown + length, sizeof(unknown) - length, "%s%.60s",
                                       length > 0 ? ", " : "", *key ? key : "\"\"");
    }
    if (length > 0)
        return hearken_fail(error, -EINVAL, "hearken: unknown: %s", unknown);
    if (transcribe->options.stream.alignment && !transcribe->options.segments)
        return hearken_fail(error, -EINVAL, "hearken: alignment needs events: request both");
    return 0;
}

/* ---- The whole event ---- */

int transcribe_event_init(struct transcribe_event *transcribe, const struct settings *settings)
{
    transcribe_event_finish(transcribe);
    transcribe->options.stream = settings->recognition;
    transcribe->options.stream.alignment = false;
    transcribe->options.stream.custom_words = NULL;
    if (!settings->listed_words)
        return 0;
    transcribe->custom_words = strdup(settings->listed_words);
    transcribe->options.stream.custom_words = transcribe->custom_words;
    return transcribe->custom_words ? 0 : -ENOMEM;
}

void transcribe_event_finish(struct transcribe_event *transcribe)
{
    free(transcribe->custom_words);
    *transcribe = (struct transcribe_event){0};
}

static int parse(struct transcribe_event *transcribe, const json_t *data,
                 const struct service *service, const char **code, struct hearken_error *error)
{
    *code = "bad-value";
    int result = check_unused(data, error);
    const struct model_entry *model =
        result == 0 ? read_name(transcribe, data, &service->models, code, error) : NULL;
    if (!model)
        return -EINVAL;
    result = read_language(transcribe, data, &model->facts, code, error);
    json_t *extensions = json_object_get(data, "hearken");
    if (result == 0 && extensions && !json_is_null(extensions)) {
        if (!json_is_object(extensions))
            return hearken_fail(error, -EINVAL, "hearken: got %s, expected an object",
                                json_type_name(extensions));
        result = read_extensions(transcribe, extensions, code, error);
    }
    if (result == 0)
        result = read_hints(transcribe, data, "transcript_names", code, error);
    if (result == 0)
        result = read_hints(transcribe, data, "transcript_terms", code, error);
    transcribe->options.stream.custom_words = transcribe->custom_words;
    return result;
}

static int refuse_memory(const char **code, struct hearken_error *error)
{
    *code = "out-of-memory";
    return hearken_fail(error, -EINVAL, "out of memory");
}

int transcribe_event_parse(struct transcribe_event *transcribe, const json_t *data,
                           const struct service *service, const char **code,
                           struct hearken_error *error)
{
    if (transcribe_event_init(transcribe, &service->settings) < 0)
        return refuse_memory(code, error);
    return parse(transcribe, data, service, code, error);
}

/* For speech that is recognised while it is spoken. */
static int init_live(struct transcribe_event *transcribe, const struct settings *settings)
{
    struct hearken_stream_options *stream = &transcribe->options.stream;
    int result = transcribe_event_init(transcribe, settings);
    transcribe->options.segments = true;
    stream->endpointing = true;
    if (stream->partial_seconds == 0)
        stream->partial_seconds = LIVE_PARTIAL_SECONDS;
    return result;
}

int transcribe_event_parse_live(struct transcribe_event *transcribe, const json_t *data,
                                const struct service *service, const char **code,
                                struct hearken_error *error)
{
    if (init_live(transcribe, &service->settings) < 0)
        return refuse_memory(code, error);
    return parse(transcribe, data, service, code, error);
}

int transcribe_event_parse_listen(struct transcribe_event *transcribe, const json_t *data,
                                  const struct service *service, const char **code,
                                  struct hearken_error *error)
{
    if (init_live(transcribe, &service->settings) < 0)
        return refuse_memory(code, error);
    transcribe->from_microphone = true;
    transcribe->options.stream.audio =
        (struct hearken_audio_format){HEARKEN_RATE, 1, HEARKEN_SAMPLE_F32};
    return parse(transcribe, data, service, code, error);
}
