// SPDX-License-Identifier: MIT
/* The Linux system calls that the C library makes, served inside the program. No Linux call ever reaches the kernel:
 * what is not in the table is -ENOSYS, with one line on the log the first time.
 *
 * Numbers: <sys/syscall.h>. Each function gets the six argument registers and returns the result or -errno. */
#include "rt_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sk/env.h>
#include <sk/init.h>
#include <sk/sys.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define ARCH_SET_FS_CODE 0x1002
#define ARCH_GET_FS_CODE 0x1003
#define FUTEX_CMD(op) ((op)&0x7f)
#define FUTEX_OP_WAIT 0
#define FUTEX_OP_WAKE 1
#define NS_PER_S 1000000000ull

typedef int64_t (*linux_fn)(const uint64_t *a);

static bool is_log(uint64_t fd)
{
    return fd == STDOUT_FILENO || fd == STDERR_FILENO;
}

static int64_t do_write(const uint64_t *a)
{
    return is_log(a[0]) ? rt_log_write((const void *)a[1], a[2]) : -EBADF;
}

/* Small pieces go together as one message, so that a line is not torn between them. */
static int64_t do_writev(const uint64_t *a)
{
    const struct iovec *iov = (const struct iovec *)a[1];
    char line[512];
    size_t total = 0;
    int64_t done = 0, n;

    for (uint64_t i = 0; is_log(a[0]) && i < a[2]; i++) {
        bool fits = iov[i].iov_len <= sizeof(line) - total;
        if (!fits) {
            n = rt_log_write(line, total);
            total = 0;
            fits = iov[i].iov_len <= sizeof(line);
            if (n < 0) {
                return n;
            }
        }
        if (fits) {
            memcpy(line + total, iov[i].iov_base, iov[i].iov_len);
            total += iov[i].iov_len;
        } else if ((n = rt_log_write(iov[i].iov_base, iov[i].iov_len)) < 0) {
            return n;
        }
        done += (int64_t)iov[i].iov_len;
    }
    n = is_log(a[0]) ? rt_log_write(line, total) : -EBADF;
    return n < 0 ? n : done;
}

static int64_t do_read(const uint64_t *a)
{
    return rt_file_read((int)a[0], (void *)a[1], a[2]);
}

static int64_t do_readv(const uint64_t *a)
{
    const struct iovec *iov = (const struct iovec *)a[1];
    int64_t done = 0;

    for (uint64_t i = 0; i < a[2]; i++) {
        if (iov[i].iov_len == 0) {
            continue;
        }
        int64_t n = rt_file_read((int)a[0], iov[i].iov_base, iov[i].iov_len);
        if (n < 0) {
            return done ? done : n;
        }
        done += n;
        if ((size_t)n < iov[i].iov_len) {
            break;
        }
    }
    return done;
}

static int64_t do_pread(const uint64_t *a)
{
    return rt_file_pread((int)a[0], (void *)a[1], a[2], a[3]);
}

static int64_t do_open(const uint64_t *a)
{
    return rt_file_open((const char *)a[0], (int)a[1]);
}

static int64_t do_openat(const uint64_t *a)
{
    return rt_file_open((const char *)a[1], (int)a[2]);
}

static int64_t do_close(const uint64_t *a)
{
    return rt_file_close((int)a[0]);
}

static int64_t do_lseek(const uint64_t *a)
{
    return rt_file_seek((int)a[0], (int64_t)a[1], (int)a[2]);
}

static int64_t do_fstat(const uint64_t *a)
{
    return rt_file_stat((int)a[0], (struct stat *)a[1]);
}

static int64_t stat_path(const char *path, struct stat *st)
{
    int64_t fd = rt_file_open(path, O_RDONLY);

    if (fd < 0) {
        return fd;
    }
    int64_t res = rt_file_stat((int)fd, st);
    (void)rt_file_close((int)fd);
    return res;
}

static int64_t do_stat(const uint64_t *a)
{
    return stat_path((const char *)a[0], (struct stat *)a[1]);
}

static int64_t do_fstatat(const uint64_t *a)
{
    const char *path = (const char *)a[1];

    return *path ? stat_path(path, (struct stat *)a[2]) : rt_file_stat((int)a[0], (struct stat *)a[2]);
}

static int64_t do_access(const uint64_t *a)
{
    struct stat st;

    return a[1] & (W_OK | X_OK) ? -EACCES : stat_path((const char *)a[0], &st);
}

static int64_t do_mmap(const uint64_t *a)
{
    if ((a[3] & MAP_FIXED) || (a[2] & PROT_EXEC)) {
        return -EINVAL;
    }
    if (!(a[3] & MAP_ANONYMOUS)) {
        bool shared_write = (a[3] & MAP_SHARED) && (a[2] & PROT_WRITE);
        return shared_write ? -EACCES : rt_file_map((int)a[4], a[1], a[5]);
    }
    void *p = rt_memory_map(a[1]);
    return p ? (int64_t)p : -ENOMEM;
}

