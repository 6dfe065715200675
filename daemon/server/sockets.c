// SPDX-License-Identifier: MIT
#include "daemon/server/sockets.h"

#include "daemon/common/tcp_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int __attribute__((format(printf, 3, 4)))
fail(struct hearken_error *error, int result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    return result;
}

/* ---- Unix ---- */

int socket_standard_path(char **path, struct hearken_error *error)
{
    static const char name[] = "hearken.sock";
    const char *service = secure_getenv("RUNTIME_DIRECTORY"); /* systemd: separated by colons */
    const char *user = secure_getenv("XDG_RUNTIME_DIR");
    int length = 0;
    *path = NULL;
    if (service && service[0] == '/')
        length = asprintf(path, "%.*s/%s", (int)strcspn(service, ":"), service, name);
    else if (geteuid() == 0)
        length = asprintf(path, "/run/hearken/%s", name);
    else if (user && user[0] == '/')
        length = asprintf(path, "%s/hearken/%s", user, name);
    else
        return fail(error, -EINVAL,
                    "XDG_RUNTIME_DIR is not set: say where to listen with --socket");
    if (length >= 0)
        return 0;
    *path = NULL;
    return fail(error, -ENOMEM, "out of memory");
}

static int set_address(struct sockaddr_un *address, const char *path, struct hearken_error *error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path))
        return fail(error, -ENAMETOOLONG,
                    "socket %.300s: a path of %zu bytes, the system allows %zu", path, strlen(path),
                    sizeof(address->sun_path) - 1);
    strcpy(address->sun_path, path);
    return 0;
}

int socket_check_unix(const char *path, struct hearken_error *error)
{
    struct sockaddr_un address;
    return set_address(&address, path, error);
}

/* Search permission for the owner and all whom the socket's mode admits. */
static mode_t folder_mode(unsigned mode)
{
    return 0700 | ((mode & 0060) != 0 ? 0010 : 0) | ((mode & 0006) != 0 ? 0001 : 0);
}

/* chmod restores the bits that the umask removes. */
static int make_directory(const char *path, unsigned mode, struct hearken_error *error)
{
    char directory[sizeof(struct sockaddr_un)];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return 0;
    snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
    if (mkdir(directory, 0700) == 0) {
        if (chmod(directory, folder_mode(mode)) == 0)
            return 0;
    } else if (errno == EEXIST) {
        return 0;
    }
    return fail(error, -errno, "directory %s: %s", directory, strerror(errno));
}

bool socket_is_reachable(const char *path, unsigned mode, char *folder)
{
    mode_t needed = folder_mode(mode) & 0011;
    struct stat status;
    if (!realpath(path, folder))
        return true; /* the path has been removed: nothing to warn about */
    for (char *slash; (slash = strrchr(folder, '/')) && slash != folder;) {
        *slash = '\0';
        if (stat(folder, &status) < 0)
            return true;
        /* A user of the socket's group may reach the folder as any other user, too. */
        mode_t granted = status.st_mode & 0011;
        if ((granted & 0001) != 0)
            granted |= 0010;
        if ((needed & ~granted) != 0)
            return false;
    }
    return true;
}

