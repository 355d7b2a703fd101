/*
 * draft.c: how a message gets in (S1 -> S2 -> S3 -> S4).
 *
 * File operations of one message, besides writing its body and closing: open and flock tmp/ID; rename
 * it into msg/, fsync it, fsync msg/; open, flock, write and fsync tmp/ID.c, rename it into ctl/
 * (that is acceptance), fsync ctl/. Eleven calls, four of them syncs, and none can be left
 * out: each sync makes sure of what the next step relies on.
 *
 * Both files are locked from creation to the end: the body so that spool_clean() knows that
 * somebody is still writing, the control file so that nobody delivers what may yet be taken back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "spool/spool_impl.h"

/* 8 hex digits of seconds, 5 of microseconds, 7 random characters. */
static void
make_id(char id[ENVELOPE_ID_MAX + 1])
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	int64_t us = clock_wall_us();
	int n = snprintf(id, ENVELOPE_ID_MAX + 1, "%08llx%05llx",
	    (unsigned long long)(us / 1000000) & 0xffffffff,
	    (unsigned long long)(us % 1000000) & 0xfffff);

	for (int i = 0; i < 7; i++)
		id[n++] = letters[str_random(sizeof(letters) - 1)];
	id[n] = '\0';
}

static void
tmp_name(char name[SPOOL_NAME_MAX], const char *id, char kind)
{
	snprintf(name, SPOOL_NAME_MAX, "%s.%c", id, kind);
}

/* As spool_create(), over what a crashed predecessor may have left. */
static int
create_anew(struct spool *sp, const char *name, int flags)
{
	int fd = spool_create(sp, sp->tmp, name, flags);

	if (fd >= 0 || errno != EEXIST)
		return fd;
	durable_unlink(sp->tmp, name);
	return spool_create(sp, sp->tmp, name, flags);
}

int
draft_open(struct spool *sp, struct draft *d)
{
	*d = (struct draft){.fd = -1, .other = -1};
	for (int tries = 0; tries < 100; tries++) {
		make_id(d->id);
		d->fd = spool_create(sp, sp->tmp, d->id, 0);
		if (d->fd >= 0)
			return 0;
		if (errno != EEXIST && errno != EINTR)
			break;
	}
	return -1;
}

int
draft_replace_begin(struct spool *sp, struct draft *d, int *fd)
{
	char name[SPOOL_NAME_MAX];

	tmp_name(name, d->id, 'b');
	*fd = d->other = create_anew(sp, name, 0);
	return d->other == -1 ? -1 : 0;
}

int
draft_replace_end(struct spool *sp, struct draft *d, int fd)
{
	char name[SPOOL_NAME_MAX];

	if (fd != d->other)
		bug("draft_replace_end of another descriptor");
	tmp_name(name, d->id, 'b');
	if (durable_rename(sp->tmp, name, sp->tmp, d->id) == -1)
		return -1;
	spool_close_fd(&d->fd);
	d->fd = fd;
	d->other = -1;
	return 0;
}

/* Writes a file of tmp/, locked and synced; its descriptor, or -1 and nothing is left. */
static int
write_tmp(struct spool *sp, const char *name, const struct buf *text)
{
	int fd = create_anew(sp, name, O_APPEND), saved;

	if (fd == -1)
		return -1;
	if (durable_write(fd, buf_data(text), buf_len(text)) == 0 && durable_sync(fd) == 0)
		return fd;
	saved = errno;
	durable_unlink(sp->tmp, name);
	errno = saved;
	spool_close_fd(&fd);
	return -1;
}

/*
 * S2 -> S3. The name is new, or the left-over of a crash. A body that was lost or torn behind its name is
 * nothing as long as no control file speaks of it; so one journal commit may take along both.
 */
static int
place_body(struct spool *sp, struct draft *d, const char *id)
{
	if (durable_rename(sp->tmp, d->id, sp->msg, id) == -1)
		return -1;
	str_copy(d->id, sizeof(d->id), id);
	d->in_msg = true;
	return durable_sync(d->fd) == -1 ? -1 : durable_sync(sp->msg);
}

