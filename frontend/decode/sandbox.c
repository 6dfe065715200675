// SPDX-License-Identifier: MIT
#include "frontend/decode/sandbox.h"

#include <errno.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Memory: the index of a recording of a day has some 100 MiB. The addresses include the libraries.
 */
#define DATA_BYTES    ((rlim_t)512 << 20)
#define ADDRESS_BYTES ((rlim_t)2 << 30)

/* The parent bounds the time for each second of sound. */
#define PROCESSOR_SECONDS 3600

/* ---- Limits ---- */

static int set_limit(int resource, rlim_t value)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return -errno;
    if (limit.rlim_max < value)
        value = limit.rlim_max;
    limit = (struct rlimit){value, value};
    return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

static int set_limits(void)
{
    static const struct {
        int resource;
        rlim_t value;
    } limits[] = {
        {RLIMIT_CORE, 0},          {RLIMIT_FSIZE, 0},          {RLIMIT_NOFILE, 0},
        {RLIMIT_DATA, DATA_BYTES}, {RLIMIT_AS, ADDRESS_BYTES}, {RLIMIT_CPU, PROCESSOR_SECONDS},
    };
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof(limits) / sizeof(limits[0]); i++)
        result = set_limit(limits[i].resource, limits[i].value);
    return result;
}

/* ---- Landlock: no file by name ---- */

/* Rights of the first version, which every kernel with Landlock knows; seccomp refuses the rest. */
#define ALL_RIGHTS ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

static int forbid_files(void)
{
    const struct landlock_ruleset_attr rules = {.handled_access_fs = ALL_RIGHTS};
    long descriptor = syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
    if (descriptor < 0)
        return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
    int result = syscall(SYS_landlock_restrict_self, descriptor, 0) < 0 ? -errno : 0;
    close((int)descriptor);
    return result;
}

/* ---- seccomp ---- */

/* Calls that are harmless whatever their arguments. */
static const int harmless[] = {
    SCMP_SYS(lseek),        SCMP_SYS(fstat),         SCMP_SYS(munmap),
    SCMP_SYS(mremap),       SCMP_SYS(brk),           SCMP_SYS(madvise),
    SCMP_SYS(futex),        SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
    SCMP_SYS(exit_group),   SCMP_SYS(exit),          SCMP_SYS(getrandom),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(getpid),        SCMP_SYS(restart_syscall),
    SCMP_SYS(poll),         SCMP_SYS(ppoll),
};

static int allow_calls(scmp_filter_ctx filter, int input, int output)
{
    const struct scmp_arg_cmp from_input = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)input);
    const struct scmp_arg_cmp to_output = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)output);
    const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof(harmless) / sizeof(harmless[0]); i++)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, harmless[i], 0);
    if (result == 0)
        result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1, &from_input);
    if (result == 0)
        result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(pread64), 1, &from_input);
    if (result == 0)
        result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, &to_output);
    if (result == 0)
        result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &no_code);
    if (result == 0)
        result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &no_code);
    return result;
}

static int forbid_calls(int input, int output)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return -ENOMEM;
    int result = allow_calls(filter, input, output);
    if (result == 0)
        result = seccomp_load(filter);
    seccomp_release(filter);
    return result;
}

int sandbox_enter(int input, int output)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return -errno;
    int result = forbid_files();
    if (result == 0)
        result = set_limits();
    return result == 0 ? forbid_calls(input, output) : result;
}
