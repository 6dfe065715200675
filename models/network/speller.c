// SPDX-License-Identifier: MIT
#include "models/network/speller.h"

#include "models/network/step_scheduler.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * The state of one layer. Transformer: keys and values by hypothesis. Recurrent: h and c by
 * hypothesis; after several tokens of one hypothesis, row r is the state after r of them.
 */
struct speller_state {
    struct storage first, second;
};

/* The new tokens of one speller: `rows / sequences` of each hypothesis. */
struct speller_rows {
    struct speller *speller;
    const uint32_t *tokens; /* [rows], grouped by hypothesis */
    uint32_t first;         /* its first row in x */
    uint32_t rows, sequences;
};

/*
 * What passes through the layers together: rows of one speller, or one step of several transformer
 * spellers.
 */
struct speller_batch {
    struct hearken_matrix x; /* [rows of all parts, width], the residual stream */
    struct speller_rows parts[STEP_MAX_ROWS];
    uint32_t count;
};

static_assert(SPELLER_EXTEND_MAX >= STEP_MAX_ROWS, "a batch is computed in one speller's memory");

/* What differs between the kinds. */
struct speller_operations {
    /* Called before the first token of a text. */
    void (*begin)(struct speller *speller, struct pass *pass);
    void (*reorder)(struct speller *speller, struct pass *pass, const uint32_t *parents,
                    uint32_t count);
    /* Keeps the first `kept` tokens of an extension. NULL: later tokens overwrite the others. */
    void (*keep)(struct speller *speller, struct pass *pass, uint32_t kept);
    /* x = embedding of the tokens */
    void (*embed)(struct pass *pass, struct hearken_matrix x, const struct speller_rows *rows);
    /* The part of a layer before its attention to the memory, in the memory of `speller`. */
    void (*before_attention)(struct speller *speller, struct pass *pass,
                             const struct speller_batch *batch, uint32_t layer);
    /* norm(x) → input of the output layer. NULL: norm(x) itself. */
    struct hearken_matrix (*project)(struct speller *speller, struct pass *pass,
                                     struct hearken_matrix normed);
};

/* Arguments and result of speller_step. */
struct speller_step {
    struct pass *pass;
    const uint32_t *parents, *tokens; /* parents NULL: the states are in order */
    uint32_t count;
    struct hearken_matrix logits;
};

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

    struct step_scheduler *scheduler; /* NULL: steps alone */
    struct step_member member;
    struct speller_step step;

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

/*
 * ---- Recurrent ----
 *
 * In each layer the LSTM precedes the attention. No state depends on the attention of its own
 * layer, so all tokens of an extension pass through a layer together, except in its LSTM.
 *     x = embedding[token] · sqrt(width)
 *     h, c = LSTM(lstm_norm(x), h, c), x += h; x += attention(x); x += mlp(x) if there is one
 *     logits = embedding · projection(norm(x)) + bias
 */

static struct hearken_matrix state_of(const struct speller *s, const struct storage *storage,
                                      uint32_t rows)
{
    return matrix_of(storage, rows, s->network->parameters.speller.width);
}

static void begin_recurrent(struct speller *s, struct pass *pass)
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

static void reorder_recurrent(struct speller *s, struct pass *pass, const uint32_t *parents,
                              uint32_t count)
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

static void keep_recurrent(struct speller *s, struct pass *pass, uint32_t kept)
{
    for (uint32_t i = 0; i < s->network->parameters.speller.layers; i++) {
        copy_state(pass, state_of(s, &s->states[i].first, kept + 1), kept, 0);
        copy_state(pass, state_of(s, &s->states[i].second, kept + 1), kept, 0);
    }
}

