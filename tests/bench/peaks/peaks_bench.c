// SPDX-License-Identifier: MIT
/*
 * What this machine could do: operations a second in single precision and in sums of products of
 * integers, and bytes a second that it reads, from a core's own cache, from where the weights of a
 * model lie, and from memory. A line of JSON, of the quickest tries; tests/bench/roofline.py holds
 * the kernels against it.
 *
 * usage: peaks THREADS MIB
 *
 * MIB is the size of the weights, of which each thread reads a part, over and over.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif
#ifdef __aarch64__
#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

enum {
    TRIES = 25,
    MOST_THREADS = 256,
    MOST_MIB = 65536,
    ROUNDS = 1000000,       /* of all sums, in a try */
    SUMS = 12,              /* more than an instruction's latency times the units that compute it */
    OWN = 192 << 10,        /* bytes that are in a core's second cache, and not in its first */
    LEAST_READ = 128 << 20, /* bytes, in a try */
    LINE = 64,              /* bytes */
    AHEAD = 8192,           /* bytes, prefetched */
    HUGE_PAGE = 2 << 20,    /* bytes */
};

/* ---- Instruction sets ---- */

/*
 * `sums` has room for SUMS vectors: what the sums start with, and what they become. A compiler
 * would make one sum of those that start with the same.
 */
struct set {
    const char *name;
    double single, integers; /* operations of a round */
    void (*run_single)(size_t rounds, void *sums);
    void (*run_integers)(size_t rounds, void *sums); /* NULL: there is no such instruction */
    uint64_t (*read)(const void *data, size_t size);
};

/* clang-format off */

/* Each sum has a name, so that it stays in a register. */
#define EACH(do) do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11)
/* clang-format on */

#define START(n) memcpy(&sum##n, (const char *)sums + n * sizeof(sum##n), sizeof(sum##n));
#define STORE(n) memcpy((char *)sums + n * sizeof(sum##n), &sum##n, sizeof(sum##n));

/* `step(n)` is a statement that makes the next sum##n of it, `a` and `b`. */
#define DEFINE_SUMS(name, attributes, vector, first, second, step)                                 \
    attributes static void name(size_t rounds, void *sums)                                         \
    {                                                                                              \
        const vector a = first, b = second;                                                        \
        vector sum0, sum1, sum2, sum3, sum4, sum5, sum6, sum7, sum8, sum9, sum10, sum11;           \
        EACH(START)                                                                                \
        for (size_t round = 0; round < rounds; round++) {                                          \
            EACH(step)                                                                             \
        }                                                                                          \
        (void)b;                                                                                   \
        EACH(STORE)                                                                                \
    }

typedef uint64_t words __attribute__((vector_size(LINE)));

/* A number that depends on every byte. */
#define DEFINE_READ(name, attributes)                                                              \
    attributes static uint64_t name(const void *data, size_t size)                                 \
    {                                                                                              \
        words w = {0}, x = {0}, y = {0}, z = {0};                                                  \
        for (const char *from = data, *end = from + size; from < end; from += 4 * LINE) {          \
            const words *line = (const void *)from;                                                \
            __builtin_prefetch(from + AHEAD);                                                      \
            __builtin_prefetch(from + AHEAD + LINE);                                               \
            __builtin_prefetch(from + AHEAD + 2 * LINE);                                           \
            __builtin_prefetch(from + AHEAD + 3 * LINE);                                           \
            w ^= line[0];                                                                          \
            x ^= line[1];                                                                          \
            y ^= line[2];                                                                          \
            z ^= line[3];                                                                          \
        }                                                                                          \
        w ^= x ^ y ^ z;                                                                            \
        return w[0] ^ w[1] ^ w[2] ^ w[3] ^ w[4] ^ w[5] ^ w[6] ^ w[7];                              \
    }

#ifdef __x86_64__
#define TARGET(names) __attribute__((target(names)))
#define FMA_512(n)    sum##n = _mm512_fmadd_ps(sum##n, a, b);
#define BYTES_512(n)  sum##n = _mm512_dpbusd_epi32(sum##n, a, b);
#define WORDS_512(n)  sum##n = _mm512_add_epi32(sum##n, _mm512_madd_epi16(sum##n, a));
#define FMA_256(n)    sum##n = _mm256_fmadd_ps(sum##n, a, b);
#define WORDS_256(n)  sum##n = _mm256_add_epi32(sum##n, _mm256_madd_epi16(sum##n, a));
#define SINGLE_512    _mm512_set1_ps(0.5f)
#define INTEGERS_512  _mm512_set1_epi8(1)
#define SINGLE_256    _mm256_set1_ps(0.5f)
#define INTEGERS_256  _mm256_set1_epi8(1)

