/*
 * item.c: one message in the spool: its lock, its control file, its end (S4 -> S3 -> S1).
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "spool/spool_impl.h"

enum { READ_MIN = 2048 };

/* --- the lock --- */

/*
 * Between our open and our lock the message may have been finished, or its control file replaced:
 * then the lock is one on a file that is no message any more.
 */
static enum spool_lock
check_name(struct spool *sp, const char *id, const struct stat *locked)
{
	struct stat named;

	if (sys.fstatat(sp->ctl, id, &named, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT || errno == ESTALE ? SPOOL_GONE : SPOOL_FAILED;
	return named.st_dev == locked->st_dev && named.st_ino == locked->st_ino ? SPOOL_LOCKED
										: SPOOL_GONE;
}

enum spool_lock
spool_lock(struct spool *sp, const char *id, int *fd)
{
	off_t size;

	return spool_lock_sized(sp, id, fd, &size);
}

enum spool_lock
spool_lock_sized(struct spool *sp, const char *id, int *fd, off_t *size)
{
	struct stat st;
	enum spool_lock answer;

	*fd = spool_open_any(sp->ctl, id, O_RDWR | O_APPEND);
	if (*fd == -1)
		return errno == ENOENT || errno == ESTALE ? SPOOL_GONE : SPOOL_FAILED;
	/* fstat() only now: the size holds while it is locked */
	if (spool_flock(*fd, LOCK_EX) == 0 && spool_stat_file(*fd, &st) == 0)
		answer = check_name(sp, id, &st);
	else if (errno == EWOULDBLOCK)
		answer = SPOOL_BUSY;
	else
		answer = errno == ESTALE ? SPOOL_GONE : SPOOL_FAILED;
	if (answer == SPOOL_LOCKED)
		*size = st.st_size;
	else
		spool_close_fd(fd);
	return answer;
}

void
spool_unlock(int *fd)
{
	spool_close_fd(fd);
}

bool
spool_is_locked(struct spool *sp, const char *id)
{
	int fd = spool_open_any(sp->ctl, id, O_RDWR);
	bool locked = fd != -1 && spool_is_flocked(fd);

	spool_close_fd(&fd);
	return locked;
}

/* --- reading --- */

/*
 * All of the file from `at` on into out; it was `size` long a moment ago, so one read is enough when
 * it has not grown since. -1 and errno.
 */
static int
read_all(int fd, off_t at, off_t size, struct buf *out)
{
	uintmax_t left = size > at ? (uintmax_t)(size - at) : 0;
	size_t known = (size_t)left;

	if (left >= SPOOL_CTL_MAX) {
		errno = EFBIG;
		return -1;
	}
	for (;;) {
		size_t want = buf_len(out) < known ? known - buf_len(out) + 1 : READ_MIN;
		char *room = buf_reserve(out, want);
		ssize_t n;

		if (room == NULL) {
			errno = EFBIG;
			return -1;
		}
		n = sys.pread(fd, room, want, at + (off_t)buf_len(out));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		buf_commit(out, (size_t)n);
		if (n == 0 || (buf_len(out) == known && (size_t)n < want))
			return 0;
	}
}

/*
 * Citadel's lists have no end mark. Before anything is appended to one it gets its recipients|N, from
 * where on our own rules hold (and its last line a newline, where that is missing). It becomes
 * durable together with what is appended behind it.
 */
static int
end_citadel_list(struct spool *sp, int fd, const struct envelope *e, char last, off_t *size)
{
	struct buf line;
	int r;

	if (e->ended)
		return 0;
	buf_init(&line, 64);
	if (last != '\n')
		buf_addc(&line, '\n');
	envelope_write_number(&line, "recipients", (int64_t)e->nrcpts);
	r = spool_append(sp, fd, size, &line, false);
	buf_free(&line);
	return r;
}

static bool
parse_item(const char *id, struct envelope *e, const struct buf *text, char *why, size_t whysize)
{
	if (envelope_parse(e, buf_data(text), buf_len(text), why, whysize) == ENVELOPE_DAMAGED)
		return false;
	if (strcmp(e->msgid, id) == 0)
		return true;
	/* spool_clean() tells by its name whether a body is still wanted. */
	snprintf(why, whysize, "msgid is not the name of the file");
	return false;
}

/* For whoever has locked it to work on it. last: the byte where its whole lines end. -1 and errno. */
static int
take_up(struct spool *sp, int fd, const struct envelope *e, char last, off_t *size)
{
	if (e->bad_lines > 0)
		log_warn("%s: %u lines of the control file cannot be understood, skipped", e->id,
		    e->bad_lines);
	return end_citadel_list(sp, fd, e, last, size);
}

enum spool_load
spool_load(struct spool *sp, const char *id, int fd, struct envelope *e, off_t *size, char *why,
    size_t whysize)
{
	struct stat st;
	struct buf text;
	int own = -1;
	enum spool_load answer = SPOOL_UNREADABLE;

	if (fd < 0) {
		own = spool_open_file(sp->ctl, id, O_RDONLY, &st);
		if (own == -1)
			return errno == ENOENT || errno == ESTALE ? SPOOL_MISSING
								  : SPOOL_UNREADABLE;
	} else if (sys.fstat(fd, &st) == -1) {
		return SPOOL_UNREADABLE;
	}
	buf_init(&text, SPOOL_CTL_MAX);
	if (read_all(fd < 0 ? own : fd, 0, st.st_size, &text) == 0) {
		str_copy(e->id, sizeof(e->id), id);
		if (!parse_item(id, e, &text, why, whysize)) {
			answer = SPOOL_CORRUPT;
		} else {
			*size = (off_t)e->whole_size;
			if (fd < 0 || take_up(sp, fd, e, buf_data(&text)[*size - 1], size) == 0)
				answer = SPOOL_LOADED;
		}
	}
	spool_close_fd(&own);
	buf_free(&text);
	return answer;
}

int
spool_text(struct spool *sp, const char *id, struct buf *text)
{
	struct stat st;
	int fd = spool_open_file(sp->ctl, id, O_RDONLY, &st);
	int r = fd == -1 ? -1 : read_all(fd, 0, st.st_size, text);

	spool_close_fd(&fd);
	return r;
}

int
spool_open_body(struct spool *sp, const char *msgid, uint64_t *size)
{
	struct stat st;
	int fd = spool_open_file(sp->msg, msgid, O_RDONLY, &st);

	if (fd != -1 && size != NULL)
		*size = (uint64_t)st.st_size;
	return fd;
}

/* --- writing --- */

/*
 * The file ends with an unfinished line where a crash or a failed append left one: it is cut off.
 * What is a whole line stays in any case, even if the caller has not seen it.
 */
static int
cut_torn_line(int fd, off_t *size)
{
	struct stat st;
	struct buf tail;
	size_t n;
	int r;

	if (sys.fstat(fd, &st) == -1)
		return -1;
	if (st.st_size == *size)
		return 0;
	if (st.st_size < *size) {
		errno = EIO; /* lines are gone that were there under our lock */
		return -1;
	}
	buf_init(&tail, SPOOL_CTL_MAX);
	r = read_all(fd, *size, st.st_size, &tail);
	n = buf_len(&tail);
	while (n > 0 && buf_data(&tail)[n - 1] != '\n')
		n--;
	if (r == 0 && n < buf_len(&tail))
		r = durable_truncate(fd, *size + (off_t)n);
	if (r == 0)
		*size += (off_t)n;
	buf_free(&tail);
	return r;
}

int
spool_append(struct spool *sp, int fd, off_t *size, const struct buf *lines, bool durable)
{
	const char *p = buf_data(lines);
	size_t n = buf_len(lines);
	int r;

	if (lines->overflow) {
		errno = EFBIG;
		return -1;
	}
	if (cut_torn_line(fd, size) == -1)
		return -1;
	r = durable_append(fd, *size, p, n);
	if (r == -1 && (errno == ENOSPC || errno == EDQUOT)) {
		int saved = errno;

		durable_unlink(sp->dir, "ballast");
		errno = saved;
		r = durable_append(fd, *size, p, n);
	}
	if (r == -1)
		return -1;
	*size += (off_t)n;
	if (durable)
		durable_touch_file(&sp->batch, fd);
	return 0;
}

int
spool_set_due(int fd, int64_t due_at)
{
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = 0}};

	/* What every file system can hold; the file's own lines say when it really is. */
	ts[1].tv_sec = (time_t)(due_at < INT32_MAX ? due_at : INT32_MAX);
	return sys.futimens(fd, ts);
}

