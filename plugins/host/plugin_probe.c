// SPDX-License-Identifier: MIT
#include "plugins/host/plugin_probe.h"

#include "include/internal/child_process.h"
#include "include/internal/monotonic_clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER = 3,             /* the helper's descriptor, as in probe_main.c */
    POLL_MILLISECONDS = 10, /* interval at which the helper's memory is checked */
    MAX_ANSWER_BYTES = 1 << 20,
};

const struct probe_limits probe_limits = {.milliseconds = 10 * 1000, .memory = 1u << 30};

/* Splits the bytes from a pipe into lines. */
struct lines {
    int file; /* read end; -1: closed */
    char text[ANSWER_LINE_SIZE];
    size_t length;
};

struct child {
    pid_t pid;
    struct lines answer, output; /* `output`: standard output and standard error */
    size_t answer_bytes;         /* received so far */
    bool damaged;                /* the answer has an invalid line */
    char last_line[128];         /* of `output` that is not blank */
};

/* ---- Starting ---- */

static int start(struct child *child, const char *helper, const char *path,
                 const struct hearken_plugin_host *host)
{
    char threads[16];
    int answer[2], output[2];

    snprintf(threads, sizeof(threads), "%u", (unsigned)host->threads);
    char *const arguments[] = {(char *)helper, (char *)path, threads, (char *)host->cpu_mask, NULL};
    int result = child_open_pipe(answer);
    if (result < 0)
        goto no_answer;
    result = child_open_pipe(output);
    if (result < 0)
        goto no_output;
    const int descriptors[] = {-1, output[1], output[1], answer[1]};
    result = child_start(&child->pid, arguments, descriptors, ANSWER + 1);
    if (result < 0)
        goto no_output;
    close(answer[1]);
    close(output[1]);
    child->answer.file = answer[0];
    child->output.file = output[0];
    return 0;
no_output:
    child_close_pipe(output);
no_answer:
    child_close_pipe(answer);
    return result;
}

/* ---- Reading ---- */

/* Passes "log LEVEL TEXT" to the host's log; every other line belongs to the answer. */
static void handle_line(struct child *child, const char *line,
                        const struct hearken_plugin_host *host, struct plugin_answer *answer)
{
    int level, length = 0;

    if (sscanf(line, "log %d %n", &level, &length) == 1 && length > 0)
        host->log(host->log_context, level, line + length);
    else if (answer_parse_line(answer, line) < 0)
        child->damaged = true;
}

/* The next complete line, or NULL. Cuts lines at ANSWER_LINE_SIZE. */
static char *next_line(struct lines *lines, char *line)
{
    char *end = memchr(lines->text, '\n', lines->length);
    size_t length = end ? (size_t)(end - lines->text) : lines->length;

    if (!end && lines->length < sizeof(lines->text))
        return NULL;
    memcpy(line, lines->text, length < ANSWER_LINE_SIZE ? length : ANSWER_LINE_SIZE - 1);
    line[length < ANSWER_LINE_SIZE ? length : ANSWER_LINE_SIZE - 1] = 0;
    length += end != NULL;
    lines->length -= length;
    memmove(lines->text, lines->text + length, lines->length);
    return line;
}

