// SPDX-License-Identifier: MIT
/* The choice of a device, and the parameters of the kernels for it. */
#ifndef HEARKEN_PLUGINS_OPENCL_OPENCL_DEVICE_H
#define HEARKEN_PLUGINS_OPENCL_OPENCL_DEVICE_H

#include <hearken/plugin.h>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

/*
 * Sizes of work-groups: see kernels/common.cl. There are two sets: for graphics cards, which run
 * the work-items of a group in parallel, and for processors, which run them in a loop. For tests,
 * $HEARKEN_OPENCL_KERNELS ("graphics" or "processor") selects the set on any device.
 */
struct tuning {
    unsigned group, lanes_x, lanes_y, wide, high;
    unsigned few_rows;    /* products of up to so many rows use product_few */
    unsigned most_pieces; /* into which `top_k` splits a row, one work-group for each */
    bool fused;
};

struct device {
    cl_platform_id platform;
    cl_device_id id;
    cl_device_type type;
    char platform_name[64], name[96], driver[64];
    cl_ulong memory, largest; /* bytes: in total, and of one allocation */
    cl_ulong local_memory;    /* bytes */
    struct tuning tuning;
    int score; /* for the probe */
};

/*
 * Finds the device that `wish` selects: "PLATFORM:DEVICE" by number, or a part of either's name
 * (NULL or empty: the best one). Returns 0 or -ENODEV; `reason` describes the device, or why there
 * is none.
 */
int device_choose(const char *wish, struct device *device, char *reason, size_t reason_size);

#endif