/* --- the end --- */

int
spool_finish(struct spool *sp, const char *id)
{
	if (durable_unlink(sp->ctl, id) == -1)
		return -1;
	durable_touch_dir(&sp->batch, sp->ctl);
	return 0;
}

int
spool_remove_body(struct spool *sp, const char *msgid)
{
	return durable_unlink(sp->msg, msgid);
}

/* After a power cut in mid-rename a file may have both names; rename(2) does nothing then. */
static bool
is_there_already(int corrupt, const char *new, int dir, const char *old)
{
	struct stat from, to;

	return sys.fstatat(dir, old, &from, AT_SYMLINK_NOFOLLOW) == 0 &&
	       sys.fstatat(corrupt, new, &to, AT_SYMLINK_NOFOLLOW) == 0 &&
	       from.st_dev == to.st_dev && from.st_ino == to.st_ino;
}

/* Into corrupt/, durably, so that what follows may rely on it. */
static int
move_to(int corrupt, const char *new, int dir, const char *old)
{
	bool there = is_there_already(corrupt, new, dir, old);

	if (!there && durable_rename(dir, old, corrupt, new) == -1)
		return -1;
	if (durable_sync(corrupt) == -1)
		return -1;
	return there ? durable_unlink(dir, old) : 0;
}

/*
 * The body goes along, unless another message owns it (a damaged file may say anything). A folder or FIFO
 * in its place may stay where it is: a confined run cannot make one elsewhere.
 */
