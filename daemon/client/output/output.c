// SPDX-License-Identifier: MIT
#include "daemon/client/output/output.h"

#include "daemon/common/json_text.h"
#include "daemon/transcript/subtitle.h"
#include "include/internal/utf8.h"
#include "include/internal/write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const output_format_names[] = {"text", "json", "srt", "vtt", NULL};

/* ---- Text ---- */

static void print_name(FILE *stream, const struct output_style *style, const char *file)
{
    char name[PATH_MAX];
    if (!style->with_file_name)
        return;
    if (style->on_terminal) {
        snprintf(name, sizeof(name), "%s", file);
        utf8_clean(name);
        file = name;
    }
    fprintf(stream, "%s: ", file);
}

/* Columns separated by tabs: start, end, confidence, word, and the channel if there are several. */
static int render_words(FILE *stream, const struct output_style *style, const char *file,
                        const struct transcript_segment *segment)
{
    if (segment->word_count == 0 && *segment->text)
        return -ENODATA;
    for (size_t i = 0; i < segment->word_count; i++) {
        const struct transcript_word *word = &segment->words[i];
        print_name(stream, style, file);
        fprintf(stream, "%.2f\t%.2f\t%.3f\t%s", word->start, word->end, word->confidence,
                word->text);
        if (segment->channel > 0)
            fprintf(stream, "\t%u", segment->channel);
        fputc('\n', stream);
    }
    return 0;
}

int text_render_segment(FILE *stream, const struct output_style *style, const char *file,
                        const struct transcript_segment *segment)
{
    if (style->with_words)
        return render_words(stream, style, file, segment);
    print_name(stream, style, file);
    if (segment->channel > 0)
        fprintf(stream, "[%u] ", segment->channel);
    fprintf(stream, "%s\n", segment->text);
    return 0;
}

/* ---- JSON ---- */

json_t *json_rounded(double value)
{
    return json_real(round(value * 1000) / 1000);
}

/* Adds the channel of a segment, if there are several. Returns the object, or NULL without memory.
 */
