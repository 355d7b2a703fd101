/* check_queue.c: queue and messages on a real spool, delivering to scripted servers. */
#include <sys/stat.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "config.h"
#include "dns_server.h"
#include "logcap.h"
#include "net_fake.h"
#include "queue.h"
#include "queue_candidates.h"
#include "smtp_fake.h"
#include "suites.h"
#include "testspool.h"
#include "vclock.h"

enum { NOW = 1800000000 };

static struct reactor *r;
static struct dns *d;
static struct dns_fake zone;
static struct config config;
static struct router *router;
static struct sites *sites;
static struct spool *sp;
static struct queue *q;
static struct queue_options options;
static struct smtp_fake *server;
static char id[ENVELOPE_ID_MAX + 1];

static const char body[] = "From: Carol <carol@example.com>\r\nSubject: x\r\n\r\nHello.\r\n";

static void
setup(void)
{
	static const char *const servers[] = {"192.0.2.53"};
	struct dns_options o = {.servers = servers, .nservers = 1};
	struct sites_options s = {
	    .sessions = 10, .sessions_per_site = 5, .connect_s = 30, .helo = "out.example.org"};
	char why[128];

	s.local.how = CONFIG_LOCAL_MAILDIR;
	s.local.helper = -1;
	s.local.why = "root's run does that";
	vclock_install(NOW);
	net_fake_install();
	logcap_start();
	dns_fake_init(&zone);
	dns_server("192.0.2.53:53", &zone, 5);
	ck_assert(dns_fake_add(&zone, "a.net A 192.0.2.1"));
	ck_assert(dns_fake_add(&zone, "example.org A 192.0.2.2"));
	server = smtp_fake_new("a.net");
	smtp_fake_serve(server, "192.0.2.1:25");
	config_init(&config);
	sp = testspool_open();
	r = reactor_new();
	d = dns_new(r, &o, why, sizeof(why));
	router = router_new(r, d, &config, "out.example.org");
	sites = sites_new(r, router, &s);
	options = (struct queue_options){.uid = -1,
	    .messages = {.recipients = 100,
		.retry_min_s = 900,
		.retry_max_s = 43200,
		.expire_s = 432000,
		.bounce = {.whole_max = 50000}}};
}

static void
script(const char *line)
{
	ck_assert(smtp_script_line(&server->script, line));
}

static void
start_queue(void)
{
	q = queue_new(r, sp, sites, &options);
}

static void
end_pass(void)
{
	int64_t end = vclock_ms() + 1000000;

	while (!queue_pass_done(q) || sites_busy(sites))
		ck_assert(reactor_turn(r) && vclock_ms() < end);
}

static void
pass(void)
{
	ck_assert_int_eq(queue_start_pass(q), 0);
	end_pass();
}

static void
teardown(void)
{
	queue_free(&q);
	sites_free(&sites);
	router_free(&router);
	dns_free(&d);
	while (reactor_turn(r))
		;
	reactor_free(&r);
	config_free(&config);
	dns_fake_free(&zone);
	testspool_close(&sp);
	logcap_stop();
}

static const char *
path_of(const char *name)
{
	static char path[1024];

	snprintf(path, sizeof(path), "%s/%s", spool_path(sp), name);
	return path;
}

static bool
has(const char *dir, const char *name, const char *suffix)
{
	char text[128];
	struct stat st;

	snprintf(text, sizeof(text), "%s/%s%s", dir, name, suffix);
	return stat(path_of(text), &st) == 0;
}

static void
submit(const char *sender, const char *a, const char *b)
{
	const char *to[] = {a, b, NULL};
	struct testspool_message m = {
	    .sender = sender, .recipients = to, .body = body, .submitted = NOW};

	testspool_add(sp, &m, id);
}

