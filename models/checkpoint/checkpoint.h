// SPDX-License-Identifier: MIT
/*
 * A Whisper checkpoint, independent of its file format: tensors with the names of OpenAI's code
 * ("encoder.blocks.0.attn.query.weight"), tokens, and lists of numbers. A reader for each format
 * fills it in.
 *
 * A reader checks that every tensor's values lie within its memory; whisper_checkpoint.h checks
 * that the tensors form a Whisper network. A filled-in checkpoint is immutable and safe from any
 * thread.
 */
#ifndef HEARKEN_CHECKPOINT_CHECKPOINT_H
#define HEARKEN_CHECKPOINT_CHECKPOINT_H

#include "models/checkpoint/checkpoint_tokens.h"

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_type {
    VALUE_F32,
    VALUE_F16,
    VALUE_BF16,
    VALUE_Q4_0, /* this and the following: ggml's blocks of 32 values (quantize.h) */
    VALUE_Q4_1,
    VALUE_Q5_0,
    VALUE_Q5_1,
    VALUE_Q8_0,
    VALUE_TYPE_COUNT,
};

#define CHECKPOINT_MAX_RANK 4
#define CHECKPOINT_MAX_NAME 96

struct checkpoint_tensor {
    char name[CHECKPOINT_MAX_NAME];
    enum value_type type;
    uint32_t rank;                       /* 0: a scalar */
    uint64_t shape[CHECKPOINT_MAX_RANK]; /* outermost first; 1 beyond the rank */
    uint64_t count;                      /* of values */
    const uint8_t *data;                 /* little endian, not aligned */
};

struct number_list {
    uint32_t *numbers;
    size_t count;
};

/* A file's content in memory of its own. */
struct mapping {
    const uint8_t *data;
    size_t size;
};

struct checkpoint {
    const char *format;                /* "CTranslate2" and so on, for messages */
    struct checkpoint_tensor *tensors; /* sorted by name once checkpoint_sort was called */
    size_t count, room;
    struct mapping *mappings; /* owned */
    size_t mapping_count;

    uint32_t listener_heads, speller_heads; /* from the file or its configuration */
    struct number_list alignment_heads;     /* layer * heads + head, of monotonic heads */
    struct number_list suppress;            /* tokens that are never output */
    struct number_list suppress_at_begin;   /* tokens that are not output first */
    struct tokens tokens;
    float *mel_filters; /* [mel_bands][FREQUENCY_BINS]; NULL: those of whisper_known.h */
    uint32_t mel_bands;
};

/* Reads a file's first bytes, at most `size`, without blocking on a FIFO. Returns how many; 0 on
 * failure. */
size_t checkpoint_peek(const char *path, uint8_t *start, size_t size);

/*
 * Reads a file into memory that the checkpoint owns. Errors: the system's, -EINVAL if it is not a
 * regular file, -EIO if it is truncated or written to meanwhile, -ENOMEM.
 */
int checkpoint_load(struct checkpoint *checkpoint, const char *path, struct mapping *mapping,
                    struct hearken_error *error);

/*
 * Allocates memory that the checkpoint owns and the caller fills in. NULL with `error` set if out
 * of memory.
 */
uint8_t *checkpoint_reserve(struct checkpoint *checkpoint, size_t size, struct mapping *mapping,
                            struct hearken_error *error);

/*
 * Adds a tensor after checking its shape and type, and that its values fit in the `available` bytes
 * at `data`. Sets `bytes`, if not NULL, to their size. `path` is the file's, for messages. Errors:
 * -EINVAL, -ENOMEM.
 */
int checkpoint_add(struct checkpoint *checkpoint, const char *path,
                   const struct checkpoint_tensor *tensor, uint64_t available, uint64_t *bytes,
                   struct hearken_error *error);

/* Call it after the last tensor. Errors: -EINVAL for duplicate names. */
int checkpoint_sort(struct checkpoint *checkpoint, const char *path, struct hearken_error *error);

/* NULL if there is none of that name. */
const struct checkpoint_tensor *checkpoint_find(const struct checkpoint *checkpoint,
                                                const char *name);

/* Converts the values first <= i < first + count of a tensor to floats; for types with blocks, only
 * whole blocks. */
void checkpoint_read(const struct checkpoint_tensor *tensor, uint64_t first, size_t count,
                     float *out);

/* Frees the pages of a tensor's values, which must not be read any more: they become zeros. No
 * effect on values outside of the checkpoint's own memory. */
void checkpoint_release(const struct checkpoint *checkpoint,
                        const struct checkpoint_tensor *tensor);

/* Size of `count` values in bytes; for types with blocks, only whole blocks. */
uint64_t value_bytes(enum value_type type, uint64_t count);
bool value_is_quantized(enum value_type type);
const char *value_type_name(enum value_type type);

/* Accepts any state, also after an error. */
void checkpoint_finish(struct checkpoint *checkpoint);

#endif
