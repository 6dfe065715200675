// SPDX-License-Identifier: MIT
#include "models/network/listener.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Most stand-ins for the silence in a window (docs/notes/accuracy.md has the figures). */
#define MAX_STAND_INS 8u

/* Rows of the MLP that are computed at a time: all rows would need the most memory of all. */
#define MLP_ROWS 512u

/* Keys and values of one block, chunk mode: [positions, width] each. */
struct listener_cache {
    struct storage keys, values;
};

/* Full mode has no use for some of the storage: conv1 is dead when the blocks begin, `narrow` when
 * they have ended (conv1_of, memory_of). */
struct listener {
    const struct network *network;
    struct storage features; /* [frames, mels] */
    struct storage conv1;    /* [frames, width]; chunk mode only */
    struct storage x;        /* [steps, width], the residual stream of the blocks */
    struct storage narrow;   /* [steps, width]: output of norms and attention */
    struct storage wide;     /* [steps, 3 · width] or [MLP_ROWS, mlp]: qkv, or inside the MLP */
    struct storage last;     /* [steps + 1, width]: output of the last norm, with a spare row */
    struct storage memory;   /* [memory steps, memory_width]; not in full mode without a pyramid */
    struct listener_cache *caches; /* [layers] */
    float *zeros;                  /* [width] */

    struct hearken_stand_ins stand_ins; /* the last rows of x */
    uint32_t chunk;                     /* steps of a chunk; 0: full mode */
    uint32_t frames_written;            /* frames in `features` */
    uint32_t rows_convolved;            /* rows of conv1 computed */
    uint32_t steps_done;                /* steps computed by all blocks */

    listener_tap *tap;
    void *tap_context;
};

static uint32_t steps_of_frames(uint32_t frames)
{
    return (frames + 1) / 2;
}

static uint32_t pyramid_steps(const struct network *network, uint32_t steps)
{
    uint32_t pyramid = network->parameters.listener.pyramid;
    return (steps + pyramid - 1) / pyramid;
}

uint32_t listener_memory_steps(const struct network *network, uint32_t frames)
{
    return pyramid_steps(network, steps_of_frames(frames));
}

uint32_t listener_max_frames(const struct network *network)
{
    return 2 * network->parameters.listener.positions;
}

int listener_create(const struct network *network, struct listener **listener)
{
    struct listener *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->network = network;
    l->caches = calloc(network->parameters.listener.layers, sizeof(*l->caches));
    l->zeros = calloc(network->parameters.listener.width, sizeof(*l->zeros));
    if (!l->caches || !l->zeros) {
        free(l->caches);
        free(l->zeros);
        free(l);
        return -ENOMEM;
    }
    *listener = l;
    return 0;
}

void listener_destroy(struct listener *listener, struct pass *pass)
{
    if (!listener)
        return;
    struct storage *const all[] = {&listener->features, &listener->conv1, &listener->x,
                                   &listener->narrow,   &listener->wide,  &listener->last,
                                   &listener->memory};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        pass_release(pass, all[i]);
    for (uint32_t i = 0; i < listener->network->parameters.listener.layers; i++) {
        pass_release(pass, &listener->caches[i].keys);
        pass_release(pass, &listener->caches[i].values);
    }
    free(listener->caches);
    free(listener->zeros);
    free(listener);
}

void listener_rest(struct listener *listener, struct pass *pass)
{
    pass_release(pass, &listener->wide);
}

void listener_set_tap(struct listener *listener, listener_tap *tap, void *context)
{
    listener->tap = tap;
    listener->tap_context = context;
}

static void call_tap(const struct listener *l, const char *name, struct hearken_matrix x)
{
    if (l->tap)
        l->tap(l->tap_context, name, x);
}

static const struct storage *conv1_of(const struct listener *l)
{
    return l->chunk ? &l->conv1 : &l->wide;
}

