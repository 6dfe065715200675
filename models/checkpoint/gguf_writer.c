// SPDX-License-Identifier: MIT
#include "models/checkpoint/gguf_writer.h"

#include "include/internal/half.h"
#include "models/checkpoint/quantize.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION      3u
#define ALIGNMENT    32u
#define PIECE        4096u /* values converted at a time; whole blocks */
#define LARGEST_HALF 65504.0f

struct bytes {
    uint8_t *data;
    size_t length, room;
    uint64_t entries;
};

struct tensor {
    char *name;
    enum gguf_tensor_type type;
    uint64_t count; /* of values */
};

struct gguf_writer {
    struct hearken_error *error;
    const char *name; /* for messages */
    char *path;       /* the file to replace at the end; NULL: an in-memory file */
    char *temporary;  /* a name in the same folder */
    bool has_name;    /* the temporary file has that name; else it is unnamed */
    FILE *file;
    struct bytes keys, infos;
    struct tensor *tensors;
    size_t tensor_count, current;
    uint64_t offset;  /* of the next tensor's values, from the start of all values */
    uint64_t written; /* values of the current tensor */
    int result;
};

static uint64_t align(uint64_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static uint64_t bytes_of(enum gguf_tensor_type type, uint64_t count)
{
    return type == GGUF_TENSOR_Q8_0   ? count / BLOCK * Q8_0_BLOCK_BYTES
           : type == GGUF_TENSOR_Q5_0 ? count / BLOCK * Q5_0_BLOCK_BYTES
           : type == GGUF_TENSOR_F16  ? count * sizeof(uint16_t)
                                      : count * sizeof(float);
}

/* ---- The head, in memory ---- */

static void append(struct gguf_writer *w, struct bytes *to, const void *data, size_t size)
{
    if (w->result < 0)
        return;
    if (to->room - to->length < size) {
        size_t room = 2 * to->room + size + 4096;
        void *grown = realloc(to->data, room);
        if (!grown) {
            w->result = hearken_fail(w->error, -ENOMEM, "out of memory");
            return;
        }
        to->data = grown;
        to->room = room;
    }
    memcpy(to->data + to->length, data, size);
    to->length += size;
}

static void append_u32(struct gguf_writer *w, struct bytes *to, uint32_t value)
{
    append(w, to, &value, sizeof(value));
}

static void append_u64(struct gguf_writer *w, struct bytes *to, uint64_t value)
{
    append(w, to, &value, sizeof(value));
}

static void append_text(struct gguf_writer *w, struct bytes *to, const char *text)
{
    append_u64(w, to, strlen(text));
    append(w, to, text, strlen(text));
}

static void start_key(struct gguf_writer *w, const char *key, uint32_t type)
{
    append_text(w, &w->keys, key);
    append_u32(w, &w->keys, type);
    w->keys.entries++;
}

static void start_array(struct gguf_writer *w, const char *key, uint32_t type, size_t count)
{
    start_key(w, key, GGUF_ARRAY);
    append_u32(w, &w->keys, type);
    append_u64(w, &w->keys, count);
}

void gguf_add_text(struct gguf_writer *writer, const char *key, const char *value)
{
    start_key(writer, key, GGUF_STRING);
    append_text(writer, &writer->keys, value);
}

void gguf_add_u32(struct gguf_writer *writer, const char *key, uint32_t value)
{
    start_key(writer, key, GGUF_U32);
    append_u32(writer, &writer->keys, value);
}

void gguf_add_f32(struct gguf_writer *writer, const char *key, float value)
{
    start_key(writer, key, GGUF_F32);
    append(writer, &writer->keys, &value, sizeof(value));
}

void gguf_add_u32s(struct gguf_writer *writer, const char *key, const uint32_t *values,
                   size_t count)
{
    start_array(writer, key, GGUF_U32, count);
    append(writer, &writer->keys, values, count * sizeof(*values));
}

void gguf_add_i32s(struct gguf_writer *writer, const char *key, const int32_t *values, size_t count)
{
    start_array(writer, key, GGUF_I32, count);
    append(writer, &writer->keys, values, count * sizeof(*values));
}

void gguf_add_texts(struct gguf_writer *writer, const char *key, char *const *names,
                    const uint32_t *chosen, size_t count)
{
    start_array(writer, key, GGUF_STRING, count);
    for (size_t i = 0; i < count; i++)
        append_text(writer, &writer->keys, names[chosen[i]]);
}

/* Of the elements of an entry. */
static size_t size_of_elements(const struct gguf_entry *entry)
{
    static const uint8_t sizes[GGUF_TYPE_COUNT] = {
        [GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_U16] = 2, [GGUF_I16] = 2,
        [GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1,
        [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
    };
    const uint8_t *cursor = entry->data;
    if (entry->type != GGUF_STRING)
        return (size_t)entry->count * sizes[entry->type];
    for (uint64_t i = 0; i < entry->count; i++)
        gguf_next_string(&cursor);
    return (size_t)(cursor - entry->data);
}

void gguf_add_entry(struct gguf_writer *writer, const struct gguf_entry *entry)
{
    if (entry->is_array)
        start_array(writer, entry->name, entry->type, entry->count);
    else
        start_key(writer, entry->name, entry->type);
    append(writer, &writer->keys, entry->data, size_of_elements(entry));
}

static void remember_tensor(struct gguf_writer *w, const char *name, enum gguf_tensor_type type,
                            uint64_t count)
{
    if (w->result < 0)
        return;
    void *grown = realloc(w->tensors, (w->tensor_count + 1) * sizeof(*w->tensors));
    if (grown)
        w->tensors = grown;
    char *copy = grown ? strdup(name) : NULL;
    if (!copy) {
        w->result = hearken_fail(w->error, -ENOMEM, "out of memory");
        return;
    }
    w->tensors[w->tensor_count++] = (struct tensor){copy, type, count};
}

void gguf_add_tensor(struct gguf_writer *writer, const char *name, enum gguf_tensor_type type,
                     uint32_t rank, const uint64_t *shape)
{
    uint64_t count = 1;
    append_text(writer, &writer->infos, name);
    append_u32(writer, &writer->infos, rank);
    for (uint32_t i = 0; i < rank; i++) {
        append_u64(writer, &writer->infos, shape[i]);
        count *= shape[i];
    }
    append_u32(writer, &writer->infos, type);
    append_u64(writer, &writer->infos, writer->offset);
    writer->infos.entries++;
    writer->offset += align(bytes_of(type, count));
    remember_tensor(writer, name, type, count);
}

/* ---- The file ---- */

static void write_bytes(struct gguf_writer *w, const void *data, size_t size)
{
    if (w->result == 0 && size > 0 && fwrite(data, 1, size, w->file) != size)
        w->result = hearken_fail(w->error, errno ? -errno : -EIO, "%s: %s", w->name,
                                 strerror(errno ? errno : EIO));
}

static void write_padding(struct gguf_writer *w, uint64_t length)
{
    static const uint8_t zeros[ALIGNMENT];
    write_bytes(w, zeros, (size_t)(align(length) - length));
}

void gguf_write_head(struct gguf_writer *writer)
{
    const uint32_t version = VERSION;
    write_bytes(writer, "GGUF", 4);
    write_bytes(writer, &version, sizeof(version));
    write_bytes(writer, &writer->infos.entries, sizeof(uint64_t));
    write_bytes(writer, &writer->keys.entries, sizeof(uint64_t));
    write_bytes(writer, writer->keys.data, writer->keys.length);
    write_bytes(writer, writer->infos.data, writer->infos.length);
    write_padding(writer, 24 + writer->keys.length + writer->infos.length);
}

void gguf_leave_values(struct gguf_writer *writer)
{
    struct gguf_writer *w = writer;
    off_t head = w->result == 0 && fflush(w->file) == 0 ? ftello(w->file) : -1;
    if (w->result == 0 && (head < 0 || ftruncate(fileno(w->file), head + (off_t)w->offset) < 0))
        w->result = hearken_fail(w->error, -errno, "%s: %s", w->name, strerror(errno));
    w->current = w->tensor_count;
}

static bool can_be_written(struct gguf_writer *w, const struct tensor *tensor, const float *values,
                           size_t count)
{
    /* A block keeps a 127th (Q8_0), at most an 11th (Q5_0) of its largest value as a half. */
    float largest = tensor->type == GGUF_TENSOR_F32    ? INFINITY
                    : tensor->type == GGUF_TENSOR_F16  ? LARGEST_HALF
                    : tensor->type == GGUF_TENSOR_Q5_0 ? 11 * LARGEST_HALF
                                                       : 127 * LARGEST_HALF;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]) || fabsf(values[i]) > largest) {
            w->result =
                hearken_fail(w->error, -ERANGE, "tensor '%s' holds %g, expected finite numbers%s",
                             tensor->name, (double)values[i],
                             tensor->type == GGUF_TENSOR_F32 ? "" : " that half precision holds");
            return false;
        }
    return true;
}