static json_t *add_channel(json_t *object, const struct transcript_segment *segment)
{
    if (!object || segment->channel == 0 ||
        json_object_set_new(object, "channel", json_integer(segment->channel)) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *word_object(const struct transcript_segment *segment,
                           const struct transcript_word *word)
{
    json_t *object = json_pack("{s:o, s:o, s:o, s:o}", "text", json_from_text(word->text), "start",
                               json_rounded(word->start), "end", json_rounded(word->end),
                               "confidence", json_rounded(word->confidence));
    return add_channel(object, segment);
}

static json_t *word_array(const struct transcript_segment *segment)
{
    json_t *words = json_array();
    for (size_t i = 0; i < segment->word_count; i++)
        if (json_array_append_new(words, word_object(segment, &segment->words[i])) < 0) {
            json_decref(words);
            return NULL;
        }
    return words;
}

json_t *json_segment(const struct transcript_segment *segment)
{
    if (!segment->timed)
        return json_pack("{s:o}", "text", json_from_text(segment->text));
    json_t *object =
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "start", json_rounded(segment->start), "end",
                  json_rounded(segment->end), "text", json_from_text(segment->text), "confidence",
                  json_rounded(segment->confidence), "words", word_array(segment));
    object = add_channel(object, segment);
    if (!object || !segment->language)
        return object;
    if (json_object_set_new(object, "language", json_from_text(segment->language)) == 0 &&
        json_object_set_new(object, "language_probability",
                            json_rounded(segment->language_probability)) == 0)
        return object;
    json_decref(object);
    return NULL;
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

/* Characters of a path that need no encoding (RFC 3986). */
static bool is_unreserved(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte && strchr("-._~/", byte));
}

char *json_percent_encode(const char *bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    char *encoded = malloc(3 * strlen(bytes) + 1), *out = encoded;
    if (!encoded)
        return NULL;
    for (; *bytes; bytes++) {
        unsigned char byte = (unsigned char)*bytes;
        if (is_unreserved(byte)) {
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

/* An object with the recording's name; a name that is not UTF-8 is also given percent-encoded, so
 * that no byte is lost. NULL: no memory. */
static json_t *recording_object(const char *file)
{
    json_t *object = json_pack("{s:o}", "file", json_from_text(file));
    if (!object || utf8_is_valid(file))
        return object;
    char *encoded = json_percent_encode(file);
    int result = encoded ? json_object_set_new(object, "file_bytes", json_string(encoded)) : -1;
    free(encoded);
    if (result == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* Adds `members` to `object`; takes over both references. Either may be NULL; NULL: no memory. */
static json_t *add_members(json_t *object, json_t *members)
{
    if (object && (!members || json_object_update_missing(object, members) < 0)) {
        json_decref(object);
        object = NULL;
    }
    json_decref(members);
    return object;
}

json_t *json_segments(const struct transcript *transcript)
{
    json_t *segments = json_array();
    for (size_t i = 0; i < transcript->segment_count; i++)
        if (json_array_append_new(segments, json_segment(&transcript->segments[i])) < 0) {
            json_decref(segments);
            return NULL;
        }
    return segments;
}

json_t *json_transcript(const char *file, const struct transcript *transcript, const char *problem)
{
    char *text = transcript_text(transcript);
    if (!text)
        return NULL;
    json_t *members =
        json_pack("{s:o, s:o, s:o}", "seconds", json_rounded(transcript->seconds), "text",
                  json_from_text(text), "segments", json_segments(transcript));
    free(text);
    if (members && problem && json_object_set_new(members, "error", json_from_text(problem)) < 0) {
        json_decref(members);
        members = NULL;
    }
    return add_members(recording_object(file), members);
}

int json_render(FILE *stream, const char *file, const struct transcript *transcript,
                const char *problem)
{
    return json_print_line(stream, json_transcript(file, transcript, problem));
}

int json_render_failure(FILE *stream, const char *file, const char *message)
{
    return json_print_line(
        stream,
        add_members(recording_object(file), json_pack("{s:o}", "error", json_from_text(message))));
}

/* ---- Outputs ---- */

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

int output_commit(struct output *output, struct hearken_error *error)
{
    return is_open_file(output) ? atomic_file_commit(&output->file, error) : 0;
}

void output_discard(struct output *output)
{
    if (is_open_file(output))
        atomic_file_discard(&output->file);
}

int output_bytes(const struct output *output, const char *bytes, size_t length,
                 struct hearken_error *error)
{
    int result = write_all(output->file.descriptor, bytes, length);
    return result < 0 ? fail(output, result, error) : 0;
}

/* A piece of output that is rendered in memory. */
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

/* Writes the rendered piece, unless rendering failed with `result`. */
static int end(struct rendering *rendering, const struct output *output, int result,
               struct hearken_error *error)
{
    if (fclose(rendering->stream) != 0 && result == 0)
        result = -ENOMEM;
    if (result == -ENODATA)
        snprintf(error->message, sizeof(error->message),
                 "the server sends no times, which word times and subtitles need");
    else if (result < 0)
        fail(output, result, error);
    else
        result = output_bytes(output, rendering->bytes, rendering->length, error);
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
        return subtitle_render(stream, SUBTITLE_SRT, transcript);
    case OUTPUT_VTT:
        return subtitle_render(stream, SUBTITLE_VTT, transcript);
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

/* ---- Names of output files ---- */

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *output_name(const char *directory, enum output_format format, const char *recording)
{
    const char *name = strcmp(recording, "-") == 0 ? "stdin" : file_name(recording);
    const char *dot = strrchr(name, '.');
    int length = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
    const char *ending = format == OUTPUT_TEXT ? "txt" : output_format_names[format];
    char *path;
    if (asprintf(&path, "%s/%.*s.%s", directory, length, name, ending) < 0)
        return NULL;
    return path;
}

/* ---- Checks ---- */

/* Only for regular files: terminals, pipes and /dev/null cannot be overwritten. */
static bool is_same_file(const char *output, const char *recording)
{
    struct stat out, in;
    return strcmp(recording, "-") != 0 && stat(output, &out) == 0 && stat(recording, &in) == 0 &&
           S_ISREG(out.st_mode) && out.st_dev == in.st_dev && out.st_ino == in.st_ino;
}

int output_directory_check(const char *directory, struct hearken_error *error)
{
    struct stat state;
    int code = stat(directory, &state) < 0 ? -errno : S_ISDIR(state.st_mode) ? 0 : -ENOTDIR;
    if (code == 0 && faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) < 0)
        code = -errno;
    return code < 0 ? hearken_fail(error, code, "%.400s: %s", directory, strerror(-code)) : 0;
}

/* The path with its folder resolved; the caller frees it. NULL: no such folder, or no memory. */
static char *resolve_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *joined;
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    char *resolved = folder ? realpath(folder, NULL) : NULL;
    if (!resolved || asprintf(&joined, "%s/%s", resolved, slash ? slash + 1 : path) < 0)
        joined = NULL;
    free(resolved);
    free(folder);
    return joined;
}

bool output_is_same(const char *a, const char *b)
{
    char *x = resolve_folder(a), *y = resolve_folder(b);
    bool same = is_same_file(a, b) || (x && y && strcmp(x, y) == 0);
    free(x);
    free(y);
    return same;
}

int output_file_check(const char *output, char *const *recordings, size_t count,
                      struct hearken_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (is_same_file(output, recordings[i]))
            return hearken_fail(error, -EEXIST, "the output would overwrite the recording %.300s",
                                recordings[i]);
    return 0;
}

struct pair {
    char *output;
    const char *recording;
    dev_t device; /* of the recording; both 0 where it cannot be overwritten */
    ino_t inode;
};

static int compare_outputs(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->output, ((const struct pair *)b)->output);
}

static int compare_recordings(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

static int check_outputs(struct pair *pairs, size_t count, struct hearken_error *error)
{
    qsort(pairs, count, sizeof(*pairs), compare_outputs);
    for (size_t i = 1; i < count; i++)
        if (strcmp(pairs[i - 1].output, pairs[i].output) == 0)
            return hearken_fail(error, -EEXIST, "%.150s and %.150s would both be written to %.150s",
                                pairs[i - 1].recording, pairs[i].recording, pairs[i].output);
    return 0;
}

/* By links, an output may be the recording that is another's. */
static int check_recordings(struct pair *pairs, size_t count, struct hearken_error *error)
{
    struct stat state;
    for (size_t i = 0; i < count; i++)
        if (strcmp(pairs[i].recording, "-") != 0 && stat(pairs[i].recording, &state) == 0 &&
            S_ISREG(state.st_mode)) {
            pairs[i].device = state.st_dev;
            pairs[i].inode = state.st_ino;
        }
    qsort(pairs, count, sizeof(*pairs), compare_recordings);
    for (size_t i = 0; i < count; i++) {
        if (stat(pairs[i].output, &state) < 0 || !S_ISREG(state.st_mode))
            continue;
        const struct pair wanted = {.device = state.st_dev, .inode = state.st_ino};
        const struct pair *found =
            bsearch(&wanted, pairs, count, sizeof(*pairs), compare_recordings);
        if (found)
            return hearken_fail(error, -EEXIST, "the output would overwrite the recording %.300s",
                                found->recording);
    }
    return 0;
}

int output_names_check(const char *directory, enum output_format format, char *const *recordings,
                       size_t count, struct hearken_error *error)
{
    struct pair *pairs = calloc(count, sizeof(*pairs));
    size_t made = 0;
    for (; pairs && made < count; made++) {
        pairs[made].recording = recordings[made];
        pairs[made].output = output_name(directory, format, recordings[made]);
        if (!pairs[made].output)
            break;
    }
    int result = -ENOMEM;
    if (made == count) {
        result = check_outputs(pairs, count, error);
        if (result == 0)
            result = check_recordings(pairs, count, error);
    } else {
        hearken_fail(error, result, "%s", strerror(ENOMEM));
    }
    while (made > 0)
        free(pairs[--made].output);
    free(pairs);
    return result;
}
