// SPDX-License-Identifier: MIT
/* A small network whose speller has listened to something: for tests of what searches a text. */
#ifndef HEARKEN_TESTS_UNIT_COMMON_STREAM_SESSION_H
#define HEARKEN_TESTS_UNIT_COMMON_STREAM_SESSION_H

#include "models/search/beam_search.h"
#include "tests/unit/common/make_model.h"

#define MAX_TOKENS   24u
#define STEP_SECONDS 0.04
#define SPOKEN_STEPS 40u

struct session {
    struct network *network;
    struct pass pass;
    struct speller *speller;
    struct storage memory;
    uint32_t steps, vocabulary;
    float *ctc_log_probabilities; /* [steps, vocabulary] */
    struct ctc_scores ctc;
    atomic_bool cancelled;
};

/* Takes the network: close_session destroys it. */
void open_session(struct session *s, struct network *network);
void close_session(struct session *s);

/* memory [steps, memory_width] */
void listen_to_memory(struct session *s, const float *memory, uint32_t steps);

/* From -scale to scale. */
float random_number(float scale);

/* Random numbers for memory and CTC log-probabilities. */
void listen_to_noise(struct session *s, uint32_t steps);

/* A random network, recurrent (`kind` 0) or transformer, that speaks at some length and listens to
 * noise of SPOKEN_STEPS. */
void open_speaking(struct session *s, uint32_t kind, uint32_t seed);

/* At most MAX_TOKENS, a memory of STEP_SECONDS. */
struct beam_options options_of(uint32_t width);

/* Asserts that there was no error. The caller's: beam_result_finish. */
struct beam_result search(struct session *s, const struct beam_options *options, bool with_ctc);

#endif
