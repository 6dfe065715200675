// SPDX-License-Identifier: MIT
#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/daemon_status.h"
#include "daemon/client/program/standard_error.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct status {
    struct address address;
    bool json;
};

#define FIELD(name) offsetof(struct status, name)

static const struct command_option status_options[] = {
    FLAG('\0', "json", FIELD(json), "print the daemon's answer unchanged, as one line of JSON"),
    STRING('\0', "socket", "PATH", FIELD(address.socket), "as for hearken transcribe"),
    STRING('\0', "tcp", "HOST:PORT", FIELD(address.tcp), "as for hearken transcribe"),
    SECONDS("timeout", FIELD(address.timeout),
            "give up if the daemon does not respond within this time (default 10; 0: never)"),
};

/* ---- Printing: all members, so that those of a newer daemon are shown, too ---- */

static void print_value(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        for (const char *c = json_string_value(value); *c; c++)
            putchar((unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c);
        break;
    case JSON_INTEGER:
        printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        printf("%.3f", json_real_value(value));
        break;
    case JSON_TRUE:
        printf("yes");
        break;
    case JSON_FALSE:
        printf("no");
        break;
    default:
        printf("-");
    }
}

/* A member's name may end with its unit: "memory_bytes". */
static const struct unit {
    const char *ending, *name;
    double divisor;
} units[] = {
    {"_bytes", "MiB", 1024 * 1024},
    {"_seconds", "s", 1},
};

static const struct unit *unit_of(const char *name)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t length = strlen(name), ending = strlen(units[i].ending);
        if (length > ending && strcmp(name + length - ending, units[i].ending) == 0)
            return &units[i];
    }
    return NULL;
}

static void print_member(const char *name, const json_t *value, int depth)
{
    const struct unit *unit = json_is_number(value) ? unit_of(name) : NULL;
    size_t length = strlen(name) - (unit ? strlen(unit->ending) : 0);
    int width = printf("%*s", 2 * depth, "");
    for (size_t i = 0; i < length; i++, width++)
        putchar(name[i] == '_' || (unsigned char)name[i] < ' ' ? ' ' : name[i]);
    printf(":%*s", width < 24 ? 24 - width : 1, "");
    if (unit)
        printf("%.1f %s", json_number_value(value) / unit->divisor, unit->name);
    else
        print_value(value);
    putchar('\n');
}

/* The parser limits the depth of the recursion. */
static void print_tree(const char *name, const json_t *value, int depth)
{
    if (json_is_object(value)) {
        const char *key;
        json_t *member;
        if (*name)
            printf("%*s%s:\n", 2 * depth, "", name);
        json_object_foreach((json_t *)value, key, member)
            print_tree(key, member, *name ? depth + 1 : depth);
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            print_tree(name, json_array_get(value, i), depth);
    } else {
        print_member(name, value, depth);
    }
}

static int run_status(const struct command *command, int argc, char **argv)
{
    struct status status = {0};
    struct hearken_error error;
    int count = options_parse(command, argc, argv, &status);
    if (count < 0)
        return options_exit_code(count);
    if (address_check(&status.address, &error) < 0)
        return usage_error(command, "%s", error.message);
    json_t *answer;
    int result = daemon_status_get(&status.address, &answer, &error);
    if (result < 0) {
        message_error(NULL, error.message);
        return result == -ENOTCONN ? EXIT_NO_DAEMON : EXIT_FAILED;
    }
    if (status.json) {
        json_dumpf(answer, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
        putchar('\n');
    } else {
        print_tree("", answer, 0);
    }
    json_decref(answer);
    return EXIT_GOOD;
}

const struct command status_command = {
    .name = "status",
    .operands = "",
    .summary = "Show the status of the daemon",
    .description = "Its version, model and backend, its connections and its requests so far.\n"
                   "Exit status: 0 it answered, 1 the answer is invalid, 3 no daemon answers.\n",
    .examples = "  hearken status\n"
                "  hearken status --json | jq .\n",
    .options = status_options,
    .option_count = OPTION_COUNT(status_options),
    .run = run_status,
};
