// SPDX-License-Identifier: MIT
/*
 * Does what the environment variable HEARKEN_TEST_MISBEHAVIOUR says when it is asked, "crash" when
 * it is loaded; and adds a byte to the file HEARKEN_TEST_ASKED each time that it is asked.
 */
#include "tests/unit/bad_plugins/bad.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

extern const struct hearken_plugin hearken_plugin;

static int is_told(const char *what)
{
    const char *told = getenv("HEARKEN_TEST_MISBEHAVIOUR");

    return told && strcmp(told, what) == 0;
}

static void note(void)
{
    const char *path = getenv("HEARKEN_TEST_ASKED");
    const int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (file >= 0 && write(file, "x", 1) == 1)
        close(file);
}

/* As the system sends it, whatever a sanitizer has in its place. */
static void die_of(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}

static void take_memory(void)
{
    enum { PIECE = 1 << 20 };

    for (volatile char *piece; (piece = malloc(PIECE));)
        for (int i = 0; i < PIECE; i += 512)
            piece[i] = 1;
    while (1)
        pause();
}

static void fill_descriptor(int file)
{
    static const char line[] = "what an untidy driver prints\n";

    for (int i = 0; i < 10000; i++)
        if (write(file, line, sizeof(line) - 1) < 0)
            return;
}

/* Descriptors that the program has left open. */
static int left_open(void)
{
    int count = 0;

    for (int file = 4; file < 256; file++)
        count += fcntl(file, F_GETFD) >= 0;
    return count;
}

__attribute__((constructor)) static void load(void)
{
    if (is_told("crash"))
        die_of(SIGSEGV);
}

static void probe(const struct hearken_plugin_host *host, struct hearken_probe *result)
{
    (void)host;
    note();
    if (is_told("abort")) {
        fprintf(stderr, "a line\nNot enough memory to run on \033[1mthis device\n");
        die_of(SIGABRT);
    }
    if (is_told("exit"))
        exit(0);
    while (is_told("hang"))
        pause();
    if (is_told("take"))
        take_memory();
    if (is_told("print")) {
        fill_descriptor(STDOUT_FILENO);
        fill_descriptor(STDERR_FILENO);
    }
    if (is_told("lie"))
        fill_descriptor(3);
    result->score = is_told("refuse") ? 0 : 1;
    snprintf(result->reason, sizeof(result->reason), "%d left open", left_open());
}

static int backend_create(const struct hearken_plugin_host *host, struct hearken_backend **backend)
{
    (void)host;
    (void)backend;
    return 0; /* without having made one */
}

static const struct hearken_kernels kernels = {.struct_size = sizeof(struct hearken_kernels),
                                               ALL_KERNELS};

EXPORT const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = NAME,
    .description = "for tests",
    .probe = probe,
    .backend_create = backend_create,
    .kernels = &kernels,
    OTHER_FUNCTIONS,
};
