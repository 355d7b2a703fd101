/*
 * scan.c: walks over the spool's directories: what is queued, what is left over.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "spool/spool_impl.h"

enum { LEFTOVER_AGE = 36 * 3600, CLEAN_EVERY = 6 * 3600, OWNER_READ = 16384 };

/* A stream over a directory of the spool, with a position of its own. */
static DIR *
open_stream(int dir, const char *name)
{
	int fd = spool_open_dir(dir, name);
	DIR *d;

	if (fd == -1)
		return NULL;
	d = sys.fdopendir(fd);
	if (d == NULL)
		spool_close_fd(&fd);
	return d;
}

/* The next name that does not start with a dot (those are NFS's). NULL with errno 0 is the end. */
static const char *
next_name(DIR *d)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = sys.readdir(d);
	} while (entry != NULL && entry->d_name[0] == '.');
	return entry == NULL ? NULL : entry->d_name;
}

static void
close_stream(DIR *d)
{
	int saved = errno;

	sys.closedir(d);
	errno = saved;
}

/* --- what is queued --- */

/* Said once, and again when their number has changed: a run every five minutes must not repeat it. */
static void
warn_odd(struct spool *sp, size_t odd, const char *example)
{
	if (odd > 0 && odd != sp->odd)
		log_warn(
		    "spool %s: %zu entries of ctl/ are not files or have no valid name, one is %s; "
		    "skipped",
		    sp->path, odd, example);
	sp->odd = odd;
}

int
spool_scan(struct spool *sp, spool_scan_fn *fn, void *ctx)
{
	return spool_scan_some(sp, NULL, fn, ctx);
}

int
spool_scan_some(struct spool *sp, spool_worth_fn *worth, spool_scan_fn *fn, void *ctx)
{
	DIR *d = open_stream(sp->ctl, ".");
	char example[SPOOL_NAME_MAX] = "";
	const char *name;
	size_t odd = 0;
	int err = 0;
	bool more = true;

	if (d == NULL)
		return -1;
	while (more && (name = next_name(d)) != NULL) {
		struct stat st;

		if (worth != NULL && !worth(ctx, name))
			continue;
		if (sys.fstatat(sp->ctl, name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
			if (errno != ENOENT && err == 0)
				err = errno; /* the others can be delivered all the same */
		} else if (!S_ISREG(st.st_mode) || !envelope_id_ok(name)) {
			if (odd++ == 0)
				str_clean(example, sizeof(example), name, strlen(name));
		} else {
			struct spool_entry e = {
			    .id = name, .due_at = st.st_mtime, .size = (uint64_t)st.st_size};

			more = fn(ctx, &e);
		}
	}
	if (more && errno != 0 && err == 0)
		err = errno;
	close_stream(d);
	/* What is made of what was found must not be there before it: whoever made that may have been
	 * killed before his sync. */
	durable_touch_dir(&sp->batch, sp->ctl);
	if (more)
		warn_odd(sp, odd, example);
	errno = err;
	return err == 0 ? 0 : -1;
}

/* The number behind "\nuid|" in the first part of a control file. */
static long long
find_uid(const char *text, size_t n)
{
	static const char key[] = "\nuid|";
	const char *end = text + n, *p = text, *eol;
	uint64_t uid;

	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		if ((size_t)(end - p) >= sizeof(key) - 1 && memcmp(p, key, sizeof(key) - 1) == 0) {
			p += sizeof(key) - 1;
			eol = memchr(p, '\n', (size_t)(end - p));
			if (eol == NULL || !str_u64n(p, (size_t)(eol - p), INT64_MAX, &uid))
				return -1;
			return (long long)uid;
		}
		p++;
	}
	return -1;
}

long long
spool_owner(struct spool *sp, const char *id)
{
	char text[OWNER_READ];
	struct stat st;
	int fd = spool_open_file(sp->ctl, id, O_RDONLY, &st);
	ssize_t n;

	if (fd == -1)
		return -1;
	n = sys.pread(fd, text, sizeof(text), 0);
	spool_close_fd(&fd);
	return n > 0 ? find_uid(text, (size_t)n) : -1;
}

int
spool_count_corrupt(struct spool *sp, size_t *n)
{
	DIR *d = open_stream(sp->dir, "corrupt");
	const char *name;
	int err;

	*n = 0;
	if (d == NULL)
		return -1;
	while ((name = next_name(d)) != NULL)
		if (str_ends_i(name, ".ctl"))
			++*n;
	err = errno;
	close_stream(d);
	errno = err;
	return err == 0 ? 0 : -1;
}

/* --- what is left over --- */

static bool
is_old_file(int dir, const char *name, int64_t now)
{
	struct stat st;

	return sys.fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_mtime < now - LEFTOVER_AGE;
}

/* A body is wanted while its control file is there; one that cannot be asked about counts as wanted. */
static bool
is_wanted(struct spool *sp, const char *name)
{
	struct stat st;

	return sys.fstatat(sp->ctl, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/*
 * Removes a left-over of tmp/ or msg/: not locked by whoever still writes it, and, for a body,
 * without a control file even then; and that absence must be durable before the body goes.
 */
static void
remove_leftover(struct spool *sp, int dir, const char *name)
{
	struct stat st;
	int fd = spool_open_file(dir, name, O_RDWR, &st);

	if (fd == -1)
		return;
	if (spool_flock(fd, LOCK_EX) == 0 &&
	    (dir != sp->msg || (!is_wanted(sp, name) && durable_sync(sp->ctl) == 0)) &&
	    durable_unlink(dir, name) == 0)
		log_info("%s: removed from the spool: never queued, or delivered", name);
	spool_close_fd(&fd);
}

static void
clean_dir(struct spool *sp, int dir, int64_t now)
{
	DIR *d = open_stream(dir, ".");
	const char *name;

	if (d == NULL) {
		log_warn("spool %s: cannot be cleaned: %s", sp->path, strerror(errno));
		return;
	}
	while ((name = next_name(d)) != NULL)
		if (is_old_file(dir, name, now) && (dir != sp->msg || !is_wanted(sp, name)))
			remove_leftover(sp, dir, name);
	close_stream(d);
}

/* The mtime of run/clean remembers; an empty one is new, and one in the future counts as old. */
bool
spool_clean_due(struct spool *sp, int64_t now)
{
	int run = spool_open_dir(sp->dir, "run"), fd;
	struct stat st;
	bool due;

	fd = run == -1 ? -1 : spool_open_file(run, "clean", O_RDWR | O_CREAT, &st);
	spool_close_fd(&run);
	if (fd == -1)
		return false;
	due = st.st_size == 0 || st.st_mtime <= now - CLEAN_EVERY || st.st_mtime > now;
	if (due && st.st_size == 0)
		due = (!sp->fix_modes || sys.fchmod(fd, 0600) == 0) &&
		      durable_write(fd, "\n", 1) == 0;
	if (due)
		due = spool_set_due(fd, now) == 0;
	spool_close_fd(&fd);
	return due;
}

void
spool_clean(struct spool *sp, int64_t now)
{
	clean_dir(sp, sp->tmp, now);
	clean_dir(sp, sp->msg, now);
}
