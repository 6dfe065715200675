// SPDX-License-Identifier: MIT
#include "daemon/api/deepgram_answer.h"

#include "daemon/common/json_text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *rounded(double value)
{
    return json_real(round(value * 1e4) / 1e4);
}

/* Without the marks around it, in small letters: `word` beside `punctuated_word`. */
static json_t *bare_word(const char *text)
{
    while (ispunct((unsigned char)*text) && text[1])
        text++;
    char *bare = strdup(text);
    size_t length = bare ? strlen(bare) : 0;
    while (length > 1 && ispunct((unsigned char)bare[length - 1]))
        bare[--length] = '\0';
    for (size_t i = 0; i < length; i++)
        bare[i] = (char)tolower((unsigned char)bare[i]);
    json_t *word = bare ? json_from_text(bare) : NULL;
    free(bare);
    return word;
}

static json_t *make_word(const char *text, double start, double end, double confidence)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "word", bare_word(text), "start", rounded(start),
                     "end", rounded(end), "confidence", rounded(confidence), "punctuated_word",
                     json_from_text(text));
}

/* An alternative while its words are collected. */
struct collected {
    json_t *words;
    char *text;
    size_t length;
    FILE *stream;
    double confidence; /* the sum */
};

static bool begin(struct collected *collected)
{
    *collected = (struct collected){.words = json_array()};
    collected->stream = open_memstream(&collected->text, &collected->length);
    return collected->stream != NULL;
}

static void collect(struct collected *collected, const char *text, double start, double end,
                    double confidence)
{
    fprintf(collected->stream, "%s%s", json_array_size(collected->words) > 0 ? " " : "", text);
    collected->confidence += confidence;
    json_array_append_new(collected->words, make_word(text, start, end, confidence));
}

/* `text` replaces that of the words unless it is NULL. */
static json_t *finish(struct collected *collected, const char *text)
{
    size_t count = json_array_size(collected->words);
    bool complete = fclose(collected->stream) == 0;
    json_t *alternative =
        complete ? json_pack("{s:o, s:o, s:O}", "transcript",
                             json_from_text(text ? text : collected->text), "confidence",
                             rounded(count > 0 ? collected->confidence / (double)count : 0),
                             "words", collected->words)
                 : NULL;
    json_decref(collected->words);
    free(collected->text);
    return alternative;
}

json_t *deepgram_alternative(const json_t *words, size_t from, size_t to, const char *text)
{
    struct collected collected;
    if (!begin(&collected))
        return NULL;
    for (size_t i = from; i < to; i++) {
        const json_t *word = json_array_get(words, i);
        collect(&collected, json_string_value(json_object_get(word, "text")),
                json_number_value(json_object_get(word, "start")),
                json_number_value(json_object_get(word, "end")),
                json_number_value(json_object_get(word, "confidence")));
    }
    return finish(&collected, text);
}

json_t *deepgram_model_info(const char *model)
{
    return json_pack("{s:o, s:s, s:s}", "name", json_from_text(model), "version", hearken_version(),
                     "arch", "hearken");
}

json_t *deepgram_metadata(const char *request_id, const char *model, double seconds,
                          unsigned channels)
{
    char created[40];
    time_t now = time(NULL);
    struct tm parts;
    strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:[o], s:{s:o}}", "transaction_key",
                     "deprecated", "request_id", request_id, "sha256", "", "created", created,
                     "duration", rounded(seconds), "channels", (int)channels, "models",
                     json_from_text(model), "model_info", model, deepgram_model_info(model));
}

/* ---- Recordings ---- */

/* Of a channel, from 1; 0: there is but one. */
static json_t *channel_alternative(const struct transcript *transcript, unsigned channel)
{
    struct collected collected;
    if (!begin(&collected))
        return NULL;
    for (size_t i = 0; i < transcript->segment_count; i++) {
        const struct transcript_segment *segment = &transcript->segments[i];
        for (size_t w = 0; segment->channel == channel && w < segment->word_count; w++)
            collect(&collected, segment->words[w].text, segment->words[w].start,
                    segment->words[w].end, segment->words[w].confidence);
    }
    return finish(&collected, NULL);
}

static json_t *utterances_of(const struct transcript *transcript)
{
    json_t *list = json_array();
    for (size_t i = 0; i < transcript->segment_count; i++) {
        const struct transcript_segment *segment = &transcript->segments[i];
        json_t *words = json_array();
        char id[32];
        snprintf(id, sizeof(id), "utt_%zu", i);
        for (size_t w = 0; w < segment->word_count; w++)
            json_array_append_new(words,
                                  make_word(segment->words[w].text, segment->words[w].start,
                                            segment->words[w].end, segment->words[w].confidence));
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:o, s:o, s:i, s:o, s:o}", "id", id, "start",
                            rounded(segment->start), "end", rounded(segment->end), "confidence",
                            rounded(segment->confidence), "channel",
                            segment->channel > 0 ? (int)segment->channel - 1 : 0, "transcript",
                            json_from_text(segment->text), "words", words));
    }
    return list;
}

void deepgram_answer_send(const struct transcription_answer *answer, const char *model,
                          struct http_exchange *exchange)
{
    const struct transcript *transcript = answer->transcript;
    const char *wanted = http_form_value(answer->form, "utterances");
    const char *detects = http_form_value(answer->form, "detect_language");
    unsigned channels = 0;
    for (size_t i = 0; i < transcript->segment_count; i++)
        if (transcript->segments[i].channel > channels)
            channels = transcript->segments[i].channel;
    json_t *list = json_array();
    for (unsigned channel = channels > 0 ? 1 : 0; channel <= channels; channel++) {
        json_t *entry =
            json_pack("{s:[o]}", "alternatives", channel_alternative(transcript, channel));
        if (detects && strcmp(detects, "false") != 0)
            json_object_set_new(entry, "detected_language", json_from_text(answer->language));
        json_array_append_new(list, entry);
    }
    json_t *results = json_pack("{s:o}", "channels", list);
    if (wanted && strcmp(wanted, "false") != 0)
        json_object_set_new(results, "utterances", utterances_of(transcript));
    http_exchange_answer_json(
        exchange, 200,
        json_pack("{s:o, s:o}", "metadata",
                  deepgram_metadata(exchange->id, model, answer->audio_seconds,
                                    channels > 0 ? channels : 1),
                  "results", results));
}
