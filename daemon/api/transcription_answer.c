// SPDX-License-Identifier: MIT
#include "daemon/api/transcription_answer.h"

#include "daemon/api/language_names.h"
#include "daemon/common/json_text.h"
#include "daemon/transcript/subtitle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Confidences below this would have logarithms that mean nothing. */
#define CONFIDENCE_MIN 1e-4

static json_t *rounded(double value)
{
    return json_real(round(value * 1e3) / 1e3);
}

static json_t *log_probability(double confidence)
{
    return json_real(round(log(fmax(confidence, CONFIDENCE_MIN)) * 1e4) / 1e4);
}

/* Appends an item, which may be NULL (no memory); on failure the list is freed and becomes NULL. */
static void append(json_t **list, json_t *item)
{
    if (!*list) {
        json_decref(item);
    } else if (json_array_append_new(*list, item) < 0) {
        json_decref(*list);
        *list = NULL;
    }
}

/* ---- Parts ---- */

static json_t *usage(const struct transcription_answer *answer)
{
    return json_pack("{s:s, s:o}", "type", "duration", "seconds", rounded(answer->audio_seconds));
}

static json_t *text_of(const struct transcript *transcript)
{
    char *text = transcript_text(transcript);
    json_t *string = text ? json_from_text(text) : NULL;
    free(text);
    return string;
}

json_t *transcription_word_probability(const char *word, double confidence, bool first)
{
    char *text;
    if (asprintf(&text, "%s%s", first ? "" : " ", word) < 0)
        return NULL;
    json_t *bytes = json_array();
    for (const unsigned char *byte = (const unsigned char *)text; *byte; byte++)
        append(&bytes, json_integer(*byte));
    json_t *entry = json_pack("{s:o, s:o, s:o}", "token", json_from_text(text), "bytes", bytes,
                              "logprob", log_probability(confidence));
    free(text);
    return entry;
}

static void append_probabilities(json_t **list, const struct transcript_segment *segment,
                                 bool first)
{
    for (size_t i = 0; i < segment->word_count; i++)
        append(list, transcription_word_probability(segment->words[i].text,
                                                    segment->words[i].confidence, first && i == 0));
}

static json_t *probabilities(const struct transcript *transcript)
{
    json_t *list = json_array();
    for (size_t i = 0; i < transcript->segment_count; i++)
        append_probabilities(&list, &transcript->segments[i], i == 0);
    return list;
}

/* Adds the channel to an object, which may be NULL; 0: there is but one. */
static json_t *with_channel(json_t *object, unsigned channel)
{
    if (object && channel > 0)
        json_object_set_new(object, "channel", json_integer(channel));
    return object;
}

struct placed_word {
    const struct transcript_word *word;
    unsigned channel;
    size_t index;
};