static void embed_recurrent(struct pass *pass, struct hearken_matrix x,
                            const struct speller_rows *rows)
{
    const struct speller *s = rows->speller;
    const struct hearken_embed arguments = {
        .out = x,
        .table = s->network->speller.embedding,
        .tokens = rows->tokens,
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

static void apply_recurrence(struct speller *s, struct pass *pass,
                             const struct speller_batch *batch, uint32_t layer)
{
    const struct speller_rows *rows = &batch->parts[0];
    struct hearken_matrix x = batch->x;
    const struct recurrent_weights *weights = &s->network->speller.layers[layer].recurrent;
    struct hearken_matrix normed = state_of(s, &s->normed, rows->rows);
    struct hearken_matrix hidden = state_of(s, &s->states[layer].first, s->max_rows + 1);
    struct hearken_matrix cell = state_of(s, &s->states[layer].second, s->max_rows + 1);
    pass_layer_norm(pass, normed, x, &weights->norm);
    if (rows->rows == rows->sequences) {
        apply_lstm(s, pass, layer, x, normed, matrix_rows(hidden, 0, rows->rows),
                   matrix_rows(cell, 0, rows->rows));
        return;
    }
    for (uint32_t i = 0; i < rows->rows; i++) {
        copy_state(pass, hidden, i, i + 1);
        copy_state(pass, cell, i, i + 1);
        apply_lstm(s, pass, layer, matrix_rows(x, i, 1), matrix_rows(normed, i, 1),
                   matrix_rows(hidden, i + 1, 1), matrix_rows(cell, i + 1, 1));
    }
}

static struct hearken_matrix project_recurrent(struct speller *s, struct pass *pass,
                                               struct hearken_matrix normed)
{
    struct hearken_matrix projected = state_of(s, &s->narrow, normed.rows);
    pass_linear(pass, projected, normed, &s->network->speller.projection);
    return projected;
}

static const struct speller_operations recurrent = {
    .begin = begin_recurrent,
    .reorder = reorder_recurrent,
    .keep = keep_recurrent,
    .embed = embed_recurrent,
    .before_attention = apply_recurrence,
    .project = project_recurrent,
};

/*
 * ---- Transformer (Whisper's: Radford et al., 2022) ----
 *
 *     x = embedding[token] + positions[position]
 *     x += self_out(heads(self_qkv(self_norm(x)))); x += attention(x); x += mlp(x)
 *     logits = embedding · norm(x)
 */

/* Keys or values of one layer: [positions, width] per hypothesis. */
static struct hearken_matrix cache_of(const struct speller *s, const struct storage *storage,
                                      uint32_t sequences)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    return matrix_of(storage, sequences, p->positions * p->width);
}

static void begin_transformer(struct speller *s, struct pass *pass)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    size_t size = (size_t)s->hypotheses * p->positions * p->width;
    for (uint32_t i = 0; i < p->layers; i++) {
        pass_reserve(pass, &s->states[i].first, size);
        pass_reserve(pass, &s->states[i].second, size);
    }
}

/* Moves only the positions in use. */
static void reorder_transformer(struct speller *s, struct pass *pass, const uint32_t *parents,
                                uint32_t count)
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

static void embed_transformer(struct pass *pass, struct hearken_matrix x,
                              const struct speller_rows *rows)
{
    const struct speller *s = rows->speller;
    const struct hearken_embed arguments = {
        .out = x,
        .table = s->network->speller.embedding,
        .tokens = rows->tokens,
        .scale = 1,
        .positions = s->network->speller.positions,
        .position = s->position,
        .period = rows->rows / rows->sequences,
    };
    pass_embed(pass, &arguments);
}

