#include "record.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "receiver.h"
#include "tracer.h"

#if defined(__linux__)
#include <sys/syscall.h>
#endif

enum { PATH = 512, FAMILY = 8, FILE_MAX = 4 << 20, PATIENCE_S = 30, NOT_OURS = -1 };

struct record_inode {
	dev_t dev;
	ino_t ino;
	int id;
	char path[100]; /* where it was made, or moved to; for words only */
};

struct pending { /* a call that has been entered */
	pid_t pid;
	bool wanted;
	char path[PATH]; /* CREATE, LINK, RENAME: what to look at afterwards */
	struct record_event event;
};

struct watching {
	struct record *r;
	struct record_run *run;
	struct pending pending[FAMILY];
};

/* --- inodes --- */

/* The youngest first: a number may be used again. */
static struct record_inode *
find_inode(struct record *r, const struct stat *st)
{
	for (size_t i = r->ninodes; i > 0; i--)
		if (r->inodes[i - 1].ino == st->st_ino && r->inodes[i - 1].dev == st->st_dev)
			return &r->inodes[i - 1];
	return NULL;
}

static struct record_inode *
inode_by_id(struct record *r, int id)
{
	for (size_t i = 0; i < r->ninodes; i++)
		if (r->inodes[i].id == id)
			return &r->inodes[i];
	die(EX_SOFTWARE, "record: no inode %d", id);
}

static void
add_inode(struct record *r, const char *path, int id, const char *words)
{
	struct record_inode *i;
	struct stat st;

	if (lstat(path, &st) != 0)
		die(EX_IOERR, "record: %s: %s", path, strerror(errno));
	r->inodes = xgrow(r->inodes, r->ninodes, &r->inodes_cap, sizeof(*r->inodes));
	i = &r->inodes[r->ninodes++];
	*i = (struct record_inode){.dev = st.st_dev, .ino = st.st_ino, .id = id};
	str_copy(i->path, sizeof(i->path), words);
}

static void
join(char *path, size_t size, const char *dir, const char *name)
{
	if (dir[0] == '\0') {
		str_copy(path, size, name);
		return;
	}
	str_copy(path, size, dir);
	if (str_copy(path + strlen(path), size - strlen(path), "/"))
		str_copy(path + strlen(path), size - strlen(path), name);
}

/* --- events --- */

static void
set_words(struct record *r, struct record_event *e)
{
	static const char *const verbs[] = {"create", "link", "rename", "unlink", "write to",
	    "truncate", "sync", "failed sync of", "log line", "rest", "end"};
	char path[PATH] = "", other[PATH] = "";

	if (e->name != NULL)
		join(path, sizeof(path), inode_by_id(r, e->inode)->path, e->name);
	else if (e->kind < RECORD_SAID)
		str_copy(path, sizeof(path), inode_by_id(r, e->inode)->path);
	if (e->other != NULL) {
		str_copy(other, sizeof(other), " to ");
		join(other + 4, sizeof(other) - 4, inode_by_id(r, e->other_dir)->path, e->other);
	}
	snprintf(e->what, sizeof(e->what), "%s %.60s%.60s", verbs[e->kind], path, other);
}

static void
add_event(struct record *r, struct record_event e)
{
	receiver_receipts(&e.receipts);
	set_words(r, &e);
	r->events = xgrow(r->events, r->n, &r->cap, sizeof(*r->events));
	r->events[r->n++] = e;
}

static void
free_event(struct record_event *e)
{
	free(e->name);
	free(e->other);
	free(e->data);
}

/* --- the spool as it is --- */

static int
add_made(struct record *r, int dir, const char *name, enum disk_kind kind, const char *path)
{
	char words[PATH];

	join(words, sizeof(words), inode_by_id(r, dir)->path, name);
	add_event(r, (struct record_event){
			 .kind = RECORD_CREATE, .made = kind, .inode = dir, .name = xstrdup(name)});
	add_inode(r, path, ++r->last, words);
	return r->last;
}

static void
add_content(struct record *r, int file, const char *path)
{
	char *data = xmalloc(FILE_MAX);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, data, FILE_MAX - 1) : -1;

	if (n < 0 || n == FILE_MAX - 1)
		die(EX_IOERR, "record: %s: %s", path, strerror(errno));
	close(fd);
	data[n] = '\0';
	add_event(r, (struct record_event){
			 .kind = RECORD_WRITE, .inode = file, .data = data, .n = (size_t)n});
	add_event(r, (struct record_event){.kind = RECORD_SYNC, .inode = file});
}

