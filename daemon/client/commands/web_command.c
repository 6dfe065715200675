// SPDX-License-Identifier: MIT
#include "daemon/client/program/child_program.h"
#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/daemon_status.h"
#include "daemon/client/program/standard_error.h"
#include "daemon/common/tcp_address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE 400

struct web {
    struct address address;
    bool stays;
};

#define FIELD(name) offsetof(struct web, name)

static const struct command_option web_options[] = {
    FLAG('\0', "no-open", FIELD(stays), "only print the address"),
    STRING(
        '\0', "url", "URL", FIELD(address.url),
        "the server's address, such as https://speech.example.org, instead of asking the daemon"),
    STRING('\0', "socket", "PATH", FIELD(address.socket), "as for hearken transcribe"),
    STRING('\0', "tcp", "HOST:PORT", FIELD(address.tcp), "as for hearken transcribe"),
    SECONDS("timeout", FIELD(address.timeout),
            "give up if the daemon does not respond within this time (default 10; 0: never)"),
};

/* ---- The address ---- */

enum reach {
    REACH_NONE,    /* not by a browser: a Unix socket */
    REACH_ADDRESS, /* at an address of the machine */
    REACH_ANY,     /* at all of them */
    REACH_SAME,    /* from the machine itself, which browsers take for secure */
};

/* What a browser calls the host that the daemon listens at. */
static enum reach name_host(const char *listened, const struct web *web, char host[TCP_HOST_BYTES],
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
    if (web->address.tcp)
        tcp_address_split(web->address.tcp, remote, &remote_port);
    snprintf(host, TCP_HOST_BYTES, "%s", remote);
    return REACH_ANY;
}

/* The address that suits a browser best, of those that the daemon told of. */
static enum reach find_page(const json_t *status, const struct web *web, char page[PAGE_SIZE])
{
    enum reach best = REACH_NONE;
    const json_t *listened;
    size_t index;
    json_array_foreach(json_object_get(status, "http"), index, listened)
    {
        char host[TCP_HOST_BYTES];
        const char *port, *text = json_string_value(listened);
        enum reach reach = text ? name_host(text, web, host, &port) : REACH_NONE;
        if (reach <= best)
            continue;
        best = reach;
        snprintf(page, PAGE_SIZE, strchr(host, ':') ? "http://[%s]:%s/" : "http://%s:%s/", host,
                 port);
    }
    return best;
}

static int fail(const json_t *status)
{
    const json_t *listened = json_object_get(status, "http");
    if (!json_is_array(listened))
        message_error(NULL, "the daemon does not say whether it serves HTTP: it is older than this "
                            "program, or another one (--url takes an address)");
    else if (json_array_size(listened) == 0)
        message_error(NULL, "the daemon serves no HTTP: start it with hearkend --http "
                            "127.0.0.1:8080, or put listen = 127.0.0.1:8080 into [http] of "
                            "hearkend.conf");
    else
        message_error(NULL, "the daemon serves HTTP on a Unix socket alone, where no browser gets: "
                            "give http.listen an address such as 127.0.0.1:8080");
    return EXIT_FAILED;
}

/* ---- Opening ---- */

static bool has_display(void)
{
    const char *x11 = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    return (x11 && *x11) || (wayland && *wayland);
}

/* The browser outlives this program, so nothing waits for it. */
static int show(const char *page, const struct web *web)
{
    char *arguments[] = {(char *)"xdg-open", (char *)page, NULL};
    pid_t child;
    char line[200];
    printf("%s\n", page);
    if (web->stays || !has_display())
        return EXIT_GOOD;
    fflush(stdout);
    int result = child_program_start(arguments, &child);
    if (result == 0)
        return EXIT_GOOD;
    snprintf(line, sizeof(line), "xdg-open: %s; open the address by hand", strerror(-result));
    message_error(NULL, line);
    return EXIT_FAILED;
}

static int run_web(const struct command *command, int argc, char **argv)
{
    struct web web = {0};
    struct hearken_error error;
    char page[PAGE_SIZE];
    json_t *status;
    int count = options_parse(command, argc, argv, &web);
    if (count < 0)
        return options_exit_code(count);
    if (address_check(&web.address, &error) < 0)
        return usage_error(command, "%s", error.message);
    if (web.address.url)
        return show(web.address.url, &web);
    int result = daemon_status_get(&web.address, &status, &error);
    if (result < 0) {
        message_error(NULL, error.message);
        return result == -ENOTCONN ? EXIT_NO_DAEMON : EXIT_FAILED;
    }
    int code = find_page(status, &web, page) == REACH_NONE ? fail(status) : show(page, &web);
    json_decref(status);
    return code;
}

const struct command web_command = {
    .name = "web",
    .operands = "",
    .summary = "Open the daemon's page for live transcription in a browser",
    .description = "Prints the address of the page, and opens it if there is a display.\n"
                   "Exit status: 0 success, 1 the daemon serves no HTTP, or no browser could be\n"
                   "started, 3 no daemon answers.\n",
    .examples = "  hearken web\n"
                "  hearken web --no-open\n",
    .options = web_options,
    .option_count = OPTION_COUNT(web_options),
    .run = run_web,
};
