// SPDX-License-Identifier: MIT
/*
 * Writes a GGUF v3 file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata,
 * then tensors, then their values in the same order. The file is made beside the one that it
 * replaces, where the file system can without a name, and takes that one's name when it is whole,
 * its mode and, where the system allows it, its owner; a symbolic link is followed. The first
 * failure sticks: only gguf_writer_finish needs to be asked. One thread at a time.
 */
#ifndef HEARKEN_CHECKPOINT_GGUF_WRITER_H
#define HEARKEN_CHECKPOINT_GGUF_WRITER_H

#include "models/file/gguf.h"

#include <hearken/hearken.h>
#include <stddef.h>
#include <stdint.h>

struct gguf_writer;

/* Without a path, a file in memory. `path` and `error` outlive the writer. Errors: the
 * system's; -EINVAL for what is there and no regular file; -ENOMEM. */
int gguf_writer_create(const char *path, struct gguf_writer **writer, struct hearken_error *error);

/* Removes the temporary file if there is one. NULL is accepted. */
void gguf_writer_destroy(struct gguf_writer *writer);

void gguf_add_text(struct gguf_writer *writer, const char *key, const char *value);
void gguf_add_u32(struct gguf_writer *writer, const char *key, uint32_t value);
void gguf_add_f32(struct gguf_writer *writer, const char *key, float value);
void gguf_add_u32s(struct gguf_writer *writer, const char *key, const uint32_t *values,
                   size_t count);
void gguf_add_i32s(struct gguf_writer *writer, const char *key, const int32_t *values,
                   size_t count);

/* The strings names[chosen[i]], i < count. */
void gguf_add_texts(struct gguf_writer *writer, const char *key, char *const *names,
                    const uint32_t *chosen, size_t count);

/* As another file has it: to be copied, not read. */
void gguf_add_entry(struct gguf_writer *writer, const struct gguf_entry *entry);

/* `shape` innermost first. Q8_0 and Q5_0: shape[0] is a multiple of 32. */
void gguf_add_tensor(struct gguf_writer *writer, const char *name, enum gguf_tensor_type type,
                     uint32_t rank, const uint64_t *shape);

/* After the last tensor is added and before the first value. */
void gguf_write_head(struct gguf_writer *writer);

/* Instead of the values: they become zeros, which take no room in a file. */
void gguf_leave_values(struct gguf_writer *writer);

/* The next values of the first tensor that is not full; in blocks of 32 if it has those. */
void gguf_write_values(struct gguf_writer *writer, const float *values, size_t count);

/* The same for values that are already as the tensor has them. */
void gguf_write_packed(struct gguf_writer *writer, const void *data, size_t count);

/* All of the next tensor, of any type, as another file has it: of the same type and shape. */
void gguf_write_tensor(struct gguf_writer *writer, const struct gguf_tensor *tensor);

/* Makes the file whole, on disk, and gives it its name. The first failure of them all. */
int gguf_writer_finish(struct gguf_writer *writer);

/* After finish: the descriptor of a file in memory, from then on the caller's. */
int gguf_writer_take(struct gguf_writer *writer);

#endif
