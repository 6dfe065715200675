// SPDX-License-Identifier: MIT
/*
 * The recurrent kind: each layer writes, then looks.
 *     x = embedding[token] · sqrt(width)
 *     h, c = LSTM(lstm_norm(x), h, c), x += h; x += attention(x)
 *     logits = embedding · projection(norm(x)) + bias
 */
#include "speller_kind.h"

#include <math.h>

static struct hearken_matrix state_of(const struct speller *s, const struct storage *storage,
                                      uint32_t rows)
{
    return matrix_of(storage, rows, s->network->parameters.speller.width);
}

static void begin(struct speller *s, struct pass *pass)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    for (uint32_t i = 0; i < p->layers; i++) {
        pass_reserve(pass, &s->states[i].first, (size_t)s->hypotheses * p->width);
        pass_reserve(pass, &s->states[i].second, (size_t)s->hypotheses * p->width);
        pass_write(pass, state_of(s, &s->states[i].first, s->hypotheses), s->zeros);
        pass_write(pass, state_of(s, &s->states[i].second, s->hypotheses), s->zeros);
    }
}

static void reorder(struct speller *s, struct pass *pass, const uint32_t *parents, uint32_t count)
{
    for (uint32_t i = 0; i < s->network->parameters.speller.layers; i++) {
        pass_reorder(pass, state_of(s, &s->states[i].first, count), parents);
        pass_reorder(pass, state_of(s, &s->states[i].second, count), parents);
    }
}

static void embed(struct speller *s, struct pass *pass, const struct speller_rows *rows,
                  const uint32_t *tokens)
{
    const struct hearken_embed arguments = {
        .out = rows->x,
        .table = s->network->speller.embedding,
        .tokens = tokens,
        .scale = sqrtf((float)s->network->parameters.speller.width),
        .period = 1,
    };
    pass_embed(pass, &arguments);
}

static void before(struct speller *s, struct pass *pass, const struct speller_rows *rows,
                   uint32_t layer)
{
    const struct recurrent_weights *weights = &s->network->speller.layers[layer].recurrent;
    struct hearken_matrix normed = state_of(s, &s->normed, rows->rows);
    const struct hearken_lstm arguments = {
        .out = rows->x,
        .in = normed,
        .hidden = state_of(s, &s->states[layer].first, rows->rows),
        .cell = state_of(s, &s->states[layer].second, rows->rows),
        .input_weight = weights->input.weight,
        .hidden_weight = weights->hidden.weight,
        .input_bias = weights->input.bias,
        .hidden_bias = weights->hidden.bias,
        .residual = &rows->x,
    };
    pass_layer_norm(pass, normed, rows->x, &weights->norm);
    pass_lstm(pass, &arguments);
}

static void after(struct speller *s, struct pass *pass, const struct speller_rows *rows,
                  uint32_t layer)
{
    (void)s, (void)pass, (void)rows, (void)layer;
}

static struct hearken_matrix project(struct speller *s, struct pass *pass,
                                     struct hearken_matrix normed)
{
    struct hearken_matrix projected = state_of(s, &s->narrow, normed.rows);
    pass_linear(pass, projected, normed, &s->network->speller.projection);
    return projected;
}

const struct speller_operations speller_recurrent = {
    .one_token_at_a_time = true,
    .begin = begin,
    .reorder = reorder,
    .embed = embed,
    .before = before,
    .after = after,
    .project = project,
};
