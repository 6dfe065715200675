// SPDX-License-Identifier: MIT
#include "models/file/gguf.h"

#include "models/file/file_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC            "GGUF"
#define VERSION          3u
#define MAX_ENTRIES      65536u
#define MAX_TENSORS      65536u
#define MAX_NAME         1024u
#define ALIGNMENT        32u
#define MAX_ALIGNMENT    65536u
#define SMALLEST_ENTRY   13u /* an empty name (8), a type (4), a byte */
#define SMALLEST_TENSOR  24u /* an empty name (8), rank and type (4 each), offset (8) */
#define QUANTIZED_BLOCK  32u
#define Q5_0_BLOCK_BYTES 22u
#define Q8_0_BLOCK_BYTES 34u

static const struct {
    const char *name;
    size_t size; /* 0: not fixed */
} type_table[GGUF_TYPE_COUNT] = {
    [GGUF_U8] = {"u8", 1},       [GGUF_I8] = {"i8", 1},     [GGUF_U16] = {"u16", 2},
    [GGUF_I16] = {"i16", 2},     [GGUF_U32] = {"u32", 4},   [GGUF_I32] = {"i32", 4},
    [GGUF_F32] = {"f32", 4},     [GGUF_BOOL] = {"bool", 1}, [GGUF_STRING] = {"string", 0},
    [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"u64", 8},   [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

/* The rest of the file while it is parsed. */
struct reader {
    const uint8_t *start, *at, *end;
    struct file_copy *copy; /* reads the bytes as they are needed; NULL: all are in memory */
    struct hearken_error *error;
};

static size_t left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

static int ends_early(struct reader *r, const char *what)
{
    return hearken_fail(r->error, -EINVAL, "GGUF: the file ends in %s, at byte %zu", what,
                        (size_t)(r->end - r->start));
}

/* Makes sure that the next `size` bytes are in memory. */
static int need(struct reader *r, uint64_t size, const char *what)
{
    if (size > left(r))
        return ends_early(r, what);
    return r->copy ? file_copy_read(r->copy, (size_t)(r->at - r->start) + size, r->error) : 0;
}

static int read_bytes(struct reader *r, void *to, size_t size, const char *what)
{
    int result = need(r, size, what);
    if (result < 0)
        return result;
    memcpy(to, r->at, size);
    r->at += size;
    return 0;
}

static int read_u32(struct reader *r, uint32_t *value, const char *what)
{
    return read_bytes(r, value, sizeof(*value), what);
}

static int read_u64(struct reader *r, uint64_t *value, const char *what)
{
    return read_bytes(r, value, sizeof(*value), what);
}

static int skip_string(struct reader *r, const char *what)
{
    uint64_t length = 0;
    int result = read_u64(r, &length, what);
    if (result < 0)
        return result;
    if (length > left(r))
        return ends_early(r, what);
    r->at += length;
    return 0;
}

/* Copies and terminates a name, which is compared and printed later. */
static int read_name(struct reader *r, char **name, const char *what)
{
    uint64_t length = 0;
    int result = read_u64(r, &length, what);
    if (result < 0)
        return result;
    if (length == 0 || length > MAX_NAME)
        return hearken_fail(r->error, -EINVAL, "GGUF: %s has %" PRIu64 " bytes, expected 1 to %u",
                            what, length, MAX_NAME);
    if ((result = need(r, length, what)) < 0)
        return result;
    if (memchr(r->at, 0, length))
        return hearken_fail(r->error, -EINVAL, "GGUF: %s holds a zero byte", what);
    *name = strndup((const char *)r->at, length);
    if (!*name)
        return hearken_fail(r->error, -ENOMEM, "out of memory");
    r->at += length;
    return 0;
}

static int read_type(struct reader *r, uint32_t *type, const char *name)
{
    int result = read_u32(r, type, "a value's type");
    if (result == 0 && *type >= GGUF_TYPE_COUNT)
        result =
            hearken_fail(r->error, -EINVAL, "GGUF: '%s' has type %" PRIu32 ", expected 0 to %d",
                         name, *type, GGUF_TYPE_COUNT - 1);
    return result;
}

static int skip_values(struct reader *r, const struct gguf_entry *entry)
{
    if (entry->type == GGUF_STRING) {
        for (uint64_t i = 0; i < entry->count; i++) {
            int result = skip_string(r, entry->name);
            if (result < 0)
                return result;
        }
        return 0;
    }
    size_t size = type_table[entry->type].size;
    if (size == 0)
        return hearken_fail(r->error, -EINVAL, "GGUF: '%s' is an array of arrays", entry->name);
    if (entry->count > left(r) / size)
        return ends_early(r, entry->name);
    r->at += entry->count * size;
    return 0;
}

static int read_entry(struct reader *r, struct gguf_entry *entry)
{
    uint32_t type = 0;
    int result = read_name(r, &entry->name, "the name of an entry");
    if (result < 0 || (result = read_type(r, &type, entry->name)) < 0)
        return result;
    entry->count = 1;
    entry->is_array = type == GGUF_ARRAY;
    if (entry->is_array && ((result = read_type(r, &type, entry->name)) < 0 ||
                            (result = read_u64(r, &entry->count, entry->name)) < 0))
        return result;
    entry->type = type;
    entry->data = r->at;
    return skip_values(r, entry);
}

static int quantized_bytes(struct reader *r, struct gguf_tensor *tensor, uint64_t elements,
                           uint64_t block_bytes)
{
    if (tensor->shape[0] % QUANTIZED_BLOCK)
        return hearken_fail(r->error, -EINVAL,
                            "GGUF: '%s' is %s with rows of %" PRIu64 ", expected a multiple of %u",
                            tensor->name, gguf_tensor_type_name(tensor->type), tensor->shape[0],
                            QUANTIZED_BLOCK);
    tensor->bytes = elements / QUANTIZED_BLOCK * block_bytes;
    return 0;
}

static int tensor_bytes(struct reader *r, struct gguf_tensor *tensor)
{
    uint64_t elements = 1;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] == 0 || elements > (UINT64_MAX >> 8) / tensor->shape[i])
            return hearken_fail(r->error, -EINVAL,
                                "GGUF: dimension %" PRIu32 " of '%s' is %" PRIu64, i, tensor->name,
                                tensor->shape[i]);
        elements *= tensor->shape[i];
    }
    switch (tensor->type) {
    case GGUF_TENSOR_F32:
    case GGUF_TENSOR_I32:
        tensor->bytes = elements * 4;
        return 0;
    case GGUF_TENSOR_F16:
        tensor->bytes = elements * 2;
        return 0;
    case GGUF_TENSOR_Q5_0:
        return quantized_bytes(r, tensor, elements, Q5_0_BLOCK_BYTES);
    case GGUF_TENSOR_Q8_0:
        return quantized_bytes(r, tensor, elements, Q8_0_BLOCK_BYTES);
    }
    return hearken_fail(r->error, -EINVAL,
                        "GGUF: '%s' has element type %d, expected F32 (0), F16 (1), Q5_0 (6), "
                        "Q8_0 (8) or I32 (26)",
                        tensor->name, (int)tensor->type);
}

