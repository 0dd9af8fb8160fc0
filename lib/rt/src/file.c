// SPDX-License-Identifier: MIT
/* Files: rom/ read-only, mapped as long as they are open. Descriptors 0, 1 and 2 are the log. */
#include "rt_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sk/rom.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/bits.h>

#define FILES_MAX 32
#define FIRST_FILE 3

static struct file {
    bool used;
    const char *data; /* NULL: empty file */
    size_t size;
    uint64_t pos;
} files[FILES_MAX];

static struct file *file_of(int fd)
{
    int i = fd - FIRST_FILE;

    return i >= 0 && i < FILES_MAX && files[i].used ? &files[i] : NULL;
}

/* The name in rom/, or NULL for a path outside of it. */
static const char *rom_name(const char *path)
{
    path += *path == '/';
    return strncmp(path, "rom/", 4) == 0 ? path + 4 : NULL;
}

static int64_t file_map(struct file *f, const char *path)
{
    const char *name = rom_name(path);
    uint64_t size = 0;
    cap_t mem = CAP_NULL;

    if (!name) {
        return SK_ENOENT;
    }
    int64_t err = rom_open(name, &size, &mem);
    if (err < 0) {
        return err;
    }
    *f = (struct file){.used = true, .size = size};
    if (size) {
        f->data = vm_map(mem, 0, size, RIGHT_R, &err);
    }
    sys_cap_drop(mem);
    f->used = err >= 0;
    return err;
}

const void *rt_rom_map(const char *path, size_t *size)
{
    struct file f;

    if (file_map(&f, path) < 0) {
        return NULL;
    }
    *size = f.size;
    return f.data;
}

static int64_t linux_error(int64_t err)
{
    switch (err) {
    case SK_ENOENT:
        return -ENOENT;
    case SK_ENOMEM:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

int64_t rt_file_open(const char *path, int flags)
{
    struct rt_utcb_save save;
    int i = 0;

    if ((flags & O_ACCMODE) != O_RDONLY) {
        return -EROFS;
    }
    while (i < FILES_MAX && files[i].used) {
        i++;
    }
    if (i == FILES_MAX) {
        return -EMFILE;
    }
    rt_utcb_save(&save);
    int64_t err = file_map(&files[i], path);
    rt_utcb_restore(&save);
    return err < 0 ? linux_error(err) : i + FIRST_FILE;
}

int64_t rt_file_close(int fd)
{
    struct file *f = file_of(fd);

    if (!f) {
        return fd >= 0 && fd < FIRST_FILE ? 0 : -EBADF;
    }
    if (f->data) {
        vm_unmap((void *)f->data, f->size);
    }
    *f = (struct file){0};
    return 0;
}

int64_t rt_file_pread(int fd, void *buf, size_t size, uint64_t off)
{
    const struct file *f = file_of(fd);

    if (!f) {
        return -EBADF;
    }
    if (off >= f->size) {
        return 0;
    }
    size = min(size, f->size - off);
    memcpy(buf, f->data + off, size);
    return (int64_t)size;
}

int64_t rt_file_read(int fd, void *buf, size_t size)
{
    struct file *f = file_of(fd);

    if (fd == STDIN_FILENO) {
        return rt_log_read(buf, size);
    }
    if (!f) {
        return -EBADF;
    }
    int64_t n = rt_file_pread(fd, buf, size, f->pos);
    f->pos += (uint64_t)n;
    return n;
}

int64_t rt_file_seek(int fd, int64_t off, int whence)
{
    struct file *f = file_of(fd);
    int64_t base, pos;

    if (!f) {
        return fd >= 0 && fd < FIRST_FILE ? -ESPIPE : -EBADF;
    }
    switch (whence) {
    case SEEK_SET:
        base = 0;
        break;
    case SEEK_CUR:
        base = (int64_t)f->pos;
        break;
    case SEEK_END:
        base = (int64_t)f->size;
        break;
    default:
        return -EINVAL;
    }
    if (__builtin_add_overflow(base, off, &pos) || pos < 0) {
        return -EINVAL;
    }
    f->pos = (uint64_t)pos;
    return pos;
}

int64_t rt_file_stat(int fd, struct stat *st)
{
    const struct file *f = file_of(fd);

    if (!f && (fd < 0 || fd >= FIRST_FILE)) {
        return -EBADF;
    }
    *st = (struct stat){.st_nlink = 1, .st_blksize = (long)PAGE_SIZE};
    if (!f) {
        st->st_mode = S_IFCHR | 0600;
        return 0;
    }
    st->st_mode = S_IFREG | 0444;
    st->st_size = (off_t)f->size;
    st->st_blocks = (blkcnt_t)(align_up(f->size, 512) / 512);
    return 0;
}

int64_t rt_file_map(int fd, size_t size, uint64_t off)
{
    if (!file_of(fd)) {
        return -EBADF;
    }
    void *p = rt_memory_map(size);
    if (!p) {
        return -ENOMEM;
    }
    (void)rt_file_pread(fd, p, size, off);
    return (int64_t)p;
}
