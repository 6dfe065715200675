// SPDX-License-Identifier: MIT
#include "daemon/client/commands/batch.h"

#include "daemon/client/output/output.h"
#include "daemon/client/picture/picture_file.h"
#include "daemon/client/picture/picture_terminal.h"
#include "daemon/client/program/atomic_file.h"
#include "daemon/client/program/client_options.h"
#include "daemon/client/program/signals.h"
#include "daemon/client/program/standard_error.h"
#include "daemon/client/recognition/http_recognition.h"
#include "daemon/client/recognition/remote_recognition.h"
#include "daemon/common/source_channels.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MILLISECONDS 1000 /* for cancelled workers to stop */

struct batch;

/* One recording. */
struct job {
    struct batch *batch;
    const char *file;
    struct transcript transcript; /* so far; guarded by the lock */
    struct picture picture;       /* empty if none is wanted */
    char *drawing;                /* the picture for the terminal, or NULL */
    size_t drawing_length;
    double picture_seconds, picture_shown_seconds; /* of the recording, and in the picture */
    int picture_result;                            /* of drawing the picture */
    struct hearken_error picture_error;
    char *warnings; /* about the recording: lines, or NULL */
    bool lossy;     /* a warning says that audio is missing */
    double total;   /* duration in seconds, as the file states it */
    double done;    /* seconds recognised; guarded by the lock */
    bool finished;
    int result;
    struct hearken_error error;
};

struct batch {
    const struct batch_options *options;
    size_t count;
    struct job *jobs;
    struct output output;
    bool streaming; /* segments are written as they come */
    int interrupt;  /* eventfd, signalled to stop the workers */
    int stopped;    /* eventfd, signalled when all workers have ended */

    pthread_mutex_t lock; /* guards all below, the output and the jobs' `finished` */
    struct progress progress;
    size_t next_index; /* the next job to start */
    size_t written;    /* jobs written, in their order */
    size_t running_workers;
    size_t failed;      /* failures reported */
    bool stopping;      /* no further job is started */
    bool output_failed; /* the output cannot be written */
    bool has_output;    /* something worth keeping was written to the output */
    int exit_status;    /* of the failure or signal that ended the batch, or 0 */
};

static void signal_event(int descriptor)
{
    uint64_t one = 1;
    ssize_t written = write(descriptor, &one, sizeof(one));
    (void)written; /* fails only if the counter is at its limit, and then it is readable already */
}

/* ---- Results, with the lock held ---- */

/* Ends the batch for a reason that does not concern a single recording. */
static void end_batch(struct batch *batch, int exit_code, const char *reason)
{
    if (batch->exit_status == 0) {
        progress_clear(&batch->progress);
        message_error(NULL, reason);
        batch->exit_status = exit_code;
    }
    batch->stopping = true;
    signal_event(batch->interrupt);
}

/* Ends the batch because no results can be written any more. */
static void fail_output(struct batch *batch, const char *reason)
{
    end_batch(batch, EXIT_FAILED, reason);
    batch->output_failed = true;
}

/* Why a transcript is incomplete, or NULL. */
static const char *reason_incomplete(const struct job *job)
{
    if (job->finished && job->result == 0)
        return NULL;
    return job->finished && job->result != -ECANCELED ? job->error.message : "interrupted";
}

static char *own_path(const struct job *job)
{
    const struct batch_options *options = job->batch->options;
    return output_name(options->output_directory, options->style.format, job->file);
}

static int write_to_directory(struct job *job, struct hearken_error *error)
{
    struct output output;
    char *path = own_path(job);
    if (!path)
        return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    int result = output_open(&output, path, error);
    if (result == 0)
        result = output_transcript(&output, &job->batch->options->style, job->file,
                                   &job->transcript, reason_incomplete(job), error);
    if (result == 0)
        result = output_commit(&output, error);
    else
        output_discard(&output);
    free(path);
    return result;
}

/* An empty transcript is a result only if the whole recording was read: otherwise it must not
 * replace a file. */
