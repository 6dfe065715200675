// SPDX-License-Identifier: MIT
/*
 * The plugin under test and the table of tests.
 *
 * CUnit calls a test without an argument, so the subject is reached through a function; there is
 * one at a time. Each test gets a fresh queue and a random sequence that depends on the seed and on
 * its own name alone, so that one test can be repeated without the others.
 */
#ifndef KERNELS_SUBJECT_H
#define KERNELS_SUBJECT_H

#include <hearken/plugin.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct subject {
    const struct hearken_plugin *plugin;
    const struct hearken_kernels *kernels;
    struct hearken_backend *backend;
    struct hearken_queue *queue;
    char message[512]; /* the last line that the plugin logged */
    bool quick;        /* --quick */
};

struct subject *subject(void);

/* Whether its attention may round to bytes, as plugin.h allows: the others are held to more. */
bool may_round_attention(void);

/* ---- Opening plugins as the host does ---- */

enum load_result {
    LOAD_READY,
    LOAD_SKIPPED, /* the plugin reports that it cannot run here */
    LOAD_BROKEN,  /* not a plugin, or not of this ABI */
};

/*
 * Fills `subject()` with the plugin in the file and a backend of it; `host` must outlive them.
 * Prints the reason if that fails. Pass `library` to `unload`, whatever the result.
 */
enum load_result load(const char *path, const struct hearken_plugin_host *host, void **library);
void unload(void *library);

/* ---- What is tested: one group for each kernel, in the files check_*.c ---- */

struct check {
    const char *name;
    void (*run)(void);
};

struct check_group {
    const char *kernel;
    const struct check *checks;
    size_t count;
    void (*bench)(void); /* prints through `bench_report`; NULL: nothing worth timing */
};

extern const struct check_group memory_group, tensor_group, linear_group, convolve_group,
    layer_norm_group, self_attend_group, attend_group, lstm_group, embed_group, reorder_group,
    log_softmax_group, top_k_group, queues_group;

#define GROUP(kernel_name, table, bench_function)                                                  \
    {                                                                                              \
        .kernel = (kernel_name), .checks = (table), .count = sizeof(table) / sizeof((table)[0]),   \
        .bench = (bench_function)                                                                  \
    }

/* ---- Assertions ---- */

/* Records a failure of the running test with a text of its own; returns `good`. */
__attribute__((format(printf, 4, 5))) bool expect_at(const char *file, int line, bool good,
                                                     const char *format, ...);
#define expect(good, ...) expect_at(__FILE__, __LINE__, (good), __VA_ARGS__)

/* A call that must succeed. */
#define expect_done(call) expect((call) == 0, "%s failed", #call)

/* A call that must fail with -EINVAL. */
#define expect_refused(call) expect((call) == -EINVAL, "%s was not refused with -EINVAL", #call)

/* ---- Randomness ---- */

void random_start(uint64_t seed, const char *name);
uint32_t random_below(uint32_t limit); /* 0 .. limit - 1 */
uint32_t random_size(uint32_t limit);  /* 1 .. limit, small and odd sizes more often */
/* Among so many keys, often none. Not for huge scores: those are exact only without a bias. */
struct hearken_stand_ins random_stand_ins(uint32_t keys);
double random_uniform(void); /* -1 .. 1 */
double random_normal(void);  /* mean 0, variance 1 */

/* How many random cases are run where `count` are usual: an eighth with --quick. */
int cases(int count);

/* ---- Time ---- */

/* Runs and waits until the time taken is steady; the seconds of the quickest run. `wait` is any
 * view of the queue: reading one element of it waits for the queue. */
double bench_seconds(int (*run)(const void *arguments), const void *arguments,
                     const struct hearken_matrix *wait);

/* "kernel what  amount unit/s  milliseconds": `amount` in units of 10^9. */
void bench_report(const char *kernel, const char *what, double amount, const char *unit,
                  double seconds);

void *allocate(size_t count, size_t size); /* zeroed; ends the program if there is no memory */

#endif
