/* check_ledger.c: what runs have seen is added up, bounded, and in nobody's way when it cannot be kept. */
#include <sys/file.h>
#include <sys/stat.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/sys.h"
#include "fault.h"
#include "ledger_impl.h"
#include "logcap.h"
#include "suites.h"
#include "testspool.h"
#include "vclock.h"
#include "whole.h"

enum { T0 = 1764000000 };

static struct spool *sp;
static struct ledger_book book;
static char path[1100];

static void
setup(void)
{
	vclock_install(T0);
	logcap_start();
	sp = testspool_open();
	snprintf(path, sizeof(path), "%s/ledger", spool_path(sp));
}

static void
teardown(void)
{
	testspool_close(&sp);
	logcap_stop();
	sys = sys_libc;
}

/* --- writing and reading ------------------------------------------------------------------ */

static void
read_it(void)
{
	ck_assert_int_eq(ledger_read(sp, &book), 0);
}

static const struct ledger_record *
known(const char *name)
{
	struct map_node *n = map_get(&book.sites, name);

	ck_assert_msg(n != NULL, "nothing is known of %s", name);
	return &map_item(n, struct ledger_site, node)->r;
}

static void
tell_of(struct ledger *l, const char *name, uint64_t sent, int64_t at)
{
	struct ledger_record r = {
	    .counts = {[LEDGER_SENT] = sent, [LEDGER_BYTES] = 10 * sent}, .since = at, .ok_at = at};

	ledger_tell(l, name, &r);
}

static void
tell_all(struct ledger *l, uint64_t sent, int64_t at)
{
	ledger_tell(l, "", &(struct ledger_record){.counts = {[LEDGER_SENT] = sent}, .ok_at = at});
}

static void
write_lines(const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, n), (ssize_t)n);
	close(fd);
}

static off_t
size_of_file(void)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

START_TEST(what_is_told_is_read)
{
	struct ledger_record r = {.since = T0 - 5,
	    .ok_at = T0 - 3,
	    .bad_at = T0 - 4,
	    .relay = "mx.example.net[192.0.2.1]:25",
	    .tls = "TLSv1.3, verified",
	    .reason = "451 4.7.1 later"};
	struct ledger *l = ledger_new(sp);

	read_it(); /* nobody has told anything yet */
	ck_assert_uint_eq(book.sites.count, 0);
	ck_assert_int_eq(book.all.since, 0);
	ledger_book_free(&book);
	for (size_t i = 0; i < LEDGER_NCOUNTERS; i++)
		r.counts[i] = 100 + i;
	ledger_tell(l, "example.net", &r);
	tell_all(l, 7, T0 - 60);
	ledger_free(&l);
	ck_assert_ptr_null(l);
	read_it();
	ck_assert_uint_eq(book.sites.count, 1);
	for (size_t i = 0; i < LEDGER_NCOUNTERS; i++)
		ck_assert_uint_eq(known("example.net")->counts[i], 100 + i);
	ck_assert_int_eq(known("example.net")->since, T0 - 5);
	ck_assert_int_eq(known("example.net")->ok_at, T0 - 3);
	ck_assert_int_eq(known("example.net")->bad_at, T0 - 4);
	ck_assert_str_eq(known("example.net")->relay, r.relay);
	ck_assert_str_eq(known("example.net")->tls, r.tls);
	ck_assert_str_eq(known("example.net")->reason, r.reason);
	/* of all: what is said to be of all was told so, the rest is the sites' */
	ck_assert_uint_eq(book.all.counts[LEDGER_SENT], 7);
	ck_assert_uint_eq(book.all.counts[LEDGER_MESSAGES], 0);
	ck_assert_uint_eq(book.all.counts[LEDGER_BYTES], 100 + LEDGER_BYTES);
	ck_assert_uint_eq(book.all.counts[LEDGER_TLS], 100 + LEDGER_TLS);
	ck_assert_uint_eq(book.all.counts[LEDGER_DUPLICATES], 100 + LEDGER_DUPLICATES);
	ck_assert_int_eq(book.all.since, T0);
	ck_assert_int_eq(book.all.ok_at, T0 - 60);
	ledger_book_free(&book);
}
END_TEST

