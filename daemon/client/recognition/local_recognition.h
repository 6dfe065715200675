// SPDX-License-Identifier: MIT
/* Recognition without a daemon: a model of our own, shared by the recordings. */
#ifndef HEARKEN_DAEMON_CLIENT_RECOGNITION_LOCAL_RECOGNITION_H
#define HEARKEN_DAEMON_CLIENT_RECOGNITION_LOCAL_RECOGNITION_H

#include "daemon/client/program/stream_settings.h"
#include "daemon/client/recognition/recognition.h"

struct local;

/* `model` NULL: the file that is installed beside the program. Errors as hearken_model_open. */
int local_create(const char *model, const struct hearken_backend_options *options,
                 struct local **local, struct hearken_error *error);

/* From any number of threads at once. Errors as hearken_stream_create and _write; -ECANCELED after
 * local_cancel; what the segment callback returned. */
int local_recognise(struct local *local, const struct stream_settings *settings,
                    struct recognition *recognition, struct hearken_error *error);

/* From any thread: ends what runs now. */
void local_cancel(struct local *local);

/* When nothing runs any more. */
void local_destroy(struct local *local);

#endif
