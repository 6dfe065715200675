// SPDX-License-Identifier: MIT
/* Beam search over either speller, with the CTC prefix score where there is a CTC head. */
#ifndef HEARKEN_MODELS_SEARCH_BEAM_SEARCH_H
#define HEARKEN_MODELS_SEARCH_BEAM_SEARCH_H

#include "models/network/speller.h"
#include "models/search/beam_result.h"
#include "models/search/ctc_prefix.h"
#include "models/search/custom_words.h"

struct token_masks;
struct timestamp_rules;

#define BEAM_MAX_WIDTH 16u
#define BIASED_BEAM_WIDTH                                                                          \
    4u /* hypotheses beside the beam that write listed words (biased_beam.c) */

/*
 * A text to begin with. Its first `forced` tokens, whole words, are taken as they are, and behind
 * them another word begins; the other tokens as far as a search of width 1 would find them.
 */
struct beam_draft {
    const uint32_t *tokens; /* [count], of the vocabulary */
    uint32_t count, forced; /* forced ≤ count, and no more than the most tokens of a text */
};

struct beam_options {
    uint32_t width;       /* hypotheses kept, 1..BEAM_MAX_WIDTH */
    float length_penalty; /* scores are divided by length^this */
    float ctc_weight;     /* share of the CTC prefix score, 0: none */
    uint32_t max_tokens;  /* ends what has not ended */
    uint32_t
        sound_steps;     /* steps of the memory before the padding; 0: where it looks is no limit */
    double step_seconds; /* of the memory */
    bool rests;          /* heads rest behind what was said: to look back is a limit only for a
                          * text that says the same again */
    bool exact;          /* as Whisper's authors search: nothing but the length is a limit, and the
                          * end does not count as a token of a score */
    const struct token_masks *masks; /* NULL: the network's */
    const struct timestamp_rules
        *timestamps;   /* NULL: none are written. With a guess there are none */
    float temperature; /* above 0: each token is drawn by chance, and the width is 1. Not with a
                        * guess */
    uint64_t *random;  /* for that: the state of the generator */
    struct beam_draft draft;
    const struct custom_words *words; /* NULL: none; otherwise the speller has room for
                                         BIASED_BEAM_WIDTH hypotheses more */
    float word_boost;                 /* log-probability for each character of theirs */
};

/*
 * Searches on what the speller was given to listen to. `ctc` NULL: no CTC score. Errors are in
 * `pass`; the result is empty then.
 */
void beam_search(const struct beam_options *options, struct speller *speller, struct pass *pass,
                 const struct network *network, const struct ctc_scores *ctc,
                 struct beam_result *result);

#endif