/* As another runner would. */
static void
append(const char *lines)
{
	char name[128];
	int fd;

	snprintf(name, sizeof(name), "ctl/%s", id);
	fd = open(path_of(name), O_WRONLY | O_APPEND);
	ck_assert_int_eq(write(fd, lines, strlen(lines)), (ssize_t)strlen(lines));
	close(fd);
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path_of(path), O_WRONLY | O_CREAT | O_EXCL, 0600);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Runs until the message is in work; its lookups are still under way. */
static void
admit(void)
{
	ck_assert_int_eq(queue_start_pass(q), 0);
	while (messages_count(queue_messages(q)) == 0)
		ck_assert(reactor_turn(r));
	ck_assert_uint_eq(server->sessions, 0);
}

/* Bodies go when there is nothing else to do. */
static void
idle_turns(void)
{
	for (int i = 0; i < 100 && reactor_turn(r); i++)
		;
}

START_TEST(delivered_and_gone)
{
	submit(NULL, "a@a.net", "b@a.net");
	start_queue();
	pass();
	ck_assert_uint_eq(server->nmessages, 1);
	ck_assert_uint_eq(testspool_count(sp), 0);
	idle_turns();
	ck_assert(!has("msg", id, ""));
	ck_assert_uint_eq(messages_counts(queue_messages(q))->sent, 2);
}
END_TEST

START_TEST(deferred_and_due_again)
{
	struct envelope e;

	script("on RCPT b@a.net reply 451 4.7.1 later");
	submit(NULL, "a@a.net", "b@a.net");
	start_queue();
	pass();
	envelope_init(&e);
	testspool_load(sp, id, &e);
	ck_assert_uint_eq(e.waiting, 1);
	ck_assert_int_eq(e.rcpts[0].status, RCPT_DELIVERED);
	ck_assert_int_eq(e.rcpts[1].status, RCPT_DEFERRED);
	ck_assert_str_eq(e.rcpts[1].reason, "451 4.7.1 later");
	ck_assert_int_eq(e.retry, 900);
	envelope_free(&e);
	pass(); /* it sleeps */
	ck_assert_uint_eq(server->sessions, 1);
	vclock_advance(1100000);
	pass();
	envelope_init(&e);
	testspool_load(sp, id, &e);
	ck_assert_int_eq(e.retry, 1800);
	envelope_free(&e);
	ck_assert_uint_eq(server->nmessages, 1);
}
END_TEST

/* Two of them may come in a second, after days in which the machine was off and before root's run. */
START_TEST(what_is_roots_does_not_expire_in_a_run_of_a_submission)
{
	config.local = CONFIG_LOCAL_MAILDIR;
	options.messages.warn_s = 3600;
	submit(NULL, "bob@out.example.org", NULL);
	start_queue();
	vclock_advance(6 * 86400000LL);
	pass();
	pass();
	ck_assert_uint_eq(logcap_count("status=expired"), 0);
	queue_free(&q);
	options.messages.full = true;
	start_queue();
	pass();
	ck_assert_uint_eq(logcap_count("status=expired"), 1);
}
END_TEST

START_TEST(locked_by_another)
{
	int fd = -1;

	submit(NULL, "a@a.net", NULL);
	ck_assert_int_eq(spool_lock(sp, id, &fd), SPOOL_LOCKED);
	start_queue();
	pass();
	ck_assert_uint_eq(server->nmessages, 0);
	ck_assert_uint_eq(testspool_count(sp), 1);
	ck_assert(!queue_look_again(q)); /* it does not keep anybody running */
	end_pass();
	spool_unlock(&fd);
	pass();
	ck_assert_uint_eq(server->nmessages, 1);
}
END_TEST

START_TEST(arrives_before_the_end)
{
	start_queue();
	pass();
	for (int i = 0; i < 12; i++)
		submit(NULL, "a@a.net", NULL);
	ck_assert(queue_look_again(q));
	end_pass();
	ck_assert_uint_eq(server->nmessages, 12);
}
END_TEST

