/* check_aliases.c: what names of this machine stand for, and files of aliases that are wrong. */
#include <sys/stat.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "aliases.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "proto/address.h"
#include "suites.h"

static struct {
	char dir[64], path[80];
	struct config c;
	struct aliases *a;
	struct buf given;
	char why[2048];
	int rc;
} t;

static void
write_file(const char *name, const char *text, size_t n)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", t.dir, name);
	unlink(path); /* writing over a file waits for some disks */
	ck_assert_ptr_nonnull(f = fopen(path, "w"));
	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	fclose(f);
}

/* DIR in a text stands for where the files are. */
static void
write_text(const char *name, const char *text)
{
	const char *at = text, *dir;
	struct buf b;

	buf_init(&b, 1 << 24);
	for (; (dir = strstr(at, "DIR")) != NULL; at = dir + 3) {
		buf_add(&b, at, (size_t)(dir - at));
		buf_adds(&b, t.dir);
	}
	buf_adds(&b, at);
	write_file(name, buf_data(&b), buf_len(&b));
	buf_free(&b);
}

static void
use(const char *text)
{
	write_text("aliases", text);
	aliases_free(&t.a);
	t.a = aliases_new(&t.c, "out.example.org");
}

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");

	logcap_start();
	snprintf(t.dir, sizeof(t.dir), "%.40s/aliasesXXXXXX", tmp != NULL ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(t.dir));
	snprintf(t.path, sizeof(t.path), "%s/aliases", t.dir);
	config_init(&t.c);
	t.c.aliases = xstrdup(t.path);
	buf_init(&t.given, 1 << 24);
}

static void
teardown(void)
{
	char command[100];

	aliases_free(&t.a);
	config_free(&t.c);
	buf_free(&t.given);
	logcap_stop();
	fault_disarm();
	snprintf(command, sizeof(command), "%s/aliases", t.dir);
	unlink(command);
	for (int i = 0; i < 200; i++) {
		snprintf(command, sizeof(command), "%s/list%d", t.dir, i);
		unlink(command);
		rmdir(command);
	}
	ck_assert_int_eq(rmdir(t.dir), 0);
}

static bool
take(void *ctx, const char *mailbox)
{
	(void)ctx;
	buf_addf(&t.given, "%s%s", buf_len(&t.given) > 0 ? " " : "", mailbox);
	return true;
}

static bool
take_one(void *ctx, const char *mailbox)
{
	(void)take(ctx, mailbox);
	return false;
}

/* "a@b c@d", or why not. */
static const char *
expand(const char *mailbox)
{
	buf_clear(&t.given);
	t.rc = aliases_expand(t.a, mailbox, take, NULL, t.why, sizeof(t.why));
	ck_assert_ptr_null(strchr(t.why, '\n'));
	return t.rc == EX_OK ? buf_str(&t.given) : t.why;
}

/* With fresh eyes. */
static void
gives(const char *text, const char *mailbox, const char *want)
{
	use(text);
	ck_assert_str_eq(expand(mailbox), want);
	ck_assert_int_eq(t.rc, EX_OK);
}

static void
refuses(const char *text, const char *mailbox, int rc, const char *words)
{
	use(text);
	(void)expand(mailbox);
	ck_assert_msg(t.rc == rc, "%d: %s", t.rc, t.why);
	ck_assert_msg(strstr(t.why, words) != NULL, "%s", t.why);
}

/* --- what there is to obey ---------------------------------------------------------------- */

START_TEST(names_of_this_machine)
{
	static const char text[] = "bob: bob@example.net\n";

	t.c.domain = xstrdup("example.org");
	gives(text, "bob", "bob@example.net");
	gives(text, "bob@localhost", "bob@example.net");
	gives(text, "bob@OUT.example.org", "bob@example.net");
	gives(text, "bob@example.org", "bob@example.org");
	gives(text, "bob@example.com", "bob@example.com");
	gives(text, "carol", "carol");
	gives(text, "Carol@localhost", "Carol@localhost");
	t.c.local_domains = xcalloc(1, sizeof(char *));
	t.c.local_domains[t.c.nlocal_domains++] = xstrdup("example.com");
	gives(text, "bob@example.com", "bob@example.net");
}
END_TEST

