// SPDX-License-Identifier: MIT
/* buffer_create, buffer_destroy, write, read; tensor_create, tensor_destroy: accepted and rejected
 * weights */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int transfer(const struct hearken_matrix *view, float *numbers, bool out)
{
    return out ? subject()->kernels->read(subject()->queue, view, numbers)
               : subject()->kernels->write(subject()->queue, view, numbers);
}

static void check_zeros_at_first(void)
{
    static const size_t sizes[] = {1, 2, 31, 4096, 1 << 20};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct hearken_matrix view = {NULL, 0, 1, (uint32_t)sizes[i], sizes[i]};
        float *numbers = allocate(sizes[i], sizeof(float));
        size_t nonzero = 0;
        memset(numbers, 0xff, sizes[i] * sizeof(float));
        expect_done(subject()->kernels->buffer_create(subject()->queue, sizes[i], &view.buffer));
        expect_done(transfer(&view, numbers, true));
        for (size_t at = 0; at < sizes[i]; at++)
            nonzero += numbers[at] != 0;
        expect(nonzero == 0, "%zu of %zu elements of a new buffer are not zero", nonzero, sizes[i]);
        subject()->kernels->buffer_destroy(subject()->queue, view.buffer);
        free(numbers);
    }
}

/* Numbers written to a view are read back with the same bits, and nothing outside changes. */
static void check_views(void)
{
    for (int i = 0; i < cases(150); i++) {
        struct matrix matrix =
            matrix_create(random_size(40), random_size(100), LAYOUT_STRIDED, FILL_NORMAL);
        const size_t count = (size_t)matrix.view.rows * matrix.view.columns;
        float *numbers = allocate(count, sizeof(float)), *back = allocate(count, sizeof(float));
        for (size_t at = 0; at < count; at++) {
            numbers[at] = (float)(random_normal() * pow(10, 30 * random_uniform()));
            *matrix_at(&matrix, at / matrix.view.columns, at % matrix.view.columns) = numbers[at];
        }
        expect_done(transfer(&matrix.view, numbers, false));
        memset(numbers, 0, count * sizeof(float)); /* the caller's again */
        expect_done(transfer(&matrix.view, back, true));
        matrix_expect_unchanged(&matrix, "what lies around a written view");
        for (size_t at = 0; at < count; at++)
            if (!expect(back[at] ==
                            *matrix_at(&matrix, at / matrix.view.columns, at % matrix.view.columns),
                        "element %zu came back as %g", at, (double)back[at]))
                break;
        free(numbers);
        free(back);
        matrix_destroy(&matrix);
    }
}

static void check_special_numbers(void)
{
    float numbers[] = {0.0f, -0.0f, INFINITY, -INFINITY, 3.402823466e38f, 1.17549435e-38f, 1e-45f};
    float back[7];
    struct matrix matrix = matrix_create(1, 7, LAYOUT_STRIDED, FILL_ZERO);

    expect_done(transfer(&matrix.view, numbers, false));
    expect_done(transfer(&matrix.view, back, true));
    expect(memcmp(numbers, back, sizeof(numbers)) == 0, "special numbers do not keep their bits");
    matrix_destroy(&matrix);
}

/* The stride of a single row is ignored. */
static void check_single_row(void)
{
    struct matrix matrix = matrix_create(1, 20, LAYOUT_STRIDED, FILL_NORMAL);
    float back[20];

    matrix.view.stride = 0;
    expect_done(transfer(&matrix.view, back, true));
    expect(memcmp(back, matrix_at(&matrix, 0, 0), sizeof(back)) == 0, "row with stride 0");
    matrix.view.stride = SIZE_MAX;
    expect_done(transfer(&matrix.view, back, true));
    matrix_destroy(&matrix);
}

static void check_order(void)
{
    struct matrix matrix = matrix_create(8, 16, LAYOUT_PACKED, FILL_ZERO);
    float row[16], back[8 * 16];

    for (uint32_t i = 0; i < 100; i++) {
        const struct hearken_matrix view = matrix_rows(&matrix, i % 8, 1);
        for (size_t at = 0; at < 16; at++)
            row[at] = (float)(i * 16 + at);
        expect_done(transfer(&view, row, false));
    }
    expect_done(transfer(&matrix.view, back, true));
    for (size_t i = 0; i < 8; i++)
        expect(back[i * 16] == (float)((i < 4 ? 96 + i : 88 + i) * 16),
               "row %zu does not hold what was written last", i);
    matrix_destroy(&matrix);
}

