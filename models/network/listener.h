// SPDX-License-Identifier: MIT
/*
 * The listener: features → memory. One per stream; its buffers are kept from segment to segment.
 *
 * Full mode: every step attends to every step of the segment. Chunk mode: steps come in chunks,
 * each attends to itself and the chunks before it; keys and values are kept, so nothing is
 * computed twice, and it does not matter how the features were cut when they were fed.
 */
#ifndef HEARKEN_MODELS_NETWORK_LISTENER_H
#define HEARKEN_MODELS_NETWORK_LISTENER_H

#include "models/network/network.h"

#include <stdbool.h>

struct listener;

int listener_create(const struct network *network, struct listener **listener);
void listener_destroy(struct listener *listener, struct pass *pass);

/* Steps of the memory that `frames` frames give. */
uint32_t listener_memory_steps(const struct network *network, uint32_t frames);

/* The most frames of a segment. */
uint32_t listener_max_frames(const struct network *network);

/*
 * Full mode: features [frames, mels] → memory [steps, memory_width], which is the listener's and
 * holds until the next call. 1 ≤ frames ≤ the most. Errors are in `pass`.
 */
struct hearken_matrix listener_encode(struct listener *listener, struct pass *pass,
                                      const float *features, uint32_t frames);

/* Frames of silence that features for listener_encode_window end with. */
#define LISTENER_SILENCE 8u

/* Whether the network was trained on windows that are longer than what is said in them, so that it
 * wants the silence behind it. */
bool listener_wants_window(const struct network *network);

/*
 * Full mode, as if silence followed up to the end of the window that the network was trained on.
 * The steps of silence differ in their positions alone, so a few stand for all: the last rows of
 * the memory, `stand_ins` in number and weight (zeros if the window is full). `features` [frames,
 * mels] as for listener_encode; that they end in silence is the caller's promise.
 */
struct hearken_matrix listener_encode_window(struct listener *listener, struct pass *pass,
                                             const float *features, uint32_t frames,
                                             struct hearken_stand_ins *stand_ins);

/* Chunk mode, in steps of 50 Hz a chunk (a multiple of the pyramid): a new segment. */
void listener_begin_chunks(struct listener *listener, uint32_t chunk);

/*
 * Takes what is there of the segment so far, all of it at each call: features [frames, mels]; those
 * that were given before are not read again. With `last`, that is all. → memory so far.
 */
struct hearken_matrix listener_encode_chunks(struct listener *listener, struct pass *pass,
                                             const float *features, uint32_t frames, bool last);

/* For parity with the trainer: called after conv1 (name "conv1") and each block ("block.K"). */
typedef void listener_tap(void *context, const char *name, struct hearken_matrix x);
void listener_set_tap(struct listener *listener, listener_tap *tap, void *context);

#endif
