// SPDX-License-Identifier: MIT
/* The parameters of a network, read from a model file's keys hearken.* and checked. */
#ifndef HEARKEN_MODELS_FILE_MODEL_PARAMETERS_H
#define HEARKEN_MODELS_FILE_MODEL_PARAMETERS_H

#include "models/file/gguf.h"

#define MAX_LAYERS       64u
#define MAX_START_TOKENS 16u

enum speller_kind {
    SPELLER_RECURRENT,
    SPELLER_TRANSFORMER,
};

/* The features that the listener reads; frontend/features/logmel.h has the formulas. */
struct feature_parameters {
    uint32_t fft, hop, mels;
    float floor, shift, scale;
    float below_maximum; /* the floor is the window's maximum less this; 0: `floor` is used */
    uint32_t window;     /* frames the network was trained on, 0: any number */
};

struct listener_parameters {
    uint32_t width, heads, layers, mlp;
    uint32_t positions; /* the most steps of 50 Hz */
    uint32_t pyramid;   /* steps joined to one step of the output: 1 or 2 */
    uint32_t memory_width;
    uint32_t chunk;          /* in steps; 0: not trained for chunks */
    uint32_t half_positions; /* 1: the sinusoids are rounded to half precision */
    float padding;           /* seconds of silence to append to a segment */
};

struct speller_parameters {
    enum speller_kind kind;
    uint32_t width, heads, layers, vocabulary;
    uint32_t mlp;       /* 0: none */
    uint32_t positions; /* transformer only */
    uint32_t start[MAX_START_TOKENS], start_count;
    uint32_t end;                         /* the end-of-sentence token */
    uint32_t no_speech;                   /* token, or NO_TOKEN */
    uint32_t blank;                       /* of the CTC head, or NO_TOKEN */
    uint64_t alignment_heads[MAX_LAYERS]; /* bit h of layer l: head h aligns */
    bool follows_sound; /* the file lists the heads: their attention is known to be monotonic */
};

#define NO_TOKEN UINT32_MAX

struct parameters {
    struct feature_parameters features;
    struct listener_parameters listener;
    struct speller_parameters speller;
    bool has_ctc;
};

/* Errors: -EINVAL with the key, its value and what was expected. */
int parameters_read(struct parameters *parameters, const struct gguf *gguf,
                    struct hearken_error *error);

/*
 * Reads a list of token ids: the caller frees `tokens`, which is NULL if the key is absent. Ids
 * outside of the vocabulary are an error.
 */
int parameters_read_tokens(const struct gguf *gguf, const char *key, uint32_t vocabulary,
                           uint32_t **tokens, size_t *count, struct hearken_error *error);

#endif
