// SPDX-License-Identifier: MIT
#include "daemon/client/doctor/check_process.h"

#include "include/internal/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Of one check. */
#define FINDINGS_BYTES_MAX ((size_t)1 << 18)

/* Drivers and sound systems write to standard error as they like. */
static void silence_standard_streams(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i <= STDERR_FILENO && null >= 0; i++)
        dup2(null, i);
}

static _Noreturn void run_child(const struct check *check, const struct address *address,
                                int descriptor, pid_t parent)
{
    struct findings findings = {.name = check->name, .descriptor = descriptor};
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) {
        silence_standard_streams();
        check->run(address, &findings);
    }
    _exit(0);
}

int check_process_read(int descriptor, double seconds, char *text, size_t size)
{
    struct timeout timeout = {.seconds = seconds};
    size_t used = 0;
    int result = 0;
    while (result == 0 && used < size - 1) {
        result = timeout_wait(&timeout, descriptor, POLLIN);
        ssize_t count = result < 0 ? 0 : read(descriptor, text + used, size - 1 - used);
        if (count > 0)
            used += (size_t)count;
        else if (count == 0)
            break;
        else if (errno != EAGAIN && errno != EINTR)
            result = -errno;
    }
    text[used] = '\0';
    return result;
}

static void add_lines(char *text, json_t *list)
{
    char *rest;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        json_array_append_new(list, json_loads(line, 0, NULL));
}

static void add_failure(const struct check *check, int result, int status, json_t *list)
{
    char message[200], advice[200];
    if (result == -ETIMEDOUT)
        snprintf(message, sizeof(message), "no answer within %g s", check->seconds);
    else if (result < 0)
        snprintf(message, sizeof(message), "not checked: %s", strerror(-result));
    else if (WIFSIGNALED(status))
        snprintf(message, sizeof(message), "the check was ended by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(message, sizeof(message), "the check ended with status %d", WEXITSTATUS(status));
    snprintf(advice, sizeof(advice), "see what the system says of it: dmesg, journalctl -e");
    json_array_append_new(list, finding_create(check->name, VERDICT_PROBLEM, message, advice));
}

void check_process_run(const struct check *check, const struct address *address, json_t *list)
{
    int ends[2], status = 0;
    pid_t parent = getpid(), child = -1;
    char *text = malloc(FINDINGS_BYTES_MAX);
    int result = text ? child_open_pipe(ends) : -ENOMEM;
    if (result < 0)
        goto failed;
    fflush(stdout);
    child = fork();
    if (child == 0)
        run_child(check, address, ends[1], parent);
    result = child < 0 ? -errno : 0;
    close(ends[1]);
    if (result == 0) {
        result = check_process_read(ends[0], check->seconds, text, FINDINGS_BYTES_MAX);
        add_lines(text, list);
        status = child_end(child);
    }
    close(ends[0]);
failed:
    if (result < 0 || status != 0)
        add_failure(check, result, status, list);
    free(text);
}