START_TEST(done_by_another_meanwhile)
{
	char line[] = "remote|a@a.net|2|250 ok\n";

	submit(NULL, "a@a.net", "b@a.net");
	start_queue();
	admit();
	append(line);
	end_pass();
	ck_assert_uint_eq(server->nmessages, 1);
	ck_assert_uint_eq(list_item(server->messages.next, struct fake_message, link)->nrcpts, 1);
	ck_assert_uint_eq(testspool_count(sp), 0);
}
END_TEST

/* A report that could not be made is made, although another one is owed meanwhile. */
START_TEST(reports_in_order)
{
	submit(NULL, "a@a.net", "b@a.net");
	append("remote|a@a.net|5|550 5.1.1 no a\nreport|1\n");
	script("on RCPT reply 550 5.1.1 no b");
	start_queue();
	pass();
	ck_assert(has("ctl", id, ".r1"));
	ck_assert(has("ctl", id, ".r2"));
	ck_assert(!has("ctl", id, ""));
}
END_TEST

static bool owed_synced, owed_in_time;

static int
fdatasync_of_owed(int fd)
{
	owed_synced = true;
	return sys_libc.fdatasync(fd);
}

static int
linkat_of_report(int olddir, const char *old, int newdir, const char *new, int flags)
{
	owed_in_time = owed_synced;
	return sys_libc.linkat(olddir, old, newdir, new, flags);
}

/* Whoever wrote report|1 was killed before he could sync it, and the power may still fail. */
START_TEST(owed_by_one_who_died)
{
	submit(NULL, "a@a.net", NULL);
	append("remote|a@a.net|5|550 5.1.1 no a\nreport|1\n");
	owed_synced = owed_in_time = false;
	sys.fdatasync = fdatasync_of_owed;
	sys.linkat = linkat_of_report;
	start_queue();
	pass();
	sys.fdatasync = sys_libc.fdatasync;
	sys.linkat = sys_libc.linkat;
	ck_assert(owed_in_time);
	ck_assert(has("ctl", id, ".r1"));
}
END_TEST

/* What failed behind another's report|1 is not covered by it. */
START_TEST(failed_by_another_meanwhile)
{
	submit(NULL, "a@a.net", "b@a.net");
	start_queue();
	admit();
	append(
	    "remote|a@a.net|5|550 5.1.1 no\nreport|1\nreported|1\nremote|b@a.net|5|550 5.1.1 no\n");
	end_pass();
	ck_assert_uint_eq(server->nmessages, 0);
	ck_assert(has("ctl", id, ".r2"));
	ck_assert(!has("ctl", id, ".r1"));
}
END_TEST

/* Nobody can be told of a's failure, but b is still waiting. */
START_TEST(not_held_while_somebody_waits)
{
	struct envelope e;

	script("on RCPT a@a.net reply 550 5.1.1 no");
	script("on RCPT b@a.net times 1 reply 451 4.7.1 later");
	submit("", "a@a.net", "b@a.net");
	start_queue();
	pass();
	vclock_advance(1100000);
	pass();
	ck_assert_uint_eq(server->nmessages, 1);
	envelope_init(&e);
	testspool_load(sp, id, &e);
	ck_assert_uint_eq(e.waiting, 0);
	ck_assert(e.hold);
	envelope_free(&e);
	ck_assert_uint_eq(messages_counts(queue_messages(q))->held, 1);
}
END_TEST

static const char citadel[] = "Content-type: application/x-citadel-delivery-list\n\n"
			      "msgid|1234.1\nsubmitted|1799999000\nremote|a@a.net|0|\n";