START_TEST(case_and_quotes)
{
	gives("Bob: b@example.net\n", "bOB", "b@example.net");
	gives("\"Bob Doe\" : b@example.net\n", "\"bob doe\"", "b@example.net");
	gives("\"a:\\\"b\": b@example.net\n", "\"A:\\\"b\"@localhost", "b@example.net");
	gives("bob: Carol@Example.Net, Dora\n", "bob", "Carol@Example.Net Dora");
	gives("bob: \"john doe\"@example.net\n", "bob", "\"john doe\"@example.net");
	gives("bob: \"doe, john\"\n", "bob", "\"doe, john\"");
}
END_TEST

START_TEST(lines)
{
	gives("# bob: x@example.net\n\nbob: a@x.example,\n\tb@x.example\n  ,c@x.example\n", "bob",
	    "a@x.example b@x.example c@x.example");
	gives("bob:\n a@x.example\n# c@x.example\n\n  # d\n b@x.example\nc: d\n", "bob",
	    "a@x.example b@x.example");
	gives("bob : a@x.example\r\n\tb@x.example\r\ncarol: c@x.example\r\n", "bob",
	    "a@x.example b@x.example");
	gives("bob: a@x.example # him\n", "bob", "a@x.example");
	gives("bob: a@x.example, # him\n b@x.example\n", "bob", "a@x.example b@x.example");
	gives("bob: #a@x.example\n", "bob", "#a@x.example");
	gives("bob:a@x.example", "bob", "a@x.example");
	gives("bob: Bob Doe <a@x.example>, b@x.example (his)\n", "bob", "a@x.example b@x.example");
}
END_TEST

START_TEST(nesting)
{
	gives("a: b, c\nb: d, x@x.example\nc: d\nd: y@y.example\n", "a", "y@y.example x@x.example");
	gives("a: b, b\nb: x@x.example\n", "a", "x@x.example");
	gives("a: b@localhost\nb: x@x.example\n", "a", "x@x.example");
}
END_TEST

START_TEST(a_name_inside_its_own_alias)
{
	gives("root: root, admin@x.example\n", "root", "root admin@x.example");
	gives("root: Root@localhost, admin@x.example\n", "root", "Root@localhost admin@x.example");
	gives("root: \\root, \\bob\nbob: b@x.example\n", "root", "root bob");
	write_text("list1", "root\nadmin@x.example\n");
	gives("root: :include:DIR/list1\n", "root", "root admin@x.example");
}
END_TEST

START_TEST(several_recipients)
{
	use("a: b, x@x.example\nb: y@y.example\n");
	ck_assert_str_eq(expand("a"), "y@y.example x@x.example");
	ck_assert_str_eq(expand("b"), ""); /* given before */
	ck_assert_int_eq(t.rc, EX_OK);
	ck_assert_str_eq(expand("c"), "c");
}
END_TEST

START_TEST(no_more_wanted)
{
	use("a: b@x.example, c@x.example, d\nd: e@x.example\n");
	ck_assert_int_eq(aliases_expand(t.a, "a", take_one, NULL, t.why, sizeof(t.why)), EX_OK);
	ck_assert_str_eq(buf_str(&t.given), "b@x.example");
}
END_TEST

START_TEST(everybody_else)
{
	static const char text[] = "bob: b@x.example\n*: all@x.example, carol\n";

	gives(text, "bob", "b@x.example");
	gives(text, "dora", "all@x.example carol");
	gives(text, "dora@example.net", "dora@example.net");
	gives("default: all@x.example\n", "dora", "all@x.example");
	gives("default: x@x.example\n*: all@x.example\n", "dora", "all@x.example");
	gives("bob: dora\n*: all@x.example, eve\n", "bob", "all@x.example eve");
	gives("*: bob\nbob: carol\n", "dora", "carol");
	t.c.local = CONFIG_LOCAL_MAILDIR; /* root has a mailbox then */
	gives(text, "root", "root");
	gives(text, "nobody-of-that-name", "all@x.example carol");
}
END_TEST

