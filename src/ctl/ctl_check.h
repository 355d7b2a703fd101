/*
 * ctl_check.h: sortiectl check: what is wrong with an installation, and what to type.
 *
 *	ctl_check.c		the checks in their order; how they report
 *	ctl_check_files.c	what is there, who may read it, who can install what is missing
 *	ctl_check_install.c	what make install and the administrator have made
 *	ctl_check_names.c	which program answers to sendmail
 *	ctl_check_runs.c	who runs the queue; ctl_check_starters.c: what starts such runs
 *	ctl_check_run.c		spool, log, queue
 *	ctl_check_network.c	what asks others; ctl_check_delivery.c: the servers that get the mail
 *
 * A check says at least one line. Those that come first look with the caller's rights, at names, owners and
 * modes, and read what cron and init read; the others have the owner's.
 */
#ifndef CTL_CTL_CHECK_H
#define CTL_CTL_CHECK_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "ctl/ctl.h"

#ifndef SORTIEUSER
#define SORTIEUSER "sortie"
#endif

#ifndef DATADIR
#define DATADIR "/usr/local/share/sortie"
#endif

/* HINT: all is well and could be better. Only FAIL makes the command fail. */
enum check_result { CHECK_OK, CHECK_HINT, CHECK_WARN, CHECK_FAIL };

enum { CHECK_PATH = 1400, CHECK_NAME = 80 };

struct check {
	struct ctl *c;
	const char *program; /* of sortie */
	char folder[1024]; /* where it is */
	char front[1100];
	const char *domain; /* to try; NULL: none */
	const char *root; /* below which the system's files are: "", but in tests */
	const char *user; /* whose the spool should be */
	bool own; /* an installation of somebody's own: -C or --program */
	bool no_network;
	bool configured; /* the configuration has been read */
	bool spool_there;
	struct stat spool; /* if so */
	bool owner_known;
	uid_t uid; /* his who works in the spool, if so */
	gid_t gid;
	char owner[2 * CHECK_NAME]; /* for chown(8) */
	char name_of_owner[CHECK_NAME];
	int64_t deadline_ms; /* of all that asks others */
	const char *name; /* of the check that is being made */
	char command[2400]; /* what to type, for the next line; "" nothing */
	enum check_result worst, worst_of_this;
	int rc; /* what came in between, and was said */
};

/* What is to be typed, shown below the next line. */
void check_type(struct check *k, const char *fmt, ...) LOG_PRINTF(2, 3);
/* The line; clean when shown. */
void check_say(struct check *k, enum check_result result, const char *fmt, ...) LOG_PRINTF(3, 4);

/* --- ctl_check_files.c --- */

/* Where a file of the system is. Returns dst. */
const char *check_place(const struct check *k, const char *path, char dst[CHECK_PATH]);
bool check_there(const struct check *k, const char *path); /* of the system; leading nowhere, too */
/* A file of the system's or cron's, read a line at a time; NULL: none, or no regular one. Whole path. */
FILE *check_read(const char *path);
/* Its permissions say yes to the owner (ACLs are not asked); true where he is not known. */
bool check_may_read(const struct check *k, const struct stat *st);
/* Whether all folders above it let the owner through; else it has been said. `what` is read there. */
bool check_way_is_open(struct check *k, const char *path);
/* Types what installs that, by its name here and there; "": it has none. False: nothing is typed. */
bool check_type_package(
    struct check *k, const char *apt, const char *rpm, const char *apk, const char *pkg);
/* The package (of dpkg) that has that file of the system. */
bool check_package_of(const struct check *k, const char *path, char name[CHECK_NAME]);
void check_type_editor(struct check *k, const char *path, int line); /* 0: wherever */

/* --- ctl_check_runs.c, ctl_check_starters.c --- */

enum starter_kind { STARTER_CRON, STARTER_SYSTEMD, STARTER_OPENRC, STARTER_RC };

struct starter { /* what starts queue runs */
	enum starter_kind kind;
	char what[CHECK_PATH]; /* a file, or a unit of systemd */
	char user[CHECK_NAME]; /* as whom */
	bool resident; /* the run stays */
	char problem[CHECK_NAME + 240]; /* ""; else why it starts none, and what to type */
	char command[CHECK_PATH];
};

enum { STARTERS_MAX = 16 };

struct starters {
	struct starter v[STARTERS_MAX];
	size_t n;
};

void starters_find(const struct check *k, struct starters *all);
bool starters_cron_is_there(const struct check *k);

/* --- ctl_check_network.c --- */

enum { CHECK_TOO_LATE = -1 };

/* Runs it in a child, standard output being read: its exit status, or CHECK_TOO_LATE. */
typedef int check_child_fn(struct check *k, const void *ctx);
int check_child(
    struct check *k, check_child_fn *fn, const void *ctx, int64_t at_most_ms, struct buf *out);

/* --- the checks --- */

typedef void check_fn(struct check *k);
check_fn check_config, check_user, check_programs, check_names, check_credentials, check_ca;
check_fn check_spool, check_log, check_runs, check_last_run, check_queue;
check_fn check_hostname, check_nameservers, check_delivery;

/* The rest of what is known before the first check. False: it has been said. */
bool check_begin(struct check *k, const char *program);

#endif