/* Its sender is the address of the message's From, also for the choice of a relay. */
START_TEST(citadel_list_without_a_sender)
{
	static const char relay[] = "relay smtp://[192.0.2.1] from carol@example.com\n";
	char why[128];

	ck_assert_int_eq(config_parse(&config, "conf", relay, strlen(relay), why, sizeof(why)), 0);
	ck_assert(dns_fake_add(&zone, "elsewhere.net A 192.0.2.9"));
	write_file("msg", "1234.1", body);
	write_file("ctl", "1234.1",
	    "Content-type: application/x-citadel-delivery-list\n\n"
	    "msgid|1234.1\nsubmitted|1799999000\nremote|a@elsewhere.net|0|\n");
	start_queue();
	pass();
	ck_assert_uint_eq(server->nmessages, 1);
	ck_assert_str_eq(
	    list_item(server->messages.next, struct fake_message, link)->from, "carol@example.com");
	ck_assert_uint_eq(testspool_count(sp), 0);
}
END_TEST

static void
write_failed_list(const char *name)
{
	char text[256];

	snprintf(text, sizeof(text),
	    "Content-type: application/x-citadel-delivery-list\n\n"
	    "msgid|%s\nsubmitted|1799999000\nremote|a@elsewhere.net|5|550 5.1.1 no\n",
	    name);
	write_file("msg", name, body);
	write_file("ctl", name, text);
}

/*
 * Names as long as they may be, which differ in the last letter, leave no room for ".r1". Each still
 * has a report of its own, and only one when we died before that was noted.
 */
START_TEST(reports_about_the_longest_names)
{
	char name[ENVELOPE_ID_MAX + 1];

	ck_assert(dns_fake_add(&zone, "example.com A 192.0.2.9")); /* the reports stay */
	memset(name, 'x', ENVELOPE_ID_MAX);
	name[ENVELOPE_ID_MAX] = '\0';
	start_queue();
	for (int i = 0; i < 2; i++) {
		for (char c = 'a'; c <= 'b'; c++) {
			name[ENVELOPE_ID_MAX - 1] = c;
			write_failed_list(name);
		}
		pass();
		ck_assert(!has("ctl", name, ""));
		ck_assert_uint_eq(testspool_count(sp), 2);
		while (has("msg", name, ""))
			ck_assert(reactor_turn(r));
	}
}
END_TEST

/* The end mark was written and is to be synced, then the lock is let go: no reason to stop. */
START_TEST(citadel_list_not_due_after_all)
{
	write_file("msg", "1234.1", body);
	write_file("ctl", "1234.1", citadel);
	str_copy(id, sizeof(id), "1234.1");
	sys.fdatasync = sys_libc.fdatasync; /* who minds whether the descriptor is open */
	start_queue();
	admit();
	append("attempted|1800050000\nretry|50000\n");
	end_pass();
	ck_assert_uint_eq(server->nmessages, 0);
	ck_assert(!messages_broken(queue_messages(q)));
	ck_assert_uint_eq(testspool_count(sp), 1);
}
END_TEST

static char unreadable[ENVELOPE_ID_MAX + 1];

static int
fstatat_one_bad(int dir, const char *path, struct stat *st, int flags)
{
	if (strcmp(path, unreadable) == 0) {
		errno = EIO;
		return -1;
	}
	return sys_libc.fstatat(dir, path, st, flags);
}

START_TEST(one_entry_cannot_be_read)
{
	submit(NULL, "a@a.net", NULL);
	str_copy(unreadable, sizeof(unreadable), id);
	submit(NULL, "b@a.net", NULL);
	start_queue();
	sys.fstatat = fstatat_one_bad;
	ck_assert_int_eq(queue_start_pass(q), -1);
	end_pass();
	ck_assert(queue_failed(q));
	ck_assert_uint_eq(server->nmessages, 1);
	sys.fstatat = sys_libc.fstatat;
	pass();
	ck_assert(!queue_failed(q));
	ck_assert_uint_eq(server->nmessages, 2);
}
END_TEST

START_TEST(a_body_is_missing)
{
	char name[128];

	submit(NULL, "a@a.net", NULL);
	snprintf(name, sizeof(name), "msg/%s", id);
	unlink(path_of(name));
	start_queue();
	pass();
	ck_assert(has("corrupt", id, ".ctl"));
	ck_assert_uint_eq(testspool_count(sp), 0);
}
END_TEST

