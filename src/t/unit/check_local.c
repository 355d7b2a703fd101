/* check_local.c: the local helper, with real processes, and what it does to mailboxes. */
#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/ptrace.h>
#endif
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/packet.h"
#include "local/local.h"
#include "local/local_wire.h"
#include "spooldir.h"
#include "t/unit/suites.h"

static const char message[] = "Subject: hello\r\n\r\nFrom here\r\n>From there\r\n.dot\r\nlast";
static const char in_maildir[] = "Return-Path: <bob@example.net>\nDelivered-To: alice@example.org\n"
				 "Subject: hello\n\nFrom here\n>From there\n.dot\nlast\n";
static const char in_mbox[] = "Return-Path: <bob@example.net>\nDelivered-To: alice@example.org\n"
			      "Subject: hello\n\n>From here\n>>From there\n.dot\nlast\n\n";

static struct local_options options;
static struct local_answer answer;
static struct local_user alice;
static char spool[300];
static const char *path;
static pid_t helper;
static int sock;

#if defined(__linux__)
/*
 * Makes this process one whose end its parent does not see, as one that a file server keeps in the kernel:
 * it is somebody else's to wait for, who does not.
 */
static void
hang(void)
{
	pid_t tracer, us = getpid();
	int ready[2];
	char text[32], c;

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	if (pipe(ready) != 0 || (tracer = fork()) == -1)
		_exit(1);
	if (tracer == 0) {
		for (int fd = 3; fd < 256; fd++)
			if (fd != ready[1])
				close(fd);
		if (ptrace(PTRACE_SEIZE, us, NULL, NULL) != 0)
			_exit(1);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	snprintf(text, sizeof(text), "%ld", (long)tracer);
	spooldir_write("tracer", text);
	while (read(ready[0], &c, 1) == -1 && errno == EINTR)
		;
	close(ready[0]);
}
#else
static void
hang(void)
{
}
#endif

static int
lookup(const char *name, struct local_user *user)
{
	*user = alice;
	if (strcmp(name, "hanging") == 0)
		hang();
	if (strcmp(name, "root") == 0)
		user->uid = 0;
	if (strcmp(name, "nowhere") == 0)
		snprintf(user->home, sizeof(user->home), "/nonexistent");
	errno = ENOENT;
	if (strcmp(name, "ldap") == 0)
		return -1;
	return strcmp(name, "stranger") != 0;
}

/* Run by root: nobody's, so that becoming somebody is seen; otherwise one's own. */
static void
setup(void)
{
	path = spooldir_make();
	alice.uid = getuid() == 0 ? 65534 : getuid();
	alice.gid = getuid() == 0 ? 65534 : getgid();
	snprintf(alice.home, sizeof(alice.home), "%s/home", path);
	snprintf(spool, sizeof(spool), "%s/mail", path);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	ck_assert_int_eq(chmod(path, 0755), 0);
	ck_assert_int_eq(chmod(spooldir_path(".."), 0755), 0);
	ck_assert_int_eq(mkdir(alice.home, 0700), 0);
	ck_assert_int_eq(mkdir(spool, 0700), 0);
	ck_assert_int_eq(chmod(spool, 01777), 0);
	ck_assert_int_eq(chown(alice.home, alice.uid, alice.gid), 0);
	options = (struct local_options){.maildir = "Maildir", .spool = spool, .lookup = lookup};
	spooldir_write("message", message);
	sock = -1;
}

/* Without ck_assert_, which writes to a file: false, it cannot. */
static bool
start_helper(void)
{
	int ends[2];

	if (packet_pair(ends) != 0 || (helper = fork()) == -1)
		return false;
	if (helper == 0) {
		close(ends[0]);
		local_serve(ends[1], &options);
		_exit(0);
	}
	close(ends[1]);
	sock = ends[0];
	return true;
}

static void
start(void)
{
	bool started = start_helper();

	ck_assert(started);
}

static void
teardown(void)
{
	int status;

	if (sock >= 0) {
		close(sock);
		ck_assert_int_eq(waitpid(helper, &status, 0), helper);
		ck_assert_int_eq(status, 0);
	}
	spooldir_remove();
}

static int
ask(enum local_kind kind, const char *user, uint32_t number)
{
	struct local_request r = {
	    .number = number,
	    .kind = kind,
	    .user = user,
	    .sender = "bob@example.net",
	    .recipient = "alice@example.org",
	    .message = -1,
	};
	int rc;

	if (kind != LOCAL_FORWARD)
		r.message = open(spooldir_path("message"), O_RDONLY);
	rc = local_ask(sock, &r);
	if (r.message >= 0)
		close(r.message);
	return rc;
}

static int
hear(void)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};

	ck_assert_int_eq(poll(&p, 1, 20000), 1);
	return local_hear(sock, &answer);
}

