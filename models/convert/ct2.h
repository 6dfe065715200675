// SPDX-License-Identifier: MIT
/*
 * CTranslate2's model.bin, read in place (layout: CTranslate2 4, src/models/model.cc).
 *
 * The file is untrusted: open walks it once and checks every length, so that what the other
 * functions return lies inside the mapping. All are safe from any thread after open.
 */
#ifndef HEARKEN_CONVERT_CT2_H
#define HEARKEN_CONVERT_CT2_H

#include "complaint.h"

#include <stddef.h>
#include <stdint.h>

enum ct2_type {
    CT2_F32,
    CT2_I8,
    CT2_I16,
    CT2_I32,
    CT2_F16,
    CT2_BF16,
    CT2_TYPE_COUNT,
};

#define CT2_MAX_RANK 4

struct ct2_tensor {
    const char *name; /* in the mapping, terminated */
    enum ct2_type type;
    uint32_t rank;                /* 0: a scalar */
    uint64_t shape[CT2_MAX_RANK]; /* outermost first; 1 beyond the rank */
    uint64_t count;               /* of values */
    const uint8_t *data;          /* in the mapping, little endian, not aligned */
};

struct ct2 {
    const char *specification;  /* what kind of model, in the mapping */
    struct ct2_tensor *tensors; /* sorted by name; aliases are entries of their own */
    size_t count;
    void *mapping;
    size_t mapping_size;
};

/* Maps a file. Errors: the system's, -EINVAL for what is in it, -ENOMEM. */
int ct2_open(const char *path, struct ct2 **ct2, struct complaint *complaint);
void ct2_destroy(struct ct2 *ct2);

/* NULL if there is none of that name. */
const struct ct2_tensor *ct2_find(const struct ct2 *ct2, const char *name);

/* Value 0 of an integer tensor. */
int32_t ct2_integer(const struct ct2_tensor *tensor);

/* Values `first` to first + count of a tensor of F32, F16 or BF16; inside of it. */
void ct2_read(const struct ct2_tensor *tensor, uint64_t first, size_t count, float *out);

const char *ct2_type_name(enum ct2_type type);

#endif
