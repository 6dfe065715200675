// SPDX-License-Identifier: MIT
/*
 * GGUF v3 files, read into memory (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 *
 * The file is untrusted: opening parses it once and checks every offset, length and type, so that
 * everything the other functions return lies within the memory. After opening, all functions are
 * safe from any thread, except gguf_release. Later changes of the file have no effect.
 */
#ifndef HEARKEN_MODELS_FILE_GGUF_H
#define HEARKEN_MODELS_FILE_GGUF_H

#include <hearken/hearken.h>

enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPE_COUNT,
};

/* Values of ggml's type field that hearken knows. */
enum gguf_tensor_type {
    GGUF_TENSOR_F32 = 0,
    GGUF_TENSOR_F16 = 1,
    GGUF_TENSOR_Q5_0 = 6,
    GGUF_TENSOR_Q8_0 = 8,
    GGUF_TENSOR_I32 = 26,
};

/* Not terminated: `length` bytes of the file in memory. */
struct gguf_string {
    const char *data;
    size_t length;
};

/* One entry of the metadata. A scalar is an array of one with `is_array` false. */
struct gguf_entry {
    char *name; /* first member, as in a tensor: both are looked up by it */
    bool is_array;
    enum gguf_type type; /* of the elements */
    uint64_t count;
    const uint8_t *data; /* little endian, not aligned */
};

#define GGUF_MAX_RANK 4

struct gguf_tensor {
    char *name;
    enum gguf_tensor_type type;
    uint32_t rank;
    uint64_t shape[GGUF_MAX_RANK]; /* innermost first, as in the file; 1 beyond the rank */
    const void *data;              /* aligned to 32 bytes; NULL if only the head was read */
    uint64_t bytes;
};

struct gguf {
    uint64_t entry_count, tensor_count;
    struct gguf_entry *entries;  /* in the file's order */
    struct gguf_tensor *tensors; /* likewise */
    uint32_t *entries_by_name;   /* indices, sorted by name */
    uint32_t *tensors_by_name;
    void *memory; /* the file's content; owned, NULL if opened from memory */
    size_t memory_size;
    bool memory_is_file; /* and goes with the file's pages */
};

/* The part of a file to read. */
enum gguf_extent {
    GGUF_WHOLE,
    GGUF_HEAD, /* metadata and tensor descriptions, without the values */
};

/*
 * Reads a file. Errors: the system's, -EINVAL for invalid content (the message names it), -EIO if
 * the file is truncated or written to meanwhile, -ENOMEM.
 */
int gguf_open(const char *path, enum gguf_extent extent, struct gguf **gguf,
              struct hearken_error *error);

/* The same for an in-memory file that nobody else can write to. It is mapped, not copied; the
 * caller closes it. Messages are without a file name. */
int gguf_open_private(int file, struct gguf **gguf, struct hearken_error *error);

/* The same for `data` [size], aligned to 32 bytes, which must outlive the result. Messages are
 * without a file name. */
int gguf_open_memory(const void *data, size_t size, struct gguf **gguf,
                     struct hearken_error *error);

void gguf_destroy(struct gguf *gguf);

/*
 * Frees the pages of a tensor's values, once a backend has its own copy; they must not be read any
 * more. No effect on a file that was opened from memory.
 */
void gguf_release(const struct gguf *gguf, const struct gguf_tensor *tensor);

/* NULL if there is none of that name. */
const struct gguf_entry *gguf_find_entry(const struct gguf *gguf, const char *name);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *gguf, const char *name);

/* Element `index` < count of an entry of a numeric or boolean type, as a number. */
double gguf_number(const struct gguf_entry *entry, uint64_t index);

/* Element 0 of an entry of type string. */
struct gguf_string gguf_string(const struct gguf_entry *entry);

/* The string at *cursor (initially entry->data); advances *cursor past it. */
struct gguf_string gguf_next_string(const uint8_t **cursor);

/* "u32", "F16" and so on; NULL for an unknown type. */
const char *gguf_type_name(enum gguf_type type);
const char *gguf_tensor_type_name(enum gguf_tensor_type type);

#endif
