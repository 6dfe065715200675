// SPDX-License-Identifier: MIT
/*
 * hearken-probe PLUGIN THREADS [MASK]: loads a plugin, runs its probe and writes the answer
 * (probe_answer.h) to descriptor 3. The library starts it (plugin_probe.c), so that a driver that
 * aborts, hangs or uses up the memory does so in this process. It is not meant to be run by hand.
 */
#include "plugins/host/probe_answer.h"

#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    ANSWER = 3,
    PROCESSOR_SECONDS = 60, /* ends a probe that loops after its parent has given up on it */
};

/* Closes descriptors that the parent left inheritable. */
static void close_others(void)
{
    struct rlimit files;

    if (syscall(SYS_close_range, ANSWER + 1, ~0u, 0) == 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    for (rlim_t file = ANSWER + 1; file < files.rlim_cur; file++)
        close((int)file);
}

/* The process dies with its parent, writes no core file and keeps none of the parent's
 * descriptors. */
static void confine(void)
{
    const struct rlimit no_core = {0, 0};
    const struct rlimit processor = {PROCESSOR_SECONDS, PROCESSOR_SECONDS};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_CPU, &processor);
    close_others();
    fcntl(ANSWER, F_SETFD, FD_CLOEXEC);
}

static void write_log_line(void *context, int level, const char *message)
{
    char key[32];

    snprintf(key, sizeof(key), "log %d", level);
    answer_print_line(context, key, message);
    fflush(context);
}

/* Callback of dl_iterate_phdr(): one loaded shared object. */
static int print_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    if (info->dlpi_name && info->dlpi_name[0] == '/')
        answer_print_line(context, "file", info->dlpi_name);
    return 0;
}

static void print_result(FILE *answer, int score, const char *reason)
{
    char number[16];

    snprintf(number, sizeof(number), "%d", score);
    answer_print_line(answer, "score", number);
    answer_print_line(answer, "reason", *reason ? reason : "no reason given");
    dl_iterate_phdr(print_object, answer);
    fputs("end\n", answer);
    fflush(answer);
}

static void probe(FILE *answer, const struct hearken_plugin *plugin,
                  const struct hearken_plugin_host *host)
{
    struct hearken_probe found = {0};

    answer_print_line(answer, "name", plugin->name);
    answer_print_line(answer, "description", plugin->description);
    fflush(answer); /* the parent then knows the name even if the probe dies */
    plugin->probe(host, &found);
    found.reason[sizeof(found.reason) - 1] = 0;
    print_result(answer, found.score > 0 ? found.score : 0, found.reason);
}

int main(int argc, char **argv)
{
    struct plugin_library library;
    FILE *answer = argc < 3 || argc > 4 ? NULL : fdopen(ANSWER, "w");

    if (!answer) {
        fprintf(stderr, "hearken-probe: internal program of libhearken\n");
        return 2;
    }
    confine();
    const struct hearken_plugin_host host = {
        .struct_size = sizeof(host),
        .cpu_mask = argv[3],
        .threads = (uint32_t)strtoul(argv[2], NULL, 10),
        .log_context = answer,
        .log = write_log_line,
    };
    if (plugin_library_load(argv[1], &library) == 0)
        probe(answer, library.plugin, &host);
    else
        print_result(answer, -1, library.reason);
    _exit(0); /* skips the drivers' exit handlers, which may crash or hang */
}
