// SPDX-License-Identifier: MIT
/* What a process in the sandbox can do, and what it cannot. */
#include "frontend/decode/sandbox.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void add_sandbox_tests(void);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool takes_all_memory = true; /* what the sandbox leaves */
#else
static const bool takes_all_memory = false;
#endif

/* The ends of a pipe each, as the child has them. */
struct ends {
    int input, output;
    int other; /* a descriptor that it does not need */
};

static bool can_read_and_write(const struct ends *ends)
{
    char bytes[4];
    return read(ends->input, bytes, 4) == 4 && memcmp(bytes, "ping", 4) == 0 &&
           write(ends->output, "pong", 4) == 4;
}

static bool can_have_memory(const struct ends *ends)
{
    void *memory = malloc((size_t)100 << 20);
    (void)ends;
    if (!memory)
        return false;
    memset(memory, 1, (size_t)100 << 20);
    free(memory);
    return true;
}

static bool can_have_all_memory(const struct ends *ends)
{
    (void)ends;
    return mmap(NULL, (size_t)1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

static bool can_open(const struct ends *ends)
{
    (void)ends;
    return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool can_open_by_hand(const struct ends *ends)
{
    (void)ends;
    return syscall(SYS_open, "/dev/null", O_RDWR) >= 0 ||
           syscall(SYS_openat, AT_FDCWD, "/", O_PATH) >= 0 ||
           syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0) >= 0 ||
           syscall(SYS_io_uring_setup, 1, NULL) >= 0 || syscall(SYS_creat, "/tmp/x", 0600) >= 0;
}

static bool can_have_a_socket(const struct ends *ends)
{
    int pair[2];
    (void)ends;
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ||
           socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
}

/* On a descriptor that was open before. */
static bool can_connect(const struct ends *ends)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
    return connect(ends->other, (struct sockaddr *)&address, sizeof(address)) == 0 ||
           errno != EPERM;
}

static bool can_execute(const struct ends *ends)
{
    char *const arguments[] = {(char *)"true", NULL};
    (void)ends;
    return execv("/bin/true", arguments) == 0;
}

static bool can_fork(const struct ends *ends)
{
    (void)ends;
    return fork() >= 0 || syscall(SYS_vfork) >= 0 || syscall(SYS_clone3, NULL, 0) >= 0;
}

static bool can_have_code(const struct ends *ends)
{
    (void)ends;
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

static bool can_use_others(const struct ends *ends)
{
    char byte;
    return write(ends->other, "x", 1) == 1 || read(ends->other, &byte, 1) >= 0 ||
           read(ends->output, &byte, 1) >= 0 || write(ends->input, "x", 1) == 1;
}

static bool can_signal(const struct ends *ends)
{
    (void)ends;
    return kill(getppid(), 0) == 0 || kill(getpid(), 0) == 0;
}

/* Whether a process in the sandbox can do it. */
static bool can(bool (*act)(const struct ends *ends))
{
    int in[2], out[2];
    CU_ASSERT_FATAL(pipe(in) == 0 && pipe(out) == 0);
    CU_ASSERT_FATAL(write(in[1], "ping", 4) == 4);
    pid_t pid = fork();
    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        const struct ends ends = {
            .input = in[0], .output = out[1], .other = socket(AF_INET, SOCK_STREAM, 0)};
        _exit(sandbox_enter(ends.input, ends.output) == 0 ? act(&ends) : 2);
    }
    int status = 0;
    CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(out[i]);
    }
    CU_ASSERT_FATAL(WIFEXITED(status));
    CU_ASSERT(WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 1;
}

static void test_what_it_can(void)
{
    CU_ASSERT(can(can_read_and_write));
    CU_ASSERT(can(can_have_memory));
}

static void test_what_it_cannot(void)
{
    CU_ASSERT_FALSE(can(can_have_all_memory));
    CU_ASSERT_FALSE(can(can_open));
    CU_ASSERT_FALSE(can(can_open_by_hand));
    CU_ASSERT_FALSE(can(can_have_a_socket));
    CU_ASSERT_FALSE(can(can_connect));
    CU_ASSERT_FALSE(can(can_execute));
    CU_ASSERT_FALSE(can(can_fork));
    CU_ASSERT_FALSE(can(can_have_code));
    CU_ASSERT_FALSE(can(can_use_others));
    CU_ASSERT_FALSE(can(can_signal));
}

void add_sandbox_tests(void)
{
    CU_pSuite suite = takes_all_memory ? NULL : CU_add_suite("sandbox", NULL, NULL);
    if (!suite)
        return;
    CU_add_test(suite, "what it can do", test_what_it_can);
    CU_add_test(suite, "what it cannot do", test_what_it_cannot);
}
