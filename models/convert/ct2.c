// SPDX-License-Identifier: MIT
#include "ct2.h"

#include "numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLDEST_VERSION 4u /* the first to state each tensor's size in bytes */
#define NEWEST_VERSION 6u
#define MAX_TENSORS    65536u

static const struct {
    const char *name;
    size_t size;
} type_table[CT2_TYPE_COUNT] = {
    [CT2_F32] = {"float32", 4}, [CT2_I8] = {"int8", 1},     [CT2_I16] = {"int16", 2},
    [CT2_I32] = {"int32", 4},   [CT2_F16] = {"float16", 2}, [CT2_BF16] = {"bfloat16", 2},
};

/* What is left of the file while open walks it. The first failure sticks. */
struct walk {
    const uint8_t *start, *at, *end;
    const char *path;
    struct complaint *complaint;
    int result;
};

static const uint8_t *take(struct walk *w, uint64_t size, const char *what)
{
    if (w->result < 0)
        return NULL;
    if (size > (uint64_t)(w->end - w->at)) {
        w->result = complain(w->complaint, -EINVAL,
                             "%s: the file ends in %s: %" PRIu64 " bytes expected at byte %td, "
                             "%td are left",
                             w->path, what, size, w->at - w->start, w->end - w->at);
        return NULL;
    }
    const uint8_t *taken = w->at;
    w->at += size;
    return taken;
}

static uint8_t take_u8(struct walk *w, const char *what)
{
    const uint8_t *at = take(w, 1, what);
    return at ? *at : 0;
}

static uint32_t take_u32(struct walk *w, const char *what)
{
    uint32_t value = 0;
    const uint8_t *at = take(w, sizeof(value), what);
    if (at)
        memcpy(&value, at, sizeof(value));
    return value;
}

/* Its length counts the zero byte that ends it. */
static const char *take_string(struct walk *w, const char *what)
{
    uint16_t length = 0;
    const uint8_t *at = take(w, sizeof(length), what);
    if (at)
        memcpy(&length, at, sizeof(length));
    const uint8_t *text = take(w, length, what);
    if (!text)
        return "";
    if (length == 0 || memchr(text, 0, length) != text + length - 1) {
        w->result = complain(w->complaint, -EINVAL,
                             "%s: %s before byte %td is not one string ended by a zero byte",
                             w->path, what, w->at - w->start);
        return "";
    }
    return (const char *)text;
}

static void take_shape(struct walk *w, struct ct2_tensor *tensor)
{
    tensor->rank = take_u8(w, "a tensor's rank");
    if (w->result == 0 && tensor->rank > CT2_MAX_RANK)
        w->result = complain(w->complaint, -EINVAL, "%s: '%s' has rank %u, expected at most %d",
                             w->path, tensor->name, tensor->rank, CT2_MAX_RANK);
    tensor->count = 1;
    for (uint32_t i = 0; i < CT2_MAX_RANK; i++)
        tensor->shape[i] = 1;
    for (uint32_t i = 0; w->result == 0 && i < tensor->rank; i++) {
        tensor->shape[i] = take_u32(w, "a tensor's shape");
        if (__builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count))
            w->result = complain(w->complaint, -EINVAL, "%s: '%s' has more than 2^64 values",
                                 w->path, tensor->name);
    }
}

static void take_tensor(struct walk *w, struct ct2_tensor *tensor)
{
    tensor->name = take_string(w, "a tensor's name");
    take_shape(w, tensor);
    uint8_t type = take_u8(w, "a tensor's type");
    uint32_t bytes = take_u32(w, "a tensor's size");
    if (w->result < 0)
        return;
    if (type >= CT2_TYPE_COUNT) {
        w->result = complain(w->complaint, -EINVAL, "%s: '%s' has type %u, expected 0 to %d",
                             w->path, tensor->name, type, CT2_TYPE_COUNT - 1);
        return;
    }
    tensor->type = type;
    uint64_t size = type_table[type].size;
    if (tensor->count > UINT32_MAX / size || tensor->count * size != bytes) {
        w->result =
            complain(w->complaint, -EINVAL,
                     "%s: '%s' has %" PRIu32 " bytes, expected %zu for each of %" PRIu64 " values",
                     w->path, tensor->name, bytes, type_table[type].size, tensor->count);
        return;
    }
    tensor->data = take(w, bytes, tensor->name);
}

static uint32_t take_count(struct walk *w, const char *what)
{
    uint32_t count = take_u32(w, what);
    if (w->result == 0 && count > MAX_TENSORS) {
        w->result = complain(w->complaint, -EINVAL, "%s: %s is %" PRIu32 ", expected at most %u",
                             w->path, what, count, MAX_TENSORS);
        return 0;
    }
    return count;
}

