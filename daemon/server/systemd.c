// SPDX-License-Identifier: MIT
#include "daemon/server/systemd.h"

#include "include/internal/monotonic_clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifdef HEARKEN_SYSTEMD
#include <systemd/sd-daemon.h>
#else
/* Built without libsystemd: as if something else had started the daemon. */
#define SD_LISTEN_FDS_START                    3
#define sd_listen_fds_with_names(unset, names) (*(names) = NULL, 0)
#define sd_is_socket(fd, family, ...)          ((void)(fd), (void)(family), 0)
#define sd_notify(unset, state)                ((void)0)
#define sd_notifyf(unset, format, ...)         ((void)(format), (void)(__VA_ARGS__))
#define sd_watchdog_enabled(unset, usec)       ((void)(usec), 0)
#endif

static bool is_socket(int descriptor, int family)
{
    return sd_is_socket(descriptor, family, SOCK_STREAM, 1) > 0;
}

/* Of a socket unit's FileDescriptorName=. */
static enum socket_protocol protocol_of(const char *name)
{
    return strcmp(name, "http") == 0    ? SOCKET_HTTP
           : strcmp(name, "agent") == 0 ? SOCKET_AGENT
                                        : SOCKET_WYOMING;
}

int systemd_inherited_sockets(struct socket_listener *listeners, struct hearken_error *error)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names);
    if (count < 0)
        return hearken_fail(error, count, "systemd: passed sockets: %s", strerror(-count));
    enum socket_protocol protocols[SOCKETS_MAX];
    for (int i = 0; i < count && i < SOCKETS_MAX; i++)
        protocols[i] = protocol_of(names ? names[i] : "");
    for (int i = 0; names && names[i]; i++)
        free(names[i]);
    free(names);
    if (count > SOCKETS_MAX) {
        snprintf(error->message, sizeof(error->message),
                 "systemd: got %d sockets, expected at most %d", count, SOCKETS_MAX);
        return -EINVAL;
    }
    for (int i = 0; i < count; i++) {
        int descriptor = SD_LISTEN_FDS_START + i;
        bool is_unix = is_socket(descriptor, AF_UNIX);
        if (!is_unix && !is_socket(descriptor, AF_INET) && !is_socket(descriptor, AF_INET6)) {
            snprintf(error->message, sizeof(error->message),
                     "systemd: descriptor %d is not a listening stream socket", descriptor);
            return -EINVAL;
        }
        listeners[i] = (struct socket_listener){
            .descriptor = descriptor,
            .kind = is_unix ? SOCKET_UNIX : SOCKET_TCP,
            .protocol = protocols[i],
        };
    }
    return count;
}

void systemd_ready(void)
{
    sd_notify(0, "READY=1");
}

void systemd_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_nanoseconds() / 1000);
}

void systemd_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void systemd_notify_watchdog(void)
{
    sd_notify(0, "WATCHDOG=1");
}

void systemd_status(const char *format, ...)
{
    char text[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sd_notifyf(0, "STATUS=%s", text);
}

uint64_t systemd_watchdog_interval(void)
{
    uint64_t microseconds;
    return sd_watchdog_enabled(0, &microseconds) > 0 ? microseconds / 1000 : 0;
}
