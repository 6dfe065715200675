// SPDX-License-Identifier: MIT
/*
 * The subset of Python's pickle format that torch.save writes for dictionaries of tensors (Python's
 * Lib/pickletools.py; PyTorch's torch/serialization.py). Anything else is an error. No code in a
 * pickle is ever executed: the allowed globals are a fixed list.
 */
#ifndef HEARKEN_CONVERT_PICKLE_H
#define HEARKEN_CONVERT_PICKLE_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>

/* `length` bytes of the pickle, not terminated. */
struct pickle_text {
    const char *data;
    size_t length;
};

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_INTEGER, /* and truth values */
    PICKLE_TEXT,
    PICKLE_TUPLE,
    PICKLE_DICTIONARY,
    PICKLE_STORAGE,
    PICKLE_TENSOR,
    PICKLE_GLOBAL,
    PICKLE_MARK,
};

struct pickle_value {
    enum pickle_kind kind;
    int64_t integer; /* or the index of a global, tuple, dictionary, storage or tensor */
    struct pickle_text text;
    size_t count; /* of a tuple */
};

struct pickle_entry {
    struct pickle_value key, value;
    size_t next; /* index in `entries` of the dictionary's next entry; 0: none */
};

/* A file of values in the archive that contains the pickle. */
struct pickle_storage {
    struct pickle_text name;
    enum value_type type;
    uint64_t count; /* of values */
};

struct pickle_tensor {
    size_t storage;
    uint64_t offset; /* in the storage, in values; the tensor's values are contiguous */
    uint32_t rank;
    uint64_t shape[CHECKPOINT_MAX_RANK]; /* outermost first */
};

struct pickle_list {
    void *items;
    size_t count, room;
};

struct pickle {
    struct pickle_list stack, memo, tuples; /* of pickle_value */
    struct pickle_list entries;             /* of pickle_entry; the first is not used */
    struct pickle_list dictionaries;        /* of indices in `entries`: first and last */
    struct pickle_list storages, tensors;
    struct pickle_value root; /* a dictionary */
};

/*
 * Parses `data` [size], which must outlive the pickle; the caller calls pickle_finish(), also after
 * an error. Errors: -EINVAL with what was found and what was expected, -ENOMEM.
 */
int pickle_read(struct pickle *pickle, const uint8_t *data, size_t size,
                struct hearken_error *error);
void pickle_finish(struct pickle *pickle);

/* Iterate over a dictionary's entries in order; NULL at the end, or if it is not a dictionary. */
const struct pickle_entry *pickle_first(const struct pickle *pickle,
                                        const struct pickle_value *dictionary);
const struct pickle_entry *pickle_next(const struct pickle *pickle,
                                       const struct pickle_entry *entry);

/* The value of that key, NULL if there is none. */
const struct pickle_value *pickle_find(const struct pickle *pickle,
                                       const struct pickle_value *dictionary, const char *key);

/* The tensor or storage of a value of that kind. */
const struct pickle_tensor *pickle_tensor(const struct pickle *pickle,
                                          const struct pickle_value *value);
const struct pickle_storage *pickle_storage(const struct pickle *pickle, size_t place);

#endif
