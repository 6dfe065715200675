// SPDX-License-Identifier: MIT
#include "daemon/client/program/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define QUIET_SECONDS    1.0 /* short work needs no progress */
#define INTERVAL_SECONDS 0.2

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void progress_init(struct progress *progress, bool wanted)
{
    *progress = (struct progress){
        .enabled = wanted && isatty(STDERR_FILENO),
        .begun = now(),
    };
}

void progress_update(struct progress *progress, double done, double total, size_t finished,
                     size_t count)
{
    if (!progress->enabled)
        return;
    double time = now(), elapsed = time - progress->begun;
    if (elapsed < QUIET_SECONDS || time - progress->last_drawn < INTERVAL_SECONDS)
        return;
    progress->last_drawn = time;
    progress->drawn = true;
    fputs("\r\033[K", stderr);
    if (count > 1)
        fprintf(stderr, "%zu/%zu files  ", finished, count);
    if (total > 0)
        fprintf(stderr, "%.0f / %.0f s", done < total ? done : total, total);
    else
        fprintf(stderr, "%.0f s", done);
    fprintf(stderr, "  %.1fx", done / elapsed);
    fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (!progress->drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->drawn = false;
}
