// SPDX-License-Identifier: MIT
#include "plugins/host/probe_cache.h"

#include "plugins/common/disk_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define KIND            "probe"
#define DRIVER_FOLDER   "/etc/OpenCL/vendors"
#define DRIVER_VARIABLE "OCL_ICD_VENDORS" /* replaces DRIVER_FOLDER: a folder or one file */

enum { FAILURE_SECONDS = 3600 };

/* Name prefixes of the variables that drivers, their loaders and hearken read. */
static const char *const variables[] = {
    "HEARKEN_", "LD_",  "OCL_",  "OPENCL_",  "POCL_", "CUDA_",    "NVIDIA_", "AMD_", "GPU_",
    "HIP_",     "HSA_", "ROCR_", "GALLIUM_", "MESA_", "RUSTICL_", "INTEL_",  "NEO",  "ZE_",
};

/* Graphics cards and accelerators. */
static const char *const devices[] = {"/dev/dri/*", "/dev/nvidia*", "/dev/kfd",
                                      "/dev/dxg",   "/dev/mali*",   "/dev/accel*"};

/* ---- What a probe depends on ---- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return cache_hash(hash, text, strlen(text) + 1);
}

/* "SIZE SECONDS.NANOSECONDS" of a file; "-" if it does not exist. */
static void print_state(const char *path, char *text, size_t size)
{
    struct stat status;

    if (stat(path, &status) < 0)
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%lld %lld.%09ld", (long long)status.st_size,
                 (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

static uint64_t hash_file(uint64_t hash, const char *path)
{
    char state[96];

    print_state(path, state, sizeof(state));
    return hash_text(hash_text(hash, path), state);
}

/* Hashes the files of a folder in alphabetical order; of a plain file, only the file. */
static uint64_t hash_folder(uint64_t hash, const char *path)
{
    struct dirent **files;
    char *name;
    const int count = scandir(path, &files, NULL, alphasort);

    hash = hash_file(hash, path);
    for (int i = 0; i < count; i++) {
        if (files[i]->d_name[0] != '.' && asprintf(&name, "%s/%s", path, files[i]->d_name) >= 0) {
            hash = hash_file(hash, name);
            free(name);
        }
        free(files[i]);
    }
    if (count >= 0)
        free(files);
    return hash;
}

static uint64_t hash_drivers(uint64_t hash)
{
    const char *elsewhere = getenv(DRIVER_VARIABLE);

    hash = hash_folder(hash, DRIVER_FOLDER);
    if (elsewhere && *elsewhere)
        hash = hash_folder(hash, elsewhere);
    return hash_file(hash, "/etc/ld.so.cache"); /* changes when libraries are installed */
}

/* Hashes the devices' names and whether this user may open them. */
static uint64_t hash_devices(uint64_t hash)
{
    for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++) {
        glob_t found = {0};
        if (glob(devices[i], 0, NULL, &found) == 0)
            for (size_t j = 0; j < found.gl_pathc; j++) {
                hash = hash_text(hash, found.gl_pathv[j]);
                hash = hash_text(hash, access(found.gl_pathv[j], R_OK | W_OK) == 0 ? "rw" : "");
            }
        globfree(&found);
    }
    return hash;
}

static uint64_t hash_variables(uint64_t hash)
{
    for (char **variable = environ; variable && *variable; variable++)
        for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
            if (strncmp(*variable, variables[i], strlen(variables[i])) == 0) {
                hash = hash_text(hash, *variable);
                break;
            }
    return hash;
}

/* The first 4 KiB of a file in /proc; "" if it cannot be read. */
static void read_start(const char *path, char text[4096])
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = file < 0 ? 0 : read(file, text, 4095);

    text[got > 0 ? got : 0] = 0;
    if (file >= 0)
        close(file);
}

/* Hashes the first processor's entry in /proc/cpuinfo without its current frequency. */
static uint64_t hash_processor(uint64_t hash)
{
    char text[4096], *rest = text, *line;

    read_start("/proc/cpuinfo", text);
    while ((line = strsep(&rest, "\n")) && *line)
        if (strncmp(line, "cpu MHz", 7) != 0 && strncasecmp(line, "bogomips", 8) != 0)
            hash = hash_text(hash, line);
    return hash;
}

static uint64_t hash_system(uint64_t hash)
{
    struct utsname system;
    char boot[4096];

    if (uname(&system) == 0)
        hash = hash_text(hash_text(hash, system.release), system.machine);
    read_start("/proc/sys/kernel/random/boot_id", boot);
    hash = hash_processor(hash_text(hash, boot));
    /* Drivers count processors and memory there, and some fail without it. */
    return hash_text(hash, access("/sys/devices/system", F_OK) == 0 ? "sys" : "");
}