static int64_t do_munmap(const uint64_t *a)
{
    return rt_memory_unmap((void *)a[0], a[1]);
}

/* Anonymous memory is always readable and writable; less is granted by leaving it so, more is not. */
static int64_t do_mprotect(const uint64_t *a)
{
    return a[2] & PROT_EXEC ? -EACCES : 0;
}

static int64_t do_nomem(const uint64_t *a)
{
    (void)a;
    return -ENOMEM;
}

/* There is no program break: the C library then takes all memory by mmap. */
static int64_t do_zero(const uint64_t *a)
{
    (void)a;
    return 0;
}

static int64_t do_getpid(const uint64_t *a)
{
    (void)a;
    return 1;
}

/* Seconds since 1970 at which the kernel's clock was 0, as moe read it from the PC's clock; 0: not known. */
static uint64_t clock_epoch_s(void)
{
    uint64_t seconds = 0;

    for (const char *c = getenv("SKERRY_EPOCH"); c && *c >= '0' && *c <= '9'; c++) {
        seconds = seconds * 10 + (uint64_t)(*c - '0');
    }
    return seconds;
}

static int64_t do_clock_gettime(const uint64_t *a)
{
    struct timespec *ts = (struct timespec *)a[1];
    uint64_t now = sys_now_ns();
    uint64_t epoch = a[0] == CLOCK_REALTIME || a[0] == CLOCK_REALTIME_COARSE ? clock_epoch_s() : 0;

    *ts = (struct timespec){.tv_sec = (time_t)(epoch + now / NS_PER_S), .tv_nsec = (long)(now % NS_PER_S)};
    return 0;
}

static int64_t do_clock_getres(const uint64_t *a)
{
    struct timespec *ts = (struct timespec *)a[1];

    if (ts) {
        *ts = (struct timespec){.tv_nsec = 1};
    }
    return 0;
}

static bool timespec_ns(const struct timespec *ts, uint64_t *ns)
{
    uint64_t limit = UINT64_MAX / NS_PER_S / 2;

    if (ts->tv_sec < 0 || ts->tv_nsec < 0 || (uint64_t)ts->tv_nsec >= NS_PER_S) {
        return false;
    }
    uint64_t s = (uint64_t)ts->tv_sec < limit ? (uint64_t)ts->tv_sec : limit;
    *ns = s * NS_PER_S + (uint64_t)ts->tv_nsec;
    return true;
}

/* Sleeps by calling a gate that nobody serves, with a deadline: no event of the program is taken meanwhile. */
static int64_t sleep_until(uint64_t deadline)
{
    static cap_t gate;
    int64_t err = gate != CAP_NULL ? (int64_t)gate : sys_gate_create(CAP_QUOTA);

    if (err < 0) {
        return -ENOMEM;
    }
    gate = (cap_t)err;
    err = sys_call(gate, TAG(0, 0, 0), deadline);
    return err == SK_ETIMEDOUT ? 0 : -EINTR;
}

static int64_t do_nanosleep(const uint64_t *a)
{
    uint64_t ns;

    return timespec_ns((const struct timespec *)a[0], &ns) ? sleep_until(sys_now_ns() + ns) : -EINVAL;
}

static int64_t do_clock_nanosleep(const uint64_t *a)
{
    uint64_t ns;

    if (!timespec_ns((const struct timespec *)a[2], &ns)) {
        return -EINVAL;
    }
    return sleep_until(a[1] & TIMER_ABSTIME ? ns : sys_now_ns() + ns);
}

static int64_t do_exit(const uint64_t *a)
{
    rt_exit((int)a[0] & 0xff);
}

/* abort() and raise(): no signal has a handler here, so each ends the program. */
static int64_t do_kill(const uint64_t *a)
{
    uint64_t signal = a[1];

    if (signal == 0) {
        return 0;
    }
    rt_log_format("%s: ended itself with signal %lu\n", rt_program_name(), signal);
    rt_exit(128 + (int64_t)(signal & 0x7f));
}

static int64_t do_tgkill(const uint64_t *a)
{
    return do_kill(a + 1);
}

static int64_t do_arch_prctl(const uint64_t *a)
{
    if (a[0] != ARCH_SET_FS_CODE || sys_thread_set(CAP_THREAD, THREAD_FS_BASE, a[1]) < 0) {
        return -EINVAL;
    }
    sk_tls_ready();
    return 0;
}

/* The log is a console: standard output is then written line by line and not by the block. */
static int64_t do_ioctl(const uint64_t *a)
{
    return a[0] <= STDERR_FILENO ? 0 : -ENOTTY;
}

static int64_t do_fcntl(const uint64_t *a)
{
    struct stat st;
    int64_t err = rt_file_stat((int)a[0], &st);

    if (err < 0) {
        return err;
    }
    return a[1] == F_DUPFD || a[1] == F_DUPFD_CLOEXEC ? -EMFILE : 0;
}

