// SPDX-License-Identifier: MIT
#include "daemon/client/batch/shard_run.h"

#include "daemon/client/program/client_options.h"
#include "daemon/client/program/signals.h"
#include "daemon/client/program/standard_error.h"
#include "include/internal/monotonic_clock.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define BACK_OFF_SECONDS      1.0 /* after the first fault; doubled with each */
#define PROGRESS_MILLISECONDS 10000
#define STOP_MILLISECONDS     25000 /* schedulers kill what has not left 30 s after SIGTERM */

struct runner;

/* An item of the run. */
struct entry {
    const struct manifest_item *item;
    bool suspect;      /* somebody began with it and died */
    bool taken, ended; /* guarded by the lock, as all below */
    unsigned faults;   /* in this run */
    double not_before; /* of the monotonic clock */
};

struct runner {
    const struct shard_run *run;
    struct entry *entries; /* [run->count], suspects last */
    int stopped;           /* eventfd, signalled when all workers have ended */

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    size_t first;       /* the entries before it have ended */
    size_t ended, left; /* entries that need no more work, and those of them that are not done */
    size_t taken;       /* entries at work */
    size_t running_workers;
    bool alone;    /* a suspect is at work: if something dies now, it was that */
    bool stopping; /* nothing more is begun */
    int exit_code; /* of what ended the run, or 0 */
    struct shard_progress progress;
    struct progress bar;
};

static void signal_descriptor(int descriptor)
{
    const uint64_t one = 1;
    ssize_t written = write(descriptor, &one, sizeof(one));
    (void)written; /* fails only if it is readable already */
}

/* ---- Which item is next ---- */

/* With the lock held. The next entry that may be begun now; `wait`: seconds until one may be, or
 * infinity. Suspects, which are the last, wait for the others and are done one by one. */
static struct entry *find_ready(struct runner *runner, double *wait)
{
    double now = clock_seconds();
    bool others = runner->taken > 0;
    *wait = HUGE_VAL;
    while (runner->first < runner->run->count && runner->entries[runner->first].ended)
        runner->first++;
    for (size_t i = runner->first; i < runner->run->count; i++) {
        struct entry *entry = &runner->entries[i];
        if (entry->ended || entry->taken)
            continue;
        if (entry->suspect && others)
            break;
        if (entry->not_before <= now)
            return entry;
        if (entry->not_before - now < *wait)
            *wait = entry->not_before - now;
        others = true;
    }
    return NULL;
}

