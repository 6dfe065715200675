// SPDX-License-Identifier: MIT
/*
 * Sockets to listen on, as descriptors: bound, not yet listening, close-on-exec, non-blocking. The
 * caller closes them.
 */
#ifndef HEARKEN_DAEMON_SERVER_SOCKETS_H
#define HEARKEN_DAEMON_SERVER_SOCKETS_H

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

enum socket_kind {
    SOCKET_UNIX,
    SOCKET_TCP,
};

struct socket_listener {
    int descriptor;
    enum socket_kind kind;
};

/* More addresses than one name of a host has, or sockets than systemd would hand over. */
#define SOCKETS_MAX 16

/* Where the Unix socket belongs if the settings do not say: a malloc'd path. Errors, with a path of
 * NULL: -EINVAL if the environment does not say either, -ENOMEM. */
int socket_standard_path(char **path, struct hearken_error *error);

/* Whether socket_open_unix and socket_open_tcp could take it: 0, -ENAMETOOLONG or -EINVAL, with the
 * reason. Looks at the text alone. */
int socket_check_unix(const char *path, struct hearken_error *error);
int socket_check_tcp(const char *address, struct hearken_error *error);

/*
 * Whether the folders above a socket let all those in whom its mode lets in. False: `folder` (of
 * PATH_MAX bytes) is the first that does not.
 */
bool socket_is_within_reach(const char *path, unsigned mode, char *folder);

/*
 * Binds a Unix socket with that file mode. Its directory is made if it is missing, open to those
 * whom the mode lets in; a socket that nobody answers on is replaced. Errors: -EADDRINUSE if
 * somebody does, -EEXIST if something else has that name, -ENAMETOOLONG, and the system's.
 */
int socket_open_unix(const char *path, unsigned mode, struct socket_listener *listener,
                     struct hearken_error *error);

/* Binds all addresses of "host:port" or "[host]:port". Returns how many (at most SOCKETS_MAX), or
 * -EINVAL for bad text, -ENOENT for an unknown host, and the system's. */
int socket_open_tcp(const char *address, struct socket_listener *listeners,
                    struct hearken_error *error);

#endif
