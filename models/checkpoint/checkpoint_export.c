// SPDX-License-Identifier: MIT
#include "models/checkpoint/checkpoint_export.h"

#include "models/checkpoint/whisper_known.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARCHITECTURE   "hearken-las"
#define WINDOW_SECONDS 30u
#define BELOW_MAXIMUM  8.0f /* log10 of the power is clamped to its maximum less this */
#define FLOOR          (-10.0f)
#define SHIFT          4.0f
#define SCALE          4.0f
#define TYPE_NORMAL    1 /* tokenizer.ggml.token_type */
#define TYPE_CONTROL   3

struct writing {
    const struct model_file *model;
    struct gguf_writer *out;
    struct hearken_error *error;
};

/* A special token's id in the model file; -EINVAL if it is missing or was not kept. */
static int find_special(const struct writing *w, const char *name, uint32_t *id)
{
    const struct tokens *v = &w->model->checkpoint->tokens;
    uint32_t found = tokens_find(v, name);
    if (found == NO_TOKEN)
        return hearken_fail(w->error, -EINVAL, "vocabulary: there is no token %s", name);
    *id = v->ids[found];
    if (*id == NO_TOKEN)
        return hearken_fail(w->error, -EINVAL,
                            "%s is not among the tokens to keep, expected it there", name);
    return 0;
}

static void add_general(const struct writing *w)
{
    const struct model_file *m = w->model;
    gguf_add_text(w->out, "general.architecture", ARCHITECTURE);
    gguf_add_text(w->out, "general.name", m->name);
    if (m->description)
        gguf_add_text(w->out, "general.description", m->description);
    if (m->license)
        gguf_add_text(w->out, "general.license", m->license);
}

static void add_features(const struct writing *w)
{
    gguf_add_u32(w->out, "hearken.features.sample_rate", SAMPLE_RATE);
    gguf_add_u32(w->out, "hearken.features.fft", FFT);
    gguf_add_u32(w->out, "hearken.features.hop", HOP);
    gguf_add_u32(w->out, "hearken.features.mels", w->model->whisper->mels);
    gguf_add_f32(w->out, "hearken.features.floor", FLOOR);
    gguf_add_f32(w->out, "hearken.features.shift", SHIFT);
    gguf_add_f32(w->out, "hearken.features.scale", SCALE);
    gguf_add_f32(w->out, "hearken.features.below_maximum", BELOW_MAXIMUM);
    gguf_add_u32(w->out, "hearken.features.window",
                 w->model->no_window ? 0 : WINDOW_SECONDS * SAMPLE_RATE / HOP);
}

static void add_network(const struct writing *w)
{
    const struct whisper *n = w->model->whisper;
    gguf_add_u32(w->out, "hearken.listener.width", n->width);
    gguf_add_u32(w->out, "hearken.listener.heads", n->heads);
    gguf_add_u32(w->out, "hearken.listener.layers", n->listener_layers);
    gguf_add_u32(w->out, "hearken.listener.mlp", n->mlp);
    gguf_add_u32(w->out, "hearken.listener.positions", n->listener_positions);
    gguf_add_u32(w->out, "hearken.listener.pyramid", 1);
    gguf_add_u32(w->out, "hearken.listener.memory_width", n->width);
    gguf_add_u32(w->out, "hearken.listener.chunk", 0);
    gguf_add_u32(w->out, "hearken.listener.half_positions", n->half_positions);
    if (w->model->padding)
        gguf_add_f32(w->out, "hearken.listener.padding", *w->model->padding);
    gguf_add_text(w->out, "hearken.speller.kind", "transformer");
    gguf_add_u32(w->out, "hearken.speller.width", n->width);
    gguf_add_u32(w->out, "hearken.speller.heads", n->heads);
    gguf_add_u32(w->out, "hearken.speller.layers", n->speller_layers);
    gguf_add_u32(w->out, "hearken.speller.mlp", n->mlp);
    gguf_add_u32(w->out, "hearken.speller.positions", n->speller_positions);
    const struct number_list *heads = &w->model->checkpoint->alignment_heads;
    if (heads->count > 0)
        gguf_add_u32s(w->out, "hearken.speller.alignment_heads", heads->numbers, heads->count);
}

