// SPDX-License-Identifier: MIT
/* The models that hearken can get by name: a table of its own, and lists that users add. */
#ifndef HEARKEN_DAEMON_CLIENT_MODELS_MODEL_INDEX_H
#define HEARKEN_DAEMON_CLIENT_MODELS_MODEL_INDEX_H

#include <hearken/hearken.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_ADDRESSES_MAX 4
#define INDEX_PARTS_MAX     8

/* One of the files of a checkpoint. */
struct index_part {
    const char *name;
    uint64_t size;
    const char *sha256;
};

/* Texts are "" where nothing is known. */
struct index_entry {
    const char *name;
    const char *file;                           /* its name in the folder of models */
    uint64_t size;                              /* bytes to get; 0: unknown */
    const char *sha256;                         /* in hexadecimal */
    const char *addresses[INDEX_ADDRESSES_MAX]; /* tried in this order; ends with NULL */
    struct index_part parts[INDEX_PARTS_MAX];   /* of a checkpoint that becomes the file; their
                                                   addresses end with /; ends with name NULL */
    const char *licence;
    const char *languages;
    const char *about;
};

struct model_index;

/* Reads the lists NAME.json in the folder of models, whose entries replace those of the table. One
 * that makes no sense is an error. Errors: the system's, -EINVAL, -ENOMEM. */
int model_index_create(struct model_index **index, struct hearken_error *error);
void model_index_destroy(struct model_index *index);

/* Entry `number` in the order of the table, then of the lists; NULL if there are no more. */
const struct index_entry *model_index_at(const struct model_index *index, size_t number);

/* By its name, or NULL. */
const struct index_entry *model_index_find(const struct model_index *index, const char *name);

/* Whether `text` is a list of models; `name` stands for it in messages. */
int model_index_check(const char *text, const char *name, struct hearken_error *error);

#endif