START_TEST(runs_at_once_add_up)
{
	struct ledger *a = ledger_new(sp), *b = ledger_new(sp);

	tell_of(a, "one.example", 1, T0 - 10);
	tell_of(b, "one.example", 2, T0 - 20);
	tell_all(a, 1, T0 - 10);
	ledger_save(a);
	tell_of(b, "two.example", 3, T0);
	tell_all(b, 5, T0 - 20);
	ledger_save(b);
	tell_of(a, "one.example", 4, T0 - 15);
	ledger_free(&a);
	ledger_free(&b);
	read_it();
	ck_assert_uint_eq(book.sites.count, 2);
	ck_assert_uint_eq(known("one.example")->counts[LEDGER_SENT], 7);
	ck_assert_int_eq(known("one.example")->since, T0 - 20);
	ck_assert_int_eq(known("one.example")->ok_at, T0 - 10);
	ck_assert_uint_eq(known("two.example")->counts[LEDGER_SENT], 3);
	ck_assert_uint_eq(book.all.counts[LEDGER_SENT], 6);
	ck_assert_uint_eq(book.all.counts[LEDGER_BYTES], 100);
	ck_assert_int_eq(book.all.ok_at, T0 - 10);
	ledger_book_free(&book);
}
END_TEST

/* What is not known stays as it was; a connection without TLS says that there was none. */
START_TEST(what_was_known_last_counts)
{
	struct ledger *l = ledger_new(sp);
	struct ledger_record r = {.relay = "mx1", .tls = "TLSv1.3, trusted", .reason = "first"};

	ledger_tell(l, "x.example", &r);
	ledger_save(l);
	ledger_tell(l, "x.example", &(struct ledger_record){.since = 1});
	ledger_save(l);
	read_it();
	ck_assert_str_eq(known("x.example")->relay, "mx1");
	ck_assert_str_eq(known("x.example")->tls, "TLSv1.3, trusted");
	ck_assert_str_eq(known("x.example")->reason, "first");
	ledger_book_free(&book);
	r = (struct ledger_record){.relay = "mx2", .reason = "second"};
	ledger_tell(l, "x.example", &r);
	ledger_free(&l);
	read_it();
	ck_assert_str_eq(known("x.example")->relay, "mx2");
	ck_assert_str_eq(known("x.example")->tls, "none");
	ck_assert_str_eq(known("x.example")->reason, "second");
	ledger_book_free(&book);
}
END_TEST

/* A server's words, and names out of a queue: a line stays a line, and nobody's fields shift. */
START_TEST(no_text_breaks_a_line)
{
	static char text[10000];
	char name[LEDGER_NAME_MAX + 300];
	struct ledger *l = ledger_new(sp);
	struct ledger_site **all;

	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "a\tb\nc\033[31m\xff\xc2\x9b\r\x7f", 15);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcpy(name, "\t\n", 2);
	ledger_tell(l, name,
	    &(struct ledger_record){
		.counts = {[LEDGER_SENT] = 3}, .relay = text, .tls = text, .reason = text});
	ledger_free(&l);
	read_it();
	ck_assert_uint_eq(book.sites.count, 1);
	all = ledger_sorted(&book);
	ck_assert_uint_eq(all[0]->r.counts[LEDGER_SENT], 3);
	ck_assert_uint_le(strlen(all[0]->name), LEDGER_NAME_MAX);
	ck_assert_uint_le(strlen(all[0]->r.reason), LEDGER_TEXT_MAX);
	ck_assert_msg(strncmp(all[0]->r.reason, "a?b c?[31m", 10) == 0, "%s", all[0]->r.reason);
	for (const char *p = all[0]->r.reason; *p != '\0'; p++)
		ck_assert((unsigned char)*p >= ' ' && *p != 0x7f);
	free(all);
	ledger_book_free(&book);
}
END_TEST

