// SPDX-License-Identifier: MIT
/*
 * One program with all kernels. It is compiled when a backend is created, so that a compile error
 * is found before a model is loaded. The binary is cached on disk.
 */
#include "plugins/common/disk_cache.h"
#include "plugins/opencl/opencl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The files of kernels/, which the Makefile embeds as strings of these names. */
extern const char opencl_kernels_common[], opencl_kernels_product[], opencl_kernels_attention[],
    opencl_kernels_rows[];

/* product.cl is compiled once for each type of weight, and once for convolutions. */
#define PRODUCT(settings) "#undef NAME\n#undef TYPE\n" settings, opencl_kernels_product

static const char *const sources[] = {
    opencl_kernels_common,
    opencl_kernels_rows,
    opencl_kernels_attention,
    PRODUCT("#define NAME f32\n#define TYPE TYPE_F32\n"),
    PRODUCT("#define NAME f16\n#define TYPE TYPE_F16\n"),
    PRODUCT("#define NAME q8_0\n#define TYPE TYPE_Q8_0\n"),
    PRODUCT("#define NAME convolve\n#define TYPE TYPE_F32\n#define CONVOLVE\n"),
};

#define CACHE_KIND "opencl"

enum { SOURCE_COUNT = sizeof(sources) / sizeof(sources[0]), OPTIONS_SIZE = 256 };

const char *const kernel_names[KERNEL_COUNT] = {
    [KERNEL_PRODUCT_F32] = "product_f32",         [KERNEL_PRODUCT_F16] = "product_f16",
    [KERNEL_PRODUCT_Q8_0] = "product_q8_0",       [KERNEL_PRODUCT_FEW_F32] = "product_few_f32",
    [KERNEL_PRODUCT_FEW_F16] = "product_few_f16", [KERNEL_PRODUCT_FEW_Q8_0] = "product_few_q8_0",
    [KERNEL_CONVOLVE] = "product_convolve",       [KERNEL_ADD_POSITIONS] = "add_positions",
    [KERNEL_LAYER_NORM] = "layer_norm",           [KERNEL_APPEND] = "append",
    [KERNEL_SELF_ATTEND] = "self_attend",         [KERNEL_ATTEND] = "attend",
    [KERNEL_LSTM_GATES] = "lstm_gates",           [KERNEL_EMBED] = "embed",
    [KERNEL_GATHER_ROWS] = "gather_rows",         [KERNEL_COPY_ROWS] = "copy_rows",
    [KERNEL_LOG_SOFTMAX] = "log_softmax",         [KERNEL_TOP_K] = "top_k",
};

static void print_options(const struct tuning *tuning, char *options, size_t size)
{
    snprintf(options, size,
             "-cl-std=CL1.2 -DGROUP=%u -DLANES_X=%u -DLANES_Y=%u -DWIDE=%u -DHIGH=%u%s",
             tuning->group, tuning->lanes_x, tuning->lanes_y, tuning->wide, tuning->high,
             tuning->fused ? " -DFUSED" : "");
}

/* ---- Compiling ---- */

/* Logs the compiler's output line by line. */
static void log_build(const struct opencl_backend *backend, cl_program program)
{
    size_t size = 0;
    char *rest;

    if (clGetProgramBuildInfo(program, backend->device.id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) !=
            CL_SUCCESS ||
        size < 2)
        return;
    char *text = malloc(size + 1);
    if (!text || clGetProgramBuildInfo(program, backend->device.id, CL_PROGRAM_BUILD_LOG, size,
                                       text, NULL) != CL_SUCCESS) {
        free(text);
        return;
    }
    text[size] = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        log_line(backend->base.host, LEVEL_ERROR, "compiler: %s", line);
    free(text);
}

static cl_int compile(struct opencl_backend *backend, const char *options)
{
    cl_int status;
    cl_program program = clCreateProgramWithSource(backend->context, SOURCE_COUNT,
                                                   (const char **)sources, NULL, &status);

    if (!program)
        return status;
    status = clBuildProgram(program, 1, &backend->device.id, options, NULL, NULL);
    if (status == CL_SUCCESS) {
        backend->program = program;
        return CL_SUCCESS;
    }
    log_build(backend, program);
    clReleaseProgram(program);
    return status;
}