static void check_refused(void)
{
    struct matrix matrix = matrix_create(5, 10, LAYOUT_PACKED, FILL_NORMAL);
    struct hearken_buffer *buffer = NULL;
    static float numbers[64];

    expect_refused(subject()->kernels->buffer_create(subject()->queue, 0, &buffer));
    expect(subject()->kernels->buffer_create(subject()->queue, SIZE_MAX / 2, &buffer) == -ENOMEM,
           "a buffer of half the address space");
    for (int out = 0; out < 2; out++) {
        const struct hearken_matrix good = matrix.view;
        const struct hearken_matrix bad[] = {
            {good.buffer, 0, 6, 10, 10},
            {good.buffer, 0, 5, 11, 10},
            {good.buffer, 0, 5, 11, 11},
            {good.buffer, 1, 5, 10, 10},
            {good.buffer, 0, 5, 10, 11},
            {good.buffer, 0, 5, 10, 9},
            {good.buffer, 0, 0, 10, 10},
            {good.buffer, 0, 5, 0, 10},
            {good.buffer, 51, 1, 1, 1},
            {good.buffer, 50, 1, 1, 1},
            {good.buffer, SIZE_MAX, 1, 2, 2},
            {good.buffer, SIZE_MAX - 4, 5, 10, 10},
            {good.buffer, 0, 5, 10, SIZE_MAX / 4},
            {good.buffer, 0, UINT32_MAX, 1, SIZE_MAX / UINT32_MAX + 1},
            {NULL, 0, 1, 1, 1},
        };
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
            expect(transfer(&bad[i], numbers, out) == -EINVAL, "%s of bad view %zu was not refused",
                   out ? "read" : "write", i);
    }
    matrix_expect_unchanged(&matrix, "the buffer of refused writes");
    matrix_destroy(&matrix);
}

/* Buffers are created and destroyed in any order, and do not overlap. */
static void check_many(void)
{
    enum { COUNT = 50 };
    struct matrix matrices[COUNT];

    for (size_t i = 0; i < COUNT; i++)
        matrices[i] = matrix_create(random_size(20), random_size(50), LAYOUT_STRIDED, FILL_NORMAL);
    for (int round = 0; round < 300; round++) {
        const uint32_t i = random_below(COUNT);
        matrix_expect_unchanged(&matrices[i], "one of many buffers");
        matrix_destroy(&matrices[i]);
        matrices[i] = matrix_create(random_size(20), random_size(50), LAYOUT_STRIDED, FILL_NORMAL);
    }
    for (size_t i = 0; i < COUNT; i += 2)
        matrix_destroy(&matrices[i]);
    for (size_t i = 1; i < COUNT; i += 2)
        free(matrices[i].held); /* their buffers go with the queue */
}

static int write_all(const void *matrix)
{
    const struct matrix *all = matrix;

    return transfer(&all->view, all->held, false);
}

static int read_all(const void *matrix)
{
    const struct matrix *all = matrix;

    return transfer(&all->view, all->held, true);
}

static void bench(void)
{
    struct matrix matrix = matrix_create(750, 512, LAYOUT_PACKED, FILL_NORMAL);
    const double bytes = 750.0 * 512 * sizeof(float);

    bench_report("write", "750 x 512", bytes, "B", bench_seconds(write_all, &matrix, &matrix.view));
    bench_report("read", "750 x 512", bytes, "B", bench_seconds(read_all, &matrix, &matrix.view));
    matrix_destroy(&matrix);
}

static const struct check checks[] = {
    {"new buffers are zero", check_zeros_at_first},
    {"views", check_views},
    {"special numbers", check_special_numbers},
    {"a single row needs no stride", check_single_row},
    {"order", check_order},
    {"many buffers", check_many},
    {"refused arguments", check_refused},
};

const struct check_group memory_group = GROUP("memory", checks, bench);

/* ---- Weights ---- */

/* Creates a tensor, destroys it and returns the error of the creation. */
static int make(const struct hearken_weights *weights)
{
    struct hearken_tensor *tensor = NULL;
    const int error = subject()->plugin->tensor_create(subject()->backend, weights, &tensor);

    if (error == 0)
        subject()->plugin->tensor_destroy(subject()->backend, tensor);
    return error;
}

