// SPDX-License-Identifier: MIT
/* Quotas of control groups, in made-up trees of /proc and /sys. */
#include "include/internal/processor_count.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void add_processor_count_tests(void);

#define V2 "30 1 0:1 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
#define V1                                                                                         \
    "20 1 0:2 / / rw - ext4 /dev/vda rw\n"                                                         \
    "31 1 0:3 / /cg/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"                              \
    "32 1 0:4 / /cg/set rw - cgroup cgroup rw,cpuset\n"

static void write_file(const char *root, const char *path, const char *text)
{
    char whole[512];
    const int length = snprintf(whole, sizeof(whole), "%s%s", root, path);
    CU_ASSERT_FATAL(length < (int)sizeof(whole));
    for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *file = fopen(whole, "we");
    CU_ASSERT_FATAL(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

struct file {
    const char *path, *text;
};

static unsigned quota_of(const char *mounts, const char *groups, const struct file *files)
{
    char root[] = "/tmp/hearken-groups-XXXXXX";
    CU_ASSERT_FATAL(mkdtemp(root) != NULL);
    write_file(root, "/proc/self/mountinfo", mounts);
    write_file(root, "/proc/self/cgroup", groups);
    for (; files->path; files++)
        write_file(root, files->path, files->text);
    const unsigned quota = processor_quota(root);
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return quota;
}

#define QUOTA(mounts, groups, ...) quota_of(mounts, groups, (const struct file[]){__VA_ARGS__, {0}})

static void test_version_2(void)
{
    const char *const own = "/sys/fs/cgroup/a/b/cpu.max", *const parent =
                                                              "/sys/fs/cgroup/a/cpu.max";

    EXPECT_EQUAL(QUOTA(V2, "0::/a/b\n", {own, "200000 100000\n"}), 2);
    EXPECT_EQUAL(QUOTA(V2, "0::/a/b\n", {own, "250000 100000\n"}), 3);
    EXPECT_EQUAL(QUOTA(V2, "0::/a/b\n", {own, "1000 100000\n"}), 1);
    EXPECT_EQUAL(QUOTA(V2, "0::/a/b\n", {own, "max 100000\n"}), UINT_MAX);
    EXPECT_EQUAL(QUOTA(V2, "0::/a/b\n", {own, "max 100000\n"}, {parent, "400000 100000\n"}), 4);
    EXPECT_EQUAL(QUOTA(V2, "0::/a/b\n", {own, "900000 100000\n"}, {parent, "400000 100000\n"}), 4);
    EXPECT_EQUAL(QUOTA(V2, "0::/a/b\n", {own, "300000 100000\n"}, {parent, "400000 100000\n"}), 3);
    EXPECT_EQUAL(QUOTA(V2, "0::/a/b\n", {"/sys/fs/cgroup/c/cpu.max", "100000 100000"}), UINT_MAX);
}

/* The part of the hierarchy that a container sees, with a name space for it or without one. */
static void test_containers(void)
{
    const char *const mount = "30 1 0:1 /box/x /sys/fs/cgroup ro - cgroup2 cgroup ro\n";
    const char *const own = "/sys/fs/cgroup/cpu.max";

    EXPECT_EQUAL(QUOTA(V2, "0::/\n", {own, "200000 100000\n"}), 2);
    EXPECT_EQUAL(QUOTA(mount, "0::/box/x\n", {own, "200000 100000\n"}), 2);
    EXPECT_EQUAL(QUOTA(mount, "0::/box/x/y\n", {"/sys/fs/cgroup/y/cpu.max", "300000 100000\n"}), 3);
    EXPECT_EQUAL(QUOTA(V2, "0::/../z\n", {own, "500000 100000\n"}), 5);
}

static void test_version_1(void)
{
    const char *const groups = "4:cpuset:/s\n2:cpuacct,cpu:/a\n1:name=systemd:/\n0::/\n";
    const char *const quota = "/cg/cpu/a/cpu.cfs_quota_us", *const period =
                                                                "/cg/cpu/a/cpu.cfs_period_us";

    EXPECT_EQUAL(QUOTA(V1, groups, {quota, "150000\n"}, {period, "50000\n"}), 3);
    EXPECT_EQUAL(QUOTA(V1, groups, {quota, "-1\n"}, {period, "50000\n"}), UINT_MAX);
    EXPECT_EQUAL(QUOTA(V1, groups, {quota, "150000\n"}), UINT_MAX);
    EXPECT_EQUAL(QUOTA(V1 V2, groups, {quota, "300000\n"}, {period, "100000\n"},
                       {"/sys/fs/cgroup/cpu.max", "200000 100000\n"}),
                 2);
}

static void test_nonsense(void)
{
    const char *const own = "/sys/fs/cgroup/cpu.max";

    EXPECT_EQUAL(processor_quota("/nonexistent"), UINT_MAX);
    EXPECT_EQUAL(QUOTA("", "", {own, "1 1"}), UINT_MAX);
    EXPECT_EQUAL(QUOTA("- cgroup2\n - cgroup2 x y\n", "0::/\n", {own, "1 1"}), UINT_MAX);
    EXPECT_EQUAL(QUOTA(V2, "::\n0:\nx\n\n", {own, "x"}), UINT_MAX);
    EXPECT_EQUAL(QUOTA(V2, "0::/\n", {own, "100000 0\n"}), UINT_MAX);
    EXPECT_EQUAL(QUOTA(V2, "0::/\n", {own, "-5 100000\n"}), UINT_MAX);
    EXPECT_EQUAL(QUOTA(V2, "0::/\n", {own, "1e300 1e-300\n"}), UINT_MAX);
    EXPECT_EQUAL(QUOTA(V2, "0::/\n", {own, "nan 1\n"}), UINT_MAX);
}

static void test_count(void)
{
    CU_ASSERT(processor_count() >= 1);
    CU_ASSERT(processor_count() <= (unsigned)sysconf(_SC_NPROCESSORS_CONF));
}

void add_processor_count_tests(void)
{
    CU_pSuite suite = CU_add_suite("processor count", NULL, NULL);
    CU_add_test(suite, "version 2", test_version_2);
    CU_add_test(suite, "containers", test_containers);
    CU_add_test(suite, "version 1", test_version_1);
    CU_add_test(suite, "nonsense", test_nonsense);
    CU_add_test(suite, "count", test_count);
}