DEFINE_SUMS(single_512, TARGET("avx512f"), __m512, SINGLE_512, SINGLE_512, FMA_512)
DEFINE_SUMS(bytes_512, TARGET("avx512f,avx512vnni"), __m512i, INTEGERS_512, INTEGERS_512, BYTES_512)
DEFINE_SUMS(words_512, TARGET("avx512f,avx512bw"), __m512i, INTEGERS_512, INTEGERS_512, WORDS_512)
DEFINE_SUMS(single_256, TARGET("avx2,fma"), __m256, SINGLE_256, SINGLE_256, FMA_256)
DEFINE_SUMS(words_256, TARGET("avx2"), __m256i, INTEGERS_256, INTEGERS_256, WORDS_256)
DEFINE_READ(read_512, TARGET("avx512f"))
DEFINE_READ(read_256, TARGET("avx2"))

static const struct set vnni = {"AVX-512 with VNNI", 32 * SUMS, 128 * SUMS,
                                single_512,          bytes_512, read_512};
static const struct set avx512 = {"AVX-512", 32 * SUMS, 64 * SUMS, single_512, words_512, read_512};
static const struct set avx2 = {"AVX2", 16 * SUMS, 32 * SUMS, single_256, words_256, read_256};
#endif

#ifdef __aarch64__
#define FMA_NEON(n) sum##n = vfmaq_f32(a, sum##n, b);
#ifdef __clang__
#define DOTPROD __attribute__((target("dotprod")))
#else
#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
/* The compilers' own are there only if all functions may use them. */
#define BYTES_NEON(n) __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum##n) : "w"(a), "w"(b));

DEFINE_SUMS(single_neon, , float32x4_t, vdupq_n_f32(0.5f), vdupq_n_f32(0.5f), FMA_NEON)
DEFINE_SUMS(bytes_neon, DOTPROD, int32x4_t, vdupq_n_s32(1), vdupq_n_s32(1), BYTES_NEON)
DEFINE_READ(read_neon, )

static const struct set dotprod = {
    "NEON with dot product", 8 * SUMS, 32 * SUMS, single_neon, bytes_neon, read_neon};
static const struct set neon = {"NEON", 8 * SUMS, 0, single_neon, NULL, read_neon};
#endif

typedef float four __attribute__((vector_size(16)));

#define MULTIPLY_ADD(n) sum##n = sum##n * a + b;
#define HALVES                                                                                     \
    {                                                                                              \
        0.5f, 0.5f, 0.5f, 0.5f                                                                     \
    }

DEFINE_SUMS(single_plain, , four, HALVES, HALVES, MULTIPLY_ADD)
DEFINE_READ(read_plain, )

static const struct set plain = {"plain C", 8 * SUMS, 0, single_plain, NULL, read_plain};

static const struct set *find_set(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
        return __builtin_cpu_supports("avx512vnni") ? &vnni : &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &avx2;
#endif
#ifdef __aarch64__
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? &dotprod : &neon;
#endif
    return &plain;
}

/* ---- Threads ---- */

enum kind { SINGLE, INTEGERS, READ };

struct worker {
    const struct set *set;
    enum kind kind;
    size_t size; /* bytes that it reads */
    pthread_barrier_t *barrier;
    pthread_t thread;
    double seconds[TRIES];
    uint64_t result; /* so that nothing is left out */
    bool failed;
};