static void attend_to_text(struct speller *s, struct pass *pass, const struct speller_batch *batch,
                           uint32_t layer)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    const struct transformer_weights *weights = &s->network->speller.layers[layer].transformer;
    struct hearken_matrix x = batch->x;
    struct hearken_matrix normed = matrix_of(&s->normed, x.rows, p->width);
    struct hearken_matrix qkv = matrix_of(&s->wide, x.rows, 3 * p->width);
    struct hearken_matrix attended = matrix_of(&s->narrow, x.rows, p->width);
    pass_layer_norm(pass, normed, x, &weights->self_norm);
    pass_linear(pass, qkv, normed, &weights->self_qkv);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct speller_rows *rows = &batch->parts[i];
        const struct speller_state *state = &rows->speller->states[layer];
        const struct hearken_self_attend arguments = {
            .out = matrix_rows(attended, rows->first, rows->rows),
            .qkv = matrix_rows(qkv, rows->first, rows->rows),
            .keys = cache_of(s, &state->first, rows->sequences),
            .values = cache_of(s, &state->second, rows->sequences),
            .sequences = rows->sequences,
            .heads = p->heads,
            .past = rows->speller->position,
            .chunk = 1, /* causal */
        };
        pass_self_attend(pass, &arguments);
    }
    pass_linear_add(pass, x, attended, &weights->self_out);
}

static const struct speller_operations transformer = {
    .begin = begin_transformer,
    .reorder = reorder_transformer,
    .embed = embed_transformer,
    .before_attention = attend_to_text,
};

/* ---- Both ---- */

int speller_create(const struct network *network, uint32_t hypotheses, struct speller **speller)
{
    const struct speller_parameters *p = &network->parameters.speller;
    struct speller *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->network = network;
    s->kind = p->kind == SPELLER_RECURRENT ? &recurrent : &transformer;
    s->hypotheses = hypotheses;
    s->start = (struct speller_start){p->start, p->start_count, 0};
    s->max_rows = hypotheses > p->start_count ? hypotheses : p->start_count;
    if (s->max_rows < SPELLER_EXTEND_MAX)
        s->max_rows = SPELLER_EXTEND_MAX;
    s->states = calloc(p->layers, sizeof(*s->states));
    s->keys = calloc(p->layers, sizeof(*s->keys));
    s->values = calloc(p->layers, sizeof(*s->values));
    s->zeros = calloc((size_t)hypotheses * p->width, sizeof(*s->zeros));
    s->parents = calloc(hypotheses, sizeof(*s->parents));
    if (s->states && s->keys && s->values && s->zeros && s->parents) {
        *speller = s;
        return 0;
    }
    free(s->states);
    free(s->keys);
    free(s->values);
    free(s->zeros);
    free(s->parents);
    free(s);
    return -ENOMEM;
}

void speller_rest(struct speller *speller)
{
    if (speller->scheduler)
        step_scheduler_rest(speller->scheduler, &speller->member);
}

static void leave_scheduler(struct speller *speller)
{
    speller_rest(speller);
    if (speller->scheduler)
        step_member_finish(speller->scheduler, &speller->member);
}

void speller_destroy(struct speller *speller, struct pass *pass)
{
    if (!speller)
        return;
    leave_scheduler(speller);
    for (uint32_t i = 0; i < speller->network->parameters.speller.layers; i++) {
        pass_release(pass, &speller->states[i].first);
        pass_release(pass, &speller->states[i].second);
        pass_release(pass, &speller->keys[i]);
        pass_release(pass, &speller->values[i]);
    }
    struct storage *const all[] = {&speller->x,      &speller->normed,   &speller->wide,
                                   &speller->narrow, &speller->query,    &speller->context,
                                   &speller->logits, &speller->alignment};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        pass_release(pass, all[i]);
    free(speller->states);
    free(speller->keys);
    free(speller->values);
    free(speller->zeros);
    free(speller->parents);
    free(speller);
}

void speller_join(struct speller *speller, struct step_scheduler *scheduler)
{
    if (speller->kind != &transformer || speller->scheduler == scheduler)
        return;
    leave_scheduler(speller);
    speller->scheduler = scheduler;
    step_member_init(&speller->member, speller);
}

void speller_reset(struct speller *speller)
{
    speller->steps = 0;
}

uint32_t speller_memory_steps(const struct speller *speller)
{
    return speller->steps;
}

