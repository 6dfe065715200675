// SPDX-License-Identifier: MIT
/*
 * A recording that is uploaded: kept in an unnamed file, and decoded in a thread of its own while
 * it arrives, so that a slow client occupies no worker. All functions are for the loop's thread;
 * callbacks run there, too.
 */
#ifndef HEARKEN_DAEMON_API_UPLOAD_H
#define HEARKEN_DAEMON_API_UPLOAD_H

#include "daemon/settings/settings.h"

#include <hearken/hearken.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct upload;

/* None is called after upload_abandon. */
struct upload_listener {
    /* The next frames, [frames, channels] at HEARKEN_RATE; the following ones come after
     * upload_continue. The number of channels stays the same until a restart. */
    void (*samples)(void *context, const float *samples, size_t frames, uint32_t channels);
    /* The last call: 0, or a negative errno with the reason. */
    void (*ended)(void *context, int result, const char *problem);
};

struct upload_options {
    uint64_t limit;      /* bytes of the file */
    unsigned mode;       /* enum hearken_channels: whether channels are told apart */
    const char *decoder; /* path of hearken-decode, or NULL: what needs it is refused; copied */
    char path[PATH_MAX]; /* room for it */
};

/* As the settings have it. */
void upload_options_init(struct upload_options *options, const struct settings *settings,
                         unsigned mode);

/* Errors: the system's, with the reason. */
int upload_create(uv_loop_t *loop, const struct upload_options *options,
                  const struct upload_listener *listener, void *context, struct upload **upload,
                  struct hearken_error *error);

/* Appends to the file. Errors: -EFBIG beyond the limit, or the system's. */
int upload_write(struct upload *upload, const char *bytes, size_t size);

/* The file is complete. */
void upload_end(struct upload *upload);

/* The samples were taken: gives the next ones. */
void upload_continue(struct upload *upload);

/* Decodes again from the start; what was given before is void. */
void upload_restart(struct upload *upload, unsigned mode);

/* Ends the thread and frees the upload. Accepts NULL. */
void upload_abandon(struct upload *upload);

/* Warning `index` about a recording that was read to its end, or NULL. */
const char *upload_warning(const struct upload *upload, size_t index);

#endif
