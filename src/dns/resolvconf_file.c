/*
 * resolvconf_file.c: resolv.conf on the disk.
 */
#include "dns/resolvconf_file.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>

#include "base/sys.h"

enum { CHECK_MS = 1000 };

/* What does not fit is left out. */
static bool
read_all(int fd, struct buf *b)
{
	ssize_t n = 0;
	char *at;

	while ((at = buf_reserve(b, 4096)) != NULL && (n = sys.read(fd, at, 4096)) > 0)
		buf_commit(b, (size_t)n);
	return n >= 0;
}

static bool
read_file(const char *path, struct buf *text)
{
	int fd = sys.openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	bool good = fd != -1 && read_all(fd, text);

	if (fd != -1)
		sys.close(fd);
	return good;
}

static bool
is_same(const struct resolvconf_file *a, const struct resolvconf_file *b)
{
	return a->exists == b->exists && a->dev == b->dev && a->ino == b->ino &&
	       a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
	       a->mtime.tv_nsec == b->mtime.tv_nsec;
}

bool
resolvconf_file_changed(struct resolvconf_file *f, int64_t now_ms, struct buf *text)
{
	struct resolvconf_file now = {.path = f->path, .check_ms = now_ms + CHECK_MS};
	struct stat st;

	if (f->path == NULL || now_ms < f->check_ms)
		return false;
	f->check_ms = now.check_ms;
	if (sys.fstatat(AT_FDCWD, f->path, &st, 0) == 0) {
		now.exists = true;
		now.dev = st.st_dev;
		now.ino = st.st_ino;
		now.size = st.st_size;
		now.mtime = st.st_mtim;
	} else if (errno != ENOENT) {
		return false;
	}
	/* when it cannot be read the old servers stay, and we try again in a second */
	if (is_same(&now, f) || (now.exists && !read_file(f->path, text)))
		return false;
	*f = now;
	return true;
}
