// SPDX-License-Identifier: MIT
/* Which device, and what follows from its limits. */
#ifndef HEARKEN_PLUGINS_OPENCL_OPENCL_DEVICE_H
#define HEARKEN_PLUGINS_OPENCL_OPENCL_DEVICE_H

#include <hearken/plugin.h>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

/*
 * Sizes of groups: see kernels/common.cl. There are two sorts, for graphics cards, which run a
 * group's work-items at the same time, and for processors, which run them one after the other.
 * $HEARKEN_OPENCL_KERNELS, "graphics" or "processor", has any device take either, for tests.
 */
struct tuning {
    unsigned group, lanes_x, lanes_y, wide, high;
    unsigned few_rows;    /* up to so many rows, products are made by the kernel for few */
    unsigned most_pieces; /* that a row is cut into by `host_top_k`, for a group each */
    bool fused;
};

struct device {
    cl_platform_id platform;
    cl_device_id id;
    cl_device_type type;
    char platform_name[64], name[96], driver[64];
    cl_ulong memory, largest; /* bytes: all, and in one piece */
    cl_ulong local_memory;    /* bytes */
    struct tuning tuning;
    int score; /* as of probe */
};

/*
 * The device that `wish` names (NULL or empty: the best): "platform:device" by number, or a part of
 * the name of either. 0 or -ENODEV; `reason` says in words what was chosen, or why nothing was.
 */
int device_choose(const char *wish, struct device *device, char *reason, size_t reason_size);

#endif