struct speller_start speller_set_start(struct speller *speller, struct speller_start start)
{
    const struct speller_start before = speller->start;
    speller->start = start;
    return before;
}

uint32_t speller_max_tokens(const struct speller *speller)
{
    const struct speller_parameters *p = &speller->network->parameters.speller;
    return p->kind == SPELLER_TRANSFORMER ? p->positions - speller->start.count : UINT32_MAX;
}

void speller_set_memory(struct speller *speller, struct pass *pass, struct hearken_matrix memory,
                        struct hearken_stand_ins stand_ins)
{
    const struct speller_parameters *p = &speller->network->parameters.speller;
    uint32_t most = network_max_memory_steps(speller->network);
    uint32_t added = memory.rows - speller->steps;
    speller->stand_ins = stand_ins;
    if (added == 0)
        return;
    struct hearken_matrix in = matrix_rows(memory, speller->steps, added);
    for (uint32_t i = 0; i < p->layers; i++) {
        const struct attention_weights *weights = &speller->network->speller.layers[i].attention;
        pass_reserve_memory(pass, &speller->keys[i], HEARKEN_MEMORY_KEYS, most, p->width);
        pass_reserve_memory(pass, &speller->values[i], HEARKEN_MEMORY_VALUES, most, p->width);
        struct hearken_matrix keys = matrix_of(&speller->keys[i], memory.rows, p->width);
        struct hearken_matrix values = matrix_of(&speller->values[i], memory.rows, p->width);
        pass_linear(pass, matrix_rows(keys, speller->steps, added), in, &weights->key);
        pass_linear(pass, matrix_rows(values, speller->steps, added), in, &weights->value);
    }
    speller->steps = memory.rows;
}

static bool is_aligned(const struct speller *s, uint32_t layer)
{
    return s->network->parameters.speller.alignment_heads[layer] != 0;
}

/* Layers with alignment heads below `layer`. */
static uint32_t count_aligned(const struct speller *s, uint32_t layer)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < layer; i++)
        count += is_aligned(s, i);
    return count;
}

/* [rows, heads · steps], for a layer with alignment heads */
static struct hearken_matrix alignment_of(const struct speller *s, uint32_t rows, uint32_t layer)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    uint32_t columns = p->heads * s->steps;
    struct hearken_matrix all =
        matrix_of(&s->alignment, rows, count_aligned(s, p->layers) * columns);
    return matrix_columns(all, count_aligned(s, layer) * columns, columns);
}

/* context = heads(query, memory), for the rows of one speller */
static void attend_to_memory(struct pass *pass, const struct speller_rows *rows, uint32_t layer,
                             struct hearken_matrix query, struct hearken_matrix context)
{
    const struct speller *s = rows->speller;
    const struct speller_parameters *p = &s->network->parameters.speller;
    struct hearken_matrix alignment = alignment_of(s, rows->rows, layer);
    const struct hearken_attend arguments = {
        .context = matrix_rows(context, rows->first, rows->rows),
        .alignment = is_aligned(s, layer) ? &alignment : NULL,
        .query = matrix_rows(query, rows->first, rows->rows),
        .keys = matrix_of(&s->keys[layer], s->steps, p->width),
        .values = matrix_of(&s->values[layer], s->steps, p->width),
        .heads = p->heads,
        .stand_ins = s->stand_ins,
    };
    pass_attend(pass, &arguments);
}

/* x += attention_out(heads(attention_query(attention_norm(x)), memory)) */
static void attend(struct speller *s, struct pass *pass, const struct speller_batch *batch,
                   uint32_t layer)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    const struct attention_weights *weights = &s->network->speller.layers[layer].attention;
    struct hearken_matrix normed = matrix_of(&s->normed, batch->x.rows, p->width);
    struct hearken_matrix query = matrix_of(&s->query, batch->x.rows, p->width);
    struct hearken_matrix context = matrix_of(&s->context, batch->x.rows, p->width);
    pass_layer_norm(pass, normed, batch->x, &weights->norm);
    pass_linear(pass, query, normed, &weights->query);
    for (uint32_t i = 0; i < batch->count; i++)
        attend_to_memory(pass, &batch->parts[i], layer, query, context);
    pass_linear_add(pass, batch->x, context, &weights->out);
}

