// SPDX-License-Identifier: MIT
#include "daemon/client/live/typist.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_MILLISECONDS 10
/* More than it takes to type half a minute of speech at a hundred keys per second. */
#define LONGEST_MILLISECONDS 30000
#define ARGUMENTS_MAX        5

/* NULL is replaced by the text, which after "--" is not taken as an option. */
struct program {
    const char *name;
    const char *arguments[ARGUMENTS_MAX];
    size_t count;
};

static const struct program programs[] = {
    {"wtype", {"wtype", "--", NULL}, 3},
    {"ydotool", {"ydotool", "type", "--", NULL}, 4},
    {"xdotool", {"xdotool", "type", "--clearmodifiers", "--", NULL}, 5},
};

#define PROGRAM_COUNT (sizeof(programs) / sizeof(programs[0]))

static bool is_on_path(const char *name)
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

static bool find_program(struct typist *typist)
{
    while (typist->program < PROGRAM_COUNT && !is_on_path(programs[typist->program].name))
        typist->program++;
    return typist->program < PROGRAM_COUNT;
}

int typist_init(struct typist *typist, int interrupt, struct hearken_error *error)
{
    *typist = (struct typist){.interrupt = interrupt};
    if (find_program(typist))
        return 0;
    return hearken_fail(error, -ENOENT,
                        "--type needs wtype (Wayland), ydotool or xdotool (X11): none is on PATH");
}

/* Without input, with its output on our standard error, and with no signals blocked. */
static int start(const struct program *program, const char *text, pid_t *child)
{
    char *arguments[ARGUMENTS_MAX + 1] = {NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    for (size_t i = 0; i < program->count; i++)
        arguments[i] = (char *)(program->arguments[i] ? program->arguments[i] : text);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int result = posix_spawnp(child, program->name, &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return -result;
}

/* Returns the exit status or a negative errno. */
static int wait_for(const struct typist *typist, pid_t child)
{
    int status;
    struct pollfd poller = {.fd = typist->interrupt, .events = POLLIN};
    for (int waited = 0; waitpid(child, &status, WNOHANG) == 0; waited += POLL_MILLISECONDS) {
        bool interrupted = poll(&poller, 1, POLL_MILLISECONDS) > 0;
        if (interrupted)
            usleep(POLL_MILLISECONDS * 1000);
        /* After an interrupt the program may still finish the last text, within a shorter time. */
        if (waited < (interrupted ? LONGEST_MILLISECONDS / 10 : LONGEST_MILLISECONDS))
            continue;
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return interrupted ? -ECANCELED : -ETIMEDOUT;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

int typist_type(struct typist *typist, const char *text, struct hearken_error *error)
{
    while (typist->program < PROGRAM_COUNT) {
        const struct program *program = &programs[typist->program];
        pid_t child;
        int result = start(program, text, &child);
        if (result == 0)
            result = wait_for(typist, child);
        if (result == 0)
            typist->typed = true;
        if (result == 0 || result == -ECANCELED)
            return result;
        if (typist->typed)
            return hearken_fail(error, -EIO, "%s could not type", program->name);
        typist->program++;
        find_program(typist);
    }
    return hearken_fail(error, -EIO,
                        "none of the installed wtype, ydotool and xdotool could type (see their "
                        "messages above)");
}
