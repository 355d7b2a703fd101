/* ctl_check_run.c: spool, log, queue. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "ctl/ctl_check.h"
#include "ctl/ctl_term.h"
#include "ledger.h"
#include "spool/spool.h"

enum {
	SPACE_MIN = 16 * 1024 * 1024, /* of a spool's disk: less is trouble soon */
	INODES_MIN = 1000,
	STALE_S = 36 * 3600, /* spool_clean() removes what is older */
	OVERDUE_S = 3600,
	SELDOM_S = 26 * 3600,
	LOADED_MAX = 100 /* of those that seem overdue */
};

/* --- the spool ---------------------------------------------------------------------------- */

static const char *const parts[] = {"tmp", "msg", "ctl", "corrupt", "run"};

/* Names and modes alone: what is in it is looked at by its owner. False: it has been said. */
static bool
check_folder(struct check *k, const char *path, bool part)
{
	mode_t bad = part ? S_IWGRP | S_IWOTH : 077; /* nobody comes that far */
	struct stat st;

	if (lstat(path, &st) == -1)
		return true; /* made when it is needed */
	if (S_ISLNK(st.st_mode) && !part) {
		check_type_editor(k, k->c->program.config.path, 0);
		check_say(k, CHECK_FAIL,
		    "%s is a link, which is not followed; write where it leads as `spool'", path);
	} else if (!S_ISDIR(st.st_mode)) {
		check_type(k, "mv %s %s.old", path, path);
		check_say(k, CHECK_FAIL, "%s is no folder", path);
	} else if (st.st_uid != k->spool.st_uid) {
		check_type(k, "chown -R %s %s", k->owner, k->c->program.config.spool);
		check_say(k, CHECK_FAIL, "%s belongs to another user", path);
	} else if ((st.st_mode & bad) != 0) {
		check_type(k, "chmod 700 %s", path);
		check_say(k, CHECK_FAIL, "others may %s %s", part ? "write to" : "look into", path);
	} else {
		return true;
	}
	return false;
}

static bool
check_disk(struct check *k, const char *spool)
{
	char space[16];
	struct statvfs v;
	uint64_t free_bytes;

	if (statvfs(spool, &v) == -1)
		return true;
	free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	if (free_bytes < SPACE_MIN) {
		check_type(k, "df %s", spool);
		check_say(k, free_bytes == 0 ? CHECK_FAIL : CHECK_WARN,
		    "the disk of %s has %s left", spool, term_size(free_bytes, space));
		return false;
	}
	if (v.f_files > 0 && v.f_favail < INODES_MIN) { /* some file systems do not count them */
		check_type(k, "df -i %s", spool);
		check_say(k, v.f_favail == 0 ? CHECK_FAIL : CHECK_WARN,
		    "the disk of %s has room for %" PRIu64 " files", spool, (uint64_t)v.f_favail);
		return false;
	}
	return true;
}

static void
type_run(struct check *k)
{
	const char *file = k->c->program.options.config;

	check_type(
	    k, "%s%s%s -q", k->program, file != NULL ? " -C " : "", file != NULL ? file : "");
}

/* How many files of a part are so old or older. */
static size_t
count_files(const struct check *k, const char *part, int64_t older_s)
{
	char path[1100];
	struct dirent *e;
	struct stat st;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", k->c->program.config.spool, part);
	if ((d = opendir(path)) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' &&
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    k->c->now - (int64_t)st.st_mtime >= older_s)
			n++;
	closedir(d);
	return n;
}

/* A spool that nobody has used yet has nothing in it. */
static bool
is_ballast_given_up(const char *spool)
{
	struct stat st;
	char path[1100];

	snprintf(path, sizeof(path), "%s/ctl", spool);
	if (lstat(path, &st) == -1)
		return false;
	snprintf(path, sizeof(path), "%s/ballast", spool);
	return lstat(path, &st) == -1 && errno == ENOENT;
}

static bool
check_leftovers(struct check *k, const char *spool)
{
	size_t corrupt = count_files(k, "corrupt", INT32_MIN);
	size_t stale = count_files(k, "tmp", STALE_S);

	bool ballast = !is_ballast_given_up(spool);

	if (!ballast) {
		check_type(k, "df %s", spool);
		check_say(k, CHECK_WARN, "the ballast was given up: the disk has been full");
	}
	if (corrupt > 0) {
		check_type(k, "ls -l %s/corrupt", spool);
		check_say(k, CHECK_WARN, "%zu damaged file%s kept in %s/corrupt", corrupt,
		    corrupt == 1 ? " is" : "s are", spool);
	}
	if (stale > 0) {
		type_run(k);
		check_say(k, CHECK_WARN,
		    "%s/tmp has %zu file%s older than 36 h, which no queue run has removed", spool,
		    stale, stale == 1 ? "" : "s");
	}
	return ballast && corrupt == 0 && stale == 0;
}

void
check_spool(struct check *k)
{
	const char *spool = k->c->program.config.spool;
	char path[1100];
	bool well;

	if (!k->spool_there) {
		check_type(k, "mkdir -p -m 700 %s && chown %s %s", spool, k->owner, spool);
		check_say(k, CHECK_FAIL, "there is no %s", spool);
		return;
	}
	if (!k->own && k->spool.st_uid == 0) {
		check_type(k, "chown -R %s %s", k->owner, spool);
		check_say(k, CHECK_FAIL, "%s is root's", spool);
		return;
	}
	well = check_way_is_open(k, spool) && check_folder(k, spool, false);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", spool, parts[i]);
		well = check_folder(k, path, true) && well;
	}
	well = check_disk(k, spool) && well;
	if (well && check_leftovers(k, spool))
		check_say(k, CHECK_OK, "%s", spool);
}

