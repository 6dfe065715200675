// SPDX-License-Identifier: MIT
/* Ranges of stream options. hearken_stream_options_init() sets the defaults. */
#ifndef HEARKEN_MODELS_STREAM_STREAM_OPTIONS_H
#define HEARKEN_MODELS_STREAM_STREAM_OPTIONS_H

#include <hearken/hearken.h>

/* -EINVAL: an option is out of range; `error` names it, its value and the range. */
int stream_options_check(const struct hearken_stream_options *options, struct hearken_error *error);

#endif
