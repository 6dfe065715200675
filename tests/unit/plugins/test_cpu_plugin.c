// SPDX-License-Identifier: MIT
/*
 * What is the cpu plugin's own: the choice of instruction sets, its threads and how many. That its
 * numbers are right is for tests/kernels.
 */
#include "plugins/cpu/cpu_processor.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <dlfcn.h>
#include <errno.h>
#include <hearken/plugin.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void add_cpu_plugin_tests(void);

enum { ROWS = 150, WIDTH = 256, SIZE = ROWS * WIDTH, HEADS = 4 };

static void *library;
static const struct hearken_plugin *plugin;

static int load_plugin(void)
{
    const char *folder = getenv("HEARKEN_PLUGIN_DIR");
    char path[4096];

    snprintf(path, sizeof(path), "%s/cpu.so", folder ? folder : "");
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    plugin = dlsym(library, HEARKEN_PLUGIN_SYMBOL);
    return !plugin;
}

static int unload_plugin(void)
{
    dlclose(library);
    return 0;
}

/* ---- Probe ---- */

static struct hearken_probe probe(const char *mask)
{
    const struct hearken_plugin_host host = {.struct_size = sizeof(host), .cpu_mask = mask};
    struct hearken_probe result = {0};

    plugin->probe(&host, &result);
    return result;
}

/* Whoever withholds more gets no better score, and at the end what runs everywhere. */
static void test_masks(void)
{
    static const char *const masks[] = {
        NULL, "vnni", "amx,vnni,dotprod", "avx512,dotprod", "avx512,avxvnni,dotprod", "avx2,neon"};
    struct hearken_probe before = probe(NULL);

    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        const struct hearken_probe found = probe(masks[i]);
        CU_ASSERT(found.score <= before.score);
        CU_ASSERT(!masks[i] || strstr(found.reason, masks[i]));
        before = found;
    }
    EXPECT_EQUAL(before.score, 2);
    EXPECT_EQUAL(strncmp(before.reason, "plain C", 7), 0);
    EXPECT_EQUAL(probe("").score, probe(NULL).score);
    EXPECT_EQUAL(probe("none").score, probe(NULL).score);
    EXPECT_EQUAL(probe("neon, avx2,").score, 2);
}

static void keep_warning(void *context, int level, const char *message)
{
    if (level == 1)
        snprintf(context, 256, "%s", message);
}

static void test_unknown_name(void)
{
    char warning[256] = "";
    const struct hearken_plugin_host host = {
        .struct_size = sizeof(host),
        .cpu_mask = "avx2,sse9",
        .threads = 1,
        .log_context = warning,
        .log = keep_warning,
    };
    struct hearken_backend *backend;

    EXPECT_EQUAL_FATAL(plugin->backend_create(&host, &backend), 0);
    EXPECT_CONTAINS(warning, "'sse9'");
    plugin->backend_destroy(backend);
}

/* ---- Threads ---- */

/* A model of one layer. */
struct layer {
    struct hearken_plugin_host host; /* as long as the backend */
    struct hearken_backend *backend;
    struct hearken_tensor *weight;
    float *numbers; /* [3 · WIDTH, WIDTH] */
};

static void layer_init(struct layer *layer, uint32_t threads)
{
    layer->host =
        (struct hearken_plugin_host){.struct_size = sizeof(layer->host), .threads = threads};
    layer->numbers = malloc(3 * WIDTH * WIDTH * sizeof(float));
    CU_ASSERT_PTR_NOT_NULL_FATAL(layer->numbers);
    for (size_t i = 0; i < 3 * WIDTH * WIDTH; i++)
        layer->numbers[i] = (float)(i * 2654435761u % 1000) / 1000 - 0.5f;
    const struct hearken_weights weights = {
        HEARKEN_TENSOR_F32, HEARKEN_USE_LINEAR, 3 * WIDTH, WIDTH, 1, layer->numbers};
    EXPECT_EQUAL_FATAL(plugin->backend_create(&layer->host, &layer->backend), 0);
    EXPECT_EQUAL_FATAL(plugin->tensor_create(layer->backend, &weights, &layer->weight), 0);
}

static void layer_destroy(struct layer *layer)
{
    plugin->tensor_destroy(layer->backend, layer->weight);
    plugin->backend_destroy(layer->backend);
    free(layer->numbers);
}

/* out = reference_self_attend(linear(in)) with `in` depending on `seed`; false: something failed.
 */
