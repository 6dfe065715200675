// SPDX-License-Identifier: MIT
/* A pickle of any bytes, and what is in the dictionary that it makes. */
#include "models/convert/pickle.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sum;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void walk(const struct pickle *pickle, const struct pickle_value *dictionary)
{
    for (const struct pickle_entry *e = pickle_first(pickle, dictionary); e;
         e = pickle_next(pickle, e)) {
        for (size_t i = 0; e->key.kind == PICKLE_TEXT && i < e->key.text.length; i++)
            sum += (uint8_t)e->key.text.data[i];
        if (e->value.kind != PICKLE_TENSOR)
            continue;
        const struct pickle_tensor *tensor = pickle_tensor(pickle, &e->value);
        const struct pickle_storage *storage = pickle_storage(pickle, tensor->storage);
        require(tensor->rank <= CHECKPOINT_MAX_RANK && tensor->offset < storage->count);
        sum += storage->name.length ? (uint8_t)storage->name.data[0] : 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pickle pickle;
    struct hearken_error error = {""};
    if (pickle_read(&pickle, data, size, &error) == 0) {
        walk(&pickle, &pickle.root);
        walk(&pickle, pickle_find(&pickle, &pickle.root, "model_state_dict"));
    } else {
        require(error.message[0] != 0);
    }
    pickle_finish(&pickle);
    return 0;
}
