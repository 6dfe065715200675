// SPDX-License-Identifier: MIT
/* tensor_create, tensor_destroy: accepted and rejected weights */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <stdlib.h>

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
static void check_taken(void)
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
static void check_refused(void)
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

static const struct check checks[] = {
    {"all that the network has", check_taken},
    {"refused weights", check_refused},
};

const struct check_group tensor_group = GROUP("tensor", checks, NULL);
