// SPDX-License-Identifier: MIT
/* A model file of any bytes: opened, traversed, and its parameters read. */
#include "models/file/gguf.h"
#include "models/file/model_parameters.h"
#include "models/text/vocabulary.h"
#include "models/vad/vad.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Keeps the compiler from removing the reads. */
static volatile unsigned long sum;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void walk_entry(const struct gguf *gguf, const struct gguf_entry *entry)
{
    const uint8_t *cursor = entry->data;
    require(gguf_find_entry(gguf, entry->name) == entry);
    require(gguf_type_name(entry->type) != NULL);
    for (uint64_t i = 0; i < entry->count; i++) {
        if (entry->type != GGUF_STRING) {
            sum += gguf_number(entry, i) > 0;
            continue;
        }
        struct gguf_string string = gguf_next_string(&cursor);
        for (size_t c = 0; c < string.length; c++)
            sum += (uint8_t)string.data[c];
    }
}

static void walk_tensor(const struct gguf *gguf, const struct gguf_tensor *tensor)
{
    const uint8_t *bytes = tensor->data;
    require(gguf_find_tensor(gguf, tensor->name) == tensor);
    require(gguf_tensor_type_name(tensor->type) != NULL);
    require((uintptr_t)tensor->data % 32 == 0 && tensor->bytes > 0);
    for (uint64_t i = 0; i < tensor->bytes; i++)
        sum += bytes[i];
}

/* A voice network that can be read must also work. */
static void read_voice(const struct gguf *gguf, uint32_t mels)
{
    struct vad *voice = NULL;
    struct vad_state *state = NULL;
    struct hearken_error error = {""};
    float *frame = calloc(mels, sizeof(*frame));
    int result = vad_read(gguf, mels, &voice, &error);
    require(result == 0 || error.message[0] != 0);
    if (frame && voice && vad_state_create(voice, &state) == 0) {
        for (uint32_t i = 0; i < 3; i++) {
            float probability = vad_process(state, frame);
            require(isnan(probability) || (probability >= 0 && probability <= 1));
        }
    }
    vad_state_destroy(state);
    vad_destroy(voice);
    free(frame);
}

static void read_network(const struct gguf *gguf)
{
    struct parameters parameters;
    struct vocabulary vocabulary;
    struct hearken_error error = {""};
    if (parameters_read(&parameters, gguf, &error) == 0) {
        const struct speller_parameters *s = &parameters.speller;
        require(s->vocabulary > s->end && s->start_count > 0 && s->start_count <= MAX_START_TOKENS);
        for (uint32_t i = 0; i < s->start_count; i++)
            require(s->start[i] < s->vocabulary);
        require(parameters.listener.width % parameters.listener.heads == 0);
        read_voice(gguf, parameters.features.mels);
    } else {
        require(error.message[0] != 0);
    }
    if (vocabulary_read(&vocabulary, gguf, &error) < 0)
        return;
    for (uint32_t i = 0; i < vocabulary.count && i < 64; i++) {
        const uint32_t tokens[] = {i, vocabulary.count - 1 - i, i};
        char *text = vocabulary_text(&vocabulary, tokens, 3);
        sum += text ? strlen(text) : 0;
        sum += vocabulary_starts_word(&vocabulary, i);
        free(text);
    }
    vocabulary_finish(&vocabulary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *copy = NULL;
    struct gguf *gguf = NULL;
    struct hearken_error error = {""};
    if (posix_memalign(&copy, 32, size ? size : 1))
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    if (gguf_open_memory(copy, size, &gguf, &error) == 0) {
        for (uint64_t i = 0; i < gguf->entry_count; i++)
            walk_entry(gguf, &gguf->entries[i]);
        for (uint64_t i = 0; i < gguf->tensor_count; i++)
            walk_tensor(gguf, &gguf->tensors[i]);
        read_network(gguf);
        gguf_destroy(gguf);
    } else {
        require(error.message[0] != 0);
    }
    free(copy);
    return 0;
}