static bool has_result(const struct job *job)
{
    bool complete = job->finished && job->result == 0 && !job->lossy;
    return complete || job->transcript.segment_count > 0;
}

/* Writes the transcript. If a file in the output directory cannot be written, this recording fails;
 * if the common output cannot be written, the batch ends. */
static int write_result(struct job *job, struct hearken_error *error)
{
    struct batch *batch = job->batch;
    if (batch->options->output_directory)
        return has_result(job) ? write_to_directory(job, error) : 0;
    progress_clear(&batch->progress);
    int result = 0;
    if (!batch->streaming)
        result = output_transcript(&batch->output, &batch->options->style, job->file,
                                   &job->transcript, reason_incomplete(job), error);
    if (result < 0 && result != -ENODATA)
        fail_output(batch, error->message);
    batch->has_output |= result == 0 && has_result(job);
    return result;
}

/* `reported`: the output already has the partial transcript and the reason. */
static void report_failure(struct job *job, bool reported)
{
    struct batch *batch = job->batch;
    struct hearken_error error;
    batch->failed++;
    progress_clear(&batch->progress);
    message_error(job->file, job->error.message);
    if (!reported && !batch->options->output_directory &&
        output_failure(&batch->output, &batch->options->style, job->file, job->error.message,
                       &error) < 0)
        fail_output(batch, error.message);
}

/* Writes the picture or reports its failure, after the transcript it belongs to. */
static int write_picture(struct job *job)
{
    struct batch *batch = job->batch;
    if (!batch->options->attention)
        return 0;
    progress_clear(&batch->progress);
    if (job->picture_result < 0) {
        batch->failed++;
        message_error(job->file, job->picture_error.message);
        return 0;
    }
    if (job->picture_seconds > job->picture_shown_seconds + 0.001) {
        char text[96];
        snprintf(text, sizeof(text), "the picture shows the first %.0f of %.0f seconds",
                 job->picture_shown_seconds, job->picture_seconds);
        message_error(job->file, text);
    }
    struct output terminal;
    int result = job->drawing ? output_open(&terminal, NULL, &job->error) : 0;
    if (job->drawing && result == 0)
        result = output_bytes(&terminal, job->drawing, job->drawing_length, &job->error);
    return result;
}

static void report_warnings(struct job *job)
{
    char *rest = job->warnings, *line;
    if (rest)
        progress_clear(&job->batch->progress);
    while ((line = strsep(&rest, "\n")))
        if (*line)
            message_error(job->file, line);
    job->batch->failed += job->lossy;
}

/* If the recording failed or was interrupted, writes what was recognised until then. */
static void write_job(struct job *job)
{
    struct batch *batch = job->batch;
    struct hearken_error error;
    bool complete = job->finished && job->result == 0;
    bool has_output = complete || job->transcript.segment_count > 0;
    if (batch->output_failed || (batch->exit_status && !has_output))
        return;
    report_warnings(job);
    int result = has_output ? write_result(job, &error) : 0;
    if (batch->output_failed)
        return;
    if (complete && result < 0) {
        job->result = result;
        job->error = error;
        has_output = false;
    } else if (result < 0) {
        message_error(job->file, error.message);
    } else if (complete && write_picture(job) < 0) {
        fail_output(batch, job->error.message);
    }
    if (!job->finished)
        return;
    if (job->result == -ENOTCONN)
        end_batch(batch, EXIT_NO_DAEMON, job->error.message);
    else if (job->result < 0 && job->result != -ECANCELED && !batch->exit_status)
        report_failure(job, has_output);
}

static void finish_job(struct job *job)
{
    transcript_finish(&job->transcript);
    picture_finish(&job->picture);
    free(job->drawing);
    free(job->warnings);
    job->drawing = job->warnings = NULL;
}

/* Writes finished jobs in order, up to the first that is not finished. */
static void write_finished(struct batch *batch)
{
    while (batch->written < batch->count && batch->jobs[batch->written].finished) {
        struct job *job = &batch->jobs[batch->written++];
        write_job(job);
        finish_job(job);
    }
}