START_TEST(used_last_come_first)
{
	static const char *const order[] = {"c.example", "a.example", "b.example", "d.example"};
	struct ledger *l = ledger_new(sp);
	struct ledger_site **all;

	tell_of(l, "b.example", 1, T0 - 10);
	tell_of(l, "d.example", 1, T0 - 100);
	tell_of(l, "a.example", 1, T0 - 10);
	ledger_tell(l, "c.example", &(struct ledger_record){.bad_at = T0, .ok_at = 5});
	ledger_free(&l);
	read_it();
	all = ledger_sorted(&book);
	for (size_t i = 0; i < 4; i++)
		ck_assert_str_eq(all[i]->name, order[i]);
	free(all);
	ledger_book_free(&book);
}
END_TEST

/* --- damage ------------------------------------------------------------------------------- */

#define COUNTS "\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11"
#define GOOD(name) name "\t10\t20\t30" COUNTS "\trelay\ttls\treason\n"

START_TEST(lines_that_are_none_are_passed_over)
{
	static const char damaged[] = "sortie-ledger\t1\t0\n" GOOD(
	    "a.example") "garbage\n"
			 "\t\t\t\n" GOOD(
			     "a.example\tand") "b.example\t10\t20\t-30" COUNTS "\tr\tt\tr\n"
					       "b.example\t10\t20\t9223372036854775808" COUNTS
					       "\tr\tt\tr\n"
					       "b.example\t10\t20\tx" COUNTS "\tr\tt\tr\n"
					       "b.example\t\t20\t30" COUNTS "\tr\tt\tr\n"
					       "b.example\t10\t20\t30" COUNTS "\tr\tt\n"
					       "b.example\0\t10\t20\t30" COUNTS "\tr\tt\tr\n"
					       "\0\n\n" GOOD(
						   "a.example") "b.example\t10\t20\t30\t1\t2";
	char *text = malloc(100000);
	int n;

	write_lines(damaged, sizeof(damaged) - 1);
	read_it();
	ck_assert_uint_eq(book.sites.count, 1);
	ck_assert_uint_eq(known("a.example")->counts[LEDGER_SENT], 2);
	ck_assert_uint_eq(known("a.example")->counts[LEDGER_PASSES], 22);
	ledger_book_free(&book);
	/* a name that is too long, and a line that is; what stands behind them counts */
	ck_assert_ptr_nonnull(text);
	n = snprintf(text, 100000,
	    "\n%0401d\t10\t20\t30" COUNTS "\tr\tt\tr\n%0*d\t10\t20\t30" COUNTS
	    "\tr\tt\tr\n" GOOD("c.example"),
	    1, 90000, 1);
	write_lines(text, (size_t)n);
	free(text);
	read_it();
	ck_assert_uint_eq(book.sites.count, 2);
	ck_assert_uint_eq(known("c.example")->counts[LEDGER_SENT], 1);
	ledger_book_free(&book);
}
END_TEST

START_TEST(a_line_that_was_cut_off_costs_no_other)
{
	struct ledger *l = ledger_new(sp);

	for (off_t cut = 1; cut < 60; cut++) {
		uint64_t before;

		tell_of(l, "a.example", 1, T0);
		ledger_save(l);
		ck_assert_int_eq(truncate(path, size_of_file() - cut), 0);
		read_it();
		before = book.sites.count == 0 ? 0 : known("a.example")->counts[LEDGER_SENT];
		ledger_book_free(&book);
		tell_of(l, "a.example", 1, T0);
		ledger_save(l);
		read_it();
		ck_assert_uint_eq(known("a.example")->counts[LEDGER_SENT], before + 1);
		ledger_book_free(&book);
	}
	ledger_free(&l);
}
END_TEST

static bool
forget_none(void *ctx, const struct ledger_site *s)
{
	(void)ctx;
	(void)s;
	return false;
}

