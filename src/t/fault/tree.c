#include "tree.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "whole.h"

enum { FILE_MAX = 64 << 20, HASHED = 64 << 10 };

static void
join(char path[TREE_PATH_MAX], const char *dir, const char *name)
{
	if (snprintf(path, TREE_PATH_MAX, "%s/%s", dir, name) >= TREE_PATH_MAX)
		die(EX_SOFTWARE, "a path is too long: %s", path);
}

const char *
tree_path(const char *dir, const char *name)
{
	static char paths[TREE_PATHS][TREE_PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % TREE_PATHS];

	join(path, dir, name);
	return path;
}

void
tree_each(const char *path, tree_fn *fn, void *ctx)
{
	DIR *d = opendir(path);
	struct dirent *entry;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			fn(ctx, entry->d_name);
	closedir(d);
}

bool
tree_has(const char *dir, const char *name)
{
	char path[TREE_PATH_MAX];
	struct stat st;

	join(path, dir, name);
	return lstat(path, &st) == 0;
}

static void
read_file(const char *path, int fd, struct buf *out)
{
	ssize_t n;

	do {
		char *room = buf_reserve(out, HASHED);

		if (room == NULL || ((n = read(fd, room, HASHED)) < 0 && errno != EINTR))
			die(EX_IOERR, "cannot read %s: %s", path, strerror(errno));
		buf_commit(out, n > 0 ? (size_t)n : 0);
	} while (n != 0);
}

bool
tree_read(const char *dir, const char *name, struct buf *out)
{
	char path[TREE_PATH_MAX];
	int fd;

	join(path, dir, name);
	if ((fd = open(path, O_RDONLY)) < 0)
		return false;
	buf_init(out, FILE_MAX);
	read_file(path, fd, out);
	close(fd);
	return true;
}

/* --- copying --- */

static void
set_times(const char *path, const struct stat *st)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};

	if (utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) != 0)
		die(EX_IOERR, "cannot set the times of %s: %s", path, strerror(errno));
}

static void
copy_file(const char *from, const char *to, const struct stat *st)
{
	int in = open(from, O_RDONLY),
	    out = open(to, O_WRONLY | O_CREAT | O_EXCL, st->st_mode & 07777);
	struct buf all;

	if (in < 0 || out < 0)
		die(EX_IOERR, "cannot copy %s to %s: %s", from, to, strerror(errno));
	buf_init(&all, FILE_MAX);
	read_file(from, in, &all);
	if (write(out, buf_data(&all), buf_len(&all)) != (ssize_t)buf_len(&all))
		die(EX_IOERR, "cannot write %s: %s", to, strerror(errno));
	buf_free(&all);
	close(in);
	close(out);
}

struct copy {
	const char *from, *to;
};

static void copy_any(const char *from, const char *to);

static void
copy_one(void *ctx, const char *name)
{
	const struct copy *c = ctx;
	char from[TREE_PATH_MAX], to[TREE_PATH_MAX];

	join(from, c->from, name);
	join(to, c->to, name);
	copy_any(from, to);
}

static void
copy_any(const char *from, const char *to)
{
	struct copy c = {from, to};
	struct stat st;
	int r = 0;

	if (lstat(from, &st) != 0)
		die(EX_IOERR, "cannot see %s: %s", from, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		r = mkdir(to, st.st_mode & 07777);
		tree_each(from, copy_one, &c);
	} else if (S_ISFIFO(st.st_mode)) {
		r = mkfifo(to, st.st_mode & 07777);
	} else
		copy_file(from, to, &st);
	if (r != 0)
		die(EX_CANTCREAT, "cannot make %s: %s", to, strerror(errno));
	set_times(to, &st);
}

void
tree_copy(const char *from, const char *to)
{
	whole_remove(to);
	copy_any(from, to);
}

/* --- what is there --- */

struct hash {
	const char *dir;
	uint64_t sum; /* of what each name gives: their order does not matter */
};

static uint64_t
mix(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n-- > 0)
		h = (h ^ *p++) * 1099511628211U; /* FNV-1a */
	return h;
}

static void
hash_one(void *ctx, const char *name)
{
	struct hash *h = ctx;
	char path[TREE_PATH_MAX];
	struct stat st;
	uint64_t one, below;
	bool future;
	struct buf text;

	join(path, h->dir, name);
	if (lstat(path, &st) != 0)
		die(EX_IOERR, "cannot see %s: %s", path, strerror(errno));
	future = st.st_mtime > time(NULL);
	one = mix(14695981039346656037U, name, strlen(name));
	one = mix(one, &st.st_mode, sizeof(st.st_mode));
	one = mix(one, &future, sizeof(future));
	if (S_ISDIR(st.st_mode)) {
		below = tree_hash(path);
		one = mix(one, &below, sizeof(below));
	} else if (S_ISREG(st.st_mode))
		one = mix(one, &st.st_size, sizeof(st.st_size));
	if (S_ISREG(st.st_mode) && st.st_size <= HASHED && tree_read(h->dir, name, &text)) {
		one = mix(one, buf_data(&text), buf_len(&text));
		buf_free(&text);
	}
	h->sum += one;
}

uint64_t
tree_hash(const char *path)
{
	struct hash h = {.dir = path};

	tree_each(path, hash_one, &h);
	return h.sum;
}

struct age {
	const char *dir;
	int64_t seconds;
};

static void
age_one(void *ctx, const char *name)
{
	const struct age *a = ctx;
	char path[TREE_PATH_MAX];
	struct stat st;

	join(path, a->dir, name);
	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	st.st_mtim.tv_sec -= (time_t)a->seconds;
	set_times(path, &st);
}

void
tree_age(const char *path, int64_t seconds)
{
	struct age a = {path, seconds};

	tree_each(path, age_one, &a);
}
