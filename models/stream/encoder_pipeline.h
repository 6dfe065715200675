// SPDX-License-Identifier: MIT
/*
 * From samples to memory: features, the silence behind a segment, the listener. One per stream,
 * used by one thread at a time; its buffers are kept from segment to segment.
 */
#ifndef HEARKEN_MODELS_STREAM_ENCODER_PIPELINE_H
#define HEARKEN_MODELS_STREAM_ENCODER_PIPELINE_H

#include "models/network/pass.h"
#include "models/stream/model.h"

#include <stdbool.h>

struct encoder_pipeline;

/* What the listener gives: the memory, and which of its steps stand for more. The listener's, until
 * the next call. */
struct encoder_output {
    struct hearken_matrix memory;
    struct hearken_stand_ins stand_ins;
};

/* `padding`: seconds of silence behind a whole segment. `model` has to live longer. Errors:
 * -ENOMEM, the backend's. */
int encoder_pipeline_create(const struct hearken_model *model, double padding,
                            struct encoder_pipeline **encoder);
void encoder_pipeline_destroy(struct encoder_pipeline *encoder, struct pass *pass);

/* The most samples of a segment, at HEARKEN_RATE. */
size_t encoder_pipeline_max_samples(const struct encoder_pipeline *encoder);

/* A whole segment, 1 ≤ count ≤ the most; full attention. Errors are in `pass`. */
struct encoder_output encoder_pipeline_encode(struct encoder_pipeline *encoder, struct pass *pass,
                                              const float *samples, size_t count);

/* A new segment begins, to be glanced at while it grows. */
void encoder_pipeline_begin(struct encoder_pipeline *encoder);

/*
 * The segment so far: the same samples as at the last call and some more. A listener that was
 * trained for chunks hears only what is new; another one all of it again. -ENOMEM; errors of the
 * listener are in `pass`.
 */
int encoder_pipeline_encode_partial(struct encoder_pipeline *encoder, struct pass *pass,
                                    const float *samples, size_t count,
                                    struct encoder_output *heard);

/* Whether glances hear only what is new: then nothing may be heard whole between them. */
bool encoder_pipeline_is_incremental(const struct encoder_pipeline *encoder);

#endif
