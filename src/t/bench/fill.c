/*
 * fill: makes what a benchmark starts from, fast: a spool with messages in it, or a folder of them.
 *
 *	fill [OPTION]... SPOOL N
 *	fill --files [--size BYTES] FOLDER N
 *
 *	--size BYTES        of each message, CRLF counted (4096)
 *	--recipients N      of each (1)
 *	--domains N         recipients are at d0.bench.example, d1.bench.example, ... in turn (1: all at
 *	                    bench.example)
 *	--sleeping N        so many more that have been tried and are not due for hours
 *
 * What is due is made as a submission makes it, but for the syncs. Those that sleep get the same files
 * in fewer steps (a million in half a minute), and share their bodies, which nobody reads, by link(2).
 * Recipients are rN@..., numbered through, so that a record shows who is missing. At the end all is
 * synced, so that a run has nothing of this to wait for.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "spool/spool.h"

enum { LINKS_MAX = 30000, SLEEP_S = 6 * 3600, CTL_MAX = 64 * 1024 * 1024 };

static struct {
	const char *dir;
	uint64_t messages, size, recipients, domains, sleeping;
	bool files;
} opt = {.size = 4096, .recipients = 1, .domains = 1};

static struct {
	int msg, ctl;
	char body[ENVELOPE_ID_MAX + 1]; /* the last that was made, for others to link to */
	unsigned links;
	uint64_t recipient; /* the next */
} at;

static char *
new_text(size_t *n)
{
	static const char line[] =
	    "This line is here to fill the message and is seventy octets in length.\r\n";
	static const char head[] = "From: <a@bench.example>\r\nTo: <b@bench.example>\r\n"
				   "Message-ID: <1@bench.example>\r\nSubject: bench\r\n"
				   "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n";
	size_t size = opt.size > sizeof(head) ? opt.size : sizeof(head) + 1, i, k;
	char *text = xmalloc(size);

	memcpy(text, head, sizeof(head) - 1);
	for (i = sizeof(head) - 1, k = 0; i < size; i++, k++)
		text[i] = line[k % (sizeof(line) - 1)];
	memcpy(text + size - 2, "\r\n", 2);
	*n = size;
	return text;
}

static void
address(struct envelope *e)
{
	char text[64];
	unsigned long long n = at.recipient++;

	if (opt.domains == 1)
		snprintf(text, sizeof(text), "r%llu@bench.example", n);
	else
		snprintf(text, sizeof(text), "r%llu@d%llu.bench.example", n,
		    n % (unsigned long long)opt.domains);
	envelope_add(e, text);
}

static void
new_envelope(struct envelope *e, uint64_t size)
{
	envelope_init(e);
	e->sender = xstrdup("a@bench.example");
	e->uid = (long long)getuid();
	e->submitted = time(NULL);
	e->size = size;
	e->longest = 70;
	for (uint64_t i = 0; i < opt.recipients; i++)
		address(e);
}

static void
submit(struct spool *sp, const char *text, size_t n)
{
	struct envelope e;
	struct draft d;

	new_envelope(&e, n);
	if (draft_open(sp, &d) != 0 || durable_write(d.fd, text, n) != 0 ||
	    draft_commit(sp, &d, &e, NULL) != 0)
		die(EX_IOERR, "cannot submit: %s", strerror(errno));
	draft_abort(sp, &d);
	envelope_free(&e);
}

/* --- those that sleep --- */

static int
new_file(int dir, const char *name, const void *data, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		die(EX_IOERR, "%s: %s", name, strerror(errno));
	return fd;
}

static void
sleeping_body(const char *id, const char *text, size_t n)
{
	if (at.links++ % LINKS_MAX == 0) {
		close(new_file(at.msg, id, text, n));
		str_copy(at.body, sizeof(at.body), id);
	} else if (linkat(at.msg, at.body, at.msg, id, 0) != 0)
		die(EX_IOERR, "%s: %s", id, strerror(errno));
}

