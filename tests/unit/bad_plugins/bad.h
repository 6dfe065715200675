// SPDX-License-Identifier: MIT
/*
 * Parts of plugins that the host has to refuse. What it must not call ends the test program, so
 * that a call does not go unseen.
 */
#ifndef HEARKEN_TESTS_UNIT_BAD_PLUGINS_BAD_H
#define HEARKEN_TESTS_UNIT_BAD_PLUGINS_BAD_H

#include <errno.h>
#include <hearken/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static inline void never(void)
{
    fprintf(stderr, "a function of a plugin that was refused has been called\n");
    abort();
}

/* Initialisers: an entry of a struct that is there but not to be called. */
#define NEVER(of, entry)      .entry = (__typeof__(((struct of *)NULL)->entry))never
#define NEVER_FUNCTION(entry) NEVER(hearken_plugin, entry)
#define NEVER_KERNEL(entry)   NEVER(hearken_kernels, entry)

/* All functions but probe and backend_create. */
#define OTHER_FUNCTIONS                                                                            \
    NEVER_FUNCTION(backend_destroy), NEVER_FUNCTION(tensor_create),                                \
        NEVER_FUNCTION(tensor_destroy), NEVER_FUNCTION(queue_create),                              \
        NEVER_FUNCTION(queue_destroy)

/* All entries but the size. */
#define ALL_KERNELS                                                                                \
    NEVER_KERNEL(buffer_create), NEVER_KERNEL(memory_create), NEVER_KERNEL(buffer_destroy),        \
        NEVER_KERNEL(write), NEVER_KERNEL(read), NEVER_KERNEL(linear), NEVER_KERNEL(convolve),     \
        NEVER_KERNEL(layer_norm), NEVER_KERNEL(self_attend), NEVER_KERNEL(attend),                 \
        NEVER_KERNEL(lstm), NEVER_KERNEL(embed), NEVER_KERNEL(reorder), NEVER_KERNEL(log_softmax), \
        NEVER_KERNEL(top_k)

#endif
