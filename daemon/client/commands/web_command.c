// SPDX-License-Identifier: MIT
#include "daemon/client/program/child_program.h"
#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/daemon_status.h"
#include "daemon/client/program/page_address.h"
#include "daemon/client/program/standard_error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    char page[PAGE_ADDRESS_SIZE];
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
    bool served = page_address_find(status, web.address.tcp, page);
    if (!served)
        message_error(NULL, page_address_missing(status));
    int code = served ? show(page, &web) : EXIT_FAILED;
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
