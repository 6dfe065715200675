// SPDX-License-Identifier: MIT
/* Types text into the focused window, with the first of wtype, ydotool and xdotool that is
 * installed and works. */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_TYPIST_H
#define HEARKEN_DAEMON_CLIENT_LIVE_TYPIST_H

#include <hearken/hearken.h>

struct typist {
    unsigned program; /* index of the one in use: those before it are missing or did not work */
    bool typed;       /* it has worked before */
    int interrupt;    /* readable: end a program that hangs; -1: none */
};

/* Errors: -ENOENT if none of them is on PATH. */
int typist_init(struct typist *typist, int interrupt, struct hearken_error *error);

/* Waits until the text is typed. Errors: -EIO if none of them works, -ECANCELED. */
int typist_type(struct typist *typist, const char *text, struct hearken_error *error);

#endif
