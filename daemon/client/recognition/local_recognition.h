// SPDX-License-Identifier: MIT
/* Recognition without a daemon, by a model in this process that all recordings share. */
#ifndef HEARKEN_DAEMON_CLIENT_RECOGNITION_LOCAL_RECOGNITION_H
#define HEARKEN_DAEMON_CLIENT_RECOGNITION_LOCAL_RECOGNITION_H

#include "daemon/client/program/stream_settings.h"
#include "daemon/client/recognition/recognition.h"

struct local;

/* `model` NULL: the installed default model. Errors: as hearken_model_open. */
int local_create(const char *model, const struct hearken_backend_options *options,
                 struct local **local, struct hearken_error *error);

/* From any number of threads at once. Errors: as hearken_stream_create and hearken_stream_write;
 * -ECANCELED after local_cancel; those of the segment callback. */
int local_recognise(struct local *local, const struct stream_settings *settings,
                    struct recognition *recognition, struct hearken_error *error);

/* From any thread: cancels all running recognitions. */
void local_cancel(struct local *local);

/* To be called when no recognition is running. */
void local_destroy(struct local *local);

#endif
