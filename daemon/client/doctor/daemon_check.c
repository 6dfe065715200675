// SPDX-License-Identifier: MIT
/* The daemon: its sockets, what it says of itself, and where clients reach it. */
#include "daemon/client/doctor/checks.h"
#include "daemon/client/program/daemon_status.h"
#include "daemon/client/program/page_address.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_SECONDS 5.0

#define ADDRESSES_MAX 16

/* ---- Sockets ---- */

static void tell_forbidden(const char *path, const struct stat *status,
                           const struct findings *findings)
{
    char advice[300];
    const struct passwd *user = getpwuid(status->st_uid);
    const struct group *group = getgrgid(status->st_gid);
    const char *group_name = group ? group->gr_name : "?";
    if ((status->st_mode & S_IWGRP) && group)
        snprintf(advice, sizeof(advice), "sudo usermod -aG %s $USER, then log in again",
                 group_name);
    else
        snprintf(advice, sizeof(advice),
                 "let others in: socket_mode = 0666 in [server] of hearkend.conf, or "
                 "SocketMode=0666 in hearkend.socket");
    findings_add(findings, VERDICT_PROBLEM, advice,
                 "%s: this user may not connect: owner %s, group %s, mode %04o", path,
                 user ? user->pw_name : "?", group_name, (unsigned)status->st_mode & 07777);
}

/* What became of a socket. */
enum outcome {
    OUTCOME_ABSENT, /* nothing was said of it */
    OUTCOME_FAILED,
    OUTCOME_ANSWERED,
};

/* OUTCOME_ANSWERED: there is a socket to connect to. */
static enum outcome check_file(const char *path, const struct findings *findings)
{
    struct stat status;
    if (stat(path, &status) < 0) {
        if (errno == ENOENT)
            return OUTCOME_ABSENT;
        findings_add(findings, VERDICT_PROBLEM,
                     "let this user into its folders (chmod a+x), or name another socket with "
                     "--socket",
                     "%s: %s", path, strerror(errno));
        return OUTCOME_FAILED;
    }
    if (!S_ISSOCK(status.st_mode)) {
        findings_add(findings, VERDICT_PROBLEM, "move it away, or name a socket with --socket",
                     "%s is no socket", path);
        return OUTCOME_FAILED;
    }
    if (access(path, W_OK) == 0)
        return OUTCOME_ANSWERED;
    tell_forbidden(path, &status, findings);
    return OUTCOME_FAILED;
}

static void tell_failure(const struct address *address, int result, char *message,
                         const struct findings *findings)
{
    char *hint = strstr(message, CONNECTION_HINT);
    if (hint)
        *hint = '\0';
    if (address->socket && connection_probe(address->socket, ANSWER_SECONDS) == -ECONNREFUSED)
        findings_add(findings, VERDICT_PROBLEM,
                     "start hearkend there again, which replaces it, or remove it",
                     "%s: nobody listens; a daemon that is gone has left it", address->socket);
    else if (address->tcp && result == -ENOTCONN)
        findings_add(findings, VERDICT_PROBLEM,
                     "check the address and, on that machine, systemctl status "
                     "hearkend-wyoming.socket, tcp in [server] of hearkend.conf, and the firewall",
                     "%s", message);
    else
        findings_add(findings, VERDICT_PROBLEM,
                     "start it anew, systemctl restart hearkend, or see its log, journalctl -e -u "
                     "hearkend",
                     "%s", message);
}

/* ---- What it says ---- */

static void list_names(const json_t *models, char *names, size_t size)
{
    size_t index, used = 0;
    const json_t *model;
    names[0] = '\0';
    json_array_foreach(models, index, model)
    {
        const char *name = json_string_value(json_object_get(model, "name"));
        if (name && used < size)
            used += (size_t)snprintf(names + used, size - used, "%s%s", used > 0 ? ", " : "", name);
    }
}

static void tell_daemon(const struct address *address, const json_t *status,
                        const struct findings *findings)
{
    char names[1000];
    const char *version = json_string_value(json_object_get(status, "version"));
    const char *backend = json_string_value(json_object_get(status, "backend"));
    list_names(json_object_get(status, "models"), names, sizeof(names));
    if (!version)
        findings_add(findings, VERDICT_NOTE, "nothing, if that is meant: it can transcribe",
                     "%s answers, and is another server than hearkend", address_name(address));
    else if (strcmp(version, hearken_version()) != 0)
        findings_add(findings, VERDICT_NOTE, "systemctl restart hearkend",
                     "%s answers: hearkend %s, this is hearken %s; models %s",
                     address_name(address), version, hearken_version(), names);
    else
        findings_add(findings, VERDICT_OK, NULL, "%s answers: hearkend %s, backend %s, models %s",
                     address_name(address), version, backend ? backend : "not chosen yet", names);
}

