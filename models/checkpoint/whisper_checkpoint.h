// SPDX-License-Identifier: MIT
/* Whisper's network out of a checkpoint: its numbers, checked, and the model file's tensors. */
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
    bool multilingual;   /* knows languages and tasks */
};

/* Errors: -EINVAL with what is missing or of another shape or kind than hearken computes. */
int whisper_read(struct whisper *whisper, const struct checkpoint *checkpoint,
                 struct hearken_error *error);

#define MAX_PARTS 3u

/* One tensor of the model file, and where its values are. */
struct whisper_tensor {
    char name[64];
    enum gguf_tensor_type type;
    uint32_t rank;
    uint64_t shape[GGUF_MAX_RANK]; /* innermost first; 1 beyond the rank */
    /* One under the other, the same number of rows each; NULL: zeros. */
    const struct checkpoint_tensor *parts[MAX_PARTS];
    uint32_t part_count;
    const uint32_t *rows; /* NULL: all; otherwise these of the one part, the caller's */
};

struct whisper_tensors {
    struct whisper_tensor *tensors;
    size_t count;
};

/* What matrices become in the model file, where they are large enough. */
struct whisper_types {
    enum gguf_tensor_type matrices, embedding;
    bool keep; /* each as the checkpoint has it, where a model file can: otherwise these */
};

/*
 * All tensors of the model file but for features.*: `kept` are the kept_count rows of the embedding
 * that it gets. Both and `checkpoint` outlive the list. Errors: -EINVAL, named; -ENOMEM. Owned by
 * the caller, who calls whisper_tensors_finish, also after an error.
 */
int whisper_list_tensors(struct whisper_tensors *list, const struct whisper *whisper,
                         const struct checkpoint *checkpoint, struct whisper_types types,
                         const uint32_t *kept, uint32_t kept_count, struct hearken_error *error);
void whisper_tensors_finish(struct whisper_tensors *list);

#endif