static int
quarantine_body(struct spool *sp, int corrupt, const char *id, const char *msgid)
{
	char name[SPOOL_NAME_MAX];
	struct stat st;
	bool file;
	int saved;

	if (msgid == NULL || !envelope_id_ok(msgid))
		msgid = id;
	if (strcmp(msgid, id) != 0 &&
	    (sys.fstatat(sp->ctl, msgid, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT))
		return 0;
	snprintf(name, sizeof(name), "%s.msg", id);
	if (move_to(corrupt, name, sp->msg, msgid) == 0)
		return 0;
	if (errno == ENOENT) /* perhaps moved by one who was killed before his sync */
		return durable_sync(corrupt);
	saved = errno;
	file = sys.fstatat(sp->msg, msgid, &st, AT_SYMLINK_NOFOLLOW) == -1 || S_ISREG(st.st_mode);
	errno = saved;
	return file ? -1 : 0;
}

int
spool_quarantine(struct spool *sp, const char *id, const char *msgid, const char *why)
{
	char name[SPOOL_NAME_MAX];
	int corrupt = spool_open_dir(sp->dir, "corrupt"), r = corrupt == -1 ? -1 : 0;

	/* The body first: a body alone in msg/ would be cleaned away one day. */
	if (r == 0)
		r = quarantine_body(sp, corrupt, id, msgid);
	snprintf(name, sizeof(name), "%s.ctl", id);
	if (r == 0)
		r = move_to(corrupt, name, sp->ctl, id);
	spool_close_fd(&corrupt);
	if (r == -1) {
		log_warn("%s: %s; it cannot be moved to corrupt/: %s", id, why, strerror(errno));
		return -1;
	}
	log_warn("%s: moved to corrupt/: %s", id, why);
	durable_touch_dir(&sp->batch, sp->ctl);
	durable_touch_dir(&sp->batch, sp->msg);
	return 0;
}