static void
add_tree(struct record *r, int dir, const char *name, const char *path)
{
	struct stat st;
	struct dirent *entry;
	DIR *d;
	int made;

	if (lstat(path, &st) != 0)
		return; /* no spool yet */
	if (S_ISFIFO(st.st_mode)) {
		add_made(r, dir, name, DISK_FIFO, path);
		return;
	}
	made = add_made(r, dir, name, S_ISDIR(st.st_mode) ? DISK_DIR : DISK_FILE, path);
	if (!S_ISDIR(st.st_mode)) {
		add_content(r, made, path);
		return;
	}
	if ((d = opendir(path)) == NULL)
		die(EX_IOERR, "record: %s: %s", path, strerror(errno));
	while ((entry = readdir(d)) != NULL) {
		char below[PATH];

		join(below, sizeof(below), path, entry->d_name);
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			add_tree(r, made, entry->d_name, below);
	}
	closedir(d);
	add_event(r, (struct record_event){.kind = RECORD_SYNC, .inode = made});
}

void
record_begin(struct record *r, const char *dir)
{
	char path[PATH];

	*r = (struct record){.dir = dir};
	add_inode(r, dir, DISK_ROOT, "");
	join(path, sizeof(path), dir, "spool");
	add_tree(r, DISK_ROOT, "spool", path);
	add_event(r, (struct record_event){.kind = RECORD_SYNC, .inode = DISK_ROOT});
	r->first = r->n;
}

void
record_free(struct record *r)
{
	while (r->n > 0)
		free_event(&r->events[--r->n]);
	free(r->events);
	free(r->inodes);
}

/* --- what a call means --- */

#if defined(__linux__)

/* The inode that a descriptor leads to, or NOT_OURS. */
static int
inode_of_fd(struct record *r, pid_t pid, unsigned long fd)
{
	struct record_inode *i;
	char link[64];
	struct stat st;

	snprintf(link, sizeof(link), "/proc/%ld/fd/%d", (long)pid, (int)fd);
	i = stat(link, &st) == 0 ? find_inode(r, &st) : NULL;
	return i != NULL ? i->id : NOT_OURS;
}

/*
 * The directory of a name in a call, and the name by itself; NOT_OURS: it is none of the spool's. path is
 * how we get there.
 */
static int
find_name(struct record *r, const struct tracer_call *c, int arg, char path[PATH], char **name)
{
	char said[PATH / 2], *slash;
	struct record_inode *i;
	struct stat st;
	int dirfd = (int)c->args[arg];

	if (tracer_read_string(c->pid, c->args[arg + 1], said, sizeof(said)) != 0)
		return NOT_OURS;
	if (said[0] == '/')
		str_copy(path, PATH, said);
	else if (dirfd == AT_FDCWD)
		snprintf(path, PATH, "/proc/%ld/cwd/%s", (long)c->pid, said);
	else
		snprintf(path, PATH, "/proc/%ld/fd/%d/%s", (long)c->pid, dirfd, said);
	slash = strrchr(path, '/');
	*slash = '\0';
	i = stat(path[0] != '\0' ? path : "/", &st) == 0 ? find_inode(r, &st) : NULL;
	*slash = '/';
	if (i == NULL || (i->id == DISK_ROOT && strcmp(slash + 1, "spool") != 0))
		return NOT_OURS;
	*name = xstrdup(slash + 1);
	return i->id;
}

static bool
decode_create(struct record *r, const struct tracer_call *c, struct pending *p)
{
	struct stat st;

	if (c->nr == SYS_openat) {
		if ((c->args[2] & O_CREAT) == 0)
			return false;
		p->event.made = DISK_FILE;
	} else
		p->event.made = c->nr == SYS_mkdirat ? DISK_DIR : DISK_FIFO;
	p->event.kind = RECORD_CREATE;
	p->event.inode = find_name(r, c, 0, p->path, &p->event.name);
	return p->event.inode != NOT_OURS && lstat(p->path, &st) != 0;
}

static bool
decode_move(struct record *r, const struct tracer_call *c, struct pending *p)
{
	char path[PATH];

	p->event.kind = c->nr == SYS_linkat ? RECORD_LINK : RECORD_RENAME;
	p->event.inode = find_name(r, c, 0, path, &p->event.name);
	p->event.other_dir = find_name(r, c, 2, p->path, &p->event.other);
	if ((p->event.inode == NOT_OURS) != (p->event.other_dir == NOT_OURS))
		die(EX_SOFTWARE, "record: a file leaves the spool, or comes in: %s", p->path);
	return p->event.inode != NOT_OURS;
}

