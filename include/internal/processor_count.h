// SPDX-License-Identifier: MIT
/*
 * How many processors the calling thread may run on, by its affinity and by the quotas of its
 * control groups (Linux, admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst; proc_pid_cgroup(5),
 * proc_pid_mountinfo(5)).
 */
#ifndef HEARKEN_INTERNAL_PROCESSOR_COUNT_H
#define HEARKEN_INTERNAL_PROCESSOR_COUNT_H

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    PROCESSOR_PATH_SIZE = 4096,
    FIRST_PROCESSORS = CPU_SETSIZE,
    MOST_PROCESSORS = 1 << 20, /* far beyond Linux's NR_CPUS */
};

/* Where a hierarchy of control groups is mounted: its part `top` at `point`. */
struct processor_mount {
    bool is_v2;
    char top[PROCESSOR_PATH_SIZE], point[PROCESSOR_PATH_SIZE];
};

/* Whether `list`, separated by commas, has `name`. */
static inline bool processor_list_has(const char *list, const char *name)
{
    const size_t length = strlen(name);

    for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strncmp(at, name, length) == 0 && (at[length] == 0 || at[length] == ','))
            return true;
    return false;
}

/* A line of mountinfo: whether it is a hierarchy that limits processors. */
static inline bool processor_parse_mount(const char *line, struct processor_mount *mount)
{
    char type[32], options[512];
    const char *rest = strstr(line, " - ");

    if (!rest || sscanf(line, "%*s %*s %*s %4095s %4095s", mount->top, mount->point) != 2 ||
        sscanf(rest, " - %31s %*s %511s", type, options) != 2)
        return false;
    mount->is_v2 = strcmp(type, "cgroup2") == 0;
    return mount->is_v2 || (strcmp(type, "cgroup") == 0 && processor_list_has(options, "cpu"));
}

/* The group of this process in that hierarchy, below the mount's top. False: it has none there. */
static inline bool processor_find_group(const char *root, const struct processor_mount *mount,
                                        char group[PROCESSOR_PATH_SIZE])
{
    char path[PROCESSOR_PATH_SIZE], line[PROCESSOR_PATH_SIZE];
    bool is_found = false;

    snprintf(path, sizeof(path), "%.4000s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && !is_found && fgets(line, sizeof(line), file)) {
        char *controllers = strchr(line, ':');
        char *at = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!at)
            continue;
        line[strcspn(line, "\n")] = 0;
        *at = 0;
        is_found = mount->is_v2 ? controllers[1] == 0 : processor_list_has(controllers + 1, "cpu");
        const size_t top = strcmp(mount->top, "/") == 0 ? 0 : strlen(mount->top);
        const bool is_below = strncmp(at + 1, mount->top, top) == 0 && !strstr(at + 1, "..");
        if (is_found)
            snprintf(group, PROCESSOR_PATH_SIZE, "%s", is_below ? at + 1 + top : "");
    }
    if (file)
        fclose(file);
    return is_found;
}

/* A file with up to two numbers; returns how many it has. */
static inline int processor_read_numbers(const char *folder, const char *name, double *numbers)
{
    char path[2 * PROCESSOR_PATH_SIZE];
    int count = 0;

    snprintf(path, sizeof(path), "%.4095s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file) {
        count = fscanf(file, "%lf %lf", &numbers[0], &numbers[1]);
        fclose(file);
    }
    return count;
}

/* Processors that a group may use, rounded up; UINT_MAX without a quota. */
static inline unsigned processor_group_quota(const char *folder, bool is_v2)
{
    double numbers[2] = {0}; /* microseconds: quota, period */
    bool is_there = false;

    if (is_v2)
        is_there = processor_read_numbers(folder, "cpu.max", numbers) == 2;
    else
        is_there = processor_read_numbers(folder, "cpu.cfs_period_us", numbers + 1) == 1 &&
                   processor_read_numbers(folder, "cpu.cfs_quota_us", numbers) == 1;
    if (!is_there || !(numbers[0] > 0 && numbers[1] > 0) || numbers[0] / numbers[1] > 1 << 20)
        return UINT_MAX;
    const unsigned whole = (unsigned)(numbers[0] / numbers[1]);
    return whole + (whole < numbers[0] / numbers[1]);
}

/* The least quota of this process's groups and all above them. `root`: of the file system, "" in
 * programs. UINT_MAX without one. */
static inline unsigned processor_quota(const char *root)
{
    char path[PROCESSOR_PATH_SIZE], line[3 * PROCESSOR_PATH_SIZE], group[PROCESSOR_PATH_SIZE];
    char folder[3 * PROCESSOR_PATH_SIZE];
    struct processor_mount mount;
    unsigned least = UINT_MAX;

    snprintf(path, sizeof(path), "%.4000s/proc/self/mountinfo", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        if (!processor_parse_mount(line, &mount) || !processor_find_group(root, &mount, group))
            continue;
        for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
            *end = 0;
            snprintf(folder, sizeof(folder), "%s%s%s", root, mount.point, group);
            const unsigned quota = processor_group_quota(folder, mount.is_v2);
            least = quota < least ? quota : least;
        }
    }
    if (file)
        fclose(file);
    return least;
}

/* At least 1. */
static inline unsigned processor_count(void)
{
    const unsigned quota = processor_quota("");
    unsigned found = 0;

    for (int count = FIRST_PROCESSORS; found == 0 && count <= MOST_PROCESSORS; count *= 2) {
        cpu_set_t *set = CPU_ALLOC(count);
        if (set && sched_getaffinity(0, CPU_ALLOC_SIZE(count), set) == 0)
            found = (unsigned)CPU_COUNT_S(CPU_ALLOC_SIZE(count), set);
        else if (!set || errno != EINVAL) /* EINVAL: the kernel has more processors */
            found = 1;
        CPU_FREE(set);
    }
    found = found < quota ? found : quota;
    return found > 0 ? found : 1;
}

#endif
