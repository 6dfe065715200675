// SPDX-License-Identifier: MIT
#include "tests/unit/common/make_gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *must(void *memory)
{
    if (memory)
        return memory;
    fprintf(stderr, "out of memory\n");
    exit(1);
}

/* ---- Bytes ---- */

void bytes_put(struct bytes *bytes, const void *data, size_t size)
{
    if (bytes->length + size > bytes->room) {
        bytes->room = 2 * (bytes->length + size);
        bytes->data = must(realloc(bytes->data, bytes->room));
    }
    if (size > 0)
        memcpy(bytes->data + bytes->length, data, size);
    bytes->length += size;
}

void bytes_put_u32(struct bytes *bytes, uint32_t value)
{
    bytes_put(bytes, &value, sizeof(value));
}

void bytes_put_u64(struct bytes *bytes, uint64_t value)
{
    bytes_put(bytes, &value, sizeof(value));
}

void bytes_put_string(struct bytes *bytes, const char *text)
{
    bytes_put_u64(bytes, strlen(text));
    bytes_put(bytes, text, strlen(text));
}

void bytes_finish(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

void *exact_copy(const void *data, size_t size)
{
    void *copy = NULL;
    if (posix_memalign(&copy, 32, size ? size : 1))
        must(NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

char *write_temporary(const void *data, size_t size)
{
    const char *folder = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/hearken-test-XXXXXX", folder && *folder ? folder : "/tmp") < 0)
        must(NULL);
    int file = mkstemp(path);
    for (size_t done = 0; file >= 0 && done < size;) {
        ssize_t written = write(file, (const char *)data + done, size - done);
        if (written <= 0) {
            close(file);
            file = -1;
            break;
        }
        done += (size_t)written;
    }
    if (file < 0) {
        perror(path);
        exit(1);
    }
    close(file);
    return path;
}

/* ---- Metadata ---- */

void made_raw(struct made_file *file, const char *name, struct bytes value)
{
    for (size_t i = 0; i < file->entry_count; i++)
        if (strcmp(file->entries[i].name, name) == 0) {
            bytes_finish(&file->entries[i].value);
            file->entries[i].value = value;
            return;
        }
    file->entries = must(realloc(file->entries, (file->entry_count + 1) * sizeof(*file->entries)));
    file->entries[file->entry_count++] = (struct made_entry){must(strdup(name)), value};
}

static void put_number(struct bytes *bytes, enum gguf_type type, double value)
{
    switch (type) {
    case GGUF_U8:
    case GGUF_BOOL:
        bytes_put(bytes, &(uint8_t){(uint8_t)value}, 1);
        break;
    case GGUF_I8:
        bytes_put(bytes, &(int8_t){(int8_t)value}, 1);
        break;
    case GGUF_U16:
        bytes_put(bytes, &(uint16_t){(uint16_t)value}, 2);
        break;
    case GGUF_I16:
        bytes_put(bytes, &(int16_t){(int16_t)value}, 2);
        break;
    case GGUF_U32:
        bytes_put(bytes, &(uint32_t){(uint32_t)value}, 4);
        break;
    case GGUF_I32:
        bytes_put(bytes, &(int32_t){(int32_t)value}, 4);
        break;
    case GGUF_F32:
        bytes_put(bytes, &(float){(float)value}, 4);
        break;
    case GGUF_U64:
        bytes_put(bytes, &(uint64_t){(uint64_t)value}, 8);
        break;
    case GGUF_I64:
        bytes_put(bytes, &(int64_t){(int64_t)value}, 8);
        break;
    case GGUF_F64:
        bytes_put(bytes, &value, 8);
        break;
    case GGUF_STRING:
    case GGUF_ARRAY:
    case GGUF_TYPE_COUNT:
        fprintf(stderr, "type %d is no number\n", (int)type);
        exit(1);
    }
}

void made_number(struct made_file *file, const char *name, enum gguf_type type, double value)
{
    struct bytes bytes = {0};
    bytes_put_u32(&bytes, type);
    put_number(&bytes, type, value);
    made_raw(file, name, bytes);
}

void made_string(struct made_file *file, const char *name, const char *text)
{
    struct bytes bytes = {0};
    bytes_put_u32(&bytes, GGUF_STRING);
    bytes_put_string(&bytes, text);
    made_raw(file, name, bytes);
}

static struct bytes array_of(enum gguf_type type, size_t count)
{
    struct bytes bytes = {0};
    bytes_put_u32(&bytes, GGUF_ARRAY);
    bytes_put_u32(&bytes, type);
    bytes_put_u64(&bytes, count);
    return bytes;
}

void made_numbers(struct made_file *file, const char *name, enum gguf_type type,
                  const double *values, size_t count)
{
    struct bytes bytes = array_of(type, count);
    for (size_t i = 0; i < count; i++)
        put_number(&bytes, type, values[i]);
    made_raw(file, name, bytes);
}

void made_strings(struct made_file *file, const char *name, const char *const *texts, size_t count)
{
    struct bytes bytes = array_of(GGUF_STRING, count);
    for (size_t i = 0; i < count; i++)
        bytes_put_string(&bytes, texts[i]);
    made_raw(file, name, bytes);
}

/* ---- Tensors ---- */

static struct made_tensor *add_tensor(struct made_file *file, const char *name)
{
    file->tensors = must(realloc(file->tensors, (file->tensor_count + 1) * sizeof(*file->tensors)));
    struct made_tensor *tensor = &file->tensors[file->tensor_count++];
    *tensor = (struct made_tensor){.name = must(strdup(name)), .shape = {1, 1, 1, 1}};
    return tensor;
}

void made_tensor(struct made_file *file, const char *name, enum gguf_tensor_type type,
                 const uint64_t shape[GGUF_MAX_RANK], const void *data, size_t size)
{
    struct made_tensor *tensor = add_tensor(file, name);
    tensor->type = type;
    while (tensor->rank < GGUF_MAX_RANK && shape[tensor->rank] > 0) {
        tensor->shape[tensor->rank] = shape[tensor->rank];
        tensor->rank++;
    }
    bytes_put(&tensor->data, data, size);
}

struct made_tensor *made_find(struct made_file *file, const char *name)
{
    for (size_t i = 0; i < file->tensor_count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

/* ---- Files ---- */

bool made_remove(struct made_file *file, const char *name)
{
    for (size_t i = 0; i < file->entry_count; i++)
        if (strcmp(file->entries[i].name, name) == 0) {
            free(file->entries[i].name);
            bytes_finish(&file->entries[i].value);
            file->entry_count--;
            memmove(&file->entries[i], &file->entries[i + 1],
                    (file->entry_count - i) * sizeof(*file->entries));
            return true;
        }
    struct made_tensor *tensor = made_find(file, name);
    if (!tensor)
        return false;
    size_t at = (size_t)(tensor - file->tensors);
    free(tensor->name);
    bytes_finish(&tensor->data);
    file->tensor_count--;
    memmove(tensor, tensor + 1, (file->tensor_count - at) * sizeof(*tensor));
    return true;
}

/* The bytes of an open file's entry, its type included. */
static struct bytes entry_bytes(const struct gguf_entry *entry)
{
    struct bytes bytes = {0};
    if (entry->is_array)
        bytes = array_of(entry->type, entry->count);
    else
        bytes_put_u32(&bytes, entry->type);
    const uint8_t *cursor = entry->data;
    for (uint64_t i = 0; i < entry->count; i++)
        if (entry->type == GGUF_STRING) {
            struct gguf_string string = gguf_next_string(&cursor);
            bytes_put_u64(&bytes, string.length);
            bytes_put(&bytes, string.data, string.length);
        } else {
            put_number(&bytes, entry->type, gguf_number(entry, i));
        }
    return bytes;
}

struct made_file made_copy(const struct gguf *gguf)
{
    struct made_file file = {0};
    for (uint64_t i = 0; i < gguf->entry_count; i++)
        made_raw(&file, gguf->entries[i].name, entry_bytes(&gguf->entries[i]));
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const struct gguf_tensor *from = &gguf->tensors[i];
        struct made_tensor *to = add_tensor(&file, from->name);
        to->type = from->type;
        to->rank = from->rank;
        memcpy(to->shape, from->shape, sizeof(to->shape));
        bytes_put(&to->data, from->data, from->bytes);
    }
    return file;
}

static void align(struct bytes *bytes, size_t alignment)
{
    while (bytes->length % alignment)
        bytes_put(bytes, "", 1);
}

struct bytes made_bytes(const struct made_file *file)
{
    size_t alignment = file->alignment ? file->alignment : 32;
    struct bytes bytes = {0}, data = {0};
    bytes_put(&bytes, "GGUF", 4);
    bytes_put_u32(&bytes, 3);
    bytes_put_u64(&bytes, file->tensor_count);
    bytes_put_u64(&bytes, file->entry_count);
    for (size_t i = 0; i < file->entry_count; i++) {
        bytes_put_string(&bytes, file->entries[i].name);
        bytes_put(&bytes, file->entries[i].value.data, file->entries[i].value.length);
    }
    for (size_t i = 0; i < file->tensor_count; i++) {
        const struct made_tensor *tensor = &file->tensors[i];
        bytes_put_string(&bytes, tensor->name);
        bytes_put_u32(&bytes, tensor->rank);
        for (uint32_t d = 0; d < tensor->rank && d < GGUF_MAX_RANK; d++)
            bytes_put_u64(&bytes, tensor->shape[d]);
        bytes_put_u32(&bytes, tensor->type);
        align(&data, alignment);
        bytes_put_u64(&bytes, data.length);
        bytes_put(&data, tensor->data.data, tensor->data.length);
    }
    align(&bytes, alignment);
    bytes_put(&bytes, data.data, data.length);
    bytes_finish(&data);
    return bytes;
}

void made_finish(struct made_file *file)
{
    while (file->entry_count > 0)
        made_remove(file, file->entries[file->entry_count - 1].name);
    while (file->tensor_count > 0)
        made_remove(file, file->tensors[file->tensor_count - 1].name);
    free(file->entries);
    free(file->tensors);
    *file = (struct made_file){0};
}
