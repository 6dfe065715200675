// SPDX-License-Identifier: MIT
#include "daemon/client/program/client_connection.h"

#include "daemon/common/tcp_address.h"
#include "include/internal/monotonic_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define CONNECT_SECONDS 10.0

static int unreachable(const char *where, const char *why, struct hearken_error *error)
{
    snprintf(error->message, sizeof(error->message), "no daemon at %s: %s" CONNECTION_HINT, where,
             why);
    return -ENOTCONN;
}

static int wait_until_connected(int descriptor, int interrupt, struct timeout *timeout)
{
    struct pollfd pollers[] = {
        {.fd = descriptor, .events = POLLOUT},
        {.fd = interrupt, .events = POLLIN},
    };
    int ready;
    do
        ready = poll(pollers, 2, timeout_milliseconds(timeout));
    while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return -errno;
    if (ready == 0)
        return -ETIMEDOUT;
    if (pollers[1].revents)
        return -ECANCELED;
    int result = 0;
    socklen_t length = sizeof(result);
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &result, &length);
    return -result;
}

/* Returns a connected descriptor or a negative errno. */
static int connect_to(const struct sockaddr *address, socklen_t length, int interrupt,
                      struct timeout *timeout)
{
    int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int descriptor = socket(address->sa_family, type, 0);
    if (descriptor < 0)
        return -errno;
    int result = connect(descriptor, address, length) < 0 ? -errno : 0;
    if (result == -EINPROGRESS)
        result = wait_until_connected(descriptor, interrupt, timeout);
    if (result < 0) {
        close(descriptor);
        return result;
    }
    return descriptor;
}

/* ---- Unix sockets ---- */

/* While the backlog of a Unix socket is full, connect fails with EAGAIN and poll reports nothing:
 * so try again periodically. */
static int connect_local(const struct sockaddr_un *address, int interrupt, struct timeout *timeout)
{
    for (;;) {
        int result =
            connect_to((const struct sockaddr *)address, sizeof(*address), interrupt, timeout);
        if (result != -EAGAIN)
            return result;
        if (timeout_milliseconds(timeout) == 0)
            return -ETIMEDOUT;
        struct pollfd poller = {.fd = interrupt, .events = POLLIN};
        if (poll(&poller, 1, 20) > 0)
            return -ECANCELED;
    }
}

int connection_probe(const char *path, double seconds)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeout timeout = {.seconds = seconds};
    if (strlen(path) > SOCKET_PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    int descriptor = connect_local(&address, -1, &timeout);
    if (descriptor < 0)
        return descriptor;
    close(descriptor);
    return 0;
}

bool connection_user_socket(char *path, size_t size)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    if (!runtime || runtime[0] != '/')
        return false;
    int length = snprintf(path, size, "%s/hearken/hearken.sock", runtime);
    return length >= 0 && (size_t)length < size && (size_t)length <= SOCKET_PATH_MAX;
}

static int open_socket(const char *path, int interrupt, struct timeout timeout, int *descriptor,
                       struct hearken_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path)); /* checked before; ends with a NUL */
    int result = connect_local(&address, interrupt, &timeout);
    if (result == -ECANCELED)
        return result;
    if (result < 0)
        return unreachable(path, strerror(-result), error);
    *descriptor = result;
    return 0;
}

/* Tries the default sockets of hearkend, the user's first. */
static int open_default(int interrupt, struct timeout timeout, int *descriptor,
                        struct hearken_error *error)
{
    char path[SOCKET_PATH_MAX + 1];
    if (!connection_user_socket(path, sizeof(path)))
        return open_socket(SYSTEM_SOCKET, interrupt, timeout, descriptor, error);
    int result = open_socket(path, interrupt, timeout, descriptor, error);
    if (result != -ENOTCONN || access(SYSTEM_SOCKET, F_OK) < 0)
        return result;
    return open_socket(SYSTEM_SOCKET, interrupt, timeout, descriptor, error);
}

/* ---- TCP ---- */

static int split_tcp(const char *where, char host[TCP_HOST_BYTES], const char **port,
                     struct hearken_error *error)
{
    if (tcp_address_split(where, host, port))
        return 0;
    return hearken_fail(error, -EINVAL, "--tcp %.200s: expected HOST:PORT, PORT from 1 to 65535",
                        where);
}

