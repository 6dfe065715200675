// SPDX-License-Identifier: MIT
#include "plugins/host/plugin_probe.h"

#include "include/internal/monotonic_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER = 3, /* the helper's descriptor, as in probe/main.c */
    LOOK_MILLISECONDS = 10,
    REAP_MILLISECONDS = 1000,
    MOST_BYTES = 1 << 20, /* of an answer */
};

const struct probe_limits probe_limits = {.milliseconds = 10 * 1000, .memory = 1u << 30};

/* Lines out of what a pipe delivers. */
struct lines {
    int file; /* reading end; -1: closed */
    char text[ANSWER_LINE_SIZE];
    size_t length;
};

struct child {
    pid_t pid;
    struct lines answer, words;
    size_t answered; /* bytes */
    bool damaged;    /* the answer cannot be read */
    char last[128];  /* line that it printed */
};

/* ---- Starting ---- */

static void close_pipe(int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

/* Both ends above the descriptors that the helper gets; reading does not wait. */
static int open_pipe(int ends[2])
{
    int low[2];
    int result = 0;

    ends[0] = ends[1] = -1;
    if (pipe2(low, O_CLOEXEC) < 0)
        return -errno;
    for (int i = 0; i < 2 && result == 0; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, ANSWER + 1);
        if (ends[i] < 0)
            result = -errno;
    }
    if (result == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        result = -errno;
    close_pipe(low);
    return result;
}

/* Signals as a program expects them, and a group, so that what it starts ends with it. */
static void set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                             POSIX_SPAWN_SETPGROUP);
}

static int spawn(pid_t *pid, char *const arguments[], int answer, int words)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int result = posix_spawn_file_actions_init(&files);

    if (result)
        return -result;
    result = posix_spawnattr_init(&attributes);
    if (result) {
        posix_spawn_file_actions_destroy(&files);
        return -result;
    }
    set_attributes(&attributes);
    result = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!result)
        result = posix_spawn_file_actions_adddup2(&files, words, STDOUT_FILENO);
    if (!result)
        result = posix_spawn_file_actions_adddup2(&files, words, STDERR_FILENO);
    if (!result)
        result = posix_spawn_file_actions_adddup2(&files, answer, ANSWER);
    if (!result)
        result = posix_spawn(pid, arguments[0], &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return -result;
}

static int start(struct child *child, const char *helper, const char *path,
                 const struct hearken_plugin_host *host)
{
    char threads[16];
    int answer[2], words[2];

    snprintf(threads, sizeof(threads), "%u", (unsigned)host->threads);
    char *const arguments[] = {(char *)helper, (char *)path, threads, (char *)host->cpu_mask, NULL};
    int result = open_pipe(answer);
    if (result < 0)
        goto no_answer;
    result = open_pipe(words);
    if (result < 0)
        goto no_words;
    result = spawn(&child->pid, arguments, answer[1], words[1]);
    if (result < 0)
        goto no_words;
    close(answer[1]);
    close(words[1]);
    child->answer.file = answer[0];
    child->words.file = words[0];
    return 0;
no_words:
    close_pipe(words);
no_answer:
    close_pipe(answer);
    return result;
}

/* ---- Listening ---- */

/* "log LEVEL TEXT" goes to the host, all else into the answer. */
static void take_answer(struct child *child, const char *line,
                        const struct hearken_plugin_host *host, struct plugin_answer *answer)
{
    int level, length = 0;

    if (sscanf(line, "log %d %n", &level, &length) == 1 && length > 0)
        host->log(host->log_context, level, line + length);
    else if (answer_take_line(answer, line) < 0)
        child->damaged = true;
}

/* The next whole line, or NULL; what is longer than a line may be is cut. */
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

/* Bytes that came, 0 if none are there, -1 at the end. */
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

static void hear_answer(struct child *child, const struct hearken_plugin_host *host,
                        struct plugin_answer *answer)
{
    char line[ANSWER_LINE_SIZE];
    const ssize_t got = fill(&child->answer);

    if (got > 0)
        child->answered += (size_t)got;
    while (!child->damaged && !answer->complete && next_line(&child->answer, line))
        take_answer(child, line, host, answer);
}

