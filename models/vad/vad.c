// SPDX-License-Identifier: MIT
#include "models/vad/vad.h"

#include "include/internal/half.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GATES 3u /* reset, update, new */

/* weight [inputs, outputs], transposed so that neighbouring outputs are neighbours; bias [outputs]
 */
struct dense {
    uint32_t inputs, outputs;
    float *weight, *bias;
};

struct gru_layer {
    struct dense input, hidden; /* [GATES * width, width] */
};

struct vad {
    uint32_t mels, width, layers;
    float floor, shift, scale;
    struct dense input;    /* [width, mels] */
    struct gru_layer *gru; /* [layers] */
    struct dense output;   /* [1, width] */
};

struct vad_state {
    const struct vad *vad;
    float *features;                 /* [mels] */
    float *activation;               /* [width], output of the last layer computed */
    float *from_input, *from_hidden; /* [GATES * width] */
    float *hidden;                   /* [layers, width] */
};

/* ---- Reading ---- */

struct reading {
    const struct gguf *gguf;
    struct hearken_error *error;
    int result; /* the first error, or 0 */
};

static double read_number(struct reading *r, const char *key, double lowest, double highest,
                          bool whole)
{
    const struct gguf_entry *entry = gguf_find_entry(r->gguf, key);
    if (r->result < 0)
        return lowest;
    const char *kind = whole ? "a whole number" : "a number";
    if (!entry || entry->is_array || entry->type == GGUF_STRING) {
        r->result = hearken_fail(r->error, -EINVAL, "%s is %s, expected %s from %g to %g", key,
                                 entry ? "no number" : "missing", kind, lowest, highest);
        return lowest;
    }
    double number = gguf_number(entry, 0);
    if (number >= lowest && number <= highest && (!whole || number == floor(number)))
        return number;
    r->result = hearken_fail(r->error, -EINVAL, "%s is %g, expected %s from %g to %g", key, number,
                             kind, lowest, highest);
    return lowest;
}

/* out[c, r] = tensor[r, c] */
static int copy_transposed(const struct gguf_tensor *tensor, float *out, uint64_t rows,
                           uint64_t columns)
{
    for (uint64_t i = 0; i < rows * columns; i++) {
        float *value = &out[i % columns * rows + i / columns];
        if (tensor->type == GGUF_TENSOR_F32) {
            memcpy(value, (const uint8_t *)tensor->data + 4 * i, sizeof(float));
        } else {
            uint16_t half;
            memcpy(&half, (const uint8_t *)tensor->data + 2 * i, sizeof(half));
            *value = float_from_half(half);
        }
        if (!isfinite(*value))
            return -EINVAL;
    }
    return 0;
}

/* Of shape [rows, columns] in the file. [columns, rows], made with malloc; NULL after an error. */
static float *read_tensor(struct reading *r, const char *name, uint32_t rows, uint32_t columns)
{
    if (r->result < 0)
        return NULL;
    const struct gguf_tensor *tensor = gguf_find_tensor(r->gguf, name);
    if (!tensor) {
        r->result = hearken_fail(r->error, -EINVAL,
                                 "tensor '%s' is missing, expected %" PRIu32 " x %" PRIu32, name,
                                 rows, columns);
        return NULL;
    }
    const uint64_t *shape = tensor->shape; /* innermost first */
    if (shape[0] != columns || shape[1] != rows || shape[2] != 1 || shape[3] != 1) {
        r->result = hearken_fail(r->error, -EINVAL,
                                 "tensor '%s' is %" PRIu64 " x %" PRIu64 " x %" PRIu64 " x %" PRIu64
                                 ", expected %" PRIu32 " x %" PRIu32,
                                 name, shape[3], shape[2], shape[1], shape[0], rows, columns);
        return NULL;
    }
    if (tensor->type != GGUF_TENSOR_F32 && tensor->type != GGUF_TENSOR_F16) {
        r->result = hearken_fail(r->error, -EINVAL, "tensor '%s' is %s, expected F32 or F16", name,
                                 gguf_tensor_type_name(tensor->type));
        return NULL;
    }
    uint64_t count = (uint64_t)rows * columns;
    float *values = malloc(count * sizeof(*values));
    if (!values) {
        r->result = hearken_fail(r->error, -ENOMEM, "out of memory");
    } else if (copy_transposed(tensor, values, rows, columns) < 0) {
        r->result = hearken_fail(r->error, -EINVAL,
                                 "tensor '%s' holds what is no number, expected finite ones", name);
        free(values);
        values = NULL;
    }
    return values;
}

static struct dense read_dense(struct reading *r, const char *name, uint32_t outputs,
                               uint32_t inputs)
{
    char weight[64], bias[64];
    snprintf(weight, sizeof(weight), "voice.%s.weight", name);
    snprintf(bias, sizeof(bias), "voice.%s.bias", name);
    struct dense dense = {.inputs = inputs, .outputs = outputs};
    dense.weight = read_tensor(r, weight, outputs, inputs);
    dense.bias = read_tensor(r, bias, 1, outputs);
    return dense;
}

