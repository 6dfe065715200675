// SPDX-License-Identifier: MIT
/*
 * Log lines on standard error, one an event. Under systemd each starts with its priority ("<4>"),
 * as sd-daemon(3) has it. May be used by any thread; a line is one write, so lines do not mix.
 */
#ifndef HEARKEN_DAEMON_COMMON_LOG_H
#define HEARKEN_DAEMON_COMMON_LOG_H

#include <hearken/hearken.h>
#include <stdatomic.h>
#include <stdbool.h>

struct log {
    atomic_int level; /* enum hearken_log_level: the least important one that is written */
    bool journal;     /* standard error is the journal's */
};

void log_init(struct log *log, enum hearken_log_level level);
void log_set_level(struct log *log, enum hearken_log_level level);

/* Control characters become question marks: lines may quote a client. */
void log_error(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warning(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_info(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_debug(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A hearken_log_callback; the context is a struct log. */
void log_library_message(void *log, enum hearken_log_level level, const char *message);

#endif
