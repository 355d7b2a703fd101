/*
 * Users' mailboxes: root's queue run writes to them as their users, and as nobody else; and what Ann, who means
 * ill, can do about Bob's. The users get names and homes, in a passwd of the run's own.
 */
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/privilege/users.h"
#include "whole.h"

enum { OWN_MOUNTS = 0x00020000 }; /* CLONE_NEWNS, which glibc hides */

enum { PATH_SIZE = 400 };

/* --- the stage ---------------------------------------------------------------------------- */

static const char *
path_of(const char *name)
{
	static char paths[4][PATH_SIZE];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_SIZE, "%s/box/%s", kit.dir, name);
	return path;
}

static void
own_folder(const char *name, uid_t uid, mode_t mode)
{
	ck_assert_int_eq(mkdir(path_of(name), 0700), 0);
	ck_assert_int_eq(chmod(path_of(name), mode), 0);
	ck_assert_int_eq(chown(path_of(name), uid, uid), 0);
}

static void
own_file(const char *name, const char *text, uid_t uid, mode_t mode)
{
	whole_write_file(path_of(name), "%s", text);
	ck_assert_int_eq(chmod(path_of(name), mode), 0);
	ck_assert_int_eq(chown(path_of(name), uid, uid), 0);
}

static void
set_stage(const char *local)
{
	char passwd[PATH_SIZE * 3];

	if (access(path_of(""), F_OK) == 0)
		whole_remove(path_of(""));
	ck_assert_int_eq(mkdir(path_of(""), 0755), 0);
	own_folder("ann", ANN, 0700);
	own_folder("bob", BOB, 0700);
	own_folder("mail", 0, 01777);
	snprintf(passwd, sizeof(passwd),
	    "root:x:0:0::/root:/bin/sh\nann:x:%d:%d::%s:/bin/sh\nbob:x:%d:%d::%s:/bin/sh\n", ANN,
	    ANN, path_of("ann"), BOB, BOB, path_of("bob"));
	own_file("passwd", passwd, 0, 0644);
	kit_configure("local %s%s", local, strcmp(local, "mbox:") == 0 ? path_of("mail") : "");
}

/* In the child: /etc/passwd is another, for it and those that it starts. */
static void
with_users(void)
{
	if (syscall(SYS_unshare, OWN_MOUNTS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(path_of("passwd"), "/etc/passwd", NULL, MS_BIND, NULL) != 0)
		_exit(77);
}

/* ... and Ann's home is a small disk, which is almost full. */
static void
with_a_full_home(void)
{
	int fd;

	with_users();
	if (mount("none", path_of("ann"), "tmpfs", 0, "size=16k,mode=777") != 0 ||
	    (fd = open(path_of("ann/much"), O_WRONLY | O_CREAT, 0600)) < 0)
		_exit(77);
	while (write(fd, path_of(""), 100) == 100)
		;
}

/* ... and there is no passwd at all, as while a system is being put in order. */
static void
without_users(void)
{
	with_users();
	if (mount("none", "/etc", "tmpfs", 0, "size=16k,mode=755") != 0)
		_exit(77);
}

static void
post(const char *to)
{
	ck_assert_int_eq(
	    command(as_ann, HELLO, "sendmail", "-odq", "-f", "x@example.net", to, NULL), 0);
}

static int
roots_run(void)
{
	return command(with_users, "", "sortie", "-q", NULL);
}

/* The only file in a folder, as path_of() takes it. */
static const char *
only_file(const char *folder)
{
	static char name[PATH_SIZE];
	DIR *d = opendir(path_of(folder));
	struct dirent *e;

	ck_assert_ptr_nonnull(d);
	name[0] = '\0';
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		ck_assert_str_eq(name, "");
		snprintf(name, sizeof(name), "%s/%.255s", folder, e->d_name);
	}
	closedir(d);
	ck_assert_str_ne(name, "");
	return name;
}

static void
is(const char *name, uid_t uid, mode_t mode)
{
	struct stat st;

	ck_assert_int_eq(lstat(path_of(name), &st), 0);
	ck_assert_msg(st.st_uid == uid && st.st_gid == uid && (st.st_mode & 07777) == mode,
	    "%s: uid %u, gid %u, mode %o", name, st.st_uid, st.st_gid, st.st_mode & 07777);
}

static size_t
logged(const char *text)
{
	return count_text(kit.log, text);
}

/* --- whose files they are ----------------------------------------------------------------- */