static void read_layers(struct reading *r, struct vad *v)
{
    v->gru = calloc(v->layers, sizeof(*v->gru));
    if (!v->gru) {
        r->result = hearken_fail(r->error, -ENOMEM, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < v->layers; i++) {
        char input[32], hidden[32];
        snprintf(input, sizeof(input), "layer.%" PRIu32 ".input", i);
        snprintf(hidden, sizeof(hidden), "layer.%" PRIu32 ".hidden", i);
        v->gru[i].input = read_dense(r, input, GATES * v->width, v->width);
        v->gru[i].hidden = read_dense(r, hidden, GATES * v->width, v->width);
    }
}

static void read_keys(struct reading *r, struct vad *v)
{
    v->mels = (uint32_t)read_number(r, "hearken.voice.mels", v->mels, v->mels, true);
    v->width = (uint32_t)read_number(r, "hearken.voice.width", 1, VAD_MAX_WIDTH, true);
    v->layers = (uint32_t)read_number(r, "hearken.voice.layers", 1, VAD_MAX_LAYERS, true);
    v->floor = (float)read_number(r, "hearken.voice.floor", -1000, 1000, false);
    v->shift = (float)read_number(r, "hearken.voice.shift", -1000, 1000, false);
    v->scale = (float)read_number(r, "hearken.voice.scale", 0.001, 1000, false);
}

int vad_read(const struct gguf *gguf, uint32_t mels, struct vad **vad, struct hearken_error *error)
{
    struct reading r = {gguf, error, 0};
    *vad = NULL;
    if (!gguf_find_entry(gguf, "hearken.voice.width"))
        return 0;
    struct vad *v = calloc(1, sizeof(*v));
    if (!v)
        return hearken_fail(error, -ENOMEM, "out of memory");
    v->mels = mels;
    read_keys(&r, v);
    if (r.result == 0)
        read_layers(&r, v);
    v->input = read_dense(&r, "input", v->width, v->mels);
    v->output = read_dense(&r, "output", 1, v->width);
    if (r.result < 0)
        vad_destroy(v);
    else
        *vad = v;
    return r.result;
}

static void free_dense(struct dense *dense)
{
    free(dense->weight);
    free(dense->bias);
}

void vad_destroy(struct vad *vad)
{
    if (!vad)
        return;
    free_dense(&vad->input);
    for (uint32_t i = 0; vad->gru && i < vad->layers; i++) {
        free_dense(&vad->gru[i].input);
        free_dense(&vad->gru[i].hidden);
    }
    free(vad->gru);
    free_dense(&vad->output);
    free(vad);
}

/* ---- Inference ---- */

int vad_state_create(const struct vad *vad, struct vad_state **state)
{
    struct vad_state *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    size_t width = vad->width;
    s->vad = vad;
    s->features = calloc(vad->mels, sizeof(float));
    s->activation = calloc(width, sizeof(float));
    s->from_input = calloc(GATES * width, sizeof(float));
    s->from_hidden = calloc(GATES * width, sizeof(float));
    s->hidden = calloc(vad->layers * width, sizeof(float));
    if (!s->features || !s->activation || !s->from_input || !s->from_hidden || !s->hidden) {
        vad_state_destroy(s);
        return -ENOMEM;
    }
    *state = s;
    return 0;
}

void vad_state_destroy(struct vad_state *state)
{
    if (!state)
        return;
    free(state->features);
    free(state->activation);
    free(state->from_input);
    free(state->from_hidden);
    free(state->hidden);
    free(state);
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

/* Less exact near zero than tanhf(), and faster. */
static float tangent(float x)
{
    return 2 * sigmoid(2 * x) - 1;
}

/* out = weight · x + bias. Each sum has the order of the inputs, several outputs at a time. */
static void multiply(const struct dense *dense, const float *x, float *out)
{
    enum { TOGETHER = 16 };
    const uint32_t outputs = dense->outputs;
    for (uint32_t row = 0; row < outputs; row += TOGETHER) {
        uint32_t count = outputs - row < TOGETHER ? outputs - row : TOGETHER;
        const float *weight = dense->weight + row;
        float sums[TOGETHER] = {0};
        if (count == TOGETHER)
            for (uint32_t i = 0; i < dense->inputs; i++, weight += outputs)
                for (uint32_t lane = 0; lane < TOGETHER; lane++)
                    sums[lane] += weight[lane] * x[i];
        else
            for (uint32_t i = 0; i < dense->inputs; i++, weight += outputs)
                for (uint32_t lane = 0; lane < count; lane++)
                    sums[lane] += weight[lane] * x[i];
        for (uint32_t lane = 0; lane < count; lane++)
            out[row + lane] = dense->bias[row + lane] + sums[lane];
    }
}

static void run_layer(struct vad_state *s, uint32_t index)
{
    uint32_t width = s->vad->width;
    float *h = s->hidden + (size_t)index * width;
    const float *in = s->from_input, *own = s->from_hidden;
    multiply(&s->vad->gru[index].input, s->activation, s->from_input);
    multiply(&s->vad->gru[index].hidden, h, s->from_hidden);
    for (uint32_t i = 0; i < width; i++) {
        float reset = sigmoid(in[i] + own[i]);
        float update = sigmoid(in[width + i] + own[width + i]);
        float new = tangent(in[2 * width + i] + reset * own[2 * width + i]);
        h[i] = (1 - update) * new + update *h[i];
    }
    memcpy(s->activation, h, width * sizeof(*h));
}

float vad_process(struct vad_state *state, const float *logmel)
{
    const struct vad *v = state->vad;
    float logit;
    for (uint32_t i = 0; i < v->mels; i++)
        state->features[i] = (fmaxf(logmel[i], v->floor) + v->shift) / v->scale;
    multiply(&v->input, state->features, state->activation);
    for (uint32_t i = 0; i < v->width; i++)
        state->activation[i] = fmaxf(state->activation[i], 0);
    for (uint32_t i = 0; i < v->layers; i++)
        run_layer(state, i);
    multiply(&v->output, state->activation, &logit);
    return sigmoid(logit);
}