static const struct storage *memory_of(const struct listener *l)
{
    return l->chunk || l->network->parameters.listener.pyramid > 1 ? &l->memory : &l->narrow;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/*
 * Reserves buffers: for `frames` frames in those kept over a segment, for `rows` steps in the
 * others.
 */
static void reserve(struct listener *l, struct pass *pass, uint32_t frames, uint32_t rows)
{
    const struct parameters *p = &l->network->parameters;
    size_t width = p->listener.width, steps = steps_of_frames(frames);
    size_t wide = larger(rows * 3 * width, (rows < MLP_ROWS ? rows : MLP_ROWS) * p->listener.mlp);
    pass_reserve(pass, &l->features, (size_t)frames * p->features.mels);
    if (l->chunk)
        pass_reserve(pass, &l->conv1, frames * width);
    else
        wide = larger(wide, frames * width);
    pass_reserve(pass, &l->x, rows * width);
    pass_reserve(pass, &l->narrow, rows * width);
    pass_reserve(pass, &l->wide, wide);
    if (p->listener.pyramid > 1)
        pass_reserve(pass, &l->last, (rows + 1) * width);
    if (memory_of(l) == &l->memory)
        pass_reserve(pass, &l->memory, (steps + 1) * p->listener.memory_width);
}

/*
 * Rows first..first + count - 1 of a convolution with three taps and padding 1 over all of `in`:
 * tap k of row t reads row t · stride + k - 1. The view of `in` starts at the first row read and
 * ends with its last row; rows outside it are zero.
 */
static struct hearken_convolve convolution(const struct affine *weights, struct hearken_matrix out,
                                           struct hearken_matrix in, uint32_t first, uint32_t count,
                                           uint32_t stride)
{
    uint32_t before = first > 0 ? first * stride - 1 : 0;
    uint32_t end = (first + count - 1) * stride + 2;
    if (end > in.rows)
        end = in.rows;
    return (struct hearken_convolve){
        .out = out,
        .in = matrix_rows(in, before, end - before),
        .weight = weights->weight,
        .bias = weights->bias,
        .stride = stride,
        .padding = first > 0 ? 0 : 1,
        .activation = HEARKEN_ACTIVATION_GELU,
    };
}

/* Computes conv1 up to row `until`, of `frames` frames. */
static void convolve_first(struct listener *l, struct pass *pass, uint32_t until, uint32_t frames)
{
    const struct parameters *p = &l->network->parameters;
    uint32_t count = until - l->rows_convolved;
    if (count == 0)
        return;
    struct hearken_matrix in = matrix_of(&l->features, frames, p->features.mels);
    struct hearken_matrix out =
        matrix_rows(matrix_of(conv1_of(l), until, p->listener.width), l->rows_convolved, count);
    struct hearken_convolve arguments =
        convolution(&l->network->listener.conv1, out, in, l->rows_convolved, count, 1);
    pass_convolve(pass, &arguments);
    l->rows_convolved = until;
}

/* Computes steps first..first + count - 1 of x, with their positions. */
static void convolve_second(struct listener *l, struct pass *pass, uint32_t first, uint32_t count)
{
    uint32_t width = l->network->parameters.listener.width;
    struct hearken_matrix in = matrix_of(conv1_of(l), l->rows_convolved, width);
    struct hearken_convolve arguments = convolution(
        &l->network->listener.conv2, matrix_of(&l->x, count, width), in, first, count, 2);
    arguments.positions = l->network->listener.positions;
    arguments.position = first;
    pass_convolve(pass, &arguments);
}

/* x [rows, width] += mlp_down(GELU(mlp_up(normed))) */
static void apply_mlp(struct listener *l, struct pass *pass, const struct listener_block *b,
                      struct hearken_matrix x, struct hearken_matrix normed)
{
    for (uint32_t first = 0, count; first < x.rows; first += count) {
        count = x.rows - first < MLP_ROWS ? x.rows - first : MLP_ROWS;
        struct hearken_matrix inner =
            matrix_of(&l->wide, count, l->network->parameters.listener.mlp);
        pass_linear_gelu(pass, inner, matrix_rows(normed, first, count), &b->mlp_up);
        pass_linear_add(pass, matrix_rows(x, first, count), inner, &b->mlp_down);
    }
}

/* x += attention_out(heads(qkv(attention_norm(x)))); x += mlp_down(GELU(mlp_up(mlp_norm(x)))) */
static void run_block(struct listener *l, struct pass *pass, uint32_t index, uint32_t rows)
{
    const struct listener_parameters *p = &l->network->parameters.listener;
    const struct listener_block *b = &l->network->listener.blocks[index];
    struct hearken_matrix x = matrix_of(&l->x, rows, p->width);
    struct hearken_matrix normed = matrix_of(&l->narrow, rows, p->width), attended = normed;
    struct hearken_matrix qkv = matrix_of(&l->wide, rows, 3 * p->width);
    struct hearken_self_attend attention = {
        .out = attended,
        .qkv = qkv,
        .sequences = 1,
        .heads = p->heads,
        .stand_ins = l->stand_ins,
    };
    if (l->chunk) {
        struct listener_cache *cache = &l->caches[index];
        pass_reserve(pass, &cache->keys, (size_t)p->positions * p->width);
        pass_reserve(pass, &cache->values, (size_t)p->positions * p->width);
        attention.keys = matrix_of(&cache->keys, 1, p->positions * p->width);
        attention.values = matrix_of(&cache->values, 1, p->positions * p->width);
        attention.past = l->steps_done;
        attention.chunk = l->chunk;
    }
    pass_layer_norm(pass, normed, x, &b->attention_norm);
    pass_linear(pass, qkv, normed, &b->qkv);
    pass_self_attend(pass, &attention);
    pass_linear_add(pass, x, attended, &b->attention_out);
    pass_layer_norm(pass, normed, x, &b->mlp_norm);
    apply_mlp(l, pass, b, x, normed);
}

/* Norm; then the pyramid joins neighbouring steps and projects them into the memory. */
static void finish_steps(struct listener *l, struct pass *pass, uint32_t first, uint32_t count)
{
    const struct listener_parameters *p = &l->network->parameters.listener;
    struct hearken_matrix x = matrix_of(&l->x, count, p->width);
    uint32_t rows = pyramid_steps(l->network, count);
    struct hearken_matrix memory =
        matrix_rows(matrix_of(memory_of(l), 0, p->memory_width), first / p->pyramid, rows);
    if (p->pyramid == 1) {
        pass_layer_norm(pass, memory, x, &l->network->listener.norm);
        return;
    }
    struct hearken_matrix last = matrix_of(&l->last, count, p->width);
    pass_layer_norm(pass, last, x, &l->network->listener.norm);
    if (count % p->pyramid)
        pass_write(pass, matrix_rows(last, count, 1), l->zeros);
    pass_linear(pass, memory, matrix_of(&l->last, rows, p->pyramid * p->width),
                &l->network->listener.pyramid);
}

/* x [count, width], steps first..first + count - 1, through all blocks into the memory */
static void run_blocks(struct listener *l, struct pass *pass, uint32_t first, uint32_t count)
{
    const struct listener_parameters *p = &l->network->parameters.listener;
    for (uint32_t i = 0; i < p->layers; i++) {
        char name[32];
        run_block(l, pass, i, count);
        snprintf(name, sizeof(name), "block.%" PRIu32, i);
        call_tap(l, name, matrix_of(&l->x, count, p->width));
    }
    finish_steps(l, pass, first, count);
    l->steps_done += count;
}

/* Computes the next `count` steps. All frames that they depend on must be in `features`. */
static void encode_steps(struct listener *l, struct pass *pass, uint32_t count, uint32_t frames,
                         bool last)
{
    uint32_t first = l->steps_done, until = 2 * (first + count);
    convolve_first(l, pass, until < frames || !last ? until : frames, frames);
    call_tap(l, "conv1",
             matrix_of(conv1_of(l), l->rows_convolved, l->network->parameters.listener.width));
    convolve_second(l, pass, first, count);
    run_blocks(l, pass, first, count);
}

static void write_features(struct listener *l, struct pass *pass, const float *features,
                           uint32_t frames)
{
    uint32_t mels = l->network->parameters.features.mels;
    uint32_t added = frames - l->frames_written;
    if (added > 0)
        pass_write(pass,
                   matrix_rows(matrix_of(&l->features, frames, mels), l->frames_written, added),
                   features + (size_t)l->frames_written * mels);
    l->frames_written = frames;
}

static void begin(struct listener *l, uint32_t chunk)
{
    l->chunk = chunk;
    l->stand_ins = (struct hearken_stand_ins){0};
    l->frames_written = l->rows_convolved = l->steps_done = 0;
}

struct hearken_matrix listener_encode(struct listener *listener, struct pass *pass,
                                      const float *features, uint32_t frames)
{
    begin(listener, 0);
    uint32_t steps = steps_of_frames(frames);
    reserve(listener, pass, frames, steps);
    write_features(listener, pass, features, frames);
    encode_steps(listener, pass, steps, frames, true);
    return matrix_of(memory_of(listener), listener_memory_steps(listener->network, frames),
                     listener->network->parameters.listener.memory_width);
}

/* ---- Windows ---- */

bool listener_needs_window(const struct network *network)
{
    return network->parameters.features.window > 0 && network->parameters.listener.pyramid == 1;
}

static uint32_t window_steps(const struct network *network)
{
    uint32_t steps = steps_of_frames(network->parameters.features.window);
    uint32_t most = network->parameters.listener.positions;
    return steps < most ? steps : most;
}

/*
 * Computes a step of silence at `position` into row `row` of x. The last row of conv1 has read the
 * padding after the features, so it is not used.
 */
static void convolve_silence(struct listener *l, struct pass *pass, uint32_t row, uint32_t position)
{
    uint32_t width = l->network->parameters.listener.width;
    struct hearken_matrix conv1 = matrix_of(conv1_of(l), l->rows_convolved, width);
    struct hearken_matrix out = matrix_rows(matrix_of(&l->x, row + 1, width), row, 1);
    const struct hearken_convolve arguments = {
        .out = out,
        .in = matrix_rows(conv1, l->rows_convolved - 4, 3),
        .weight = l->network->listener.conv2.weight,
        .bias = l->network->listener.conv2.bias,
        .stride = 2,
        .activation = HEARKEN_ACTIVATION_GELU,
        .positions = l->network->listener.positions,
        .position = position,
    };
    pass_convolve(pass, &arguments);
}

/*
 * Adds stand-ins for the `left` steps of silence. Each has the position in the middle of its share.
 */
static void add_stand_ins(struct listener *l, struct pass *pass, uint32_t steps, uint32_t left)
{
    uint32_t count = left < MAX_STAND_INS ? left : MAX_STAND_INS;
    for (uint32_t i = 0; i < count; i++)
        convolve_silence(l, pass, steps + i, steps + (2 * i + 1) * left / (2 * count));
    l->stand_ins = (struct hearken_stand_ins){count, logf((float)left / (float)count)};
}

struct hearken_matrix listener_encode_window(struct listener *listener, struct pass *pass,
                                             const float *features, uint32_t frames,
                                             struct hearken_stand_ins *stand_ins)
{
    struct listener *l = listener;
    uint32_t window = window_steps(l->network), steps = (frames - 1) / 2;
    *stand_ins = (struct hearken_stand_ins){0};
    if (frames < LISTENER_SILENCE || steps >= window)
        return listener_encode(l, pass, features, frames);
    begin(l, 0);
    reserve(l, pass, frames + 2 * MAX_STAND_INS, steps + MAX_STAND_INS);
    write_features(l, pass, features, frames);
    convolve_first(l, pass, frames, frames);
    convolve_second(l, pass, 0, steps);
    add_stand_ins(l, pass, steps, window - steps);
    run_blocks(l, pass, 0, steps + l->stand_ins.count);
    *stand_ins = l->stand_ins;
    return matrix_of(memory_of(l), steps + l->stand_ins.count,
                     l->network->parameters.listener.memory_width);
}

/* ---- Chunks ---- */

void listener_begin_chunks(struct listener *listener, uint32_t chunk)
{
    begin(listener, chunk);
}

struct hearken_matrix listener_encode_chunks(struct listener *listener, struct pass *pass,
                                             const float *features, uint32_t frames, bool last)
{
    uint32_t chunk = listener->chunk;
    reserve(listener, pass, listener_max_frames(listener->network), chunk);
    write_features(listener, pass, features, frames);
    /* A chunk also reads the first frame after it. */
    while (2 * (listener->steps_done + chunk) < frames)
        encode_steps(listener, pass, chunk, frames, last);
    uint32_t rest = steps_of_frames(frames) - listener->steps_done;
    if (last && rest > 0)
        encode_steps(listener, pass, rest, frames, last);
    return matrix_of(memory_of(listener), pyramid_steps(listener->network, listener->steps_done),
                     listener->network->parameters.listener.memory_width);
}
