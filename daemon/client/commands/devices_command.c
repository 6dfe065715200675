// SPDX-License-Identifier: MIT
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"
#include "include/internal/utf8.h"

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct devices {
    bool json;
    bool headed;
};

#define FIELD(name) offsetof(struct devices, name)

static const struct command_option devices_options[] = {
    FLAG('\0', "json", FIELD(json), "print one line of JSON per device"),
};

/* Names come from drivers and configurations: replaces control characters. */
static void print_clean(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
    putchar('\n');
}

static void print_row(struct devices *devices, const struct hearken_device *device)
{
    if (!devices->headed)
        printf("  %5s  %-10s  %8s  %8s  %s\n", "INDEX", "SYSTEM", "CHANNELS", "RATE", "NAME");
    devices->headed = true;
    printf("%c %5u  %-10s  %8u  %8u  ", device->is_default ? '*' : ' ', device->index,
           device->system, (unsigned)device->channels, (unsigned)device->rate);
    print_clean(device->name);
}

static void print_object(const struct hearken_device *device)
{
    char *name = utf8_repair(device->name, strlen(device->name));
    json_t *object =
        json_pack("{s:I, s:s*, s:s, s:I, s:I, s:b}", "index", (json_int_t)device->index, "name",
                  name, "system", device->system, "channels", (json_int_t)device->channels, "rate",
                  (json_int_t)device->rate, "default", device->is_default);
    if (object)
        json_dumpf(object, stdout, 0);
    putchar('\n');
    json_decref(object);
    free(name);
}

static void print_device(void *context, const struct hearken_device *device)
{
    struct devices *devices = context;
    if (devices->json)
        print_object(device);
    else
        print_row(devices, device);
}

static int run_devices(const struct command *command, int argc, char **argv)
{
    struct devices devices = {0};
    struct hearken_error error;
    int operands = options_parse(command, argc, argv, &devices);
    if (operands < 0)
        return options_exit_code(operands);
    long count = hearken_devices_list(print_device, &devices, &error);
    if (count < 0)
        message_error(NULL, error.message);
    if (count == 0)
        message_error(NULL, "there is no microphone: found neither a sound card with an input nor "
                            "a sound server");
    return count > 0 ? EXIT_GOOD : EXIT_FAILED;
}

const struct command devices_command = {
    .name = "devices",
    .operands = "",
    .summary = "List the microphones, the default one marked with *",
    .description = "With --device, other commands take an index, a name, or a part of a name.\n"
                   "Exit status: 0 if there is a microphone, else 1.\n",
    .examples = "  hearken devices\n"
                "  hearken record --device usb -o memo.wav\n",
    .options = devices_options,
    .option_count = OPTION_COUNT(devices_options),
    .run = run_devices,
};
