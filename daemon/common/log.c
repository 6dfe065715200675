// SPDX-License-Identifier: MIT
#include "daemon/common/log.h"

#include "include/internal/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_SIZE 2048

static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

void log_init(struct log *log, enum hearken_log_level level)
{
    atomic_init(&log->level, (int)level);
    log->journal = is_journal();
}

void log_set_level(struct log *log, enum hearken_log_level level)
{
    atomic_store(&log->level, (int)level);
}

static const char *level_prefix(const struct log *log, enum hearken_log_level level)
{
    if (log->journal) {
        /* sd-daemon(3) */
        static const char *const priorities[] = {
            [HEARKEN_LOG_ERROR] = "<3>",
            [HEARKEN_LOG_WARNING] = "<4>",
            [HEARKEN_LOG_INFO] = "<6>",
            [HEARKEN_LOG_DEBUG] = "<7>",
        };
        return priorities[level];
    }
    static const char *const names[] = {
        [HEARKEN_LOG_ERROR] = "hearkend: error: ",
        [HEARKEN_LOG_WARNING] = "hearkend: warning: ",
        [HEARKEN_LOG_INFO] = "hearkend: ",
        [HEARKEN_LOG_DEBUG] = "hearkend: debug: ",
    };
    return names[level];
}

static void __attribute__((format(printf, 3, 0)))
write_line(struct log *log, enum hearken_log_level level, const char *format, va_list arguments)
{
    if ((int)level > atomic_load(&log->level))
        return;
    char line[LINE_SIZE];
    int prefix = snprintf(line, sizeof(line), "%s", level_prefix(log, level));
    int length = vsnprintf(line + prefix, sizeof(line) - 1 - (size_t)prefix, format, arguments);
    if (length < 0)
        return;
    utf8_clean(line);
    size_t end = strlen(line);
    line[end++] = '\n';
    /* A failure to log cannot be reported. */
    ssize_t written = write(STDERR_FILENO, line, end);
    (void)written;
}

#define DEFINE_LEVEL(function, level)                                                              \
    void function(struct log *log, const char *format, ...)                                        \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        write_line(log, level, format, arguments);                                                 \
        va_end(arguments);                                                                         \
    }

DEFINE_LEVEL(log_error, HEARKEN_LOG_ERROR)
DEFINE_LEVEL(log_warning, HEARKEN_LOG_WARNING)
DEFINE_LEVEL(log_info, HEARKEN_LOG_INFO)
DEFINE_LEVEL(log_debug, HEARKEN_LOG_DEBUG)

static void __attribute__((format(printf, 3, 4)))
write_message(struct log *log, enum hearken_log_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(log, level, format, arguments);
    va_end(arguments);
}

void log_library_message(void *log, enum hearken_log_level level, const char *message)
{
    if (level >= HEARKEN_LOG_ERROR && level <= HEARKEN_LOG_DEBUG)
        write_message(log, level, "%s", message);
}