/* At most PIECE values. */
static void write_piece(struct gguf_writer *w, enum gguf_tensor_type type, const float *values,
                        size_t count)
{
    uint16_t halves[PIECE];
    uint8_t blocks[PIECE / BLOCK * Q8_0_BLOCK_BYTES]; /* the larger of the two */
    if (type == GGUF_TENSOR_F32) {
        write_bytes(w, values, count * sizeof(*values));
    } else if (type == GGUF_TENSOR_F16) {
        for (size_t i = 0; i < count; i++)
            halves[i] = half_from_float(values[i]);
        write_bytes(w, halves, count * sizeof(*halves));
    } else {
        (type == GGUF_TENSOR_Q8_0 ? quantize_q8_0 : quantize_q5_0)(values, count, blocks);
        write_bytes(w, blocks, (size_t)bytes_of(type, count));
    }
}

/* The first tensor that is not full; NULL after an error. */
static const struct tensor *next_tensor(struct gguf_writer *w, size_t count)
{
    if (w->result < 0)
        return NULL;
    if (w->current < w->tensor_count && count <= w->tensors[w->current].count - w->written)
        return &w->tensors[w->current];
    w->result = hearken_fail(w->error, -EINVAL, "%s: more values than its tensors hold", w->name);
    return NULL;
}

