// SPDX-License-Identifier: MIT
#include "tests/unit/common/stream_session.h"

#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void open_session(struct session *s, struct network *network)
{
    *s = (struct session){.network = network};
    CU_ASSERT_PTR_NOT_NULL_FATAL(network);
    const struct compute *compute = network->compute;
    s->pass.kernels = compute->kernels;
    s->pass.cancelled = &s->cancelled;
    s->vocabulary = network->parameters.speller.vocabulary;
    EXPECT_EQUAL_FATAL(compute->plugin->queue_create(compute->backend, &s->pass.queue), 0);
    EXPECT_EQUAL_FATAL(speller_create(network, BEAM_MAX_WIDTH, &s->speller), 0);
}

void close_session(struct session *s)
{
    speller_destroy(s->speller, &s->pass);
    pass_release(&s->pass, &s->memory);
    s->network->compute->plugin->queue_destroy(s->pass.queue);
    network_destroy(s->network);
    free(s->ctc_log_probabilities);
}

void listen_to_memory(struct session *s, const float *memory, uint32_t steps)
{
    uint32_t width = s->network->parameters.listener.memory_width;
    s->steps = steps;
    pass_reserve(&s->pass, &s->memory, (size_t)steps * width);
    pass_write(&s->pass, matrix_of(&s->memory, steps, width), memory);
    speller_reset(s->speller);
    speller_set_memory(s->speller, &s->pass, matrix_of(&s->memory, steps, width),
                       (struct hearken_stand_ins){0});
    EXPECT_EQUAL_FATAL(s->pass.error, 0);
}

float random_number(float scale)
{
    return scale * (2 * (float)rand() / (float)RAND_MAX - 1);
}

void listen_to_noise(struct session *s, uint32_t steps)
{
    size_t size = (size_t)steps * s->network->parameters.listener.memory_width;
    float *memory = malloc(size * sizeof(*memory));
    for (size_t i = 0; i < size; i++)
        memory[i] = random_number(2);
    listen_to_memory(s, memory, steps);
    free(memory);
    free(s->ctc_log_probabilities);
    s->ctc_log_probabilities = malloc((size_t)steps * s->vocabulary * sizeof(float));
    for (uint32_t t = 0; t < steps; t++) {
        float *row = s->ctc_log_probabilities + (size_t)t * s->vocabulary;
        double sum = 0;
        for (uint32_t v = 0; v < s->vocabulary; v++) {
            row[v] = random_number(3);
            sum += exp((double)row[v]);
        }
        for (uint32_t v = 0; v < s->vocabulary; v++)
            row[v] -= (float)log(sum);
    }
    s->ctc = (struct ctc_scores){s->ctc_log_probabilities, steps, s->vocabulary, 0};
}

void open_speaking(struct session *s, uint32_t kind, uint32_t seed)
{
    struct model_shape shape = kind ? transformer_shape(seed) : recurrent_shape(seed);
    struct made_file file = make_model(&shape);
    if (!kind) /* speaks at some length */
        set_weight(&file, "speller.bias", 2, -1);
    srand(seed);
    open_session(s, open_network(&file));
    made_finish(&file);
    listen_to_noise(s, SPOKEN_STEPS);
}

struct beam_options options_of(uint32_t width)
{
    return (struct beam_options){.width = width,
                                 .length_penalty = 1,
                                 .ctc_weight = 0.3f,
                                 .max_tokens = MAX_TOKENS,
                                 .step_seconds = STEP_SECONDS};
}

struct beam_result search(struct session *s, const struct beam_options *options, bool with_ctc)
{
    struct beam_result result;
    beam_search(options, s->speller, &s->pass, s->network, with_ctc ? &s->ctc : NULL, &result);
    EXPECT_EQUAL(s->pass.error, 0);
    return result;
}
