// SPDX-License-Identifier: MIT
#include "daemon/client/live/typist.h"

#include "daemon/client/program/child_program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
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

static bool find_program(struct typist *typist)
{
    while (typist->program < PROGRAM_COUNT &&
           !child_program_is_on_path(programs[typist->program].name))
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

static int start(const struct program *program, const char *text, pid_t *child)
{
    char *arguments[ARGUMENTS_MAX + 1] = {NULL};
    for (size_t i = 0; i < program->count; i++)
        arguments[i] = (char *)(program->arguments[i] ? program->arguments[i] : text);
    return child_program_start(arguments, child);
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
