// SPDX-License-Identifier: MIT
/* Whisper's network in a checkpoint: its checked dimensions, and the tensors of the model file. */
#ifndef HEARKEN_MODELS_CHECKPOINT_WHISPER_CHECKPOINT_H
#define HEARKEN_MODELS_CHECKPOINT_WHISPER_CHECKPOINT_H

#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/gguf_writer.h"

#include <hearken/hearken.h>
#include <stdbool.h>

struct whisper {
    uint32_t mels, width, heads, mlp;
    uint32_t listener_layers, listener_positions;
    uint32_t speller_layers, speller_positions;
    uint32_t vocabulary;
    bool half_positions; /* the listener's are rounded to half precision */
    bool multilingual;   /* has tokens for languages and tasks */
};

/* Errors: -EINVAL with what is missing, has another shape or is not supported. */
int whisper_read(struct whisper *whisper, const struct checkpoint *checkpoint,
                 struct hearken_error *error);

#define MAX_PARTS 3u

/* One tensor of the model file, and where its values are. */
struct whisper_tensor {
    char name[64];
    enum gguf_tensor_type type;
    uint32_t rank;
    uint64_t shape[GGUF_MAX_RANK]; /* innermost first; 1 beyond the rank */
    /* Concatenated, the same number of rows each; NULL: zeros. */
    const struct checkpoint_tensor *parts[MAX_PARTS];
    uint32_t part_count;
    const uint32_t *rows; /* the rows to keep of a single part, owned by the caller; NULL: all */
};

struct whisper_tensors {
    struct whisper_tensor *tensors;
    size_t count;
};

/* The types of large matrices in the model file. */
struct whisper_types {
    enum gguf_tensor_type matrices, embedding;
    bool keep; /* keep the checkpoint's types that a model file supports */
};

/*
 * Lists all tensors of the model file except features.*. `kept` [kept_count]: the rows of the
 * embedding to keep; it and `checkpoint` must outlive the list. The caller calls
 * whisper_tensors_finish(), also after an error. Errors: -EINVAL, -ENOMEM.
 */
int whisper_list_tensors(struct whisper_tensors *list, const struct whisper *whisper,
                         const struct checkpoint *checkpoint, struct whisper_types types,
                         const uint32_t *kept, uint32_t kept_count, struct hearken_error *error);
void whisper_tensors_finish(struct whisper_tensors *list);

#endif
