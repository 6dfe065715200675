// SPDX-License-Identifier: MIT
/*
 * The listener (encoder): features → memory. One per stream; buffers are kept from segment to
 * segment.
 *
 * Full mode: every step attends to every step of the segment. Chunk mode: a step attends to its own
 * chunk and those before. Keys and values of finished chunks are kept, so each step is computed
 * once, and the memory does not depend on how features are divided into calls.
 */
#ifndef HEARKEN_MODELS_NETWORK_LISTENER_H
#define HEARKEN_MODELS_NETWORK_LISTENER_H

#include "models/network/network.h"

#include <stdbool.h>

struct listener;

int listener_create(const struct network *network, struct listener **listener);
void listener_destroy(struct listener *listener, struct pass *pass);

/* Releases the largest buffer until the next segment. Not between the calls for a segment in
 * chunks. */
void listener_rest(struct listener *listener, struct pass *pass);

/* Steps of the memory for `frames` frames. */
uint32_t listener_memory_steps(const struct network *network, uint32_t frames);

/* Maximum length of a segment, frames. */
uint32_t listener_max_frames(const struct network *network);

/*
 * Full mode: features [frames, mels] → memory [steps, memory_width], owned by the listener and
 * valid until the next call. 1 ≤ frames ≤ listener_max_frames. Errors are in `pass`.
 */
struct hearken_matrix listener_encode(struct listener *listener, struct pass *pass,
                                      const float *features, uint32_t frames);

/* Frames of silence at the end of the features for listener_encode_window. */
#define LISTENER_SILENCE 8u

/*
 * Whether the network was trained on windows longer than the speech in them, so that it needs
 * silence after speech.
 */
bool listener_needs_window(const struct network *network);

/*
 * Full mode, as if silence followed up to the end of the training window. Steps of silence differ
 * only in their positions, so a few stand in for all: the last rows of the memory, `stand_ins` in
 * count and weight (zeros if the window is full). `features` [frames, mels] as for listener_encode,
 * but they must end with LISTENER_SILENCE frames of silence.
 */
struct hearken_matrix listener_encode_window(struct listener *listener, struct pass *pass,
                                             const float *features, uint32_t frames,
                                             struct hearken_stand_ins *stand_ins);

/* Chunk mode: begins a segment. `chunk`: steps of a chunk at 50 Hz, a multiple of the pyramid. */
void listener_begin_chunks(struct listener *listener, uint32_t chunk);

/*
 * Encodes the segment so far: features [frames, mels] from its start; frames of earlier calls are
 * not read again. `last`: the segment is complete. → memory so far.
 */
struct hearken_matrix listener_encode_chunks(struct listener *listener, struct pass *pass,
                                             const float *features, uint32_t frames, bool last);

/*
 * For parity tests with the trainer: called after conv1 (name "conv1") and each block ("block.K").
 */
typedef void listener_tap(void *context, const char *name, struct hearken_matrix x);
void listener_set_tap(struct listener *listener, listener_tap *tap, void *context);

#endif
