// SPDX-License-Identifier: MIT
/*
 * The recurrent speller: in each layer the LSTM precedes the attention. No state depends on the
 * attention of its own layer, so all tokens of an extension pass through a layer together, except
 * in its LSTM.
 *     x = embedding[token] · sqrt(width)
 *     h, c = LSTM(lstm_norm(x), h, c), x += h; x += attention(x); x += mlp(x) if there is one
 *     logits = embedding · projection(norm(x)) + bias
 */
#include "models/network/speller_private.h"

#include <math.h>

static struct hearken_matrix state_of(const struct speller *s, const struct storage *storage,
                                      uint32_t rows)
{
    return matrix_of(storage, rows, s->network->parameters.speller.width);
}

static void begin(struct speller *s, struct pass *pass)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    size_t rows = (size_t)s->max_rows + 1;
    for (uint32_t i = 0; i < p->layers; i++) {
        pass_reserve(pass, &s->states[i].first, rows * p->width);
        pass_reserve(pass, &s->states[i].second, rows * p->width);
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

/* Copies row `from` of h or c to row `to`. */
static void copy_state(struct pass *pass, struct hearken_matrix states, uint32_t from, uint32_t to)
{
    uint32_t first = from < to ? from : to, last = from < to ? to : from;
    struct hearken_matrix both = matrix_rows(states, first, 2);
    const uint32_t parents[] = {from - first > 0, from - first > 0};
    both.stride *= last - first;
    pass_reorder(pass, both, parents);
}

static void keep(struct speller *s, struct pass *pass, uint32_t kept)
{
    for (uint32_t i = 0; i < s->network->parameters.speller.layers; i++) {
        copy_state(pass, state_of(s, &s->states[i].first, kept + 1), kept, 0);
        copy_state(pass, state_of(s, &s->states[i].second, kept + 1), kept, 0);
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

/* x += LSTM(in, hidden, cell), row by row; hidden and cell are updated. */
static void apply_lstm(struct speller *s, struct pass *pass, uint32_t layer,
                       struct hearken_matrix x, struct hearken_matrix in,
                       struct hearken_matrix hidden, struct hearken_matrix cell)
{
    const struct recurrent_weights *weights = &s->network->speller.layers[layer].recurrent;
    const struct hearken_lstm arguments = {
        .out = x,
        .in = in,
        .hidden = hidden,
        .cell = cell,
        .input_weight = weights->input.weight,
        .hidden_weight = weights->hidden.weight,
        .input_bias = weights->input.bias,
        .hidden_bias = weights->hidden.bias,
        .residual = &x,
    };
    pass_lstm(pass, &arguments);
}

static void before_attention(struct speller *s, struct pass *pass, const struct speller_rows *rows,
                             uint32_t layer)
{
    const struct recurrent_weights *weights = &s->network->speller.layers[layer].recurrent;
    struct hearken_matrix normed = state_of(s, &s->normed, rows->rows);
    struct hearken_matrix hidden = state_of(s, &s->states[layer].first, s->max_rows + 1);
    struct hearken_matrix cell = state_of(s, &s->states[layer].second, s->max_rows + 1);
    pass_layer_norm(pass, normed, rows->x, &weights->norm);
    if (rows->rows == rows->sequences) {
        apply_lstm(s, pass, layer, rows->x, normed, matrix_rows(hidden, 0, rows->rows),
                   matrix_rows(cell, 0, rows->rows));
        return;
    }
    for (uint32_t i = 0; i < rows->rows; i++) {
        copy_state(pass, hidden, i, i + 1);
        copy_state(pass, cell, i, i + 1);
        apply_lstm(s, pass, layer, matrix_rows(rows->x, i, 1), matrix_rows(normed, i, 1),
                   matrix_rows(hidden, i + 1, 1), matrix_rows(cell, i + 1, 1));
    }
}

static struct hearken_matrix project(struct speller *s, struct pass *pass,
                                     struct hearken_matrix normed)
{
    struct hearken_matrix projected = state_of(s, &s->narrow, normed.rows);
    pass_linear(pass, projected, normed, &s->network->speller.projection);
    return projected;
}

const struct speller_operations speller_recurrent = {
    .begin = begin,
    .reorder = reorder,
    .keep = keep,
    .embed = embed,
    .before_attention = before_attention,
    .project = project,
};