/* Writes tokens by their new ids, without those that were not kept. */
static int add_token_list(const struct writing *w, const char *key, const struct number_list *list)
{
    size_t count = 0;
    uint32_t *ids = calloc(list->count + 1, sizeof(*ids));
    if (!ids)
        return hearken_fail(w->error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < list->count; i++) {
        uint32_t id = w->model->checkpoint->tokens.ids[list->numbers[i]];
        if (id != NO_TOKEN)
            ids[count++] = id;
    }
    gguf_add_u32s(w->out, key, ids, count);
    free(ids);
    return 0;
}

static int add_start(const struct writing *w)
{
    char language[32];
    uint32_t start[4];
    size_t count = 0;
    snprintf(language, sizeof(language), "<|%s|>", w->model->language);
    const char *const all[] = {"<|startoftranscript|>", language, "<|transcribe|>",
                               "<|notimestamps|>"};
    for (size_t i = 0; i < 4; i++) {
        if (!w->model->whisper->multilingual && (i == 1 || i == 2))
            continue;
        int result = find_special(w, all[i], &start[count++]);
        if (result < 0)
            return result;
    }
    gguf_add_u32s(w->out, "hearken.speller.start", start, count);
    return 0;
}

/* <|nospeech|>, which OpenAI's first files call <|nocaptions|>. */
static int add_no_speech(const struct writing *w)
{
    const struct tokens *v = &w->model->checkpoint->tokens;
    uint32_t id;
    bool modern = tokens_find(v, "<|nospeech|>") != NO_TOKEN;
    int result = find_special(w, modern ? "<|nospeech|>" : "<|nocaptions|>", &id);
    if (result == 0)
        gguf_add_u32(w->out, "hearken.speller.no_speech_token", id);
    return result;
}

static int add_token_types(const struct writing *w)
{
    const struct tokens *v = &w->model->checkpoint->tokens;
    int32_t *types = calloc(v->kept_count + 1, sizeof(*types));
    if (!types)
        return hearken_fail(w->error, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < v->kept_count; i++)
        types[i] = tokens_is_control(v, v->kept[i]) ? TYPE_CONTROL : TYPE_NORMAL;
    gguf_add_i32s(w->out, "tokenizer.ggml.token_type", types, v->kept_count);
    free(types);
    return 0;
}

static int add_vocabulary(const struct writing *w)
{
    const struct tokens *v = &w->model->checkpoint->tokens;
    const struct checkpoint *c = w->model->checkpoint;
    uint32_t first, last;
    int result;
    if ((result = add_token_list(w, "hearken.speller.suppress", &c->suppress)) < 0 ||
        (result = add_token_list(w, "hearken.speller.suppress_at_begin", &c->suppress_at_begin)) <
            0 ||
        (result = add_start(w)) < 0 || (result = add_no_speech(w)) < 0)
        return result;
    gguf_add_text(w->out, "tokenizer.ggml.model", "gpt2");
    gguf_add_texts(w->out, "tokenizer.ggml.tokens", v->names, v->kept, v->kept_count);
    if ((result = add_token_types(w)) < 0 ||
        (result = find_special(w, "<|startoftranscript|>", &first)) < 0 ||
        (result = find_special(w, "<|endoftext|>", &last)) < 0)
        return result;
    gguf_add_u32(w->out, "tokenizer.ggml.bos_token_id", first);
    gguf_add_u32(w->out, "tokenizer.ggml.eos_token_id", last);
    return 0;
}

/* ---- Tensors ---- */

/* Whether the part's bytes can be copied without conversion. */
static bool is_same_type(enum gguf_tensor_type to, enum value_type from)
{
    return (to == GGUF_TENSOR_F32 && from == VALUE_F32) ||
           (to == GGUF_TENSOR_F16 && from == VALUE_F16) ||
           (to == GGUF_TENSOR_Q5_0 && from == VALUE_Q5_0) ||
           (to == GGUF_TENSOR_Q8_0 && from == VALUE_Q8_0);
}

/* Writes one row, zeros if there is no part; `values` has room for it. */
static void write_part(const struct writing *w, const struct whisper_tensor *tensor,
                       const struct checkpoint_tensor *part, uint64_t row, uint64_t columns,
                       float *values)
{
    if (part && is_same_type(tensor->type, part->type)) {
        gguf_write_packed(w->out, part->data + value_bytes(part->type, row * columns), columns);
        return;
    }
    if (part)
        checkpoint_read(part, row * columns, columns, values);
    else
        memset(values, 0, columns * sizeof(*values));
    gguf_write_values(w->out, values, columns);
}

