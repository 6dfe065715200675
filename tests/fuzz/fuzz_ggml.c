// SPDX-License-Identifier: MIT
/* A ggml file of any bytes: parsed and, if valid, exported as a model file. */
#include "models/checkpoint/checkpoint_export.h"
#include "models/checkpoint/ggml.h"
#include "models/checkpoint/whisper_known.h"

#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Keeps the compiler from removing the reads. */
static volatile float sum;

static void read_values(const struct checkpoint *checkpoint)
{
    float values[32];
    for (size_t i = 0; i < checkpoint->count; i++) {
        const struct checkpoint_tensor *tensor = &checkpoint->tensors[i];
        if (tensor->count >= 32) {
            checkpoint_read(tensor, tensor->count / 32 * 32 - 32, 32, values);
            sum = values[31];
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct checkpoint checkpoint = {0};
    struct hearken_error error = {""};
    struct whisper whisper;
    const struct mapping mapping = {data, size};
    int result = ggml_read(&checkpoint, mapping, "fuzz", &error);
    if (result == 0) {
        read_values(&checkpoint);
        if ((result = whisper_read(&whisper, &checkpoint, &error)) == 0 &&
            (result = known_fill_in(&checkpoint, &whisper, &error)) == 0) {
            const struct model_file model = {
                .name = "fuzz",
                .language = "en",
                .types = {GGUF_TENSOR_Q8_0, GGUF_TENSOR_Q8_0, .keep = true},
                .whisper = &whisper,
                .checkpoint = &checkpoint,
            };
            result = model_file_make(&model, &error);
            if (result >= 0)
                close(result);
        }
    }
    if (result < 0 && error.message[0] == 0)
        abort();
    checkpoint_finish(&checkpoint);
    return 0;
}
