// SPDX-License-Identifier: MIT
/* What went wrong, in one line that says what was found and what was expected. */
#ifndef HEARKEN_CHECKPOINT_COMPLAINT_H
#define HEARKEN_CHECKPOINT_COMPLAINT_H

struct complaint {
    char text[1024];
};

/* Writes the line (cut where it is too long) and returns `code`, a negative errno. */
__attribute__((format(printf, 3, 4))) int complain(struct complaint *complaint, int code,
                                                   const char *format, ...);

/* The same with a path in front and the system's words for `code` behind. */
int complain_of_file(struct complaint *complaint, int code, const char *path);

int complain_of_memory(struct complaint *complaint);

#endif
