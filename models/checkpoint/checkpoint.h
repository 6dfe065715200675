// SPDX-License-Identifier: MIT
/*
 * A Whisper checkpoint of any format, as what reads one fills it in: tensors by the names that
 * OpenAI's own code gives them ("encoder.blocks.0.attn.query.weight"), tokens, lists of numbers.
 *
 * A reader checks that every tensor's values lie inside its memory; what a network needs of them
 * is whisper_checkpoint.h's to check. After it is filled in it does not change: safe from any
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
    VALUE_Q4_0, /* from here on blocks of 32 values, as ggml has them (quantize.h) */
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

/* Memory with what a file holds, mapped by itself. */
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

    uint32_t listener_heads, speller_heads; /* the file's or the configuration's */
    struct number_list alignment_heads;     /* layer * heads + head; of those that follow sound */
    struct number_list suppress;            /* tokens that are never written */
    struct number_list suppress_at_begin;   /* nor as the first one */
    struct tokens tokens;
    float *mel_filters; /* [mel_bands][FREQUENCY_BINS]; NULL: those of whisper_known.h */
    uint32_t mel_bands;
};

/* Its first bytes, at most `size`, without waiting for a pipe; how many. 0: none can be read. */
size_t checkpoint_peek(const char *path, uint8_t *start, size_t size);

/*
 * Reads a file into memory, for as long as the checkpoint lives. Errors: the system's, -EINVAL for
 * what is no file, -EIO for one that is cut short or written to meanwhile, -ENOMEM.
 */
int checkpoint_load(struct checkpoint *checkpoint, const char *path, struct mapping *mapping,
                    struct hearken_error *error);

/*
 * Memory for as long as the checkpoint lives, to be filled in by the caller; NULL after -ENOMEM,
 * which `error` tells.
 */
uint8_t *checkpoint_reserve(struct checkpoint *checkpoint, size_t size, struct mapping *mapping,
                            struct hearken_error *error);

/*
 * Checks `shape` and `type`, and that `available` bytes at `data` hold them, and adds the tensor.
 * `bytes` is set to what its values take unless it is NULL. `path` is the file's, for messages.
 * Errors: -EINVAL, named; -ENOMEM.
 */
int checkpoint_add(struct checkpoint *checkpoint, const char *path,
                   const struct checkpoint_tensor *tensor, uint64_t available, uint64_t *bytes,
                   struct hearken_error *error);

/* After the last tensor. Errors: -EINVAL for a name that is there twice. */
int checkpoint_sort(struct checkpoint *checkpoint, const char *path, struct hearken_error *error);

/* NULL if there is none of that name. */
const struct checkpoint_tensor *checkpoint_find(const struct checkpoint *checkpoint,
                                                const char *name);

/* Values `first` to first + count of a tensor, inside of it; of blocks whole ones. */
void checkpoint_read(const struct checkpoint_tensor *tensor, uint64_t first, size_t count,
                     float *out);

/* Bytes that `count` values take; of blocks whole ones. */
uint64_t value_bytes(enum value_type type, uint64_t count);
bool value_is_quantized(enum value_type type);
const char *value_type_name(enum value_type type);

/* For any state, also after an error. */
void checkpoint_finish(struct checkpoint *checkpoint);

#endif
