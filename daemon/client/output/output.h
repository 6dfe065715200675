// SPDX-License-Identifier: MIT
/*
 * Writes transcripts in the output formats. Each piece is rendered in memory and written at once,
 * so that a full disk or a closed pipe is reported for the piece that failed.
 */
#ifndef HEARKEN_DAEMON_CLIENT_OUTPUT_OUTPUT_H
#define HEARKEN_DAEMON_CLIENT_OUTPUT_OUTPUT_H

#include "daemon/client/program/atomic_file.h"
#include "daemon/transcript/transcript.h"

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
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
    bool on_terminal;    /* text: without the control characters that the file's name may have */
    bool with_words;     /* text: one word per line, with times */
};

/* Standard output or a file; not for two threads at once. */
struct output {
    struct atomic_file file; /* of standard output only the descriptor */
    const char *name;        /* for messages; the caller's, must outlive the output */
};

/* `path` NULL: standard output. A file appears when it is committed (atomic_file.h). Errors: the
 * system's. */
int output_open(struct output *output, const char *path, struct hearken_error *error);

/* Closes the output and keeps what was written. Errors: the system's. */
int output_commit(struct output *output, struct hearken_error *error);

/* Closes the output and leaves an old file unchanged. */
void output_discard(struct output *output);

/* Writes the transcript of one recording; `problem`: why it is incomplete, or NULL. Errors: the
 * system's (-EPIPE, -ENOSPC …), -ENOMEM, -ENODATA if the format needs times that are missing. */
int output_transcript(struct output *output, const struct output_style *style, const char *file,
                      const struct transcript *transcript, const char *problem,
                      struct hearken_error *error);

/* Writes one segment; all of them give the output of output_transcript, but that sorts those of
 * different channels. Only for OUTPUT_TEXT. */
int output_segment(struct output *output, const struct output_style *style, const char *file,
                   const struct transcript_segment *segment, struct hearken_error *error);

/* For a recording that failed: writes an object with the message in JSON, nothing in other formats.
 */
int output_failure(struct output *output, const struct output_style *style, const char *file,
                   const char *message, struct hearken_error *error);

/* Writes bytes unchanged. Errors: the system's. */
int output_bytes(const struct output *output, const char *bytes, size_t length,
                 struct hearken_error *error);

/* ---- Renderings: each into a memory stream; 0 or a negative errno ---- */

int text_render_segment(FILE *stream, const struct output_style *style, const char *file,
                        const struct transcript_segment *segment);

/* `problem`: why there is no more of it, or NULL. */
int json_render(FILE *stream, const char *file, const struct transcript *transcript,
                const char *problem);

int json_render_failure(FILE *stream, const char *file, const char *message);

/* Rounds to a thousandth: further digits of times and confidences are not meaningful. */
json_t *json_rounded(double value);

json_t *json_segment(const struct transcript_segment *segment);
json_t *json_segments(const struct transcript *transcript);

/* What json_render prints, as an object. NULL: no memory. */
json_t *json_transcript(const char *file, const struct transcript *transcript, const char *problem);

/* The bytes of a path as part of a URI (RFC 3986); the caller frees it. NULL: no memory. */
char *json_percent_encode(const char *bytes);

/* Prints the object as one line and takes over its reference; it may be NULL (no memory). Errors:
 * -ENOMEM. */
int json_print_line(FILE *stream, json_t *object);

/* ---- Names of output files, and checks before anything is written ---- */

/* DIRECTORY/NAME.EXTENSION, with NAME the recording's ("-": standard input) without its extension.
 * The caller frees it. NULL: no memory. */
char *output_name(const char *directory, enum output_format format, const char *recording);

/* Checks that no two recordings have the same output file and that none would be overwritten.
 * Errors: -EEXIST, with the names of the recordings; -ENOMEM. */
int output_names_check(const char *directory, enum output_format format, char *const *recordings,
                       size_t count, struct hearken_error *error);

/* Checks whether files can be created in the directory. Errors: the system's, and -ENOTDIR. */
int output_directory_check(const char *directory, struct hearken_error *error);

/* Whether two paths mean one file, which need not exist. */
bool output_is_same(const char *a, const char *b);

/* Checks that the common output file is not a recording. Errors: -EEXIST. */
int output_file_check(const char *output, char *const *recordings, size_t count,
                      struct hearken_error *error);

#endif
