// SPDX-License-Identifier: MIT
/* The struct behind the public API's opaque hearken_model. */
#ifndef HEARKEN_MODELS_STREAM_MODEL_H
#define HEARKEN_MODELS_STREAM_MODEL_H

#include "models/network/network.h"
#include "models/vad/vad.h"

struct logmel;

struct hearken_model {
    struct network *network;
    struct logmel *logmel;
    struct vad *vad; /* NULL: the model has no voice activity network */
    char *name, *description;
};

#endif
