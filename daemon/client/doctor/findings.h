// SPDX-License-Identifier: MIT
/* What the checks of `hearken doctor` find. */
#ifndef HEARKEN_DAEMON_CLIENT_DOCTOR_FINDINGS_H
#define HEARKEN_DAEMON_CLIENT_DOCTOR_FINDINGS_H

#include <jansson.h>

enum verdict {
    VERDICT_OK,
    VERDICT_NOTE,    /* something is left out, which may be meant so */
    VERDICT_PROBLEM, /* something does not work */
};

extern const char *const verdict_names[]; /* by verdict */

/* Those of one check, as they are written to whoever reads them: a line of JSON each. */
struct findings {
    const char *name; /* of the check */
    int descriptor;
};

/* `advice`: what to do; NULL with VERDICT_OK. */
__attribute__((format(printf, 4, 5))) void findings_add(const struct findings *findings,
                                                        enum verdict verdict, const char *advice,
                                                        const char *format, ...);

/* An object with name, verdict, message and, unless NULL, advice; NULL: out of memory. */
json_t *finding_create(const char *name, enum verdict verdict, const char *message,
                       const char *advice);

#endif