static bool run_layer(const struct layer *layer, unsigned seed, float *out)
{
    const struct hearken_kernels *kernels = plugin->kernels;
    struct hearken_matrix in = {NULL, 0, ROWS, WIDTH, WIDTH}, result = in;
    struct hearken_matrix qkv = {NULL, 0, ROWS, 3 * WIDTH, 3 * WIDTH};
    struct hearken_queue *queue;

    for (size_t i = 0; i < SIZE; i++)
        out[i] = (float)((i + seed) * 2246822519u % 1000) / 1000 - 0.5f;
    if (plugin->queue_create(layer->backend, &queue) != 0)
        return false;
    bool good = kernels->buffer_create(queue, SIZE, &in.buffer) == 0 &&
                kernels->buffer_create(queue, SIZE, &result.buffer) == 0 &&
                kernels->buffer_create(queue, 3 * SIZE, &qkv.buffer) == 0 &&
                kernels->write(queue, &in, out) == 0;
    const struct hearken_linear reference_linear = {.out = qkv, .in = in, .weight = layer->weight};
    const struct hearken_self_attend reference_attend = {
        .out = result, .qkv = qkv, .sequences = 1, .heads = HEADS};
    good = good && kernels->linear(queue, &reference_linear) == 0 &&
           kernels->self_attend(queue, &reference_attend) == 0 &&
           kernels->read(queue, &result, out) == 0;
    plugin->queue_destroy(queue);
    return good;
}

static void expect_result(const struct layer *layer, unsigned seed, const float *expected)
{
    float *out = malloc(SIZE * sizeof(float));

    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT(run_layer(layer, seed, out));
    EXPECT_EQUAL(memcmp(out, expected, SIZE * sizeof(float)), 0);
    free(out);
}

/* Bits do not depend on how many threads share the work. */
static void test_thread_counts(void)
{
    static const uint32_t counts[] = {0, 2, 3, 8, 1000};
    float *expected = malloc(SIZE * sizeof(float));
    struct layer one;

    CU_ASSERT_PTR_NOT_NULL_FATAL(expected);
    layer_init(&one, 1);
    CU_ASSERT(run_layer(&one, 7, expected));
    layer_destroy(&one);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct layer layer;
        layer_init(&layer, counts[i]);
        expect_result(&layer, 7, expected);
        layer_destroy(&layer);
    }
    free(expected);
}

struct stream {
    const struct layer *layer;
    unsigned seed;
    float *out;
    bool good;
};

static void *run_stream(void *argument)
{
    struct stream *stream = argument;

    stream->good = true;
    for (int i = 0; i < 5; i++)
        stream->good &= run_layer(stream->layer, stream->seed, stream->out);
    return NULL;
}

/* Many queues on one pool, all at the same time. */
static void test_many_queues(void)
{
    enum { STREAMS = 6 };
    struct layer layer;
    struct stream streams[STREAMS];
    pthread_t threads[STREAMS];

    layer_init(&layer, 3);
    for (unsigned i = 0; i < STREAMS; i++) {
        streams[i] = (struct stream){&layer, i, malloc(SIZE * sizeof(float)), false};
        CU_ASSERT_PTR_NOT_NULL_FATAL(streams[i].out);
        EXPECT_EQUAL_FATAL(pthread_create(&threads[i], NULL, run_stream, &streams[i]), 0);
    }
    for (unsigned i = 0; i < STREAMS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < STREAMS; i++) {
        CU_ASSERT(streams[i].good);
        expect_result(&layer, i, streams[i].out);
        free(streams[i].out);
    }
    layer_destroy(&layer);
}

/* In the child of a fork the threads are gone: the caller does all the work, and ends in peace. */
static void test_fork(void)
{
    struct layer layer;
    float *expected = malloc(SIZE * sizeof(float)), *out = malloc(SIZE * sizeof(float));
    int status = -1;

    layer_init(&layer, 3);
    CU_ASSERT_FATAL(expected && out);
    CU_ASSERT(run_layer(&layer, 1, expected));
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);
        const bool same =
            run_layer(&layer, 1, out) && memcmp(out, expected, SIZE * sizeof(float)) == 0;
        plugin->tensor_destroy(layer.backend, layer.weight);
        plugin->backend_destroy(layer.backend);
        _exit(same ? 0 : 1);
    }
    CU_ASSERT_FATAL(child > 0);
    EXPECT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    expect_result(&layer, 1, expected);
    free(expected);
    free(out);
    layer_destroy(&layer);
}