/* Removes a socket that a dead daemon left behind. */
static int remove_stale(const struct sockaddr_un *address, struct hearken_error *error)
{
    const char *path = address->sun_path;
    struct stat status;
    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : fail(error, -errno, "socket %s: %s", path, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return fail(error, -EEXIST, "socket %s: the path exists and is not a socket", path);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return fail(error, -errno, "socket: %s", strerror(errno));
    /* EAGAIN: a process listens, but the backlog is full. */
    int reason = connect(probe, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
    close(probe);
    if (reason == 0 || reason == EAGAIN || reason == EINPROGRESS)
        return fail(error, -EADDRINUSE, "socket %s: hearkend is already running there", path);
    if (reason != ECONNREFUSED)
        return fail(error, -reason, "socket %s: %s", path, strerror(reason));
    if (unlink(path) < 0 && errno != ENOENT)
        return fail(error, -errno, "socket %s: cannot remove the old one: %s", path,
                    strerror(errno));
    return 0;
}

/* On Linux bind gives the path the socket's mode, less the umask, so that it never admits more
 * users than it should. chmod restores the bits that the umask removes. */
static int bind_with_mode(int descriptor, const struct sockaddr_un *address, unsigned mode,
                          struct hearken_error *error)
{
    if (fchmod(descriptor, mode) == 0 &&
        bind(descriptor, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
        chmod(address->sun_path, mode) == 0)
        return 0;
    return fail(error, -errno, "socket %s: %s", address->sun_path, strerror(errno));
}

int socket_open_unix(const char *path, unsigned mode, struct socket_listener *listener,
                     struct hearken_error *error)
{
    struct sockaddr_un address;
    int result = set_address(&address, path, error);
    if (result == 0)
        result = make_directory(path, mode, error);
    if (result == 0)
        result = remove_stale(&address, error);
    if (result < 0)
        return result;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return fail(error, -errno, "socket: %s", strerror(errno));
    result = bind_with_mode(descriptor, &address, mode, error);
    if (result < 0) {
        close(descriptor);
        return result;
    }
    *listener = (struct socket_listener){.descriptor = descriptor, .kind = SOCKET_UNIX};
    return 0;
}

/* ---- TCP ---- */

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un unix_path;
};

static bool read_address(const struct socket_listener *listener, union socket_address *address)
{
    socklen_t length = sizeof(*address);
    *address = (union socket_address){0};
    return getsockname(listener->descriptor, &address->any, &length) == 0;
}

bool socket_is_local(const struct socket_listener *listener)
{
    union socket_address address;
    if (listener->kind == SOCKET_UNIX)
        return true;
    if (!read_address(listener, &address))
        return false;
    if (address.any.sa_family == AF_INET)
        return ntohl(address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return address.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
}

bool socket_describe(const struct socket_listener *listener, char text[SOCKET_TEXT_SIZE])
{
    union socket_address address;
    char host[INET6_ADDRSTRLEN];
    if (!read_address(listener, &address))
        return false;
    switch (address.any.sa_family) {
    case AF_UNIX:
        snprintf(text, SOCKET_TEXT_SIZE, "%.*s", (int)sizeof(address.unix_path.sun_path),
                 address.unix_path.sun_path);
        return *text == '/';
    case AF_INET:
        inet_ntop(AF_INET, &address.v4.sin_addr, host, sizeof(host));
        snprintf(text, SOCKET_TEXT_SIZE, "%s:%u", host, ntohs(address.v4.sin_port));
        return true;
    case AF_INET6:
        inet_ntop(AF_INET6, &address.v6.sin6_addr, host, sizeof(host));
        snprintf(text, SOCKET_TEXT_SIZE, "[%s]:%u", host, ntohs(address.v6.sin6_port));
        return true;
    default:
        return false;
    }
}

static int split_address(const char *setting, const char *address, char host[TCP_HOST_BYTES],
                         const char **port, struct hearken_error *error)
{
    if (tcp_address_split(address, host, port) && tcp_port_is_number(*port))
        return 0;
    return fail(error, -EINVAL,
                "%s: got %.100s, expected an address and a port from 1 to 65535 such as "
                "127.0.0.1:10300 or [::1]:10300",
                setting, address);
}

int socket_check_tcp(const char *setting, const char *address, struct hearken_error *error)
{
    char host[TCP_HOST_BYTES];
    const char *port;
    return split_address(setting, address, host, &port, error);
}

static int open_tcp_address(const struct addrinfo *info, const char *setting, const char *address,
                            struct hearken_error *error)
{
    int on = 1;
    int descriptor =
        socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, info->ai_protocol);
    if (descriptor < 0)
        return fail(error, -errno, "%s %.100s: %s", setting, address, strerror(errno));
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* So that an IPv4 socket can be bound to the same port. */
    if (info->ai_family == AF_INET6)
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(descriptor, info->ai_addr, info->ai_addrlen) < 0) {
        int result = -errno;
        close(descriptor);
        return fail(error, result, "%s %.100s: %s", setting, address, strerror(-result));
    }
    return descriptor;
}

int socket_open_tcp(const char *setting, const char *address, struct socket_listener *listeners,
                    struct hearken_error *error)
{
    char host[TCP_HOST_BYTES];
    const char *port = NULL;
    int result = split_address(setting, address, host, &port, error);
    if (result < 0)
        return result;
    const struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    struct addrinfo *infos;
    int reason = getaddrinfo(host, port, &hints, &infos);
    if (reason != 0)
        return fail(error, -ENOENT, "%s %.100s: %s", setting, address, gai_strerror(reason));
    int count = 0;
    for (struct addrinfo *info = infos; info && count < SOCKETS_MAX; info = info->ai_next) {
        result = open_tcp_address(info, setting, address, error);
        /* A name may have addresses of a family that this system does not support. */
        if (result == -EAFNOSUPPORT || (result == -EADDRNOTAVAIL && infos->ai_next))
            continue;
        if (result < 0)
            break;
        listeners[count++] = (struct socket_listener){.descriptor = result, .kind = SOCKET_TCP};
    }
    freeaddrinfo(infos);
    if (result >= 0 || (count > 0 && (result == -EAFNOSUPPORT || result == -EADDRNOTAVAIL)))
        return count;
    while (count > 0)
        close(listeners[--count].descriptor);
    return result;
}
