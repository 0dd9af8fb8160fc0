// SPDX-License-Identifier: MIT
/* libext2fs on top of boot_disk: an I/O manager [e2fsprogs: libext2fs, "I/O Manager"] with a few windows of read-ahead,
 * as the library asks for one block at a time. */
#include "extfs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <util/bits.h>

#include <ext2fs/ext2fs.h>

#define WINDOWS 4u /* metadata and data alternate */
#define WINDOW_BYTES (256u << 10)
#define NO_WINDOW UINT64_MAX

struct window {
    uint64_t off; /* in the file system, a multiple of WINDOW_BYTES, or NO_WINDOW */
    uint32_t used;
    uint8_t *data;
};

struct extfs {
    ext2_filsys fs;
    const struct boot_disk *disk;
    uint64_t start, size;
    uint32_t clock;
    struct window window[WINDOWS];
    uint8_t data[WINDOWS][WINDOW_BYTES];
};

static struct extfs *opening; /* ext2fs_open() takes a name only */

/* --- blocks --- */

static struct window *window_get(struct extfs *x, uint64_t off)
{
    struct window *w = x->window;

    for (unsigned i = 0; i < WINDOWS; i++) {
        if (x->window[i].off == off) {
            x->window[i].used = ++x->clock;
            return &x->window[i];
        }
        w = x->window[i].used < w->used ? &x->window[i] : w;
    }
    w->off = NO_WINDOW;
    size_t len = (size_t)min((uint64_t)WINDOW_BYTES, x->size - off);
    if (x->disk->read(x->disk->ctx, x->start + off, w->data, len) != 0) {
        return NULL;
    }
    w->off = off;
    w->used = ++x->clock;
    return w;
}

static errcode_t bytes_read(struct extfs *x, uint64_t off, uint8_t *buf, uint64_t len)
{
    if (!range_ok(off, len, x->size)) {
        return EXT2_ET_SHORT_READ;
    }
    while (len > 0) {
        uint64_t base = align_down(off, WINDOW_BYTES), part = min(len, base + WINDOW_BYTES - off);
        const struct window *w = window_get(x, base);

        if (w == NULL) {
            return EXT2_ET_SHORT_READ;
        }
        memcpy(buf, w->data + (off - base), part);
        off += part;
        buf += part;
        len -= part;
    }
    return 0;
}

/* --- the I/O manager --- */

static struct struct_io_manager manager;

static errcode_t io_open(const char *name, int flags, io_channel *channel)
{
    io_channel io = calloc(1, sizeof(*io));

    if (io == NULL || (flags & IO_FLAG_RW)) {
        free(io);
        return io == NULL ? EXT2_ET_NO_MEMORY : EXT2_ET_RO_FILSYS;
    }
    io->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    io->manager = &manager;
    io->name = strdup(name);
    io->block_size = 1024;
    io->refcount = 1;
    io->private_data = opening;
    *channel = io;
    return 0;
}

static errcode_t io_close(io_channel io)
{
    if (--io->refcount > 0) {
        return 0;
    }
    free(io->name);
    free(io);
    return 0;
}

static errcode_t io_set_blksize(io_channel io, int size)
{
    io->block_size = size;
    return 0;
}

/* A negative count is a number of bytes. */
static errcode_t io_read64(io_channel io, unsigned long long block, int count, void *buf)
{
    uint64_t size = (uint64_t)io->block_size, len = count < 0 ? -(uint64_t)count : (uint64_t)count * size;

    return block > UINT64_MAX / size ? EXT2_ET_SHORT_READ : bytes_read(io->private_data, block * size, buf, len);
}

static errcode_t io_read(io_channel io, unsigned long block, int count, void *buf)
{
    return io_read64(io, block, count, buf);
}

static errcode_t io_write64(io_channel io, unsigned long long block, int count, const void *buf)
{
    (void)io, (void)block, (void)count, (void)buf;
    return EXT2_ET_RO_FILSYS;
}

static errcode_t io_write(io_channel io, unsigned long block, int count, const void *buf)
{
    return io_write64(io, block, count, buf);
}

static errcode_t io_flush(io_channel io)
{
    (void)io;
    return 0;
}

static struct struct_io_manager manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "uvmm",
    .open = io_open,
    .close = io_close,
    .set_blksize = io_set_blksize,
    .read_blk = io_read,
    .write_blk = io_write,
    .flush = io_flush,
    .read_blk64 = io_read64,
    .write_blk64 = io_write64,
};

/* --- file systems --- */

#define SUPERBLOCK_OFF 1024u
#define SUPERBLOCK_END 4096u /* of what is read for it: a multiple of every block size */
#define SUPERBLOCK_MAGIC_OFF 56u

