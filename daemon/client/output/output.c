// SPDX-License-Identifier: MIT
#include "daemon/client/output/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const output_format_names[] = {"text", "json", "srt", "vtt", NULL};

static int fail(const struct output *output, int code, struct hearken_error *error)
{
    snprintf(error->message, sizeof(error->message), "%s: %s", output->name, strerror(-code));
    return code;
}

int output_open(struct output *output, const char *path, struct hearken_error *error)
{
    output->name = path ? path : "standard output";
    output->file = (struct atomic_file){.descriptor = STDOUT_FILENO};
    return path ? atomic_file_open(&output->file, path, error) : 0;
}

static bool is_open_file(const struct output *output)
{
    return output->file.descriptor >= 0 && output->file.descriptor != STDOUT_FILENO;
}

int output_keep(struct output *output, struct hearken_error *error)
{
    return is_open_file(output) ? atomic_file_commit(&output->file, error) : 0;
}

void output_drop(struct output *output)
{
    if (is_open_file(output))
        atomic_file_discard(&output->file);
}

static int write_bytes(const struct output *output, const char *bytes, size_t length,
                       struct hearken_error *error)
{
    int result = write_all(output->file.descriptor, bytes, length);
    return result < 0 ? fail(output, result, error) : 0;
}

int output_bytes(struct output *output, const char *bytes, size_t length,
                 struct hearken_error *error)
{
    return write_bytes(output, bytes, length, error);
}

/* A piece of output in the making. */
struct rendering {
    FILE *stream;
    char *bytes;
    size_t length;
};

static int begin(struct rendering *rendering, const struct output *output,
                 struct hearken_error *error)
{
    *rendering = (struct rendering){0};
    rendering->stream = open_memstream(&rendering->bytes, &rendering->length);
    return rendering->stream ? 0 : fail(output, -ENOMEM, error);
}

/* Writes what was rendered, unless that failed with `result`. */
static int end(struct rendering *rendering, const struct output *output, int result,
               struct hearken_error *error)
{
    if (fclose(rendering->stream) != 0 && result == 0)
        result = -ENOMEM;
    if (result == -ENODATA)
        snprintf(error->message, sizeof(error->message),
                 "the server gives no times, which subtitles need");
    else if (result < 0)
        fail(output, result, error);
    else
        result = write_bytes(output, rendering->bytes, rendering->length, error);
    free(rendering->bytes);
    return result;
}

static int render(FILE *stream, const struct output_style *style, const char *file,
                  const struct transcript *transcript, const char *problem)
{
    int result = 0;
    switch ((enum output_format)style->format) {
    case OUTPUT_TEXT:
        for (size_t i = 0; i < transcript->segment_count && result == 0; i++)
            result = text_render_segment(stream, style, file, &transcript->segments[i]);
        return result;
    case OUTPUT_JSON:
        return json_render(stream, file, transcript, problem);
    case OUTPUT_SRT:
    case OUTPUT_VTT:
        return subtitle_render(stream, (enum output_format)style->format, transcript);
    }
    return -EINVAL;
}

int output_transcript(struct output *output, const struct output_style *style, const char *file,
                      const struct transcript *transcript, const char *problem,
                      struct hearken_error *error)
{
    struct rendering rendering;
    int result = begin(&rendering, output, error);
    if (result < 0)
        return result;
    result = render(rendering.stream, style, file, transcript, problem);
    return end(&rendering, output, result, error);
}

int output_segment(struct output *output, const struct output_style *style, const char *file,
                   const struct transcript_segment *segment, struct hearken_error *error)
{
    struct rendering rendering;
    int result = begin(&rendering, output, error);
    if (result < 0)
        return result;
    result = text_render_segment(rendering.stream, style, file, segment);
    return end(&rendering, output, result, error);
}

int output_failure(struct output *output, const struct output_style *style, const char *file,
                   const char *message, struct hearken_error *error)
{
    if (style->format != OUTPUT_JSON)
        return 0;
    struct rendering rendering;
    int result = begin(&rendering, output, error);
    if (result < 0)
        return result;
    result = json_render_failure(rendering.stream, file, message);
    return end(&rendering, output, result, error);
}
