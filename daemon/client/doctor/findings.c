// SPDX-License-Identifier: MIT
#include "daemon/client/doctor/findings.h"

#include "daemon/common/json_text.h"
#include "include/internal/write_all.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const verdict_names[] = {
    [VERDICT_OK] = "ok",
    [VERDICT_NOTE] = "note",
    [VERDICT_PROBLEM] = "problem",
};

json_t *finding_create(const char *name, enum verdict verdict, const char *message,
                       const char *advice)
{
    return json_pack("{s:s, s:s, s:o, s:o*}", "name", name, "verdict", verdict_names[verdict],
                     "message", json_from_text(message), "advice",
                     advice ? json_from_text(advice) : NULL);
}

void findings_add(const struct findings *findings, enum verdict verdict, const char *advice,
                  const char *format, ...)
{
    char message[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    /* Names come from drivers, files and servers. */
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    json_t *finding = finding_create(findings->name, verdict, message, advice);
    char *line = finding ? json_dumps(finding, JSON_COMPACT) : NULL;
    /* Whoever reads has gone if this fails. */
    if (line && write_all(findings->descriptor, line, strlen(line)) == 0)
        write_all(findings->descriptor, "\n", 1);
    free(line);
    json_decref(finding);
}
