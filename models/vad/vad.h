// SPDX-License-Identifier: MIT
/*
 * Voice activity detection: a small recurrent network on log-mel frames, computed on the host (0.1
 * MFLOP a frame).
 *
 *     x = (max(log-mel, floor) + shift) / scale
 *     x = max(input · x + bias, 0)
 *     each layer, a gated recurrent unit (Cho et al. 2014, arXiv:1406.1078) as PyTorch has it:
 *         reset, update = sigmoid(input · x + bias + hidden · h + bias)
 *         new = tanh(input · x + bias + reset * (hidden · h + bias))
 *         x = h = (1 - update) * new + update * h
 *     probability = sigmoid(output · x + bias)
 *
 * Tensors and keys are in docs/model-format.md. models/train/voice/ trains it.
 */
#ifndef HEARKEN_MODELS_VAD_VAD_H
#define HEARKEN_MODELS_VAD_VAD_H

#include "models/file/gguf.h"

#define VAD_MAX_WIDTH  256u
#define VAD_MAX_LAYERS 4u

/* The weights. Immutable, shared by any number of threads and states. */
struct vad;

/*
 * Reads the network in `gguf`, for features of `mels` bands; keeps no reference to the file. `*vad`
 * is NULL and the result 0 if the file has no hearken.voice.width. Errors: -EINVAL with the key or
 * tensor, its value and what was expected; -ENOMEM.
 */
int vad_read(const struct gguf *gguf, uint32_t mels, struct vad **vad, struct hearken_error *error);

/* All states must be destroyed before. */
void vad_destroy(struct vad *vad);

/* The recurrent state for one signal, used by one thread at a time. */
struct vad_state;

/* Errors: -ENOMEM. */
int vad_state_create(const struct vad *vad, struct vad_state **state);
void vad_state_destroy(struct vad_state *state);

/*
 * Takes the next frame, [mels], log-mel before any scaling (logmel.h). Returns the probability of
 * speech, 0..1.
 */
float vad_process(struct vad_state *state, const float *logmel);

#endif
