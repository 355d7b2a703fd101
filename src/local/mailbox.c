/* mailbox.c: what Maildir and mbox have in common, the message as mailboxes have it, and .forward. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "local/local_impl.h"

enum { BLOCK = 65536 };

enum local_outcome
local_trouble(struct buf *said, const char *what)
{
	int err = errno;

	buf_clear(said);
	buf_addf(said, "%s: %s", what, strerror(err));
	return LOCAL_RETRY;
}

/* --- copying ------------------------------------------------------------------------------ */

struct copy {
	int from, to;
	bool quote; /* From lines */
	bool failed; /* sticks; errno says why */
	struct buf out;
	off_t at;
};

static void
flush(struct copy *c)
{
	while (!c->failed && buf_len(&c->out) > 0) {
		ssize_t n = write(c->to, buf_data(&c->out), buf_len(&c->out));

		if (n > 0)
			buf_consume(&c->out, (size_t)n);
		else if (n == 0 || errno != EINTR)
			c->failed = true;
	}
}

/* "From ", or ">From ", ">>From ": to be told from the line that begins a message. */
static bool
is_from_line(const char *line, size_t n)
{
	while (n > 0 && *line == '>') {
		line++;
		n--;
	}
	return n >= 5 && memcmp(line, "From ", 5) == 0;
}

/* A line, or as much of one as there was room for; starts: it begins here. */
static void
copy_line(struct copy *c, const char *line, size_t n, bool starts)
{
	if (starts && c->quote && is_from_line(line, n))
		buf_addc(&c->out, '>');
	if (n >= 2 && line[n - 1] == '\n' && line[n - 2] == '\r') {
		buf_add(&c->out, line, n - 2);
		buf_addc(&c->out, '\n');
	} else {
		buf_add(&c->out, line, n);
	}
	if (buf_len(&c->out) >= BLOCK)
		flush(c);
}

/*
 * The lines of what has been read; returns how much was taken. What has no end yet waits for more, or
 * half of "From " would pass for no such line; but for a line longer than a block, whose parts go as they
 * come. A CR at the end may be half of CRLF.
 */
static size_t
copy_lines(struct copy *c, const char *data, size_t n, bool *starts)
{
	size_t done = 0;

	while (done < n) {
		const char *end = memchr(data + done, '\n', n - done);
		size_t len = end != NULL ? (size_t)(end + 1 - (data + done)) : n - done;

		if (end == NULL && n - done < BLOCK)
			break;
		if (end == NULL && data[done + len - 1] == '\r' && --len == 0)
			break;
		copy_line(c, data + done, len, *starts);
		*starts = end != NULL;
		done += len;
	}
	return done;
}

static void
copy_message(struct copy *c)
{
	static char data[BLOCK];
	bool starts = true;
	size_t n = 0, done;
	ssize_t got;

	while (!c->failed) {
		got = pread(c->from, data + n, sizeof(data) - n, c->at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			c->failed = true;
		if (got <= 0)
			break;
		c->at += got;
		n += (size_t)got;
		done = copy_lines(c, data, n, &starts);
		memmove(data, data + done, n - done);
		n -= done;
	}
	if (n > 0)
		copy_line(c, data, n, starts);
	if (n > 0 || !starts)
		buf_addc(&c->out, '\n');
}

int
local_copy(const struct local_job *job, int fd, int quote_from)
{
	struct copy c = {.from = job->request.message, .to = fd, .quote = quote_from != 0};

	buf_init(&c.out, 3 * BLOCK);
	buf_addf(&c.out, "Return-Path: <%s>\nDelivered-To: %s\n", job->request.sender,
	    job->request.recipient);
	copy_message(&c);
	flush(&c);
	buf_free(&c.out);
	return c.failed ? -1 : 0;
}

/* --- .forward ----------------------------------------------------------------------------- */

/* As everybody does: his own (or root's) file, which nobody else may write to. */
static const char *
not_trusted(const struct local_job *job, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "is not a file";
	if (st->st_uid != job->user.uid && st->st_uid != 0)
		return "belongs to somebody else";
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "may be written to by others";
	if (st->st_size >= LOCAL_TEXT_MAX)
		return "is too long";
	return NULL;
}

/* A link says less than it seems to: who may write to a folder on its way may put another of his files there. */
static enum local_outcome
unopened(const struct local_job *job, struct buf *said)
{
	int err = errno;
	struct stat st;

	if (err == ENOENT)
		return LOCAL_DONE;
	if (fstatat(job->home, ".forward", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
		buf_adds(said, ".forward is a symbolic link: put the file itself there");
		return LOCAL_RETRY;
	}
	errno = err;
	return local_trouble(said, ".forward");
}

enum local_outcome
local_forward(const struct local_job *job, struct buf *said)
{
	char text[LOCAL_TEXT_MAX];
	const char *why;
	struct stat st;
	ssize_t n;
	int fd;

	errno = job->home_error;
	if (job->home < 0)
		return errno == ENOENT ? LOCAL_DONE : local_trouble(said, "the home folder");
	fd = openat(job->home, ".forward", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return unopened(job, said);
	if (fstat(fd, &st) != 0)
		return local_trouble(said, ".forward");
	if ((why = not_trusted(job, &st)) != NULL) {
		buf_addf(said, ".forward %s", why);
		return LOCAL_RETRY;
	}
	if ((n = pread(fd, text, sizeof(text), 0)) < 0)
		return local_trouble(said, ".forward");
	buf_add(said, text, (size_t)n); /* too long by now: the ceiling says so */
	return LOCAL_DONE;
}