/* ---- One recording ---- */

static int stream_segment(struct job *job, const struct transcript_segment *segment)
{
    struct batch *batch = job->batch;
    struct hearken_error error;
    progress_clear(&batch->progress);
    int result = output_segment(&batch->output, &batch->options->style, job->file, segment, &error);
    if (result == -ENODATA)
        job->error = error;
    else if (result < 0)
        fail_output(batch, error.message);
    else
        batch->has_output = true;
    return result;
}

static int on_segment(void *context, struct transcript_segment *segment)
{
    struct job *job = context;
    struct batch *batch = job->batch;
    int result = 0;
    pthread_mutex_lock(&batch->lock);
    if (batch->exit_status)
        result = -ECANCELED;
    else if (batch->streaming)
        result = stream_segment(job, segment);
    if (result == 0)
        result = transcript_move_segment(&job->transcript, segment);
    if (result == 0)
        transcript_sort_last(&job->transcript);
    pthread_mutex_unlock(&batch->lock);
    return result;
}

static void on_progress(void *context, double seconds)
{
    struct job *job = context;
    struct batch *batch = job->batch;
    double all = 0;
    pthread_mutex_lock(&batch->lock);
    job->done = job->transcript.seconds = seconds;
    for (size_t i = 0; i < batch->next_index; i++)
        all += batch->jobs[i].done;
    progress_update(&batch->progress, all, batch->count == 1 ? job->total : 0, batch->written,
                    batch->count);
    pthread_mutex_unlock(&batch->lock);
}

/* Keeps the recording's warnings until its result is written. */
static int collect_warnings(struct job *job, const struct hearken_source *source)
{
    struct hearken_source_warning warning;
    for (size_t i = 0; hearken_source_warning(source, i, &warning); i++) {
        char *all;
        if (asprintf(&all, "%s%s\n", job->warnings ? job->warnings : "", warning.message) < 0)
            return hearken_fail(&job->error, -ENOMEM, "%s", strerror(ENOMEM));
        free(job->warnings);
        job->warnings = all;
        job->lossy = job->lossy || warning.lossy;
    }
    return 0;
}

/* Fails early if the result could not be written. */
static int check_own_path(struct job *job)
{
    char *path = own_path(job);
    if (!path)
        return hearken_fail(&job->error, -ENOMEM, "%s", strerror(ENOMEM));
    int result = atomic_file_check(path, &job->error);
    free(path);
    return result;
}

static int recognise(struct job *job)
{
    struct batch *batch = job->batch;
    const struct batch_options *options = batch->options;
    struct recognition recognition = {
        .from_stdin = strcmp(job->file, "-") == 0,
        .interrupt = batch->interrupt,
        .picture = options->attention ? &job->picture : NULL,
        .segment = on_segment,
        .progress = on_progress,
        .context = job,
    };
    int result = options->output_directory ? check_own_path(job) : 0;
    if (result == 0)
        result = hearken_source_open(job->file, &options->source, &recognition.source, &job->error);
    if (result < 0)
        return result == -ENOTCONN ? -EIO : result;
    job->total = hearken_source_duration(recognition.source);
    result =
        source_channels_separate(recognition.source, stream_settings_channels(&options->settings),
                                 &recognition.channels, &job->error);
    if (result == 0 && options->local)
        result = local_recognise(options->local, &options->settings, &recognition, &job->error);
    else if (result == 0 && options->address.url)
        result = http_recognise(&options->address, &options->settings, &recognition, &job->error);
    else if (result == 0)
        result = remote_recognise(&options->address, &options->settings, &recognition, &job->error);
    if (result == 0)
        result = collect_warnings(job, recognition.source);
    hearken_source_destroy(recognition.source);
    return result;
}