/* Leaves the offset in `data` as a pointer-sized number until the start of the data is known. */
static int read_tensor(struct reader *r, struct gguf_tensor *tensor, uint64_t *offset)
{
    uint32_t type = 0;
    int result = read_name(r, &tensor->name, "the name of a tensor");
    if (result < 0 || (result = read_u32(r, &tensor->rank, tensor->name)) < 0)
        return result;
    if (tensor->rank == 0 || tensor->rank > GGUF_MAX_RANK)
        return hearken_fail(r->error, -EINVAL,
                            "GGUF: '%s' has %" PRIu32 " dimensions, expected 1 to %d", tensor->name,
                            tensor->rank, GGUF_MAX_RANK);
    for (uint32_t i = 0; i < GGUF_MAX_RANK; i++)
        tensor->shape[i] = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        if ((result = read_u64(r, &tensor->shape[i], tensor->name)) < 0)
            return result;
    if ((result = read_u32(r, &type, tensor->name)) < 0 ||
        (result = read_u64(r, offset, tensor->name)) < 0)
        return result;
    if (type > INT32_MAX)
        type = INT32_MAX;
    tensor->type = (enum gguf_tensor_type)type;
    return tensor_bytes(r, tensor);
}

/* Reads the alignment of tensor offsets: at least 32, since the data is used in place. */
static int find_alignment(struct reader *r, const struct gguf *gguf, uint64_t *alignment)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, "general.alignment");
    if (!entry)
        return 0;
    double value = entry->type == GGUF_U32 && entry->count == 1 ? gguf_number(entry, 0) : 0;
    *alignment = (uint64_t)value;
    if (*alignment < ALIGNMENT || *alignment > MAX_ALIGNMENT || (*alignment & (*alignment - 1)))
        return hearken_fail(r->error, -EINVAL,
                            "GGUF: general.alignment is %g, expected a power of two from %u to %u",
                            value, ALIGNMENT, MAX_ALIGNMENT);
    return 0;
}

