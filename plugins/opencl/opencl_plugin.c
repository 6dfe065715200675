// SPDX-License-Identifier: MIT
/*
 * The OpenCL backend, for GPUs and other devices with an OpenCL 1.2 driver. docs/opencl.md
 * describes the design.
 */
#include "plugins/opencl/opencl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DEVICE_VARIABLE  "HEARKEN_OPENCL_DEVICE"
#define PROFILE_VARIABLE "HEARKEN_OPENCL_PROFILE"

/* ---- Messages ---- */

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

const char *opencl_status_text(cl_int status)
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

/* ---- The plugin ---- */

static void probe(const struct hearken_plugin_host *host, struct hearken_probe *result)
{
    struct device device;

    (void)host;
    result->score =
        device_choose(getenv(DEVICE_VARIABLE), &device, result->reason, sizeof(result->reason)) == 0
            ? device.score
            : 0;
}

/* Logs the driver's messages about the context. */
static void CL_CALLBACK log_notice(const char *message, const void *data, size_t size, void *host)
{
    (void)data;
    (void)size;
    log_line(host, LEVEL_WARNING, "driver: %s", message);
}

static int create_context(struct opencl_backend *backend, const struct hearken_plugin_host *host)
{
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)backend->device.platform, 0};
    cl_int status;

    backend->context =
        clCreateContext(properties, 1, &backend->device.id, log_notice, (void *)host, &status);
    if (backend->context)
        return 0;
    log_line(host, LEVEL_ERROR, "context on %s: %s (%d)", backend->device.name,
             opencl_status_text(status), status);
    return opencl_errno(status);
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value && *value && *value != '0';
}

static void backend_free(struct opencl_backend *backend)
{
    if (backend->program)
        clReleaseProgram(backend->program);
    if (backend->context)
        clReleaseContext(backend->context);
    free(backend);
}

static int opencl_backend_create(const struct hearken_plugin_host *host,
                                 struct hearken_backend **backend)
{
    char reason[256];
    struct opencl_backend *made = calloc(1, sizeof(*made));

    if (!made)
        return -ENOMEM;
    made->base = (struct hearken_backend){.host = host, .name = "opencl"};
    made->profiles = is_set(PROFILE_VARIABLE);
    int result = device_choose(getenv(DEVICE_VARIABLE), &made->device, reason, sizeof(reason));
    if (result)
        log_line(host, LEVEL_ERROR, "%s", reason);
    else
        result = create_context(made, host);
    if (!result)
        result = program_create(made);
    if (result) {
        backend_free(made);
        return result;
    }
    log_line(host, LEVEL_INFO, "%s", reason);
    *backend = &made->base;
    return 0;
}

static void opencl_backend_destroy(struct hearken_backend *backend)
{
    if (backend)
        backend_free((struct opencl_backend *)backend);
}

/* ---- The plugin ---- */

static const struct hearken_kernels kernels = {
    .struct_size = sizeof(struct hearken_kernels),
    .buffer_create = opencl_buffer_create,
    .memory_create = opencl_memory_create,
    .buffer_destroy = opencl_buffer_destroy,
    .write = opencl_write,
    .read = opencl_read,
    .linear = opencl_linear,
    .convolve = opencl_convolve,
    .layer_norm = opencl_layer_norm,
    .self_attend = opencl_self_attend,
    .attend = opencl_attend,
    .lstm = opencl_lstm,
    .embed = opencl_embed,
    .reorder = opencl_reorder,
    .log_softmax = opencl_log_softmax,
    .top_k = opencl_top_k,
};

extern const struct hearken_plugin hearken_plugin;

__attribute__((visibility("default"))) const struct hearken_plugin hearken_plugin = {
    .abi_version = HEARKEN_PLUGIN_ABI,
    .struct_size = sizeof(struct hearken_plugin),
    .name = "opencl",
    .description = "graphics cards of any maker, through OpenCL 1.2",
    .probe = probe,
    .backend_create = opencl_backend_create,
    .backend_destroy = opencl_backend_destroy,
    .tensor_create = opencl_tensor_create,
    .tensor_destroy = opencl_tensor_destroy,
    .queue_create = opencl_queue_create,
    .queue_destroy = opencl_queue_destroy,
    .kernels = &kernels,
    .copies = HEARKEN_USE_LINEAR | HEARKEN_USE_EMBED | HEARKEN_USE_CONVOLVE | HEARKEN_USE_VECTOR,
};
