/* A disk that loses power, a disk that fails, and a death at an exact place: preloaded (LD_PRELOAD) into the program under test.
 *
 * Everything that the program writes below HOLDBACK_LIVE happens there at once, as in a page cache. What has reached the disk
 * is kept beside it, below HOLDBACK_DURABLE, and grows only at fsync and fdatasync: first half of what is new, a nap, then
 * the rest. Names (created, renamed, removed) reach the disk only at the fsync of their directory. A power cut is a kill
 * after which the one is replaced by the other; tests/src/rig/holdback.rs does that and says what the files mean.
 *
 * HOLDBACK_KILL=disk:N | net:N   the program dies (SIGKILL) in place of its Nth operation; a write dies half-way
 * HOLDBACK_FAIL=N:COUNT:ERRNO    operations N to N+COUNT-1 on the disk fail with this error; a write comes half-way first.
 *                                What a failed fsync was to write is lost for ever, whatever the next fsync says.
 * HOLDBACK_NOTE=FILE             how many operations there were, one line each: number, kind, path
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PASS, FAIL };

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *live, *durable, *note;
static size_t live_len;
static long kill_disk, kill_net, fail_from, fail_count, fail_errno;
static long disk_ops, net_ops;

static int (*r_open)(const char *, int, ...);
static int (*r_openat)(int, const char *, int, ...);
static int (*r_creat)(const char *, mode_t);
static ssize_t (*r_write)(int, const void *, size_t);
static ssize_t (*r_writev)(int, const struct iovec *, int);
static ssize_t (*r_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*r_send)(int, const void *, size_t, int);
static ssize_t (*r_sendto)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
static ssize_t (*r_sendmsg)(int, const struct msghdr *, int);
static int (*r_fsync)(int), (*r_fdatasync)(int);
static int (*r_ftruncate)(int, off_t);
static int (*r_rename)(const char *, const char *), (*r_unlink)(const char *), (*r_mkdir)(const char *, mode_t);

static void setup(void) {
    *(void **)&r_open = dlsym(RTLD_NEXT, "open64");
    *(void **)&r_openat = dlsym(RTLD_NEXT, "openat64");
    *(void **)&r_creat = dlsym(RTLD_NEXT, "creat64");
    *(void **)&r_write = dlsym(RTLD_NEXT, "write");
    *(void **)&r_writev = dlsym(RTLD_NEXT, "writev");
    *(void **)&r_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    *(void **)&r_send = dlsym(RTLD_NEXT, "send");
    *(void **)&r_sendto = dlsym(RTLD_NEXT, "sendto");
    *(void **)&r_sendmsg = dlsym(RTLD_NEXT, "sendmsg");
    *(void **)&r_fsync = dlsym(RTLD_NEXT, "fsync");
    *(void **)&r_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    *(void **)&r_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    *(void **)&r_rename = dlsym(RTLD_NEXT, "rename");
    *(void **)&r_unlink = dlsym(RTLD_NEXT, "unlink");
    *(void **)&r_mkdir = dlsym(RTLD_NEXT, "mkdir");
    live = getenv("HOLDBACK_LIVE");
    durable = getenv("HOLDBACK_DURABLE");
    note = getenv("HOLDBACK_NOTE");
    live_len = live ? strlen(live) : 0;
    const char *kill_at = getenv("HOLDBACK_KILL"), *fail = getenv("HOLDBACK_FAIL");
    if (kill_at && sscanf(kill_at, "disk:%ld", &kill_disk) != 1) sscanf(kill_at, "net:%ld", &kill_net);
    if (fail) sscanf(fail, "%ld:%ld:%ld", &fail_from, &fail_count, &fail_errno);
}

#define READY pthread_once(&once, setup)

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Below the live directory, or that itself. */
static int within(const char *path) {
    return live_len && path && strncmp(path, live, live_len) == 0 && (path[live_len] == '/' || path[live_len] == 0);
}

