// SPDX-License-Identifier: MIT
/* What the two kinds of speller share, and what each has to bring. Private to models/speller*.c. */
#ifndef HEARKEN_MODELS_NETWORK_SPELLER_PRIVATE_H
#define HEARKEN_MODELS_NETWORK_SPELLER_PRIVATE_H

#include "models/network/speller.h"

/*
 * The state of one layer. Of a transformer its keys and values, by hypothesis. Of a recurrent one h
 * and c: by hypothesis, and behind several tokens of one hypothesis row r is what follows r of
 * them.
 */
struct speller_state {
    struct storage first, second;
};

/* Rows that go through the layers together: `rows / sequences` new tokens of each hypothesis. */
struct speller_rows {
    uint32_t rows, sequences;
    struct hearken_matrix x; /* [rows, width], what the layers add to */
};

struct speller_operations {
    /* Before the layers' first token. */
    void (*begin)(struct speller *speller, struct pass *pass);
    void (*reorder)(struct speller *speller, struct pass *pass, const uint32_t *parents,
                    uint32_t count);
    /* Of the tokens that went through together, the first `kept` are the one hypothesis. NULL: no
     * more is needed than to write over what is behind them. */
    void (*keep)(struct speller *speller, struct pass *pass, uint32_t kept);
    /* x = embedding of the tokens */
    void (*embed)(struct speller *speller, struct pass *pass, const struct speller_rows *rows,
                  const uint32_t *tokens);
    /* Of a layer, before it attends to the memory. */
    void (*before)(struct speller *speller, struct pass *pass, const struct speller_rows *rows,
                   uint32_t layer);
    /* What the logits are computed from. May return its argument. */
    struct hearken_matrix (*project)(struct speller *speller, struct pass *pass,
                                     struct hearken_matrix normed);
};

extern const struct speller_operations speller_recurrent;
extern const struct speller_operations speller_transformer;

struct speller {
    const struct network *network;
    const struct speller_operations *kind;
    uint32_t hypotheses; /* the most */
    uint32_t room;       /* the most rows of one call */
    uint32_t position;   /* tokens that have gone through the layers, those that start included */
    uint32_t count;      /* hypotheses of the last call */
    uint32_t together;   /* tokens of the last call, if they were those of one hypothesis; else 0 */
    float no_speech;
    struct speller_start start;

    struct speller_state *states; /* [layers] */
    float *zeros;                 /* [hypotheses, width] */
    uint32_t *parents;            /* [hypotheses] */

    /* Of the memory: [steps, width] for each layer. */
    uint32_t steps;
    struct hearken_stand_ins stand_ins; /* the last of them */
    struct storage *keys, *values;      /* [layers] */

    struct storage x, normed, wide, narrow, query, context, logits;
    /* Only of the layers with heads that follow the sound, side by side, so that a device is asked
     * for them once: [rows, aligned layers · heads · steps]. */
    struct storage alignment;
    uint32_t alignment_rows; /* rows of the last call */
};

#endif
