/* import_folder.c: the folder of somebody else's queue: the process that has its owner's rights. */
#include "ctl/import_folder.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/packet.h"
#include "base/str.h"
#include "base/sys.h"

enum { NAME_MAX_BYTES = 255 };

enum op { OP_BEGIN = 1, OP_NEXT, OP_FILE, OP_LOCKED, OP_REMOVE, OP_SYNC, OP_MARK, OP_READER };

struct call {
	enum op op;
	char name[NAME_MAX_BYTES + 1];
};

struct answer {
	int error; /* errno, 0: none */
	struct folder_file file; /* its descriptor comes with the packet */
	char name[NAME_MAX_BYTES + 1];
};

struct served { /* in the other process */
	const char *path, *below;
	int dir;
	char **names;
	size_t n, cap, at;
	char mark[NAME_MAX_BYTES + 1]; /* "" none */
};

/* --- the other process -------------------------------------------------------------------- */

/* Root has the rights of anybody; where the folder is root's he keeps his own. */
static int
become_owner(const struct stat *st)
{
	gid_t gid = st->st_gid;

	if (geteuid() != 0 || st->st_uid == 0)
		return 0;
	if (setgroups(1, &gid) == -1 || setregid(gid, gid) == -1 ||
	    setreuid(st->st_uid, st->st_uid) == -1)
		return -1;
	if (seteuid(0) == 0) { /* never believed before it was tried */
		errno = EPERM;
		return -1;
	}
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
list(struct served *s)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (d == NULL)
		return -1;
	while (errno = 0, (de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.' || strlen(de->d_name) > NAME_MAX_BYTES)
			continue;
		s->names = xgrow((void *)s->names, s->n, &s->cap, sizeof(*s->names));
		s->names[s->n++] = xstrdup(de->d_name);
	}
	if (errno != 0)
		return -1;
	closedir(d);
	if (s->n > 0)
		qsort((void *)s->names, s->n, sizeof(*s->names), by_name);
	return 0;
}

static int
begin(struct served *s)
{
	struct stat st;
	int dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), part;

	if (dir == -1)
		return -1;
	part = s->below == NULL
		   ? -1
		   : openat(dir, s->below, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (part != -1)
		close(dir);
	s->dir = part != -1 ? part : dir;
	if (fstat(s->dir, &st) == -1 || become_owner(&st) == -1)
		return -1;
	return list(s);
}

static bool
is_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static int
lock(const struct served *s, const char *name, int fd, const struct stat *st)
{
	struct stat there;

	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		return -1;
	if (fstatat(s->dir, name, &there, AT_SYMLINK_NOFOLLOW) == -1)
		return -1;
	if (there.st_dev == st->st_dev && there.st_ino == st->st_ino)
		return 0;
	errno = ENOENT;
	return -1;
}

/* O_NONBLOCK: what is there may be a FIFO. */
static int
open_file(const struct served *s, const struct call *c, struct folder_file *f)
{
	struct stat st;

	f->fd = openat(s->dir, c->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (f->fd == -1 || fstat(f->fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	f->mtime = (int64_t)st.st_mtime;
	f->uid = (long long)st.st_uid;
	f->size = (uint64_t)st.st_size;
	return c->op == OP_LOCKED ? lock(s, c->name, f->fd, &st) : 0;
}

static int
mark(struct served *s, const char *name)
{
	if (mkdirat(s->dir, name, 0700) == -1)
		return -1;
	str_copy(s->mark, sizeof(s->mark), name);
	return 0;
}

/* ENXIO is what open(2) says of a FIFO that nobody reads. */
static int
has_reader(const struct served *s, const char *name)
{
	char path[NAME_MAX_BYTES + 8];
	int fd;

	snprintf(path, sizeof(path), "../%s", name);
	fd = openat(s->dir, path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

static int
next_name(struct served *s, struct answer *a)
{
	if (s->at == s->n) {
		errno = ENOENT;
		return -1;
	}
	str_copy(a->name, sizeof(a->name), s->names[s->at++]);
	return 0;
}

static int
serve_call(struct served *s, const struct call *c, struct answer *a)
{
	int r;

	switch (c->op) {
	case OP_BEGIN:
		return begin(s);
	case OP_NEXT:
		return next_name(s, a);
	case OP_FILE:
	case OP_LOCKED:
		return open_file(s, c, &a->file);
	case OP_REMOVE:
		r = unlinkat(s->dir, c->name, 0);
		return r == -1 && errno == ENOENT ? 0 : r;
	case OP_SYNC:
		return fsync(s->dir);
	case OP_MARK:
		return mark(s, c->name);
	case OP_READER:
		return has_reader(s, c->name);
	}
	errno = EINVAL;
	return -1;
}

/* Only a file's name is looked up, never a path. */
static bool
is_allowed(const struct call *c)
{
	bool named = c->op == OP_FILE || c->op == OP_LOCKED || c->op == OP_REMOVE;

	return !named || is_name(c->name);
}

static void
serve(int sock, const void *ctx)
{
	struct served s = *(const struct served *)ctx;
	struct call c;
	bool talking = true;

	while (talking && packet_receive(sock, &c, sizeof(c), NULL) == (ssize_t)sizeof(c)) {
		struct answer a = {.file.fd = -1};

		c.name[NAME_MAX_BYTES] = '\0';
		errno = EINVAL;
		if (!is_allowed(&c) || serve_call(&s, &c, &a) == -1)
			a.error = errno;
		talking = packet_send(sock, &a, sizeof(a), a.error == 0 ? a.file.fd : -1) == 0;
		if (a.file.fd != -1)
			close(a.file.fd);
	}
	if (s.mark[0] != '\0')
		unlinkat(s.dir, s.mark, AT_REMOVEDIR);
}

/* --- this one ----------------------------------------------------------------------------- */

static int
ask(struct folder *f, enum op op, const char *name, struct answer *a)
{
	struct call c = {.op = op};
	struct pollfd p = {.fd = f->helper.fd, .events = POLLIN};
	int fd = -1;

	if (!str_copy(c.name, sizeof(c.name), name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (packet_send(f->helper.fd, &c, sizeof(c), -1) == -1)
		return -1;
	while (sys.poll(&p, 1, -1) == -1 && errno == EINTR)
		;
	if (packet_receive(f->helper.fd, a, sizeof(*a), &fd) != (ssize_t)sizeof(*a)) {
		errno = EPIPE;
		return -1;
	}
	a->file.fd = fd;
	errno = a->error;
	return a->error == 0 ? 0 : -1;
}

int
folder_open(struct folder *f, const char *path, const char *below)
{
	const struct served s = {.path = path, .below = below, .dir = -1};
	struct answer a;
	int saved;

	if (helper_start(&f->helper, "sortie-import", true, serve, &s) == -1)
		return -1;
	if (ask(f, OP_BEGIN, "", &a) == 0)
		return 0;
	saved = errno;
	folder_close(f);
	errno = saved;
	return -1;
}

void
folder_close(struct folder *f)
{
	if (f->helper.fd != -1)
		helper_end(&f->helper);
}

bool
folder_next(struct folder *f, char *name, size_t size)
{
	struct answer a;

	return ask(f, OP_NEXT, "", &a) == 0 && str_copy(name, size, a.name);
}

int
folder_file(struct folder *f, const char *name, bool locked, struct folder_file *file)
{
	struct answer a;

	if (ask(f, locked ? OP_LOCKED : OP_FILE, name, &a) == -1)
		return -1;
	*file = a.file;
	return 0;
}

int
folder_remove(struct folder *f, const char *name)
{
	struct answer a;

	return ask(f, OP_REMOVE, name, &a);
}

int
folder_sync(struct folder *f)
{
	struct answer a;

	return ask(f, OP_SYNC, "", &a);
}

int
folder_mark(struct folder *f, const char *name)
{
	struct answer a;

	return ask(f, OP_MARK, name, &a);
}

bool
folder_has_reader(struct folder *f, const char *name)
{
	struct answer a;

	return ask(f, OP_READER, name, &a) == 0;
}
