// SPDX-License-Identifier: MIT
/*
 * From samples to memory: features, the silence after a segment, the listener. Used by one thread
 * at a time. Buffers are kept from segment to segment.
 */
#ifndef HEARKEN_MODELS_STREAM_ENCODER_PIPELINE_H
#define HEARKEN_MODELS_STREAM_ENCODER_PIPELINE_H

#include "models/network/network.h"
#include "models/network/pass.h"

#include <stdbool.h>

struct encoder_pipeline;
struct logmel;

/* The memory and its stand-in steps. Owned by the listener, valid until the next call. */
struct encoder_output {
    struct hearken_matrix memory;
    struct hearken_stand_ins stand_ins;
};

/* `network` and `tables` must outlive it. Errors: -ENOMEM, the backend's. */
int encoder_pipeline_create(const struct network *network, const struct logmel *tables,
                            struct encoder_pipeline **encoder);
void encoder_pipeline_destroy(struct encoder_pipeline *encoder, struct pass *pass);

/* Gives back memory that only encoding needs, between segments. */
void encoder_pipeline_rest(struct encoder_pipeline *encoder, struct pass *pass);

/* Maximum length of a segment, samples at HEARKEN_RATE. */
size_t encoder_pipeline_max_samples(const struct network *network);

/*
 * Encodes a whole segment with full attention; 1 ≤ count ≤ the maximum. `padding`: seconds of
 * silence behind it, for a listener that was trained on windows. Errors are in `pass`.
 */
struct encoder_output encoder_pipeline_encode(struct encoder_pipeline *encoder, struct pass *pass,
                                              const float *samples, size_t count, double padding);

/* Begins a segment that encoder_pipeline_encode_partial will encode as it grows. */
void encoder_pipeline_begin_partial(struct encoder_pipeline *encoder);

/*
 * Encodes the segment so far. `samples`: those of the last call and more. A listener trained for
 * chunks encodes only the new ones, any other encodes all again. -ENOMEM; errors of the listener
 * are in `pass`.
 */
int encoder_pipeline_encode_partial(struct encoder_pipeline *encoder, struct pass *pass,
                                    const float *samples, size_t count,
                                    struct encoder_output *output);

/*
 * Whether encode_partial encodes only new sound. If so, encoder_pipeline_encode must not be called
 * between its calls.
 */
bool encoder_pipeline_is_incremental(const struct network *network);

#endif