static bool
decode_write(struct record *r, const struct tracer_call *c, struct pending *p)
{
	char link[64], log[PATH];
	struct stat st, logged;

	p->event.inode = inode_of_fd(r, c->pid, c->args[0]);
	p->event.kind = RECORD_WRITE;
	p->event.n = c->args[2];
	if (p->event.inode == NOT_OURS) {
		snprintf(link, sizeof(link), "/proc/%ld/fd/%d", (long)c->pid, (int)c->args[0]);
		join(log, sizeof(log), r->dir, "log");
		if (stat(link, &st) != 0 || stat(log, &logged) != 0 || st.st_ino != logged.st_ino ||
		    st.st_dev != logged.st_dev)
			return false;
		p->event.kind = RECORD_SAID;
	}
	p->event.data = xcalloc(p->event.n + 1, 1);
	if (tracer_read(c->pid, c->args[1], p->event.data, p->event.n) != (ssize_t)p->event.n)
		die(EX_SOFTWARE, "record: cannot read what is written");
	return true;
}

static bool
decode_fd(struct record *r, const struct tracer_call *c, struct pending *p)
{
	p->event.kind = c->nr == SYS_ftruncate ? RECORD_TRUNCATE : RECORD_SYNC;
	p->event.at = c->args[1];
	p->event.inode = inode_of_fd(r, c->pid, c->args[0]);
	return p->event.inode != NOT_OURS;
}

static void
must_not_be_ours(int inode, const struct tracer_call *c)
{
	if (inode != NOT_OURS)
		die(EX_SOFTWARE, "record: system call %ld changes the spool and is not known here",
		    c->nr);
}

static bool
decode(struct record *r, const struct tracer_call *c, struct pending *p)
{
	switch (c->nr) {
	case SYS_openat:
	case SYS_mkdirat:
	case SYS_mknodat:
		return decode_create(r, c, p);
	case SYS_linkat:
#ifdef SYS_renameat
	case SYS_renameat:
#endif
	case SYS_renameat2:
		return decode_move(r, c, p);
	case SYS_unlinkat:
		p->event.kind = RECORD_UNLINK;
		p->event.inode = find_name(r, c, 0, p->path, &p->event.name);
		return p->event.inode != NOT_OURS;
	case SYS_write:
		return decode_write(r, c, p);
	case SYS_ftruncate:
	case SYS_fsync:
	case SYS_fdatasync:
		return decode_fd(r, c, p);
	case SYS_pwrite64:
	case SYS_writev:
	case SYS_pwritev:
	case SYS_fallocate:
	case SYS_sendfile:
	case SYS_sync_file_range:
		must_not_be_ours(inode_of_fd(r, c->pid, c->args[0]), c);
		return false;
	case SYS_copy_file_range:
		must_not_be_ours(inode_of_fd(r, c->pid, c->args[2]), c);
		return false;
	default:
		return false;
	}
}

static bool
is_rest(long nr)
{
#ifdef SYS_poll
	if (nr == SYS_poll)
		return true;
#endif
	return nr == SYS_ppoll;
}

#else /* nobody is traced here (tracer.h) */

static bool
decode(struct record *r, const struct tracer_call *c, struct pending *p)
{
	(void)r, (void)c, (void)p;
	return false;
}

static bool
is_rest(long nr)
{
	(void)nr;
	return false;
}

#endif

/* --- watching --- */

static struct pending *
pending_of(struct watching *w, pid_t pid)
{
	struct pending *unused = NULL;

	for (int i = 0; i < FAMILY; i++) {
		if (w->pending[i].pid == pid)
			return &w->pending[i];
		if (w->pending[i].pid == 0)
			unused = &w->pending[i];
	}
	if (unused == NULL)
		die(EX_SOFTWARE, "record: too many processes");
	unused->pid = pid;
	return unused;
}

