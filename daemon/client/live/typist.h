// SPDX-License-Identifier: MIT
/* Text into the window that has the focus, by the first of wtype, ydotool and xdotool that is there
 * and works. */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_TYPIST_H
#define HEARKEN_DAEMON_CLIENT_LIVE_TYPIST_H

#include <hearken/hearken.h>

struct typist {
    unsigned program; /* that is used: those before it are not there or did not work */
    bool typed;       /* it has worked */
    int interrupt;    /* ends a program that hangs; -1: none */
};

/* Errors: -ENOENT when none of them is on PATH. */
int typist_init(struct typist *typist, int interrupt, struct hearken_error *error);

/* Waits until it is typed. Errors: -EIO when none of them works, -ECANCELED. */
int typist_type(struct typist *typist, const char *text, struct hearken_error *error);

#endif
