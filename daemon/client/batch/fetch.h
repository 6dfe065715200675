// SPDX-License-Identifier: MIT
/* The bytes of a recording: a file, or what a program writes that gets it from elsewhere. */
#ifndef HEARKEN_DAEMON_CLIENT_BATCH_FETCH_H
#define HEARKEN_DAEMON_CLIENT_BATCH_FETCH_H

#include "daemon/client/batch/manifest.h"

#include <hearken/hearken.h>
#include <stdint.h>

#define FETCH_WORDS_MAX 32

/* --get 'rclone cat s3:talks/{}': words, of which {} stands for a recording's address. No shell
 * sees it. */
struct fetch_program {
    char *text;                       /* holds the words */
    char *words[FETCH_WORDS_MAX + 1]; /* ends with NULL; words[0] NULL: recordings are files */
    unsigned most_mib;                /* of a recording */
};

/* `text` NULL: no program. Errors: -EINVAL where there is no {} or no program; -ENOMEM. */
int fetch_program_init(struct fetch_program *program, const char *text, unsigned most_mib,
                       struct hearken_error *error);
void fetch_program_finish(struct fetch_program *program);

/* What a recording is known by. */
struct fetch_identity {
    uint64_t bytes;
    int64_t modified;         /* nanoseconds since 1970 of a file; 0: unknown */
    char sha256[SHA256_TEXT]; /* "": not read yet */
};

/* A recording whose bytes are here. */
struct fetched {
    char *path; /* of a file; NULL: a program has written `file` */
    int file;   /* without a name; -1: none */
    struct fetch_identity identity;
};

/* What a file is known by without reading it; without a file all of it is unknown. Errors: the
 * system's, -EINVAL for what is no regular file. */
int fetch_look(const struct fetch_program *program, const struct manifest_item *item,
               struct fetch_identity *identity, struct hearken_error *error);

/*
 * Reads the file once, for its SHA-256, or has the program write one without a name. `interrupt` is
 * a descriptor that becomes readable to end that. Errors: those of fetch_look; -ECANCELED; -EBADMSG
 * where the length or the SHA-256 is not the manifest's; of the program: -EFBIG where it writes too
 * much, -EIO where it fails.
 */
int fetch_open(const struct fetch_program *program, const struct manifest_item *item, int interrupt,
               struct fetched *fetched, struct hearken_error *error);
void fetch_close(struct fetched *fetched);

/* The sound in it, which must be destroyed before it is closed; `name` stands for it in messages.
 * Errors: as hearken_source_open. */
int fetch_open_source(struct fetched *fetched, const char *name,
                      const struct hearken_source_options *options, struct hearken_source **source,
                      struct hearken_error *error);

#endif
