/*
 * mbox.c: a message behind the others in an mbox (RFC 4155; lines ">From " in the mboxrd form).
 *
 * Both locks, as Debian's policy has it: first fcntl(2) on the mbox, then the dot lock beside it, where
 * the user may make one. A crash leaves no half message: before the first byte the dot lock, synced,
 * says at which size the message begins and with which line; who finds such a lock old and nobody behind
 * it cuts the mbox there, if what stands there is that line with no other message behind it.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "base/sys.h"
#include "local/local_impl.h"

enum {
	ASK_MS = 250, /* a lock is asked for this often */
	ASK_TIMES = 240, /* a minute in all; then the mail waits */
	STALE_S = 600, /* of a dot lock: nobody holds one so long */
	LINE = 256, /* of what a dot lock says */
};

struct mbox {
	const struct local_job *job;
	int folder, fd, dot; /* dot -1: none could be made */
	char lock[LOCAL_NAME_MAX + 8];
	char from[LINE]; /* the line that begins our message, with its newline */
	off_t size; /* where it begins */
};

/* --- the mbox ----------------------------------------------------------------------------- */

static const char *
not_his(const struct mbox *m)
{
	struct stat st;

	if (fstat(m->fd, &st) != 0)
		return "cannot be looked at";
	if (!S_ISREG(st.st_mode))
		return "is not a file";
	if (st.st_uid != m->job->user.uid)
		return "belongs to somebody else";
	if (st.st_nlink != 1)
		return "has a second name";
	return NULL;
}

static int
lock_file(int fd)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	for (int i = 0; i < ASK_TIMES; i++) {
		if (fcntl(fd, F_SETLK, &l) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return -1;
		poll(NULL, 0, ASK_MS);
	}
	errno = EAGAIN;
	return -1;
}

/* --- the dot lock ------------------------------------------------------------------------- */

/* Whether another message begins behind our own line, which is at `from`. */
static bool
others_behind(int fd, off_t from)
{
	char window[4096];
	size_t keep = 0;
	ssize_t n;

	while ((n = pread(fd, window + keep, sizeof(window) - keep, from)) > 0) {
		size_t have = keep + (size_t)n;

		for (size_t i = 0; i + 6 <= have; i++)
			if (memcmp(window + i, "\nFrom ", 6) == 0)
				return true;
		from += n;
		keep = have < 5 ? have : 5;
		memmove(window, window + have - keep, keep);
	}
	return n < 0;
}

/* What somebody's unfinished message left, if it is no more than that. */
static void
cut_unfinished(const struct mbox *m, const char *said)
{
	char found[LINE], *end;
	long long at;
	const char *line;
	ssize_t n;

	if (!str_starts(said, "append "))
		return;
	errno = 0;
	at = strtoll(said + 7, &end, 10);
	if (errno != 0 || at < 0 || *end != ' ')
		return;
	line = end + 1;
	n = pread(
	    m->fd, found, strlen(line), (off_t)at); /* less of it: not even that was written */
	if (n <= 0 || memcmp(found, line, (size_t)n) != 0 || others_behind(m->fd, (off_t)at + 1))
		return;
	if (ftruncate(m->fd, (off_t)at) == 0)
		fsync(m->fd);
}

