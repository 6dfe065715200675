// SPDX-License-Identifier: MIT
/* Gives up all that a decoder of foreign bytes does not need. */
#ifndef HEARKEN_FRONTEND_DECODE_SANDBOX_H
#define HEARKEN_FRONTEND_DECODE_SANDBOX_H

/*
 * From here on the process can read and seek in descriptor `input`, write to `output`, have memory
 * within bounds, and exit; any other call fails with EPERM. There is no way back. To be called by
 * the only thread. Returns 0 or a negative errno; then the process must not read foreign bytes.
 * A kernel without Landlock is taken: the other bounds suffice.
 */
int sandbox_enter(int input, int output);

#endif
