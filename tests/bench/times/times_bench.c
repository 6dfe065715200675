// SPDX-License-Identifier: MIT
/*
 * How long recordings take from end to end, in one process on libhearken: the model opened, single
 * recordings of some lengths, a long one, and several at once; and the processor time, user and
 * system of all threads, for an hour of speech.
 *
 * usage: times SPEECH [MODEL]
 *
 * SPEECH is repeated as often as it takes; but a text that repeats itself counts as a loop and is
 * tried again, so only a recording of half an hour gives the right time for long ones, and for many
 * at once, each of which has another part of it. tests/bench/long_recordings.py makes one.
 */
#include <hearken/hearken.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    RUNS = 7,           /* of each length; the quickest and the middle one are told */
    MOST_STREAMS = 100, /* at once */
    MOST_SECONDS = 1800,
    STREAM_SECONDS = 10, /* of each of several at once */
};

/* One that is asked to be recognised in a thread of its own. */
struct job {
    struct hearken_model *model;
    const float *samples;
    size_t count;
    double seconds; /* that it took */
    bool failed;
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void ignore(void *context, const struct hearken_event *event)
{
    (void)context;
    (void)event;
}

static void *recognise(void *context)
{
    struct job *job = context;
    struct hearken_stream_options options;
    struct hearken_stream *stream = NULL;
    struct hearken_error error;
    const double began = now();

    hearken_stream_options_init(&options);
    job->failed = hearken_stream_create(job->model, &options, ignore, NULL, &stream, &error) < 0 ||
                  hearken_stream_write(stream, job->samples, job->count, &error) < 0 ||
                  hearken_stream_finish(stream, &error) < 0;
    hearken_stream_destroy(stream);
    job->seconds = now() - began;
    if (job->failed)
        fprintf(stderr, "times: %s\n", error.message);
    return NULL;
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double peak_mib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

/* Seconds of all threads, user and system. */
static double processor(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static bool time_length(struct hearken_model *model, const float *samples, double seconds,
                        size_t runs)
{
    double times[RUNS];
    const double used = processor();

    for (size_t run = 0; run < runs; run++) {
        struct job job = {model, samples, (size_t)(seconds * HEARKEN_RATE), 0, false};
        recognise(&job);
        if (job.failed)
            return false;
        times[run] = job.seconds;
    }
    qsort(times, runs, sizeof(times[0]), compare);
    printf("%7.0f s %12.0f ms %12.0f ms %9.1f x %9.1f s %9.0f MiB\n", seconds, 1e3 * times[0],
           1e3 * times[runs / 2], seconds / times[0],
           3600 * (processor() - used) / (seconds * (double)runs), peak_mib());
    return true;
}

static bool time_streams(struct hearken_model *model, const float *samples, size_t streams)
{
    const size_t count = (size_t)STREAM_SECONDS * HEARKEN_RATE;
    const double seconds = STREAM_SECONDS * (double)streams;
    struct job jobs[MOST_STREAMS];
    pthread_t threads[MOST_STREAMS];
    const double began = now(), used = processor();
    double slowest = 0;
    bool good = true;

    for (size_t i = 0; i < streams; i++) {
        jobs[i] = (struct job){model, samples + i * count, count, 0, false};
        if (pthread_create(&threads[i], NULL, recognise, &jobs[i]) != 0)
            exit(1);
    }
    for (size_t i = 0; i < streams; i++) {
        pthread_join(threads[i], NULL);
        slowest = jobs[i].seconds > slowest ? jobs[i].seconds : slowest;
        good = good && !jobs[i].failed;
    }
    printf("%5zu of %d s %9.0f ms %25.1f x %9.1f s %9.0f MiB\n", streams, STREAM_SECONDS,
           1e3 * slowest, seconds / (now() - began), 3600 * (processor() - used) / seconds,
           peak_mib());
    return good;
}

/* As many at once as memory allows, judged by what the last ones took. */
static bool time_all_streams(struct hearken_model *model, const float *samples)
{
    static const size_t streams[] = {1, 4, 20, MOST_STREAMS};
    const double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1048576;
    double peaks[] = {0, peak_mib()}; /* before the last ones, and after */
    size_t last = 0;

    printf("%9s%16s%28s%12s%14s\n", "at once", "slowest", "together", "cpu for 1 h", "peak so far");
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        const double each = last ? (peaks[1] - peaks[0]) / (double)last : 0;
        if (peaks[1] + each * (double)streams[i] > 0.8 * memory) {
            printf("%5zu of %d s   not with %.0f MiB of memory\n", streams[i], STREAM_SECONDS,
                   memory);
            break;
        }
        if (!time_streams(model, samples, streams[i]))
            return false;
        last = streams[i];
        peaks[0] = peaks[1];
        peaks[1] = peak_mib();
    }
    return true;
}

/* The recording over and over, up to `count` samples. */
static float *read_repeated(const char *path, size_t count)
{
    struct hearken_error error;
    struct hearken_source *source;
    float *samples = malloc(count * sizeof(*samples));
    size_t filled = 0;
    long got = 0;

    if (!samples || hearken_source_open(path, NULL, &source, &error) < 0) {
        fprintf(stderr, "times: %s\n", samples ? error.message : "out of memory");
        free(samples);
        return NULL;
    }
    while (filled < count &&
           (got = hearken_source_read(source, samples + filled, count - filled, &error)) > 0)
        filled += (size_t)got;
    hearken_source_destroy(source);
    if (got < 0 || filled == 0) {
        fprintf(stderr, "times: %s: %s\n", path, got < 0 ? error.message : "there is no sound");
        free(samples);
        return NULL;
    }
    for (size_t i = filled; i < count; i++)
        samples[i] = samples[i - filled];
    return samples;
}

static bool time_all(struct hearken_model *model, const float *samples)
{
    static const double lengths[] = {2, 5, 10, 30};
    bool good = true;

    printf("%9s%16s%16s%12s%12s%14s\n", "length", "quickest", "middle", "real time", "cpu for 1 h",
           "peak so far");
    for (size_t i = 0; good && i < sizeof(lengths) / sizeof(lengths[0]); i++)
        good = time_length(model, samples, lengths[i], RUNS);
    return good && time_length(model, samples, MOST_SECONDS, 1) && time_all_streams(model, samples);
}

int main(int count, char **arguments)
{
    struct hearken_error error;
    struct hearken_model *model;
    char installed[4096];

    if (count < 2 || count > 3) {
        fprintf(stderr, "usage: %s SPEECH [MODEL]\n", arguments[0]);
        return 2;
    }
    const char *path =
        hearken_find_model(count > 2 ? arguments[2] : NULL, installed, sizeof(installed));
    float *samples = read_repeated(arguments[1], (size_t)MOST_SECONDS * HEARKEN_RATE);
    const double began = now();
    if (!samples || hearken_model_open(path ? path : "", NULL, &model, &error) < 0) {
        if (samples)
            fprintf(stderr, "times: %s\n", error.message);
        free(samples);
        return 1;
    }
    printf("opened in %.0f ms, backend %s\n", 1e3 * (now() - began), hearken_model_backend(model));
    const bool good = time_all(model, samples);
    hearken_model_destroy(model);
    free(samples);
    return good ? 0 : 1;
}
