// SPDX-License-Identifier: MIT
#include "daemon/transcript/transcript.h"

#include "daemon/common/peer_value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Longer than any recording; subtitles have few digits for hours. */
#define SECONDS_MAX 1e7

void transcript_init(struct transcript *transcript)
{
    *transcript = (struct transcript){0};
}

static void segment_finish(struct transcript_segment *segment)
{
    for (size_t i = 0; i < segment->word_count; i++)
        free(segment->words[i].text);
    free(segment->words);
    json_decref(segment->alignment);
    free(segment->language);
    free(segment->text);
}

void transcript_finish(struct transcript *transcript)
{
    for (size_t i = 0; i < transcript->segment_count; i++)
        segment_finish(&transcript->segments[i]);
    free(transcript->segments);
    transcript_init(transcript);
}

/* Bytes of the control character at `text` (C0, DEL, or C1 in UTF-8); 0: none. */
static size_t control_length(const unsigned char *text)
{
    if (text[0] < 0x20 || text[0] == 0x7f)
        return 1;
    return text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f ? 2 : 0;
}

static char *copy_without_controls(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return NULL;
    char *out = copy;
    for (const unsigned char *in = (const unsigned char *)text; *in;) {
        size_t length = control_length(in);
        *out++ = length ? ' ' : (char)*in;
        in += length ? length : 1;
    }
    *out = '\0';
    return copy;
}

/* Room for one more segment; NULL: no memory. */
static struct transcript_segment *reserve(struct transcript *transcript)
{
    size_t size = (transcript->segment_count + 1) * sizeof(struct transcript_segment);
    struct transcript_segment *segments = realloc(transcript->segments, size);
    if (!segments)
        return NULL;
    transcript->segments = segments;
    return &segments[transcript->segment_count];
}

struct transcript_segment *transcript_add(struct transcript *transcript, const char *text)
{
    struct transcript_segment *segment = reserve(transcript);
    if (!segment)
        return NULL;
    *segment = (struct transcript_segment){.text = copy_without_controls(text)};
    if (!segment->text)
        return NULL;
    transcript->segment_count++;
    return segment;
}

int transcript_move_segment(struct transcript *transcript, struct transcript_segment *segment)
{
    struct transcript_segment *copy = reserve(transcript);
    if (!copy)
        return -ENOMEM;
    *copy = *segment;
    *segment = (struct transcript_segment){0};
    transcript->segment_count++;
    return 0;
}

void transcript_sort_last(struct transcript *transcript)
{
    struct transcript_segment *segments = transcript->segments;
    size_t at = transcript->segment_count;
    if (at == 0)
        return;
    struct transcript_segment last = segments[--at];
    while (at > 0 && segments[at - 1].channel != last.channel &&
           segments[at - 1].start > last.start) {
        segments[at] = segments[at - 1];
        at--;
    }
    segments[at] = last;
}

void transcript_sort(struct transcript *transcript)
{
    size_t count = transcript->segment_count;
    for (transcript->segment_count = 0; transcript->segment_count < count;) {
        transcript->segment_count++;
        transcript_sort_last(transcript);
    }
}

static double between(double value, double low, double high)
{
    return isfinite(value) ? fmin(fmax(value, low), high) : low;
}

void transcript_segment_time(struct transcript_segment *segment, double start, double end,
                             double confidence)
{
    segment->timed = true;
    segment->start = between(start, 0, SECONDS_MAX);
    segment->end = between(end, segment->start, SECONDS_MAX);
    segment->confidence = between(confidence, 0, 1);
}

int transcript_segment_language(struct transcript_segment *segment, const char *language,
                                double probability)
{
    if (!(probability > 0) || !*language)
        return 0;
    free(segment->language);
    segment->language = copy_without_controls(language);
    segment->language_probability = between(probability, 0, 1);
    return segment->language ? 0 : -ENOMEM;
}

int transcript_segment_add_word(struct transcript_segment *segment, const char *text, double start,
                                double end, double confidence)
{
    size_t size = (segment->word_count + 1) * sizeof(struct transcript_word);
    struct transcript_word *words = realloc(segment->words, size);
    if (!words)
        return -ENOMEM;
    segment->words = words;
    struct transcript_word *word = &words[segment->word_count];
    word->text = copy_without_controls(text);
    if (!word->text)
        return -ENOMEM;
    word->start = between(start, 0, SECONDS_MAX);
    word->end = between(end, word->start, SECONDS_MAX);
    word->confidence = between(confidence, 0, 1);
    segment->word_count++;
    return 0;
}

int transcript_segment_read_event(struct transcript_segment *segment,
                                  const struct hearken_event *event)
{
    int result =
        transcript_segment_language(segment, event->language, (double)event->language_probability);
    transcript_segment_time(segment, event->start, event->end, (double)event->confidence);
    segment->channel = event->channel;
    segment->no_speech = (double)event->no_speech_probability;
    for (size_t i = 0; i < event->word_count && result == 0; i++) {
        const struct hearken_word *word = &event->words[i];
        result = transcript_segment_add_word(segment, word->text, word->start, word->end,
                                             (double)word->confidence);
    }
    return result;
}

int transcript_segment_read_json(struct transcript_segment *segment, const json_t *data,
                                 double origin)
{
    const json_t *words = json_object_get(data, "words");
    int result = transcript_segment_language(segment, peer_string(data, "language"),
                                             peer_seconds(data, "language_probability"));
    transcript_segment_time(segment, peer_seconds(data, "start") - origin,
                            peer_seconds(data, "end") - origin, peer_seconds(data, "confidence"));
    segment->channel = (unsigned)peer_count(data, "channel", HEARKEN_CHANNELS_MAX);
    segment->no_speech = peer_number(data, "no_speech_probability", 0, 1);
    for (size_t i = 0; i < json_array_size(words) && result == 0; i++) {
        const json_t *word = json_array_get(words, i);
        result = transcript_segment_add_word(
            segment, peer_string(word, "text"), peer_seconds(word, "start") - origin,
            peer_seconds(word, "end") - origin, peer_seconds(word, "confidence"));
    }
    return result;
}

char *transcript_text(const struct transcript *transcript)
{
    size_t size = 1;
    for (size_t i = 0; i < transcript->segment_count; i++)
        size += strlen(transcript->segments[i].text) + 1;
    char *text = malloc(size);
    if (!text)
        return NULL;
    char *out = text;
    for (size_t i = 0; i < transcript->segment_count; i++) {
        if (i > 0)
            *out++ = ' ';
        out = stpcpy(out, transcript->segments[i].text);
    }
    *out = '\0';
    return text;
}
