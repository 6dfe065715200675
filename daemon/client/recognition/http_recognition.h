// SPDX-License-Identifier: MIT
/* Recognition by a server that has the HTTP interface of OpenAI for transcriptions: a far hearkend
 * (docs/http.md), or another one. */
#ifndef HEARKEN_DAEMON_CLIENT_RECOGNITION_HTTP_RECOGNITION_H
#define HEARKEN_DAEMON_CLIENT_RECOGNITION_HTTP_RECOGNITION_H

#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/stream_settings.h"
#include "daemon/client/recognition/recognition.h"

#include <errno.h>

/*
 * Sends the recording while it is read. A key is taken from $HEARKEN_API_KEY. Errors: -ENOTCONN if
 * the server does not answer, -ECANCELED after the interrupt, -ETIMEDOUT, -EPROTO for an error of
 * the server or an answer that is not understood; -ENOSYS without libcurl; those of the source and
 * of the segment callback.
 */
int http_recognise(const struct address *address, const struct stream_settings *settings,
                   struct recognition *recognition, struct hearken_error *error);

/* Reports the segments of an answer (verbose_json, or json with the text alone). Errors: -EPROTO,
 * -ENOMEM, those of the segment callback. */
int http_recognition_read_answer(struct recognition *recognition, const char *bytes, size_t length,
                                 struct hearken_error *error);

#endif