static int draw_in_terminal(struct job *job)
{
    struct picture_terminal terminal;
    picture_terminal_init(&terminal, STDOUT_FILENO);
    FILE *stream = open_memstream(&job->drawing, &job->drawing_length);
    if (!stream)
        return hearken_fail(&job->picture_error, -ENOMEM, "%s", strerror(ENOMEM));
    int result = picture_terminal_render(stream, &terminal, &job->picture, &job->picture_error);
    if (fclose(stream) != 0 && result == 0)
        result = hearken_fail(&job->picture_error, -ENOMEM, "%s", strerror(ENOMEM));
    return result;
}

/* Whether a server sent text without times. */
static bool lacks_times(const struct transcript *transcript)
{
    return transcript->segment_count > 0 && !transcript->segments[0].timed;
}

/* Without the lock, as this takes a while. Frees the samples: the job may wait long to be written.
 */
static void draw_picture(struct job *job)
{
    const char *where = job->batch->options->attention;
    job->picture_seconds = job->picture.seconds;
    job->picture_shown_seconds = picture_shown_seconds(&job->picture);
    if (lacks_times(&job->transcript))
        job->picture_result =
            hearken_fail(&job->picture_error, -ENODATA,
                         "the server gives no times and no alignment, which a picture needs");
    else if (strcmp(where, "-") == 0)
        job->picture_result = draw_in_terminal(job);
    else
        job->picture_result = picture_file_write(&job->picture, job->file, where,
                                                 &job->picture_shown_seconds, &job->picture_error);
    picture_finish(&job->picture);
}

/* The next recording, or NULL if there is none or the batch is stopping. */
static struct job *next_job(struct batch *batch)
{
    pthread_mutex_lock(&batch->lock);
    bool more = !batch->stopping && batch->next_index < batch->count;
    struct job *job = more ? &batch->jobs[batch->next_index++] : NULL;
    pthread_mutex_unlock(&batch->lock);
    return job;
}

static void *work(void *context)
{
    struct batch *batch = context;
    struct job *job;
    while ((job = next_job(batch))) {
        int result = recognise(job);
        if (result == 0 && batch->options->attention)
            draw_picture(job);
        pthread_mutex_lock(&batch->lock);
        job->result = result;
        job->finished = true;
        write_finished(batch);
        pthread_mutex_unlock(&batch->lock);
    }
    pthread_mutex_lock(&batch->lock);
    if (--batch->running_workers == 0)
        signal_event(batch->stopped);
    pthread_mutex_unlock(&batch->lock);
    return NULL;
}

/* ---- The batch ---- */

/* Waits until all workers have ended. Returns 0, the number of a signal that came first, or -1
 * after a timeout. */
static int wait_for_workers(const struct batch *batch, int signals, int milliseconds)
{
    struct pollfd pollers[] = {
        {.fd = batch->stopped, .events = POLLIN},
        {.fd = signals, .events = POLLIN},
    };
    int ready;
    do
        ready = poll(pollers, 2, milliseconds);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        return -1;
    if (pollers[0].revents)
        return 0;
    return signals_read(signals);
}

/* With a timeout: a worker blocked in a write to a stalled pipe never releases the lock. */
static bool lock_with_timeout(struct batch *batch)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += GRACE_MILLISECONDS / 1000;
    return pthread_mutex_timedlock(&batch->lock, &end) == 0;
}

/* With the lock held, or without workers. */
static int end_output(struct batch *batch, struct hearken_error *error)
{
    if (batch->has_output && !batch->output_failed)
        return output_commit(&batch->output, error);
    output_discard(&batch->output);
    return 0;
}

/* Writes what the workers have recognised and exits without waiting for them. */
static void exit_without_workers(struct batch *batch, int number)
{
    struct hearken_error error;
    signals_release();
    if (lock_with_timeout(batch)) {
        for (size_t i = batch->written; i < batch->next_index; i++)
            write_job(&batch->jobs[i]);
        if (end_output(batch, &error) < 0)
            message_error(NULL, error.message);
    }
    _exit(EXIT_SIGNAL + number);
}

/* Stops the workers. A worker blocked in a read from a pipe cannot be woken: then, or at a second
 * signal, the process exits without it. */