void probe_cache_init(struct probe_cache *cache, const char *helper,
                      const struct hearken_plugin_host *host)
{
    const uint32_t numbers[] = {HEARKEN_PLUGIN_ABI, host->threads, host->cpu_mask != NULL};
    uint64_t hash = cache_hash(CACHE_HASH_START, numbers, sizeof(numbers));

    *cache = (struct probe_cache){.folder = cache_folder()};
    if (!cache->folder)
        return;
    hash = hash_text(hash, host->cpu_mask ? host->cpu_mask : "");
    hash = hash_system(hash_file(hash, helper));
    cache->identity = hash_variables(hash_devices(hash_drivers(hash)));
}

void probe_cache_finish(struct probe_cache *cache)
{
    free(cache->folder);
}

/* ---- Cache entries: "identity", "object" lines, then the answer's lines ---- */

static uint64_t identity_of(const struct probe_cache *cache, const char *path)
{
    return hash_file(cache->identity, path);
}

/* Whether the file of a line "STATE PATH" still has that state. */
static bool is_unchanged(const char *line)
{
    const char *path = strchr(line, '/');
    char state[96];

    if (!path || path == line)
        return false;
    print_state(path, state, sizeof(state));
    const size_t length = strlen(state);
    return length + 1 == (size_t)(path - line) && strncmp(line, state, length) == 0;
}

static bool is_recent(const char *text)
{
    const long long age = time(NULL) - strtoll(text, NULL, 10);

    return age >= 0 && age < FAILURE_SECONDS;
}

/* Parses an entry; false if a line is invalid or no longer applies. */
static bool parse_entry(char *text, uint64_t identity, struct plugin_answer *answer)
{
    char expected[32], *line;
    bool identified = false;

    snprintf(expected, sizeof(expected), "identity %016" PRIx64, identity);
    while ((line = strsep(&text, "\n")) && *line) {
        bool valid;
        if (!identified)
            valid = identified = strcmp(line, expected) == 0;
        else if (strncmp(line, "object ", 7) == 0)
            valid = is_unchanged(line + 7);
        else if (strncmp(line, "failed ", 7) == 0) {
            answer->outcome = PROBE_FAILED;
            valid = is_recent(line + 7);
        } else
            valid = answer_parse_line(answer, line) == 0;
        if (!valid)
            return false;
    }
    return answer->outcome == PROBE_FAILED ? !answer->complete && answer->reason[0]
                                           : answer->complete && answer->score > 0;
}

bool probe_cache_find(const struct probe_cache *cache, const char *path,
                      struct plugin_answer *answer)
{
    void *data;
    size_t size;
    bool found = false;

    *answer = (struct plugin_answer){0};
    if (!cache->folder || cache_read(cache->folder, KIND, path, &data, &size) < 0)
        return false;
    char *text = strndup(data, size);
    free(data);
    if (text)
        found = parse_entry(text, identity_of(cache, path), answer);
    free(text);
    if (!found)
        answer_finish(answer);
    return found;
}

static void print_answer(FILE *to, const struct plugin_answer *answer)
{
    char score[16];

    for (size_t i = 0; i < answer->file_count; i++) {
        char state[96];
        print_state(answer->files[i], state, sizeof(state));
        fprintf(to, "object %s %s\n", state, answer->files[i]);
    }
    if (answer->name[0])
        answer_print_line(to, "name", answer->name);
    answer_print_line(to, "description", answer->description);
    snprintf(score, sizeof(score), "%d", answer->score);
    answer_print_line(to, "score", score);
    answer_print_line(to, "reason", answer->reason);
    if (answer->outcome == PROBE_FAILED)
        fprintf(to, "failed %lld\n", (long long)time(NULL));
    else
        fprintf(to, "end\n");
}

void probe_cache_keep(const struct probe_cache *cache, const char *path,
                      const struct plugin_answer *answer)
{
    char *text = NULL;
    size_t size = 0;

    if (!cache->folder || answer->outcome == PROBE_UNASKED)
        return;
    if (answer->outcome == PROBE_ANSWERED && answer->score <= 0) {
        cache_remove(cache->folder, KIND, path);
        return;
    }
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return;
    fprintf(file, "identity %016" PRIx64 "\n", identity_of(cache, path));
    print_answer(file, answer);
    if (fclose(file) == 0)
        cache_write(cache->folder, KIND, path, text, size); /* on failure: probed again next time */
    free(text);
}
