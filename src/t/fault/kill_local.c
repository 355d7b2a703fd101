/*
 * kill_local: the unmodified program, killed at each of its system calls while it writes to mailboxes:
 * the run, the helper, and the child that has become the user.
 *
 *	kill_local SORTIE [--every N] [--only KIND] [--at N]
 *
 * For each kind of mailbox and n = 1, 2, ...: mail for a user is in the spool, a queue run begins under
 * tracer.h, and the whole family is killed with SIGKILL before its n-th call. Then the program runs again,
 * untouched, until the queue is empty. Whatever is in the mailboxes then must be a whole message, each
 * must be there, and what is there twice was in flight. This ends when a run came to its end before its
 * n-th call.
 *
 * Root gives himself a passwd of his own, in which there are users; anybody else delivers to
 * himself, into an mbox alone: his home is none of ours.
 *
 * A line on standard output for each kind, as kill_each.c has them.
 */
#include <sys/stat.h>
#include <sys/wait.h>
#if defined(__linux__)
#include <sys/mount.h>
#include <sys/syscall.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
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
#include "tracer.h"
#include "tree.h"
#include "whole.h"

enum {
	MESSAGES = 3,
	BOXES = 2,
	UID = 64004, /* and the next: nobody, we trust */
	TWICE = 2, /* one that is being written, one that was and is not recorded */
	RUNS_MAX = 10,
	OLD_S = 3600, /* nobody holds a dot lock so long */
	BOX_MAX = 1 << 20,
	PATIENCE_S = 60,
	OWN_MOUNTS = 0x00020000, /* CLONE_NEWNS, which glibc hides */
};

static const struct kind {
	const char *name, *local, *forward;
	bool for_root; /* it needs users with homes */
} kinds[] = {
    {"mbox", "mbox", NULL, false},
    {"Maildir", "maildir", NULL, true},
    {"mbox, and a copy to another", "mbox", "\\kilroy\nother\n", true},
};

static struct {
	const char *sortie, *only;
	unsigned long every, at;
} opt = {.every = 1};

static char dir[TREE_PATH_MAX];
static const char *users[BOXES]; /* [1] NULL: there is one */
static char *whole_text[BOXES][MESSAGES]; /* as it must be in the mailbox; NULL: not known yet */
static unsigned long times[BOXES][MESSAGES], lost, twice, broken;
static bool root;

struct point {
	unsigned long n, calls;
	bool killed;
	pid_t unlocked[BOXES]; /* has removed a dot lock and not synced that; 0: none */
};

/* --- the world ---------------------------------------------------------------------------- */

static const char *
home_of(size_t box)
{
	return tree_path(tree_path(dir, "home"), users[box]);
}

static void
make_folder(const char *path, mode_t mode, uid_t uid)
{
	if (mkdir(path, 0700) != 0 || chmod(path, mode) != 0 ||
	    (root && chown(path, uid, uid) != 0))
		die(EX_CANTCREAT, "%s: %s", path, strerror(errno));
}