/* ---- The cache ---- */

/* Everything that a binary depends on, one item a line. The caller frees it; NULL if out of
 * memory. */
static char *make_key(const struct opencl_backend *backend, const char *options)
{
    const struct device *device = &backend->device;
    uint64_t hash = CACHE_HASH_START;
    char version[128] = "", *key;

    clGetDeviceInfo(device->id, CL_DEVICE_VERSION, sizeof(version), version, NULL);
    version[sizeof(version) - 1] = 0;
    for (size_t i = 0; i < SOURCE_COUNT; i++)
        hash = cache_hash(hash, sources[i], strlen(sources[i]));
    if (asprintf(&key, "%s\n%s\n%s\n%s\n%s\n%016" PRIx64 "\n", device->platform_name, device->name,
                 version, device->driver, options, hash) < 0)
        return NULL;
    return key;
}

/* The description of an error of cache_read() (disk_cache.h). */
static const char *cache_reason(int result)
{
    switch (result) {
    case -EBADMSG:
        return "the file is damaged, or holds something else";
    case -EPERM:
        return "expected a regular file of this user's that nobody else may write to";
    default:
        return strerror(-result);
    }
}

/* Creates the program from the cached binary; false if that is not possible. */
static bool load(struct opencl_backend *backend, const char *folder, const char *key,
                 const char *options)
{
    const struct hearken_plugin_host *host = backend->base.host;
    void *data;
    size_t size;
    cl_int status, of_binary;

    const int result = cache_read(folder, CACHE_KIND, key, &data, &size);
    if (result) {
        if (result != -ENOENT)
            log_line(host, LEVEL_WARNING, "compiled kernels in %s are not used: %s", folder,
                     cache_reason(result));
        return false;
    }
    const unsigned char *bytes = data;
    cl_program program = clCreateProgramWithBinary(backend->context, 1, &backend->device.id, &size,
                                                   &bytes, &of_binary, &status);
    free(data);
    if (program && status == CL_SUCCESS)
        status = clBuildProgram(program, 1, &backend->device.id, options, NULL, NULL);
    if (program && status == CL_SUCCESS) {
        backend->program = program;
        log_line(host, LEVEL_DEBUG, "compiled kernels from %s", folder);
        return true;
    }
    log_line(host, LEVEL_WARNING, "compiled kernels in %s are not used: %s (%d)", folder,
             opencl_status_text(status), status);
    if (program)
        clReleaseProgram(program);
    return false;
}

static void store(const struct opencl_backend *backend, const char *folder, const char *key)
{
    size_t size = 0;

    if (clGetProgramInfo(backend->program, CL_PROGRAM_BINARY_SIZES, sizeof(size), &size, NULL) !=
            CL_SUCCESS ||
        size == 0)
        return;
    unsigned char *binary = malloc(size);
    if (binary && clGetProgramInfo(backend->program, CL_PROGRAM_BINARIES, sizeof(binary), &binary,
                                   NULL) == CL_SUCCESS) {
        const int result = cache_write(folder, CACHE_KIND, key, binary, size);
        if (result)
            log_line(backend->base.host, LEVEL_INFO, "compiled kernels are not kept: %s: %s",
                     folder, strerror(-result));
    }
    free(binary);
}

int program_create(struct opencl_backend *backend)
{
    char options[OPTIONS_SIZE];

    print_options(&backend->device.tuning, options, sizeof(options));
    char *folder = cache_folder(), *key = make_key(backend, options);
    int result = key ? 0 : -ENOMEM;
    if (!result && !(folder && load(backend, folder, key, options))) {
        const cl_int status = compile(backend, options);
        if (status != CL_SUCCESS) {
            log_line(backend->base.host, LEVEL_ERROR, "kernels for %s: %s (%d)",
                     backend->device.name, opencl_status_text(status), status);
            result = opencl_errno(status);
        } else if (folder) {
            store(backend, folder, key);
        }
    }
    free(folder);
    free(key);
    return result;
}
