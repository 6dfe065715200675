// SPDX-License-Identifier: MIT
#include "models/checkpoint/checkpoint.h"

#include "include/internal/half.h"
#include "models/checkpoint/quantize.h"
#include "models/file/file_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_TENSORS 65536u

static const struct {
    const char *name;
    uint32_t values, bytes; /* of a block; of one value for types without blocks */
} type_table[VALUE_TYPE_COUNT] = {
    [VALUE_F32] = {"F32", 1, 4},
    [VALUE_F16] = {"F16", 1, 2},
    [VALUE_BF16] = {"BF16", 1, 2},
    [VALUE_Q4_0] = {"Q4_0", BLOCK, Q4_0_BLOCK_BYTES},
    [VALUE_Q4_1] = {"Q4_1", BLOCK, Q4_1_BLOCK_BYTES},
    [VALUE_Q5_0] = {"Q5_0", BLOCK, Q5_0_BLOCK_BYTES},
    [VALUE_Q5_1] = {"Q5_1", BLOCK, Q5_1_BLOCK_BYTES},
    [VALUE_Q8_0] = {"Q8_0", BLOCK, Q8_0_BLOCK_BYTES},
};

uint64_t value_bytes(enum value_type type, uint64_t count)
{
    return count / type_table[type].values * type_table[type].bytes;
}

bool value_is_quantized(enum value_type type)
{
    return type_table[type].values > 1;
}

const char *value_type_name(enum value_type type)
{
    return type_table[type].name;
}

static int remember_mapping(struct checkpoint *checkpoint, struct mapping mapping,
                            struct hearken_error *error)
{
    size_t room = (checkpoint->mapping_count + 1) * sizeof(*checkpoint->mappings);
    struct mapping *grown = realloc(checkpoint->mappings, room);
    if (!grown)
        return hearken_fail(error, -ENOMEM, "out of memory");
    checkpoint->mappings = grown;
    grown[checkpoint->mapping_count++] = mapping;
    return 0;
}

size_t checkpoint_peek(const char *path, uint8_t *start, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = file < 0 ? -1 : pread(file, start, size, 0);
    if (file >= 0)
        close(file);
    return got > 0 ? (size_t)got : 0;
}

static int load(int file, struct file_copy *copy, struct hearken_error *error)
{
    int result = file_copy_start(copy, file, "a checkpoint", error);
    if (result < 0)
        return result;
    if ((result = file_copy_read(copy, copy->size, error)) < 0 ||
        (result = file_copy_check(copy, error)) < 0)
        file_copy_finish(copy);
    return result;
}

int checkpoint_load(struct checkpoint *checkpoint, const char *path, struct mapping *mapping,
                    struct hearken_error *error)
{
    struct file_copy copy;
    struct hearken_error inside = {""};
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return hearken_fail(error, -errno, "%s: %s", path, strerror(errno));
    int result = load(file, &copy, &inside);
    close(file);
    if (result < 0)
        return hearken_fail(error, result, "%s: %s", path, inside.message);
    *mapping = (struct mapping){copy.data, copy.size};
    if ((result = remember_mapping(checkpoint, *mapping, error)) < 0)
        file_copy_finish(&copy);
    return result;
}

uint8_t *checkpoint_reserve(struct checkpoint *checkpoint, size_t size, struct mapping *mapping,
                            struct hearken_error *error)
{
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *mapping = (struct mapping){data, size};
    if (data == MAP_FAILED) {
        hearken_fail(error, -ENOMEM, "out of memory");
        return NULL;
    }
    if (remember_mapping(checkpoint, *mapping, error) == 0)
        return data;
    munmap(data, size);
    return NULL;
}

/* Computes the number of values and their size in bytes. */
static int measure(struct checkpoint_tensor *tensor, const char *path, uint64_t *bytes,
                   struct hearken_error *error)
{
    uint32_t block = type_table[tensor->type].values;
    tensor->count = 1;
    for (uint32_t i = 0; i < CHECKPOINT_MAX_RANK; i++) {
        if (i >= tensor->rank)
            tensor->shape[i] = 1;
        if (__builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count) ||
            tensor->count > UINT64_MAX / 8)
            return hearken_fail(error, -EINVAL, "%s: '%s' has more than 2^61 values", path,
                                tensor->name);
    }
    uint64_t row = tensor->rank ? tensor->shape[tensor->rank - 1] : 1;
    if (row % block)
        return hearken_fail(error, -EINVAL,
                            "%s: '%s' is %s with rows of %" PRIu64 ", expected a multiple of %u",
                            path, tensor->name, type_table[tensor->type].name, row, block);
    *bytes = value_bytes(tensor->type, tensor->count);
    return 0;
}