/* Of another version, or a beginning that is lost: what can be read is, and it is written anew as ours. */
START_TEST(a_header_that_is_not_ours_goes)
{
	static const char *const heads[] = {
	    "sortie-ledger\t2\tx\n", "sortie-led", "\n", GOOD("a.example")};
	struct ledger *l;
	char head[32] = "";
	int fd;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		unlink(path);
		write_lines(heads[i], strlen(heads[i]));
		l = ledger_new(sp);
		tell_of(l, "b.example", 3, T0);
		ledger_free(&l);
		ck_assert_int_eq(ledger_forget(sp, forget_none, NULL), 0);
		fd = open(path, O_RDONLY);
		ck_assert_int_gt(read(fd, head, 16), 0);
		close(fd);
		ck_assert_str_eq(head, "sortie-ledger\t1\t");
		read_it();
		ck_assert_uint_eq(known("b.example")->counts[LEDGER_SENT], 3);
		ck_assert_uint_eq(book.sites.count, i == 3 ? 2 : 1);
		ledger_book_free(&book);
	}
}
END_TEST

/* Nobody is waited for, nothing is written through them. */
START_TEST(what_is_no_file_is_left_alone)
{
	char other[1100];
	struct ledger *l = ledger_new(sp);

	snprintf(other, sizeof(other), "%s/other", spool_path(sp));
	for (int kind = 0; kind < 3; kind++) {
		if (kind == 0)
			ck_assert_int_eq(mkfifo(path, 0600), 0);
		else if (kind == 1)
			ck_assert_int_eq(symlink(other, path), 0);
		else
			ck_assert_int_eq(mkdir(path, 0700), 0);
		tell_of(l, "a.example", 1, T0);
		ledger_save(l);
		ck_assert_int_eq(ledger_read(sp, &book), -1);
		ledger_book_free(&book);
		ck_assert_int_eq(access(other, F_OK), -1);
		ck_assert_int_eq(kind == 2 ? rmdir(path) : unlink(path), 0);
	}
	ck_assert_uint_eq(logcap_count("cannot keep what is known of sites"), 1);
	ledger_free(&l);
	read_it(); /* it waited */
	ck_assert_uint_eq(known("a.example")->counts[LEDGER_SENT], 3);
	ledger_book_free(&book);
}
END_TEST

/* --- written anew ------------------------------------------------------------------------- */

enum { MANY = 12000 };

static void
tell_of_many(struct ledger *l)
{
	char name[64];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "site%d.example", i);
		tell_of(l, name, 1, T0 - MANY + i);
	}
	tell_all(l, MANY, T0);
	ledger_save(l);
}

START_TEST(a_long_file_is_written_anew_with_those_used_last)
{
	struct ledger *l = ledger_new(sp);
	off_t once, longest = 0;

	tell_of_many(l);
	once = size_of_file();
	for (int i = 0; i < 10; i++) {
		tell_of_many(l);
		if (size_of_file() > longest)
			longest = size_of_file();
	}
	ck_assert_int_eq(ledger_forget(sp, forget_none, NULL), 0);
	ck_assert_int_lt(size_of_file(), once);
	ck_assert_int_lt(longest, 3 * once); /* twice what it was, and what is told at a time */
	ledger_free(&l);
	read_it();
	ck_assert_uint_eq(book.sites.count, LEDGER_SITES);
	ck_assert_ptr_null(map_get(&book.sites, "site0.example"));
	ck_assert_ptr_null(map_get(&book.sites, "site1999.example"));
	ck_assert_uint_gt(known("site2000.example")->counts[LEDGER_SENT], 0);
	ck_assert_uint_eq(known("site11999.example")->counts[LEDGER_SENT], 11);
	/* what was forgotten has been counted */
	ck_assert_uint_eq(book.all.counts[LEDGER_SENT], 11 * MANY);
	ck_assert_uint_eq(book.all.counts[LEDGER_BYTES], 110 * MANY);
	ledger_book_free(&book);
}
END_TEST

static bool
forget_odd(void *ctx, const struct ledger_site *s)
{
	*(size_t *)ctx += 1;
	return strcmp(s->name, "site1.example") == 0 || strcmp(s->name, "site3.example") == 0;
}

