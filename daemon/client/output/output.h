// SPDX-License-Identifier: MIT
/*
 * Where transcripts go and how they look there. Each format renders a whole piece of text; the
 * output writes it at once, so that a full disk or a closed pipe is noticed with the piece that
 * failed.
 */
#ifndef HEARKEN_DAEMON_CLIENT_OUTPUT_OUTPUT_H
#define HEARKEN_DAEMON_CLIENT_OUTPUT_OUTPUT_H

#include "daemon/client/output/transcript.h"
#include "daemon/client/program/atomic_file.h"

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum output_format {
    OUTPUT_TEXT,
    OUTPUT_JSON,
    OUTPUT_SRT,
    OUTPUT_VTT,
};

extern const char *const output_format_names[]; /* also the files' extensions; NULL-terminated */

struct output_style {
    unsigned format;     /* enum output_format */
    bool with_file_name; /* text: each line starts with it */
    bool with_words;     /* text: one word a line, with times */
};

/* Standard output, or a file in the making; not for two threads at once. */
struct output {
    struct atomic_file file; /* of standard output only the descriptor */
    const char *name;        /* for messages; the caller's, must outlive the output */
};

/* `path` NULL: standard output. A file is there once it is kept (atomic_file.h). Errors: the
 * system's. */
int output_open(struct output *output, const char *path, struct hearken_error *error);

/* Ends the output and leaves its file with all that was written. Errors: the system's. */
int output_commit(struct output *output, struct hearken_error *error);

/* Ends the output and leaves the file as it was before. */
void output_discard(struct output *output);

/* Writes what one recording gave; `problem`: why there is no more of it, or NULL. Errors: the
 * system's (-EPIPE, -ENOSPC …), -ENOMEM. */
int output_transcript(struct output *output, const struct output_style *style, const char *file,
                      const struct transcript *transcript, const char *problem,
                      struct hearken_error *error);

/* Writes one segment as it comes; together they make what output_transcript writes. Text only. */
int output_segment(struct output *output, const struct output_style *style, const char *file,
                   const struct transcript_segment *segment, struct hearken_error *error);

/* Writes what a recording that failed leaves: an object with the message in JSON, else nothing. */
int output_failure(struct output *output, const struct output_style *style, const char *file,
                   const char *message, struct hearken_error *error);

/* Writes what is rendered already. Errors: the system's. */
int output_bytes(struct output *output, const char *bytes, size_t length,
                 struct hearken_error *error);

/* ---- Renderings ---- */

/* -ENODATA: the transcript has text without times. */
int subtitle_render(FILE *stream, enum output_format format, const struct transcript *transcript);

/* Times to the millisecond and confidences to a thousandth: more digits would only pretend. */
json_t *json_rounded(double value);

/* Any bytes as a JSON string: a file's name need not be UTF-8, JSON must. */
json_t *json_any_string(const char *bytes);

json_t *json_segment(const struct transcript_segment *segment);

/* One line; takes the object, which may be NULL. Errors: -ENOMEM. */
int json_print_line(FILE *stream, json_t *object);

#endif