static int compare_words(const void *a, const void *b)
{
    const struct placed_word *x = a, *y = b;
    if (x->word->start != y->word->start)
        return x->word->start < y->word->start ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* The words of all channels by time. NULL without memory. */
static struct placed_word *place_words(const struct transcript *transcript, size_t *count)
{
    bool sorts = false;
    size_t at = 0;
    *count = 0;
    for (size_t i = 0; i < transcript->segment_count; i++)
        *count += transcript->segments[i].word_count;
    struct placed_word *words = calloc(*count + 1, sizeof(*words));
    for (size_t i = 0; words && i < transcript->segment_count; i++) {
        const struct transcript_segment *segment = &transcript->segments[i];
        sorts |= segment->channel > 0;
        for (size_t w = 0; w < segment->word_count; w++, at++)
            words[at] = (struct placed_word){&segment->words[w], segment->channel, at};
    }
    if (words && sorts)
        qsort(words, *count, sizeof(*words), compare_words);
    return words;
}

static json_t *words_of(const struct transcript *transcript)
{
    size_t count;
    struct placed_word *words = place_words(transcript, &count);
    json_t *list = words ? json_array() : NULL;
    for (size_t i = 0; words && i < count; i++) {
        const struct transcript_word *word = words[i].word;
        append(&list,
               with_channel(json_pack("{s:o, s:o, s:o, s:o}", "word", json_from_text(word->text),
                                      "start", rounded(word->start), "end", rounded(word->end),
                                      "confidence", rounded(word->confidence)),
                            words[i].channel));
    }
    free(words);
    return list;
}

/* How much shorter zlib makes the text: Whisper's measure of a loop. */
static double compression_ratio(const char *text)
{
    uLong length = (uLong)strlen(text);
    uLongf compressed = compressBound(length);
    Bytef *bytes = malloc(compressed);
    double ratio = 1;
    if (bytes && length > 0 && compress(bytes, &compressed, (const Bytef *)text, length) == Z_OK)
        ratio = (double)length / (double)compressed;
    free(bytes);
    return ratio;
}

/* `language`: the code of what was not detected. */
static json_t *verbose_segment(const struct transcript_segment *segment, size_t id,
                               const char *language)
{
    json_t *object =
        json_pack("{s:I, s:i, s:o, s:o, s:o, s:[], s:f, s:o, s:o, s:o, s:o, s:o}", "id",
                  (json_int_t)id, "seek", 0, "start", rounded(segment->start), "end",
                  rounded(segment->end), "text", json_from_text(segment->text), "tokens",
                  "temperature", 0.0, "avg_logprob", log_probability(segment->confidence),
                  "compression_ratio", rounded(compression_ratio(segment->text)), "no_speech_prob",
                  rounded(segment->no_speech), "confidence", rounded(segment->confidence),
                  "language", json_from_text(segment->language ? segment->language : language));
    if (object && segment->language)
        json_object_set_new(object, "language_probability", rounded(segment->language_probability));
    if (object && segment->alignment)
        json_object_set(object, "alignment", segment->alignment);
    return object;
}

static json_t *verbose_segments(const struct transcription_answer *answer)
{
    const struct transcript *transcript = answer->transcript;
    const char *language = answer->style.translates ? "en" : answer->language;
    json_t *list = json_array();
    for (size_t i = 0; i < transcript->segment_count; i++)
        append(&list, with_channel(verbose_segment(&transcript->segments[i], i, language),
                                   transcript->segments[i].channel));
    return list;
}

/* A speaker is a channel: A, B, ..., or by the names that the client gave them in this order. */
static const char *speaker_of(const struct transcription_answer *answer, unsigned channel,
                              char letter[2])
{
    unsigned at = channel > 0 ? channel - 1 : 0, number = 0;
    for (size_t i = 0; i < answer->form->count; i++)
        if (http_field_is(&answer->form->fields[i], "known_speaker_names") && number++ == at)
            return answer->form->fields[i].value;
    letter[0] = (char)('A' + at % 26);
    letter[1] = '\0';
    return letter;
}

static json_t *diarized_segment(const struct transcription_answer *answer,
                                const struct transcript_segment *segment, size_t id)
{
    char name[24], letter[2];
    snprintf(name, sizeof(name), "seg_%zu", id);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "type", "transcript.text.segment", "id",
                     name, "start", rounded(segment->start), "end", rounded(segment->end), "text",
                     json_from_text(segment->text), "speaker",
                     json_from_text(speaker_of(answer, segment->channel, letter)));
}

static json_t *diarized_segments(const struct transcription_answer *answer)
{
    const struct transcript *transcript = answer->transcript;
    json_t *list = json_array();
    for (size_t i = 0; i < transcript->segment_count; i++)
        append(&list, diarized_segment(answer, &transcript->segments[i], i));
    return list;
}

/* What hearken adds to answers in JSON. */
static json_t *additions(const struct transcription_answer *answer)
{
    json_t *object = json_pack("{s:o}", "recognition_seconds", rounded(answer->busy_seconds));
    if (json_array_size(answer->warnings) > 0)
        json_object_set(object, "warnings", answer->warnings);
    return object;
}

/* ---- Whole answers ---- */

