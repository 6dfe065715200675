// SPDX-License-Identifier: MIT
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "output.h"
#include "utf8.h"

/* Times to the millisecond and confidences to a thousandth: more digits would only pretend. */
static json_t *rounded(double value)
{
    return json_real(round(value * 1000) / 1000);
}

/* Any bytes as a JSON string: a file's name need not be UTF-8, JSON must. */
static json_t *any_string(const char *bytes)
{
    char *text = utf8_repair(bytes);
    json_t *string = text ? json_string(text) : NULL;
    free(text);
    return string;
}

static json_t *word_object(const struct transcript_word *word)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "text", any_string(word->text), "start",
                     rounded(word->start), "end", rounded(word->end), "confidence",
                     rounded(word->confidence));
}

static json_t *word_array(const struct transcript_segment *segment)
{
    json_t *words = json_array();
    for (size_t i = 0; i < segment->word_count; i++)
        if (json_array_append_new(words, word_object(&segment->words[i])) < 0) {
            json_decref(words);
            return NULL;
        }
    return words;
}

static json_t *segment_object(const struct transcript_segment *segment)
{
    if (!segment->timed)
        return json_pack("{s:o}", "text", any_string(segment->text));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "start", rounded(segment->start), "end",
                     rounded(segment->end), "text", any_string(segment->text), "confidence",
                     rounded(segment->confidence), "words", word_array(segment));
}

static json_t *segment_array(const struct transcript *transcript)
{
    json_t *segments = json_array();
    for (size_t i = 0; i < transcript->segment_count; i++)
        if (json_array_append_new(segments, segment_object(&transcript->segments[i])) < 0) {
            json_decref(segments);
            return NULL;
        }
    return segments;
}

/* One line; takes the object. */
static int print_line(FILE *stream, json_t *object)
{
    if (!object)
        return -ENOMEM;
    int result = json_dumpf(object, stream, JSON_REAL_PRECISION(10)) < 0 ? -ENOMEM : 0;
    fputc('\n', stream);
    json_decref(object);
    return result;
}

int json_render(FILE *stream, const char *file, const struct transcript *transcript)
{
    char *text = transcript_text(transcript);
    if (!text)
        return -ENOMEM;
    json_t *object = json_pack("{s:o, s:o, s:o, s:o}", "file", any_string(file), "seconds",
                               rounded(transcript->seconds), "text", any_string(text), "segments",
                               segment_array(transcript));
    free(text);
    return print_line(stream, object);
}

int json_render_failure(FILE *stream, const char *file, const char *message)
{
    return print_line(
        stream, json_pack("{s:o, s:o}", "file", any_string(file), "error", any_string(message)));
}
