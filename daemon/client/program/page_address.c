// SPDX-License-Identifier: MIT
#include "daemon/client/program/page_address.h"

#include "daemon/common/tcp_address.h"

#include <stdio.h>
#include <string.h>

enum reach {
    REACH_NONE,    /* not by a browser: a Unix socket */
    REACH_ADDRESS, /* at an address of the machine */
    REACH_ANY,     /* at all of them */
    REACH_SAME,    /* from the machine itself, which browsers take for secure */
};

/* What a browser calls the host that the daemon listens at. */
static enum reach name_host(const char *listened, const char *tcp, char host[TCP_HOST_BYTES],
                            const char **port)
{
    char remote[TCP_HOST_BYTES] = "localhost";
    const char *remote_port;
    if (!tcp_address_split(listened, host, port))
        return REACH_NONE;
    if (strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0)
        return REACH_SAME;
    if (strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0)
        return REACH_ADDRESS;
    if (tcp)
        tcp_address_split(tcp, remote, &remote_port);
    snprintf(host, TCP_HOST_BYTES, "%s", remote);
    return REACH_ANY;
}

bool page_address_find(const json_t *status, const char *tcp, char page[PAGE_ADDRESS_SIZE])
{
    enum reach best = REACH_NONE;
    const json_t *listened;
    size_t index;
    json_array_foreach(json_object_get(status, "http"), index, listened)
    {
        char host[TCP_HOST_BYTES];
        const char *port, *text = json_string_value(listened);
        enum reach reach = text ? name_host(text, tcp, host, &port) : REACH_NONE;
        if (reach <= best)
            continue;
        best = reach;
        snprintf(page, PAGE_ADDRESS_SIZE, strchr(host, ':') ? "http://[%s]:%s/" : "http://%s:%s/",
                 host, port);
    }
    return best != REACH_NONE;
}

const char *page_address_missing(const json_t *status)
{
    const json_t *listened = json_object_get(status, "http");
    if (!json_is_array(listened))
        return "the daemon does not say whether it serves HTTP: it is older than this program, or "
               "another one (--url takes an address)";
    if (json_array_size(listened) == 0)
        return "the daemon serves no HTTP: start it with hearkend --http 127.0.0.1:8080, or put "
               "listen = 127.0.0.1:8080 into [http] of hearkend.conf";
    return "the daemon serves HTTP on a Unix socket alone, where no browser gets: give http.listen "
           "an address such as 127.0.0.1:8080";
}