START_TEST(postmaster_is_always_there)
{
	gives("", "postmaster", "postmaster");
	gives("", "MAILER-DAEMON", "MAILER-DAEMON");
	gives("", "root", "root");
	gives("root: admin@x.example\n", "postmaster", "admin@x.example");
	gives("root: admin@x.example\n", "Mailer-Daemon@localhost", "admin@x.example");
	gives("postmaster: bob\nbob: b@x.example\n", "MAILER-DAEMON", "b@x.example");
	gives("root: postmaster\n", "root", "root");
	gives("*: all@x.example\n", "postmaster", "all@x.example");
	t.c.local = CONFIG_LOCAL_MAILDIR;
	gives("", "postmaster", "root");
	t.c.postmaster = xstrdup("boss@x.example");
	gives("", "postmaster", "boss@x.example");
	gives("root: admin@x.example\n", "MAILER-DAEMON", "boss@x.example");
	gives("postmaster: bob@x.example\n", "postmaster", "bob@x.example");
	free(t.c.postmaster);
	t.c.postmaster = xstrdup("mailer-daemon@localhost");
	gives("", "postmaster", "mailer-daemon@localhost");
}
END_TEST

START_TEST(lists)
{
	write_text("list1", "# people\nx@x.example, y@y.example # both\n\n  z@z.example\nbob\n");
	write_text("list2", ":include:DIR/list1\n");
	gives("all: :include:DIR/list1\nbob: b@x.example\n", "all",
	    "x@x.example y@y.example z@z.example b@x.example");
	gives("all: \":include: DIR/list2\", w@x.example\n", "all",
	    "x@x.example y@y.example z@z.example bob w@x.example");
	gives("all: :include:DIR/list1, :include:DIR/list1\n", "all",
	    "x@x.example y@y.example z@z.example bob");
	write_text("list3", "");
	gives("all: :include:DIR/list3, w@x.example\n", "all", "w@x.example");
}
END_TEST

START_TEST(nobody)
{
	use("trash: /dev/null\n");
	ck_assert_str_eq(expand("trash"), "");
	ck_assert_int_eq(t.rc, EX_OK);
	ck_assert(aliases_discarded(t.a));
	gives("trash: /dev/null, x@x.example\n", "trash", "x@x.example");
	ck_assert(aliases_discarded(t.a));
}
END_TEST

static const char *
leads_to(const char *text, const char *mailbox)
{
	static char first[ADDRESS_MAX + 1];

	use(text);
	return aliases_first(t.a, mailbox, first) ? first : "nowhere";
}

START_TEST(where_reports_go)
{
	ck_assert_str_eq(leads_to("root: b@x.example, c\n", "root@localhost"), "b@x.example");
	ck_assert_str_eq(leads_to("root: |x, bob\nbob: /x, b@x.example\n", "root"), "b@x.example");
	ck_assert_str_eq(leads_to("root: bob\n", "root"), "bob");
	ck_assert_str_eq(leads_to("root: \\bob\nbob: b@x.example\n", "root"), "bob");
	ck_assert_str_eq(leads_to("root: bob\nbob: bob, c@x.example\n", "root"), "bob");
	ck_assert_str_eq(leads_to("root: root, b@x.example\n", "root"), "nowhere");
	ck_assert_str_eq(leads_to("root: bob\nbob: root\n", "root"), "nowhere");
	ck_assert_str_eq(leads_to("root: |x\n", "root"), "nowhere");
	ck_assert_str_eq(leads_to("bob: b@x.example\n", "root"), "nowhere");
	ck_assert_str_eq(leads_to("bob: b@x.example\n", "bob@example.net"), "nowhere");
	ck_assert_str_eq(leads_to("*: b@x.example\n", "root"), "b@x.example");
	ck_assert_str_eq(leads_to("root: b@x.example\n", "postmaster"), "b@x.example");
	unlink(t.path);
	aliases_free(&t.a);
	t.a = aliases_new(&t.c, NULL);
	ck_assert(!aliases_first(t.a, "root", t.why));
}
END_TEST

