// SPDX-License-Identifier: MIT
#include "plugins/opencl/opencl_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_PLATFORMS = 16,
    MOST_DEVICES = 16, /* of one platform */
    SMALLEST_GROUP = 64,
    /* A driver for the processor scores like the reference: the cpu plugin is always faster. */
    SCORE_PROCESSOR = 1,
    SCORE_ACCELERATOR = 50,
    SCORE_GPU = 60,
};

static const cl_ulong smallest_local_memory = 32 * 1024; /* what OpenCL 1.2 guarantees */

/* ---- Properties of a device ---- */

static void read_text(cl_device_id id, cl_device_info what, char *text, size_t size)
{
    char full[256] = "";

    /* OpenCL fails rather than truncate a longer text. */
    if (clGetDeviceInfo(id, what, sizeof(full), full, NULL) != CL_SUCCESS)
        full[0] = 0;
    full[sizeof(full) - 1] = 0;
    const char *start = full + strspn(full, " ");
    snprintf(text, size, "%.*s", (int)size - 1, start);
}

static cl_ulong read_number(cl_device_id id, cl_device_info what)
{
    cl_ulong number = 0; /* the host is little-endian, so smaller types fill the low bytes */

    return clGetDeviceInfo(id, what, sizeof(number), &number, NULL) == CL_SUCCESS ? number : 0;
}

static struct tuning tune_graphics(cl_ulong largest_group)
{
    struct tuning tuning = {.group = 64,
                            .lanes_x = 8,
                            .lanes_y = 8,
                            .wide = 4,
                            .high = 4,
                            .few_rows = 8,
                            .most_pieces = 64};

    if (largest_group >= 128) {
        tuning.group = 128;
        tuning.lanes_x = 16;
    }
    if (largest_group >= 256) {
        tuning.group = 256;
        tuning.lanes_y = 16;
    }
    return tuning;
}

/* Drivers for processors run a work-group as a loop: few work-items, with vectors as wide as the
 * widest processor's. */
static struct tuning tune_processor(void)
{
    return (struct tuning){
        .group = 64, .lanes_x = 4, .lanes_y = 4, .wide = 16, .high = 8, .most_pieces = 1};
}

static struct tuning tune(const struct device *device)
{
    const char *asked = getenv("HEARKEN_OPENCL_KERNELS");
    bool processor = device->type & CL_DEVICE_TYPE_CPU;

    if (asked && *asked)
        processor = strcmp(asked, "processor") == 0;
    struct tuning tuning =
        processor ? tune_processor()
                  : tune_graphics(read_number(device->id, CL_DEVICE_MAX_WORK_GROUP_SIZE));
    tuning.fused = read_number(device->id, CL_DEVICE_SINGLE_FP_CONFIG) & CL_FP_FMA;
    return tuning;
}

/* The reason why the kernels cannot run on the device; NULL if they can. */
static const char *unfit(const struct device *device)
{
    char version[64];
    int major = 0, minor = 0;

    read_text(device->id, CL_DEVICE_VERSION, version, sizeof(version));
    if (sscanf(version, "OpenCL %d.%d", &major, &minor) != 2 || major * 10 + minor < 12)
        return "it is older than OpenCL 1.2";
    if (!read_number(device->id, CL_DEVICE_AVAILABLE))
        return "it is not available";
    if (!read_number(device->id, CL_DEVICE_COMPILER_AVAILABLE))
        return "its driver has no compiler";
    if (!read_number(device->id, CL_DEVICE_ENDIAN_LITTLE))
        return "it is big endian, and model files are not";
    if (device->local_memory < smallest_local_memory)
        return "it has less than 32 KiB of local memory";
    if (read_number(device->id, CL_DEVICE_MAX_WORK_GROUP_SIZE) < SMALLEST_GROUP)
        return "its work-groups are smaller than 64";
    return NULL;
}

