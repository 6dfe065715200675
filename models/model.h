// SPDX-License-Identifier: MIT
/* What is behind struct hearken_model. */
#ifndef HEARKEN_MODELS_MODEL_H
#define HEARKEN_MODELS_MODEL_H

#include "network.h"
#include "voice.h"

struct logmel;

struct hearken_model {
    struct network *network;
    struct logmel *logmel;
    struct voice *voice; /* NULL if the file has none */
    char *name, *description;
};

#endif
