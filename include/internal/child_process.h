// SPDX-License-Identifier: MIT
/* Programs of hearken's own that the library starts. Any thread. */
#ifndef HEARKEN_INTERNAL_CHILD_PROCESS_H
#define HEARKEN_INTERNAL_CHILD_PROCESS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Descriptors that a child is given at most: 0, 1, ... */
#define CHILD_DESCRIPTORS_MAX 4

#define CHILD_REAP_MILLISECONDS 1000

static inline void child_close_pipe(const int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

/* A copy that lies above the descriptors of a child, so that none overwrites another. Negative
 * errno on failure. */
static inline int child_descriptor(int descriptor)
{
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, CHILD_DESCRIPTORS_MAX);
    return copy < 0 ? -errno : copy;
}

/* Both ends lie above the descriptors of a child. The read end is non-blocking. On failure both are
 * -1 or open; the caller closes them in any case. */
static inline int child_open_pipe(int ends[2])
{
    int low[2];
    int result = 0;
    ends[0] = ends[1] = -1;
    if (pipe2(low, O_CLOEXEC) < 0)
        return -errno;
    for (int i = 0; i < 2 && result == 0; i++) {
        ends[i] = child_descriptor(low[i]);
        if (ends[i] < 0)
            result = ends[i];
    }
    if (result == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        result = -errno;
    child_close_pipe(low);
    return result;
}

/* Resets signal mask and dispositions, and makes a process group, so that a terminal's Ctrl-C does
 * not reach the child and killing the group ends its own children too. */
static inline int child_set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    int result = posix_spawnattr_init(attributes);
    if (result)
        return -result;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                             POSIX_SPAWN_SETPGROUP);
    return 0;
}

/*
 * Starts arguments[0], a path. descriptors[i] becomes the child's descriptor i; -1: /dev/null. They
 * lie above CHILD_DESCRIPTORS_MAX; all others must be close-on-exec, or the child closes them.
 */
static inline int child_start(pid_t *pid, char *const arguments[], const int *descriptors,
                              int count)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int result = posix_spawn_file_actions_init(&files);
    if (result)
        return -result;
    if ((result = child_set_attributes(&attributes)) < 0) {
        posix_spawn_file_actions_destroy(&files);
        return result;
    }
    for (int i = 0; i < count && !result; i++)
        result = descriptors[i] < 0
                     ? posix_spawn_file_actions_addopen(&files, i, "/dev/null", O_RDWR, 0)
                     : posix_spawn_file_actions_adddup2(&files, descriptors[i], i);
    if (!result)
        result = posix_spawn(pid, arguments[0], &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return -result;
}

/*
 * Kills the child and returns its status from waitpid(). Returns -1 if there is none: another part
 * of the program has reaped the child, or it is stuck in a kernel driver and cannot be reaped.
 */
static inline int child_end(pid_t pid)
{
    int status;
    kill(-pid, SIGKILL); /* does not change the status of a process that has exited */
    kill(pid, SIGKILL);
    for (int waited = 0; waited < CHILD_REAP_MILLISECONDS; waited++) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid)
            return status;
        if (got < 0 && errno != EINTR)
            return -1;
        poll(NULL, 0, 1);
    }
    return -1;
}

#endif