static void wait_for_change(struct runner *runner, double seconds)
{
    struct timespec until;
    if (isinf(seconds)) {
        pthread_cond_wait(&runner->changed, &runner->lock);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    double whole = (double)until.tv_nsec * 1e-9 + seconds + 0.001;
    until.tv_sec += (time_t)whole;
    until.tv_nsec = (long)((whole - (double)(time_t)whole) * 1e9);
    pthread_cond_timedwait(&runner->changed, &runner->lock, &until);
}

/* NULL: there is nothing more to do. */
static struct entry *take(struct runner *runner)
{
    struct entry *entry = NULL;
    pthread_mutex_lock(&runner->lock);
    while (!runner->stopping && runner->ended < runner->run->count) {
        double wait = HUGE_VAL;
        entry = runner->alone ? NULL : find_ready(runner, &wait);
        if (entry)
            break;
        wait_for_change(runner, wait);
    }
    if (entry) {
        entry->taken = true;
        runner->taken++;
        runner->alone = entry->suspect;
    }
    pthread_mutex_unlock(&runner->lock);
    return entry;
}

/* ---- What has become of it ---- */

/* With the lock held. */
static void end_entry(struct runner *runner, struct entry *entry)
{
    entry->ended = true;
    runner->ended++;
}

static void end_run(struct runner *runner, int code)
{
    runner->stopping = true;
    if (runner->exit_code == 0)
        runner->exit_code = code;
}

static void tell(struct runner *runner, const struct entry *entry,
                 const struct item_outcome *outcome, const char *what)
{
    char line[1400];
    progress_clear(&runner->bar);
    snprintf(line, sizeof(line), "%s (%s): %s", what, failure_class_names[outcome->class],
             outcome->error.message);
    message_error(entry->item->id, line);
}

static void take_fault(struct runner *runner, struct entry *entry,
                       const struct item_outcome *outcome)
{
    tell(runner, entry, outcome, "did not work");
    entry->not_before = clock_seconds() + BACK_OFF_SECONDS * (double)(1u << entry->faults);
    if (++entry->faults < runner->run->tries)
        return;
    runner->left++;
    end_entry(runner, entry);
}

static void settle(struct runner *runner, struct entry *entry, const struct item_outcome *outcome)
{
    struct shard_progress *progress = &runner->progress;
    pthread_mutex_lock(&runner->lock);
    entry->taken = false;
    runner->taken--;
    runner->alone = false;
    progress->before += outcome->before;
    switch (outcome->state) {
    case ITEM_PUBLISHED:
        progress->published++;
        progress->seconds += outcome->seconds;
        end_entry(runner, entry);
        break;
    case ITEM_FAILED:
        progress->failed++;
        if (!outcome->before)
            tell(runner, entry, outcome, "given up");
        end_entry(runner, entry);
        break;
    case ITEM_FAULT:
        take_fault(runner, entry, outcome);
        break;
    case ITEM_LEFT: /* stopped */
        runner->stopping = true;
        break;
    case ITEM_ENDED:
        progress_clear(&runner->bar);
        message_error(NULL, outcome->error.message);
        end_run(runner, EXIT_AGAIN);
        break;
    }
    progress_update(&runner->bar, progress->seconds, 0, progress->published + progress->failed,
                    progress->items);
    pthread_cond_broadcast(&runner->changed);
    pthread_mutex_unlock(&runner->lock);
}

static void *work(void *context)
{
    struct runner *runner = context;
    const struct shard_run *run = runner->run;
    struct entry *entry;
    while ((entry = take(runner))) {
        struct item_outcome outcome;
        if (!item_is_done(run->setup, entry->item, &outcome))
            item_do(run->setup, entry->item, entry->faults + 1 >= run->tries, &outcome);
        settle(runner, entry, &outcome);
    }
    pthread_mutex_lock(&runner->lock);
    if (--runner->running_workers == 0)
        signal_descriptor(runner->stopped);
    pthread_mutex_unlock(&runner->lock);
    return NULL;
}

/* ---- The run ---- */

static void write_progress(struct runner *runner, double worked)
{
    struct hearken_error error;
    pthread_mutex_lock(&runner->lock);
    struct shard_progress progress = runner->progress;
    pthread_mutex_unlock(&runner->lock);
    progress.worked = worked;
    if (shard_progress_write(runner->run->setup->store, &progress, &error) < 0)
        message_error(NULL, error.message);
}

static void stop(struct runner *runner, int number)
{
    pthread_mutex_lock(&runner->lock);
    end_run(runner, number == SIGTERM ? EXIT_AGAIN : EXIT_SIGNAL + number);
    pthread_cond_broadcast(&runner->changed);
    pthread_mutex_unlock(&runner->lock);
    signal_descriptor(runner->run->setup->interrupt);
}

/* Leaves without the workers, which a recording or a disk holds up: these attempts have ended, too.
 */
static void leave(struct runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    for (size_t i = 0; i < runner->run->count; i++)
        if (runner->entries[i].taken)
            attempts_end(runner->run->setup->store, runner->entries[i].item->id, NULL);
    _exit(runner->exit_code);
}

/* Until all workers have ended. */
static void watch(struct runner *runner, int signals, double worked)
{
    double started = clock_seconds(), stop_by = HUGE_VAL;
    for (;;) {
        struct pollfd pollers[] = {{.fd = runner->stopped, .events = POLLIN},
                                   {.fd = signals, .events = POLLIN}};
        double left = (stop_by - clock_seconds()) * 1000;
        int wait = left < PROGRESS_MILLISECONDS ? (int)fmax(left, 0) : PROGRESS_MILLISECONDS;
        int ready = poll(pollers, 2, wait);
        if (ready < 0 && errno != EINTR)
            return;
        if (ready > 0 && pollers[0].revents)
            return;
        if (ready > 0 && pollers[1].revents) {
            int number = signals_read(signals);
            if (stop_by < HUGE_VAL && number == SIGINT)
                leave(runner);
            if (stop_by < HUGE_VAL) /* schedulers send SIGTERM to each process there is */
                continue;
            stop(runner, number);
            stop_by = clock_seconds() + STOP_MILLISECONDS / 1000.0;
        } else if (clock_seconds() >= stop_by) {
            leave(runner);
        } else if (ready == 0) {
            write_progress(runner, worked + clock_seconds() - started);
        }
    }
}

static int run_workers(struct runner *runner, int signals, double worked)
{
    size_t wanted = runner->run->workers, started = 0;
    pthread_t *threads = calloc(wanted, sizeof(*threads));
    int result = threads ? 0 : -ENOMEM;
    pthread_mutex_lock(&runner->lock);
    while (result == 0 && started < wanted) {
        result = -pthread_create(&threads[started], NULL, work, runner);
        started += result == 0;
    }
    runner->running_workers = started;
    pthread_mutex_unlock(&runner->lock);
    if (started > 0) {
        watch(runner, signals, worked);
        result = 0; /* fewer than wanted is not an error */
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return result;
}

static void tell_end(const struct runner *runner, double seconds)
{
    const struct shard_progress *progress = &runner->progress;
    size_t done = progress->published + progress->failed;
    fprintf(stderr,
            "hearken: shard %u/%u: %zu published and %zu failed (%zu of them before), %zu left; "
            "%.1f s\n",
            progress->shard.number, progress->shard.count, progress->published, progress->failed,
            progress->before, progress->items - done, seconds);
}

/* What earlier runs left that were killed when this one was already at work. */
static void sweep(const struct runner *runner)
{
    const struct result_store *store = runner->run->setup->store;
    result_store_sweep(store, STORE_RESULTS);
    for (size_t i = 0; i < runner->run->count; i++)
        if (attempts_read(store, runner->run->items[i].id).unended > 0)
            attempts_forget(store, runner->run->items[i].id);
}

/* With the lock and the descriptors made. */
static int run_entries(struct runner *runner, int signals)
{
    const struct result_store *store = runner->run->setup->store;
    struct hearken_error error;
    double started = clock_seconds();
    double worked = shard_progress_worked(store, &runner->run->shard);
    bool restarted = worked >= 0;
    worked = fmax(worked, 0);
    write_progress(runner, worked);
    int result = run_workers(runner, signals, worked);
    if (result < 0) {
        message_error(NULL, strerror(-result));
        return EXIT_AGAIN;
    }
    progress_clear(&runner->bar);
    runner->progress.worked = worked + clock_seconds() - started;
    runner->progress.running = false;
    write_progress(runner, runner->progress.worked);
    if (!runner->run->quiet)
        tell_end(runner, clock_seconds() - started);
    if (runner->exit_code)
        return runner->exit_code;
    if (runner->ended < runner->run->count || runner->left > 0)
        return EXIT_AGAIN;
    if (restarted)
        sweep(runner);
    if (result_store_sync(store, &error) == 0 &&
        shard_progress_succeed(store, &runner->progress, &error) == 0 &&
        result_store_sync(store, &error) == 0)
        return EXIT_GOOD;
    message_error(NULL, error.message);
    return EXIT_AGAIN;
}

static int create_entries(struct runner *runner)
{
    const struct shard_run *run = runner->run;
    size_t count = 0, suspects = 0;
    runner->entries = calloc(run->count + 1, sizeof(*runner->entries));
    struct entry *last = calloc(run->count + 1, sizeof(*last));
    int result = runner->entries && last ? 0 : -ENOMEM;
    for (size_t i = 0; i < run->count && result == 0; i++) {
        bool suspect = attempts_read(run->setup->store, run->items[i].id).unended > 0;
        struct entry entry = {.item = &run->items[i], .suspect = suspect};
        if (suspect)
            last[suspects++] = entry;
        else
            runner->entries[count++] = entry;
    }
    if (result == 0)
        memcpy(runner->entries + count, last, suspects * sizeof(*last));
    free(last);
    return result;
}

int shard_run(const struct shard_run *run, int signals)
{
    struct runner runner = {
        .run = run,
        .stopped = eventfd(0, EFD_CLOEXEC),
        .progress = {.shard = run->shard,
                     .all_items = run->all_count,
                     .items = run->count,
                     .running = true},
    };
    int code = EXIT_AGAIN;
    run->setup->interrupt = eventfd(0, EFD_CLOEXEC);
    if (runner.stopped < 0 || run->setup->interrupt < 0 || create_entries(&runner) < 0) {
        message_error(NULL, strerror(ENOMEM));
        goto closed;
    }
    pthread_mutex_init(&runner.lock, NULL);
    pthread_cond_init(&runner.changed, NULL);
    progress_init(&runner.bar, !run->quiet);
    code = run_entries(&runner, signals);
    pthread_cond_destroy(&runner.changed);
    pthread_mutex_destroy(&runner.lock);
closed:
    free(runner.entries);
    close(runner.stopped);
    close(run->setup->interrupt);
    return code;
}