static enum local_outcome
deliver(enum local_kind kind, const char *user)
{
	if (sock == -1)
		start();
	ck_assert_int_eq(ask(kind, user, 7), 0);
	ck_assert_int_eq(hear(), 1);
	ck_assert_uint_eq(answer.number, 7);
	return answer.outcome;
}

/* A file of hers in her home, or in the spool of mboxes. */
static void
hers(const char *name, const char *text, mode_t mode)
{
	spooldir_write(name, text);
	ck_assert_int_eq(chmod(spooldir_path(name), mode), 0);
	ck_assert_int_eq(chown(spooldir_path(name), alice.uid, alice.gid), 0);
}

static void
assert_owner(const char *name)
{
	struct stat st;

	ck_assert_int_eq(lstat(spooldir_path(name), &st), 0);
	ck_assert_uint_eq(st.st_uid, alice.uid);
	ck_assert_uint_eq(st.st_gid, alice.gid);
	ck_assert_uint_eq(st.st_mode & 077, 0);
}

/* --- Maildir --- */

START_TEST(maildir)
{
	char name[400];

	ck_assert_int_eq(deliver(LOCAL_MAILDIR, "alice"), LOCAL_DONE);
	ck_assert_uint_eq(answer.n, 0);
	ck_assert_uint_eq(spooldir_count("home/Maildir/tmp"), 0);
	ck_assert_uint_eq(spooldir_count("home/Maildir/cur"), 0);
	ck_assert_uint_eq(spooldir_count("home/Maildir/new"), 1);
	snprintf(name, sizeof(name), "home/Maildir/new/%s", spooldir_first("home/Maildir/new"));
	ck_assert_str_eq(spooldir_read(name), in_maildir);
	assert_owner(name);
	assert_owner("home/Maildir");
	ck_assert_int_eq(deliver(LOCAL_MAILDIR, "alice"), LOCAL_DONE);
	ck_assert_uint_eq(spooldir_count("home/Maildir/new"), 2);
}
END_TEST

START_TEST(maildir_in_a_home_that_is_not_there)
{
	ck_assert_int_eq(deliver(LOCAL_MAILDIR, "nowhere"), LOCAL_RETRY);
	ck_assert_str_eq(answer.text, "the home folder: No such file or directory");
}
END_TEST

/* The helper's files may grow to so many bytes; ours, and the test library's, are not limited. */
static void
start_with_limit(rlim_t bytes)
{
	struct rlimit before, rl;
	bool limited, started;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	rl = before;
	rl.rlim_cur = bytes;
	limited = setrlimit(RLIMIT_FSIZE, &rl) == 0;
	started = start_helper();
	limited = limited && setrlimit(RLIMIT_FSIZE, &before) == 0;
	ck_assert(limited && started);
}

START_TEST(maildir_without_room)
{
	start_with_limit(20);
	ck_assert_int_eq(deliver(LOCAL_MAILDIR, "alice"), LOCAL_RETRY);
	ck_assert_str_eq(answer.text, "writing to the Maildir: File too large");
	ck_assert_uint_eq(spooldir_count("home/Maildir/tmp"), 0);
	ck_assert_uint_eq(spooldir_count("home/Maildir/new"), 0);
}
END_TEST

