// SPDX-License-Identifier: MIT
#include "models/convert/torch_archive.h"

#include "models/convert/hugging_face.h"
#include "models/convert/pickle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#define PICKLE_FILE "/data.pkl"
#define MAX_PICKLE  (4u << 20) /* a byte can become a value of 40 bytes; real ones have 0.2 MiB */
#define MAX_FOLDER  256u

/* A storage in memory, which tensors may share. */
struct loaded {
    const char *name; /* in the pickle */
    size_t length;
    struct mapping mapping;
};

struct reading {
    struct checkpoint *checkpoint;
    zip_t *zip;
    uint64_t left;           /* bytes that further files may have, since none is compressed */
    char folder[MAX_FOLDER]; /* contains all files of the zip */
    struct pickle pickle;
    struct loaded *loaded; /* [loaded_count], not more than the pickle has storages */
    size_t loaded_count;
    const char *path;
    struct hearken_error *error;
};

bool torch_begins(const uint8_t *data, size_t size)
{
    return size >= 4 && memcmp(data, "PK\003\004", 4) == 0;
}

/* Reads a file of the zip into memory that the checkpoint owns. torch.save compresses none. */
static int read_entry(struct reading *r, const char *name, uint64_t most, struct mapping *mapping)
{
    zip_stat_t status;
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat(r->zip, name, 0, &status) < 0 || (status.valid & needed) != needed)
        return hearken_fail(r->error, -EINVAL, "%s: there is no '%.200s' in it", r->path, name);
    if (status.comp_method != ZIP_CM_STORE || status.size == 0 || status.size > most)
        return hearken_fail(r->error, -EINVAL,
                            "%s: '%.200s' is compressed or has %" PRIu64
                            " bytes, expected it uncompressed and 1 to %" PRIu64,
                            r->path, name, (uint64_t)status.size, most);
    if (status.size > r->left)
        return hearken_fail(r->error, -EINVAL, "%s: its files are larger than the archive",
                            r->path);
    r->left -= status.size;
    uint8_t *data = checkpoint_reserve(r->checkpoint, status.size, mapping, r->error);
    if (!data)
        return -ENOMEM;
    zip_file_t *file = zip_fopen(r->zip, name, 0);
    zip_int64_t read = file ? zip_fread(file, data, status.size) : -1;
    if (file)
        zip_fclose(file);
    if (read >= 0 && (zip_uint64_t)read == status.size)
        return 0;
    if (!file && zip_error_code_zip(zip_get_error(r->zip)) == ZIP_ER_MEMORY)
        return hearken_fail(r->error, -ENOMEM, "out of memory");
    return hearken_fail(r->error, -EINVAL, "%s: '%.200s' cannot be read (%s)", r->path, name,
                        file ? "damaged" : zip_strerror(r->zip));
}

/* The folder with the pickle: torch.save names it after the file that it wrote. */
static int find_folder(struct reading *r)
{
    zip_int64_t count = zip_get_num_entries(r->zip, 0);
    for (zip_int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(r->zip, (zip_uint64_t)i, 0);
        size_t length = name ? strlen(name) : 0, ending = strlen(PICKLE_FILE);
        if (length > ending && length - ending < MAX_FOLDER &&
            strcmp(name + length - ending, PICKLE_FILE) == 0) {
            memcpy(r->folder, name, length - ending);
            r->folder[length - ending] = 0;
            return 0;
        }
    }
    return hearken_fail(r->error, -EINVAL,
                        "%s: there is no data.pkl in it, expected what "
                        "torch.save writes",
                        r->path);
}

static int load_storage(struct reading *r, const struct pickle_storage *storage,
                        struct mapping *mapping)
{
    char name[2 * MAX_FOLDER];
    if (storage->name.length > 32 || memchr(storage->name.data, 0, storage->name.length))
        return hearken_fail(r->error, -EINVAL, "%s: a storage with the name '%.*s'", r->path,
                            (int)(storage->name.length > 60 ? 60 : storage->name.length),
                            storage->name.data);
    snprintf(name, sizeof(name), "%s/data/%.*s", r->folder, (int)storage->name.length,
             storage->name.data);
    return read_entry(r, name, UINT64_MAX, mapping);
}

static int find_storage(struct reading *r, const struct pickle_storage *storage,
                        struct mapping *mapping)
{
    for (size_t i = 0; i < r->loaded_count; i++)
        if (r->loaded[i].length == storage->name.length &&
            memcmp(r->loaded[i].name, storage->name.data, storage->name.length) == 0) {
            *mapping = r->loaded[i].mapping;
            return 0;
        }
    int result = load_storage(r, storage, mapping);
    if (result == 0)
        r->loaded[r->loaded_count++] =
            (struct loaded){storage->name.data, storage->name.length, *mapping};
    return result;
}

static int read_storage(struct reading *r, const struct pickle_tensor *tensor, const uint8_t **data)
{
    const struct pickle_storage *storage = pickle_storage(&r->pickle, tensor->storage);
    uint64_t bytes = value_bytes(storage->type, storage->count);
    struct mapping mapping;
    int result = find_storage(r, storage, &mapping);
    if (result < 0)
        return result;
    *data = mapping.data;
    if (mapping.size == bytes)
        return 0;
    return hearken_fail(r->error, -EINVAL, "%s: storage '%.*s' has %zu bytes, expected %" PRIu64,
                        r->path, (int)storage->name.length, storage->name.data, mapping.size,
                        bytes);
}

