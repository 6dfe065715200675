// SPDX-License-Identifier: MIT
/*
 * The transformer speller (Whisper's: Radford et al., 2022).
 *     x = embedding[token] + positions[position]
 *     x += self_out(heads(self_qkv(self_norm(x)))); x += attention(x); x += mlp(x)
 *     logits = embedding · norm(x)
 */
#include "models/network/speller_private.h"

/* Keys or values of one layer: [positions, width] per hypothesis. */
static struct hearken_matrix cache_of(const struct speller *s, const struct storage *storage,
                                      uint32_t sequences)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    return matrix_of(storage, sequences, p->positions * p->width);
}

static void begin(struct speller *s, struct pass *pass)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    size_t size = (size_t)s->hypotheses * p->positions * p->width;
    for (uint32_t i = 0; i < p->layers; i++) {
        pass_reserve(pass, &s->states[i].first, size);
        pass_reserve(pass, &s->states[i].second, size);
    }
}

/* Moves only the positions in use. */
static void reorder(struct speller *s, struct pass *pass, const uint32_t *parents, uint32_t count)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    uint32_t filled = s->position * p->width;
    for (uint32_t i = 0; i < p->layers; i++) {
        struct hearken_matrix keys = cache_of(s, &s->states[i].first, count);
        struct hearken_matrix values = cache_of(s, &s->states[i].second, count);
        pass_reorder(pass, matrix_columns(keys, 0, filled), parents);
        pass_reorder(pass, matrix_columns(values, 0, filled), parents);
    }
}

static void embed(struct speller *s, struct pass *pass, const struct speller_rows *rows,
                  const uint32_t *tokens)
{
    const struct hearken_embed arguments = {
        .out = rows->x,
        .table = s->network->speller.embedding,
        .tokens = tokens,
        .scale = 1,
        .positions = s->network->speller.positions,
        .position = s->position,
        .period = rows->rows / rows->sequences,
    };
    pass_embed(pass, &arguments);
}

static void before_attention(struct speller *s, struct pass *pass, const struct speller_rows *rows,
                             uint32_t layer)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    const struct transformer_weights *weights = &s->network->speller.layers[layer].transformer;
    struct hearken_matrix normed = matrix_of(&s->normed, rows->rows, p->width);
    struct hearken_matrix qkv = matrix_of(&s->wide, rows->rows, 3 * p->width);
    struct hearken_matrix attended = matrix_of(&s->narrow, rows->rows, p->width);
    const struct hearken_self_attend arguments = {
        .out = attended,
        .qkv = qkv,
        .keys = cache_of(s, &s->states[layer].first, rows->sequences),
        .values = cache_of(s, &s->states[layer].second, rows->sequences),
        .sequences = rows->sequences,
        .heads = p->heads,
        .past = s->position,
        .chunk = 1, /* causal */
    };
    pass_layer_norm(pass, normed, rows->x, &weights->self_norm);
    pass_linear(pass, qkv, normed, &weights->self_qkv);
    pass_self_attend(pass, &arguments);
    pass_linear_add(pass, rows->x, attended, &weights->self_out);
}

static struct hearken_matrix project(struct speller *s, struct pass *pass,
                                     struct hearken_matrix normed)
{
    (void)s, (void)pass;
    return normed;
}

const struct speller_operations speller_transformer = {
    .begin = begin,
    .reorder = reorder,
    .embed = embed,
    .before_attention = before_attention,
    .project = project,
};