/* A line longer than any block, and a CR at a block's end that is half of CRLF. */
START_TEST(long_lines)
{
	enum { N = 65536 };
	char *text = malloc(3 * N + 10), *want = malloc(3 * N + 200), name[400];
	size_t head;

	for (size_t before = N - 3; before <= N + 1; before++) {
		memset(text, 'x', 3 * N);
		snprintf(text + before, 20, "\r\nFrom y\r\r\n");
		spooldir_write("message", text);
		options.maildir = before % 2 == 0 ? "even" : "odd";
		ck_assert_int_eq(deliver(LOCAL_MAILDIR, "alice"), LOCAL_DONE);
		close(sock);
		waitpid(helper, NULL, 0);
		sock = -1;
		snprintf(name, sizeof(name), "home/%s/new", options.maildir);
		snprintf(
		    name, sizeof(name), "home/%s/new/%s", options.maildir, spooldir_first(name));
		head = (size_t)snprintf(want, 200, "%.63s", in_maildir);
		memset(want + head, 'x', before);
		snprintf(want + head + before, 20, "\nFrom y\r\n");
		ck_assert_msg(strcmp(spooldir_read(name), want) == 0, "CR at %zu", before);
		ck_assert_int_eq(unlink(spooldir_path(name)), 0);
	}
	free(text);
	free(want);
}
END_TEST

/* His own file server does not answer: nobody else waits for that, and he gets one process alone. */
START_TEST(child_that_does_not_end)
{
	options.limit_ms = 500;
	start();
	ck_assert_int_eq(ask(LOCAL_FORWARD, "hanging", 1), 0);
	ck_assert_int_eq(hear(), 1);
	if (!spooldir_has("tracer") || answer.outcome == LOCAL_DONE)
		return; /* tracing is not allowed here, or unknown */
	ck_assert_uint_eq(answer.number, 1);
	ck_assert_int_eq(answer.outcome, LOCAL_RETRY);
	ck_assert_str_eq(answer.text, "the delivery was cut short");
	ck_assert_int_eq(deliver(LOCAL_MAILDIR, "alice"), LOCAL_DONE);
	ck_assert_int_eq(deliver(LOCAL_FORWARD, "hanging"), LOCAL_RETRY);
	ck_assert_str_eq(answer.text, "an earlier delivery to the user still hangs");
	kill((pid_t)strtol(spooldir_read("tracer"), NULL, 10), SIGKILL);
}
END_TEST

/* --- mbox --- */

/* What stands behind `before` in her mbox is one message: its From line, and then exactly ours. */
static void
assert_appended(const char *before)
{
	const char *text = spooldir_read("mail/alice"), *line;

	ck_assert_msg(strncmp(text, before, strlen(before)) == 0, "%s", text);
	text += strlen(before);
	ck_assert_msg(strncmp(text, "From bob@example.net ", 21) == 0, "%s", text);
	line = strchr(text, '\n');
	ck_assert_ptr_nonnull(line);
	ck_assert_int_eq(line - text, 21 + 24);
	ck_assert_str_eq(line + 1, in_mbox);
	ck_assert(!spooldir_has("mail/alice.lock"));
}

START_TEST(mbox)
{
	ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_DONE);
	assert_appended("");
	assert_owner("mail/alice");
}
END_TEST

START_TEST(mbox_behind_others)
{
	static const char *const endings[][2] = {
	    {"From x\n\nlast\n\n", "From x\n\nlast\n\n"},
	    {"From x\n\nlast\n", "From x\n\nlast\n\n"},
	    {"From x\n\nlast", "From x\n\nlast\n\n"},
	    {"\n", "\n"},
	};

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		hers("mail/alice", endings[i][0], 0600);
		ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_DONE);
		assert_appended(endings[i][1]);
	}
}
END_TEST

START_TEST(mbox_without_room)
{
	start_with_limit(120);
	hers("mail/alice", "From x\n\nlast\n\n", 0600);
	ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_RETRY);
	ck_assert_str_eq(spooldir_read("mail/alice"), "From x\n\nlast\n\n");
	ck_assert(!spooldir_has("mail/alice.lock"));
}
END_TEST