/* A waiter is let go at once and looks again, as after a spurious wake-up; the C library's locks allow for it. */
static int64_t do_futex(const uint64_t *a)
{
    switch (FUTEX_CMD(a[1])) {
    case FUTEX_OP_WAIT:
        if (*(volatile uint32_t *)a[0] != (uint32_t)a[2]) {
            return -EAGAIN;
        }
        sys_thread_yield();
        return 0;
    case FUTEX_OP_WAKE:
        return 0;
    default:
        return -ENOSYS;
    }
}

static uint64_t random_word(void)
{
    static uint64_t state;
    uint32_t a, b, c = 0, d, lo, hi;
    uint64_t hw = 0;

    /* RDRAND [SDM-1 7.3.17] where the processor has it; else only the time stamp counter feeds the mixer, which
     * is not good enough for keys. */
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "+c"(c), "=d"(d) : "a"(1));
    if (c & 1u << 30) {
        for (int i = 0; i < 10; i++) {
            uint8_t ok;
            __asm__ volatile("rdrand %0; setc %1" : "=r"(hw), "=qm"(ok) : : "cc");
            if (ok) {
                return hw;
            }
        }
    }
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    state = (state ^ ((uint64_t)hi << 32 | lo)) * 0x9e3779b97f4a7c15ull;
    return state ^ state >> 29;
}

static int64_t do_getrandom(const uint64_t *a)
{
    char *out = (char *)a[0];

    for (uint64_t done = 0; done < a[1]; done += sizeof(uint64_t)) {
        uint64_t word = random_word();
        uint64_t left = a[1] - done;
        memcpy(out + done, &word, left < sizeof(word) ? left : sizeof(word));
    }
    return (int64_t)a[1];
}

static int64_t do_uname(const uint64_t *a)
{
    struct utsname *u = (struct utsname *)a[0];

    *u = (struct utsname){.sysname = "Skerry", .nodename = "skerry", .machine = "x86_64"};
    memcpy(u->release, sys_kinfo()->version, sizeof(u->release) - 1);
    return 0;
}

static int64_t do_getcwd(const uint64_t *a)
{
    if (a[1] < 2) {
        return -ERANGE;
    }
    memcpy((char *)a[0], "/", 2);
    return 2;
}

static const linux_fn calls[] = {
    [SYS_read] = do_read,
    [SYS_write] = do_write,
    [SYS_open] = do_open,
    [SYS_close] = do_close,
    [SYS_stat] = do_stat,
    [SYS_fstat] = do_fstat,
    [SYS_lstat] = do_stat,
    [SYS_lseek] = do_lseek,
    [SYS_mmap] = do_mmap,
    [SYS_mprotect] = do_mprotect,
    [SYS_munmap] = do_munmap,
    [SYS_brk] = do_zero,
    [SYS_rt_sigaction] = do_zero,
    [SYS_rt_sigprocmask] = do_zero,
    [SYS_ioctl] = do_ioctl,
    [SYS_pread64] = do_pread,
    [SYS_pwrite64] = do_write,
    [SYS_readv] = do_readv,
    [SYS_writev] = do_writev,
    [SYS_access] = do_access,
    [SYS_mremap] = do_nomem,
    [SYS_madvise] = do_zero,
    [SYS_nanosleep] = do_nanosleep,
    [SYS_getpid] = do_getpid,
    [SYS_exit] = do_exit,
    [SYS_uname] = do_uname,
    [SYS_fcntl] = do_fcntl,
    [SYS_getcwd] = do_getcwd,
    [SYS_getuid] = do_zero,
    [SYS_getgid] = do_zero,
    [SYS_geteuid] = do_zero,
    [SYS_getegid] = do_zero,
    [SYS_arch_prctl] = do_arch_prctl,
    [SYS_gettid] = do_getpid,
    [SYS_kill] = do_kill,
    [SYS_tkill] = do_kill,
    [SYS_futex] = do_futex,
    [SYS_set_tid_address] = do_getpid,
    [SYS_clock_gettime] = do_clock_gettime,
    [SYS_clock_getres] = do_clock_getres,
    [SYS_clock_nanosleep] = do_clock_nanosleep,
    [SYS_exit_group] = do_exit,
    [SYS_tgkill] = do_tgkill,
    [SYS_openat] = do_openat,
    [SYS_newfstatat] = do_fstatat,
    [SYS_getrandom] = do_getrandom,
};
#define CALL_COUNT (sizeof(calls) / sizeof(calls[0]))

/* One line for each call that is not served, the first time; numbers beyond the map share its last bit. */
static void report_unknown(uint64_t nr)
{
    static uint64_t seen[8];
    uint64_t bit = nr < 511 ? nr : 511;

    if (!(seen[bit / 64] >> bit % 64 & 1)) {
        seen[bit / 64] |= 1ull << bit % 64;
        rt_log_format("%s: Linux system call %lu is not served here (-ENOSYS)\n", rt_program_name(), nr);
    }
}

int64_t rt_linux_call(uint64_t nr, const uint64_t arg[6])
{
    if (nr < CALL_COUNT && calls[nr]) {
        return calls[nr](arg);
    }
    report_unknown(nr);
    return -ENOSYS;
}
