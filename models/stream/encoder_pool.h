// SPDX-License-Identifier: MIT
/*
 * The encoders of a model for whole segments. All streams whose texts may wait share as many as
 * there are processors, at least two: more would only take memory and each other's caches. Urgent
 * streams do not wait for them. All functions may be called from any thread; a forked child makes
 * an encoder of its own each time.
 */
#ifndef HEARKEN_MODELS_STREAM_ENCODER_POOL_H
#define HEARKEN_MODELS_STREAM_ENCODER_POOL_H

#include "models/network/network.h"
#include "models/network/pass.h"

struct encoder_pool;
struct encoder_pipeline;
struct logmel;

struct pooled_encoder {
    struct encoder_pipeline *pipeline;
    struct pass pass; /* on a queue of its own */
    bool is_urgent;
    struct pooled_encoder *next;
};

/* Both arguments must outlive the pool. Errors: -ENOMEM. */
int encoder_pool_create(const struct network *network, const struct logmel *logmel,
                        struct encoder_pool **pool);
/* All encoders must have been given back. Accepts NULL. */
void encoder_pool_destroy(struct encoder_pool *pool);

/*
 * Waits for an encoder, first come, first served; not if it is urgent. `cancelled` (or NULL) ends
 * the wait and stops the encoder's pass. To be given back. Errors: -ECANCELED, -ENOMEM, the
 * backend's.
 */
int encoder_pool_take(struct encoder_pool *pool, bool is_urgent, const atomic_bool *cancelled,
                      struct pooled_encoder **encoder);
/* Has those that wait look whether they are cancelled: to be called once one is. */
void encoder_pool_notice(struct encoder_pool *pool);
/* The memory that it has computed is no longer valid. */
void encoder_pool_give(struct encoder_pool *pool, struct pooled_encoder *encoder);

#endif
