// SPDX-License-Identifier: MIT
/* Whether systemd has the daemon's units, and what state they are in. */
#include "daemon/client/doctor/check_process.h"
#include "daemon/client/program/child_program.h"
#include "include/internal/child_process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_SECONDS 5.0

struct manager {
    const char *title;
    const char *option; /* of systemctl */
    const char *enable, *look;
    const char *absent; /* what to do if it does not answer */
};

static const struct manager managers[] = {
    {"the system's", "--system", "systemctl enable --now hearkend.socket",
     "journalctl -e -u hearkend.service -u hearkend.socket",
     "without systemd, as in containers: start hearkend by hand"},
    {"the user's", "--user", "systemctl --user enable --now hearkend.socket",
     "journalctl -e --user -u hearkend.service -u hearkend.socket",
     "use the system's daemon, or log in as this user to a session of its own"},
};

/* What it says of the unit, NAME=VALUE lines. Errors: -EIO if it cannot, the system's. */
static int ask_manager(const struct manager *manager, const char *unit, char *text, size_t size)
{
    char *arguments[] = {
        (char *)"systemctl", (char *)manager->option,
        (char *)"show",      (char *)"--property=LoadState,ActiveState,UnitFileState",
        (char *)unit,        NULL};
    pid_t child;
    int descriptor;
    int result = child_program_start_piped(arguments, &child, &descriptor);
    if (result < 0)
        return result;
    result = check_process_read(descriptor, ANSWER_SECONDS, text, size);
    close(descriptor);
    child_end(child);
    return result == 0 && !strstr(text, "LoadState=") ? -EIO : result;
}

static void check_manager(const struct manager *manager, const struct findings *findings)
{
    char socket[2048], service[2048];
    int result = ask_manager(manager, "hearkend.socket", socket, sizeof(socket));
    if (result == 0)
        result = ask_manager(manager, "hearkend.service", service, sizeof(service));
    if (result < 0) {
        findings_add(findings, VERDICT_NOTE, manager->absent, "%s units: systemctl %s: %s",
                     manager->title, manager->option,
                     result == -EIO         ? "no answer"
                     : result == -ETIMEDOUT ? "no answer in time"
                                            : strerror(-result));
        return;
    }
    if (strstr(service, "ActiveState=failed") || strstr(socket, "ActiveState=failed"))
        findings_add(findings, VERDICT_PROBLEM, manager->look, "%s %s has failed", manager->title,
                     strstr(service, "ActiveState=failed") ? "hearkend.service"
                                                           : "hearkend.socket");
    else if (strstr(socket, "LoadState=masked"))
        findings_add(findings, VERDICT_NOTE, "systemctl unmask hearkend.socket",
                     "%s hearkend.socket is masked", manager->title);
    else if (!strstr(socket, "LoadState=loaded"))
        findings_add(findings, VERDICT_NOTE, "install the package hearkend, or make install",
                     "%s hearkend.socket is not installed", manager->title);
    else if (strstr(socket, "ActiveState=active"))
        findings_add(findings, VERDICT_OK, NULL, "%s hearkend.socket is active", manager->title);
    else
        findings_add(findings, VERDICT_NOTE, manager->enable, "%s hearkend.socket is not active",
                     manager->title);
}

void check_units(const struct address *address, struct findings *findings)
{
    (void)address;
    if (!child_program_is_on_path("systemctl")) {
        findings_add(findings, VERDICT_NOTE, "start hearkend by hand, or by what starts services",
                     "there is no systemd");
        return;
    }
    for (size_t i = 0; i < sizeof(managers) / sizeof(managers[0]); i++)
        check_manager(&managers[i], findings);
}