START_TEST(a_control_file_is_damaged)
{
	write_file("ctl", "1234.1", "nonsense\n");
	write_file("msg", "1234.1", body);
	submit(NULL, "a@a.net", NULL);
	start_queue();
	pass();
	ck_assert(has("corrupt", "1234.1", ".ctl"));
	ck_assert(has("corrupt", "1234.1", ".msg"));
	ck_assert_uint_eq(server->nmessages, 1);
}
END_TEST

/*
 * Every attempt adds a line for each recipient, and a file can be so long that nobody reads it any
 * more: then what has been overtaken is left out, and nothing else.
 */
START_TEST(a_control_file_that_grew_long)
{
	enum { LINES = 3000000 };
	static const char line[] = "attempted|1\n";
	struct stat st;
	struct buf long_past;
	char name[128];

	buf_init(&long_past, LINES * (sizeof(line) - 1));
	for (int i = 0; i < LINES; i++)
		buf_adds(&long_past, line);
	submit(NULL, "a@a.net", "b@a.net");
	append(buf_str(&long_past));
	append("remote|b@a.net|2|250 2.0.0 taken\nattempted|1799990000\nretry|900\n");
	buf_free(&long_past);
	script("on RCPT times 1 reply 451 4.7.1 later");
	start_queue();
	pass();
	snprintf(name, sizeof(name), "ctl/%s", id);
	ck_assert_int_eq(stat(path_of(name), &st), 0);
	ck_assert_int_lt(st.st_size, 1000);
	ck_assert(!messages_broken(queue_messages(q)));
	vclock_advance(3600 * 1000);
	pass();
	ck_assert_uint_eq(server->nmessages, 1);
	ck_assert_uint_eq(testspool_count(sp), 0);
}
END_TEST

START_TEST(one_message_only)
{
	char first[ENVELOPE_ID_MAX + 1];

	submit(NULL, "a@a.net", NULL);
	str_copy(first, sizeof(first), id);
	submit(NULL, "b@a.net", NULL);
	options.only = first;
	start_queue();
	pass();
	ck_assert_uint_eq(server->nmessages, 1);
	ck_assert(!has("ctl", first, ""));
	ck_assert(has("ctl", id, ""));
}
END_TEST

START_TEST(mail_of_one_user_only)
{
	submit(NULL, "a@a.net", NULL); /* uid 0 */
	options.uid = 7;
	start_queue();
	pass();
	ck_assert_uint_eq(server->nmessages, 0);
}
END_TEST

/* Two jobs of a message, one delivered: the other's turn is not lost, nobody gets it twice. */
START_TEST(stopped_in_the_middle)
{
	struct envelope e;

	net_fake_down("192.0.2.2:25", 0);
	submit(NULL, "a@a.net", "b@example.org");
	start_queue();
	ck_assert_int_eq(queue_start_pass(q), 0);
	while (server->nmessages == 0)
		ck_assert(reactor_turn(r));
	for (int i = 0; i < 5; i++)
		reactor_turn(r);
	queue_stop(q);
	sites_stop(sites, false);
	end_pass();
	envelope_init(&e);
	testspool_load(sp, id, &e);
	ck_assert_int_eq(e.rcpts[0].status, RCPT_DELIVERED);
	ck_assert_uint_eq(e.waiting, 1);
	envelope_free(&e);
}
END_TEST

/* --- how often the disk is asked ----------------------------------------------------------- */

static unsigned opens, turns, unsynced;
static int (*poll_of_all)(struct pollfd *fds, nfds_t n, int timeout_ms);

static int
counted_open(int dir, const char *name, int flags, mode_t mode)
{
	opens += dir != AT_FDCWD && (flags & (O_ACCMODE | O_DIRECTORY)) == O_RDONLY;
	return sys_libc.openat(dir, name, flags, mode);
}

/* Control files to which a success was appended, or their directory. */
static struct stat dirty[8];

