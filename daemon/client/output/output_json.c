// SPDX-License-Identifier: MIT
#include "daemon/client/output/output.h"
#include "daemon/client/output/segment_json.h"
#include "daemon/client/program/client_utf8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Of RFC 3986, what stands for itself in a path. */
static bool stands_for_itself(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte && strchr("-._~/", byte));
}

/* To be freed; NULL: no memory. */
static char *percent_encode(const char *bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    char *encoded = malloc(3 * strlen(bytes) + 1), *out = encoded;
    if (!encoded)
        return NULL;
    for (; *bytes; bytes++) {
        unsigned char byte = (unsigned char)*bytes;
        if (stands_for_itself(byte)) {
            *out++ = *bytes;
            continue;
        }
        *out++ = '%';
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
    *out = '\0';
    return encoded;
}

/* An object that names the recording: where the name is not UTF-8, also so that it can be had
 * back. NULL: no memory. */
static json_t *recording_object(const char *file)
{
    json_t *object = json_pack("{s:o}", "file", json_any_string(file));
    if (!object || utf8_is_valid(file))
        return object;
    char *encoded = percent_encode(file);
    int result = encoded ? json_object_set_new(object, "file_bytes", json_string(encoded)) : -1;
    free(encoded);
    if (result == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* Takes `object`, which may be NULL; prints nothing without memory for `members`. */
static int print_recording(FILE *stream, json_t *object, json_t *members)
{
    if (object && (!members || json_object_update_missing(object, members) < 0)) {
        json_decref(object);
        object = NULL;
    }
    json_decref(members);
    return json_print_line(stream, object);
}

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
    json_t *members =
        json_pack("{s:o, s:o, s:o}", "seconds", json_rounded(transcript->seconds), "text",
                  json_any_string(text), "segments", segment_array(transcript));
    free(text);
    if (members && problem && json_object_set_new(members, "error", json_any_string(problem)) < 0) {
        json_decref(members);
        members = NULL;
    }
    return print_recording(stream, recording_object(file), members);
}

int json_render_failure(FILE *stream, const char *file, const char *message)
{
    return print_recording(stream, recording_object(file),
                           json_pack("{s:o}", "error", json_any_string(message)));
}