static int place_tensors(struct reader *r, struct gguf *gguf, const uint64_t *offsets)
{
    uint64_t alignment = ALIGNMENT;
    int result = find_alignment(r, gguf, &alignment);
    if (result < 0)
        return result;
    uint64_t header = (uint64_t)(r->at - r->start);
    uint64_t start = (header + alignment - 1) / alignment * alignment;
    uint64_t size = (uint64_t)(r->end - r->start);
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        struct gguf_tensor *tensor = &gguf->tensors[i];
        if (offsets[i] % alignment)
            return hearken_fail(r->error, -EINVAL,
                                "GGUF: '%s' is at offset %" PRIu64
                                ", expected a multiple of %" PRIu64,
                                tensor->name, offsets[i], alignment);
        if (start > size || offsets[i] > size - start || tensor->bytes > size - start - offsets[i])
            return hearken_fail(r->error, -EINVAL,
                                "GGUF: '%s' needs %" PRIu64 " bytes at %" PRIu64
                                ", but the file has %" PRIu64 " (truncated?)",
                                tensor->name, tensor->bytes, start + offsets[i], size);
        tensor->data = r->start + start + offsets[i];
    }
    return 0;
}

/* Entries or tensors: structs of `size` bytes that start with their name. */
struct named {
    const void *items;
    size_t size;
};

static const char *name_of(const struct named *named, uint32_t index)
{
    return *(char *const *)((const char *)named->items + index * named->size);
}

static int compare_names(const void *a, const void *b, void *named)
{
    return strcmp(name_of(named, *(const uint32_t *)a), name_of(named, *(const uint32_t *)b));
}

/* Sorts indices by name; duplicate names are an error. */
static int sort_names(struct reader *r, struct named named, uint32_t *order, uint64_t count)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    qsort_r(order, count, sizeof(*order), compare_names, &named);
    for (uint64_t i = 1; i < count; i++)
        if (compare_names(&order[i - 1], &order[i], &named) == 0)
            return hearken_fail(r->error, -EINVAL, "GGUF: the name '%s' is there twice",
                                name_of(&named, order[i]));
    return 0;
}

