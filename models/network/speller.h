// SPDX-License-Identifier: MIT
/*
 * The speller: writes text, token by token, for several hypotheses at once, looking at the memory.
 * Two kinds (recurrent, transformer) behind one interface; neither knows of beams or scores. One
 * per stream. Errors are in `pass`; matrices hold until the next call.
 */
#ifndef HEARKEN_MODELS_NETWORK_SPELLER_H
#define HEARKEN_MODELS_NETWORK_SPELLER_H

#include "models/network/network.h"

struct speller;

/* For up to `hypotheses` at once. */
int speller_create(const struct network *network, uint32_t hypotheses, struct speller **speller);
void speller_destroy(struct speller *speller, struct pass *pass);

/* A new segment: what was heard is forgotten. */
void speller_reset(struct speller *speller);

/*
 * Takes the memory so far, [steps, memory_width]. Keys and values of steps that were given before
 * are kept, so a memory that grows costs only what is new. The last steps may be stand-ins.
 */
void speller_set_memory(struct speller *speller, struct pass *pass, struct hearken_matrix memory,
                        struct hearken_stand_ins stand_ins);

/* Steps of the memory that were given. */
uint32_t speller_memory_steps(const struct speller *speller);

/* The tokens with which texts start. */
struct speller_start {
    const uint32_t *tokens;
    uint32_t count; /* at least 1 */
    uint32_t first; /* behind this one the network tells whether anybody speaks */
};

/* From the next start on, instead of those of the model file; they are not copied. A transformer
 * must have room for one more. Returns those of before. */
struct speller_start speller_start_with(struct speller *speller, struct speller_start start);

/* The most tokens that a text can have, without those that start it. */
uint32_t speller_max_tokens(const struct speller *speller);

/* Starts a text with one hypothesis → logits of its first token [1, vocabulary]. */
struct hearken_matrix speller_start(struct speller *speller, struct pass *pass);

/* After start: the probability that there is no speech; 0 where the network does not tell. */
float speller_no_speech(const struct speller *speller);

/*
 * Hypothesis r becomes hypothesis parents[r] of the last call, continued with tokens[r] → logits of
 * the next tokens [count, vocabulary].
 */
struct hearken_matrix speller_step(struct speller *speller, struct pass *pass,
                                   const uint32_t *parents, const uint32_t *tokens, uint32_t count);

/* The most tokens that speller_extend takes. Two tiles of rows for most kernels; the logits of more
 * would only take memory. */
#define SPELLER_EXTEND_MAX 28u

/*
 * The one hypothesis of the last call, continued with `count` tokens at once → the logits behind
 * each of them [count, vocabulary]. What speller_read_alignment gives has as many rows.
 */
struct hearken_matrix speller_extend(struct speller *speller, struct pass *pass,
                                     const uint32_t *tokens, uint32_t count);

/*
 * Takes back all but the first `kept` tokens of that call, 1 ≤ kept ≤ count; `logits` as it
 * returned them → those behind the last one kept [1, vocabulary].
 */
struct hearken_matrix speller_keep(struct speller *speller, struct hearken_matrix logits,
                                   uint32_t kept);

/*
 * Where the hypotheses of the last call looked for those logits: the weights of the alignment
 * heads, averaged, [hypotheses, steps]; each row sums to 1. Waits.
 */
void speller_read_alignment(struct speller *speller, struct pass *pass, float *alignment);

/* For parity: the weights of a layer with alignment heads as they are, [hypotheses, heads, steps].
 * Waits. */
void speller_read_layer_alignment(struct speller *speller, struct pass *pass, uint32_t layer,
                                  float *alignment);

#endif