bool extfs_probe(const struct boot_disk *d, uint64_t start, uint64_t size)
{
    uint8_t head[SUPERBLOCK_END];
    uint16_t magic;

    if (size < sizeof(head) || sizeof(head) % d->block || d->read(d->ctx, start, head, sizeof(head)) != 0) {
        return false;
    }
    memcpy(&magic, head + SUPERBLOCK_OFF + SUPERBLOCK_MAGIC_OFF, sizeof(magic));
    return magic == EXT2_SUPER_MAGIC;
}

static const char *open_error(errcode_t err)
{
    switch (err) {
    case EXT2_ET_NO_MEMORY:
        return "no memory";
    case EXT2_ET_UNSUPP_FEATURE:
    case EXT2_ET_RO_UNSUPP_FEATURE:
        return "it has features that this version does not know";
    case EXT2_ET_SB_CSUM_INVALID:
        return "its superblock's checksum is wrong; e2fsck can repair it";
    default:
        return "it is damaged; e2fsck can repair it";
    }
}

const char *extfs_open(const struct boot_disk *d, uint64_t start, uint64_t size, struct extfs **fs)
{
    struct extfs *x = malloc(sizeof(*x));

    if (x == NULL) {
        return open_error(EXT2_ET_NO_MEMORY);
    }
    x->fs = NULL;
    x->disk = d;
    x->start = start;
    x->size = align_down(size, d->block);
    x->clock = 0;
    for (unsigned i = 0; i < WINDOWS; i++) {
        x->window[i] = (struct window){NO_WINDOW, 0, x->data[i]};
    }
    opening = x;
    errcode_t err = ext2fs_open(d->name, EXT2_FLAG_64BITS, 0, 0, &manager, &x->fs);
    if (err != 0) {
        free(x);
        return open_error(err);
    }
    *fs = x;
    return NULL;
}

void extfs_close(struct extfs *x)
{
    ext2fs_free(x->fs);
    free(x);
}

/* --- files --- */

static enum extfs_result result_of(errcode_t err, const char **why)
{
    if (err == EXT2_ET_NO_MEMORY) {
        return EXTFS_NO_MEMORY;
    }
    *why = err == EXT2_ET_SYMLINK_LOOP ? "its symbolic links form a loop; name another file with -k or -r"
                                       : "the file system is damaged there; e2fsck can repair it";
    return EXTFS_ERROR;
}

static enum extfs_result contents_read(struct extfs *x, ext2_ino_t ino, uint64_t size, uint8_t *buf, const char **why)
{
    ext2_file_t file;
    errcode_t err = ext2fs_file_open(x->fs, ino, 0, &file);

    if (err != 0) {
        return result_of(err, why);
    }
    for (uint64_t done = 0; err == 0 && done < size;) {
        unsigned got = 0, want = (unsigned)min(size - done, (uint64_t)WINDOW_BYTES);

        err = ext2fs_file_read(file, buf + done, want, &got);
        err = err == 0 && got == 0 ? EXT2_ET_SHORT_READ : err;
        done += got;
    }
    (void)ext2fs_file_close(file); /* nothing was written */
    buf[size] = 0;
    return err == 0 ? EXTFS_OK : result_of(err, why);
}

bool extfs_has(struct extfs *x, const char *path)
{
    ext2_ino_t ino;

    return ext2fs_namei_follow(x->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino) == 0;
}

enum extfs_result extfs_read(struct extfs *x, const char *path, uint64_t max, void **data, size_t *size,
                             const char **why)
{
    struct ext2_inode inode;
    ext2_ino_t ino;
    errcode_t err = ext2fs_namei_follow(x->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino);

    if (err == EXT2_ET_FILE_NOT_FOUND || err == EXT2_ET_NO_DIRECTORY) {
        return EXTFS_NONE;
    }
    err = err == 0 ? ext2fs_read_inode(x->fs, ino, &inode) : err;
    if (err != 0) {
        return result_of(err, why);
    }
    if (!LINUX_S_ISREG(inode.i_mode)) {
        *why = "it is not a regular file; name another with -k or -r";
        return EXTFS_ERROR;
    }
    *size = EXT2_I_SIZE(&inode);
    if (*size > max) {
        return EXTFS_TOO_LARGE;
    }
    *data = malloc(*size + 1);
    if (*data == NULL) {
        return EXTFS_NO_MEMORY;
    }
    enum extfs_result r = contents_read(x, ino, *size, *data, why);
    if (r != EXTFS_OK) {
        free(*data);
    }
    return r;
}