/* NULL if there is none. */
static const void *find_name(struct named named, const uint32_t *order, uint64_t count,
                             const char *name)
{
    uint64_t low = 0, high = count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        int way = strcmp(name, name_of(&named, order[middle]));
        if (way == 0)
            return (const char *)named.items + order[middle] * named.size;
        if (way < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static struct named entries_of(const struct gguf *gguf)
{
    return (struct named){gguf->entries, sizeof(*gguf->entries)};
}

static struct named tensors_of(const struct gguf *gguf)
{
    return (struct named){gguf->tensors, sizeof(*gguf->tensors)};
}

static int read_header(struct reader *r, struct gguf *gguf)
{
    char magic[4] = "";
    uint32_t version = 0;
    int result = left(r) < sizeof(magic) ? 0 : read_bytes(r, magic, sizeof(magic), "the header");
    if (result < 0)
        return result;
    if (memcmp(magic, MAGIC, sizeof(magic)) != 0)
        return hearken_fail(r->error, -EINVAL,
                            "not a GGUF file: it does not start with '" MAGIC "'");
    if ((result = read_u32(r, &version, "the header")) < 0)
        return result;
    if (version != VERSION)
        return hearken_fail(r->error, -EINVAL, "GGUF version %" PRIu32 ", expected %u", version,
                            VERSION);
    if ((result = read_u64(r, &gguf->tensor_count, "the header")) < 0 ||
        (result = read_u64(r, &gguf->entry_count, "the header")) < 0)
        return result;
    if (gguf->tensor_count > MAX_TENSORS || gguf->tensor_count > left(r) / SMALLEST_TENSOR)
        return hearken_fail(r->error, -EINVAL, "GGUF: %" PRIu64 " tensors do not fit in the file",
                            gguf->tensor_count);
    if (gguf->entry_count > MAX_ENTRIES || gguf->entry_count > left(r) / SMALLEST_ENTRY)
        return hearken_fail(r->error, -EINVAL, "GGUF: %" PRIu64 " entries do not fit in the file",
                            gguf->entry_count);
    return 0;
}

static int allocate_tables(struct reader *r, struct gguf *gguf)
{
    gguf->entries = calloc(gguf->entry_count + 1, sizeof(*gguf->entries));
    gguf->tensors = calloc(gguf->tensor_count + 1, sizeof(*gguf->tensors));
    gguf->entries_by_name = calloc(gguf->entry_count + 1, sizeof(*gguf->entries_by_name));
    gguf->tensors_by_name = calloc(gguf->tensor_count + 1, sizeof(*gguf->tensors_by_name));
    if (!gguf->entries || !gguf->tensors || !gguf->entries_by_name || !gguf->tensors_by_name)
        return hearken_fail(r->error, -ENOMEM, "out of memory");
    return 0;
}

static int read_tables(struct reader *r, struct gguf *gguf, uint64_t *offsets)
{
    int result;
    for (uint64_t i = 0; i < gguf->entry_count; i++)
        if ((result = read_entry(r, &gguf->entries[i])) < 0)
            return result;
    for (uint64_t i = 0; i < gguf->tensor_count; i++)
        if ((result = read_tensor(r, &gguf->tensors[i], &offsets[i])) < 0)
            return result;
    if ((result = sort_names(r, entries_of(gguf), gguf->entries_by_name, gguf->entry_count)) < 0 ||
        (result = sort_names(r, tensors_of(gguf), gguf->tensors_by_name, gguf->tensor_count)) < 0)
        return result;
    return place_tensors(r, gguf, offsets);
}

static int parse_into(struct gguf *gguf, struct reader *r)
{
    int result = read_header(r, gguf);
    if (result < 0) {
        gguf->entry_count = gguf->tensor_count = 0;
        return result;
    }
    if ((result = allocate_tables(r, gguf)) < 0)
        return result;
    uint64_t *offsets = calloc(gguf->tensor_count + 1, sizeof(*offsets));
    if (!offsets)
        return hearken_fail(r->error, -ENOMEM, "out of memory");
    result = read_tables(r, gguf, offsets);
    free(offsets);
    return result;
}

static int parse(struct reader *r, struct gguf **gguf)
{
    struct gguf *g = calloc(1, sizeof(*g));
    if (!g)
        return hearken_fail(r->error, -ENOMEM, "out of memory");
    int result = parse_into(g, r);
    if (result == 0)
        *gguf = g;
    else
        gguf_destroy(g);
    return result;
}

int gguf_open_memory(const void *data, size_t size, struct gguf **gguf, struct hearken_error *error)
{
    struct reader reader = {data, data, (const uint8_t *)data + size, NULL, error};
    return parse(&reader, gguf);
}

/* Reads up to the end of the last tensor; bytes after it are not used. */
static int read_values(struct gguf *gguf, struct file_copy *copy, enum gguf_extent extent,
                       struct hearken_error *error)
{
    size_t end = 0;
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        struct gguf_tensor *tensor = &gguf->tensors[i];
        size_t its = (size_t)((const uint8_t *)tensor->data - copy->data) + tensor->bytes;
        end = its > end ? its : end;
        if (extent == GGUF_HEAD)
            tensor->data = NULL;
    }
    return extent == GGUF_HEAD ? 0 : file_copy_read(copy, end, error);
}

static int read_file(int file, enum gguf_extent extent, struct gguf **gguf,
                     struct hearken_error *error)
{
    struct file_copy copy;
    struct gguf *g = NULL;
    int result = file_copy_start(&copy, file, "a GGUF file", error);
    if (result < 0)
        return result;
    struct reader reader = {copy.data, copy.data, copy.data + copy.size, &copy, error};
    if ((result = parse(&reader, &g)) < 0 || (result = read_values(g, &copy, extent, error)) < 0 ||
        (result = file_copy_check(&copy, error)) < 0) {
        gguf_destroy(g);
        file_copy_finish(&copy);
        return result;
    }
    g->memory = copy.data;
    g->memory_size = copy.size;
    *gguf = g;
    return 0;
}

int gguf_open(const char *path, enum gguf_extent extent, struct gguf **gguf,
              struct hearken_error *error)
{
    struct hearken_error inside = {""};
    /* O_NONBLOCK, so that opening a FIFO without a writer does not block. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return hearken_fail(error, -errno, "%s: %s", path, strerror(errno));
    int result = read_file(file, extent, gguf, &inside);
    close(file);
    return result < 0 ? hearken_fail(error, result, "%s: %.400s", path, inside.message) : 0;
}

int gguf_open_private(int file, struct gguf **gguf, struct hearken_error *error)
{
    struct stat status;
    if (fstat(file, &status) < 0)
        return hearken_fail(error, -errno, "%s", strerror(errno));
    size_t size = (size_t)status.st_size;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        return hearken_fail(error, -errno, "cannot be mapped: %s", strerror(errno));
    int result = gguf_open_memory(memory, size, gguf, error);
    if (result < 0) {
        munmap(memory, size);
        return result;
    }
    (*gguf)->memory = memory;
    (*gguf)->memory_size = size;
    (*gguf)->memory_is_file = true;
    return 0;
}

void gguf_release(const struct gguf *gguf, const struct gguf_tensor *tensor)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (!gguf->memory || !tensor->data)
        return;
    /* Only whole pages: those at either end may hold values of other tensors. */
    uintptr_t start = ((uintptr_t)tensor->data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)tensor->data + tensor->bytes) / page * page;
    if (start < end)
        madvise((void *)start, end - start, gguf->memory_is_file ? MADV_REMOVE : MADV_DONTNEED);
}