static double now(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* How often `size` bytes are read in a try. */
static size_t passes_of(size_t size)
{
    return (LEAST_READ + size - 1) / size;
}

static void work(struct worker *worker, const void *data)
{
    _Alignas(LINE) char sums[SUMS * LINE];

    for (size_t i = 0; i < sizeof(sums); i++)
        sums[i] = (char)(i / LINE + 1);
    if (worker->kind == SINGLE)
        worker->set->run_single(ROUNDS, sums);
    else if (worker->kind == INTEGERS)
        worker->set->run_integers(ROUNDS, sums);
    else
        for (size_t i = 0; i < passes_of(worker->size); i++)
            worker->result ^= worker->set->read(data, worker->size);
    for (size_t i = 0; i < sizeof(sums); i++)
        worker->result += (unsigned char)sums[i];
}

/*
 * What lies beyond their own caches threads read together, by the clock, as they share the way to
 * it. All else goes by their own processor time: other programs take nothing from it.
 */
static void *run(void *context)
{
    struct worker *worker = context;
    const bool together = worker->kind == READ && worker->size > OWN;
    const clockid_t clock = together ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
    char *data = NULL;

    if (worker->kind == READ) {
        const size_t room = (worker->size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        data = aligned_alloc(HUGE_PAGE, room);
        worker->failed = !data;
        if (data) {
            madvise(data, room, MADV_HUGEPAGE);
            memset(data, 1, room);
        }
    }
    for (size_t i = 0; i < TRIES; i++) {
        pthread_barrier_wait(worker->barrier);
        const double began = now(clock);
        if (!worker->failed)
            work(worker, data);
        if (together)
            pthread_barrier_wait(worker->barrier);
        worker->seconds[i] = now(clock) - began;
    }
    free(data);
    return NULL;
}

/* Seconds of the slowest thread in the quickest try; 0 if there is not enough memory. */
static double measure(const struct set *set, enum kind kind, size_t threads, size_t size)
{
    struct worker workers[MOST_THREADS];
    pthread_barrier_t barrier;
    double best = 0;
    bool failed = false;

    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    for (size_t i = 0; i < threads; i++) {
        workers[i] = (struct worker){.set = set, .kind = kind, .size = size, .barrier = &barrier};
        if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0)
            exit(1);
    }
    for (size_t i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        failed = failed || workers[i].failed;
    }
    pthread_barrier_destroy(&barrier);
    for (size_t try = 0; try < TRIES; try++) {
        double slowest = 0;
        for (size_t i = 0; i < threads; i++)
            slowest = workers[i].seconds[try] > slowest ? workers[i].seconds[try] : slowest;
        best = try == 0 || slowest < best ? slowest : best;
    }
    return failed ? 0 : best;
}

/* ---- Peaks ---- */

/* Operations a second of all threads. */
static double operations(const struct set *set, enum kind kind, size_t threads)
{
    const double round = kind == SINGLE ? set->single : set->integers;

    return round > 0 ? round * ROUNDS * (double)threads / measure(set, kind, threads, 0) : 0;
}

/* Bytes a second of all threads, each of which reads `size` bytes of its own over and over. */
static double reads(const struct set *set, size_t threads, size_t size)
{
    size = size / HUGE_PAGE ? size / HUGE_PAGE * HUGE_PAGE : OWN;
    const double seconds = measure(set, READ, threads, size);

    return seconds > 0 ? (double)size * (double)passes_of(size) * (double)threads / seconds : 0;
}

/* More than the last cache holds, where that is known and not too large. */
static size_t memory_size(void)
{
    const size_t least = (size_t)256 << 20, most = (size_t)1024 << 20;
    const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    const size_t twice = cache > 0 ? 2 * (size_t)cache : 0;

    return twice < least ? least : twice > most ? most : twice;
}

int main(int count, char **arguments)
{
    const long threads = count == 3 ? strtol(arguments[1], NULL, 10) : 0;
    const long mib = count == 3 ? strtol(arguments[2], NULL, 10) : 0;

    if (threads < 1 || threads > MOST_THREADS || mib < 1 || mib > MOST_MIB) {
        fprintf(stderr, "usage: %s THREADS MIB\n", arguments[0]);
        return 2;
    }
    const struct set *set = find_set();
    const size_t n = (size_t)threads;
    printf("{\"threads\": %zu, \"set\": \"%s\", \"single\": %.0f, \"integers\": %.0f, "
           "\"own\": %.0f, \"weights\": %.0f, \"memory\": %.0f}\n",
           n, set->name, operations(set, SINGLE, n), operations(set, INTEGERS, n), reads(set, n, 0),
           reads(set, n, ((size_t)mib << 20) / n), reads(set, n, memory_size() / n));
    return 0;
}
