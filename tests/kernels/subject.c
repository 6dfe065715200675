// SPDX-License-Identifier: MIT
#include "tests/kernels/subject.h"

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct subject *subject(void)
{
    static struct subject only;

    return &only;
}

bool may_round_attention(void)
{
    return strcmp(subject()->plugin->name, "cpu") == 0;
}

int cases(int count)
{
    return subject()->quick ? (count + 7) / 8 : count;
}

bool expect_at(const char *file, int line, bool good, const char *format, ...)
{
    char text[512] = "";
    va_list list;

    if (!good) {
        va_start(list, format);
        vsnprintf(text, sizeof(text), format, list);
        va_end(list);
    }
    CU_assertImplementation(good, (unsigned)line, text, file, "", CU_FALSE);
    return good;
}

/* ---- Randomness: SplitMix64 (Steele, Lea, Flood 2014) ---- */

static uint64_t *random_state(void)
{
    static uint64_t state;

    return &state;
}

static uint64_t random_bits(void)
{
    uint64_t z = *random_state() += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void random_start(uint64_t seed, const char *name)
{
    *random_state() = seed;
    for (; *name; name++)
        *random_state() = random_bits() ^ (uint8_t)*name;
}

uint32_t random_below(uint32_t limit)
{
    return (uint32_t)((random_bits() >> 32) * limit >> 32);
}

uint32_t random_size(uint32_t limit)
{
    static const uint32_t edges[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65};
    const uint32_t edge = edges[random_below(sizeof(edges) / sizeof(edges[0]))];

    return edge <= limit && random_below(2) ? edge : 1 + random_below(limit);
}

struct hearken_stand_ins random_stand_ins(uint32_t keys)
{
    const uint32_t most = keys < 20 ? keys : 20;

    if (random_below(2))
        return (struct hearken_stand_ins){0};
    return (struct hearken_stand_ins){random_below(most + 1), (float)random_below(7000) / 1000};
}

double random_uniform(void)
{
    return (double)(random_bits() >> 11) * 0x1p-52 - 1;
}

/* Box and Muller 1958. */
double random_normal(void)
{
    const double radius = sqrt(-2 * log((double)((random_bits() >> 11) + 1) * 0x1p-53));

    return radius * cos(M_PI * random_uniform());
}

/* ---- Time ---- */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static bool run_once(int (*run)(const void *), const void *arguments,
                     const struct hearken_matrix *wait, unsigned times)
{
    const struct hearken_matrix one = {wait->buffer, wait->offset, 1, 1, 1};
    float element;

    for (unsigned i = 0; i < times; i++)
        if (run(arguments) != 0)
            return false;
    return subject()->kernels->read(subject()->queue, &one, &element) == 0;
}

double bench_seconds(int (*run)(const void *arguments), const void *arguments,
                     const struct hearken_matrix *wait)
{
    double best = INFINITY, spent = 0;
    unsigned times = 1;

    if (!run_once(run, arguments, wait, 1))
        return NAN;
    while (spent < 0.5) {
        const double start = now();
        if (!run_once(run, arguments, wait, times))
            return NAN;
        const double took = now() - start;
        spent += took;
        best = fmin(best, took / times);
        if (took < 0.01) /* so that waiting for the queue weighs little */
            times *= 2;
    }
    return best;
}

void bench_report(const char *kernel, const char *what, double amount, const char *unit,
                  double seconds)
{
    printf("%-12s %-36s %9.2f G%s/s %10.3f ms\n", kernel, what, amount * 1e-9 / seconds, unit,
           seconds * 1e3);
}

void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (!memory) {
        fprintf(stderr, "kernels-test: no memory for %zu elements of %zu bytes\n", count, size);
        exit(2);
    }
    return memory;
}

/* ---- Opening plugins as the host does ---- */

/* Entries of the table that a plugin must have. They lie one after the other, as pointers. */
static const char *const entries[] = {
    "buffer_create", "memory_create", "buffer_destroy", "write",       "read",
    "linear",        "convolve",      "layer_norm",     "self_attend", "attend",
    "lstm",          "embed",         "reorder",        "log_softmax", "top_k",
};

_Static_assert(sizeof(struct hearken_kernels) - offsetof(struct hearken_kernels, buffer_create) ==
                   sizeof(entries) / sizeof(entries[0]) * sizeof(void (*)(void)),
               "an entry for each kernel");

static bool refuse(const char *path, const char *why, const char *detail)
{
    fprintf(stderr, "%s: %s%s\n", path, why, detail);
    return false;
}

static bool kernels_are_complete(const char *path, const struct hearken_kernels *kernels)
{
    if (!kernels)
        return refuse(path, "has no kernel table", "");
    if (kernels->struct_size != sizeof(*kernels))
        return refuse(path, "has a kernel table of another size", "");
    const char *first = (const char *)kernels + offsetof(struct hearken_kernels, buffer_create);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        void (*entry)(void);
        memcpy(&entry, first + i * sizeof(entry), sizeof(entry));
        if (!entry)
            return refuse(path, "lacks the kernel ", entries[i]);
    }
    return true;
}

static bool plugin_is_complete(const char *path, const struct hearken_plugin *plugin)
{
    if (plugin->abi_version != HEARKEN_PLUGIN_ABI)
        return refuse(path, "has another ABI version", "");
    if (plugin->struct_size != sizeof(*plugin))
        return refuse(path, "has a plugin struct of another size", "");
    if (!plugin->name || !plugin->name[0] || !plugin->description)
        return refuse(path, "has no name or no description", "");
    if (plugin->name[strspn(plugin->name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return refuse(path, "has a name of other than a-z, 0-9 and '-': ", plugin->name);
    if (!plugin->probe || !plugin->backend_create || !plugin->backend_destroy ||
        !plugin->tensor_create || !plugin->tensor_destroy || !plugin->queue_create ||
        !plugin->queue_destroy)
        return refuse(path, "lacks a function of the plugin struct", "");
    return kernels_are_complete(path, plugin->kernels);
}

static const struct hearken_plugin *open_plugin(const char *path, void **library)
{
    *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!*library) {
        refuse(path, "cannot be loaded: ", dlerror());
        return NULL;
    }
    const struct hearken_plugin *plugin = dlsym(*library, HEARKEN_PLUGIN_SYMBOL);
    if (!plugin) {
        refuse(path, "exports no ", HEARKEN_PLUGIN_SYMBOL);
        return NULL;
    }
    return plugin_is_complete(path, plugin) ? plugin : NULL;
}

enum load_result load(const char *path, const struct hearken_plugin_host *host, void **library)
{
    const struct hearken_plugin *plugin = open_plugin(path, library);
    struct hearken_probe found = {.score = -1};

    if (!plugin)
        return LOAD_BROKEN;
    plugin->probe(host, &found);
    if (found.score < 0 || !memchr(found.reason, 0, sizeof(found.reason)) || !found.reason[0]) {
        refuse(path, "probe gives no score or no reason", "");
        return LOAD_BROKEN;
    }
    printf("%s (%s): score %d, %s\n", plugin->name, path, found.score, found.reason);
    if (found.score == 0)
        return LOAD_SKIPPED;
    if (plugin->backend_create(host, &subject()->backend) != 0) {
        refuse(path, "made no backend although its score is above 0: ", subject()->message);
        return LOAD_BROKEN;
    }
    subject()->plugin = plugin;
    subject()->kernels = plugin->kernels;
    return LOAD_READY;
}

void unload(void *library)
{
    if (subject()->backend)
        subject()->plugin->backend_destroy(subject()->backend);
    *subject() = (struct subject){0};
    if (library)
        dlclose(library);
}
