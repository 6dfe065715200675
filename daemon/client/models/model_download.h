// SPDX-License-Identifier: MIT
/* Gets a model file: whole and checked under its name, or not at all. */
#ifndef HEARKEN_DAEMON_CLIENT_MODELS_MODEL_DOWNLOAD_H
#define HEARKEN_DAEMON_CLIENT_MODELS_MODEL_DOWNLOAD_H

#include "daemon/client/models/model_folder.h"

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stdint.h>

struct download {
    const char *const *addresses; /* tried in this order; ends with NULL */
    const char *target;           /* path of the file; TARGET.partial is what came so far */
    uint64_t size;                /* that it must have; 0: any */
    const char *sha256;           /* that it must have, or "" */
    bool part;                    /* no model by itself: only its sum tells that it is right */
    bool quiet;                   /* no progress */
    char found[SHA256_TEXT];      /* the SHA-256 of what came */
};

/*
 * Goes on with what an earlier call left, where the server takes part and the file is still the
 * same. Another process that gets the same file makes this fail with -EBUSY. Errors: the system's,
 * -EBADMSG for what is no model or has another sum, -EIO for the network, with a message that says
 * what to do; -ENOSYS without libcurl.
 */
int model_download(struct download *download, struct hearken_error *error);

/* A small file as text, which the caller frees. Errors: as above, -EFBIG. */
int model_download_text(const char *address, size_t limit, char **text,
                        struct hearken_error *error);

#endif
