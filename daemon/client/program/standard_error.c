// SPDX-License-Identifier: MIT
#include "daemon/client/program/standard_error.h"

#include "include/internal/monotonic_clock.h"
#include "include/internal/utf8.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A line is one write, so that lines of several programs do not mix. */
#define LINE_BYTES 4096

void message_error(const char *subject, const char *message)
{
    char line[LINE_BYTES], name[LINE_BYTES];
    if (subject && strcmp(subject, "-") == 0)
        subject = "standard input";
    if (subject) { /* cleaned, as messages of the library are */
        snprintf(name, sizeof(name), "%s", subject);
        utf8_clean(name);
        subject = name;
    }
    if (subject && strncmp(message, subject, strlen(subject)) == 0)
        subject = NULL;
    snprintf(line, sizeof(line), "hearken: %s%s%s", subject ? subject : "", subject ? ": " : "",
             message);
    utf8_clean(line);
    fprintf(stderr, "%s\n", line);
}

#define METER_INTERVAL_SECONDS    0.1
#define PROGRESS_INTERVAL_SECONDS 0.2
#define QUIET_SECONDS             1.0 /* short work needs no progress */
#define LOWEST_DECIBELS           (-60.0)
/* Half the smallest step of 16 bits: a lower peak means that nothing is connected or it is muted.
 */
#define SILENCE 0x1p-16f

/* ---- Meter ---- */

void meter_init(struct meter *meter, bool wanted)
{
    *meter =
        (struct meter){.enabled = wanted && isatty(STDERR_FILENO), .last_drawn = clock_seconds()};
}

/* The position of a level in the bar, 0..METER_WIDTH. */
static int place(double decibels)
{
    double share = 1 - decibels / LOWEST_DECIBELS;
    return (int)lround(fmin(fmax(share, 0), 1) * METER_WIDTH);
}

void meter_draw(const struct hearken_level *level, char *line, size_t size)
{
    char bar[METER_WIDTH + 1];
    memset(bar, ' ', METER_WIDTH);
    bar[METER_WIDTH] = '\0';
    if (level->peak < SILENCE) {
        snprintf(line, size, "[%s]  no sound", bar);
        return;
    }
    double mean = 20 * log10(fmax((double)level->rms, 1e-9));
    int peak = place(20 * log10((double)level->peak));
    memset(bar, '#', (size_t)place(mean));
    if (peak > 0)
        bar[peak - 1] = level->peak >= 1 ? '!' : '|';
    snprintf(line, size, "[%s]  %3.0f dB", bar, mean);
}

void meter_update(struct meter *meter, const float *samples, size_t count, double seconds)
{
    if (!meter->enabled)
        return;
    struct hearken_level level;
    hearken_level_measure(samples, count, &level);
    meter->energy += (double)level.rms * (double)level.rms * (double)count;
    meter->count += count;
    meter->peak = fmaxf(meter->peak, level.peak);
    double time = clock_seconds();
    if (time - meter->last_drawn < METER_INTERVAL_SECONDS)
        return;
    level.rms = meter->count > 0 ? (float)sqrt(meter->energy / (double)meter->count) : 0;
    level.peak = meter->peak;
    char line[METER_WIDTH + 32];
    meter_draw(&level, line, sizeof(line));
    fprintf(stderr, "\r\033[K%s  %.0f s", line, seconds);
    fflush(stderr);
    *meter = (struct meter){.enabled = true, .drawn = true, .last_drawn = time};
}

void meter_clear(struct meter *meter)
{
    if (!meter->drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    meter->drawn = false;
}

/* ---- Progress ---- */

void progress_init(struct progress *progress, bool wanted)
{
    *progress = (struct progress){
        .enabled = wanted && isatty(STDERR_FILENO),
        .started = clock_seconds(),
    };
}

void progress_update(struct progress *progress, double done, double total, size_t finished,
                     size_t count)
{
    if (!progress->enabled)
        return;
    double time = clock_seconds(), elapsed = time - progress->started;
    if (elapsed < QUIET_SECONDS || time - progress->last_drawn < PROGRESS_INTERVAL_SECONDS)
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