static void
changed(int fd)
{
	ck_assert_uint_lt(unsynced, sizeof(dirty) / sizeof(dirty[0]));
	ck_assert_int_eq(fstat(fd, &dirty[unsynced++]), 0);
}

static int
slow_sync(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	for (unsigned i = unsynced; i-- > 0;)
		if (dirty[i].st_ino == st.st_ino)
			dirty[i] = dirty[--unsynced];
	vclock_advance(5);
	return sys_libc.fsync(fd);
}

static ssize_t
watched_write(int fd, const void *data, size_t n)
{
	char text[1024];

	snprintf(text, sizeof(text), "%.*s", (int)n, (const char *)data);
	if (strstr(text, "a@a.net|2|") != NULL)
		changed(fd);
	return sys_libc.write(fd, data, n);
}

static int
watched_unlink(int dir, const char *name, int flags)
{
	if (has("ctl", name, ""))
		changed(dir);
	return sys_libc.unlinkat(dir, name, flags);
}

static int
poll_after_syncs(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	ck_assert_uint_eq(unsynced, 0);
	turns++;
	return poll_of_all(fds, n, timeout_ms);
}

static void
slow_disk(void)
{
	poll_of_all = sys.poll;
	turns = unsynced = 0;
	sys.poll = poll_after_syncs;
	sys.fsync = sys.fdatasync = slow_sync;
	sys.unlinkat = watched_unlink;
	sys.write = watched_write;
}

static void
fast_disk(void)
{
	sys.poll = poll_of_all;
	sys.fsync = sys_libc.fsync;
	sys.fdatasync = sys_libc.fdatasync;
	sys.unlinkat = sys_libc.unlinkat;
	sys.write = sys_libc.write;
}

/* However long that takes. */
START_TEST(a_turn_ends_with_its_syncs)
{
	script("on RCPT b@a.net reply 451 4.7.1 later");
	for (int i = 0; i < 20; i++)
		submit(NULL, "a@a.net", i % 2 == 0 ? "b@a.net" : NULL);
	start_queue();
	slow_disk();
	pass();
	fast_disk();
	ck_assert_uint_eq(server->nmessages, 20);
	ck_assert_uint_eq(testspool_count(sp), 10);
}
END_TEST

static unsigned calls;

static void
on_ready(void *ctx, short events)
{
	(void)ctx;
	(void)events;
	calls++;
	vclock_advance(1);
}