static json_t *plain_object(const struct transcription_answer *answer)
{
    json_t *object = json_pack("{s:o, s:o, s:o}", "text", text_of(answer->transcript), "usage",
                               usage(answer), "hearken", additions(answer));
    if (!object || !answer->style.log_probabilities)
        return object;
    if (json_object_set_new(object, "logprobs", probabilities(answer->transcript)) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *verbose_object(const struct transcription_answer *answer)
{
    const char *language = answer->style.translates ? "english" : language_name(answer->language);
    json_t *object = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "task",
        answer->style.translates ? "translate" : "transcribe", "language", json_from_text(language),
        "duration", rounded(answer->audio_seconds), "text", text_of(answer->transcript), "segments",
        verbose_segments(answer), "usage", usage(answer), "hearken", additions(answer));
    if (!object || !answer->style.words)
        return object;
    if (json_object_set_new(object, "words", words_of(answer->transcript)) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *diarized_object(const struct transcription_answer *answer)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "task", "transcribe", "duration",
                     rounded(answer->audio_seconds), "text", text_of(answer->transcript),
                     "segments", diarized_segments(answer), "usage", usage(answer), "hearken",
                     additions(answer));
}

static void send_text(const struct transcription_answer *answer, struct http_exchange *exchange)
{
    char *bytes = NULL, *text = transcript_text(answer->transcript);
    int length = text ? asprintf(&bytes, "%s\n", text) : -1;
    free(text);
    if (length < 0)
        http_exchange_answer(exchange, 503, NULL);
    else
        http_exchange_answer_bytes(exchange, 200, "text/plain; charset=utf-8", bytes,
                                   (size_t)length);
    if (length >= 0)
        free(bytes);
}

static void send_subtitles(const struct transcription_answer *answer,
                           struct http_exchange *exchange)
{
    bool vtt = answer->style.format == ANSWER_VTT;
    char *bytes = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&bytes, &length);
    int result =
        stream ? subtitle_render(stream, vtt ? SUBTITLE_VTT : SUBTITLE_SRT, answer->transcript)
               : -1;
    if (stream && fclose(stream) != 0)
        result = -1;
    if (result < 0)
        http_exchange_answer(exchange, 503, NULL);
    else
        http_exchange_answer_bytes(
            exchange, 200, vtt ? "text/vtt; charset=utf-8" : "application/x-subrip; charset=utf-8",
            bytes, length);
    free(bytes);
}

void transcription_answer_send(const struct transcription_answer *answer,
                               struct http_exchange *exchange)
{
    switch (answer->style.format) {
    case ANSWER_JSON:
        http_exchange_answer_json(exchange, 200, plain_object(answer));
        return;
    case ANSWER_VERBOSE:
        http_exchange_answer_json(exchange, 200, verbose_object(answer));
        return;
    case ANSWER_DIARIZED:
        http_exchange_answer_json(exchange, 200, diarized_object(answer));
        return;
    case ANSWER_TEXT:
        send_text(answer, exchange);
        return;
    case ANSWER_SRT:
    case ANSWER_VTT:
        send_subtitles(answer, exchange);
        return;
    case ANSWER_DEEPGRAM: /* deepgram_answer_send */
        return;
    }
}

/* ---- Streams ---- */

void transcription_answer_send_delta(const struct transcription_answer *answer,
                                     struct http_exchange *exchange,
                                     const struct transcript_segment *segment, size_t index)
{
    char *text, name[24];
    snprintf(name, sizeof(name), "seg_%zu", index);
    if (asprintf(&text, "%s%s", index > 0 ? " " : "", segment->text) < 0)
        text = NULL;
    json_t *event = json_pack("{s:s, s:o, s:s}", "type", "transcript.text.delta", "delta",
                              text ? json_from_text(text) : NULL, "segment_id", name);
    free(text);
    if (answer->style.log_probabilities && event) {
        json_t *list = json_array();
        append_probabilities(&list, segment, index == 0);
        json_object_set_new(event, "logprobs", list);
    }
    http_exchange_write_event(exchange, event);
    if (answer->style.format == ANSWER_DIARIZED)
        http_exchange_write_event(exchange, diarized_segment(answer, segment, index));
}

void transcription_answer_send_done(const struct transcription_answer *answer,
                                    struct http_exchange *exchange)
{
    json_t *event = json_pack("{s:s, s:o, s:o, s:o}", "type", "transcript.text.done", "text",
                              text_of(answer->transcript), "usage", usage(answer), "hearken",
                              additions(answer));
    if (answer->style.log_probabilities && event)
        json_object_set_new(event, "logprobs", probabilities(answer->transcript));
    http_exchange_write_event(exchange, event);
    http_exchange_write(exchange, "data: [DONE]\n\n", 14);
    http_exchange_end_stream(exchange);
}