/* ---- Counting cores, on systems of more processors than this one ---- */

/* A kernel for 5,000 processors, as Linux has it: a smaller set is refused. */
enum { PROCESSORS = 5000 };

static int large_affinity(size_t size, cpu_set_t *set)
{
    if (size * 8 < PROCESSORS) {
        errno = EINVAL;
        return -1;
    }
    memset(set, 0, size);
    for (int processor = 0; processor < PROCESSORS; processor++)
        CPU_SET_S(processor, size, set);
    return 0;
}

static int last_two_affinity(size_t size, cpu_set_t *set)
{
    const int result = large_affinity(size, set);

    if (result == 0) {
        memset(set, 0, size);
        CPU_SET_S(PROCESSORS - 2, size, set);
        CPU_SET_S(PROCESSORS - 1, size, set);
    }
    return result;
}

static int no_affinity(size_t size, cpu_set_t *set)
{
    (void)size, (void)set;
    errno = EPERM;
    return -1;
}

static int endless_affinity(size_t size, cpu_set_t *set)
{
    (void)size, (void)set;
    errno = EINVAL;
    return -1;
}

static int alone(int processor)
{
    return processor;
}

static int in_pairs(int processor)
{
    return processor / 2 * 2;
}

static int astray(int processor)
{
    return processor % 2 ? -1 : 1 << 30;
}

static int same_capacity(int processor)
{
    (void)processor;
    return 0;
}

/* As of a telephone: every fourth is fast, the others are of two slower kinds. */
static int mixed_capacity(int processor)
{
    return (const int[]){1024, 160, 512, 511}[processor % 4];
}

static unsigned no_quota(void)
{
    return UINT_MAX;
}

static unsigned quota_of_three(void)
{
    return 3;
}

static unsigned count(int (*affinity)(size_t, cpu_set_t *), int (*first_sibling)(int))
{
    return cores_count(&(struct cores_system){affinity, first_sibling, same_capacity, no_quota});
}

static void test_slow_cores(void)
{
    const struct cores_system mixed = {large_affinity, alone, mixed_capacity, no_quota};
    const struct cores_system last_two = {last_two_affinity, alone, mixed_capacity, no_quota};

    EXPECT_EQUAL(cores_count(&mixed), PROCESSORS / 2);
    EXPECT_EQUAL(cores_count(&last_two), 1 + 1); /* 512 and 511: as good as each other */
}

static void test_quota(void)
{
    const struct cores_system many = {large_affinity, alone, same_capacity, quota_of_three};
    const struct cores_system two = {last_two_affinity, alone, same_capacity, quota_of_three};

    EXPECT_EQUAL(cores_count(&many), 3);
    EXPECT_EQUAL(cores_count(&two), 2);
}

static void test_many(void)
{
    EXPECT_EQUAL(count(large_affinity, alone), PROCESSORS);
    EXPECT_EQUAL(count(large_affinity, in_pairs), PROCESSORS / 2);
    EXPECT_EQUAL(count(large_affinity, astray), PROCESSORS);
    EXPECT_EQUAL(count(last_two_affinity, alone), 2);
    EXPECT_EQUAL(count(last_two_affinity, in_pairs), 1);
}

static void test_unknown(void)
{
    EXPECT_EQUAL(count(no_affinity, alone), 1);
    EXPECT_EQUAL(count(endless_affinity, alone), 1);
}

static void test_here(void)
{
    cpu_set_t set;
    const unsigned cores = cores_count(&cores_system);

    CU_ASSERT(cores >= 1);
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        CU_ASSERT(cores <= (unsigned)CPU_COUNT(&set));
}

void add_cpu_plugin_tests(void)
{
    CU_pSuite suite = CU_add_suite("cpu plugin", load_plugin, unload_plugin);

    CU_add_test(suite, "what a mask withholds", test_masks);
    CU_add_test(suite, "a mask's unknown name is told", test_unknown_name);
    CU_add_test(suite, "any number of threads gives the same bits", test_thread_counts);
    CU_add_test(suite, "many queues share the threads", test_many_queues);
    CU_add_test(suite, "a forked child works alone", test_fork);
    suite = CU_add_suite("cores", NULL, NULL);
    CU_ADD_TEST(suite, test_many);
    CU_ADD_TEST(suite, test_slow_cores);
    CU_ADD_TEST(suite, test_quota);
    CU_ADD_TEST(suite, test_unknown);
    CU_ADD_TEST(suite, test_here);
}