/* --- what there is not -------------------------------------------------------------------- */

START_TEST(no_file)
{
	t.a = aliases_new(&t.c, NULL);
	ck_assert_str_eq(expand("bob@example.net"), "bob@example.net");
	(void)expand("bob");
	ck_assert_int_eq(t.rc, EX_CONFIG);
	ck_assert_msg(strstr(t.why, "No such file") != NULL, "%s", t.why);
	t.c.aliases_missing_ok = true;
	ck_assert_str_eq(expand("bob"), "bob");
	ck_assert_int_eq(t.rc, EX_OK);
	free(t.c.aliases);
	t.c.aliases = xstrdup("");
	aliases_free(&t.a);
	t.a = aliases_new(&t.c, NULL);
	ck_assert_str_eq(expand("bob"), "bob");
	free(t.c.aliases);
	t.c.aliases = NULL;
	aliases_free(&t.a);
	t.a = aliases_new(&t.c, NULL);
	ck_assert_str_eq(expand("bob"), "bob");
}
END_TEST

START_TEST(commands_and_files_are_refused)
{
	refuses("bob: |/bin/x\n", "bob", EX_CONFIG, "aliases:1: |/bin/x: commands are not run");
	refuses("\nbob:\n  \"|/bin/x -a, b\"\n", "bob", EX_CONFIG, "aliases:3: |/bin/x -a, b: ");
	refuses("bob: /var/mail/bob\n", "bob", EX_CONFIG, "files are not written to");
	refuses("bob: ~/mail\n", "bob", EX_CONFIG, "files are not written to");
	refuses("bob: carol, carol\ncarol: |/bin/x\n", "bob", EX_CONFIG, "commands are not run");
	write_text("list1", "|/bin/x\n");
	refuses("bob: :include:DIR/list1, :include:DIR/list1\n", "bob", EX_CONFIG, "list1:1: ");
	gives("bob: |/bin/x, b@x.example\n", "bob", "b@x.example");
	ck_assert(logcap_has("aliases:1: |/bin/x: commands are not run; write an address"));
}
END_TEST

START_TEST(what_is_no_target)
{
	static const char *const bad[] = {"b c", "b@", "@x.example", "<b", "b@x..example", "\"b",
	    ":fail: no", ":include:list", ":include:", "b@x.example\x01", "g: a", "a;",
	    "\xc3\xa4@x.example", "\\", "\\|x"};
	char text[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "bob: %s\n", bad[i]);
		use(text);
		(void)expand("bob");
		ck_assert_msg(t.rc == EX_CONFIG, "%s: %d %s", bad[i], t.rc, buf_str(&t.given));
		ck_assert_msg(strstr(t.why, "aliases:1: ") != NULL, "%s", t.why);
	}
	refuses("bob:\n", "bob", EX_CONFIG, "its alias is empty");
	refuses("bob: ,,\n# x\n", "bob", EX_CONFIG, "(4.3.5)");
}
END_TEST

START_TEST(a_target_too_long)
{
	char text[5000];

	memset(text, 'x', sizeof(text));
	memcpy(text, "bob: ", 5);
	memcpy(text + sizeof(text) - 4, ", b", 4);
	gives(text, "bob", "b");
	ck_assert(logcap_has("too long"));
}
END_TEST

START_TEST(lines_that_are_no_entry)
{
	gives("bob\n\" x: y\ncarol: c@x.example\n", "carol", "c@x.example");
	ck_assert_uint_eq(logcap_count("aliases:1: bob: there is no colon"), 1);
	ck_assert_uint_eq(logcap_count("warning"), 1); /* one is enough */
	(void)expand("dora");
	ck_assert_uint_eq(logcap_count("warning"), 1);
}
END_TEST

