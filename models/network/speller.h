// SPDX-License-Identifier: MIT
/*
 * The speller (decoder): predicts text token by token, for several hypotheses at once, with
 * attention to the memory. Two kinds (recurrent, transformer) share one interface; neither knows of
 * beams or scores. One per stream. Errors are in `pass`; matrices are valid until the next call.
 */
#ifndef HEARKEN_MODELS_NETWORK_SPELLER_H
#define HEARKEN_MODELS_NETWORK_SPELLER_H

#include "models/network/network.h"

struct speller;
struct step_scheduler;

/* For up to `hypotheses` at once. Errors: -ENOMEM. */
int speller_create(const struct network *network, uint32_t hypotheses, struct speller **speller);
void speller_destroy(struct speller *speller, struct pass *pass);

/*
 * From now on a transformer's steps are computed together with those of others in `scheduler`,
 * which must outlive the speller, and no longer in another one. Between texts: the last logits are
 * no longer valid. A recurrent speller does without.
 */
void speller_join(struct speller *speller, struct step_scheduler *scheduler);

/* The text has ended: others do not wait for its next step. The last logits are no longer valid. */
void speller_rest(struct speller *speller);

/* Begins a new segment: forgets the memory. */
void speller_reset(struct speller *speller);

/*
 * Sets the memory so far, [steps, memory_width]. Keys and values of steps from earlier calls are
 * kept, so only new steps are computed. The last steps may be stand-ins.
 */
void speller_set_memory(struct speller *speller, struct pass *pass, struct hearken_matrix memory,
                        struct hearken_stand_ins stand_ins);

/* Steps of the memory set so far. */
uint32_t speller_memory_steps(const struct speller *speller);

/* The tokens that start a text. */
struct speller_start {
    const uint32_t *tokens;
    uint32_t count; /* at least 1 */
    uint32_t first; /* index of the token after which no-speech is measured */
};

/*
 * Replaces the start tokens of the model file from the next speller_start on. Tokens are not
 * copied. A transformer must have positions for one more token. Returns the former ones.
 */
struct speller_start speller_set_start(struct speller *speller, struct speller_start start);

/* Maximum number of tokens of a text, without those that start it. */
uint32_t speller_max_tokens(const struct speller *speller);

/* Starts a text with one hypothesis → logits of its first token [1, vocabulary]. */
struct hearken_matrix speller_start(struct speller *speller, struct pass *pass);

/* After speller_start: the probability of no speech; 0 if the model has no such token. */
float speller_no_speech(const struct speller *speller);

/*
 * Hypothesis r becomes hypothesis parents[r] of the last call, followed by tokens[r] → logits of
 * the next tokens [count, vocabulary].
 */
struct hearken_matrix speller_step(struct speller *speller, struct pass *pass,
                                   const uint32_t *parents, const uint32_t *tokens, uint32_t count);

/*
 * Most tokens of one speller_extend. 28 rows fill two tiles of most kernels; more would only need
 * more memory for logits.
 */
#define SPELLER_EXTEND_MAX 28u

/*
 * Extends the only hypothesis of the last call by `count` tokens at once → the logits after each
 * of them [count, vocabulary]. speller_read_alignment then gives as many rows.
 */
struct hearken_matrix speller_extend(struct speller *speller, struct pass *pass,
                                     const uint32_t *tokens, uint32_t count);

/*
 * Keeps only the first `kept` tokens of that speller_extend, 1 ≤ kept ≤ count. `logits`: its result
 * → the logits after the last kept token [1, vocabulary].
 */
struct hearken_matrix speller_keep(struct speller *speller, struct hearken_matrix logits,
                                   uint32_t kept);

/*
 * Reads the attention weights for the last logits, averaged over the alignment heads,
 * [hypotheses, steps]; each row sums to 1. Waits for the result.
 */
void speller_read_alignment(struct speller *speller, struct pass *pass, float *alignment);

/*
 * For parity tests: attention weights of a layer with alignment heads, [hypotheses, heads, steps].
 * Waits for the result.
 */
void speller_read_layer_alignment(struct speller *speller, struct pass *pass, uint32_t layer,
                                  float *alignment);

#endif
