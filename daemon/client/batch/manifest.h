// SPDX-License-Identifier: MIT
/*
 * The recordings of a batch: a file with a JSON object a line,
 * {"url": "talk.flac", "id": "talk", "bytes": 1234, "sha256": "…", "options": {"language": "de"}},
 * of which only `url` must be there. It is not trusted.
 */
#ifndef HEARKEN_DAEMON_CLIENT_BATCH_MANIFEST_H
#define HEARKEN_DAEMON_CLIENT_BATCH_MANIFEST_H

#include "daemon/client/models/model_folder.h"

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MANIFEST_ID_MAX 128u /* bytes of an id: the name of a file without its endings */

struct manifest_item {
    size_t line;              /* counted from 1 */
    char *id;                 /* NULL until it has got one */
    char *url;                /* a path, file://, or what the program of --get takes */
    json_t *options;          /* an object, or NULL */
    uint64_t bytes;           /* 0: unknown */
    char sha256[SHA256_TEXT]; /* "": unknown */
};

struct manifest {
    const char *path; /* for messages; the caller's */
    size_t count, room;
    struct manifest_item *items;
    uint64_t bytes; /* of all of them, as far as they are known */
};

/* The caller finishes the manifest in any case. Errors: the system's;
 * -EINVAL with the line and what was expected there; -ENOMEM. */
int manifest_read(struct manifest *manifest, const char *path, struct hearken_error *error);

/* Adds an item, which becomes the manifest's. Errors: -ENOMEM, and it stays the caller's. */
int manifest_add(struct manifest *manifest, const struct manifest_item *item);

/* Accepts one that is all zeros. */
void manifest_finish(struct manifest *manifest);

void manifest_item_finish(struct manifest_item *item);

/* One line, without its end. Errors: as manifest_read, without the line's number. */
int manifest_parse(const char *line, size_t length, struct manifest_item *item,
                   struct hearken_error *error);

#define MANIFEST_LINE_MAX 65536u /* bytes of a line */

/*
 * The next line of a file into `line` [MANIFEST_LINE_MAX + 2], without its end. Returns its length,
 * -ENODATA at the end of the file, -E2BIG for a longer line, -EIO with errno set.
 */
long manifest_read_line(FILE *file, char *line);

/* Whether it may be part of a file's name: letters, digits and "._-", a letter or digit first. */
bool manifest_is_id(const char *id);

/* Whether it is 64 hexadecimal digits in lower case. */
bool manifest_is_sha256(const char *text);

/* "file:///a%20b" as a path, in place; false: it is no path on this machine. Anything without a
 * scheme is a path. */
bool manifest_url_to_path(char *url);

/* Finds those that have the same id, which all items have got. Such that are the same in all is
 * left out but once. Errors: -EEXIST with both lines; -ENOMEM. */
int manifest_join_same(struct manifest *manifest, struct hearken_error *error);

#endif
