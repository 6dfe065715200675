// SPDX-License-Identifier: MIT
#ifndef HEARKEN_INTERNAL_OPTION_ERROR_H
#define HEARKEN_INTERNAL_OPTION_ERROR_H

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* The name of the option with this value, or NULL. */
static inline const char *option_name(const struct option *options, int value)
{
    for (; options->name; options++)
        if (value > 0 && options->val == value)
            return options->name;
    return NULL;
}

/* Whether "--NAME" begins several names, which are then listed. */
static inline int option_is_ambiguous(const struct option *options, const char *text, char *names,
                                      size_t size)
{
    size_t length = strcspn(text, "=") - 2, used = 0, found = 0;
    for (; options->name; options++) {
        if (strncmp(options->name, text + 2, length) != 0)
            continue;
        if (used < size)
            used += (size_t)snprintf(names + used, size - used, "%s--%s", found > 0 ? ", " : "",
                                     options->name);
        found++;
    }
    return found > 1;
}

/*
 * Says why getopt_long has refused an argument, `text`, with `code` '?' or ':'; `options` is its
 * table. `name`: of the option that optopt stands for, or NULL; `value`: what that option takes.
 * opterr must be 0 and the letters begin with ':'.
 */
static inline void option_error(const struct option *options, int code, const char *text,
                                const char *name, const char *value, char *message, size_t size)
{
    char names[256] = "";
    int is_long = strncmp(text, "--", 2) == 0;
    if (code == ':' && name)
        snprintf(message, size, "--%s: expected %s after it", name, value);
    else if (is_long && name)
        snprintf(message, size, "--%s takes no value", name);
    else if (is_long && option_is_ambiguous(options, text, names, sizeof(names)))
        snprintf(message, size, "%.*s is the beginning of several: %s", (int)strcspn(text, "="),
                 text, names);
    else if (!is_long && optopt > ' ' && optopt < 0x7f)
        snprintf(message, size, "no option -%c", optopt);
    else
        snprintf(message, size, "no option %.200s", text);
}

#endif
