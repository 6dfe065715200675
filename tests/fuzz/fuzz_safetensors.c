// SPDX-License-Identifier: MIT
/* A safetensors file of any bytes, and the values of its tensors. */
#include "models/convert/hugging_face.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile float sum;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct checkpoint checkpoint = {0};
    struct hearken_error error = {""};
    const struct mapping mapping = {data, size};
    float value;
    if (safetensors_read(&checkpoint, mapping, "fuzz", &error) < 0 && error.message[0] == 0)
        abort();
    for (size_t i = 0; i < checkpoint.count; i++)
        if (checkpoint.tensors[i].count > 0) {
            checkpoint_read(&checkpoint.tensors[i], checkpoint.tensors[i].count - 1, 1, &value);
            sum = value;
        }
    checkpoint_finish(&checkpoint);
    return 0;
}