START_TEST(maildirs_are_made_as_their_users)
{
	set_stage("maildir");
	ck_assert_int_eq(
	    command(as_ann, HELLO, "sendmail", "-odq", "ann", "bob@localhost", NULL), 0);
	ck_assert_int_eq(roots_run(), 0);
	is("ann/Maildir", ANN, 0700);
	is("bob/Maildir/tmp", BOB, 0700);
	is(only_file("ann/Maildir/new"), ANN, 0600);
	is(only_file("bob/Maildir/new"), BOB, 0600);
	ck_assert_uint_eq(count_text(path_of(only_file("bob/Maildir/new")), "\n\nHello.\n"), 1);
	ck_assert_uint_eq(files_in("ctl"), 0);
	spool_is_the_owners();
}
END_TEST

START_TEST(mboxes_are_made_as_their_users)
{
	set_stage("mbox:");
	post("ann");
	post("bob");
	ck_assert_int_eq(roots_run(), 0);
	is("mail/ann", ANN, 0600);
	is("mail/bob", BOB, 0600);
	ck_assert_int_eq(access(path_of("mail/ann.lock"), F_OK), -1);
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

/* It is not for Ann's run, nor for what her submission starts: not even the time of it changes. */
START_TEST(only_roots_run_delivers)
{
	set_stage("mbox:");
	ck_assert_int_eq(command(as_ann, HELLO, "sendmail", "bob", NULL), 0);
	WAIT_FOR(logged("local delivery needs a queue run started by root") == 1);
	ck_assert_int_eq(command(as_ann, "", "sortie", "-q", NULL), 0);
	ck_assert_uint_eq(logged("status=deferred"), 1);
	ck_assert_uint_eq(files_in("ctl"), 1);
	ck_assert_int_eq(access(path_of("mail/bob"), F_OK), -1);
	WAIT_FOR(roots_run() == 0 && files_in("ctl") == 0); /* Ann's may have it for a moment yet */
	is("mail/bob", BOB, 0600);
}
END_TEST

START_TEST(waits_for_a_passwd_that_is_missing)
{
	set_stage("mbox:");
	post("ann");
	ck_assert_int_eq(command(without_users, "", "sortie", "-q", NULL), 0);
	ck_assert_uint_ge(/* a slow run tries again */
	    logged("status=deferred (4.2.0 looking up the user: No such file or directory)"), 1);
	ck_assert_uint_eq(files_in("ctl"), 1);
	ck_assert_int_eq(command(with_users, "", "sortie", "-qR@", NULL), 0);
	is("mail/ann", ANN, 0600);
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

/* Who cannot be looked up may have a mailbox: his mail is nobody else's. */
START_TEST(catch_all_gets_nobody_elses_while_passwd_is_missing)
{
	char conf[2 * PATH_SIZE + 40];

	set_stage("mbox:");
	own_file("aliases", "*: bob\n", 0, 0644);
	snprintf(
	    conf, sizeof(conf), "local mbox:%s\naliases %s", path_of("mail"), path_of("aliases"));
	kit_configure("%s", conf);
	ck_assert_int_eq(
	    command(without_users, HELLO, "sendmail", "-odq", "-f", "x@example.net", "ann", NULL),
	    0);
	ck_assert_int_eq(command(with_users, "", "sortie", "-qR@", NULL), 0);
	is("mail/ann", ANN, 0600);
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

/* --- what Ann puts in the way ------------------------------------------------------------- */

static void
nothing_came(void)
{
	ck_assert_int_eq(roots_run(), 0);
	ck_assert_uint_eq(logged("status=sent"), 0);
	ck_assert_uint_ge(logged("status=deferred"), 1); /* a slow run tries again */
	ck_assert_uint_eq(files_in("ctl"), 1);
}

/* Her own mail into Bob's mailbox, or over a file of his. */
START_TEST(links_to_what_is_anothers)
{
	static const char *const links[] = {"ann/Maildir", "mail/ann"};

	set_stage(_i == 0 ? "maildir" : "mbox:");
	own_folder("bob/Maildir", BOB, _i == 0 ? 0777 : 0700);
	own_file("bob/file", "his\n", BOB, 0666);
	ck_assert_int_eq(chmod(path_of("bob"), 0711), 0);
	ck_assert_int_eq(chmod(path_of("bob/Maildir"), 0755), 0);
	ck_assert_int_eq(
	    symlink(path_of(_i == 0 ? "bob/Maildir" : "bob/file"), path_of(links[_i])), 0);
	ck_assert_int_eq(lchown(path_of(links[_i]), ANN, ANN), 0);
	post("ann");
	nothing_came();
	ck_assert_uint_eq(count_text(path_of("bob/file"), "Hello"), 0);
	ck_assert_int_eq(access(path_of("bob/Maildir/new"), F_OK), -1);
}
END_TEST

/* Bob's mailbox, made by Ann before there was one, so that she can read it. */
START_TEST(mbox_that_another_has_laid_there)
{
	set_stage("mbox:");
	own_file("mail/bob", "", ANN, 0666);
	post("bob");
	nothing_came();
	/* where fs.protected_regular is set the kernel says so first */
	ck_assert_uint_ge(logged("the mbox belongs to somebody else") +
			      logged("opening the mbox: Permission denied"),
	    1);
	ck_assert_uint_eq(count_text(path_of("mail/bob"), "Hello"), 0);
}
END_TEST

/* A second name of Bob's mbox, to have her mail, or his, where it should not be. */
START_TEST(mbox_with_a_second_name)
{
	set_stage("mbox:");
	own_file("mail/bob", "", BOB, 0600);
	ck_assert_int_eq(link(path_of("mail/bob"), path_of("mail/ann")), 0);
	ck_assert_int_eq(
	    command(as_ann, HELLO, "sendmail", "-odq", "-f", "x@example.net", "ann", NULL), 0);
	nothing_came();
	ck_assert_uint_eq(count_text(path_of("mail/bob"), "Hello"), 0);
}
END_TEST

/* What she may not read herself is not shown to whoever she would forward it to. */
START_TEST(forward_that_is_a_link)
{
	set_stage("maildir");
	own_file("bob/secret", "secret@example.net\n", BOB, 0600);
	ck_assert_int_eq(symlink(path_of("bob/secret"), path_of("ann/.forward")), 0);
	post("ann");
	nothing_came();
	ck_assert_uint_eq(logged("secret@example.net"), 0);
}
END_TEST

START_TEST(forward_is_read_as_its_user)
{
	set_stage("maildir");
	own_file("ann/.forward", "bob\n", ANN, 0600);
	post("ann");
	ck_assert_int_eq(roots_run(), 0);
	is(only_file("bob/Maildir/new"), BOB, 0600);
	ck_assert_int_eq(access(path_of("ann/Maildir"), F_OK), -1);
	spool_is_the_owners();
}
END_TEST

/* The run reads it although it has confined itself by then. */
START_TEST(forward_names_an_alias)
{
	char conf[PATH_SIZE + 40];

	set_stage("maildir");
	own_file("aliases", "friends: bob\n", 0, 0644);
	snprintf(conf, sizeof(conf), "local maildir\naliases %s", path_of("aliases"));
	kit_configure("%s", conf);
	own_file("ann/.forward", "friends\n", ANN, 0600);
	post("ann");
	ck_assert_int_eq(roots_run(), 0);
	is(only_file("bob/Maildir/new"), BOB, 0600);
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

/* None of these is anybody's name. */
START_TEST(names_that_are_paths)
{
	static const char *const names[] = {"\"..\"@localhost", "\"../bob\"@localhost",
	    "\"/etc/passwd\"@localhost", "\".ann\"@localhost", "\"ann/x\"@localhost",
	    "+ann@localhost"};

	set_stage("mbox:");
	post(names[_i]);
	ck_assert_int_eq(roots_run(), 0);
	ck_assert_uint_eq(logged("dsn=5.1.1, status=bounced (5.1.1 no such user)"), 1);
	ck_assert_int_eq(rmdir(path_of("mail")), 0);
}
END_TEST

/* She has an account at this machine, and not room enough on its disk: nothing half is there. */
START_TEST(mailbox_without_room)
{
	set_stage("maildir");
	post("ann");
	ck_assert_int_eq(command(with_a_full_home, "", "sortie", "-q", NULL), 0);
	ck_assert_uint_ge(logged("No space left on device"), 1); /* a slow run tries again */
	ck_assert_uint_eq(files_in("ctl"), 1);
	WAIT_FOR(roots_run() == 0 && files_in("ctl") == 0);
	is(only_file("ann/Maildir/new"), ANN, 0600);
}
END_TEST

/* --- the processes ------------------------------------------------------------------------ */

/* The child of that process, which has that name; 0: there is none. */
static pid_t
child_of(pid_t parent, const char *name)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid > 0 && strtol(status_of(pid, "PPid"), NULL, 10) == parent &&
		    strcmp(status_of(pid, "Name"), name) == 0)
			found = pid;
	}
	closedir(d);
	return found;
}

/* A run whose helper writes to Ann's mbox, and waits for a lock of hers. */
static pid_t
start_waiting(struct child *c, pid_t *helper)
{
	pid_t pids[8];

	set_stage("mbox:");
	own_file("mail/ann.lock", "1\n", ANN, 0644);
	post("ann");
	start(c, with_users, "sortie", "-q", NULL);
	WAIT_FOR(access(path_of("mail/ann"), F_OK) == 0);
	ck_assert_uint_eq(processes_of(ANN, pids, 8), 1);
	WAIT_FOR((*helper = child_of(c->pid, "sortie-local")) != 0);
	return pids[0];
}

static void
stop_waiting(struct child *c)
{
	unlink(path_of("mail/ann.lock"));
	ck_assert_int_eq(child_end(c), 0);
}

static size_t
descriptors_of(pid_t pid)
{
	char path[64];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	ck_assert_ptr_nonnull(d = opendir(path));
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
with_a_descriptor(void)
{
	if (dup2(open("/etc/shadow", O_RDONLY), 50) != 50)
		_exit(77);
	with_users();
}

/* The run is the owner's, the helper root's, the child Ann's alone; neither has what root had open. */
START_TEST(everybody_is_who_he_should_be)
{
	enum {
		HELPERS = 3 + 2,
		CHILDS = 3 + 4
	}; /* standard ones; socket, pipe; message, pipe, folder, mbox */
	static struct child c;
	pid_t child, helper;

	child = start_waiting(&c, &helper);
	ids_are(c.pid, OWNER, OWNER);
	ids_are(child, ANN, ANN);
	ck_assert_int_eq(strncmp(status_of(helper, "Uid"), "0\t0\t0\t0", 7), 0);
	ck_assert_uint_eq(descriptors_of(helper), HELPERS);
	ck_assert_uint_le(descriptors_of(child), CHILDS + 1); /* her home, if she has one */
	stop_waiting(&c);
	is("mail/ann", ANN, 0600);
}
END_TEST

START_TEST(descriptors_of_root_stay_with_root)
{
	static struct child c;
	pid_t helper, pids[8];
	char path[64];

	set_stage("mbox:");
	own_file("mail/ann.lock", "1\n", ANN, 0644);
	post("ann");
	start(&c, with_a_descriptor, "sortie", "-q", NULL);
	WAIT_FOR(access(path_of("mail/ann"), F_OK) == 0);
	ck_assert_uint_eq(processes_of(ANN, pids, 8), 1);
	WAIT_FOR((helper = child_of(c.pid, "sortie-local")) != 0);
	snprintf(path, sizeof(path), "/proc/%ld/fd/50", (long)helper);
	ck_assert_int_eq(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "/proc/%ld/fd/50", (long)pids[0]);
	ck_assert_int_eq(access(path, F_OK), -1);
	stop_waiting(&c);
}
END_TEST

/* The pids of the helper and of its child that runs as Ann. */
static const char *
touch(void *ctx)
{
	const pid_t *pids = ctx;

	if (kill(pids[0], 0) == 0 || ptrace(PTRACE_ATTACH, pids[0], NULL, NULL) == 0)
		return "the helper";
	if (ptrace(PTRACE_ATTACH, pids[1], NULL, NULL) == 0)
		return "the memory of the child";
	return NULL;
}

/* She can kill what runs as her: then her own mail waits, and nobody else's. */
START_TEST(helper_cannot_be_touched)
{
	static struct child c;
	pid_t pids[2];
	const char *done;

	pids[1] = start_waiting(&c, &pids[0]);
	done = could(ANN, touch, pids);
	ck_assert_msg(done == NULL, "%s", done);
	done = could(BOB, touch, pids);
	ck_assert_msg(done == NULL, "%s", done);
	kill(pids[1], SIGKILL);
	stop_waiting(&c);
	ck_assert_uint_eq(
	    logged("dsn=4.2.0, status=deferred (4.2.0 the delivery was cut short)"), 1);
	ck_assert_uint_eq(files_in("ctl"), 1);
}
END_TEST

/* The end of a run is the end of them all. */
START_TEST(killed_run_leaves_no_helper)
{
	static struct child c;
	pid_t helper;

	(void)start_waiting(&c, &helper);
	kill(c.pid, SIGKILL);
	unlink(path_of("mail/ann.lock"));
	WAIT_FOR(kill(helper, 0) == -1 && errno == ESRCH);
	ck_assert_int_eq(child_end(&c), 128 + SIGKILL);
	is("mail/ann", ANN, 0600);
	ck_assert_int_eq(roots_run(), 0);
	ck_assert_uint_eq(count_text(path_of("mail/ann"), "\nHello.\n"), 2);
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

Suite *
suite_mailboxes(void)
{
	const TTest *const tests[] = {maildirs_are_made_as_their_users,
	    mboxes_are_made_as_their_users, only_roots_run_delivers,
	    waits_for_a_passwd_that_is_missing, catch_all_gets_nobody_elses_while_passwd_is_missing,
	    mbox_that_another_has_laid_there, mbox_with_a_second_name, forward_that_is_a_link,
	    forward_is_read_as_its_user, forward_names_an_alias, mailbox_without_room,
	    everybody_is_who_he_should_be, descriptors_of_root_stay_with_root,
	    helper_cannot_be_touched, killed_run_leaves_no_helper};
	Suite *s = users_suite("mailboxes", tests, sizeof(tests) / sizeof(tests[0]));

	users_loop(s, links_to_what_is_anothers, 2);
	users_loop(s, names_that_are_paths, 6);
	return s;
}
