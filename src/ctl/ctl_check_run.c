/* ctl_check_run.c: spool, log, who runs the queue, and whether it is being run. */
#include <sys/file.h>
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
#include "spool/spool.h"

#ifndef DATADIR
#define DATADIR "/usr/local/share/sortie"
#endif

enum {
	SPACE_MIN = 16 * 1024 * 1024, /* of a spool's disk: less is trouble soon */
	INODES_MIN = 1000,
	STALE_S = 36 * 3600, /* spool_clean() removes what is older */
	OVERDUE_S = 3600,
	LOADED_MAX = 100 /* of those that seem overdue */
};

/* --- the spool ---------------------------------------------------------------------------- */

static const char *const parts[] = {"tmp", "msg", "ctl", "corrupt", "run"};

/* Names and modes alone: what is in it is looked at by its owner. False: it has been said. */
static bool
check_folder(struct check *k, const char *path, bool whole)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return true; /* made when it is needed */
	check_type(k, "chmod 700 %s", path);
	if (!S_ISDIR(st.st_mode))
		check_say(k, CHECK_FAIL, "%s is no folder", path);
	else if (st.st_uid != k->spool.st_uid) {
		check_type(k, "chown -R %s %s", k->owner, k->c->program.config.spool);
		check_say(k, CHECK_FAIL, "%s belongs to another user", path);
	} else if ((st.st_mode & (whole ? S_IWGRP | S_IWOTH : 077)) != 0)
		check_say(k, CHECK_FAIL, "others may look into %s", path);
	else {
		k->command[0] = '\0';
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

	if (is_ballast_given_up(spool)) {
		check_type(k, "df %s", spool);
		check_say(k, CHECK_WARN, "the ballast was given up: the disk has been full");
	}
	if (corrupt > 0) {
		check_type(k, "ls -l %s/corrupt", spool);
		check_say(
		    k, CHECK_WARN, "%zu damaged files are kept in %s/corrupt", corrupt, spool);
	}
	if (stale > 0) {
		check_type(k, "%s -q", k->program);
		check_say(k, CHECK_WARN,
		    "%zu files in %s/tmp are older than 36 h: no queue run has removed them", stale,
		    spool);
	}
	return corrupt == 0 && stale == 0;
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
	well = check_folder(k, spool, false);
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
		else
			check_say(k, CHECK_WARN, "syslog: nobody listens; what is logged is lost");
	} else {
		str_copy(folder, sizeof(folder), log);
		if (strrchr(folder, '/') != NULL)
			*strrchr(folder, '/') = '\0';
		if (may_write(k, access(log, F_OK) == 0 ? log : folder)) {
			check_say(k, CHECK_OK, "%s", log);
			return;
		}
		check_type(k, "touch %s && chown %s %s", log, k->owner, log);
		check_say(k, CHECK_WARN, "%.*s cannot write to %s; syslog is used instead",
		    (int)strcspn(k->owner, ":"), k->owner, log);
	}
}

/* --- who runs ----------------------------------------------------------------------------- */

/* A shared lock for a moment, as spool/runners.c asks; nothing is made, nothing read. */
static bool
runner_is_there(const struct check *k)
{
	char path[1100];
	bool held;
	int fd;

	snprintf(path, sizeof(path), "%s/run/full", k->c->program.config.spool);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1)
		return false;
	held = flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK;
	close(fd);
	return held;
}

static bool
speaks_of_sortie(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[1024];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = line[0] != '#' && strstr(line, "sortie") != NULL;
	if (f != NULL)
		fclose(f);
	return found;
}

/* What starts a run sooner or later; NULL: nothing that we know of. */
static const char *
find_starter(void)
{
	static const char *const links[] = {
	    "/etc/systemd/system/multi-user.target.wants/sortie.service",
	    "/etc/systemd/system/timers.target.wants/sortie-queue.timer",
	    "/etc/runlevels/default/sortie"};
	static const char *const files[] = {"/etc/cron.d/sortie", "/etc/crontab",
	    "/var/spool/cron/crontabs/root", "/var/spool/cron/crontabs/" SORTIEUSER,
	    "/var/spool/cron/root", "/var/spool/cron/" SORTIEUSER, "/etc/crontabs/root",
	    "/var/cron/tabs/root", "/var/cron/tabs/" SORTIEUSER, "/etc/rc.conf",
	    "/etc/rc.conf.local", "/etc/rc.conf.d/sortie"};
	struct stat st;

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (lstat(links[i], &st) == 0)
			return links[i];
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (speaks_of_sortie(files[i]))
			return files[i];
	return NULL;
}

static void
type_starter(struct check *k)
{
	if (access("/run/systemd/system", F_OK) == 0)
		check_type(k, "cp " DATADIR "/sortie.service /etc/systemd/system/ && "
			      "systemctl enable --now sortie");
	else if (access("/etc/cron.d", F_OK) == 0)
		check_type(k, "cp " DATADIR "/sortie.cron /etc/cron.d/sortie");
	else
		check_type(k, "echo '*/5 * * * * %s -q' | crontab -u %.*s -", k->program,
		    (int)strcspn(k->owner, ":"), k->owner);
}

void
check_runs(struct check *k)
{
	const char *starter;

	if (runner_is_there(k)) {
		check_say(k, CHECK_OK, "one is at work");
	} else if (k->own) {
		check_type(k, "%s -C %s -q5m", k->program, k->c->program.config.path);
		check_say(k, CHECK_WARN, "nobody runs the queue now");
	} else if ((starter = find_starter()) != NULL) {
		check_say(k, CHECK_OK, "started by %s", starter);
	} else {
		type_starter(k);
		check_say(
		    k, CHECK_FAIL, "nobody starts queue runs: what must be tried again stays here");
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
		check_say(k, CHECK_FAIL, "not all of the queue could be read");
	} else if (q.overdue > 0) {
		check_type(k, "%s -q", k->program);
		check_say(k, CHECK_WARN,
		    "%zu messages, of which %s%zu have been due for more than an hour: is the "
		    "queue "
		    "run?",
		    q.messages, q.loaded == LOADED_MAX ? "at least " : "", q.overdue);
	} else {
		check_say(k, CHECK_OK, "%zu messages", q.messages);
	}
}