/* The control file's text, msgid being what the body is called. */
static int
format_ctl(struct buf *text, const struct envelope *e, const char *id)
{
	struct envelope named = *e;

	str_copy(named.msgid, sizeof(named.msgid), id);
	envelope_write(text, &named);
	if (!text->overflow)
		return 0;
	errno = EFBIG;
	return -1;
}

/* Whether the name in ctl/ is the file that we have open. */
static bool
is_ours(struct spool *sp, const char *id, int fd)
{
	struct stat ours, there;
	int saved = errno;
	bool same = sys.fstat(fd, &ours) == 0 &&
		    sys.fstatat(sp->ctl, id, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;

	errno = saved;
	return same;
}

/*
 * S3 -> S4. A name that was given (a report's) enters with link(2), so that one who made it before is
 * noticed; our own cannot be taken. An error may hide a success (NFS repeats a call whose answer
 * was lost): what is there is there. From here on the body stays whatever happens, because a
 * control file must never stand without one.
 */
static int
place_ctl(struct spool *sp, struct draft *d, const char *tmp, int fd, bool given)
{
	int r, saved;

	d->keep_body = true;
	if (given)
		r = durable_link(sp->tmp, tmp, sp->ctl, d->id);
	else
		r = durable_rename(sp->tmp, tmp, sp->ctl, d->id);
	if (r == -1 && !is_ours(sp, d->id, fd))
		return -1;
	if (given)
		durable_unlink(sp->tmp, tmp);
	if (durable_sync(sp->ctl) == 0)
		return 0;
	saved = errno;
	durable_unlink(sp->ctl, d->id);
	errno = saved;
	return -1;
}

static int
commit_ctl(struct spool *sp, struct draft *d, const struct envelope *e, bool given)
{
	char tmp[SPOOL_NAME_MAX];
	struct buf text;
	int fd = -1, r, saved;

	buf_init(&text, SPOOL_CTL_MAX);
	tmp_name(tmp, d->id, 'c');
	r = format_ctl(&text, e, d->id);
	if (r == 0)
		r = fd = write_tmp(sp, tmp, &text);
	buf_free(&text);
	if (r == -1)
		return -1;
	if (envelope_due_at(e) > clock_wall_s())
		spool_set_due(fd, envelope_due_at(e));
	r = place_ctl(sp, d, tmp, fd, given);
	saved = errno;
	if (r == -1)
		durable_unlink(sp->tmp, tmp);
	errno = saved;
	spool_close_fd(&fd);
	return r;
}

int
draft_commit(struct spool *sp, struct draft *d, const struct envelope *e, const char *id)
{
	struct stat st;

	if (id != NULL) {
		if (!envelope_id_ok(id))
			bug("draft_commit under a name that is no id");
		if (sys.fstatat(sp->ctl, id, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			/* Perhaps by one who died before he synced it; who hears this relies on it. */
			if (durable_sync(sp->ctl) == 0)
				errno = EEXIST;
			return -1;
		}
		if (errno != ENOENT)
			return -1;
	}
	if (place_body(sp, d, id != NULL ? id : d->id) == -1)
		return -1;
	return commit_ctl(sp, d, e, id != NULL);
}

int
spool_sync_queued(struct spool *sp)
{
	return durable_sync(sp->ctl);
}

void
draft_abort(struct spool *sp, struct draft *d)
{
	char name[SPOOL_NAME_MAX];

	if (d->other >= 0) {
		tmp_name(name, d->id, 'b');
		durable_unlink(sp->tmp, name);
	}
	if (d->fd >= 0 && !d->keep_body)
		durable_unlink(d->in_msg ? sp->msg : sp->tmp, d->id);
	spool_close_fd(&d->other);
	spool_close_fd(&d->fd);
}

/* --- a control file written anew --- */

int
spool_rewrite(struct spool *sp, const char *id, const struct buf *whole, int *newfd)
{
	char name[SPOOL_NAME_MAX];
	int fd, saved;

	*newfd = -1;
	tmp_name(name, id, 'w');
	fd = write_tmp(sp, name, whole);
	if (fd == -1)
		return -1;
	if (durable_rename(sp->tmp, name, sp->ctl, id) == -1) {
		saved = errno;
		durable_unlink(sp->tmp, name);
		errno = saved;
		spool_close_fd(&fd);
		return -1;
	}
	*newfd = fd;
	return durable_sync(sp->ctl);
}