START_TEST(loops_are_found)
{
	refuses(
	    "a: b\nb: c, x@x.example\nc: a\n", "a", EX_CONFIG, "a loop (5.4.6): a -> b -> c -> a");
	refuses("a: b\nb: c\nc: b\n", "a", EX_CONFIG, "(5.4.6): a -> b -> c -> b");
	write_text("list1", ":include:DIR/list2\n");
	write_text("list2", ":include:DIR/list1\n");
	refuses("a: :include:DIR/list1\n", "a", EX_CONFIG, "a loop (5.4.6)");
	write_text("list1", "b\n");
	refuses("a: :include:DIR/list1\nb: a\n", "a", EX_CONFIG, "a loop (5.4.6)");
}
END_TEST

START_TEST(deep_nesting_ends)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < 100; i++)
		buf_addf(&b, "n%d: n%d\n", i, i + 1);
	refuses(buf_str(&b), "n0", EX_CONFIG, "too many aliases inside each other (5.4.6)");
	ck_assert_str_eq(expand("n60"), "n100");
	buf_free(&b);
}
END_TEST

/* Two of two of two ...: each is looked at once. */
START_TEST(wide_nesting_is_no_work)
{
	char name[20];
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < 45; i++) {
		snprintf(name, sizeof(name), "list%d", i);
		buf_clear(&b);
		buf_addf(&b, ":include:%s/list%d\nn%d\n", t.dir, i + 1, i);
		write_file(name, buf_data(&b), buf_len(&b));
	}
	write_text("list45", "end@x.example\n");
	buf_clear(&b);
	for (int i = 0; i < 45; i++)
		buf_addf(&b, "n%d: n%d, n%d, N%d@localhost, :include:%s/list%d\n", i, i + 1, i + 1,
		    i + 1, t.dir, i + 1);
	use(buf_str(&b));
	ck_assert_msg(strstr(expand("n0"), "n45") != NULL, "%s", t.why);
	buf_free(&b);
}
END_TEST

/* Whoever may write a list cannot make us read, show or wait for what is not his. */
START_TEST(lists_that_are_none)
{
	char path[100];

	refuses("a: x@x.example,\n :include:DIR/list0\n", "a", EX_CONFIG,
	    "aliases:2: "); /* and the one that is right does not stand for all */
	ck_assert(strstr(t.why, "list0: No such file") != NULL);
	snprintf(path, sizeof(path), "%s/list1", t.dir);
	ck_assert_int_eq(mkfifo(path, 0644), 0);
	refuses("a: :include:DIR/list1\n", "a", EX_CONFIG, "not a plain file");
	refuses("a: :include:/dev/zero\n", "a", EX_CONFIG, "not a plain file");
	refuses("a: :include:DIR\n", "a", EX_CONFIG, "not a plain file");
	snprintf(path, sizeof(path), "%s/list2", t.dir);
	ck_assert_int_eq(symlink(path, path), 0);
	refuses("a: :include:DIR/list2\n", "a", EX_CONFIG, "list2: ");
	write_file("list3", "x\0y", 3);
	refuses("a: :include:DIR/list3\n", "a", EX_CONFIG, "NUL");
	write_text("list4", "relay.example.net geheim geheim\n");
	refuses("a: :include:DIR/list4\n", "a", EX_CONFIG, "list4:1: not a mail address");
	ck_assert(strstr(t.why, "geheim") == NULL);
	ck_assert(!logcap_has("geheim"));
}
END_TEST

/* A message's sender has to hold what is inside each other; what is not, he has to read. */
START_TEST(lists_that_are_too_large_together)
{
	enum { SIZE = 15 << 20 };
	char *text = xmalloc(SIZE), list1[100], list3[100];

	memset(text, '\n', SIZE);
	memcpy(text, "x@x.example", 11);
	write_file("list1", text, SIZE);
	memcpy(text, "y@x.example", 11);
	write_file("list2", text, SIZE);
	free(text);
	snprintf(list1, sizeof(list1), "%s/list1", t.dir);
	snprintf(list3, sizeof(list3), "%s/list3", t.dir);
	ck_assert_int_eq(link(list1, list3), 0);
	gives("a: :include:DIR/list1, :include:DIR/list2\n", "a", "x@x.example y@x.example");
	refuses("a: :include:DIR/list1, :include:DIR/list2, :include:DIR/list3\n", "a", EX_CONFIG,
	    "list3: too large; a list may have 16 MiB, and all lists of a message 32 MiB (4.3.5)");
	ck_assert_int_eq(truncate(list1, 17 << 20), 0);
	refuses("a: :include:DIR/list1\n", "a", EX_CONFIG, "list1: too large");
}
END_TEST