/* Removes a dot lock that nobody can hold any more. We have the other lock, so we are alone in this. */
static void
break_stale(const struct mbox *m)
{
	char said[LINE + 64];
	struct stat st;
	ssize_t n = 0;
	char *second;
	int fd = openat(m->folder, m->lock, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	if (fstat(fd, &st) != 0 || st.st_mtime + STALE_S > sys.wall_ns() / 1000000000) {
		close(fd);
		return;
	}
	if (S_ISREG(st.st_mode) && st.st_uid == m->job->user.uid)
		n = read(fd, said, sizeof(said) - 1);
	close(fd);
	said[n > 0 ? n : 0] = '\0';
	second = strchr(said, '\n');
	if (second != NULL)
		cut_unfinished(m, second + 1);
	unlinkat(m->folder, m->lock, 0);
}

/* 0 also where none may be made: then the fcntl lock is the one there is. */
static int
lock_dot(struct mbox *m)
{
	for (int i = 0; i < ASK_TIMES; i++) {
		m->dot = openat(m->folder, m->lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (m->dot >= 0 || errno == EACCES || errno == EPERM || errno == EROFS)
			return 0;
		if (errno != EEXIST)
			return -1;
		break_stale(m);
		poll(NULL, 0, i == 0 ? 0 : ASK_MS);
	}
	errno = EAGAIN;
	return -1;
}

static int
sync_folder(const struct mbox *m)
{
	return fsync(m->folder) == 0 || errno == EINVAL || errno == EACCES ? 0 : -1;
}

/* What is to be undone should we not come to the end; durable before the first byte of it. */
static int
announce(const struct mbox *m)
{
	char text[LINE + 64];
	int n;

	if (m->dot < 0)
		return 0;
	n = snprintf(
	    text, sizeof(text), "%ld\nappend %lld %s", (long)getpid(), (long long)m->size, m->from);
	if (write(m->dot, text, (size_t)n) != n || fsync(m->dot) != 0)
		return -1;
	return sync_folder(m);
}

/* --- appending ---------------------------------------------------------------------------- */

/* "From sender Tue Nov 24 09:00:00 2026": UTC, as RFC 4155 wants it. */
static void
from_line(struct mbox *m)
{
	static const char days[] = "SunMonTueWedThuFriSat",
			  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char sender[160];
	time_t now = (time_t)(sys.wall_ns() / 1000000000);
	struct tm t;

	str_copy(sender, sizeof(sender), m->job->request.sender);
	for (char *c = sender; *c != '\0'; c++)
		if (*c == ' ')
			*c = '_';
	memset(&t, 0, sizeof(t));
	gmtime_r(&now, &t);
	snprintf(m->from, sizeof(m->from), "From %s %.3s %.3s %2d %02d:%02d:%02d %d\n",
	    sender[0] != '\0' ? sender : "MAILER-DAEMON", days + 3 * t.tm_wday,
	    months + 3 * t.tm_mon, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, t.tm_year + 1900);
}

static int
write_all(int fd, const char *s)
{
	size_t n = strlen(s);

	return write(fd, s, n) == (ssize_t)n ? 0 : -1;
}

/* Where the last message ended without an empty line, the next would not begin. */
static int
write_gap(const struct mbox *m)
{
	char last[2];
	ssize_t n;

	if (m->size == 0)
		return 0;
	n = pread(m->fd, last, 2, m->size >= 2 ? m->size - 2 : 0);
	if (n <= 0)
		return -1;
	if (last[n - 1] != '\n')
		return write_all(m->fd, "\n\n");
	return n == 2 && last[0] != '\n' ? write_all(m->fd, "\n") : 0;
}

/* All of it, synced, or nothing of it. */
static int
append(struct mbox *m)
{
	int err;

	if (write_gap(m) == 0 && (m->size = lseek(m->fd, 0, SEEK_END)) >= 0 && announce(m) == 0 &&
	    write_all(m->fd, m->from) == 0 && local_copy(m->job, m->fd, 1) == 0 &&
	    write_all(m->fd, "\n") == 0 && fsync(m->fd) == 0)
		return 0;
	err = errno;
	if (m->size >= 0 && ftruncate(m->fd, m->size) == 0)
		fsync(m->fd);
	errno = err;
	return -1;
}

/*
 * A lock that a power cut brings back would have the message cut off again, which by then is recorded as
 * delivered: so that it is gone must be durable first.
 */
static int
unlock_dot(const struct mbox *m)
{
	if (m->dot < 0)
		return 0;
	if (unlinkat(m->folder, m->lock, 0) != 0 && errno != ENOENT)
		return -1;
	return sync_folder(m);
}

static enum local_outcome
deliver(struct mbox *m, struct buf *said)
{
	enum local_outcome outcome = LOCAL_DONE;

	if (lock_file(m->fd) != 0)
		return local_trouble(said, "locking the mbox");
	if (lock_dot(m) != 0)
		return local_trouble(said, "making the mbox's dot lock");
	from_line(m);
	m->size = lseek(m->fd, 0, SEEK_END);
	if (m->size < 0 || append(m) != 0)
		outcome = local_trouble(said, "writing to the mbox");
	if (unlock_dot(m) != 0 && outcome == LOCAL_DONE)
		outcome = local_trouble(said, "removing the mbox's dot lock");
	return outcome;
}

/*
 * Made only where there is none: in a folder that everybody may write to Linux opens nobody else's file
 * for whom would make it (fs.protected_regular), and whose it is is what we want to know.
 */
static int
open_mbox(int folder, const char *name)
{
	const int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(folder, name, flags);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = openat(folder, name, flags | O_CREAT | O_EXCL, 0600);
	return fd >= 0 || errno != EEXIST ? fd : openat(folder, name, flags);
}

enum local_outcome
local_mbox(const struct local_job *job, struct buf *said)
{
	struct mbox m = {.job = job, .dot = -1};
	const char *name = job->request.user, *why;

	m.folder = open(job->options->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m.folder < 0)
		return local_trouble(said, job->options->spool);
	snprintf(m.lock, sizeof(m.lock), "%s.lock", name);
	m.fd = open_mbox(m.folder, name);
	if (m.fd < 0)
		return local_trouble(said, "opening the mbox");
	if ((why = not_his(&m)) != NULL) {
		buf_addf(said, "the mbox %s", why);
		return LOCAL_RETRY;
	}
	return deliver(&m, said);
}