static void cancel(struct batch *batch, int signals, int number)
{
    if (!lock_with_timeout(batch))
        exit_without_workers(batch, number);
    progress_clear(&batch->progress);
    batch->stopping = true;
    batch->exit_status = EXIT_SIGNAL + number;
    pthread_mutex_unlock(&batch->lock);
    signal_event(batch->interrupt);
    if (batch->options->local)
        local_cancel(batch->options->local);
    if (wait_for_workers(batch, signals, GRACE_MILLISECONDS) != 0)
        exit_without_workers(batch, number);
}

static int run_workers(struct batch *batch, int signals)
{
    size_t wanted =
        batch->options->parallel < batch->count ? batch->options->parallel : batch->count;
    pthread_t *threads = calloc(wanted, sizeof(*threads));
    size_t started = 0;
    int result = threads ? 0 : -ENOMEM;
    pthread_mutex_lock(&batch->lock);
    while (result == 0 && started < wanted) {
        result = -pthread_create(&threads[started], NULL, work, batch);
        started += result == 0;
    }
    batch->running_workers = started;
    pthread_mutex_unlock(&batch->lock);
    if (started > 0) { /* fewer than wanted is not an error */
        int number = wait_for_workers(batch, signals, -1);
        if (number > 0)
            cancel(batch, signals, number);
        result = 0;
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return result;
}

static int exit_code(const struct batch *batch)
{
    if (batch->exit_status)
        return batch->exit_status;
    return batch->failed > 0 ? EXIT_FAILED : EXIT_GOOD;
}

static int create_jobs(struct batch *batch, char *const *files)
{
    batch->jobs = calloc(batch->count, sizeof(*batch->jobs));
    if (!batch->jobs)
        return -ENOMEM;
    for (size_t i = 0; i < batch->count; i++) {
        batch->jobs[i].batch = batch;
        batch->jobs[i].file = files[i];
        transcript_init(&batch->jobs[i].transcript);
        picture_init(&batch->jobs[i].picture);
    }
    return 0;
}

/* With the output open. */
static int run(struct batch *batch, char *const *files)
{
    struct hearken_error error;
    int result = create_jobs(batch, files), signals = signals_open();
    batch->interrupt = eventfd(0, EFD_CLOEXEC);
    batch->stopped = eventfd(0, EFD_CLOEXEC);
    if (result == 0 && (signals < 0 || batch->interrupt < 0 || batch->stopped < 0))
        result = signals < 0 ? signals : -errno;
    if (result == 0)
        result = run_workers(batch, signals);
    if (result < 0) {
        message_error(NULL, strerror(-result));
        batch->exit_status = EXIT_FAILED;
    }
    progress_clear(&batch->progress);
    if (end_output(batch, &error) < 0)
        end_batch(batch, EXIT_FAILED, error.message);
    for (size_t i = 0; batch->jobs && i < batch->count; i++)
        finish_job(&batch->jobs[i]);
    free(batch->jobs);
    close(batch->interrupt);
    close(batch->stopped);
    close(signals);
    return exit_code(batch);
}

int batch_check(const struct batch_options *options, struct hearken_error *error)
{
    bool picture_file = options->attention && strcmp(options->attention, "-") != 0;
    int result = 0;
    if (picture_file)
        result = atomic_file_check(options->attention, error);
    if (result == 0 && options->output)
        result = atomic_file_check(options->output, error);
    if (result == 0 && options->output_directory)
        result = output_directory_check(options->output_directory, error);
    return result;
}

int batch_run(const struct batch_options *options, char *const *files, size_t count)
{
    struct batch batch = {
        .options = options,
        .count = count,
        .streaming =
            count == 1 && options->style.format == OUTPUT_TEXT && !options->output_directory,
    };
    struct hearken_error error;
    if (output_open(&batch.output, options->output, &error) < 0) {
        message_error(NULL, error.message);
        return EXIT_FAILED;
    }
    pthread_mutex_init(&batch.lock, NULL);
    progress_init(&batch.progress, !options->quiet);
    int code = run(&batch, files);
    pthread_mutex_destroy(&batch.lock);
    return code;
}