/* Where the message is read a block at a time, such a line may be in two of them. */
START_TEST(from_line_across_blocks)
{
	enum { N = 65536 };
	char *text = malloc(N + 100), *found;

	for (size_t half = 1; half < 5; half++) {
		memset(text, 'x', N);
		snprintf(text + N - half - 2, 20, "\r\nFrom y\r\n");
		spooldir_write("message", text);
		hers("mail/alice", "", 0600);
		ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_DONE);
		found = strstr(spooldir_read("mail/alice"), "From y");
		ck_assert_ptr_nonnull(found);
		ck_assert_msg(found[-1] == '>', "%zu bytes of it in the first block", half);
	}
	free(text);
}
END_TEST

static void
dot_lock(const char *text, time_t age_s)
{
	struct timespec t[2] = {{.tv_sec = time(NULL) - age_s}, {.tv_sec = time(NULL) - age_s}};

	hers("mail/alice.lock", text, 0600);
	ck_assert_int_eq(utimensat(AT_FDCWD, spooldir_path("mail/alice.lock"), t, 0), 0);
}

START_TEST(half_a_message_of_one_that_was_killed)
{
	static const char *const halves[] = {
	    "From bob Tue\nReturn-Path: <b>\nSubj",
	    "From bob Tue\n",
	    "From b",
	    "",
	};
	char text[200];

	for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
		snprintf(text, sizeof(text), "From x\n\nlast\n\n%s", halves[i]);
		hers("mail/alice", text, 0600);
		dot_lock("4711\nappend 14 From bob Tue\n", 3600);
		ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_DONE);
		assert_appended("From x\n\nlast\n\n");
	}
}
END_TEST

/* Somebody else was here in between: nothing of what he wrote may go. */
START_TEST(half_a_message_with_others_behind_it)
{
	static const char *const texts[] = {
	    "From x\n\nlast\n\nFrom bob Tue\nReturn-Path: <b>\nSubj\n\nFrom carol Wed\n\nx\n\n",
	    "From x\n\nlast\n\nFrom carol Wed\n\nx\n\n",
	    "From x\n\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		hers("mail/alice", texts[i], 0600);
		dot_lock("4711\nappend 14 From bob Tue\n", 3600);
		ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_DONE);
		assert_appended(texts[i]);
	}
}
END_TEST

START_TEST(dot_lock_that_says_nothing)
{
	hers("mail/alice", "From x\n\nlast\n\n", 0600);
	dot_lock("", 3600);
	ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_DONE);
	assert_appended("From x\n\nlast\n\n");
}
END_TEST

/* Somebody reads his mail just now: the child waits, and is ended when it takes too long. */
START_TEST(dot_lock_of_somebody)
{
	options.limit_ms = 300;
	dot_lock("4711\n", 0);
	ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_RETRY);
	ck_assert_str_eq(answer.text, "the delivery was cut short");
	ck_assert_str_eq(spooldir_read("mail/alice"), "");
	ck_assert(spooldir_has("mail/alice.lock"));
}
END_TEST

START_TEST(fcntl_lock_of_somebody)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd;

	options.limit_ms = 300;
	hers("mail/alice", "", 0600);
	fd = open(spooldir_path("mail/alice"), O_RDWR);
	ck_assert_int_eq(fcntl(fd, F_SETLK, &l), 0);
	ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_RETRY);
	close(fd);
	ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_DONE);
	assert_appended("");
}
END_TEST

START_TEST(mbox_that_is_a_link)
{
	char target[300];

	hers("target", "x", 0600);
	ck_assert_int_eq(symlink("../target", spooldir_path("mail/alice")), 0);
	ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_RETRY);
	ck_assert_int_eq(unlink(spooldir_path("mail/alice")), 0);
	snprintf(target, sizeof(target), "%s/target", path);
	ck_assert_int_eq(link(target, spooldir_path("mail/alice")), 0);
	ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_RETRY);
	ck_assert_str_eq(answer.text, "the mbox has a second name");
	ck_assert_int_eq(unlink(spooldir_path("mail/alice")), 0);
	ck_assert_int_eq(mkfifo(spooldir_path("mail/alice"), 0600), 0);
	ck_assert_int_eq(chown(spooldir_path("mail/alice"), alice.uid, alice.gid), 0);
	ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_RETRY);
	ck_assert_str_eq(answer.text, "the mbox is not a file");
	ck_assert_str_eq(spooldir_read("target"), "x");
}
END_TEST

