// SPDX-License-Identifier: MIT
#include "daemon/client/output/segment_json.h"

#include "daemon/client/program/client_utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

json_t *json_rounded(double value)
{
    return json_real(round(value * 1000) / 1000);
}

json_t *json_any_string(const char *bytes)
{
    char *text = utf8_repair(bytes);
    json_t *string = text ? json_string(text) : NULL;
    free(text);
    return string;
}

static json_t *word_object(const struct transcript_word *word)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "text", json_any_string(word->text), "start",
                     json_rounded(word->start), "end", json_rounded(word->end), "confidence",
                     json_rounded(word->confidence));
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

json_t *json_segment(const struct transcript_segment *segment)
{
    if (!segment->timed)
        return json_pack("{s:o}", "text", json_any_string(segment->text));
    json_t *object =
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "start", json_rounded(segment->start), "end",
                  json_rounded(segment->end), "text", json_any_string(segment->text), "confidence",
                  json_rounded(segment->confidence), "words", word_array(segment));
    if (!object || !segment->language)
        return object;
    json_object_set_new(object, "language", json_any_string(segment->language));
    json_object_set_new(object, "language_probability",
                        json_rounded(segment->language_probability));
    return object;
}

int json_print_line(FILE *stream, json_t *object)
{
    if (!object)
        return -ENOMEM;
    int result = json_dumpf(object, stream, JSON_REAL_PRECISION(10)) < 0 ? -ENOMEM : 0;
    fputc('\n', stream);
    json_decref(object);
    return result;
}
