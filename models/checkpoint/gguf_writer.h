// SPDX-License-Identifier: MIT
/*
 * Writes a GGUF v3 file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata,
 * then tensors, then their values in the same order. The file is written in the folder of the one
 * that it replaces, unnamed if the file system supports that. When complete, it takes over that
 * one's name, mode and, if permitted, owner; a symbolic link is followed. The first error is kept
 * and gguf_writer_finish() returns it, so other calls need no check. One thread at a time.
 */
#ifndef HEARKEN_CHECKPOINT_GGUF_WRITER_H
#define HEARKEN_CHECKPOINT_GGUF_WRITER_H

#include "models/file/gguf.h"

#include <hearken/hearken.h>
#include <stddef.h>
#include <stdint.h>

struct gguf_writer;

/* `path` NULL: an in-memory file. `path` and `error` must outlive the writer. Errors: the system's,
 * -EINVAL if the path is not a regular file, -ENOMEM. */
int gguf_writer_create(const char *path, struct gguf_writer **writer, struct hearken_error *error);

/* Removes the temporary file, if there is one. Accepts NULL. */
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

/* Copies an entry of another file. */
void gguf_add_entry(struct gguf_writer *writer, const struct gguf_entry *entry);

/* `shape` innermost first. Q8_0 and Q5_0: shape[0] is a multiple of 32. */
void gguf_add_tensor(struct gguf_writer *writer, const char *name, enum gguf_tensor_type type,
                     uint32_t rank, const uint64_t *shape);

/* Call it after the last tensor is added and before the first value. */
void gguf_write_head(struct gguf_writer *writer);

/* Call it instead of writing values: they become zeros, a hole in the file. */
void gguf_leave_values(struct gguf_writer *writer);

/* The next values of the first tensor that is not full; in blocks of 32 if it has those. */
void gguf_write_values(struct gguf_writer *writer, const float *values, size_t count);

/* The same for values that have the tensor's type already. */
void gguf_write_packed(struct gguf_writer *writer, const void *data, size_t count);

/* Copies all values of the next tensor, of any type, from another file's tensor of the same type
 * and shape. */
void gguf_write_tensor(struct gguf_writer *writer, const struct gguf_tensor *tensor);

/* Completes the file, syncs it and renames it. Returns the first error of all calls. */
int gguf_writer_finish(struct gguf_writer *writer);

/* After finish: the descriptor of an in-memory file, which the caller then owns. */
int gguf_writer_take(struct gguf_writer *writer);

#endif