/* Laid there by somebody else, for him to read. Needs root to be somebody else. */
START_TEST(mbox_of_somebody_else)
{
	if (getuid() != 0)
		return;
	spooldir_write("mail/alice", "");
	ck_assert_int_eq(chmod(spooldir_path("mail/alice"), 0666), 0);
	ck_assert_int_eq(chown(spooldir_path("mail/alice"), 1, 1), 0);
	ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_RETRY);
	ck_assert_str_eq(spooldir_read("mail/alice"), "");
}
END_TEST

/* A folder that only a group may write to gives its group, and the user his name. */
START_TEST(mbox_in_a_folder_of_a_group)
{
	struct stat st;

	if (getuid() != 0)
		return;
	ck_assert_int_eq(chown(spool, 0, 8), 0);
	ck_assert_int_eq(chmod(spool, 0775), 0);
	ck_assert_int_eq(deliver(LOCAL_MBOX, "alice"), LOCAL_DONE);
	assert_appended("");
	ck_assert_int_eq(stat(spooldir_path("mail/alice"), &st), 0);
	ck_assert_uint_eq(st.st_uid, alice.uid);
	ck_assert_uint_eq(st.st_gid, 8);
}
END_TEST

/* --- .forward --- */

START_TEST(forward)
{
	ck_assert_int_eq(deliver(LOCAL_FORWARD, "alice"), LOCAL_DONE);
	ck_assert_uint_eq(answer.n, 0);
	ck_assert_int_eq(deliver(LOCAL_FORWARD, "nowhere"), LOCAL_DONE);
	hers("home/.forward", "carol@example.org\n", 0644);
	ck_assert_int_eq(deliver(LOCAL_FORWARD, "alice"), LOCAL_DONE);
	ck_assert_str_eq(answer.text, "carol@example.org\n");
}
END_TEST

START_TEST(forward_that_is_not_to_be_trusted)
{
	char *text = calloc(1, LOCAL_TEXT_MAX + 1);

	hers("home/.forward", "carol@example.org\n", 0664);
	ck_assert_int_eq(deliver(LOCAL_FORWARD, "alice"), LOCAL_RETRY);
	ck_assert_str_eq(answer.text, ".forward may be written to by others");
	memset(text, 'x', LOCAL_TEXT_MAX);
	hers("home/.forward", text, 0644);
	ck_assert_int_eq(deliver(LOCAL_FORWARD, "alice"), LOCAL_RETRY);
	ck_assert_str_eq(answer.text, ".forward is too long");
	text[LOCAL_TEXT_MAX - 2] = '\0';
	hers("home/.forward", text, 0644);
	ck_assert_int_eq(deliver(LOCAL_FORWARD, "alice"), LOCAL_DONE);
	ck_assert_str_eq(answer.text, text);
	free(text);
	ck_assert_int_eq(unlink(spooldir_path("home/.forward")), 0);
	ck_assert_int_eq(symlink("/etc/passwd", spooldir_path("home/.forward")), 0);
	ck_assert_int_eq(deliver(LOCAL_FORWARD, "alice"), LOCAL_RETRY);
	ck_assert_str_eq(answer.text, ".forward is a symbolic link: put the file itself there");
	ck_assert_int_eq(unlink(spooldir_path("home/.forward")), 0);
	ck_assert_int_eq(mkfifo(spooldir_path("home/.forward"), 0600), 0);
	ck_assert_int_eq(chown(spooldir_path("home/.forward"), alice.uid, alice.gid), 0);
	ck_assert_int_eq(deliver(LOCAL_FORWARD, "alice"), LOCAL_RETRY);
	ck_assert_str_eq(answer.text, ".forward is not a file");
}
END_TEST