void gguf_destroy(struct gguf *gguf)
{
    if (!gguf)
        return;
    for (uint64_t i = 0; gguf->entries && i < gguf->entry_count; i++)
        free(gguf->entries[i].name);
    for (uint64_t i = 0; gguf->tensors && i < gguf->tensor_count; i++)
        free(gguf->tensors[i].name);
    free(gguf->entries);
    free(gguf->tensors);
    free(gguf->entries_by_name);
    free(gguf->tensors_by_name);
    if (gguf->memory)
        munmap(gguf->memory, gguf->memory_size);
    free(gguf);
}

const struct gguf_entry *gguf_find_entry(const struct gguf *gguf, const char *name)
{
    return find_name(entries_of(gguf), gguf->entries_by_name, gguf->entry_count, name);
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *gguf, const char *name)
{
    return find_name(tensors_of(gguf), gguf->tensors_by_name, gguf->tensor_count, name);
}

double gguf_number(const struct gguf_entry *entry, uint64_t index)
{
    const uint8_t *at = entry->data + index * type_table[entry->type].size;
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        float f32;
        uint64_t u64;
        int64_t i64;
        double f64;
    } value;
    memcpy(&value, at, type_table[entry->type].size);
    switch (entry->type) {
    case GGUF_U8:
    case GGUF_BOOL:
        return value.u8;
    case GGUF_I8:
        return value.i8;
    case GGUF_U16:
        return value.u16;
    case GGUF_I16:
        return value.i16;
    case GGUF_U32:
        return value.u32;
    case GGUF_I32:
        return value.i32;
    case GGUF_F32:
        return (double)value.f32;
    case GGUF_U64:
        return (double)value.u64;
    case GGUF_I64:
        return (double)value.i64;
    case GGUF_F64:
        return value.f64;
    case GGUF_STRING:
    case GGUF_ARRAY:
    case GGUF_TYPE_COUNT:
        break;
    }
    return 0;
}

struct gguf_string gguf_string(const struct gguf_entry *entry)
{
    const uint8_t *cursor = entry->data;
    return gguf_next_string(&cursor);
}

struct gguf_string gguf_next_string(const uint8_t **cursor)
{
    uint64_t length = 0;
    memcpy(&length, *cursor, sizeof(length));
    struct gguf_string string = {(const char *)*cursor + sizeof(length), length};
    *cursor += sizeof(length) + length;
    return string;
}

const char *gguf_type_name(enum gguf_type type)
{
    return type < GGUF_TYPE_COUNT ? type_table[type].name : NULL;
}

const char *gguf_tensor_type_name(enum gguf_tensor_type type)
{
    switch (type) {
    case GGUF_TENSOR_F32:
        return "F32";
    case GGUF_TENSOR_F16:
        return "F16";
    case GGUF_TENSOR_Q5_0:
        return "Q5_0";
    case GGUF_TENSOR_Q8_0:
        return "Q8_0";
    case GGUF_TENSOR_I32:
        return "I32";
    }
    return NULL;
}