/* x += mlp_down(GELU(mlp_up(mlp_norm(x)))) */
static void apply_mlp(struct speller *s, struct pass *pass, struct hearken_matrix x, uint32_t layer)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    const struct mlp_weights *weights = &s->network->speller.layers[layer].mlp;
    struct hearken_matrix normed = matrix_of(&s->normed, x.rows, p->width);
    struct hearken_matrix inner = matrix_of(&s->wide, x.rows, p->mlp);
    pass_layer_norm(pass, normed, x, &weights->norm);
    pass_linear_gelu(pass, inner, normed, &weights->up);
    pass_linear_add(pass, x, inner, &weights->down);
}

/* Computes x of a batch, whose parts are set, in the memory of `s`. */
static void run_layers(struct speller *s, struct pass *pass, struct speller_batch *batch)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    uint32_t all = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->parts[i].first = all;
        all += batch->parts[i].rows;
    }
    batch->x = matrix_of(&s->x, all, p->width);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct speller_rows *rows = &batch->parts[i];
        rows->speller->extended = rows->rows > rows->sequences ? rows->rows : 0;
        s->kind->embed(pass, matrix_rows(batch->x, rows->first, rows->rows), rows);
    }
    for (uint32_t i = 0; i < p->layers; i++) {
        s->kind->before_attention(s, pass, batch, i);
        attend(s, pass, batch, i);
        if (p->mlp > 0)
            apply_mlp(s, pass, batch->x, i);
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct speller_rows *rows = &batch->parts[i];
        rows->speller->position += rows->rows / rows->sequences;
        rows->speller->alignment_rows = rows->rows;
    }
}

/* → x [rows, width] of one hypothesis that is extended by `rows` tokens */
static struct hearken_matrix extend(struct speller *s, struct pass *pass, const uint32_t *tokens,
                                    uint32_t rows)
{
    struct speller_batch batch = {
        .parts = {{.speller = s, .tokens = tokens, .rows = rows, .sequences = 1}},
        .count = 1,
    };
    run_layers(s, pass, &batch);
    return batch.x;
}

static struct hearken_matrix compute_logits(struct speller *s, struct pass *pass,
                                            struct hearken_matrix x)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    struct hearken_matrix normed = matrix_of(&s->normed, x.rows, p->width);
    struct hearken_matrix logits = matrix_of(&s->logits, x.rows, p->vocabulary);
    pass_layer_norm(pass, normed, x, &s->network->speller.norm);
    if (s->kind->project)
        normed = s->kind->project(s, pass, normed);
    pass_linear(pass, logits, normed, &s->network->speller.logits);
    return logits;
}

static void reserve(struct speller *s, struct pass *pass)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    size_t room = s->max_rows, wide = p->mlp > 3 * p->width ? p->mlp : 3 * p->width;
    pass_reserve(pass, &s->x, room * p->width);
    pass_reserve(pass, &s->normed, room * p->width);
    pass_reserve(pass, &s->wide, room * wide);
    pass_reserve(pass, &s->narrow, room * p->width);
    pass_reserve(pass, &s->query, room * p->width);
    pass_reserve(pass, &s->context, room * p->width);
    size_t logit_rows = s->hypotheses > SPELLER_EXTEND_MAX ? s->hypotheses : SPELLER_EXTEND_MAX;
    pass_reserve(pass, &s->logits, logit_rows * p->vocabulary);
    pass_reserve(pass, &s->alignment, room * count_aligned(s, p->layers) * p->heads * s->steps);
}