/* --- the helper --- */

START_TEST(users)
{
	ck_assert_int_eq(deliver(LOCAL_MAILDIR, "stranger"), LOCAL_FAIL);
	ck_assert_str_eq(answer.text, "no such user");
	ck_assert_int_eq(deliver(LOCAL_MAILDIR, "ldap"), LOCAL_RETRY);
	ck_assert_str_eq(answer.text, "looking up the user: No such file or directory");
	ck_assert_int_eq(deliver(LOCAL_MBOX, "root"), LOCAL_RETRY);
	ck_assert_uint_eq(spooldir_count("mail"), 0);
}
END_TEST

/* The system's own list: whoever runs this is in it, or nobody is. */
START_TEST(users_of_the_system)
{
	options.lookup = NULL;
	ck_assert_int_eq(deliver(LOCAL_FORWARD, "no-such-user-here"), LOCAL_FAIL);
	ck_assert_int_eq(deliver(LOCAL_MAILDIR, "root"), LOCAL_RETRY);
}
END_TEST

/* More than may work at once: each is answered, once, under its own number. */
START_TEST(many_at_once)
{
	enum { N = 60 };
	char seen[N] = {0};
	struct pollfd p = {.events = POLLOUT};

	start();
	p.fd = sock;
	for (uint32_t i = 0; i < N; i++)
		while (ask(LOCAL_MAILDIR, "alice", i) != 0) {
			ck_assert_int_eq(errno, EAGAIN);
			poll(&p, 1, 1000);
		}
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(hear(), 1);
		ck_assert_uint_lt(answer.number, N);
		ck_assert_int_eq(answer.outcome, LOCAL_DONE);
		ck_assert_int_eq(seen[answer.number]++, 0);
	}
	ck_assert_uint_eq(spooldir_count("home/Maildir/new"), N);
}
END_TEST

/* The runner is killed: what was begun is done, and the helper ends. */
START_TEST(runner_that_goes_away)
{
	start();
	ck_assert_int_eq(ask(LOCAL_MAILDIR, "alice", 1), 0);
	close(sock);
	ck_assert_int_eq(waitpid(helper, NULL, 0), helper);
	sock = -1;
	ck_assert_uint_eq(spooldir_count("home/Maildir/new"), 1);
}
END_TEST

START_TEST(signals_to_the_helper)
{
	start();
	ck_assert_int_eq(deliver(LOCAL_MAILDIR, "alice"), LOCAL_DONE); /* it is up */
	kill(helper, SIGTERM);
	kill(helper, SIGINT);
	kill(helper, SIGHUP);
	ck_assert_int_eq(deliver(LOCAL_MAILDIR, "alice"), LOCAL_DONE);
}
END_TEST

static void
assert_cut_off(const void *data, size_t n, int fd)
{
	start();
	ck_assert_int_eq(packet_send(sock, data, n, fd), 0);
	ck_assert_int_eq(hear(), -1);
	ck_assert_int_eq(errno, EPIPE);
	close(sock);
	ck_assert_int_eq(waitpid(helper, NULL, 0), helper);
	sock = -1;
}

/* A runner in somebody else's hands: what makes no sense ends the service, and nothing is written. */
START_TEST(nonsense)
{
	struct {
		struct local_wire_head head;
		char text[LOCAL_WIRE_MAX];
	} r = {.head = {.number = 1, .word = LOCAL_MAILDIR}};
	static const struct {
		const char *text;
		size_t n;
	} bad[] = {
	    {"", 0},
	    {"alice", 5},
	    {"alice\0b\0c", 9},
	    {"alice\0b\0c\0d", 11},
	    {"\0b\0c", 5},
	    {"../alice\0b\0c", 13},
	    {".alice\0b\0c", 11},
	    {"al\nice\0b\0c", 11},
	    {"alice\0b\nX: y\0c", 15},
	    {"alice\0b\0c\nX: y", 15},
	};
	int fd = open(spooldir_path("message"), O_RDONLY);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(r.text, bad[i].text, bad[i].n);
		assert_cut_off(&r, sizeof(r.head) + bad[i].n, fd);
	}
	memcpy(r.text, "alice\0b\0c", 10);
	assert_cut_off(&r, sizeof(r.head) + 10, -1); /* no message */
	assert_cut_off(&r, sizeof(r.head) + sizeof(r.text), fd);
	r.head.word = LOCAL_FORWARD;
	assert_cut_off(&r, sizeof(r.head) + 10, fd); /* a message for nothing */
	r.head.word = 3;
	assert_cut_off(&r, sizeof(r.head) + 10, fd);
	assert_cut_off(&r, 3, -1);
	ck_assert_uint_eq(spooldir_count("home"), 0);
	close(fd);
}
END_TEST

