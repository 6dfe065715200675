// SPDX-License-Identifier: MIT
/* English names of languages, as Whisper's interface has them. */
#ifndef HEARKEN_DAEMON_API_LANGUAGE_NAMES_H
#define HEARKEN_DAEMON_API_LANGUAGE_NAMES_H

/* "english" for "en"; a code without a name stands for itself. */
const char *language_name(const char *code);

/* "en" for "English"; what is not a name stands for itself. */
const char *language_code(const char *name);

#endif