START_TEST(what_is_forgotten_stays_counted)
{
	struct ledger *l = ledger_new(sp);
	char name[64];
	size_t asked = 0;

	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "site%d.example", i);
		tell_of(l, name, 10, T0);
	}
	tell_all(l, 50, T0 - 9);
	ledger_save(l);
	ck_assert_int_eq(ledger_forget(sp, forget_odd, &asked), 0);
	ck_assert_uint_eq(asked, 5);
	tell_of(l, "site3.example", 1, T0); /* a run that is at work goes on */
	ledger_free(&l);
	read_it();
	ck_assert_uint_eq(book.sites.count, 4);
	ck_assert_uint_eq(known("site0.example")->counts[LEDGER_SENT], 10);
	ck_assert_uint_eq(known("site3.example")->counts[LEDGER_SENT], 1);
	ck_assert_uint_eq(book.all.counts[LEDGER_SENT], 50);
	ck_assert_uint_eq(book.all.counts[LEDGER_BYTES], 510);
	ck_assert_int_eq(book.all.ok_at, T0 - 9);
	ledger_book_free(&book);
}
END_TEST

/* Nobody replaces it while somebody appends; who finds it replaced appends to the new one. */
START_TEST(a_run_that_appends_is_not_cut_off)
{
	struct ledger *l = ledger_new(sp);
	size_t asked = 0;
	int fd;

	tell_of(l, "site1.example", 1, T0);
	ledger_save(l);
	fd = spool_state_append(sp, ledger_file);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ledger_forget(sp, forget_odd, &asked), -1);
	ck_assert_int_eq(errno, EWOULDBLOCK);
	ck_assert_uint_eq(asked, 0);
	tell_of(l, "site1.example", 1, T0); /* two may append */
	ledger_free(&l);
	sys.close(fd);
	read_it();
	ck_assert_uint_eq(known("site1.example")->counts[LEDGER_SENT], 2);
	ledger_book_free(&book);
}
END_TEST

static unsigned waits;

static int
count_wait(struct pollfd *fds, nfds_t n, int timeout)
{
	(void)fds;
	(void)n;
	(void)timeout;
	waits++;
	return 0;
}

/* Somebody has it for himself, and was stopped: neither are runs, and what they count is not lost. */
START_TEST(one_that_is_stopped_holds_nobody_up)
{
	struct ledger *l = ledger_new(sp), *other = ledger_new(sp);
	int fd;

	tell_of(other, "site1.example", 1, T0);
	ledger_free(&other);
	fd = open(path, O_RDWR);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	sys.poll = count_wait;
	tell_of_many(l);
	ck_assert_uint_gt(waits, 0);
	ck_assert_uint_lt(waits, 40 * 200);
	tell_of_many(l); /* more than is kept in memory */
	close(fd);
	ledger_free(&l);
	read_it();
	ck_assert_uint_eq(book.all.counts[LEDGER_BYTES], 10 + 2 * 10 * MANY);
	ledger_book_free(&book);
}
END_TEST

/* Its header says that it is longer than can be, so that nothing would ever be long enough. */
START_TEST(a_file_without_end_is_written_anew)
{
	struct ledger *l = ledger_new(sp);
	FILE *f = fopen(path, "w");

	fputs("sortie-ledger\t1\t9223372036854775807\n", f);
	fclose(f);
	ck_assert_int_eq(truncate(path, LEDGER_ROOM), 0);
	tell_of(l, "site1.example", 1, T0);
	ledger_free(&l);
	ck_assert_int_lt(size_of_file(), 10000);
}
END_TEST

/* --- when it cannot be kept --------------------------------------------------------------- */

/* A ledger that is so long that the next save writes it anew. */
static void
fill(void)
{
	struct ledger *l = ledger_new(sp);

	unlink(path);
	tell_of_many(l);
	ledger_free(&l);
	ck_assert_int_gt(size_of_file(), 256 * 1024);
}

/* What was told once is there once or, where it had to be given up, not at all. */
static void
check_sum(unsigned n, uint64_t had, bool had_to_be_kept)
{
	const struct ledger_record *r;
	uint64_t all, one;

	read_it();
	all = book.all.counts[LEDGER_BYTES];
	r = known("site11999.example");
	one = r->counts[LEDGER_SENT];
	ledger_book_free(&book);
	ck_assert_msg(one == 2 || (!had_to_be_kept && one == 1), "%u: %llu of the site", n,
	    (unsigned long long)one);
	ck_assert_msg(all == had + 10 || (!had_to_be_kept && all == had), "%u: %llu of %llu", n,
	    (unsigned long long)all, (unsigned long long)had);
}

