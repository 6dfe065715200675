// SPDX-License-Identifier: MIT
#include "daemon/client/commands/batch.h"

#include "daemon/client/output/output_name.h"
#include "daemon/client/picture/picture_file.h"
#include "daemon/client/picture/picture_terminal.h"
#include "daemon/client/program/atomic_file.h"
#include "daemon/client/program/client_options.h"
#include "daemon/client/program/message.h"
#include "daemon/client/program/progress.h"
#include "daemon/client/program/signals.h"
#include "daemon/client/recognition/remote_recognition.h"

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

#define GRACE_MILLISECONDS 1000 /* for what was cancelled to stop by itself */

struct batch;

/* One recording. */
struct job {
    struct batch *batch;
    const char *file;
    struct transcript transcript; /* so far; guarded by the lock */
    struct picture picture;       /* empty if none is wanted */
    char *drawing;                /* it for the terminal, or NULL */
    size_t drawing_length;
    double picture_seconds, picture_shown; /* of the sound, and of it in the picture */
    int picture_result;                    /* of drawing it */
    struct hearken_error picture_error;
    char *warnings; /* of the recording: lines, or NULL */
    bool lossy;     /* one of them is about sound that is missing */
    double total;   /* seconds, as the file states them */
    double done;    /* seconds; guarded by the lock */
    bool finished;
    int result;
    struct hearken_error error;
};

struct batch {
    const struct batch_options *options;
    size_t count;
    struct job *jobs;
    struct output output;
    bool streaming;         /* segments are written as they come */
    int interrupt, stopped; /* eventfds: stop; all workers have */

    pthread_mutex_t lock; /* guards all below, the output and the jobs' `finished` */
    struct progress progress;
    size_t next, shown, working; /* jobs: not yet taken, written in order; workers that run */
    size_t failed;
    bool ending; /* no further job is taken */
    bool broken; /* the output cannot be written */
    bool worth;  /* the output has what was recognised */
    int failure; /* exit code of what ended it, or 0 */
};

static void signal_event(int descriptor)
{
    uint64_t one = 1;
    ssize_t written = write(descriptor, &one, sizeof(one));
    (void)written; /* only a counter at its limit is refused, and that is readable already */
}

/* ---- Results, with the lock held ---- */

/* Ends the batch for a reason that is no single recording's. */
static void end_batch(struct batch *batch, int exit_code, const char *reason)
{
    if (batch->failure == 0) {
        progress_clear(&batch->progress);
        message_error(NULL, reason);
        batch->failure = exit_code;
    }
    batch->ending = true;
    signal_event(batch->interrupt);
}

/* Nobody can be told any more: neither these results nor later ones. */
static void break_off(struct batch *batch, const char *reason)
{
    end_batch(batch, EXIT_FAILED, reason);
    batch->broken = true;
}

/* Why a transcript ends before its recording does; NULL: it does not. */
static const char *problem_of(const struct job *job)
{
    if (job->finished && job->result == 0)
        return NULL;
    return job->finished && job->result != -ECANCELED ? job->error.message : "interrupted";
}

static char *own_file(const struct job *job)
{
    const struct batch_options *options = job->batch->options;
    return output_name(options->output_directory, options->style.format, job->file);
}

static int write_own_file(struct job *job, struct hearken_error *error)
{
    struct output output;
    char *path = own_file(job);
    if (!path)
        return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    int result = output_open(&output, path, error);
    if (result == 0)
        result = output_transcript(&output, &job->batch->options->style, job->file,
                                   &job->transcript, problem_of(job), error);
    if (result == 0)
        result = output_keep(&output, error);
    else
        output_drop(&output);
    free(path);
    return result;
}

/* A recording in which nobody speaks has a result, but not one of which sound is missing and in
 * what is left nobody speaks: no file is replaced for that. */
static bool is_worth_a_file(const struct job *job)
{
    bool complete = job->finished && job->result == 0 && !job->lossy;
    return complete || job->transcript.segment_count > 0;
}

/* What was recognised. A file of its own that cannot be written is this recording's failure; the
 * output of all is everybody's. */
static int write_result(struct job *job, struct hearken_error *error)
{
    struct batch *batch = job->batch;
    if (batch->options->output_directory)
        return is_worth_a_file(job) ? write_own_file(job, error) : 0;
    progress_clear(&batch->progress);
    int result = 0;
    if (!batch->streaming)
        result = output_transcript(&batch->output, &batch->options->style, job->file,
                                   &job->transcript, problem_of(job), error);
    if (result < 0 && result != -ENODATA)
        break_off(batch, error->message);
    batch->worth |= result == 0 && is_worth_a_file(job);
    return result;
}

