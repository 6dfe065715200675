// SPDX-License-Identifier: MIT
#include "daemon/client/program/child_program.h"

#include "include/internal/child_process.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool child_program_is_on_path(const char *name)
{
    const char *path = getenv("PATH");
    char file[PATH_MAX];
    while (path && *path) {
        size_t length = strcspn(path, ":");
        int written = snprintf(file, sizeof(file), "%.*s/%s", (int)length, path, name);
        if (written > 0 && (size_t)written < sizeof(file) && access(file, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

/* `output` becomes the program's standard output. */
static int start(char *const arguments[], int output, short flags, pid_t *child)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, (short)(POSIX_SPAWN_SETSIGMASK | flags));
    int result = posix_spawnp(child, arguments[0], &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return -result;
}

int child_program_start(char *const arguments[], pid_t *child)
{
    return start(arguments, STDERR_FILENO, 0, child);
}

int child_program_start_piped(char *const arguments[], pid_t *child, int *descriptor)
{
    int ends[2];
    int result = child_open_pipe(ends);
    if (result == 0)
        result = start(arguments, ends[1], POSIX_SPAWN_SETPGROUP, child);
    if (ends[1] >= 0)
        close(ends[1]);
    if (result < 0 && ends[0] >= 0)
        close(ends[0]);
    else if (result == 0)
        *descriptor = ends[0];
    return result;
}
