/*
 * resources: the unmodified program when there is too little of something.
 *
 *	resources SORTIE SINK [--every N] [--only NAME]
 *
 * Limits of each kind, from next to nothing up to enough, for a submission and a queue run; and,
 * where root may mount a file system in memory, disks of every size (resources_disk.c). What must be
 * true is in resources.h. Prints a line for each kind of limit, fields separated by tabs: ROW, its
 * name, points, and how often something was lost, came twice beyond what is allowed, and 0.
 *
 *	--every N	only every N-th limit of each
 *	--only NAME	kinds whose name begins so
 */
#include "t/fault/resources.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/str.h"
#include "whole.h"

enum { KIB = 1024, NOBODY = 60800, NOBODIES = 300 /* of those users no system has any */ };

static struct {
	unsigned every;
	const char *only;
} opt = {.every = 1, .only = ""};

static const struct kind {
	const char *name;
	int resource;
	unsigned long first, last, step;
	bool needs_memory; /* a process without it may be killed by the kernel, or die of it */
} kinds[] = {
    {"RLIMIT_NOFILE", RLIMIT_NOFILE, 3, 64, 1, false},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE, 0, 1000, 7, false},
    {"RLIMIT_FSIZE around the ballast", RLIMIT_FSIZE, 1024 * KIB - 8, 1024 * KIB + 8, 4, false},
#ifdef RLIMIT_AS
    {"RLIMIT_AS", RLIMIT_AS, 2048 * KIB, 32768 * KIB, 256 * KIB, true},
#endif
    {"RLIMIT_DATA", RLIMIT_DATA, 0, 6144 * KIB, 64 * KIB, true},
    {"RLIMIT_STACK", RLIMIT_STACK, 8 * KIB, 512 * KIB, 8 * KIB, true},
};
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0 /* a sanitizer needs memory and a process more than the program does */
#endif

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static int resource;
static rlim_t limit;

static void
set_limit(void)
{
	struct rlimit rl = {.rlim_cur = limit, .rlim_max = limit};

	setrlimit(resource, &rl);
}

/* Whether the submission was accepted. */
static bool
try_limit(const struct kind *k, unsigned long value, struct tally *t)
{
	bool accepted;
	int status;

	limit = value;
	t->points++;
	post_point("%s %lu", k->name, value);
	accepted = post_submit(t, set_limit, "-odq");
	post_submit(t, NULL, "-odq"); /* so that the run has something to do in any case */
	status = post_run(t, set_limit, !k->needs_memory);
	if (!k->needs_memory && WIFSIGNALED(status))
		post_complain(&t->other, "queue run: died of signal %d", WTERMSIG(status));
	post_finish(t);
	return accepted;
}

static bool
try_kind(const struct kind *k)
{
	struct tally t = {0};
	char name[80];

	resource = k->resource;
	for (unsigned long v = k->first; v < k->last; v += k->step * opt.every)
		try_limit(k, v, &t);
	if (!try_limit(k, k->last, &t))
		post_complain(&t.other, "and that was to be enough");
	snprintf(name, sizeof(name), "%s, submission and queue run", k->name);
	post_row(name, &t);
	return t.lost + t.duplicated + t.other == 0;
}

/* --- no process may be started --- */

#ifdef RLIMIT_NPROC
static uid_t user; /* nobody else's: another process of his, anywhere, and none of ours may start */

/* Of a user with this many processes; root may have as many as it likes. */
static void
no_processes(void)
{
	gid_t none[1] = {(gid_t)user};

	resource = RLIMIT_NPROC;
	limit = 0;
	if (user != getuid() && (setgroups(0, none) != 0 || setgid((gid_t)user) != 0))
		_exit(EX_OSERR);
	set_limit();
	if (user != getuid() && setuid(user) != 0)
		_exit(EX_OSERR);
}

static bool
try_processes(void)
{
	struct tally t = {0};
	char log[POST_PATH_MAX], copy[POST_PATH_MAX];
	const char *const cp[] = {"/bin/cp", post.sortie, copy, NULL};

	user = getuid() == 0 ? NOBODY + (uid_t)getpid() % NOBODIES : getuid();
	post_point("RLIMIT_NPROC 0");
	snprintf(post.spool, sizeof(post.spool), "%s/%s", post.dir, "nobody");
	snprintf(log, sizeof(log), "%s/log", post.dir);
	snprintf(copy, sizeof(copy), "%s/sortie", post.dir); /* where everybody may run it */
	waitpid(whole_start(cp, "/dev/null"), NULL, 0);
	post.sortie = copy;
	if (mkdir(post.spool, 0700) != 0 || chown(post.spool, user, (gid_t)-1) != 0 ||
	    chmod(post.dir, 0755) != 0 || chown(log, user, (gid_t)-1) != 0)
		die(EX_OSERR, "%s: %s", post.spool, strerror(errno));
	post_configure();
	if (!post_submit(&t, no_processes, "-odb"))
		post_complain(&t.other, "a submission needs no other process");
	post_run(&t, no_processes, false);
	post_finish(&t);
	t.points = 2;
	post_row("RLIMIT_NPROC 0, submission with a background and queue run", &t);
	return t.lost + t.duplicated + t.other == 0;
}
#endif

/* --- the whole --- */

LOG_NORETURN static void
usage(void)
{
	die(EX_USAGE, "usage: resources SORTIE SINK [--every N] [--only NAME]");
}

static void
options(int argc, char **argv)
{
	uint64_t n;
	int i;

	if (argc < 3)
		usage();
	post.sortie = argv[1];
	post.sink = argv[2];
	for (i = 3; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--only") == 0)
			opt.only = argv[i + 1];
		else if (strcmp(argv[i], "--every") == 0 && str_u64(argv[i + 1], 10000, &n) &&
			 n > 0)
			opt.every = (unsigned)n;
		else
			usage();
	}
	if (i != argc)
		usage();
}

int
main(int argc, char **argv)
{
	bool well = true;

	options(argc, argv);
	post_begin();
	for (int i = 0; i < KINDS; i++)
		if (str_starts(kinds[i].name, opt.only) && !(SANITIZED && kinds[i].needs_memory))
			well = try_kind(&kinds[i]) && well;
	if (str_starts("disk", opt.only))
		well = disk_sweep(opt.every) && well;
#ifdef RLIMIT_NPROC
	if (!SANITIZED && str_starts("RLIMIT_NPROC", opt.only))
		well = try_processes() && well;
#endif
	post.keep = post.keep || !well;
	post_end();
	return well ? 0 : 1;
}
