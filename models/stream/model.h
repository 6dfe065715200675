// SPDX-License-Identifier: MIT
/* The struct behind the public API's opaque hearken_model. */
#ifndef HEARKEN_MODELS_STREAM_MODEL_H
#define HEARKEN_MODELS_STREAM_MODEL_H

#include "models/network/network.h"
#include "models/vad/vad.h"

#include <stdatomic.h>

struct encoder_pool;
struct logmel;

struct hearken_model {
    struct network *network;
    struct logmel *logmel;
    struct vad *vad; /* NULL: the model has no voice activity network */
    struct encoder_pool *encoders;
    char *name, *description;
    atomic_uint segment_threads; /* of all streams: model_take_segment_threads */
};

/* Threads that a stream may use to recognise several segments at the same time, at most `most`; 0
 * if the other streams leave less than two. To be given back. From any thread. */
unsigned model_take_segment_threads(struct hearken_model *model, unsigned most);
void model_give_segment_threads(struct hearken_model *model, unsigned count);

#endif
