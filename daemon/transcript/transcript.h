// SPDX-License-Identifier: MIT
/*
 * The transcript of one recording: segments of words. Filled from the library's events or a
 * server's.
 */
#ifndef HEARKEN_DAEMON_TRANSCRIPT_TRANSCRIPT_H
#define HEARKEN_DAEMON_TRANSCRIPT_TRANSCRIPT_H

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct transcript_word {
    char *text;
    double start, end; /* seconds from the start of the recording */
    double confidence; /* 0..1 */
};

struct transcript_segment {
    char *text;
    bool timed;        /* false if a server sent only text: the three below are 0 */
    double start, end; /* seconds */
    double confidence; /* 0..1 */
    double no_speech;  /* the network's opinion that nobody speaks, 0..1 */
    unsigned channel;  /* that was heard, counted from 1; 0: all of them mixed, or the only one */
    char *language;    /* the detected one; NULL without detection */
    double language_probability;
    size_t word_count;
    struct transcript_word *words;
    json_t *alignment; /* as an answer of HTTP has it; NULL: none */
};

struct transcript {
    double seconds; /* of audio read */
    size_t segment_count;
    struct transcript_segment *segments;
};

void transcript_init(struct transcript *transcript);

void transcript_finish(struct transcript *transcript);

/*
 * Appends a segment without words and returns it; the next call invalidates the pointer. Control
 * characters in the text become spaces, as a server is not trusted. NULL: no memory.
 */
struct transcript_segment *transcript_add(struct transcript *transcript, const char *text);

/* Moves a segment of another transcript to the end of this one and clears the original. Errors:
 * -ENOMEM. */
int transcript_move_segment(struct transcript *transcript, struct transcript_segment *segment);

/* Moves the last segment before those of other channels that begin after it. */
void transcript_sort_last(struct transcript *transcript);

/* Does so with each segment, in the order in which they were added. */
void transcript_sort(struct transcript *transcript);

/* Sets the times and the confidence of a segment, clamped to valid ranges. */
void transcript_segment_time(struct transcript_segment *segment, double start, double end,
                             double confidence);

/* Sets the detected language; none if `probability` is 0. Errors: -ENOMEM. */
int transcript_segment_language(struct transcript_segment *segment, const char *language,
                                double probability);

/* Appends a word to a segment. Errors: -ENOMEM. */
int transcript_segment_add_word(struct transcript_segment *segment, const char *text, double start,
                                double end, double confidence);

/* Add what a segment of the library, or of a server, has besides its text: times, confidence,
 * language and words; clamped as above. `data`: of the event hearken-segment; `origin`, in seconds,
 * is subtracted from its times. Errors: -ENOMEM. */
int transcript_segment_read_event(struct transcript_segment *segment,
                                  const struct hearken_event *event);
int transcript_segment_read_json(struct transcript_segment *segment, const json_t *data,
                                 double origin);

/* The segments' texts, separated by spaces; the caller frees it. NULL: no memory. */
char *transcript_text(const struct transcript *transcript);

#endif
