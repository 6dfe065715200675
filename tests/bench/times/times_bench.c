// SPDX-License-Identifier: MIT
/*
 * How long recordings take from end to end, in one process on libhearken: the model opened, single
 * recordings of some lengths, a long one, and several at once.
 *
 * usage: times SPEECH [MODEL]
 *
 * SPEECH is repeated as often as it takes; but a text that repeats itself counts as a loop and is
 * tried again, so only a recording of half an hour gives the right time for long ones.
 */
#include <hearken/hearken.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
    RUNS = 7,          /* of each length; the quickest and the middle one are told */
    MOST_STREAMS = 20, /* at once */
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

static bool time_length(struct hearken_model *model, const float *samples, double seconds,
                        size_t runs)
{
    double times[RUNS];

    for (size_t run = 0; run < runs; run++) {
        struct job job = {model, samples, (size_t)(seconds * HEARKEN_RATE), 0, false};
        recognise(&job);
        if (job.failed)
            return false;
        times[run] = job.seconds;
    }
    qsort(times, runs, sizeof(times[0]), compare);
    printf("%7.0f s %12.0f ms %12.0f ms %9.1f x %9.0f MiB\n", seconds, 1e3 * times[0],
           1e3 * times[runs / 2], seconds / times[0], peak_mib());
    return true;
}

static bool time_streams(struct hearken_model *model, const float *samples, size_t streams)
{
    const double seconds = 10;
    struct job jobs[MOST_STREAMS];
    pthread_t threads[MOST_STREAMS];
    const double began = now();
    double slowest = 0;
    bool good = true;

    for (size_t i = 0; i < streams; i++) {
        jobs[i] = (struct job){model, samples, (size_t)(seconds * HEARKEN_RATE), 0, false};
        if (pthread_create(&threads[i], NULL, recognise, &jobs[i]) != 0)
            exit(1);
    }
    for (size_t i = 0; i < streams; i++) {
        pthread_join(threads[i], NULL);
        slowest = jobs[i].seconds > slowest ? jobs[i].seconds : slowest;
        good = good && !jobs[i].failed;
    }
    printf("%7zu of 10 s %8.0f ms %21.1f x %9.0f MiB\n", streams, 1e3 * slowest,
           seconds * (double)streams / (now() - began), peak_mib());
    return good;
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
    static const size_t streams[] = {1, 4, MOST_STREAMS};
    bool good = true;

    puts("   length        quickest       middle   real time  peak so far");
    for (size_t i = 0; good && i < sizeof(lengths) / sizeof(lengths[0]); i++)
        good = time_length(model, samples, lengths[i], RUNS);
    good = good && time_length(model, samples, 1800, 1);
    puts("   at once        slowest              together  peak so far");
    for (size_t i = 0; good && i < sizeof(streams) / sizeof(streams[0]); i++)
        good = time_streams(model, samples, streams[i]);
    return good;
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
    float *samples = read_repeated(arguments[1], (size_t)1800 * HEARKEN_RATE);
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