/* Returns the bytes read, 0 if none are available yet, or -1 at the end of the pipe. */
static ssize_t fill(struct lines *lines)
{
    if (lines->file < 0)
        return -1;
    const ssize_t got =
        read(lines->file, lines->text + lines->length, sizeof(lines->text) - lines->length);
    if (got > 0) {
        lines->length += (size_t)got;
        return got;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    close(lines->file);
    lines->file = -1;
    return -1;
}

static void read_answer(struct child *child, const struct hearken_plugin_host *host,
                        struct plugin_answer *answer)
{
    char line[ANSWER_LINE_SIZE];
    const ssize_t got = fill(&child->answer);

    if (got > 0)
        child->answer_bytes += (size_t)got;
    while (!child->damaged && !answer->complete && next_line(&child->answer, line))
        handle_line(child, line, host, answer);
}

static void keep_line(struct child *child, const char *line)
{
    if (line[strspn(line, " \t\r")])
        answer_copy_text(child->last_line, sizeof(child->last_line), line);
}

/* Returns true if there may be more to read. */
static bool read_output(struct child *child)
{
    char line[ANSWER_LINE_SIZE];
    const ssize_t got = fill(&child->output);

    while (next_line(&child->output, line))
        keep_line(child, line);
    if (got < 0 && child->output.length > 0) { /* a last line without a newline */
        memcpy(line, child->output.text, child->output.length);
        line[child->output.length] = 0;
        child->output.length = 0;
        keep_line(child, line);
    }
    return got > 0;
}

/* Resident memory in bytes without shared pages; 0 if unknown. */
static size_t private_memory(pid_t pid)
{
    char path[48];
    unsigned long long resident, shared;
    size_t bytes = 0;

    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*s %llu %llu", &resident, &shared) == 2 && resident > shared)
        bytes = (size_t)(resident - shared) * (size_t)sysconf(_SC_PAGESIZE);
    fclose(file);
    return bytes;
}

/* ---- Ending ---- */

__attribute__((format(printf, 2, 3))) static void fail(struct plugin_answer *answer,
                                                       const char *format, ...)
{
    char reason[sizeof(answer->reason) + 64];
    va_list arguments;

    answer->outcome = PROBE_FAILED;
    answer->score = 0;
    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    answer_copy_text(answer->reason, sizeof(answer->reason), reason);
}

/* The helper closed its end of the pipe before its answer was complete. */
static void explain_exit(const struct child *child, int status, struct plugin_answer *answer)
{
    const char *before = child->last_line[0] ? "; its last output: " : "";

    if (status != -1 && WIFSIGNALED(status))
        fail(answer, "its probe was killed by signal %d (%s)%s%s", WTERMSIG(status),
             strsignal(WTERMSIG(status)), before, child->last_line);
    else if (status != -1)
        fail(answer, "its probe exited with status %d without an answer%s%s", WEXITSTATUS(status),
             before, child->last_line);
    else
        fail(answer, "its probe exited without an answer%s%s", before, child->last_line);
}

enum ending { EXITED, TIMED_OUT, OUT_OF_MEMORY, DAMAGED, COMPLETE };

static enum ending read_until_end(struct child *child, const struct hearken_plugin_host *host,
                                  const struct probe_limits *limits, struct plugin_answer *answer)
{
    const long long deadline = clock_milliseconds() + limits->milliseconds;

    while (true) {
        const long long left = deadline - clock_milliseconds();
        struct pollfd pipes[] = {{.fd = child->answer.file, .events = POLLIN},
                                 {.fd = child->output.file, .events = POLLIN}};
        poll(pipes, 2, left < 0 ? 0 : left < POLL_MILLISECONDS ? (int)left : POLL_MILLISECONDS);
        read_output(child);
        read_answer(child, host, answer);
        if (child->damaged || child->answer_bytes > MAX_ANSWER_BYTES)
            return DAMAGED;
        if (answer->complete)
            return COMPLETE;
        if (child->answer.file < 0)
            return EXITED;
        if (private_memory(child->pid) > limits->memory)
            return OUT_OF_MEMORY;
        if (left <= 0)
            return TIMED_OUT;
    }
}

static void set_outcome(const struct child *child, enum ending ending, int status,
                        const struct probe_limits *limits, struct plugin_answer *answer)
{
    switch (ending) {
    case COMPLETE:
        answer->outcome = PROBE_ANSWERED;
        break;
    case EXITED:
        explain_exit(child, status, answer);
        break;
    case TIMED_OUT:
        fail(answer, "its probe did not answer within %g s", limits->milliseconds * 1e-3);
        break;
    case OUT_OF_MEMORY:
        fail(answer, "its probe used more than %zu MiB of memory", limits->memory >> 20);
        break;
    case DAMAGED:
        fail(answer, "its probe sent an invalid answer");
        break;
    }
}

void plugin_probe(const char *helper, const char *path, const struct hearken_plugin_host *host,
                  const struct probe_limits *limits, struct plugin_answer *answer)
{
    struct child *child = calloc(1, sizeof(*child));
    int result = child ? start(child, helper, path, host) : -ENOMEM;

    *answer = (struct plugin_answer){0};
    if (result < 0) {
        fail(answer, "it cannot be probed: %s: %s", helper, strerror(-result));
        answer->outcome = PROBE_UNASKED;
        free(child);
        return;
    }
    const enum ending ending = read_until_end(child, host, limits, answer);
    const int status = child_end(child->pid);
    for (int i = 0; i < 64 && read_output(child); i++)
        ;
    set_outcome(child, ending, status, limits, answer);
    if (child->answer.file >= 0)
        close(child->answer.file);
    if (child->output.file >= 0)
        close(child->output.file);
    free(child);
}
