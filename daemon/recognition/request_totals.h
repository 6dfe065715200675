// SPDX-License-Identifier: MIT
/* Totals of all requests since the start, kept up by each as it goes. For the loop's thread. */
#ifndef HEARKEN_DAEMON_RECOGNITION_REQUEST_TOTALS_H
#define HEARKEN_DAEMON_RECOGNITION_REQUEST_TOTALS_H

#include <stddef.h>
#include <stdint.h>

enum request_protocol {
    REQUEST_WYOMING,
    REQUEST_HTTP,
    REQUEST_REALTIME,
    REQUEST_DEEPGRAM,
    REQUEST_VOSK,
    REQUEST_PROTOCOLS,
};

enum request_result {
    REQUEST_FINISHED,
    REQUEST_FAILED,
    REQUEST_ABANDONED,
    REQUEST_RESULTS,
};

#define HISTOGRAM_BUCKETS 11u

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* of each bucket alone; the last has no bound */
    double sum;
};

/* Upper bounds in seconds, of times and of the lengths of recordings. */
extern const double histogram_time_bounds[HISTOGRAM_BUCKETS];
extern const double histogram_length_bounds[HISTOGRAM_BUCKETS];

/* Requests for a model. */
struct model_totals {
    char *name; /* "": the default */
    uint64_t requests[REQUEST_PROTOCOLS][REQUEST_RESULTS];
};

struct request_totals {
    uint64_t finished, failed, abandoned;
    uint64_t running; /* requests that have not freed themselves yet */
    double audio_seconds, busy_seconds;

    struct model_totals *models; /* [model_count] */
    size_t model_count;
    struct histogram duration;      /* from the request to its result */
    struct histogram queue;         /* from the request to a worker */
    struct histogram audio;         /* length of the recording */
    struct histogram first_text;    /* from the request to the first text */
    struct histogram final_latency; /* from the end of the audio to the last text */
};

/* One request that is over; times in seconds, negative: there was none. */
struct request_record {
    const char *model;
    enum request_protocol protocol;
    enum request_result result;
    double audio_seconds, busy_seconds;
    double duration, queue, first_text, final_latency;
};

void request_totals_add(struct request_totals *totals, const struct request_record *record);
void request_totals_finish(struct request_totals *totals);

#endif