/*
 * The no-speech probability, from the logits after the first start token (Radford et al., 2022,
 * "Robust Speech Recognition").
 */
static float measure_no_speech(struct speller *s, struct pass *pass, struct hearken_matrix first)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    if (p->no_speech == NO_TOKEN)
        return 0;
    float log_probability = -INFINITY;
    struct hearken_matrix logits = compute_logits(s, pass, first);
    pass_log_softmax(pass, logits, NULL);
    pass_read(pass, matrix_columns(logits, p->no_speech, 1), &log_probability);
    return expf(log_probability);
}

/* Makes the kept tokens of an extension the state of the hypothesis. */
static void commit_extension(struct speller *s, struct pass *pass)
{
    if (s->extended > 0 && s->kind->keep)
        s->kind->keep(s, pass, s->extended);
    s->extended = 0;
}

/* Start tokens may need several passes through the layers. */
struct hearken_matrix speller_start(struct speller *speller, struct pass *pass)
{
    const struct speller_start *start = &speller->start;
    speller_rest(speller);
    reserve(speller, pass);
    speller->position = 0;
    speller->count = 1;
    speller->extended = 0;
    speller->no_speech = 0;
    speller->kind->begin(speller, pass);
    struct hearken_matrix x;
    for (uint32_t done = 0, rows; done < start->count; done += rows) {
        rows = start->count - done < speller->max_rows ? start->count - done : speller->max_rows;
        commit_extension(speller, pass);
        x = extend(speller, pass, start->tokens + done, rows);
        if (start->first >= done && start->first - done < rows)
            speller->no_speech =
                measure_no_speech(speller, pass, matrix_rows(x, start->first - done, 1));
    }
    return compute_logits(speller, pass, matrix_rows(x, x.rows - 1, 1));
}

float speller_no_speech(const struct speller *speller)
{
    return speller->no_speech;
}

static bool is_identity(const uint32_t *parents, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (parents[i] != i)
            return false;
    return true;
}

/* Rows past `count` keep their place, as a parent may be among them. */
static void reorder_states(struct speller *s, struct pass *pass, const uint32_t *parents,
                           uint32_t count)
{
    uint32_t rows = count > s->count ? count : s->count;
    if (is_identity(parents, count))
        return;
    memcpy(s->parents, parents, count * sizeof(*parents));
    for (uint32_t i = count; i < rows; i++)
        s->parents[i] = i;
    s->kind->reorder(s, pass, s->parents, rows);
}

/* Brings the states of a speller into the order of its step, once however often that is tried. */
static void prepare_step(struct speller *s, struct pass *pass)
{
    if (pass->error < 0 || !s->step.parents)
        return;
    commit_extension(s, pass);
    reorder_states(s, pass, s->step.parents, s->step.count);
    s->count = s->step.count;
    s->step.parents = NULL;
    s->step.pass->error = pass->error; /* some layers may be in the old order */
}

/* Takes back a step of several that there was no memory for, so that each can be made alone. */
static void take_back(const struct speller_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        batch->parts[i].speller->position--;
}

/* One step of several spellers, or of one, in the memory of the first. A step_compute. */
static bool step_together(void *const *spellers, uint32_t count)
{
    struct speller *first = spellers[0];
    struct speller_batch batch = {.count = count};
    struct pass pass = *first->step.pass;
    if (count > 1)
        pass.cancelled = NULL; /* the others go on */
    for (uint32_t i = 0; i < count; i++) {
        struct speller *s = spellers[i];
        prepare_step(s, &pass);
        batch.parts[i] = (struct speller_rows){.speller = s,
                                               .tokens = s->step.tokens,
                                               .rows = s->step.count,
                                               .sequences = s->step.count};
    }
    run_layers(first, &pass, &batch);
    struct hearken_matrix logits = compute_logits(first, &pass, batch.x);
    if (count > 1) { /* the others go on in queues of their own */
        struct pass rest = pass;
        rest.error = 0;
        pass_wait(&rest, logits);
        if (pass.error == -ENOMEM && rest.error == 0) {
            take_back(&batch);
            return false;
        }
        if (pass.error == 0)
            pass.error = rest.error;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct speller *s = spellers[i];
        s->count = s->step.count;
        s->step.logits = matrix_rows(logits, batch.parts[i].first, batch.parts[i].rows);
        s->step.pass->error = pass.error;
    }
    return true;
}