/* Those with a port; returns how many, of which the first few are told. */
static unsigned tell_addresses(const json_t *listened, const char *scheme, const char *ending,
                               const struct findings *findings)
{
    size_t index;
    unsigned told = 0;
    const json_t *address;
    json_array_foreach(listened, index, address)
    {
        const char *text = json_string_value(address);
        if (!text || *text == '/' || told++ >= ADDRESSES_MAX)
            continue;
        bool any = strncmp(text, "0.0.0.0:", 8) == 0 || strncmp(text, "[::]:", 5) == 0;
        findings_add(findings, VERDICT_OK, NULL, "%s%s%s%s", scheme, text, ending,
                     any ? ", at any address of that machine" : "");
    }
    return told;
}

static void check_addresses(const struct address *address, const json_t *status,
                            struct findings *findings)
{
    char page[PAGE_ADDRESS_SIZE];
    const json_t *wyoming = json_object_get(status, "wyoming");
    findings->name = "addresses";
    if (tell_addresses(wyoming, "Wyoming (Home Assistant): tcp://", "", findings) == 0)
        findings_add(findings, VERDICT_NOTE,
                     "systemctl enable --now hearkend-wyoming.socket, or tcp = 127.0.0.1:10300 in "
                     "[server] of hearkend.conf",
                     json_is_array(wyoming) ? "no Wyoming by TCP, which Home Assistant needs"
                                            : "the daemon does not say whether it listens on TCP");
    tell_addresses(json_object_get(status, "http"), "HTTP (OpenAI's interface): http://", "/v1",
                   findings);
    if (page_address_find(status, address->tcp, page))
        findings_add(findings, VERDICT_OK, NULL, "page for live text: %s", page);
    else
        findings_add(findings, VERDICT_NOTE,
                     "systemctl enable --now hearkend-http.socket, or listen = 127.0.0.1:8080 in "
                     "[http] of hearkend.conf",
                     "%s", page_address_missing(status));
}

static enum outcome check_answer(const struct address *address, struct findings *findings)
{
    json_t *status;
    struct hearken_error error;
    int result = daemon_status_get(address, &status, &error);
    if (result < 0) {
        tell_failure(address, result, error.message, findings);
        return OUTCOME_FAILED;
    }
    tell_daemon(address, status, findings);
    const char *name = findings->name;
    if (json_object_get(status, "version"))
        check_addresses(address, status, findings);
    findings->name = name;
    json_decref(status);
    return OUTCOME_ANSWERED;
}

static enum outcome check_socket(const char *path, struct findings *findings)
{
    const struct address address = {.socket = path, .timeout = {true, ANSWER_SECONDS}};
    enum outcome outcome = check_file(path, findings);
    return outcome == OUTCOME_ANSWERED ? check_answer(&address, findings) : outcome;
}

/* The daemon of root is the system's. */
static void check_runtime_folder(const struct findings *findings)
{
    char advice[100];
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    snprintf(advice, sizeof(advice), "export XDG_RUNTIME_DIR=/run/user/%u", (unsigned)getuid());
    if (!runtime || !*runtime)
        findings_add(findings, VERDICT_NOTE, advice,
                     "XDG_RUNTIME_DIR is not set: only the system's socket is looked for");
    else if (*runtime != '/' || access(runtime, X_OK) < 0)
        findings_add(findings, VERDICT_NOTE, advice, "XDG_RUNTIME_DIR: %s: %s", runtime,
                     *runtime != '/' ? "expected a path that begins with a slash"
                                     : strerror(errno));
}

void check_daemon(const struct address *address, struct findings *findings)
{
    char user[PATH_MAX];
    if (address->tcp) {
        const struct address limited = {.tcp = address->tcp, .timeout = {true, ANSWER_SECONDS}};
        check_answer(&limited, findings);
        return;
    }
    if (!address->socket && geteuid() != 0)
        check_runtime_folder(findings);
    bool has_user = !address->socket && connection_user_socket(user, sizeof(user));
    const char *last = address->socket ? address->socket : SYSTEM_SOCKET;
    enum outcome first = has_user ? check_socket(user, findings) : OUTCOME_ABSENT;
    if (check_socket(last, findings) == OUTCOME_ABSENT && first == OUTCOME_ABSENT)
        findings_add(findings, VERDICT_PROBLEM,
                     "start one: systemctl enable --now hearkend.socket, or hearkend; or do "
                     "without: hearken transcribe --local",
                     "no daemon: there is no socket %s%s%s", has_user ? user : "",
                     has_user ? " or " : "", last);
}