/* The file's path when it is a file or directory below the live directory. */
static int mine(int fd, struct stat *st, char path[PATH_MAX]) {
    char link[64];
    if (!live_len || fstat(fd, st) || !(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return within(path);
}

/* One operation on the disk. Gives whether it fails; `dying` is set when the program is to die in it. */
static int disk(const char *kind, const char *path, int *dying) {
    long number = ++disk_ops;
    *dying = kill_disk && number == kill_disk;
    if (note) {
        char line[PATH_MAX + 64];
        int fd = r_open(note, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        int n = snprintf(line, sizeof line, "%ld %s %s\n", number, kind, path);
        if (fd >= 0) {
            if (r_write(fd, line, n) < 0) { /* a note only */ }
            close(fd);
        }
    }
    return fail_count && number >= fail_from && number < fail_from + fail_count ? FAIL : PASS;
}

/* An operation that happens or does not. Gives 1 when it fails. */
static int whole(const char *kind, const char *path) {
    int dying;
    int how = disk(kind, path, &dying);
    if (dying) die();
    if (how == FAIL) errno = fail_errno;
    return how == FAIL;
}

/* Something is about to leave the program: to the network or to whoever reads its output. */
static void leaving(void) {
    if (live_len && ++net_ops == kill_net) die();
}

/* ---- what has reached the disk ---- */

static void place(char *out, const char *kind, ino_t ino) {
    snprintf(out, PATH_MAX, "%s/%s/%lu", durable, kind, (unsigned long)ino);
}

/* As long as it has this second name its number is given to no other file. */
static void pin(const char *path, ino_t ino) {
    char pinned[PATH_MAX];
    place(pinned, "pin", ino);
    if (linkat(AT_FDCWD, path, AT_FDCWD, pinned, AT_SYMLINK_FOLLOW)) { /* it has it */ }
}

/* Bytes that a failed fsync has thrown away: from `*from` to `*to`. */
static void thrown_away(ino_t ino, off_t *from, off_t *to) {
    char path[PATH_MAX], text[64] = {0};
    place(path, "bad", ino);
    *from = *to = 0;
    int fd = r_open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (read(fd, text, sizeof text - 1) > 0) sscanf(text, "%ld %ld", from, to);
    close(fd);
}

static void throw_away(ino_t ino, off_t from, off_t to) {
    char path[PATH_MAX], text[64];
    place(path, "bad", ino);
    if (from >= to) {
        r_unlink(path);
        return;
    }
    int fd = r_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int n = snprintf(text, sizeof text, "%ld %ld", (long)from, (long)to);
    if (fd < 0 || r_write(fd, text, n) != n) abort();
    close(fd);
}

/* Where the two files begin to differ. */
static off_t common(int a, int b) {
    char x[4096], y[4096];
    off_t at = 0;
    for (;;) {
        ssize_t n = pread(a, x, sizeof x, at), m = pread(b, y, sizeof y, at);
        ssize_t least = n < m ? n : m, i = 0;
        while (i < least && x[i] == y[i]) i++;
        at += i > 0 ? i : 0;
        if (i < (ssize_t)sizeof x) return at;
    }
}

static void copy(int from, int to, off_t at, off_t end, off_t bad, off_t bad_end) {
    char bytes[4096];
    while (at < end) {
        ssize_t n = pread(from, bytes, end - at < (off_t)sizeof bytes ? (size_t)(end - at) : sizeof bytes, at);
        if (n <= 0) return;
        for (ssize_t i = 0; i < n; i++)
            if (at + i >= bad && at + i < bad_end) bytes[i] = 0;
        if (r_pwrite(to, bytes, n, at) != n) abort();
        at += n;
    }
}

static void sync_file(int fd, const struct stat *st, int dying, int failing) {
    char self[64], path[PATH_MAX];
    off_t bad, bad_end;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    pin(self, st->st_ino);
    place(path, "ino", st->st_ino);
    int from = r_open(self, O_RDONLY | O_CLOEXEC), to = r_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (from < 0 || to < 0) abort();
    off_t same = common(from, to), end = st->st_size, half = same + (end - same) / 2;
    if (failing) {
        throw_away(st->st_ino, same, end);
    } else {
        thrown_away(st->st_ino, &bad, &bad_end);
        if (r_ftruncate(to, same)) abort();
        copy(from, to, same, half, bad, bad_end);
        if (dying) die();
        usleep(500);
        copy(from, to, half, end, bad, bad_end);
    }
    close(from);
    close(to);
}

/* The names in a directory, one a line: f or d, inode, name. */
static void sync_names(const char *dir, const struct stat *st) {
    char path[PATH_MAX], fresh[PATH_MAX + 8], child[PATH_MAX], line[PATH_MAX];
    struct stat each;
    place(path, "dir", st->st_ino);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int to = r_open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    DIR *names = opendir(dir);
    if (to < 0 || !names) abort();
    for (struct dirent *name; (name = readdir(names));) {
        if (!strcmp(name->d_name, ".") || !strcmp(name->d_name, "..")) continue;
        if (snprintf(child, sizeof child, "%s/%s", dir, name->d_name) >= PATH_MAX || lstat(child, &each)) continue;
        if (!S_ISREG(each.st_mode) && !S_ISDIR(each.st_mode)) continue;
        if (S_ISREG(each.st_mode)) pin(child, each.st_ino);
        int n = snprintf(line, sizeof line, "%c %lu %s\n", S_ISREG(each.st_mode) ? 'f' : 'd',
                         (unsigned long)each.st_ino, name->d_name);
        if (r_write(to, line, n) != n) abort();
    }
    closedir(names);
    close(to);
    if (r_rename(fresh, path)) abort();
}

static int sync_any(int fd, int (*real)(int)) {
    struct stat st;
    char path[PATH_MAX];
    int dying;
    READY;
    if (!mine(fd, &st, path)) return real(fd);
    pthread_mutex_lock(&turn);
    int failing = disk("sync", path, &dying) == FAIL;
    if (dying && !durable) die();
    if (durable && S_ISREG(st.st_mode)) sync_file(fd, &st, dying, failing);
    if (dying) die();
    if (durable && S_ISDIR(st.st_mode) && !failing) sync_names(path, &st);
    pthread_mutex_unlock(&turn);
    if (failing) {
        errno = fail_errno;
        return -1;
    }
    return real(fd);
}

int fsync(int fd) { READY; return sync_any(fd, r_fsync); }
int fdatasync(int fd) { READY; return sync_any(fd, r_fdatasync); }

/* ---- the program's own operations ---- */

/* Whether opening makes a file here. */
static int makes(const char *path, int flags) {
    struct stat st;
    return (flags & O_CREAT) && within(path) && lstat(path, &st);
}

#define OPEN(real, ...)                                                                      \
    mode_t mode = 0;                                                                         \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                   \
        va_list rest;                                                                        \
        va_start(rest, flags);                                                               \
        mode = va_arg(rest, mode_t);                                                         \
        va_end(rest);                                                                        \
    }                                                                                        \
    READY;                                                                                   \
    if (makes(path, flags)) {                                                                \
        pthread_mutex_lock(&turn);                                                           \
        int failed = whole("create", path);                                                  \
        pthread_mutex_unlock(&turn);                                                         \
        if (failed) return -1;                                                               \
    }                                                                                        \
    return real(__VA_ARGS__, mode);

int open(const char *path, int flags, ...) { OPEN(r_open, path, flags) }
int open64(const char *path, int flags, ...) { OPEN(r_open, path, flags) }
int openat(int dir, const char *path, int flags, ...) { OPEN(r_openat, dir, path, flags) }
int openat64(int dir, const char *path, int flags, ...) { OPEN(r_openat, dir, path, flags) }
int creat(const char *path, mode_t mode) { return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* A write of `size` bytes: how many of them are to be written, after which the program may have to die; -1: it fails. */
static ssize_t much(const char *path, size_t size, int *dying) {
    int first = disk_ops + 1 == fail_from;
    int how = disk("write", path, dying);
    if (*dying) return size / 2;
    if (how == PASS) return size;
    if (first && size > 1) return size / 2;
    errno = fail_errno;
    return -1;
}

static int talks(int fd) {
    struct stat st;
    return fd == 1 || (fd > 2 && !fstat(fd, &st) && S_ISSOCK(st.st_mode));
}

#define WRITE(size, real_call)                                                               \
    struct stat st;                                                                          \
    char path[PATH_MAX];                                                                     \
    int dying;                                                                               \
    READY;                                                                                   \
    if (!mine(fd, &st, path)) {                                                              \
        if (talks(fd)) leaving();                                                            \
        return real_call(size);                                                              \
    }                                                                                        \
    pthread_mutex_lock(&turn);                                                               \
    ssize_t count = much(path, size, &dying), written = count < 0 ? -1 : real_call(count);   \
    if (dying) die();                                                                        \
    pthread_mutex_unlock(&turn);                                                             \
    return written;

ssize_t write(int fd, const void *bytes, size_t size) {
#define REAL(n) r_write(fd, bytes, n)
    WRITE(size, REAL)
#undef REAL
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) {
#define REAL(n) r_pwrite(fd, bytes, n, at)
    WRITE(size, REAL)
#undef REAL
}
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    struct stat st;
    char path[PATH_MAX];
    READY;
    /* To a file of the live directory: part by part, as a system may do it. */
    if (count > 0 && mine(fd, &st, path)) return write(fd, parts[0].iov_base, parts[0].iov_len);
    if (talks(fd)) leaving();
    return r_writev(fd, parts, count);
}

ssize_t send(int fd, const void *bytes, size_t size, int flags) {
    READY;
    leaving();
    return r_send(fd, bytes, size, flags);
}
ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
    READY;
    leaving();
    return r_sendto(fd, bytes, size, flags, to, length);
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    READY;
    leaving();
    return r_sendmsg(fd, message, flags);
}

int ftruncate64(int fd, off_t length) {
    struct stat st;
    char path[PATH_MAX];
    READY;
    if (mine(fd, &st, path)) {
        pthread_mutex_lock(&turn);
        int failed = whole("truncate", path);
        if (!failed && durable) {
            off_t bad, bad_end;
            thrown_away(st.st_ino, &bad, &bad_end);
            if (bad < bad_end && length < bad_end) throw_away(st.st_ino, bad, length);
        }
        pthread_mutex_unlock(&turn);
        if (failed) return -1;
    }
    return r_ftruncate(fd, length);
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

#define NAMED(kind, path, counts, call)                                                      \
    struct stat st;                                                                          \
    READY;                                                                                   \
    if (within(path) && (lstat(path, &st) == 0) == counts) {                                                                      \
        pthread_mutex_lock(&turn);                                                           \
        int failed = whole(kind, path);                                                      \
        pthread_mutex_unlock(&turn);                                                         \
        if (failed) return -1;                                                               \
    }                                                                                        \
    return call;

/* What changes nothing (a name that is not there, or there already) is no operation. */
int rename(const char *from, const char *to) {
    struct stat st;
    READY;
    if (within(to) && lstat(from, &st) == 0) {
        pthread_mutex_lock(&turn);
        int failed = whole("rename", to);
        pthread_mutex_unlock(&turn);
        if (failed) return -1;
    }
    return r_rename(from, to);
}
int unlink(const char *path) { NAMED("unlink", path, 1, r_unlink(path)) }
int mkdir(const char *path, mode_t mode) { NAMED("mkdir", path, 0, r_mkdir(path, mode)) }