#if defined(__linux__)
static int
have_passwd(const char *passwd)
{
	if (syscall(SYS_unshare, OWN_MOUNTS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return -1;
	return mount(passwd, "/etc/passwd", NULL, MS_BIND, NULL);
}
#else
static int
have_passwd(const char *passwd)
{
	(void)passwd;
	return -1; /* nor is there a tracer */
}
#endif

static void
make_passwd(void)
{
	const char *passwd = tree_path(dir, "passwd");

	users[0] = "kilroy";
	users[1] = "other";
	whole_write_file(passwd,
	    "root:x:0:0::/root:/bin/sh\nkilroy:x:%d:%d::%s:/bin/sh\n"
	    "other:x:%d:%d::%s:/bin/sh\n",
	    UID, UID, home_of(0), UID + 1, UID + 1, home_of(1));
	chmod(passwd, 0644);
	if (have_passwd(passwd) != 0)
		die(EX_UNAVAILABLE, "cannot have users: %s", strerror(errno));
}

static void
make_world(void)
{
	const char *tmp = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
	const struct passwd *pw = getpwuid(getuid());

	snprintf(
	    dir, sizeof(dir), "%s/sortie-local.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : tmp);
	if (mkdtemp(dir) == NULL || chmod(dir, 0711) != 0)
		die(EX_CANTCREAT, "%s: %s", dir, strerror(errno));
	if (root)
		make_passwd();
	else
		users[0] = pw != NULL ? xstrdup(pw->pw_name) : NULL;
}

static int
run(const char *how, const char *to)
{
	const char *const argv[] = {opt.sortie, "-C", tree_path(dir, "conf"), how, to, NULL};
	int status;

	waitpid(whole_start(argv, tree_path(dir, "output")), &status, 0);
	return status;
}

static void
submit(int number)
{
	const char *input = tree_path(dir, "input");
	const char *const argv[] = {"/bin/sh", "-c",
	    "exec \"$0\" -C \"$1\" -odq -f s@one.example \"$2\" < \"$3\"", opt.sortie,
	    tree_path(dir, "conf"), users[0], input, NULL};
	int status;

	whole_write_file(input, "Subject: number %d.\n\nFrom me.\n%0500d\n", number, number);
	waitpid(whole_start(argv, tree_path(dir, "output")), &status, 0);
	if (status != 0)
		die(EX_SOFTWARE, "cannot submit: see %s/output", dir);
}

/* The spool as it is before. */
static void
make_spool(const struct kind *k)
{
	bool mbox = strcmp(k->local, "mbox") == 0;

	whole_write_file(tree_path(dir, "conf"),
	    "hostname out.example\nspool %s/spool\nlog %s/log\nretry 1s 1s\nlocal %s%s%s\n", dir,
	    dir, k->local, mbox ? ":" : "", mbox ? tree_path(dir, "mail") : "");
	chmod(tree_path(dir, "conf"), 0644);
	for (int i = 0; i < MESSAGES; i++)
		submit(i);
	if (rename(tree_path(dir, "spool"), tree_path(dir, "before")) != 0)
		die(EX_CANTCREAT, "%s: %s", dir, strerror(errno));
}

static void
lay_out(const struct kind *k)
{
	static const char *const folders[] = {"mail", "home"};

	tree_copy(tree_path(dir, "before"), tree_path(dir, "spool"));
	for (size_t i = 0; i < 2; i++) {
		if (tree_has(dir, folders[i]))
			whole_remove(tree_path(dir, folders[i]));
		make_folder(tree_path(dir, folders[i]), i == 0 ? 01777 : 0755, 0);
	}
	for (size_t i = 0; root && i < BOXES; i++)
		make_folder(home_of(i), 0700, UID + (uid_t)i);
	if (k->forward != NULL) {
		const char *forward = tree_path(home_of(0), ".forward");

		whole_write_file(forward, "%s", k->forward);
		if (chmod(forward, 0600) != 0 || chown(forward, UID, UID) != 0)
			die(EX_CANTCREAT, "%s: %s", forward, strerror(errno));
	}
}

/* --- what is in the mailboxes ------------------------------------------------------------- */

/* One message of a mailbox: whole, and which? */
static void
look_at(size_t box, const char *text, size_t n)
{
	for (size_t i = 0; i < MESSAGES; i++) {
		char subject[32], *whole = xstrndup(text, n);
		bool it;

		snprintf(subject, sizeof(subject), "\nSubject: number %zu.\n", i);
		it = whole_text[box][i] != NULL ? strcmp(whole_text[box][i], whole) == 0
						: strstr(whole, subject) != NULL;
		if (it && whole_text[box][i] == NULL)
			whole_text[box][i] = xstrdup(whole);
		free(whole);
		if (it) {
			times[box][i]++;
			return;
		}
	}
	broken++;
	fprintf(
	    stderr, "kill_local: %s: half a message, or none of ours: %.200s\n", users[box], text);
}

/* The line that begins a message has its time. */
static void
look_at_mbox(size_t box)
{
	struct buf text;
	const char *at, *next, *line;

	buf_init(&text, BOX_MAX);
	if (tree_read(tree_path(dir, "mail"), users[box], &text)) {
		for (at = buf_str(&text); *at != '\0'; at = next) {
			line = strchr(at, '\n');
			line = line != NULL ? line + 1 : at + strlen(at);
			next = strstr(at, "\n\nFrom ");
			next = next != NULL ? next + 2 : at + strlen(at);
			if (!str_starts(at, "From s@one.example ") || line > next)
				line = at; /* it is none */
			look_at(box, line, (size_t)(next - line));
		}
	}
	buf_free(&text);
}

struct maildir {
	size_t box;
	const char *path;
};

static void
look_at_file(void *ctx, const char *name)
{
	const struct maildir *m = ctx;
	struct buf text;

	buf_init(&text, BOX_MAX);
	if (tree_read(m->path, name, &text))
		look_at(m->box, buf_str(&text), buf_len(&text));
	buf_free(&text);
}

static void
look_at_box(const struct kind *k, size_t box)
{
	char path[TREE_PATH_MAX];
	struct maildir m = {box, path};

	if (strcmp(k->local, "mbox") == 0) {
		look_at_mbox(box);
		return;
	}
	snprintf(path, sizeof(path), "%s/Maildir/new", home_of(box));
	tree_each(path, look_at_file, &m);
}

/* Whether all is well. what: the point, for people. */
static bool
judge(const struct kind *k, const char *what)
{
	unsigned long found = lost + twice + broken;

	memset(times, 0, sizeof(times));
	for (size_t box = 0; box < BOXES; box++) {
		unsigned long more = 0;

		if (box > 0 && k->forward == NULL)
			continue;
		look_at_box(k, box);
		for (size_t i = 0; i < MESSAGES; i++) {
			lost += times[box][i] == 0;
			more += times[box][i] > 1 ? times[box][i] - 1 : 0;
		}
		twice += more > TWICE;
		if (more > TWICE || lost + twice + broken > found)
			fprintf(stderr, "kill_local: %s: %s: %lu, %lu, %lu in the mailbox of %s\n",
			    k->name, what, times[box][0], times[box][1], times[box][2], users[box]);
	}
	return lost + twice + broken == found;
}

/* --- points ------------------------------------------------------------------------------- */

#if defined(__linux__)
static bool
removes_lock(const struct tracer_call *call)
{
	char name[300];

	return call->nr == SYS_unlinkat &&
	       tracer_read_string(call->pid, call->args[1], name, sizeof(name)) == 0 &&
	       str_ends_i(name, ".lock");
}

/*
 * Whoever says that he has delivered has synced it that his lock is gone: one that a power cut brings back
 * would have the message taken for half of one.
 */
static void
watch_locks(struct point *p, const struct tracer_call *call)
{
	size_t i = 0;

	while (i < BOXES && p->unlocked[i] != call->pid)
		i++;
	if (i < BOXES && call->nr == SYS_exit_group) {
		broken++;
		fprintf(stderr, "kill_local: a dot lock is removed and that is not synced\n");
	}
	if (i < BOXES && (call->nr == SYS_exit_group || call->nr == SYS_fsync))
		p->unlocked[i] = 0;
	for (i = 0; i < BOXES && removes_lock(call); i++)
		if (p->unlocked[i] == 0) {
			p->unlocked[i] = call->pid;
			break;
		}
}
#else
static void
watch_locks(struct point *p, const struct tracer_call *call)
{
	(void)p;
	(void)call;
}
#endif

static int
on_call(void *ctx, const struct tracer_call *call)
{
	struct point *p = ctx;

	if (call->entering)
		watch_locks(p, call);
	if (!call->entering || ++p->calls != p->n)
		return TRACER_GO;
	p->killed = true;
	return TRACER_KILL;
}

static void
none_left(void *ctx, const char *name)
{
	(void)name;
	*(bool *)ctx = false;
}

static bool
is_empty(const char *folder)
{
	bool empty = true;

	tree_each(tree_path(tree_path(dir, "spool"), folder), none_left, &empty);
	return empty;
}

static void
age_lock(void)
{
	char name[300];
	struct timespec old[2] = {{.tv_sec = time(NULL) - OLD_S}, {.tv_sec = time(NULL) - OLD_S}};

	for (size_t i = 0; i < BOXES && users[i] != NULL; i++) {
		snprintf(name, sizeof(name), "%s.lock", users[i]);
		utimensat(AT_FDCWD, tree_path(tree_path(dir, "mail"), name), old, 0);
	}
}

/* Killed at call n, then left alone; false: it did not come to that. */
static bool
try_point(const struct kind *k, unsigned long n)
{
	const char *const argv[] = {opt.sortie, "-C", tree_path(dir, "conf"), "-q", NULL};
	struct tracer_options o = {
	    .argv = argv, .output = tree_path(dir, "output"), .patience_s = PATIENCE_S};
	struct point p = {.n = n};
	char what[64];
	int status;

	lay_out(k);
	if (tracer_run(&o, on_call, &p, &status) != 0)
		die(EX_UNAVAILABLE, "cannot trace %s: %s", opt.sortie, strerror(errno));
	if (n != 0 && !p.killed)
		return false;
	age_lock();
	for (int i = 0; i < RUNS_MAX && !is_empty("ctl"); i++)
		broken += run("-qR@", NULL) != 0;
	snprintf(what, sizeof(what), "killed at call %lu", n);
	if (!is_empty("ctl")) {
		broken++;
		fprintf(stderr, "kill_local: %s: %s: the queue is not empty\n", k->name, what);
	}
	(void)judge(k, what);
	return true;
}

static void
forget_texts(void)
{
	for (size_t box = 0; box < BOXES; box++)
		for (size_t i = 0; i < MESSAGES; i++) {
			free(whole_text[box][i]);
			whole_text[box][i] = NULL;
		}
}

static bool
sweep(const struct kind *k)
{
	unsigned long n, points = 0;

	lost = twice = broken = 0;
	make_spool(k);
	try_point(k, 0);
	for (n = opt.at != 0 ? opt.at : opt.every; try_point(k, n) && opt.at == 0; n += opt.every)
		points++;
	if (opt.every == 1 || lost + twice + broken > 0)
		printf("ROW\tkill at each call: local delivery, %s\t%lu\t%lu\t%lu\t%lu\n", k->name,
		    points, lost, twice, broken);
	fflush(stdout);
	forget_texts();
	whole_remove(tree_path(dir, "before"));
	whole_remove(tree_path(dir, "spool"));
	return lost + twice + broken == 0;
}

static bool
options(int argc, char **argv)
{
	uint64_t n;

	if (argc < 2)
		return false;
	opt.sortie = argv[1];
	for (int i = 2; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--only") == 0)
			opt.only = argv[i + 1];
		else if (!str_u64(argv[i + 1], 1000000, &n) || n == 0)
			return false;
		else if (strcmp(argv[i], "--every") == 0)
			opt.every = (unsigned long)n;
		else if (strcmp(argv[i], "--at") == 0)
			opt.at = (unsigned long)n;
		else
			return false;
	}
	return argc % 2 == 0;
}

int
main(int argc, char **argv)
{
	bool ok = true;

	if (!options(argc, argv))
		die(EX_USAGE, "usage: kill_local SORTIE [--every N] [--only KIND] [--at N]");
	setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
	root = getuid() == 0;
	if (!tracer_allowed()) {
		printf("kill_local: skipped: ptrace(2) is not permitted, or not there\n");
		return 0;
	}
	make_world();
	for (size_t i = 0; users[0] != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((root || !kinds[i].for_root) &&
		    (opt.only == NULL || str_starts(kinds[i].name, opt.only)))
			ok = sweep(&kinds[i]) && ok;
	if (ok && opt.every > 1)
		printf("kill_local: every %luth call: no half message, none lost or twice\n",
		    opt.every);
	if (opt.at != 0)
		printf("see %s\n", dir);
	else
		whole_remove(dir);
	return ok ? 0 : 1;
}