static int open_tcp(const char *where, int interrupt, struct timeout timeout, int *descriptor,
                    struct hearken_error *error)
{
    char host[TCP_HOST_BYTES];
    const char *port;
    if (!tcp_address_split(where, host, &port))
        return hearken_fail(error, -EINVAL,
                            "--tcp %.200s: expected HOST:PORT, PORT from 1 to 65535", where);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses;
    int result = getaddrinfo(host, port, &hints, &addresses);
    if (result != 0)
        return unreachable(where, gai_strerror(result), error);
    result = -ENOENT;
    for (struct addrinfo *at = addresses; at && result < 0 && result != -ECANCELED;
         at = at->ai_next) {
        timeout_stop(&timeout); /* applies to each address */
        result = connect_to(at->ai_addr, at->ai_addrlen, interrupt, &timeout);
    }
    freeaddrinfo(addresses);
    if (result == -ECANCELED)
        return result;
    if (result < 0)
        return unreachable(where, strerror(-result), error);
    *descriptor = result;
    return 0;
}

int address_check(const struct address *address, struct hearken_error *error)
{
    char host[TCP_HOST_BYTES];
    const char *port;
    if (address->tcp && address->socket) {
        snprintf(error->message, sizeof(error->message), "--socket and --tcp: choose one");
        return -EINVAL;
    }
    if (address->url && (address->tcp || address->socket)) {
        snprintf(error->message, sizeof(error->message), "--url and %s: choose one",
                 address->tcp ? "--tcp" : "--socket");
        return -EINVAL;
    }
    if (address->url && strncmp(address->url, "http://", 7) != 0 &&
        strncmp(address->url, "https://", 8) != 0) {
        snprintf(error->message, sizeof(error->message),
                 "--url: got %.200s, expected an address that begins with http:// or https://",
                 *address->url ? address->url : "an empty argument");
        return -EINVAL;
    }
    if (address->socket && !*address->socket) {
        snprintf(error->message, sizeof(error->message), "--socket: expected a path, got nothing");
        return -EINVAL;
    }
    if (address->socket && strlen(address->socket) > SOCKET_PATH_MAX) {
        snprintf(error->message, sizeof(error->message),
                 "--socket %.200s: the path is longer than the %zu bytes that the system allows",
                 address->socket, SOCKET_PATH_MAX);
        return -EINVAL;
    }
    return address->tcp ? split_tcp(address->tcp, host, &port, error) : 0;
}

bool address_is_set(const struct address *address)
{
    return address->socket || address->tcp || address->url || address->timeout.set;
}

const char *address_name(const struct address *address)
{
    if (address->url || address->tcp)
        return address->url ? address->url : address->tcp;
    return address->socket ? address->socket : "the daemon";
}

int connection_open(const struct address *address, int interrupt, int *descriptor,
                    struct hearken_error *error)
{
    int result = address_check(address, error);
    if (result < 0)
        return result;
    const struct timeout timeout = timeout_create(address, CONNECT_SECONDS);
    if (address->tcp)
        return open_tcp(address->tcp, interrupt, timeout, descriptor, error);
    if (address->socket)
        return open_socket(address->socket, interrupt, timeout, descriptor, error);
    return open_default(interrupt, timeout, descriptor, error);
}

/* ---- Timeouts ---- */

struct timeout timeout_create(const struct address *address, double seconds)
{
    return (struct timeout){
        .seconds = address->timeout.set ? address->timeout.value : seconds,
    };
}

void timeout_stop(struct timeout *timeout)
{
    timeout->deadline = 0;
}

int timeout_milliseconds(struct timeout *timeout)
{
    if (timeout->seconds == 0)
        return -1;
    if (timeout->deadline == 0)
        timeout->deadline = clock_seconds() + timeout->seconds;
    double left = timeout->deadline - clock_seconds();
    if (left <= 0)
        return 0;
    return left < OPTION_SECONDS_MAX ? (int)(left * 1000) + 1 : OPTION_SECONDS_MAX * 1000;
}

int timeout_wait(struct timeout *timeout, int descriptor, short events)
{
    for (;;) {
        struct pollfd poller = {.fd = descriptor, .events = events};
        int ready = poll(&poller, 1, timeout_milliseconds(timeout));
        if (ready > 0)
            return 0;
        if (ready == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

int timeout_fail(const struct timeout *timeout, const struct address *address,
                 struct hearken_error *error)
{
    return hearken_fail(error, -ETIMEDOUT, "%s has not answered for %.6g s (--timeout)",
                        address_name(address), timeout->seconds);
}