static int add_tensor(struct reading *r, const char *name, const struct pickle_tensor *from)
{
    struct checkpoint_tensor tensor = {.rank = from->rank};
    const struct pickle_storage *storage = pickle_storage(&r->pickle, from->storage);
    const uint8_t *data = NULL;
    int result = read_storage(r, from, &data);
    if (result < 0)
        return result;
    snprintf(tensor.name, sizeof(tensor.name), "%s", name);
    memcpy(tensor.shape, from->shape, sizeof(tensor.shape));
    tensor.type = storage->type;
    tensor.data = data + value_bytes(storage->type, from->offset);
    return checkpoint_add(r->checkpoint, r->path, &tensor,
                          value_bytes(storage->type, storage->count - from->offset), NULL,
                          r->error);
}

/* Adds a dictionary's tensors that have names of Whisper's. */
static int add_tensors(struct reading *r, const struct pickle_value *dictionary, bool renamed)
{
    int result = 0;
    for (const struct pickle_entry *e = pickle_first(&r->pickle, dictionary); result == 0 && e;
         e = pickle_next(&r->pickle, e)) {
        char name[CHECKPOINT_MAX_NAME], known[CHECKPOINT_MAX_NAME];
        if (e->key.kind != PICKLE_TEXT || e->value.kind != PICKLE_TENSOR ||
            e->key.text.length >= sizeof(name))
            continue;
        memcpy(name, e->key.text.data, e->key.text.length);
        name[e->key.text.length] = 0;
        if (!renamed)
            result = add_tensor(r, name, pickle_tensor(&r->pickle, &e->value));
        else if (hugging_face_rename(name, known))
            result = add_tensor(r, known, pickle_tensor(&r->pickle, &e->value));
    }
    return result;
}

static uint32_t read_heads(const struct reading *r, const struct pickle_value *dims,
                           const char *name)
{
    const struct pickle_value *value = pickle_find(&r->pickle, dims, name);
    bool good = value && value->kind == PICKLE_INTEGER && value->integer > 0 &&
                value->integer <= UINT32_MAX;
    return good ? (uint32_t)value->integer : 0;
}

static int read_dictionary(struct reading *r, const char *directory)
{
    const struct pickle_value *root = &r->pickle.root;
    const struct pickle_value *dims = pickle_find(&r->pickle, root, "dims");
    const struct pickle_value *state = pickle_find(&r->pickle, root, "model_state_dict");
    int result = add_tensors(r, dims ? state : root, !dims);
    if (result < 0 || (result = checkpoint_sort(r->checkpoint, r->path, r->error)) < 0)
        return result;
    if (!dims)
        return hugging_face_read_config(r->checkpoint, directory, r->error);
    r->checkpoint->listener_heads = read_heads(r, dims, "n_audio_head");
    r->checkpoint->speller_heads = read_heads(r, dims, "n_text_head");
    return 0;
}

/* Takes ownership of `source`; NULL if creating it failed with `zip_error`. */
static int open_zip(struct reading *r, zip_source_t *source, zip_error_t *zip_error)
{
    zip_stat_t status;
    if (source)
        r->zip = zip_open_from_source(source, ZIP_RDONLY, zip_error);
    if (r->zip && zip_source_stat(source, &status) == 0 && (status.valid & ZIP_STAT_SIZE)) {
        r->left = status.size;
        return 0;
    }
    if (!r->zip)
        zip_source_free(source);
    if (zip_error_code_zip(zip_error) == ZIP_ER_MEMORY)
        return hearken_fail(r->error, -ENOMEM, "out of memory");
    return hearken_fail(r->error, -EINVAL, "%s: not a whole zip: %s", r->path,
                        zip_error_strerror(zip_error));
}

static int read_zip(struct reading *r, const char *directory)
{
    struct hearken_error inside = {""};
    struct mapping pickle = {0};
    char name[2 * MAX_FOLDER];
    int result = find_folder(r);
    if (result < 0)
        return result;
    snprintf(name, sizeof(name), "%s" PICKLE_FILE, r->folder);
    if ((result = read_entry(r, name, MAX_PICKLE, &pickle)) < 0)
        return result;
    result = pickle_read(&r->pickle, pickle.data, pickle.size, &inside);
    if (result < 0)
        return hearken_fail(r->error, result, "%s: %.900s", r->path, inside.message);
    r->loaded = calloc(r->pickle.storages.count + 1, sizeof(*r->loaded));
    return r->loaded ? read_dictionary(r, directory)
                     : hearken_fail(r->error, -ENOMEM, "out of memory");
}

static int read_all(struct checkpoint *checkpoint, zip_source_t *source, zip_error_t *zip_error,
                    const char *path, const char *directory, struct hearken_error *error)
{
    struct reading r = {.checkpoint = checkpoint, .path = path, .error = error};
    checkpoint->format = "PyTorch";
    int result = open_zip(&r, source, zip_error);
    if (result == 0)
        result = read_zip(&r, directory);
    free(r.loaded);
    pickle_finish(&r.pickle);
    if (r.zip)
        zip_discard(r.zip);
    zip_error_fini(zip_error);
    return result;
}

int torch_read(struct checkpoint *checkpoint, const char *path, const char *directory,
               struct hearken_error *error)
{
    zip_error_t zip_error;
    zip_error_init(&zip_error);
    return read_all(checkpoint, zip_source_file_create(path, 0, -1, &zip_error), &zip_error, path,
                    directory, error);
}

int torch_read_memory(struct checkpoint *checkpoint, struct mapping mapping, const char *path,
                      const char *directory, struct hearken_error *error)
{
    zip_error_t zip_error;
    zip_error_init(&zip_error);
    return read_all(checkpoint, zip_source_buffer_create(mapping.data, mapping.size, 0, &zip_error),
                    &zip_error, path, directory, error);
}
