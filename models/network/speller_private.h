// SPDX-License-Identifier: MIT
/*
 * The state that both kinds of speller share, and each kind's operations. Private to
 * models/network/speller*.c.
 */
#ifndef HEARKEN_MODELS_NETWORK_SPELLER_PRIVATE_H
#define HEARKEN_MODELS_NETWORK_SPELLER_PRIVATE_H

#include "models/network/speller.h"

/*
 * The state of one layer. Transformer: keys and values by hypothesis. Recurrent: h and c by
 * hypothesis; after several tokens of one hypothesis, row r is the state after r of them.
 */
struct speller_state {
    struct storage first, second;
};

/* Rows computed together: `rows / sequences` new tokens of each hypothesis. */
struct speller_rows {
    uint32_t rows, sequences;
    struct hearken_matrix x; /* [rows, width], the residual stream */
};

struct speller_operations {
    /* Called before the first token of a text. */
    void (*begin)(struct speller *speller, struct pass *pass);
    void (*reorder)(struct speller *speller, struct pass *pass, const uint32_t *parents,
                    uint32_t count);
    /*
     * Keeps the first `kept` tokens of an extension. NULL: later tokens simply overwrite the
     * others.
     */
    void (*keep)(struct speller *speller, struct pass *pass, uint32_t kept);
    /* x = embedding of the tokens */
    void (*embed)(struct speller *speller, struct pass *pass, const struct speller_rows *rows,
                  const uint32_t *tokens);
    /* The part of a layer before its attention to the memory. */
    void (*before_attention)(struct speller *speller, struct pass *pass,
                             const struct speller_rows *rows, uint32_t layer);
    /* Input of the output layer. May return its argument. */
    struct hearken_matrix (*project)(struct speller *speller, struct pass *pass,
                                     struct hearken_matrix normed);
};

extern const struct speller_operations speller_recurrent;
extern const struct speller_operations speller_transformer;

struct speller {
    const struct network *network;
    const struct speller_operations *kind;
    uint32_t hypotheses; /* maximum */
    uint32_t max_rows;   /* most rows of one call */
    uint32_t position;   /* tokens computed, start tokens included */
    uint32_t count;      /* hypotheses in the last call */
    uint32_t extended;   /* tokens of the last call if it extended one hypothesis, else 0 */
    float no_speech;
    struct speller_start start;

    struct speller_state *states; /* [layers] */
    float *zeros;                 /* [hypotheses, width] */
    uint32_t *parents;            /* [hypotheses] */

    /* Keys and values of the memory: [steps, width] per layer. */
    uint32_t steps;
    struct hearken_stand_ins stand_ins; /* the last steps */
    struct storage *keys, *values;      /* [layers] */

    struct storage x, normed, wide, narrow, query, context, logits;
    /*
     * Attention weights of the layers with alignment heads, side by side so that one read gets all:
     * [rows, aligned layers · heads · steps].
     */
    struct storage alignment;
    uint32_t alignment_rows; /* rows of the last call */
};

#endif
