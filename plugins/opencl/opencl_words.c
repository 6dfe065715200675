// SPDX-License-Identifier: MIT
#include "plugins/opencl/opencl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void log_line(const struct hearken_plugin_host *host, int level, const char *format, ...)
{
    char line[512];
    va_list list;

    if (!host || !host->log)
        return;
    const int prefix = snprintf(line, sizeof(line), "opencl: ");
    va_start(list, format);
    vsnprintf(line + prefix, sizeof(line) - (size_t)prefix, format, list);
    va_end(list);
    host->log(host->log_context, level, line);
}

const char *opencl_words(cl_int status)
{
    switch (status) {
    case CL_DEVICE_NOT_FOUND:
        return "no device was found";
    case CL_DEVICE_NOT_AVAILABLE:
        return "the device is not available";
    case CL_COMPILER_NOT_AVAILABLE:
        return "the driver has no compiler";
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
        return "out of device memory";
    case CL_OUT_OF_RESOURCES:
        return "out of device resources";
    case CL_OUT_OF_HOST_MEMORY:
        return "out of memory";
    case CL_BUILD_PROGRAM_FAILURE:
        return "the kernels could not be compiled";
    case CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST:
        return "a kernel enqueued before has failed";
    case CL_INVALID_VALUE:
        return "a value was refused";
    case CL_INVALID_DEVICE:
        return "the device is gone";
    case CL_INVALID_CONTEXT:
        return "the context is gone";
    case CL_INVALID_COMMAND_QUEUE:
        return "the command queue is gone";
    case CL_INVALID_BINARY:
        return "the driver does not take the binary";
    case CL_INVALID_BUILD_OPTIONS:
        return "the driver does not take the build options";
    case CL_INVALID_KERNEL_NAME:
        return "the program lacks a kernel";
    case CL_INVALID_WORK_GROUP_SIZE:
        return "the work-group size was refused";
    case CL_INVALID_BUFFER_SIZE:
        return "the size is more than the device allows";
    default:
        return "the driver reports an error";
    }
}

int opencl_errno(cl_int status)
{
    return status == CL_MEM_OBJECT_ALLOCATION_FAILURE || status == CL_OUT_OF_HOST_MEMORY ||
                   status == CL_INVALID_BUFFER_SIZE
               ? -ENOMEM
               : -EIO;
}
