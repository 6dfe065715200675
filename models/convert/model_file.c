// SPDX-License-Identifier: MIT
#include "model_file.h"

#include "features.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ARCHITECTURE   "hearken-las"
#define WINDOW_SECONDS 30u
#define BELOW_MAXIMUM  8.0f /* of log10 of the power: what is quieter is cut there */
#define FLOOR          -10.0f
#define SHIFT          4.0f
#define SCALE          4.0f
#define TYPE_NORMAL    1 /* tokenizer.ggml.token_type */
#define TYPE_CONTROL   3

struct writing {
    const struct model_file *model;
    struct gguf_writer *out;
    struct complaint *complaint;
};

/* A special token's id in the model file; -EINVAL if it is not there or was cut. */
static int find_special(const struct writing *w, const char *name, uint32_t *id)
{
    const struct vocabulary *v = w->model->vocabulary;
    uint32_t found = vocabulary_find(v, name);
    if (found == NO_TOKEN)
        return complain(w->complaint, -EINVAL, "vocabulary: there is no token %s", name);
    *id = v->ids[found];
    if (*id == NO_TOKEN)
        return complain(w->complaint, -EINVAL,
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
    gguf_add_u32(w->out, "hearken.features.window", WINDOW_SECONDS * SAMPLE_RATE / HOP);
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
    gguf_add_text(w->out, "hearken.speller.kind", "transformer");
    gguf_add_u32(w->out, "hearken.speller.width", n->width);
    gguf_add_u32(w->out, "hearken.speller.heads", n->heads);
    gguf_add_u32(w->out, "hearken.speller.layers", n->speller_layers);
    gguf_add_u32(w->out, "hearken.speller.mlp", n->mlp);
    gguf_add_u32(w->out, "hearken.speller.positions", n->speller_positions);
    const struct number_list *heads = &w->model->config->alignment_heads;
    if (heads->count > 0)
        gguf_add_u32s(w->out, "hearken.speller.alignment_heads", heads->numbers, heads->count);
}

/* Tokens under their new ids; those that were cut cannot be written anyway. */
static int add_token_list(const struct writing *w, const char *key, const struct number_list *list)
{
    size_t count = 0;
    uint32_t *ids = calloc(list->count + 1, sizeof(*ids));
    if (!ids)
        return complain_of_memory(w->complaint);
    for (size_t i = 0; i < list->count; i++) {
        uint32_t id = w->model->vocabulary->ids[list->numbers[i]];
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

/* What whisper.cpp and CTranslate2 call <|nospeech|>, OpenAI's first files <|nocaptions|>. */
static int add_no_speech(const struct writing *w)
{
    const struct vocabulary *v = w->model->vocabulary;
    uint32_t id;
    bool modern = vocabulary_find(v, "<|nospeech|>") != NO_TOKEN;
    int result = find_special(w, modern ? "<|nospeech|>" : "<|nocaptions|>", &id);
    if (result == 0)
        gguf_add_u32(w->out, "hearken.speller.no_speech_token", id);
    return result;
}

static int add_token_types(const struct writing *w)
{
    const struct vocabulary *v = w->model->vocabulary;
    int32_t *types = calloc(v->kept_count + 1, sizeof(*types));
    if (!types)
        return complain_of_memory(w->complaint);
    for (uint32_t i = 0; i < v->kept_count; i++)
        types[i] = vocabulary_is_control(v, v->kept[i]) ? TYPE_CONTROL : TYPE_NORMAL;
    gguf_add_i32s(w->out, "tokenizer.ggml.token_type", types, v->kept_count);
    free(types);
    return 0;
}

static int add_vocabulary(const struct writing *w)
{
    const struct vocabulary *v = w->model->vocabulary;
    const struct config *c = w->model->config;
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

static uint64_t rows_of(const struct whisper_tensor *tensor)
{
    return tensor->shape[1] * tensor->shape[2];
}

static int write_tensor(const struct writing *w, const struct whisper_tensor *tensor)
{
    size_t columns = (size_t)tensor->shape[0];
    float *row = malloc(columns * sizeof(*row));
    if (!row)
        return complain_of_memory(w->complaint);
    for (uint64_t i = 0; i < rows_of(tensor); i++) {
        uint64_t from = tensor->rows ? tensor->rows[i] : tensor->first_row + i;
        ct2_read(tensor->source, from * columns, columns, row);
        gguf_write_values(w->out, row, columns);
    }
    free(row);
    return 0;
}

static int write_features(const struct writing *w)
{
    uint32_t mels = w->model->whisper->mels;
    float window[FFT];
    float *filters = calloc((size_t)mels * FREQUENCY_BINS, sizeof(*filters));
    if (!filters)
        return complain_of_memory(w->complaint);
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
    int result = write_features(w);
    for (size_t i = 0; result == 0 && i < list->count; i++)
        result = write_tensor(w, &list->tensors[i]);
    return result;
}

static int check_vocabulary(const struct model_file *m, struct complaint *complaint)
{
    if (m->vocabulary->count == m->whisper->vocabulary)
        return 0;
    return complain(complaint, -EINVAL,
                    "vocabulary: %" PRIu32 " tokens, expected the %" PRIu32
                    " that model.bin's embedding has",
                    m->vocabulary->count, m->whisper->vocabulary);
}

int model_file_write(const struct model_file *model, const char *path, struct complaint *complaint)
{
    struct whisper_tensors list = {0};
    struct writing w = {model, NULL, complaint};
    const struct vocabulary *v = model->vocabulary;
    int result = check_vocabulary(model, complaint);
    if (result < 0)
        return result;
    result = whisper_list_tensors(&list, model->whisper, model->ct2, model->types, v->kept,
                                  v->kept_count, complaint);
    if (result < 0)
        goto finish;
    if ((result = gguf_writer_create(path, &w.out, complaint)) < 0)
        goto finish;
    add_general(&w);
    add_features(&w);
    add_network(&w);
    if ((result = add_vocabulary(&w)) == 0 && (result = write_tensors(&w, &list)) == 0)
        result = gguf_writer_finish(w.out);
    gguf_writer_destroy(w.out);
finish:
    whisper_tensors_finish(&list);
    return result;
}