START_TEST(message_that_is_no_file)
{
	int ends[2];
	struct local_request r = {.user = "alice", .sender = "", .recipient = ""};

	start();
	ck_assert_int_eq(pipe(ends), 0);
	r.message = ends[0];
	ck_assert_int_eq(local_ask(sock, &r), 0);
	ck_assert_int_eq(hear(), 1);
	ck_assert_int_eq(answer.outcome, LOCAL_RETRY);
	ck_assert_str_eq(answer.text, "the message is not a file");
}
END_TEST

START_TEST(fields_that_are_too_long)
{
	char name[LOCAL_NAME_MAX + 2];

	start();
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(ask(LOCAL_MAILDIR, name, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	name[sizeof(name) - 2] = '\0';
	ck_assert_int_eq(deliver(LOCAL_MAILDIR, name), LOCAL_DONE);
}
END_TEST

/* One who is not root becomes nobody else, and does not write as himself instead. */
START_TEST(helper_of_an_ordinary_user)
{
	if (getuid() == 0) {
		ck_assert_int_eq(chmod(path, 0777), 0);
		ck_assert_int_eq(setuid(65533), 0);
	} else {
		alice.uid++;
	}
	ck_assert_int_eq(deliver(LOCAL_MAILDIR, "alice"), LOCAL_RETRY);
	ck_assert_msg(strncmp(answer.text, "becoming the user", 17) == 0, "%s", answer.text);
}
END_TEST

Suite *
suite_local(void)
{
	Suite *s = suite_create("local");
	TCase *t = tcase_create("maildir");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, maildir);
	tcase_add_test(t, maildir_in_a_home_that_is_not_there);
	tcase_add_test(t, maildir_without_room);
	tcase_add_test(t, long_lines);
	suite_add_tcase(s, t);
	t = tcase_create("mbox");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, mbox);
	tcase_add_test(t, mbox_behind_others);
	tcase_add_test(t, mbox_without_room);
	tcase_add_test(t, from_line_across_blocks);
	tcase_add_test(t, half_a_message_of_one_that_was_killed);
	tcase_add_test(t, half_a_message_with_others_behind_it);
	tcase_add_test(t, dot_lock_that_says_nothing);
	tcase_add_test(t, dot_lock_of_somebody);
	tcase_add_test(t, fcntl_lock_of_somebody);
	tcase_add_test(t, mbox_that_is_a_link);
	tcase_add_test(t, mbox_of_somebody_else);
	tcase_add_test(t, mbox_in_a_folder_of_a_group);
	suite_add_tcase(s, t);
	t = tcase_create("forward");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, forward);
	tcase_add_test(t, forward_that_is_not_to_be_trusted);
	suite_add_tcase(s, t);
	t = tcase_create("helper");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, users);
	tcase_add_test(t, users_of_the_system);
	tcase_add_test(t, many_at_once);
	tcase_add_test(t, runner_that_goes_away);
	tcase_add_test(t, signals_to_the_helper);
	tcase_add_test(t, nonsense);
	tcase_add_test(t, message_that_is_no_file);
	tcase_add_test(t, fields_that_are_too_long);
	tcase_add_test(t, child_that_does_not_end);
	tcase_add_test(t, helper_of_an_ordinary_user);
	suite_add_tcase(s, t);
	return s;
}