/* `told`: the output has what was recognised, and why it is not all. */
static void show_failure(struct job *job, bool told)
{
    struct batch *batch = job->batch;
    struct hearken_error error;
    batch->failed++;
    progress_clear(&batch->progress);
    message_error(job->file, job->error.message);
    if (!told && !batch->options->output_directory &&
        output_failure(&batch->output, &batch->options->style, job->file, job->error.message,
                       &error) < 0)
        break_off(batch, error.message);
}

/* What came of the picture, behind the transcript that it belongs to. */
static int show_picture(struct job *job)
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
    if (job->picture_seconds > job->picture_shown + 0.001) {
        char text[96];
        snprintf(text, sizeof(text), "the picture shows the first %.0f of %.0f seconds",
                 job->picture_shown, job->picture_seconds);
        message_error(job->file, text);
    }
    struct output terminal;
    int result = job->drawing ? output_open(&terminal, NULL, &job->error) : 0;
    if (job->drawing && result == 0)
        result = output_bytes(&terminal, job->drawing, job->drawing_length, &job->error);
    return result;
}

static void show_warnings(struct job *job)
{
    char *rest = job->warnings, *line;
    if (rest)
        progress_clear(&job->batch->progress);
    while ((line = strsep(&rest, "\n")))
        if (*line)
            message_error(job->file, line);
    job->batch->failed += job->lossy;
}

/* Of a recording that failed or was interrupted, what was recognised until then is kept. */
static void show(struct job *job)
{
    struct batch *batch = job->batch;
    struct hearken_error error;
    bool complete = job->finished && job->result == 0;
    bool worth = complete || job->transcript.segment_count > 0;
    if (batch->broken || (batch->failure && !worth))
        return;
    show_warnings(job);
    int result = worth ? write_result(job, &error) : 0;
    if (batch->broken)
        return;
    if (complete && result < 0) {
        job->result = result;
        job->error = error;
        worth = false;
    } else if (result < 0) {
        message_error(job->file, error.message);
    } else if (complete && show_picture(job) < 0) {
        break_off(batch, job->error.message);
    }
    if (!job->finished)
        return;
    if (job->result == -ENOTCONN)
        end_batch(batch, EXIT_NO_DAEMON, job->error.message);
    else if (job->result < 0 && job->result != -ECANCELED && !batch->failure)
        show_failure(job, worth);
}

static void forget(struct job *job)
{
    transcript_finish(&job->transcript);
    picture_finish(&job->picture);
    free(job->drawing);
    free(job->warnings);
    job->drawing = job->warnings = NULL;
}