START_TEST(turns_with_slow_syncs_take_in_more)
{
	struct watch ready;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	watch_init(&ready, on_ready, NULL);
	watch_add(r, &ready, ends[0], POLLIN);
	script("on RCPT b@a.net delay 1s; reply 451 4.7.1 later");
	submit(NULL, "a@a.net", NULL);
	submit(NULL, "b@a.net", NULL); /* later, and needs no sync */
	start_queue();
	slow_disk();
	pass();
	calls = turns = 0;
	ck_assert(reactor_turn(r));
	ck_assert_uint_gt(calls, turns);
	fast_disk();
	submit(NULL, "a@a.net", NULL);
	pass();
	calls = 0;
	ck_assert(reactor_turn(r));
	ck_assert_uint_eq(calls, 1);
	watch_remove(r, &ready);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

static size_t
bodies(void)
{
	DIR *dir = opendir(path_of("msg"));
	struct dirent *e;
	size_t n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void
always_busy(void *ctx, short events)
{
	(void)ctx;
	(void)events;
	vclock_advance(1);
}

/* Delivers three messages while there is always something to do. */
static void
deliver_without_a_pause(size_t bodies_max, size_t left)
{
	struct watch busy;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	options.messages.bodies_max = bodies_max;
	for (int i = 0; i < 3; i++)
		submit(NULL, "a@a.net", NULL);
	start_queue();
	watch_init(&busy, always_busy, NULL);
	watch_add(r, &busy, ends[0], POLLIN);
	pass();
	for (int i = 0; i < 10; i++)
		ck_assert(reactor_turn(r));
	ck_assert_uint_eq(server->nmessages, 3);
	ck_assert_uint_eq(testspool_count(sp), 0);
	ck_assert_uint_eq(bodies(), left);
	watch_remove(r, &busy);
	close(ends[0]);
	close(ends[1]);
}

START_TEST(bodies_wait_for_an_idle_moment)
{
	deliver_without_a_pause(0, 3);
	for (int i = 0; i < 3; i++)
		ck_assert(reactor_turn(r));
	ck_assert_uint_eq(bodies(), 0);
}
END_TEST

START_TEST(but_not_too_many)
{
	deliver_without_a_pause(2, 2);
}
END_TEST

static ssize_t
write_when_bodies_are_gone(int fd, const void *data, size_t n)
{
	if (bodies() == 0)
		return sys_libc.write(fd, data, n);
	errno = ENOSPC;
	return -1;
}

START_TEST(bodies_make_room_on_a_full_disk)
{
	deliver_without_a_pause(0, 3);
	unlink(path_of("ballast"));
	sys.write = write_when_bodies_are_gone;
	ck_assert(!messages_full(queue_messages(q)));
	sys.write = sys_libc.write;
	ck_assert_uint_eq(bodies(), 0);
}
END_TEST

START_TEST(bodies_go_at_the_latest_in_the_end)
{
	deliver_without_a_pause(0, 3);
	queue_free(&q);
	ck_assert_uint_eq(bodies(), 0);
}
END_TEST

/* Those that yield to other sites have been read before their turn comes. */
START_TEST(each_control_file_is_read_once)
{
	enum { MANY = 300 };

	for (unsigned i = 0; i < MANY; i++)
		submit(NULL, "a@a.net", NULL);
	start_queue();
	sys.openat = counted_open;
	opens = 0;
	pass();
	sys.openat = sys_libc.openat;
	ck_assert_uint_eq(server->nmessages, MANY);
	ck_assert_uint_eq(opens, 2 * MANY); /* and each body */
}
END_TEST

static unsigned asked;

static int
counted_stat(int dir, const char *name, struct stat *st, int flags)
{
	asked += strcmp(name, id) == 0;
	return sys_libc.fstatat(dir, name, st, flags);
}

/* When the next scans of a pass look at it again, and that they see it then. */
START_TEST(sleepers_are_left_alone_for_a_while)
{
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = NOW + 90}};
	char name[128];

	submit(NULL, "a@a.net", NULL);
	snprintf(name, sizeof(name), "ctl/%s", id);
	ck_assert_int_eq(utimensat(AT_FDCWD, path_of(name), ts, 0), 0);
	start_queue();
	pass(); /* which cleans the spool, too */
	sys.fstatat = counted_stat;
	asked = 0;
	pass();
	ck_assert_uint_eq(asked, 1);
	ck_assert(!queue_look_again(q));
	ck_assert_uint_eq(asked, 1);
	pass();
	ck_assert_uint_eq(asked, 2);
	vclock_advance(50000);
	ck_assert(!queue_look_again(q));
	ck_assert_uint_eq(asked, 2);
	vclock_advance(50000);
	ck_assert(queue_look_again(q));
	sys.fstatat = sys_libc.fstatat;
	end_pass();
	ck_assert_uint_eq(server->nmessages, 1);
}
END_TEST

/* So many that the set of sleepers grows; those that arrive meanwhile are none of them. */
START_TEST(new_ones_among_sleepers)
{
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = NOW + 9000}};
	char name[128];

	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		write_file("ctl", name, "");
		snprintf(name, sizeof(name), "ctl/s%d", i);
		ck_assert_int_eq(utimensat(AT_FDCWD, path_of(name), ts, 0), 0);
	}
	start_queue();
	pass();
	for (int i = 0; i < 12; i++)
		submit(NULL, "a@a.net", NULL);
	ck_assert(queue_look_again(q));
	end_pass();
	ck_assert_uint_eq(server->nmessages, 12);
}
END_TEST

