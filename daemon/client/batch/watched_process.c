// SPDX-License-Identifier: MIT
#include "daemon/client/batch/watched_process.h"

#include "daemon/client/program/signals.h"
#include "daemon/client/program/standard_error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct watched {
    int (*work)(void *context, atomic_uint *begun);
    void *context;
    int ended;
    atomic_uint *begun;
    int signals;  /* signalfd */
    bool stopped; /* one of them came */
};

static void run_child(const struct watched *watched, pid_t parent)
{
    setpgid(0, 0); /* a terminal's Ctrl-C comes once, by the one that watches */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(watched->ended);
    close(watched->signals);
    int code = watched->work(watched->context, watched->begun);
    fflush(NULL);
    exit(code);
}

/* Until the child's end of the pipe is closed, which is when it has ended. */
static void wait_and_pass_on(struct watched *watched, pid_t child, int alive)
{
    struct pollfd pollers[] = {{.fd = alive, .events = POLLIN},
                               {.fd = watched->signals, .events = POLLIN}};
    for (;;) {
        if (poll(pollers, 2, -1) < 0 && errno != EINTR)
            return;
        if (pollers[0].revents)
            return;
        if (pollers[1].revents) {
            kill(child, signals_read(watched->signals));
            watched->stopped = true;
        }
    }
}

static void tell_death(int number)
{
    char line[160];
    snprintf(line, sizeof(line), "the process at work was ended by signal %d (%s); another goes on",
             number, strsignal(number));
    message_error(NULL, line);
}

/* One child from start to end. Returns whether another one is needed; otherwise `code` is set. */
static bool run_once(struct watched *watched, int *code)
{
    int ends[2], status;
    unsigned begun = atomic_load(watched->begun);
    pid_t parent = getpid(), child = -1;
    *code = watched->ended;
    if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
        message_error(NULL, strerror(errno));
        return false;
    }
    if (child == 0) {
        close(ends[0]);
        run_child(watched, parent);
    }
    close(ends[1]);
    wait_and_pass_on(watched, child, ends[0]);
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    if (WIFEXITED(status)) {
        *code = WEXITSTATUS(status);
        return false;
    }
    if (watched->stopped || atomic_load(watched->begun) == begun)
        return false;
    tell_death(WTERMSIG(status));
    return true;
}

int watched_process_run(int (*work)(void *context, atomic_uint *begun), void *context, int ended)
{
    int code = ended;
    struct watched watched = {.work = work, .context = context, .ended = ended};
    watched.begun = mmap(NULL, sizeof(*watched.begun), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    watched.signals = signals_open();
    if (watched.begun == MAP_FAILED || watched.signals < 0) {
        message_error(NULL, strerror(errno));
        return ended;
    }
    while (run_once(&watched, &code))
        ;
    close(watched.signals);
    munmap(watched.begun, sizeof(*watched.begun));
    return code;
}
