// SPDX-License-Identifier: MIT
/* The time that a queue's kernels took on the device, summed by kernel. */
#include "plugins/opencl/opencl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct pending {
    enum kernel kernel;
    cl_event event;
};

struct profile {
    struct pending *pending; /* events of commands that may not have completed */
    size_t count, room;
    struct {
        uint64_t calls, nanoseconds;
    } kernels[KERNEL_COUNT];
};

int profile_create(struct profile **profile)
{
    *profile = calloc(1, sizeof(**profile));
    return *profile ? 0 : -ENOMEM;
}

void profile_destroy(struct profile *profile)
{
    if (!profile)
        return;
    for (size_t i = 0; i < profile->count; i++)
        clReleaseEvent(profile->pending[i].event);
    free(profile->pending);
    free(profile);
}

static bool make_room(struct profile *profile)
{
    const size_t room = profile->room ? 2 * profile->room : 256;

    if (profile->count < profile->room)
        return true;
    struct pending *pending = realloc(profile->pending, room * sizeof(*pending));
    if (!pending)
        return false;
    profile->pending = pending;
    profile->room = room;
    return true;
}

void profile_add(struct profile *profile, enum kernel kernel, cl_event event)
{
    if (!make_room(profile)) {
        clReleaseEvent(event); /* out of memory: this call is not counted */
        return;
    }
    profile->pending[profile->count++] = (struct pending){kernel, event};
}

static void collect(struct profile *profile, const struct pending *pending)
{
    cl_ulong start, end;

    profile->kernels[pending->kernel].calls++;
    if (clGetEventProfilingInfo(pending->event, CL_PROFILING_COMMAND_START, sizeof(start), &start,
                                NULL) == CL_SUCCESS &&
        clGetEventProfilingInfo(pending->event, CL_PROFILING_COMMAND_END, sizeof(end), &end,
                                NULL) == CL_SUCCESS &&
        end > start)
        profile->kernels[pending->kernel].nanoseconds += end - start;
    clReleaseEvent(pending->event);
}

void profile_collect(struct profile *profile)
{
    for (size_t i = 0; i < profile->count; i++)
        collect(profile, &profile->pending[i]);
    profile->count = 0;
}

void profile_report(const struct profile *profile, const struct hearken_plugin_host *host)
{
    uint64_t total = 0;

    for (size_t kernel = 0; kernel < KERNEL_COUNT; kernel++)
        total += profile->kernels[kernel].nanoseconds;
    for (size_t kernel = 0; kernel < KERNEL_COUNT; kernel++)
        if (profile->kernels[kernel].calls > 0)
            log_line(host, LEVEL_INFO, "profile: %-16s %6" PRIu64 " calls %10.3f ms %5.1f %%",
                     kernel_names[kernel], profile->kernels[kernel].calls,
                     (double)profile->kernels[kernel].nanoseconds * 1e-6,
                     100.0 * (double)profile->kernels[kernel].nanoseconds /
                         (double)(total ? total : 1));
}
