// SPDX-License-Identifier: MIT
/*
 * GGUF files made in memory, right or wrong in any place, for the tests of what reads them.
 *
 * Running out of memory ends the test program; what is made here is freed by its finish or, where
 * it says so, with free().
 */
#ifndef HEARKEN_TESTS_UNIT_COMMON_MAKE_GGUF_H
#define HEARKEN_TESTS_UNIT_COMMON_MAKE_GGUF_H

#include "models/file/gguf.h"

/* ---- Bytes ---- */

/* Starts as zeros. */
struct bytes {
    uint8_t *data;
    size_t length, room;
};

void bytes_put(struct bytes *bytes, const void *data, size_t size);
void bytes_put_u32(struct bytes *bytes, uint32_t value);
void bytes_put_u64(struct bytes *bytes, uint64_t value);
/* A length of 64 bits, then the text. */
void bytes_put_string(struct bytes *bytes, const char *text);
void bytes_finish(struct bytes *bytes);

/*
 * A copy that begins at a multiple of 32 and has not one byte more, so that AddressSanitizer and
 * valgrind see any read beyond it. The caller's: free().
 */
void *exact_copy(const void *data, size_t size);

/* A new file in $TMPDIR or /tmp; its path, the caller's: unlink() and free(). */
char *write_temporary(const void *data, size_t size);

/* ---- Files ---- */

struct made_entry {
    char *name;
    struct bytes value; /* the type and what follows it */
};

struct made_tensor {
    char *name;
    uint32_t type, rank;
    uint64_t shape[GGUF_MAX_RANK]; /* innermost first */
    struct bytes data;
};

/* Starts as zeros. */
struct made_file {
    struct made_entry *entries;
    struct made_tensor *tensors;
    size_t entry_count, tensor_count;
    uint32_t alignment; /* of the data; 0: 32 */
};

/* Each takes the place of an entry of that name, if there is one. */
void made_number(struct made_file *file, const char *name, enum gguf_type type, double value);
void made_string(struct made_file *file, const char *name, const char *text);
void made_numbers(struct made_file *file, const char *name, enum gguf_type type,
                  const double *values, size_t count);
void made_strings(struct made_file *file, const char *name, const char *const *texts, size_t count);
/* Whatever `value` holds: a type and what follows it. Takes it over. */
void made_raw(struct made_file *file, const char *name, struct bytes value);

/* `data` [size] is copied. The shape is innermost first; 0 ends it before its fourth dimension. */
void made_tensor(struct made_file *file, const char *name, enum gguf_tensor_type type,
                 const uint64_t shape[GGUF_MAX_RANK], const void *data, size_t size);
/* NULL if there is none. */
struct made_tensor *made_find(struct made_file *file, const char *name);

/* Takes out the entry or tensor of that name; false if there is none. */
bool made_remove(struct made_file *file, const char *name);

/* A copy of what is in an open file. */
struct made_file made_copy(const struct gguf *gguf);

/* The file as bytes. */
struct bytes made_bytes(const struct made_file *file);
void made_finish(struct made_file *file);

#endif
