// SPDX-License-Identifier: MIT
/*
 * A checkpoint of any bytes, without a configuration beside it, and the values of its tensors.
 * Compiled once for each format, with FOR_... defined: fuzz-ct2 and so on.
 */
#include "models/convert/ct2.h"
#include "models/convert/hugging_face.h"
#include "models/convert/torch_archive.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Keeps the compiler from removing the reads. */
static volatile float sum;

static int read_checkpoint(struct checkpoint *checkpoint, struct mapping mapping,
                           struct hearken_error *error)
{
#if defined(FOR_CT2)
    int result = ct2_read(checkpoint, mapping, "fuzz", "/nonexistent", error);
    if (result == 0) /* the configuration says how many heads there are */
        abort();
    return result;
#elif defined(FOR_SAFETENSORS)
    return safetensors_read(checkpoint, mapping, "fuzz", error);
#elif defined(FOR_TORCH)
    return torch_read_memory(checkpoint, mapping, "fuzz", "/nonexistent", error);
#endif
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct checkpoint checkpoint = {0};
    struct hearken_error error = {""};
    const struct mapping mapping = {data, size};
    float value;
    if (read_checkpoint(&checkpoint, mapping, &error) < 0 && error.message[0] == 0)
        abort();
    for (size_t i = 0; i < checkpoint.count; i++)
        if (checkpoint.tensors[i].count > 0) {
            checkpoint_read(&checkpoint.tensors[i], checkpoint.tensors[i].count - 1, 1, &value);
            sum = value;
        }
    checkpoint_finish(&checkpoint);
    return 0;
}