START_TEST(files_that_cannot_be_read_now)
{
	static const int errors[] = {EMFILE, EIO, ENOMEM, ESTALE};

	write_text("list1", "x@x.example\n");
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		for (unsigned n = 1;; n++) {
			use("a: :include:DIR/list1, y@x.example\n");
			fault_arm(n, FAULT_ONCE, errors[i]);
			(void)expand("a");
			if (!fault_fired())
				break;
			if (strcmp(fault_where(), "close") != 0)
				ck_assert_msg(
				    t.rc == EX_TEMPFAIL, "%s: %d %s", fault_where(), t.rc, t.why);
			fault_disarm();
		}
	ck_assert_str_eq(buf_str(&t.given), "x@x.example y@x.example");
}
END_TEST

/* --- newaliases --------------------------------------------------------------------------- */

static const char *
checked(const char *text, int *rc)
{
	static char out[10000];
	FILE *f = tmpfile();
	size_t n;

	use(text);
	ck_assert_ptr_nonnull(f);
	*rc = aliases_check(&t.c, "out.example.org", f);
	rewind(f);
	n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = '\0';
	fclose(f);
	ck_assert(!logcap_has("warning"));
	return out;
}

/* Line by line, without the folder in front of each and what is behind the number of aliases. */
static void
says(const char *text, int rc, const char *want)
{
	const char *said;
	struct buf b;
	int got;

	said = checked(text, &got);
	buf_init(&b, 20000);
	for (const char *at; (at = strstr(said, t.dir)) != NULL; said = at + strlen(t.dir) + 1)
		buf_add(&b, said, (size_t)(at - said));
	buf_add(&b, said, strcspn(said, ",") + 2);
	ck_assert_str_eq(buf_str(&b), want);
	ck_assert_int_eq(got, rc);
	buf_free(&b);
}

START_TEST(a_file_in_order)
{
	write_text("list1", "x@x.example\n");
	says("a: b@x.example\nb: \\b,\n a@x.example\nc: :include:DIR/list1, /dev/null\nd: c\n",
	    EX_OK, "aliases: 4 aliases, ");
}
END_TEST

START_TEST(everything_wrong_is_said)
{
	write_text("list1", "x y\n:include:DIR/list2\n");
	says("bob\n"
	     "\"carol: x\n"
	     "  y\n"
	     "dora@x.example: x\n"
	     "eve: |/bin/x,\n"
	     "  /tmp/y, a b\n"
	     "f: g\n"
	     "g: f\n"
	     "H: x\n"
	     "h: y\n"
	     "i:\n"
	     "k: :include:DIR/list1\n"
	     "l m: x\n"
	     "n: k\n",
	    EX_DATAERR,
	    "aliases:1: bob: there is no colon; write name: address\n"
	    "aliases:2: \"carol: x: the name has no second quotation mark\n"
	    "aliases:4: dora@x.example: aliases are for names of this machine; write it without @ "
	    "and domain\n"
	    "aliases:5: |/bin/x: commands are not run; write an address instead\n"
	    "aliases:6: /tmp/y: files are not written to; write an address instead\n"
	    "aliases:6: a b: not a mail address; write addresses with commas between them\n"
	    "aliases:7: a loop (5.4.6): f -> g -> f\n"
	    "aliases:10: h: given before, in line 9, which counts; remove one\n"
	    "aliases:11: nothing stands behind the colon; write an address\n"
	    "list1:1: not a mail address; write addresses with commas between them\n"
	    "list1:2: list2: No such file or directory\n"
	    "aliases:13: l m: not a name; write it in quotes if it is\n"
	    "aliases: 8 aliases, ");
}
END_TEST