/* In whatever order they come. */
START_TEST(a_scan_keeps_the_earliest)
{
	enum { MANY = CANDIDATES_MAX + 9999 }; /* 7919 is a prime that does not divide it */
	struct candidates c = {.v = NULL};
	unsigned dropped = 0;

	for (int64_t i = 0; i < MANY; i++) {
		struct candidate one = {.due_at = i * 7919 % MANY};

		str_copy(one.id, sizeof(one.id), "x");
		dropped += !candidates_offer(&c, &one);
	}
	ck_assert_uint_eq(dropped, MANY - CANDIDATES_MAX);
	candidates_sort(&c);
	for (int64_t i = 0; i < CANDIDATES_MAX; i++)
		ck_assert_int_eq(candidates_earliest(&c).due_at, i);
	ck_assert_uint_eq(c.n, 0);
	candidates_free(&c);
}
END_TEST

static bool full;

static ssize_t
write_to_full_disk(int fd, const void *data, size_t n)
{
	if (full) {
		errno = ENOSPC;
		return -1;
	}
	return sys_libc.write(fd, data, n);
}

/* The record cannot be made, in no way: the runner is told, and the message is still there. */
START_TEST(no_room_for_the_record)
{
	script("on RCPT b@a.net reply 451 4.7.1 later");
	submit(NULL, "a@a.net", "b@a.net");
	start_queue();
	sys.write = write_to_full_disk;
	admit();
	full = true;
	while (!messages_broken(queue_messages(q)))
		ck_assert(reactor_turn(r));
	queue_stop(q);
	sites_stop(sites, false);
	end_pass();
	ck_assert_uint_eq(testspool_count(sp), 1);
	ck_assert(has("msg", id, ""));
}
END_TEST

Suite *
suite_queue(void)
{
	Suite *s = suite_create("queue");
	TCase *tc = tcase_create("queue");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, delivered_and_gone);
	tcase_add_test(tc, deferred_and_due_again);
	tcase_add_test(tc, what_is_roots_does_not_expire_in_a_run_of_a_submission);
	tcase_add_test(tc, locked_by_another);
	tcase_add_test(tc, arrives_before_the_end);
	tcase_add_test(tc, done_by_another_meanwhile);
	tcase_add_test(tc, reports_in_order);
	tcase_add_test(tc, owed_by_one_who_died);
	tcase_add_test(tc, failed_by_another_meanwhile);
	tcase_add_test(tc, not_held_while_somebody_waits);
	tcase_add_test(tc, citadel_list_without_a_sender);
	tcase_add_test(tc, reports_about_the_longest_names);
	tcase_add_test(tc, citadel_list_not_due_after_all);
	tcase_add_test(tc, one_entry_cannot_be_read);
	tcase_add_test(tc, a_body_is_missing);
	tcase_add_test(tc, a_control_file_is_damaged);
	tcase_add_test(tc, a_control_file_that_grew_long);
	tcase_add_test(tc, one_message_only);
	tcase_add_test(tc, mail_of_one_user_only);
	tcase_add_test(tc, stopped_in_the_middle);
	tcase_add_test(tc, no_room_for_the_record);
	tcase_add_test(tc, a_scan_keeps_the_earliest);
	tcase_add_test(tc, sleepers_are_left_alone_for_a_while);
	tcase_add_test(tc, new_ones_among_sleepers);
	tcase_add_test(tc, bodies_wait_for_an_idle_moment);
	tcase_add_test(tc, but_not_too_many);
	tcase_add_test(tc, bodies_make_room_on_a_full_disk);
	tcase_add_test(tc, bodies_go_at_the_latest_in_the_end);
	tcase_add_test(tc, a_turn_ends_with_its_syncs);
	tcase_add_test(tc, turns_with_slow_syncs_take_in_more);
	tcase_add_test(tc, each_control_file_is_read_once);
	suite_add_tcase(s, tc);
	return s;
}
