// SPDX-License-Identifier: MIT
/* Beam search with either speller, and with CTC prefix scores if there is a CTC head. */
#ifndef HEARKEN_MODELS_SEARCH_BEAM_SEARCH_H
#define HEARKEN_MODELS_SEARCH_BEAM_SEARCH_H

#include "models/network/speller.h"
#include "models/search/beam_result.h"
#include "models/search/ctc_prefix.h"
#include "models/search/custom_words.h"

struct token_masks;
struct timestamp_rules;

#define BEAM_MAX_WIDTH    16u
#define BIASED_BEAM_WIDTH 4u /* width of the beam of biased hypotheses (biased_beam.c) */
#define LISTED_BEAM_WIDTH 8u /* enough with beam_options.listed_only */

/*
 * A draft of the text. Its first `forced` tokens, whole words, are kept, and another word begins
 * after them. The other tokens are kept as far as a search of width 1 would find them.
 */
struct beam_draft {
    const uint32_t *tokens; /* [count] */
    uint32_t count, forced; /* forced ≤ count, and forced ≤ the most tokens of a text */
};

struct beam_options {
    uint32_t width;       /* width of the beam, 1..BEAM_MAX_WIDTH */
    float length_penalty; /* scores are divided by length^length_penalty */
    float ctc_weight;     /* weight of the CTC prefix score; 0: none */
    uint32_t max_tokens;  /* longer texts are ended */
    uint32_t audio_steps; /* memory steps before the padding; 0: attention may go back */
    double step_seconds;  /* seconds of one step of the memory */
    bool attention_rests; /* alignment heads may rest on the silence after the speech, so attention
                             that moves backward only ends a text that also repeats itself */
    bool exact; /* search as OpenAI's code: only the length limits a text, and the end token does
                   not count towards it when scores are normalised */
    bool joins_variants; /* hypotheses with the same words count together, so that a short text does
                            not lose against another one because its capitals and its punctuation
                            are uncertain */
    bool prunes;         /* drop hypotheses that will hardly win, so that steps have fewer rows */
    const struct token_masks *masks;          /* NULL: the network's masks */
    const struct timestamp_rules *timestamps; /* NULL: no timestamps. Not with a draft */
    float temperature; /* above 0: tokens are sampled, with width 1 and no draft */
    uint64_t *random;  /* state of the random generator, for sampling */
    struct beam_draft draft;
    const struct custom_words *words; /* NULL: none; else the speller must have room for
                                         BIASED_BEAM_WIDTH more hypotheses */
    bool listed_only; /* the text is one custom word or phrase, with a mark behind it or without.
                         The result is empty if none could have been said.
                         With words, without timestamps and temperature */
    float word_boost; /* log-probability per character of a custom word */
};

/*
 * Decodes the memory of the speller. `ctc` NULL: no CTC scores. Errors are in `pass`; the result is
 * empty then.
 */
void beam_search(const struct beam_options *options, struct speller *speller, struct pass *pass,
                 const struct network *network, const struct ctc_scores *ctc,
                 struct beam_result *result);

#endif