START_TEST(nothing_to_check)
{
	FILE *f = fopen("/dev/null", "w");
	int rc;

	ck_assert(strstr(checked("a: bcd,\n e \nb:  c\n", &rc),
		      ": 2 aliases, longest 7 bytes, 8 bytes total\n") != NULL);
	ck_assert(strstr(checked("", &rc),
		      "aliases: 0 aliases, longest 0 bytes, 0 bytes total\n") != NULL);
	unlink(t.path);
	ck_assert_int_eq(aliases_check(&t.c, NULL, f), EX_CONFIG);
	t.c.aliases_missing_ok = true;
	ck_assert_int_eq(aliases_check(&t.c, NULL, f), EX_OK);
	free(t.c.aliases);
	t.c.aliases = xstrdup("");
	ck_assert_int_eq(aliases_check(&t.c, NULL, f), EX_OK);
	write_file("aliases", "a\0b", 3);
	free(t.c.aliases);
	t.c.aliases = xstrdup(t.path);
	ck_assert_int_eq(aliases_check(&t.c, NULL, f), EX_CONFIG);
	fclose(f);
}
END_TEST

/* --- bytes -------------------------------------------------------------------------------- */

static bool
take_checked(void *ctx, const char *mailbox)
{
	(void)ctx;
	ck_assert_msg(address_check(mailbox, true) == ADDRESS_OK, "%s", mailbox);
	return true;
}

/* Any text: what comes out are addresses, or one clean line. */
START_TEST(random_files)
{
	static const char letters[] = "aab:,,\n\n \t#\"\\|/<>@.()*\r;\x01\xe9";
	static const char *const names[] = {"a", "b", "aa", "*", "postmaster", "ab"};
	uint32_t seed = 1;
	char text[601];

	for (int i = 0; i < 60; i++) {
		size_t n = 0;

		while (n < sizeof(text) - 1) {
			seed = seed * 1664525 + 1013904223;
			text[n++] = letters[(seed >> 8) % (sizeof(letters) - 1)];
		}
		text[n] = '\0';
		use(text);
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
			int rc =
			    aliases_expand(t.a, names[k], take_checked, NULL, t.why, sizeof(t.why));

			ck_assert_msg(rc == EX_OK || rc == EX_CONFIG, "%d %s", rc, text);
			ck_assert((rc == EX_OK) || t.why[0] != '\0');
			ck_assert_ptr_null(strchr(t.why, '\n'));
		}
	}
}
END_TEST

Suite *
suite_aliases(void)
{
	Suite *s = suite_create("aliases");
	TCase *c = tcase_create("aliases");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, names_of_this_machine);
	tcase_add_test(c, case_and_quotes);
	tcase_add_test(c, lines);
	tcase_add_test(c, nesting);
	tcase_add_test(c, a_name_inside_its_own_alias);
	tcase_add_test(c, several_recipients);
	tcase_add_test(c, no_more_wanted);
	tcase_add_test(c, everybody_else);
	tcase_add_test(c, postmaster_is_always_there);
	tcase_add_test(c, lists);
	tcase_add_test(c, nobody);
	tcase_add_test(c, where_reports_go);
	tcase_add_test(c, no_file);
	tcase_add_test(c, commands_and_files_are_refused);
	tcase_add_test(c, what_is_no_target);
	tcase_add_test(c, a_target_too_long);
	tcase_add_test(c, lines_that_are_no_entry);
	tcase_add_test(c, loops_are_found);
	tcase_add_test(c, deep_nesting_ends);
	tcase_add_test(c, wide_nesting_is_no_work);
	tcase_add_test(c, lists_that_are_none);
	tcase_add_test(c, lists_that_are_too_large_together);
	tcase_add_test(c, files_that_cannot_be_read_now);
	tcase_add_test(c, a_file_in_order);
	tcase_add_test(c, everything_wrong_is_said);
	tcase_add_test(c, nothing_to_check);
	suite_add_tcase(s, c);
	c = tcase_create("random_files");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, random_files);
	suite_add_tcase(s, c);
	return s;
}
