// SPDX-License-Identifier: MIT
#include "models/search/token_scores.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Masks ---- */

#define OWN_LIST "-1"

static int refuse(const char *text, uint32_t vocabulary, struct hearken_error *error)
{
    return hearken_fail(error, -EINVAL,
                        "suppress_tokens is %.100s, expected token ids from 0 to %u, or -1 for the "
                        "model's own list, with commas between them",
                        text, vocabulary - 1);
}

int token_masks_read_list(const char *text, uint32_t vocabulary, uint8_t *list, bool *own,
                          struct hearken_error *error)
{
    const char *at = text;
    *own = false;
    while (*at) {
        char *end;
        at += strspn(at, " ");
        errno = 0;
        long id = strtol(at, &end, 10);
        if (end == at || errno || id < -1 || id >= (long)vocabulary)
            return refuse(text, vocabulary, error);
        if (id < 0)
            *own = true;
        else
            list[id] = 1;
        end += strspn(end, " ");
        if (*end && (*end != ',' || !end[1]))
            return refuse(text, vocabulary, error);
        at = *end ? end + 1 : end;
    }
    return 0;
}

static int create_mask(const struct network *network, struct token_masks *masks,
                       enum text_position position)
{
    const struct compute *compute = network->compute;
    uint32_t vocabulary = network->vocabulary.count;
    const struct hearken_weights weights = {HEARKEN_TENSOR_F32,
                                            HEARKEN_USE_VECTOR,
                                            1,
                                            vocabulary,
                                            1,
                                            masks->values + (size_t)position * vocabulary};
    int result = compute_tensor_create(compute, &weights, &masks->owned[position]);
    masks->tensors[position] = masks->owned[position];
    return result;
}

int token_masks_create(const struct network *network, const char *suppress, bool blank,
                       struct token_masks *masks, struct hearken_error *error)
{
    const struct speller_weights *weights = &network->speller;
    uint32_t vocabulary = network->vocabulary.count;
    bool own;
    *masks =
        (struct token_masks){.tensors = {weights->mask, weights->first_mask, weights->next_mask}};
    if (strcmp(suppress, OWN_LIST) == 0 && !blank)
        return 0;
    uint8_t *listed = calloc(vocabulary, sizeof(*listed));
    masks->values = calloc((size_t)TEXT_POSITIONS * vocabulary, sizeof(*masks->values));
    int result = listed && masks->values ? 0 : hearken_fail(error, -ENOMEM, "out of memory");
    if (result == 0)
        result = token_masks_read_list(suppress, vocabulary, listed, &own, error);
    for (int position = 0; result == 0 && position < TEXT_POSITIONS; position++) {
        float *values = masks->values + (size_t)position * vocabulary;
        result = network_fill_mask(network, position, own, blank, listed, values, error);
        if (result == 0 && (result = create_mask(network, masks, position)) < 0)
            hearken_fail(error, result, "the backend rejected the mask of suppressed tokens: %s",
                         strerror(-result));
    }
    free(listed);
    if (result < 0)
        token_masks_finish(masks, network);
    return result;
}

void token_masks_finish(struct token_masks *masks, const struct network *network)
{
    const struct compute *compute = network->compute;
    for (int position = 0; position < TEXT_POSITIONS; position++)
        if (masks->owned[position])
            compute_tensor_destroy(compute, masks->owned[position]);
    free(masks->values);
    *masks = (struct token_masks){0};
}

/* ---- Scores on the host ---- */

static float highest(const float *row, uint32_t first, uint32_t end)
{
    float most = -INFINITY;
    for (uint32_t i = first; i < end; i++)
        if (row[i] > most)
            most = row[i];
    return most;
}

float token_scores_log_sum(const float *row, uint32_t first, uint32_t end)
{
    float most = highest(row, first, end);
    double sum = 0;
    if (!(most > -INFINITY))
        return -INFINITY;
    for (uint32_t i = first; i < end; i++)
        if (row[i] > -INFINITY)
            sum += (double)expf(row[i] - most);
    return most + (float)log(sum);
}

void token_scores_log_softmax(float *row, uint32_t count)
{
    float sum = token_scores_log_sum(row, 0, count);
    if (!(sum > -INFINITY))
        return;
    for (uint32_t i = 0; i < count; i++)
        row[i] -= sum;
}

void token_scores_top(const float *row, uint32_t count, uint32_t wanted, float *values,
                      uint32_t *columns)
{
    for (uint32_t i = 0; i < wanted; i++) {
        values[i] = -INFINITY;
        columns[i] = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!(row[i] > values[wanted - 1]))
            continue;
        uint32_t at = wanted - 1;
        for (; at > 0 && row[i] > values[at - 1]; at--) {
            values[at] = values[at - 1];
            columns[at] = columns[at - 1];
        }
        values[at] = row[i];
        columns[at] = i;
    }
}

/* SplitMix64 (Steele et al., 2014, "Fast Splittable Pseudorandom Number Generators"): 0 <= x < 1.
 */
static double draw_uniform(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

uint32_t token_scores_sample(const float *row, uint32_t count, float temperature, uint64_t *random)
{
    float most = highest(row, 0, count);
    double sum = 0, chance = draw_uniform(random);
    uint32_t last = 0;
    for (uint32_t i = 0; i < count; i++)
        if (row[i] > -INFINITY)
            sum += exp((double)(row[i] - most) / (double)temperature);
    chance *= sum;
    for (uint32_t i = 0; i < count; i++) {
        if (!(row[i] > -INFINITY))
            continue;
        last = i;
        chance -= exp((double)(row[i] - most) / (double)temperature);
        if (chance < 0)
            break;
    }
    return last;
}
