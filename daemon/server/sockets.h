// SPDX-License-Identifier: MIT
/*
 * Creates sockets to listen on: bound, not yet listening, close-on-exec, non-blocking. The caller
 * closes the descriptors.
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

enum socket_protocol {
    SOCKET_WYOMING,
    SOCKET_HTTP,
    SOCKET_AGENT,
    SOCKET_PROTOCOLS,
};

struct socket_listener {
    int descriptor;
    enum socket_kind kind;
    enum socket_protocol protocol;
};

/* More than the addresses of a host name, or the sockets that systemd passes. */
#define SOCKETS_MAX 16

/* The default path of the Unix socket; the caller frees it. Errors, with a path of NULL: -EINVAL if
 * the environment names no directory, -ENOMEM. */
int socket_standard_path(char **path, struct hearken_error *error);

/* Check an argument of socket_open_unix or socket_open_tcp by its text alone. Errors:
 * -ENAMETOOLONG, -EINVAL. `setting`: for messages. */
int socket_check_unix(const char *path, struct hearken_error *error);
int socket_check_tcp(const char *setting, const char *address, struct hearken_error *error);

/* Whether only this machine's programs can connect to a bound socket. */
bool socket_is_local(const struct socket_listener *listener);

#define SOCKET_TEXT_SIZE 128

/* Where a bound socket listens: its path, "127.0.0.1:8080" or "[::1]:8080". False: it is none of
 * these. */
bool socket_describe(const struct socket_listener *listener, char text[SOCKET_TEXT_SIZE]);

/*
 * Whether the directories above a socket can be searched by all users that its mode admits. False:
 * `folder` (of PATH_MAX bytes) is the first that cannot.
 */
bool socket_is_reachable(const char *path, unsigned mode, char *folder);

/*
 * Binds a Unix socket with the given file mode. Creates its directory if necessary, with search
 * permission for those whom the mode admits; replaces a socket on which nobody listens. Errors:
 * -EADDRINUSE if somebody does, -EEXIST if the path is something else, -ENAMETOOLONG, and the
 * system's.
 */
int socket_open_unix(const char *path, unsigned mode, struct socket_listener *listener,
                     struct hearken_error *error);

/* Binds all addresses of "host:port" or "[host]:port". Returns how many (at most SOCKETS_MAX), or
 * -EINVAL for bad text, -ENOENT for an unknown host, and the system's. */
int socket_open_tcp(const char *setting, const char *address, struct socket_listener *listeners,
                    struct hearken_error *error);

#endif