static void describe(cl_platform_id platform, cl_device_id id, struct device *device)
{
    *device = (struct device){.platform = platform, .id = id};
    if (clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof(device->platform_name),
                          device->platform_name, NULL) != CL_SUCCESS)
        snprintf(device->platform_name, sizeof(device->platform_name), "OpenCL");
    device->platform_name[sizeof(device->platform_name) - 1] = 0;
    read_text(id, CL_DEVICE_NAME, device->name, sizeof(device->name));
    read_text(id, CL_DRIVER_VERSION, device->driver, sizeof(device->driver));
    device->type = read_number(id, CL_DEVICE_TYPE);
    device->memory = read_number(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    device->largest = read_number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    device->local_memory = read_number(id, CL_DEVICE_LOCAL_MEM_SIZE);
    device->tuning = tune(device);
    device->score = device->type & CL_DEVICE_TYPE_GPU           ? SCORE_GPU
                    : device->type & CL_DEVICE_TYPE_ACCELERATOR ? SCORE_ACCELERATOR
                                                                : SCORE_PROCESSOR;
}

/* ---- Choosing a device ---- */

/* The best device so far, and the reason if there is none. */
struct choice {
    const char *wish;
    struct device *best;
    bool found;
    unsigned devices;
    char *reason;
    size_t reason_size;
};

static bool is_wished(const char *wish, const struct device *device, unsigned platform,
                      unsigned number)
{
    unsigned wished_platform, wished_device;
    int length = 0;

    if (!wish || !*wish)
        return true;
    if (sscanf(wish, "%u:%u%n", &wished_platform, &wished_device, &length) == 2 && !wish[length])
        return wished_platform == platform && wished_device == number;
    return strcasestr(device->name, wish) || strcasestr(device->platform_name, wish);
}

static void consider(struct choice *choice, const struct device *device, unsigned platform,
                     unsigned number)
{
    choice->devices++;
    if (!is_wished(choice->wish, device, platform, number))
        return;
    const char *why = unfit(device);
    if (why && !choice->found)
        snprintf(choice->reason, choice->reason_size, "%s: %s", device->name, why);
    if (why || (choice->found && choice->best->score >= device->score))
        return;
    *choice->best = *device;
    choice->found = true;
}

static void look_through(struct choice *choice, cl_platform_id platform, unsigned number)
{
    cl_device_id ids[MOST_DEVICES];
    cl_uint count = 0;
    struct device device;

    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MOST_DEVICES, ids, &count) != CL_SUCCESS)
        return;
    for (cl_uint i = 0; i < count && i < MOST_DEVICES; i++) {
        describe(platform, ids[i], &device);
        consider(choice, &device, number, i);
    }
}

int device_choose(const char *wish, struct device *device, char *reason, size_t reason_size)
{
    cl_platform_id platforms[MOST_PLATFORMS];
    cl_uint count = 0;
    struct choice choice = {
        .wish = wish, .best = device, .reason = reason, .reason_size = reason_size};

    reason[0] = 0;
    if (clGetPlatformIDs(MOST_PLATFORMS, platforms, &count) != CL_SUCCESS || count == 0) {
        snprintf(reason, reason_size, "no platform: no OpenCL driver is installed");
        return -ENODEV;
    }
    for (cl_uint i = 0; i < count && i < MOST_PLATFORMS; i++)
        look_through(&choice, platforms[i], i);
    if (choice.found) {
        snprintf(reason, reason_size, "%s, %s, driver %s, %llu MiB", device->platform_name,
                 device->name, device->driver, (unsigned long long)device->memory >> 20);
        return 0;
    }
    if (choice.devices == 0)
        snprintf(reason, reason_size, "no device: %u OpenCL platforms have none", count);
    else if (!reason[0])
        snprintf(reason, reason_size, "none of %u OpenCL devices is called '%s'", choice.devices,
                 wish);
    return -ENODEV;
}