static void
sleeping_ctl(struct envelope *e)
{
	int64_t now = time(NULL);
	struct timespec due[2] = {{.tv_sec = now + SLEEP_S}, {.tv_sec = now + SLEEP_S}};
	struct buf text;
	int fd;

	buf_init(&text, CTL_MAX);
	envelope_write(&text, e);
	envelope_attempted(e, now, SLEEP_S);
	envelope_write_number(&text, "attempted", now);
	envelope_write_number(&text, "retry", SLEEP_S);
	for (size_t i = 0; i < e->nrcpts; i++)
		envelope_write_remote(
		    &text, &e->rcpts[i], RCPT_DEFERRED, "451 4.7.1 greylisted, try again");
	fd = new_file(at.ctl, e->id, buf_data(&text), buf_len(&text));
	if (futimens(fd, due) != 0)
		die(EX_IOERR, "%s: %s", e->id, strerror(errno));
	close(fd);
	buf_free(&text);
}

static void
put_to_sleep(uint64_t nth, const char *text, size_t n)
{
	struct envelope e;

	new_envelope(&e, n);
	snprintf(e.id, sizeof(e.id), "%08llx%05llxsleep%02llx", (unsigned long long)time(NULL),
	    (unsigned long long)nth & 0xfffff, (unsigned long long)nth >> 20);
	str_copy(e.msgid, sizeof(e.msgid), e.id);
	sleeping_body(e.id, text, n);
	sleeping_ctl(&e);
	envelope_free(&e);
}

/* --- all of it --- */

static int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

static int
open_below(const char *name)
{
	char path[1024];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", opt.dir, name);
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		die(EX_NOINPUT, "%s: %s", path, strerror(errno));
	return fd;
}

static void
fill_spool(const char *text, size_t n)
{
	struct spool *sp;
	char why[256];

	if (spool_open(&sp, opt.dir, why, sizeof(why)) != 0)
		die(EX_CANTCREAT, "%s", why);
	sys.fsync = no_sync;
	at.msg = open_below("msg");
	at.ctl = open_below("ctl");
	for (uint64_t i = 0; i < opt.messages; i++)
		submit(sp, text, n);
	for (uint64_t i = 0; i < opt.sleeping; i++)
		put_to_sleep(i, text, n);
	spool_close(&sp);
}

static void
fill_folder(const char *text, size_t n)
{
	if (mkdir(opt.dir, 0700) != 0 && errno != EEXIST)
		die(EX_CANTCREAT, "%s: %s", opt.dir, strerror(errno));
	at.msg = open_below(".");
	for (uint64_t i = 0; i < opt.messages; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%08llu", (unsigned long long)i);
		close(new_file(at.msg, name, text, n));
	}
}

LOG_NORETURN static void
usage(void)
{
	die(EX_USAGE, "usage: fill [--files] [--size BYTES] [--recipients N] [--domains N] "
		      "[--sleeping N] FOLDER N");
}

static void
options(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint64_t *value;
	} numbers[] = {{"--size", &opt.size}, {"--recipients", &opt.recipients},
	    {"--domains", &opt.domains}, {"--sleeping", &opt.sleeping}};
	enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };
	int i = 1;

	for (; i + 2 < argc; i++) {
		size_t k = 0;

		if (strcmp(argv[i], "--files") == 0) {
			opt.files = true;
			continue;
		}
		while (k < NUMBERS && strcmp(argv[i], numbers[k].name) != 0)
			k++;
		if (k == NUMBERS || !str_u64(argv[++i], 1000000000, numbers[k].value) ||
		    opt.domains == 0)
			usage();
	}
	if (i + 2 != argc || !str_u64(argv[i + 1], 100000000, &opt.messages))
		usage();
	opt.dir = argv[i];
}

int
main(int argc, char **argv)
{
	char *text;
	size_t n;

	options(argc, argv);
	text = new_text(&n);
	if (opt.files)
		fill_folder(text, n);
	else
		fill_spool(text, n);
	free(text);
	sync();
	return 0;
}