static void have_written(struct gguf_writer *w, const struct tensor *tensor, size_t count)
{
    w->written += count;
    if (w->written < tensor->count)
        return;
    write_padding(w, bytes_of(tensor->type, tensor->count));
    w->written = 0;
    w->current++;
}

void gguf_write_values(struct gguf_writer *writer, const float *values, size_t count)
{
    const struct tensor *tensor = next_tensor(writer, count);
    if (!tensor || !can_be_written(writer, tensor, values, count))
        return;
    for (size_t at = 0; at < count; at += PIECE)
        write_piece(writer, tensor->type, values + at, count - at < PIECE ? count - at : PIECE);
    have_written(writer, tensor, count);
}

void gguf_write_packed(struct gguf_writer *writer, const void *data, size_t count)
{
    const struct tensor *tensor = next_tensor(writer, count);
    if (!tensor)
        return;
    write_bytes(writer, data, (size_t)bytes_of(tensor->type, count));
    have_written(writer, tensor, count);
}

void gguf_write_tensor(struct gguf_writer *writer, const struct gguf_tensor *tensor)
{
    write_bytes(writer, tensor->data, (size_t)tensor->bytes);
    write_padding(writer, tensor->bytes);
    writer->current++;
}

/* Gives the file the owner of the one that it replaces, and returns its mode. If the group cannot
 * be set, the group gets only the rights of others. */
static mode_t keep_owner(int file, const struct stat *old)
{
    struct stat made;
    mode_t mode = old->st_mode & 0777;
    if (fchown(file, old->st_uid, old->st_gid) < 0 && fchown(file, (uid_t)-1, old->st_gid) < 0 &&
        (fstat(file, &made) < 0 || made.st_gid != old->st_gid))
        mode = (mode & ~(mode_t)070) | (mode & 07) << 3;
    return mode;
}