static int write_tensor(const struct writing *w, const struct whisper_tensor *tensor)
{
    /* In a vector of several parts, each part is a row. */
    uint64_t columns = tensor->rank > 1 ? tensor->shape[0] : tensor->shape[0] / tensor->part_count;
    uint64_t rows = tensor->rank > 1 ? tensor->shape[1] * tensor->shape[2] / tensor->part_count : 1;
    float *values = calloc(columns, sizeof(*values));
    if (!values)
        return hearken_fail(w->error, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < tensor->part_count; i++)
        for (uint64_t row = 0; row < rows; row++)
            write_part(w, tensor, tensor->parts[i], tensor->rows ? tensor->rows[row] : row, columns,
                       values);
    free(values);
    return 0;
}

/* Frees the values of tensor `index` that none of the following has a part in. */
static void release_parts(const struct writing *w, const struct whisper_tensors *list, size_t index)
{
    const struct whisper_tensor *tensor = &list->tensors[index];
    for (uint32_t i = 0; i < tensor->part_count; i++) {
        const struct checkpoint_tensor *part = tensor->parts[i];
        for (size_t later = index + 1; part && later < list->count; later++)
            for (uint32_t k = 0; k < list->tensors[later].part_count; k++)
                if (list->tensors[later].parts[k] == part)
                    part = NULL;
        if (part)
            checkpoint_release(w->model->checkpoint, part);
    }
}

static int write_features(const struct writing *w)
{
    uint32_t mels = w->model->whisper->mels;
    float window[FFT];
    float *filters = calloc((size_t)mels * FREQUENCY_BINS, sizeof(*filters));
    if (!filters)
        return hearken_fail(w->error, -ENOMEM, "out of memory");
    if (w->model->checkpoint->mel_filters)
        memcpy(filters, w->model->checkpoint->mel_filters,
               (size_t)mels * FREQUENCY_BINS * sizeof(*filters));
    else
        mel_filters(mels, filters);
    hann_window(window);
    gguf_write_values(w->out, filters, (size_t)mels * FREQUENCY_BINS);
    gguf_write_values(w->out, window, FFT);
    free(filters);
    return 0;
}

static int write_tensors(const struct writing *w, const struct whisper_tensors *list)
{
    const uint64_t filters[] = {FREQUENCY_BINS, w->model->whisper->mels};
    const uint64_t window[] = {FFT};
    gguf_add_tensor(w->out, "features.mel_filters", GGUF_TENSOR_F32, 2, filters);
    gguf_add_tensor(w->out, "features.window", GGUF_TENSOR_F32, 1, window);
    for (size_t i = 0; i < list->count; i++) {
        const struct whisper_tensor *t = &list->tensors[i];
        gguf_add_tensor(w->out, t->name, t->type, t->rank, t->shape);
    }
    gguf_write_head(w->out);
    if (w->model->no_values) {
        gguf_leave_values(w->out);
        return 0;
    }
    int result = write_features(w);
    for (size_t i = 0; result == 0 && i < list->count; i++) {
        result = write_tensor(w, &list->tensors[i]);
        if (w->model->release)
            release_parts(w, list, i);
    }
    return result;
}

static int write_all(struct writing *w)
{
    struct whisper_tensors list = {0};
    const struct model_file *m = w->model;
    const struct tokens *v = &m->checkpoint->tokens;
    int result = whisper_list_tensors(&list, m->whisper, m->checkpoint, m->types, v->kept,
                                      v->kept_count, w->error);
    if (result < 0)
        goto finish;
    add_general(w);
    add_features(w);
    add_network(w);
    if ((result = add_vocabulary(w)) == 0 && (result = write_tensors(w, &list)) == 0)
        result = gguf_writer_finish(w->out);
finish:
    whisper_tensors_finish(&list);
    return result;
}

int model_file_write(const struct model_file *model, const char *path, struct hearken_error *error)
{
    struct writing w = {model, NULL, error};
    int result = gguf_writer_create(path, &w.out, error);
    if (result == 0)
        result = write_all(&w);
    gguf_writer_destroy(w.out);
    return result;
}

int model_file_make(const struct model_file *model, struct hearken_error *error)
{
    struct writing w = {model, NULL, error};
    int result = gguf_writer_create(NULL, &w.out, error);
    if (result == 0 && (result = write_all(&w)) == 0)
        result = gguf_writer_take(w.out);
    gguf_writer_destroy(w.out);
    return result;
}