/* All combinations that networks use. */
static void check_accepted_weights(void)
{
    static const struct hearken_weights taken[] = {
        {HEARKEN_TENSOR_F32, HEARKEN_USE_LINEAR, 5, 7, 1, NULL},
        {HEARKEN_TENSOR_F16, HEARKEN_USE_LINEAR, 5, 7, 1, NULL},
        {HEARKEN_TENSOR_Q8_0, HEARKEN_USE_LINEAR, 5, 64, 1, NULL},
        {HEARKEN_TENSOR_F32, HEARKEN_USE_EMBED, 5, 7, 1, NULL},
        {HEARKEN_TENSOR_F16, HEARKEN_USE_EMBED, 5, 7, 1, NULL},
        {HEARKEN_TENSOR_Q8_0, HEARKEN_USE_EMBED, 5, 64, 1, NULL},
        {HEARKEN_TENSOR_F16, HEARKEN_USE_EMBED | HEARKEN_USE_LINEAR, 9, 8, 1, NULL},
        {HEARKEN_TENSOR_Q8_0, HEARKEN_USE_EMBED | HEARKEN_USE_LINEAR, 9, 32, 1, NULL},
        {HEARKEN_TENSOR_Q5_0, HEARKEN_USE_EMBED | HEARKEN_USE_LINEAR, 9, 32, 1, NULL},
        {HEARKEN_TENSOR_F32, HEARKEN_USE_CONVOLVE, 6, 3, 3, NULL},
        {HEARKEN_TENSOR_F16, HEARKEN_USE_CONVOLVE, 6, 3, 3, NULL},
        {HEARKEN_TENSOR_F32, HEARKEN_USE_CONVOLVE, 6, 3, 1, NULL},
        {HEARKEN_TENSOR_F32, HEARKEN_USE_VECTOR, 1, 11, 1, NULL},
    };
    static const uint32_t data[4096];

    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        struct hearken_weights weights = taken[i];
        weights.data = data;
        expect(make(&weights) == 0, "%s [%u, %u, %u] for uses %#x was refused: %s",
               type_name(weights.type), weights.rows, weights.columns, weights.taps, weights.use,
               subject()->message);
    }
    expect(make(&(struct hearken_weights){HEARKEN_TENSOR_F32, HEARKEN_USE_LINEAR, 5, 7, 1,
                                          data + 1}) == 0,
           "data aligned to 4 bytes were refused");
}

/* -EINVAL for invalid weights; -EINVAL or -ENOTSUP for those that a plugin need not support. */
static void check_refused_weights(void)
{
    static const uint32_t data[4096];
    const struct hearken_weights good = {HEARKEN_TENSOR_F32, HEARKEN_USE_LINEAR, 5, 7, 1, data};
    struct hearken_weights bad;

#define REFUSED(error, change)                                                                     \
    do {                                                                                           \
        bad = good;                                                                                \
        change;                                                                                    \
        const int got = make(&bad);                                                                \
        expect(got == (error) || got == -ENOTSUP, "tensor with %s: %d", #change, got);             \
    } while (0)
    REFUSED(-EINVAL, bad.rows = 0);
    REFUSED(-EINVAL, bad.columns = 0);
    REFUSED(-EINVAL, bad.use = 0);
    REFUSED(-EINVAL, bad.use = 1u << 20);
    REFUSED(-EINVAL, bad.data = NULL);
    REFUSED(-EINVAL, bad.taps = 3);
    REFUSED(-EINVAL, bad.type = HEARKEN_TENSOR_Q8_0); /* 7 columns */
    REFUSED(-EINVAL, bad.type = HEARKEN_TENSOR_Q8_0; bad.columns = 48);
    REFUSED(-EINVAL, bad.type = HEARKEN_TENSOR_Q5_0; bad.columns = 48);
    REFUSED(-EINVAL, bad.use = HEARKEN_USE_VECTOR); /* 5 rows */
    REFUSED(-EINVAL, bad.use = HEARKEN_USE_CONVOLVE; bad.taps = 0);
    /* The other kernels would read, or write, `columns` elements of a row that has three times. */
    REFUSED(-EINVAL, bad.use = HEARKEN_USE_CONVOLVE | HEARKEN_USE_LINEAR; bad.taps = 3);
    REFUSED(-EINVAL, bad.use = HEARKEN_USE_CONVOLVE | HEARKEN_USE_EMBED; bad.taps = 3);
    REFUSED(-EINVAL, bad.use = HEARKEN_USE_CONVOLVE | HEARKEN_USE_VECTOR; bad.rows = 1;
            bad.taps = 3);
    REFUSED(-EINVAL, bad.rows = bad.columns = UINT32_MAX; bad.taps = UINT32_MAX;
            bad.use = HEARKEN_USE_CONVOLVE);
    REFUSED(-ENOTSUP, bad.type = (enum hearken_tensor_type)9);
    REFUSED(-ENOTSUP, bad.type = HEARKEN_TENSOR_F16; bad.use = HEARKEN_USE_VECTOR; bad.rows = 1);
    REFUSED(-ENOTSUP, bad.type = HEARKEN_TENSOR_Q8_0; bad.use = HEARKEN_USE_CONVOLVE;
            bad.columns = 32; bad.taps = 3);
#undef REFUSED
}

static const struct check weight_checks[] = {
    {"all that the network has", check_accepted_weights},
    {"refused weights", check_refused_weights},
};

const struct check_group tensor_group = GROUP("tensor", weight_checks, NULL);
