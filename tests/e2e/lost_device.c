// SPDX-License-Identifier: MIT
/*
 * For LD_PRELOAD: an OpenCL device that is lost as soon as the file $LOST_DEVICE is there. Kernels
 * are then refused as drivers do it; whatever else is asked of them goes on.
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef cl_int enqueue(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *,
                       const size_t *, cl_uint, const cl_event *, cl_event *);

__attribute__((visibility("default"))) cl_int
clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
                       const size_t *offset, const size_t *range, const size_t *group,
                       cl_uint waits, const cl_event *wait_list, cl_event *event)
{
    const char *sign = getenv("LOST_DEVICE");
    void *loader = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_NOLOAD);
    void *symbol = loader ? dlsym(loader, "clEnqueueNDRangeKernel") : NULL;
    enqueue *real;

    if (!symbol || (sign && access(sign, F_OK) == 0))
        return CL_OUT_OF_RESOURCES;
    memcpy(&real, &symbol, sizeof(real));
    dlclose(loader); /* the program holds it */
    return real(queue, kernel, dimensions, offset, range, group, waits, wait_list, event);
}