static int compare_names(const void *a, const void *b)
{
    const struct ct2_tensor *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static void sort_tensors(struct walk *w, struct ct2 *ct2)
{
    qsort(ct2->tensors, ct2->count, sizeof(*ct2->tensors), compare_names);
    for (size_t i = 1; w->result == 0 && i < ct2->count; i++)
        if (compare_names(&ct2->tensors[i - 1], &ct2->tensors[i]) == 0)
            w->result = complain(w->complaint, -EINVAL, "%s: '%s' is there twice", w->path,
                                 ct2->tensors[i].name);
}

/* A second name for a tensor: Whisper's embedding is its output projection too. */
static void take_aliases(struct walk *w, struct ct2 *ct2, uint32_t count)
{
    size_t tensors = ct2->count;
    for (uint32_t i = 0; w->result == 0 && i < count; i++) {
        const char *alias = take_string(w, "an alias");
        const struct ct2_tensor wanted = {.name = take_string(w, "an alias's tensor")};
        if (w->result < 0)
            return;
        const struct ct2_tensor *tensor =
            bsearch(&wanted, ct2->tensors, tensors, sizeof(*ct2->tensors), compare_names);
        if (!tensor) {
            w->result = complain(w->complaint, -EINVAL,
                                 "%s: alias '%s' is of '%s', which is not "
                                 "in the file",
                                 w->path, alias, wanted.name);
            return;
        }
        ct2->tensors[ct2->count] = *tensor;
        ct2->tensors[ct2->count++].name = alias;
    }
    sort_tensors(w, ct2);
}

static void grow_for(struct walk *w, struct ct2 *ct2, size_t more)
{
    void *grown = w->result < 0
                      ? NULL
                      : realloc(ct2->tensors, (ct2->count + more + 1) * sizeof(*ct2->tensors));
    if (grown)
        ct2->tensors = grown;
    else if (w->result == 0)
        w->result = complain_of_memory(w->complaint);
}

static int walk_file(struct walk *w, struct ct2 *ct2)
{
    uint32_t version = take_u32(w, "the version");
    if (w->result == 0 && (version < OLDEST_VERSION || version > NEWEST_VERSION))
        return complain(w->complaint, -EINVAL,
                        "%s: version %" PRIu32 ", expected a CTranslate2 model of version %u to %u",
                        w->path, version, OLDEST_VERSION, NEWEST_VERSION);
    ct2->specification = take_string(w, "the specification");
    take_u32(w, "the revision");
    uint32_t count = take_count(w, "the number of tensors");
    grow_for(w, ct2, count);
    for (uint32_t i = 0; w->result == 0 && i < count; i++) {
        take_tensor(w, &ct2->tensors[i]);
        ct2->count = i + 1;
    }
    if (w->result == 0)
        sort_tensors(w, ct2);
    uint32_t aliases = take_count(w, "the number of aliases");
    grow_for(w, ct2, aliases);
    take_aliases(w, ct2, aliases);
    return w->result;
}

static int map_file(const char *path, struct ct2 *ct2, struct complaint *complaint)
{
    struct stat status;
    int result = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return complain_of_file(complaint, -errno, path);
    if (fstat(file, &status) < 0) {
        result = complain_of_file(complaint, -errno, path);
    } else if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        result = complain(complaint, -EINVAL,
                          "%s: not a file or empty, expected CTranslate2's "
                          "model.bin",
                          path);
    } else {
        void *mapping = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (mapping == MAP_FAILED) {
            result = complain_of_file(complaint, -errno, path);
        } else {
            ct2->mapping = mapping;
            ct2->mapping_size = (size_t)status.st_size;
        }
    }
    close(file);
    return result;
}

int ct2_open(const char *path, struct ct2 **ct2, struct complaint *complaint)
{
    struct ct2 *made = calloc(1, sizeof(*made));
    if (!made)
        return complain_of_memory(complaint);
    int result = map_file(path, made, complaint);
    if (result < 0)
        goto failed;
    const uint8_t *start = made->mapping;
    struct walk walk = {start, start, start + made->mapping_size, path, complaint, 0};
    if ((result = walk_file(&walk, made)) < 0)
        goto failed;
    *ct2 = made;
    return 0;
failed:
    ct2_destroy(made);
    return result;
}

void ct2_destroy(struct ct2 *ct2)
{
    if (!ct2)
        return;
    free(ct2->tensors);
    if (ct2->mapping)
        munmap(ct2->mapping, ct2->mapping_size);
    free(ct2);
}

const struct ct2_tensor *ct2_find(const struct ct2 *ct2, const char *name)
{
    const struct ct2_tensor wanted = {.name = name};
    return bsearch(&wanted, ct2->tensors, ct2->count, sizeof(*ct2->tensors), compare_names);
}

int32_t ct2_integer(const struct ct2_tensor *tensor)
{
    int16_t narrow;
    int32_t wide = 0;
    if (tensor->type == CT2_I8)
        return (int8_t)tensor->data[0];
    if (tensor->type == CT2_I16) {
        memcpy(&narrow, tensor->data, sizeof(narrow));
        return narrow;
    }
    if (tensor->type == CT2_I32)
        memcpy(&wide, tensor->data, sizeof(wide));
    return wide;
}

void ct2_read(const struct ct2_tensor *tensor, uint64_t first, size_t count, float *out)
{
    const uint8_t *from = tensor->data + first * type_table[tensor->type].size;
    if (tensor->type == CT2_F32) {
        memcpy(out, from, count * sizeof(*out));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, from + i * sizeof(bits), sizeof(bits));
        out[i] = tensor->type == CT2_F16 ? float_from_half(bits) : float_from_bfloat(bits);
    }
}

const char *ct2_type_name(enum ct2_type type)
{
    return type_table[type].name;
}
