// SPDX-License-Identifier: MIT
/*
 * What was recognised in one recording, as the output formats want it: segments of words. It is
 * filled either from the library's events (local_recognition.c) or from a server's
 * (remote_recognition_events.c).
 */
#ifndef HEARKEN_DAEMON_CLIENT_OUTPUT_TRANSCRIPT_H
#define HEARKEN_DAEMON_CLIENT_OUTPUT_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

struct transcript_word {
    char *text;
    double start, end; /* seconds from the start of the recording */
    double confidence; /* 0..1 */
};

struct transcript_segment {
    char *text;
    bool timed;        /* false where a server gave nothing but text: the three below are 0 */
    double start, end; /* seconds */
    double confidence; /* 0..1 */
    char *language;    /* that was found in the sound; NULL where none was looked for */
    double language_probability;
    size_t word_count;
    struct transcript_word *words;
};

struct transcript {
    double seconds; /* of sound that was read */
    size_t segment_count;
    struct transcript_segment *segments;
};

void transcript_init(struct transcript *transcript);

void transcript_finish(struct transcript *transcript);

/*
 * Appends a segment without words and returns it; it may move with the next call. Control
 * characters in the text become spaces, so that no server can steer a terminal. NULL: no memory.
 */
struct transcript_segment *transcript_add(struct transcript *transcript, const char *text);

/* Moves a segment of another transcript to the end of this one: 0, or -ENOMEM. What is left of it
 * there is empty. */
int transcript_move_segment(struct transcript *transcript, struct transcript_segment *segment);

/* Sets the times and the confidence of a segment; what is not a sane number becomes 0. */
void transcript_segment_time(struct transcript_segment *segment, double start, double end,
                             double confidence);

/* Says which language was found in the sound: 0, or -ENOMEM. */
int transcript_segment_language(struct transcript_segment *segment, const char *language,
                                double probability);

/* Appends a word to a segment: 0, or -ENOMEM. */
int transcript_segment_add_word(struct transcript_segment *segment, const char *text, double start,
                                double end, double confidence);

/* The segments' texts with a space between; to be freed. NULL: no memory. */
char *transcript_text(const struct transcript *transcript);

#endif
