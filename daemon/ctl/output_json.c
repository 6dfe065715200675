// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "output.h"
#include "segment_json.h"

static json_t *segment_array(const struct transcript *transcript)
{
    json_t *segments = json_array();
    for (size_t i = 0; i < transcript->segment_count; i++)
        if (json_array_append_new(segments, json_segment(&transcript->segments[i])) < 0) {
            json_decref(segments);
            return NULL;
        }
    return segments;
}

int json_render(FILE *stream, const char *file, const struct transcript *transcript,
                const char *problem)
{
    char *text = transcript_text(transcript);
    if (!text)
        return -ENOMEM;
    json_t *object = json_pack("{s:o, s:o, s:o, s:o}", "file", json_any_string(file), "seconds",
                               json_rounded(transcript->seconds), "text", json_any_string(text),
                               "segments", segment_array(transcript));
    free(text);
    if (object && problem && json_object_set_new(object, "error", json_any_string(problem)) < 0) {
        json_decref(object);
        object = NULL;
    }
    return json_print_line(stream, object);
}

int json_render_failure(FILE *stream, const char *file, const char *message)
{
    return json_print_line(stream, json_pack("{s:o, s:o}", "file", json_any_string(file), "error",
                                             json_any_string(message)));
}