static void remember(struct child *child, const char *line)
{
    if (line[strspn(line, " \t\r")])
        answer_copy_text(child->last, sizeof(child->last), line);
}

/* True if there may be more. */
static bool hear_words(struct child *child)
{
    char line[ANSWER_LINE_SIZE];
    const ssize_t got = fill(&child->words);

    while (next_line(&child->words, line))
        remember(child, line);
    if (got < 0 && child->words.length > 0) { /* a last line without its end */
        memcpy(line, child->words.text, child->words.length);
        line[child->words.length] = 0;
        child->words.length = 0;
        remember(child, line);
    }
    return got > 0;
}

/* Bytes that it has for itself; 0 if that cannot be known. */
static size_t memory_of(pid_t pid)
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

/*
 * Its status as of waitpid; -1 if it is not to be had: the program has its children waited for
 * elsewhere, or a driver of the kernel does not let go of it. Then it stays behind.
 */
static int end(const struct child *child)
{
    int status;

    kill(-child->pid, SIGKILL); /* has no effect on the status of one that is dead */
    kill(child->pid, SIGKILL);
    for (int waited = 0; waited < REAP_MILLISECONDS; waited++) {
        const pid_t got = waitpid(child->pid, &status, WNOHANG);
        if (got == child->pid)
            return status;
        if (got < 0 && errno != EINTR)
            return -1;
        poll(NULL, 0, 1);
    }
    return -1;
}

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

/* It closed its end of the pipe before its answer was complete. */
static void explain_end(const struct child *child, int result, struct plugin_answer *answer)
{
    const char *before = child->last[0] ? "; its last words: " : "";

    if (result != -1 && WIFSIGNALED(result))
        fail(answer, "its probe was killed by signal %d (%s)%s%s", WTERMSIG(result),
             strsignal(WTERMSIG(result)), before, child->last);
    else if (result != -1)
        fail(answer, "its probe ended with status %d and without an answer%s%s",
             WEXITSTATUS(result), before, child->last);
    else
        fail(answer, "its probe ended without an answer%s%s", before, child->last);
}

enum ending { ENDED, TOO_LATE, TOO_LARGE, DAMAGED, COMPLETE };

static enum ending listen_to(struct child *child, const struct hearken_plugin_host *host,
                             const struct probe_limits *limits, struct plugin_answer *answer)
{
    const long long last = clock_milliseconds() + limits->milliseconds;

    while (true) {
        const long long left = last - clock_milliseconds();
        struct pollfd pipes[] = {{.fd = child->answer.file, .events = POLLIN},
                                 {.fd = child->words.file, .events = POLLIN}};
        poll(pipes, 2, left < 0 ? 0 : left < LOOK_MILLISECONDS ? (int)left : LOOK_MILLISECONDS);
        hear_words(child);
        hear_answer(child, host, answer);
        if (child->damaged || child->answered > MOST_BYTES)
            return DAMAGED;
        if (answer->complete)
            return COMPLETE;
        if (child->answer.file < 0)
            return ENDED;
        if (memory_of(child->pid) > limits->memory)
            return TOO_LARGE;
        if (left <= 0)
            return TOO_LATE;
    }
}

static void judge(const struct child *child, enum ending ending, int result,
                  const struct probe_limits *limits, struct plugin_answer *answer)
{
    switch (ending) {
    case COMPLETE:
        answer->outcome = PROBE_ANSWERED;
        break;
    case ENDED:
        explain_end(child, result, answer);
        break;
    case TOO_LATE:
        fail(answer, "its probe did not answer within %g s", limits->milliseconds * 1e-3);
        break;
    case TOO_LARGE:
        fail(answer, "its probe took more than %zu MiB of memory", limits->memory >> 20);
        break;
    case DAMAGED:
        fail(answer, "its probe gave an answer that cannot be read");
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
    const enum ending ending = listen_to(child, host, limits, answer);
    const int status = end(child);
    for (int i = 0; i < 64 && hear_words(child); i++)
        ;
    judge(child, ending, status, limits, answer);
    if (child->answer.file >= 0)
        close(child->answer.file);
    if (child->words.file >= 0)
        close(child->words.file);
    free(child);
}
