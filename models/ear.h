// SPDX-License-Identifier: MIT
/*
 * From samples to memory: features, the silence behind a segment, the listener. One per stream,
 * used by one thread at a time; its buffers are kept from segment to segment.
 */
#ifndef HEARKEN_MODELS_EAR_H
#define HEARKEN_MODELS_EAR_H

#include "model.h"
#include "pass.h"

#include <stdbool.h>

struct ear;

/* What the listener gives: the memory, and which of its steps stand for more. The listener's, until
 * the next call. */
struct heard {
    struct hearken_matrix memory;
    struct hearken_stand_ins stand_ins;
};

/* `padding`: seconds of silence behind a whole segment. `model` has to live longer. Errors:
 * -ENOMEM, the backend's. */
int ear_create(const struct hearken_model *model, double padding, struct ear **ear);
void ear_destroy(struct ear *ear, struct pass *pass);

/* The most samples of a segment, at HEARKEN_RATE. */
size_t ear_max_samples(const struct ear *ear);

/* A whole segment, 1 ≤ count ≤ the most; full attention. Errors are in `pass`. */
struct heard ear_hear(struct ear *ear, struct pass *pass, const float *samples, size_t count);

/* A new segment begins, to be glanced at while it grows. */
void ear_begin(struct ear *ear);

/*
 * The segment so far: the same samples as at the last call and some more. A listener that was
 * trained for chunks hears only what is new; another one all of it again. -ENOMEM; errors of the
 * listener are in `pass`.
 */
int ear_glance(struct ear *ear, struct pass *pass, const float *samples, size_t count,
               struct heard *heard);

/* Whether glances hear only what is new: then nothing may be heard whole between them. */
bool ear_hears_chunks(const struct ear *ear);

#endif
