// SPDX-License-Identifier: MIT
#include "daemon/client/doctor/check_process.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct doctor {
    struct address address;
    bool json;
};

#define FIELD(name) offsetof(struct doctor, name)

static const struct command_option doctor_options[] = {
    FLAG('\0', "json", FIELD(json), "print the findings as a list in one line of JSON"),
    STRING('\0', "socket", "PATH", FIELD(address.socket), "as for hearken transcribe"),
    STRING('\0', "tcp", "HOST:PORT", FIELD(address.tcp), "as for hearken transcribe"),
};

/* A plugin may take 10 s to be probed. */
static const struct check checks[] = {
    {"models", 60, check_models}, {"plugins", 45, check_plugins}, {"decoder", 5, check_decoder},
    {"sound", 15, check_sound},   {"units", 30, check_units},     {"daemon", 30, check_daemon},
};

static const char *text_of(const json_t *finding, const char *key)
{
    const char *text = json_string_value(json_object_get(finding, key));
    return text ? text : "";
}

static void print_finding(const json_t *finding)
{
    printf("%-8s %-10s %s", text_of(finding, "verdict"), text_of(finding, "name"),
           text_of(finding, "message"));
    if (*text_of(finding, "advice"))
        printf(" -> %s", text_of(finding, "advice"));
    putchar('\n');
}

static int run_doctor(const struct command *command, int argc, char **argv)
{
    struct doctor doctor = {0};
    struct hearken_error error;
    int count = options_parse(command, argc, argv, &doctor);
    if (count < 0)
        return options_exit_code(count);
    if (address_check(&doctor.address, &error) < 0)
        return usage_error(command, "%s", error.message);
    json_t *findings = json_array();
    size_t printed = 0;
    int code = EXIT_GOOD;
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        check_process_run(&checks[i], &doctor.address, findings);
        for (; printed < json_array_size(findings); printed++) {
            const json_t *finding = json_array_get(findings, printed);
            if (strcmp(text_of(finding, "verdict"), verdict_names[VERDICT_PROBLEM]) == 0)
                code = EXIT_FAILED;
            if (!doctor.json)
                print_finding(finding);
        }
    }
    if (doctor.json) {
        json_dumpf(findings, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(findings);
    return code;
}

const struct command doctor_command = {
    .name = "doctor",
    .operands = "",
    .summary = "Look for what keeps hearken from working, and say what to do about it",
    .description = "Checks models, plugins, hearken-decode, microphones, systemd's units, the "
                   "daemon and the\naddresses at which clients reach it. Each line is ok, a note "
                   "or a problem.\n"
                   "Exit status: 0 there is no problem, 1 there is one.\n",
    .examples = "  hearken doctor\n"
                "  hearken doctor --json | jq '.[] | select(.verdict == \"problem\")'\n",
    .options = doctor_options,
    .option_count = OPTION_COUNT(doctor_options),
    .run = run_doctor,
};
