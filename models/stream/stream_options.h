// SPDX-License-Identifier: MIT
/* The table of stream options, which hearken_stream_option() gives to programs: their ranges are
 * checked here, hearken_stream_options_init() sets their defaults. */
#ifndef HEARKEN_MODELS_STREAM_STREAM_OPTIONS_H
#define HEARKEN_MODELS_STREAM_STREAM_OPTIONS_H

#include <hearken/hearken.h>

/* -EINVAL: an option is out of range; `error` names it, its value and the range. */
int stream_options_check(const struct hearken_stream_options *options, struct hearken_error *error);

#endif
