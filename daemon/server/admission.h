// SPDX-License-Identifier: MIT
/*
 * How many clients there is room for, and how those beyond are told: `busy`, also when no
 * descriptor is left to take them with. For the loop's thread.
 */
#ifndef HEARKEN_DAEMON_SERVER_ADMISSION_H
#define HEARKEN_DAEMON_SERVER_ADMISSION_H

#include "daemon/common/log.h"

#include <stdbool.h>
#include <stdint.h>

struct admission {
    struct log *log;
    unsigned fixed;       /* descriptors that are not connections' */
    unsigned descriptors; /* connections that the limit of open files leaves room for */
    int reserve;          /* given up to tell a client that there are none left; -1: not there */
    uint64_t turned_away; /* clients of this episode; 0: there is none */
    uint64_t last;        /* loop time, ms, when the last one was */
};

/* All that the daemon keeps open is open, and there are no connections. */
void admission_init(struct admission *admission, struct log *log);
void admission_finish(struct admission *admission);

/* Raises the limit of open files, as far as the system lets it, to what so many connections need,
 * and says if that is too few. At the start and when the setting has changed. */
void admission_make_room(struct admission *admission, unsigned connections);

/* How many connections may be open: those that are served, of `connections` set; and all, with
 * those that are being told that there are too many. */
unsigned admission_limit(const struct admission *admission, unsigned connections);
unsigned admission_total(const struct admission *admission, unsigned connections);

/* A client was told, or is going to be. The first of an episode is logged, with why. */
void admission_note(struct admission *admission, uint64_t now, const char *why);

/* To be called from time to time: ends an episode once nobody has been turned away for a while.
 * True: one goes on. */
bool admission_tick(struct admission *admission, uint64_t now);

/* Tells the client behind a connected socket that there are too many connections, excluded_backend waiting
 * for it, and closes the socket. */
void admission_turn_away(int descriptor);

/* The same for the client that accept has no descriptor for. False: there is no descriptor even for
 * that, and the client still waits. */
bool admission_turn_away_next(struct admission *admission, int listening);

#endif
