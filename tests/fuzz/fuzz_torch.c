// SPDX-License-Identifier: MIT
/* A zip of any bytes, read as one of torch.save, without a configuration beside it. */
#include "models/convert/torch_archive.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Keeps the compiler from removing the reads. */
static volatile float sum;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct checkpoint checkpoint = {0};
    struct hearken_error error = {""};
    const struct mapping mapping = {data, size};
    float value;
    int result = torch_read_memory(&checkpoint, mapping, "fuzz", "/nonexistent", &error);
    if (result < 0 && error.message[0] == 0)
        abort();
    for (size_t i = 0; i < checkpoint.count; i++) {
        checkpoint_read(&checkpoint.tensors[i], checkpoint.tensors[i].count - 1, 1, &value);
        sum = value;
    }
    checkpoint_finish(&checkpoint);
    return 0;
}
