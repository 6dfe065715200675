// SPDX-License-Identifier: MIT
/* What is behind struct hearken_model. */
#ifndef HEARKEN_MODELS_STREAM_MODEL_H
#define HEARKEN_MODELS_STREAM_MODEL_H

#include "models/network/network.h"
#include "models/vad/vad.h"

struct logmel;

struct hearken_model {
    struct network *network;
    struct logmel *logmel;
    struct vad *vad; /* NULL if the file has none */
    char *name, *description;
};

#endif