int checkpoint_add(struct checkpoint *checkpoint, const char *path,
                   const struct checkpoint_tensor *tensor, uint64_t available, uint64_t *bytes,
                   struct hearken_error *error)
{
    struct checkpoint_tensor added = *tensor;
    uint64_t needed = 0;
    if (added.rank > CHECKPOINT_MAX_RANK)
        return hearken_fail(error, -EINVAL, "%s: '%s' has rank %u, expected at most %d", path,
                            added.name, added.rank, CHECKPOINT_MAX_RANK);
    int result = measure(&added, path, &needed, error);
    if (result < 0)
        return result;
    if (needed > available)
        return hearken_fail(error, -EINVAL,
                            "%s: '%s' needs %" PRIu64 " bytes, but %" PRIu64
                            " are there (truncated?)",
                            path, added.name, needed, available);
    if (checkpoint->count == checkpoint->room) {
        size_t room = checkpoint->room ? 2 * checkpoint->room : 128;
        void *grown = room > MAX_TENSORS
                          ? NULL
                          : realloc(checkpoint->tensors, room * sizeof(*checkpoint->tensors));
        if (room > MAX_TENSORS)
            return hearken_fail(error, -EINVAL, "%s: more than %u tensors", path, MAX_TENSORS / 2);
        if (!grown)
            return hearken_fail(error, -ENOMEM, "out of memory");
        checkpoint->tensors = grown;
        checkpoint->room = room;
    }
    checkpoint->tensors[checkpoint->count++] = added;
    if (bytes)
        *bytes = needed;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    const struct checkpoint_tensor *left = a, *right = b;
    return strcmp(left->name, right->name);
}

int checkpoint_sort(struct checkpoint *checkpoint, const char *path, struct hearken_error *error)
{
    if (checkpoint->count == 0)
        return hearken_fail(error, -EINVAL, "%s: there are no tensors of a Whisper model in it",
                            path);
    qsort(checkpoint->tensors, checkpoint->count, sizeof(*checkpoint->tensors), compare_names);
    for (size_t i = 1; i < checkpoint->count; i++)
        if (compare_names(&checkpoint->tensors[i - 1], &checkpoint->tensors[i]) == 0)
            return hearken_fail(error, -EINVAL, "%s: '%s' is there twice", path,
                                checkpoint->tensors[i].name);
    return 0;
}

static int compare_with_name(const void *name, const void *tensor)
{
    return strcmp(name, ((const struct checkpoint_tensor *)tensor)->name);
}

const struct checkpoint_tensor *checkpoint_find(const struct checkpoint *checkpoint,
                                                const char *name)
{
    if (checkpoint->count == 0)
        return NULL;
    return bsearch(name, checkpoint->tensors, checkpoint->count, sizeof(*checkpoint->tensors),
                   compare_with_name);
}

static void read_blocks(const struct checkpoint_tensor *tensor, const uint8_t *from, size_t count,
                        float *out)
{
    switch (tensor->type) {
    case VALUE_Q4_0:
        expand_q4_0(from, count, out);
        break;
    case VALUE_Q4_1:
        expand_q4_1(from, count, out);
        break;
    case VALUE_Q5_0:
        expand_q5_0(from, count, out);
        break;
    case VALUE_Q5_1:
        expand_q5_1(from, count, out);
        break;
    case VALUE_Q8_0:
        expand_q8_0(from, count, out);
        break;
    case VALUE_F32:
    case VALUE_F16:
    case VALUE_BF16:
    case VALUE_TYPE_COUNT:
        break;
    }
}

void checkpoint_read(const struct checkpoint_tensor *tensor, uint64_t first, size_t count,
                     float *out)
{
    const uint8_t *from = tensor->data + value_bytes(tensor->type, first);
    if (value_is_quantized(tensor->type)) {
        read_blocks(tensor, from, count, out);
        return;
    }
    if (tensor->type == VALUE_F32) {
        memcpy(out, from, count * sizeof(*out));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, from + i * sizeof(bits), sizeof(bits));
        out[i] = tensor->type == VALUE_F16 ? float_from_half(bits) : float_from_bfloat(bits);
    }
}

void checkpoint_release(const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t data = (uintptr_t)tensor->data;
    /* Only whole pages: those at either end may hold values of other tensors. */
    const uintptr_t start = (data + page - 1) / page * page;
    const uintptr_t end = (data + value_bytes(tensor->type, tensor->count)) / page * page;
    bool is_own = false;
    for (size_t i = 0; i < checkpoint->mapping_count; i++)
        is_own |= data - (uintptr_t)checkpoint->mappings[i].data < checkpoint->mappings[i].size;
    if (is_own && start < end)
        madvise((void *)start, end - start, MADV_DONTNEED);
}

void checkpoint_finish(struct checkpoint *checkpoint)
{
    tokens_finish(&checkpoint->tokens);
    free(checkpoint->alignment_heads.numbers);
    free(checkpoint->suppress.numbers);
    free(checkpoint->suppress_at_begin.numbers);
    free(checkpoint->mel_filters);
    free(checkpoint->tensors);
    for (size_t i = 0; i < checkpoint->mapping_count; i++)
        munmap((void *)(uintptr_t)checkpoint->mappings[i].data, checkpoint->mappings[i].size);
    free(checkpoint->mappings);
    *checkpoint = (struct checkpoint){0};
}