/* Writes what is finished and next in the order. */
static void show_finished(struct batch *batch)
{
    while (batch->shown < batch->count && batch->jobs[batch->shown].finished) {
        struct job *job = &batch->jobs[batch->shown++];
        show(job);
        forget(job);
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
        break_off(batch, error.message);
    else
        batch->worth = true;
    return result;
}

static int take_segment(void *context, struct transcript_segment *segment)
{
    struct job *job = context;
    struct batch *batch = job->batch;
    int result = 0;
    pthread_mutex_lock(&batch->lock);
    if (batch->failure)
        result = -ECANCELED;
    else if (batch->streaming)
        result = stream_segment(job, segment);
    if (result == 0)
        result = transcript_take(&job->transcript, segment);
    pthread_mutex_unlock(&batch->lock);
    return result;
}

static void take_progress(void *context, double seconds)
{
    struct job *job = context;
    struct batch *batch = job->batch;
    double all = 0;
    pthread_mutex_lock(&batch->lock);
    job->done = job->transcript.seconds = seconds;
    for (size_t i = 0; i < batch->next; i++)
        all += batch->jobs[i].done;
    progress_update(&batch->progress, all, batch->count == 1 ? job->total : 0, batch->shown,
                    batch->count);
    pthread_mutex_unlock(&batch->lock);
}

/* What the recording's warnings say is kept until it is its turn. */
static int keep_warnings(struct job *job, const struct hearken_source *source)
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

/* A result that cannot be written is not worked for. */
static int check_own_file(struct job *job)
{
    char *path = own_file(job);
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
        .live = strcmp(job->file, "-") == 0,
        .interrupt = batch->interrupt,
        .picture = options->attention ? &job->picture : NULL,
        .segment = take_segment,
        .progress = take_progress,
        .context = job,
    };
    int result = options->output_directory ? check_own_file(job) : 0;
    if (result == 0)
        result = hearken_source_open(job->file, options->raw, &recognition.source, &job->error);
    if (result < 0)
        return result == -ENOTCONN ? -EIO : result;
    job->total = hearken_source_duration(recognition.source);
    if (options->local)
        result = local_recognise(options->local, &options->settings, &recognition, &job->error);
    else
        result = remote_recognise(&options->address, &options->settings, &recognition, &job->error);
    if (result == 0)
        result = keep_warnings(job, recognition.source);
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

/* Whether a server gave text without saying when it was said. */
static bool lacks_times(const struct transcript *transcript)
{
    return transcript->segment_count > 0 && !transcript->segments[0].timed;
}

/* Without the lock: it takes a while. The sound is not kept until it is the recording's turn. */
static void draw_picture(struct job *job)
{
    const char *where = job->batch->options->attention;
    job->picture_seconds = job->picture.seconds;
    job->picture_shown = picture_shown(&job->picture);
    if (lacks_times(&job->transcript))
        job->picture_result =
            hearken_fail(&job->picture_error, -ENODATA,
                         "the server gives no times and no alignment, which a picture needs");
    else if (strcmp(where, "-") == 0)
        job->picture_result = draw_in_terminal(job);
    else
        job->picture_result = picture_file_write(&job->picture, job->file, where,
                                                 &job->picture_shown, &job->picture_error);
    picture_finish(&job->picture);
}

/* The next recording, or NULL when there is none or the batch ends. */
static struct job *take_job(struct batch *batch)
{
    pthread_mutex_lock(&batch->lock);
    bool more = !batch->ending && batch->next < batch->count;
    struct job *job = more ? &batch->jobs[batch->next++] : NULL;
    pthread_mutex_unlock(&batch->lock);
    return job;
}

static void *work(void *context)
{
    struct batch *batch = context;
    struct job *job;
    while ((job = take_job(batch))) {
        int result = recognise(job);
        if (result == 0 && batch->options->attention)
            draw_picture(job);
        pthread_mutex_lock(&batch->lock);
        job->result = result;
        job->finished = true;
        show_finished(batch);
        pthread_mutex_unlock(&batch->lock);
    }
    pthread_mutex_lock(&batch->lock);
    if (--batch->working == 0)
        signal_event(batch->stopped);
    pthread_mutex_unlock(&batch->lock);
    return NULL;
}

/* ---- The batch ---- */

/* Waits for the workers' end: 0, or the number of a signal that came before it; -1 when time is
 * up. */
static int await_end(const struct batch *batch, int signals, int milliseconds)
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
    return signals_take(signals);
}

/* A worker that writes for a reader who has stopped has the lock for good. */
static bool lock_in_time(struct batch *batch)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += GRACE_MILLISECONDS / 1000;
    return pthread_mutex_timedlock(&batch->lock, &end) == 0;
}

/* With the lock held, or without workers. */
static int end_output(struct batch *batch, struct hearken_error *error)
{
    if (batch->worth && !batch->broken)
        return output_keep(&batch->output, error);
    output_drop(&batch->output);
    return 0;
}

/* Ends the process without the workers, but with what they have recognised. */
static void leave(struct batch *batch, int number)
{
    struct hearken_error error;
    signals_release();
    if (lock_in_time(batch)) {
        for (size_t i = batch->shown; i < batch->next; i++)
            show(&batch->jobs[i]);
        if (end_output(batch, &error) < 0)
            message_error(NULL, error.message);
    }
    _exit(EXIT_SIGNAL + number);
}

/* Stops what runs. A worker that waits in a read of a silent pipe cannot be woken; then, or at a
 * second signal, the process ends without it. */
static void cancel(struct batch *batch, int signals, int number)
{
    if (!lock_in_time(batch))
        leave(batch, number);
    progress_clear(&batch->progress);
    batch->ending = true;
    batch->failure = EXIT_SIGNAL + number;
    pthread_mutex_unlock(&batch->lock);
    signal_event(batch->interrupt);
    if (batch->options->local)
        local_cancel(batch->options->local);
    if (await_end(batch, signals, GRACE_MILLISECONDS) != 0)
        leave(batch, number);
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
    batch->working = started;
    pthread_mutex_unlock(&batch->lock);
    if (started > 0) { /* fewer than wanted will do */
        int number = await_end(batch, signals, -1);
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
    if (batch->failure)
        return batch->failure;
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
        batch->failure = EXIT_FAILED;
    }
    progress_clear(&batch->progress);
    if (end_output(batch, &error) < 0)
        end_batch(batch, EXIT_FAILED, error.message);
    for (size_t i = 0; batch->jobs && i < batch->count; i++)
        forget(&batch->jobs[i]);
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
