// SPDX-License-Identifier: MIT
/*
 * Log lines on standard error. Under systemd each starts with its priority ("<4>", sd-daemon(3)).
 * For any thread; a line is one write, so lines do not mix.
 */
#ifndef HEARKEN_DAEMON_COMMON_LOG_H
#define HEARKEN_DAEMON_COMMON_LOG_H

#include <hearken/hearken.h>
#include <stdatomic.h>
#include <stdbool.h>

struct log {
    atomic_int level; /* enum hearken_log_level: the most verbose one that is written; atomic */
    bool journal;     /* standard error goes to the journal */
};

void log_init(struct log *log, enum hearken_log_level level);
void log_set_level(struct log *log, enum hearken_log_level level);

/* Replace control characters by question marks: a line may quote a client. */
void log_error(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warning(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_info(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_debug(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A hearken_log_callback; the context is a struct log. */
void log_library_message(void *log, enum hearken_log_level level, const char *message);

#endif