/* --- the log ------------------------------------------------------------------------------ */

/* What openlog(3) speaks to. */
static bool
syslog_listens(void)
{
	static const char *const sockets[] = {"/dev/log", "/var/run/log"};
	static const int kinds[] = {SOCK_DGRAM, SOCK_STREAM};
	bool answers = false;

	for (size_t i = 0; i < 4 && !answers; i++) {
		struct sockaddr_un to = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, kinds[i % 2] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		str_copy(to.sun_path, sizeof(to.sun_path), sockets[i / 2]);
		answers = fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;
		if (fd >= 0)
			close(fd);
	}
	return answers;
}

/* A file that is there must be the owner's to write; one that is not, his to make. */
static bool
may_write(const struct check *k, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 &&
	       ((k->spool_there && st.st_uid == k->spool.st_uid && (st.st_mode & S_IWUSR) != 0) ||
		   (st.st_mode & S_IWOTH) != 0);
}

static void
type_syslog(struct check *k)
{
	if (check_there(k, "/etc/init.d/syslog") && check_there(k, "/sbin/openrc-run"))
		check_type(k, "rc-update add syslog boot && rc-service syslog start");
	else
		check_type_package(k, "rsyslog", "rsyslog", "", "");
}

void
check_log(struct check *k)
{
	const char *log = k->c->program.config.log;
	char folder[1024];

	if (strcmp(log, "stderr") == 0) {
		check_say(k, CHECK_OK, "standard error");
	} else if (strcmp(log, "syslog") == 0) {
		if (syslog_listens())
			check_say(k, CHECK_OK, "syslog");
		else {
			type_syslog(k);
			check_say(k, CHECK_WARN, "syslog: nobody listens; what is logged is lost");
		}
	} else {
		str_copy(folder, sizeof(folder), log);
		if (strrchr(folder, '/') != NULL)
			*strrchr(folder, '/') = '\0';
		if (may_write(k, access(log, F_OK) == 0 ? log : folder)) {
			check_say(k, CHECK_OK, "%s", log);
			return;
		}
		check_type(k, "touch %s && chown %s %s", log, k->owner, log);
		check_say(k, CHECK_WARN, "%s cannot write to %s; syslog is used instead",
		    k->name_of_owner, log);
	}
}

/* --- the last run ------------------------------------------------------------------------- */

/* Whatever starts them: whether they are made. Once a day is as seldom as anybody means it. */
void
check_last_run(struct check *k)
{
	struct ledger_book book;
	char ago[64];
	int64_t at;

	if (ledger_read(k->c->program.spool, &book) == -1) {
		check_say(k, CHECK_WARN, "what runs have seen cannot be read: %s", strerror(errno));
		ledger_book_free(&book);
		return;
	}
	at = book.all.ok_at;
	ledger_book_free(&book);
	if (at == 0) {
		check_say(k, CHECK_OK, "the queue has not been run yet");
		return;
	}
	str_duration_text(at < k->c->now ? k->c->now - at : 0, ago, sizeof(ago));
	if (k->c->now - at > SELDOM_S) {
		type_run(k);
		check_say(k, CHECK_WARN, "the queue was last run %s ago", ago);
	} else {
		check_say(k, CHECK_OK, "the queue was last run %s ago", ago);
	}
}

/* --- the queue ---------------------------------------------------------------------------- */

struct queue_state {
	struct check *k;
	size_t messages, overdue, loaded;
};

/* The file's time says when it is due but for those that are held. */
static bool
is_held(const struct check *k, const char *id)
{
	struct envelope e;
	char why[256];
	off_t size;
	bool held;

	envelope_init(&e);
	held =
	    spool_load(k->c->program.spool, id, -1, &e, &size, why, sizeof(why)) != SPOOL_LOADED ||
	    e.hold;
	envelope_free(&e);
	return held;
}

static bool
on_message(void *ctx, const struct spool_entry *e)
{
	struct queue_state *q = ctx;

	q->messages++;
	if (e->due_at < q->k->c->now - OVERDUE_S && q->loaded < LOADED_MAX) {
		q->loaded++;
		if (!is_held(q->k, e->id))
			q->overdue++;
	}
	return true;
}

void
check_queue(struct check *k)
{
	struct queue_state q = {.k = k};

	if (spool_scan(k->c->program.spool, on_message, &q) != 0) {
		check_type(k, "ls -l %s/ctl", k->c->program.config.spool);
		check_say(k, CHECK_FAIL, "not all of the queue could be read");
	} else if (q.overdue > 0) {
		type_run(k);
		check_say(k, CHECK_WARN,
		    "%zu of %zu message%s due for more than an hour%s: is the queue run?",
		    q.overdue, q.messages, q.messages == 1 ? " has been" : "s have been",
		    q.loaded == LOADED_MAX ? ", perhaps more" : "");
	} else {
		check_say(k, CHECK_OK, "%zu message%s", q.messages, q.messages == 1 ? "" : "s");
	}
}