/* The mode of a new file, by the umask. */
static mode_t usual_mode(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

/* Opens a file in the path's folder: unnamed (O_TMPFILE), so that nothing is left if the process is
 * killed, or named where the file system does not support that. */
static int open_beside(struct gguf_writer *w)
{
    const char *slash = strrchr(w->path, '/');
    char *folder = slash ? strndup(w->path, (size_t)(slash - w->path) + 1) : strdup(".");
    int file = -1;
    if (folder && access("/proc/self/fd", X_OK) == 0)
        file = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    free(folder);
    if (file >= 0)
        return file;
    file = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    w->has_name = file >= 0;
    return file;
}

/* `old`: the file to replace, or NULL. */
static int open_temporary(struct gguf_writer *w, const struct stat *old)
{
    int file = open_beside(w);
    if (file < 0)
        return hearken_fail(w->error, -errno, "%s: %s", w->name, strerror(errno));
    mode_t mode = old ? keep_owner(file, old) : usual_mode();
    w->file = fchmod(file, mode) == 0 ? fdopen(file, "wb") : NULL;
    if (w->file)
        return 0;
    int result = hearken_fail(w->error, -errno, "%s: %s", w->name, strerror(errno));
    close(file);
    if (w->has_name)
        unlink(w->temporary);
    return result;
}

/* Follows a symbolic link: its target is replaced, not the link. */
static int open_file(struct gguf_writer *w, const char *path)
{
    struct stat old;
    uint64_t number;
    bool there = stat(path, &old) == 0;
    if (there && !S_ISREG(old.st_mode))
        return hearken_fail(w->error, -EINVAL, "%s: expected a regular file or none", path);
    if (!there && lstat(path, &old) == 0)
        return hearken_fail(w->error, -ENOENT, "%s: %s", path, strerror(ENOENT));
    w->path = there ? realpath(path, NULL) : strdup(path);
    if (!w->path)
        return hearken_fail(w->error, -errno, "%s: %s", path, strerror(errno));
    if (getrandom(&number, sizeof(number), 0) != sizeof(number))
        return hearken_fail(w->error, -EIO, "%s: %s", path, strerror(EIO));
    if (asprintf(&w->temporary, "%s.%016" PRIx64, w->path, number) < 0) {
        w->temporary = NULL; /* asprintf leaves it undefined */
        return hearken_fail(w->error, -ENOMEM, "out of memory");
    }
    return open_temporary(w, there ? &old : NULL);
}

static int open_memory(struct gguf_writer *w)
{
    int file = memfd_create("hearken-model", MFD_CLOEXEC);
    w->file = file < 0 ? NULL : fdopen(file, "wb");
    if (w->file)
        return 0;
    int result = hearken_fail(w->error, -errno, "%s: %s", w->name, strerror(errno));
    if (file >= 0)
        close(file);
    return result;
}

int gguf_writer_create(const char *path, struct gguf_writer **writer, struct hearken_error *error)
{
    struct gguf_writer *made = calloc(1, sizeof(*made));
    if (!made)
        return hearken_fail(error, -ENOMEM, "out of memory");
    made->error = error;
    made->name = path ? path : "memory";
    int result = path ? open_file(made, path) : open_memory(made);
    if (result < 0)
        gguf_writer_destroy(made);
    else
        *writer = made;
    return result;
}

void gguf_writer_destroy(struct gguf_writer *writer)
{
    if (!writer)
        return;
    if (writer->file) {
        fclose(writer->file);
        if (writer->has_name)
            unlink(writer->temporary);
    }
    for (size_t i = 0; i < writer->tensor_count; i++)
        free(writer->tensors[i].name);
    free(writer->tensors);
    free(writer->keys.data);
    free(writer->infos.data);
    free(writer->temporary);
    free(writer->path);
    free(writer);
}

/* Errors: -1, with errno. */
static int replace(struct gguf_writer *w)
{
    char descriptor[64];
    snprintf(descriptor, sizeof(descriptor), "/proc/self/fd/%d", fileno(w->file));
    if (!w->has_name && linkat(AT_FDCWD, descriptor, AT_FDCWD, w->temporary, AT_SYMLINK_FOLLOW) < 0)
        return -1;
    w->has_name = true;
    return rename(w->temporary, w->path);
}

int gguf_writer_finish(struct gguf_writer *writer)
{
    if (writer->result == 0 && writer->current != writer->tensor_count)
        writer->result = hearken_fail(writer->error, -EINVAL, "tensor '%s' lacks values",
                                      writer->tensors[writer->current].name);
    if (writer->result == 0 &&
        (fflush(writer->file) != 0 || (writer->path && fsync(fileno(writer->file)) != 0)))
        writer->result =
            hearken_fail(writer->error, -errno, "%s: %s", writer->name, strerror(errno));
    if (writer->result < 0 || !writer->path)
        return writer->result;
    if (replace(writer) < 0)
        return writer->result =
                   hearken_fail(writer->error, -errno, "%s: %s", writer->name, strerror(errno));
    fclose(writer->file);
    writer->file = NULL;
    return 0;
}

int gguf_writer_take(struct gguf_writer *writer)
{
    int file = fcntl(fileno(writer->file), F_DUPFD_CLOEXEC, 3);
    return file < 0 ? hearken_fail(writer->error, -errno, "%s: %s", writer->name, strerror(errno))
                    : file;
}