static int
on_entry(struct watching *w, const struct tracer_call *c)
{
	struct pending *p = pending_of(w, c->pid);
	struct record_run *run = w->run;

	receiver_turn(-1, 0);
	if (is_rest(c->nr))
		add_event(w->r, (struct record_event){.kind = RECORD_REST});
	*p = (struct pending){.pid = c->pid};
	p->wanted = decode(w->r, c, p);
	if (!p->wanted) {
		free_event(&p->event);
		*p = (struct pending){.pid = 0};
		return TRACER_GO;
	}
	if (p->event.kind == RECORD_SAID)
		return TRACER_GO;
	if (++run->changes == run->kill_at)
		return TRACER_KILL;
	if (p->event.kind == RECORD_SYNC && ++run->syncs == run->fail_sync)
		return TRACER_FAIL(EIO);
	return TRACER_GO;
}

/* Where the file's position is now: behind what was written, O_APPEND or not. */
static size_t
position(pid_t pid, unsigned long fd)
{
	char path[64];
	unsigned long long at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/fdinfo/%d", (long)pid, (int)fd);
	f = fopen(path, "r");
	if (f == NULL || fscanf(f, "pos: %llu", &at) != 1)
		die(EX_SOFTWARE, "record: %s cannot be read", path);
	fclose(f);
	return (size_t)at;
}

static void
finish_move(struct record *r, const struct record_event *e, const struct stat *st)
{
	struct record_inode *i = find_inode(r, st);

	if (i != NULL)
		join(i->path, sizeof(i->path), inode_by_id(r, e->other_dir)->path, e->other);
}

static void
on_done(struct watching *w, const struct tracer_call *c, struct pending *p)
{
	struct record *r = w->r;
	struct record_event *e = &p->event;
	struct stat st;

	if (e->kind == RECORD_CREATE) {
		add_made(r, e->inode, e->name, e->made, p->path);
		free_event(e);
		return;
	}
	if (e->kind == RECORD_WRITE) {
		e->n = (size_t)c->result;
		e->at = position(c->pid, c->args[0]) - e->n;
	}
	add_event(r, *e);
	if ((e->kind == RECORD_LINK || e->kind == RECORD_RENAME) && lstat(p->path, &st) == 0)
		finish_move(r, e, &st);
}

static int
on_call(void *ctx, const struct tracer_call *c)
{
	struct watching *w = ctx;
	struct pending *p;

	if (c->entering)
		return on_entry(w, c);
	p = pending_of(w, c->pid);
	if (p->wanted && p->event.kind == RECORD_SYNC && c->result < 0) {
		p->event.kind = RECORD_SYNC_FAILED;
		add_event(w->r, p->event);
	} else if (p->wanted && c->result >= 0)
		on_done(w, c, p);
	else
		free_event(&p->event);
	*p = (struct pending){.pid = 0};
	return TRACER_GO;
}

static void
on_tick(void *ctx)
{
	(void)ctx;
	receiver_turn(-1, 0);
}

void
record_run(struct record *r, struct record_run *run)
{
	struct watching w = {.r = r, .run = run};
	struct tracer_options o = {.argv = run->argv,
	    .input = run->input,
	    .output = run->output,
	    .patience_s = PATIENCE_S,
	    .tick = on_tick};

	run->changes = run->syncs = 0;
	if (tracer_run(&o, on_call, &w, &run->status) != 0)
		die(EX_OSERR, "record: %s: %s", run->argv[0], strerror(errno));
	receiver_drain();
	for (int i = 0; i < FAMILY; i++)
		free_event(&w.pending[i].event);
	add_event(r, (struct record_event){.kind = RECORD_END, .at = (size_t)run->status});
}

/* --- replaying --- */

void
record_replay(const struct record *r, size_t event, struct disk *d)
{
	const struct record_event *e = &r->events[event];

	switch (e->kind) {
	case RECORD_CREATE:
		disk_create(d, e->inode, e->name, e->made);
		break;
	case RECORD_LINK:
		disk_link(d, e->inode, e->name, e->other_dir, e->other);
		break;
	case RECORD_RENAME:
		disk_rename(d, e->inode, e->name, e->other_dir, e->other);
		break;
	case RECORD_UNLINK:
		disk_unlink(d, e->inode, e->name);
		break;
	case RECORD_WRITE:
		disk_write(d, e->inode, e->at, e->data, e->n);
		break;
	case RECORD_TRUNCATE:
		disk_truncate(d, e->inode, e->at);
		break;
	case RECORD_SYNC:
		disk_sync(d, e->inode);
		break;
	case RECORD_SYNC_FAILED:
		disk_sync_failed(d, e->inode);
		break;
	case RECORD_SAID:
	case RECORD_REST:
	case RECORD_END:
		break;
	}
}
