/* check_forward.c: what people write into .forward, and headers that tell of a delivery. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/sys.h"
#include "forward.h"
#include "suites.h"

static const struct forward_user alice = {
    .name = "alice", .address = "Alice+x@example.org", .hostname = "out.example.org"};

/* "a@b c@d", with "here" in front when a copy stays, and "; why" behind. */
static const char *
parsed(const char *text)
{
	static struct buf b;
	struct forward f;

	buf_free(&b);
	buf_init(&b, 1 << 20);
	forward_parse(&f, text, strlen(text), &alice);
	ck_assert(f.n == 0 ? f.keep : f.why[0] == '\0' || f.keep);
	if (f.keep)
		buf_adds(&b, "here");
	for (size_t i = 0; i < f.n; i++)
		buf_addf(&b, "%s%s", buf_len(&b) > 0 ? " " : "", f.to[i]);
	if (f.why[0] != '\0')
		buf_addf(&b, "; %s", f.why);
	forward_free(&f);
	return buf_str(&b);
}

START_TEST(nothing_to_obey)
{
	static const char *const texts[] = {"", "\n", " \t\r\n\n", "# bob@example.net\n", ",,\n, ,",
	    "  # bob@example.net, carol@example.net", "alice", "\\alice", "ALICE",
	    "alice+X@example.org", "\\alice\r\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(
		    strcmp(parsed(texts[i]), "here") == 0, "%s: %s", texts[i], parsed(texts[i]));
}
END_TEST

START_TEST(addresses)
{
	ck_assert_str_eq(parsed("bob@example.net"), "bob@example.net");
	ck_assert_str_eq(parsed("bob@example.net\r\n"), "bob@example.net");
	ck_assert_str_eq(parsed("bob@example.net, carol"), "bob@example.net carol@out.example.org");
	ck_assert_str_eq(parsed("Bob <bob@example.net>,\n\n#x\n \"Doe, C.\" <c@example.net>"),
	    "bob@example.net c@example.net");
	ck_assert_str_eq(parsed("bob@example.net\n\\alice"), "here bob@example.net");
	ck_assert_str_eq(parsed("bob@example.net,bob@example.net"), "bob@example.net");
	ck_assert_str_eq(parsed("\\bob"), "bob@out.example.org");
	ck_assert_str_eq(parsed("alice@example.org"), "alice@example.org");
}
END_TEST

START_TEST(what_is_not_done)
{
	ck_assert_str_eq(parsed("|/bin/x"), "here; |/bin/x: commands are not run");
	ck_assert_str_eq(parsed("\"|/bin/x -a, b\", bob@example.net"),
	    "here bob@example.net; \"|/bin/x -a, b\": commands are not run");
	ck_assert_str_eq(parsed("/dev/null"), "here; /dev/null: files are not written to");
	ck_assert_str_eq(parsed("~/mail"), "here; ~/mail: files are not written to");
	ck_assert_str_eq(
	    parsed(":Include:/etc/passwd"), "here; :Include:/etc/passwd: lists are not read");
	ck_assert_str_eq(parsed("a b c"), "here; a b c: not an address");
	ck_assert_str_eq(parsed("x@\n|y"), "here; x@: not an address");
	ck_assert_str_eq(parsed("\\"), "here; \\: not an address");
	ck_assert_str_eq(parsed("\"unended, bob@example.net"),
	    "here; \"unended, bob@example.net: not an address");
	ck_assert_str_eq(parsed("\xff\x1b[2J@"), "here; ??[2J@: not an address");
}
END_TEST

START_TEST(too_many)
{
	static char text[4 * FORWARD_MAX * 20];
	const char *all;
	size_t n = 0;

	for (int i = 0; i <= FORWARD_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "u%d@example.net\n", i);
	all = parsed(text);
	ck_assert_ptr_nonnull(
	    strstr(all, " u99@example.net; u100@example.net: too many addresses"));
	ck_assert_msg(strncmp(all, "here u0@", 8) == 0, "%s", all);
}
END_TEST

/* A NUL ends nothing: it is in no address. */
START_TEST(nul)
{
	static const char text[] = "bob@example.net\0x\ncarol@example.net";
	struct forward f;

	forward_parse(&f, text, sizeof(text) - 1, &alice);
	ck_assert(f.keep);
	ck_assert_uint_eq(f.n, 1);
	ck_assert_str_eq(f.to[0], "carol@example.net");
	forward_free(&f);
}
END_TEST

static bool
looped(const char *text)
{
	FILE *f = tmpfile();
	bool has;

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fflush(f);
	has = forward_has_looped(fileno(f), "alice@example.org");
	fclose(f);
	return has;
}

START_TEST(delivered_to)
{
	static char long_head[100000];

	ck_assert(looped("Delivered-To: alice@example.org\r\n\r\n"));
	ck_assert(looped("X: y\r\nDELIVERED-to:\tAlice@Example.org \r\nA: b\r\n\r\nbody"));
	ck_assert(looped("Delivered-To: bob@example.org\nDelivered-To: alice@example.org\n"));
	ck_assert(looped("Delivered-To: alice@example.org"));
	ck_assert(!looped("Delivered-To: alice@example.org.uk\r\n"));
	ck_assert(!looped("Delivered-To: malice@example.org\r\n"));
	ck_assert(!looped("X-Delivered-To: alice@example.org\r\n"));
	ck_assert(!looped("X: y\r\n\r\nDelivered-To: alice@example.org\r\n"));
	ck_assert(!looped("X: y\n\nDelivered-To: alice@example.org\n"));
	ck_assert(!looped(""));
	memset(long_head, 'x', sizeof(long_head) - 1);
	ck_assert(!looped(long_head));
}
END_TEST

Suite *
suite_forward(void)
{
	Suite *s = suite_create("forward");
	TCase *t = tcase_create("forward");

	tcase_add_test(t, nothing_to_obey);
	tcase_add_test(t, addresses);
	tcase_add_test(t, what_is_not_done);
	tcase_add_test(t, too_many);
	tcase_add_test(t, nul);
	tcase_add_test(t, delivered_to);
	suite_add_tcase(s, t);
	return s;
}