struct hearken_matrix speller_step(struct speller *speller, struct pass *pass,
                                   const uint32_t *parents, const uint32_t *tokens, uint32_t count)
{
    speller->step = (struct speller_step){pass, parents, tokens, count, {0}};
    if (speller->scheduler && pass->error == 0)
        step_scheduler_step(speller->scheduler, &speller->member, count, step_together);
    else
        step_together(&(void *){speller}, 1);
    return speller->step.logits;
}

struct hearken_matrix speller_extend(struct speller *speller, struct pass *pass,
                                     const uint32_t *tokens, uint32_t count)
{
    commit_extension(speller, pass);
    speller->count = count;
    return compute_logits(speller, pass, extend(speller, pass, tokens, count));
}

struct hearken_matrix speller_keep(struct speller *speller, struct hearken_matrix logits,
                                   uint32_t kept)
{
    speller->position -= logits.rows - kept;
    speller->alignment_rows = kept;
    speller->extended = kept;
    speller->count = 1;
    return matrix_rows(logits, kept - 1, 1);
}

/* Rows of the last logits: only the last row after the start tokens. */
static struct hearken_matrix last_rows(const struct speller *s, struct hearken_matrix alignment)
{
    return matrix_rows(alignment, s->alignment_rows - s->count, s->count);
}

void speller_read_layer_alignment(struct speller *speller, struct pass *pass, uint32_t layer,
                                  float *alignment)
{
    pass_read(pass, last_rows(speller, alignment_of(speller, speller->alignment_rows, layer)),
              alignment);
}

/* sum [steps] += the weights of the alignment heads of a layer. Returns the number of heads. */
static uint32_t add_heads(const struct speller *s, uint32_t layer, const float *weights, float *sum)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    uint32_t heads = 0;
    for (uint32_t head = 0; head < p->heads; head++) {
        if (!(p->alignment_heads[layer] >> head & 1))
            continue;
        heads++;
        for (uint32_t t = 0; t < s->steps; t++)
            sum[t] += weights[(size_t)head * s->steps + t];
    }
    return heads;
}

/* weights [aligned layers · heads · steps] → mean [steps] */
static void average_heads(const struct speller *s, const float *weights, float *mean)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    uint32_t heads = 0;
    memset(mean, 0, s->steps * sizeof(*mean));
    for (uint32_t layer = 0; layer < p->layers; layer++) {
        if (!is_aligned(s, layer))
            continue;
        heads += add_heads(s, layer, weights, mean);
        weights += (size_t)p->heads * s->steps;
    }
    for (uint32_t t = 0; t < s->steps; t++)
        mean[t] /= (float)heads;
}

void speller_read_alignment(struct speller *speller, struct pass *pass, float *alignment)
{
    const struct speller_parameters *p = &speller->network->parameters.speller;
    uint32_t columns = count_aligned(speller, p->layers) * p->heads * speller->steps;
    float *weights = malloc((size_t)speller->count * columns * sizeof(*weights) + 1);
    if (!weights && pass->error == 0)
        pass->error = -ENOMEM;
    struct hearken_matrix all = matrix_of(&speller->alignment, speller->alignment_rows, columns);
    pass_read(pass, last_rows(speller, all), weights);
    for (uint32_t row = 0; pass->error == 0 && row < speller->count; row++)
        average_heads(speller, weights + (size_t)row * columns,
                      alignment + (size_t)row * speller->steps);
    free(weights);
}