static void
save_with_fault(unsigned n, enum fault_kind kind, int err, bool *fired)
{
	struct ledger *l = ledger_new(sp);

	tell_of(l, "site11999.example", 1, T0);
	fault_arm(n, kind, err);
	ledger_save(l);
	*fired = fault_fired();
	fault_disarm();
	ledger_free(&l); /* tries again */
}

/* Each system call of a save that writes the file anew fails once, or for good; nobody ends, and what
 * was known stays known. */
START_TEST(a_disk_that_fails_harms_nothing)
{
	static const enum fault_kind kinds[] = {FAULT_ONCE, FAULT_FULL, FAULT_EVER, FAULT_SHORT};
	static const int errors[] = {EIO, ENOSPC, EMFILE, 0};
	enum fault_kind kind = kinds[_i];
	unsigned fds = fault_open_fds();
	bool fired = true;

	for (unsigned n = 1; fired; n++) {
		ck_assert_uint_lt(n, 1000);
		fill();
		logcap_start();
		save_with_fault(n, kind, errors[_i], &fired);
		ck_assert_uint_le(logcap_count("cannot keep what is known of sites"), 1);
		check_sum(n, 10 * MANY, kind != FAULT_SHORT && kind != FAULT_FULL);
		ck_assert_uint_eq(fault_open_fds(), fds);
	}
}
END_TEST

/* The run ends at each of its calls, as by kill -9. */
START_TEST(a_run_that_dies_harms_nothing)
{
	bool fired = true;

	for (unsigned n = 1; fired; n++) {
		struct ledger *l = ledger_new(sp);

		fill();
		tell_of(l, "site11999.example", 1, T0);
		fault_arm(n, FAULT_DEAD, EIO);
		ledger_save(l);
		fired = fault_fired();
		fault_disarm();
		check_sum(n, 10 * MANY, false);
		unlink(path); /* what it does from here on, it would not have done */
		ledger_free(&l);
	}
}
END_TEST

/* What cannot be written waits, and not in more and more memory. */
START_TEST(memory_is_bounded)
{
	struct ledger *l = ledger_new(sp);

	ck_assert_int_eq(mkdir(path, 0700), 0);
	for (int i = 0; i < 20; i++)
		tell_of_many(l);
	ck_assert_int_eq(rmdir(path), 0);
	ledger_free(&l);
	ck_assert_uint_eq(logcap_count("cannot keep"), 1);
	read_it();
	ck_assert_int_le(size_of_file(), 1100000);
	ledger_book_free(&book);
}
END_TEST

Suite *
suite_ledger(void)
{
	Suite *s = suite_create("ledger");
	TCase *tc = tcase_create("lines");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_told_is_read);
	tcase_add_test(tc, runs_at_once_add_up);
	tcase_add_test(tc, what_was_known_last_counts);
	tcase_add_test(tc, no_text_breaks_a_line);
	tcase_add_test(tc, used_last_come_first);
	tcase_add_test(tc, lines_that_are_none_are_passed_over);
	tcase_add_test(tc, a_line_that_was_cut_off_costs_no_other);
	tcase_add_test(tc, a_header_that_is_not_ours_goes);
	tcase_add_test(tc, what_is_no_file_is_left_alone);
	suite_add_tcase(s, tc);
	tc = tcase_create("file");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_long_file_is_written_anew_with_those_used_last);
	tcase_add_test(tc, what_is_forgotten_stays_counted);
	tcase_add_test(tc, a_run_that_appends_is_not_cut_off);
	tcase_add_test(tc, one_that_is_stopped_holds_nobody_up);
	tcase_add_test(tc, a_file_without_end_is_written_anew);
	tcase_add_loop_test(tc, a_disk_that_fails_harms_nothing, 0, 4);
	tcase_add_test(tc, a_run_that_dies_harms_nothing);
	tcase_add_test(tc, memory_is_bounded);
	suite_add_tcase(s, tc);
	return s;
}
