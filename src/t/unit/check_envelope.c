#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "spool/envelope.h"
#include "suites.h"

static struct envelope e, back;
static struct buf text;
static char why[200];

static void
setup(void)
{
	envelope_init(&e);
	envelope_init(&back);
	buf_init(&text, 64 << 20);
	why[0] = '\0';
}

static void
teardown(void)
{
	envelope_free(&e);
	envelope_free(&back);
	buf_free(&text);
}

/* Parses into back, from memory of exactly that size, so that a byte too far is noticed. */
static enum envelope_error
parse_bytes(const char *p, size_t n)
{
	char *copy = xmalloc(n);
	enum envelope_error error;

	memcpy(copy, p, n);
	envelope_free(&back);
	error = envelope_parse(&back, copy, n, why, sizeof(why));
	free(copy);
	return error;
}

static enum envelope_error
parse(const char *s)
{
	return parse_bytes(s, strlen(s));
}

static enum envelope_error
parse_text(void)
{
	return parse_bytes(buf_data(&text), buf_len(&text));
}

static const char first_part[] = "Content-type: application/x-citadel-delivery-list\n"
				 "\n"
				 "format|1\n"
				 "msgid|69240000aaaaaxyzxyzx\n"
				 "submitted|1764000000\n"
				 "envelope_from|alice@example.org\n"
				 "bounceto|bounces@example.org\n"
				 "source_room|cron\n"
				 "uid|1000\n"
				 "size|4711\n"
				 "body|8bit,dots,longest=998\n"
				 "remote|bob@example.net|0|\n"
				 "remote|carol@example.com|0|\n"
				 "remote|dave@example.net|0||notify=never|orcpt=rfc822;dave\n"
				 "recipients|3\n";

static const char progress[] = "attempted|1764000900\n"
			       "retry|1800\n"
			       "remote|bob@example.net|4|451 4.7.1 greylisted, try later\n"
			       "remote|carol@example.com|5|550 5.1.1 no such user\n"
			       "report|1\n"
			       "reported|1\n"
			       "remote|dave@example.net|2|250 2.0.0 ok\n"
			       "warned|1\n"
			       "hold|1\n";

static void
sample(bool with_progress)
{
	buf_clear(&text);
	buf_adds(&text, first_part);
	if (with_progress)
		buf_adds(&text, progress);
}

static const struct recipient *
rcpt(const char *address)
{
	struct recipient *r = envelope_find(&back, address);

	ck_assert_msg(r != NULL, "no recipient %s", address);
	return r;
}

/* --- reading --- */

START_TEST(reads_what_submission_wrote)
{
	sample(false);
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_str_eq(back.msgid, "69240000aaaaaxyzxyzx");
	ck_assert_int_eq(back.submitted, 1764000000);
	ck_assert_str_eq(back.sender, "alice@example.org");
	ck_assert_str_eq(back.bounceto, "bounces@example.org");
	ck_assert_str_eq(back.source_room, "cron");
	ck_assert_int_eq(back.uid, 1000);
	ck_assert_uint_eq(back.size, 4711);
	ck_assert(back.eightbit && back.dots && !back.utf8);
	ck_assert_uint_eq(back.longest, 998);
	ck_assert(!back.citadel && back.ended && !back.torn);
	ck_assert_uint_eq(back.nrcpts, 3);
	ck_assert_uint_eq(back.waiting, 3);
	ck_assert_str_eq(back.rcpts[1].address, "carol@example.com");
	ck_assert_ptr_null(back.rcpts[0].extra);
	ck_assert_str_eq(back.rcpts[2].extra, "notify=never|orcpt=rfc822;dave");
	ck_assert_uint_eq(back.whole_size, buf_len(&text));
	ck_assert_int_eq(envelope_due_at(&back), 0);
}
END_TEST

START_TEST(reads_what_happened_since)
{
	sample(true);
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_uint_eq(back.bad_lines, 0);
	ck_assert_int_eq(rcpt("bob@example.net")->status, RCPT_DEFERRED);
	ck_assert_str_eq(rcpt("bob@example.net")->reason, "451 4.7.1 greylisted, try later");
	ck_assert_int_eq(rcpt("carol@example.com")->status, RCPT_FAILED);
	ck_assert_uint_eq(rcpt("carol@example.com")->report, 1);
	ck_assert_int_eq(rcpt("dave@example.net")->status, RCPT_DELIVERED);
	ck_assert_uint_eq(back.waiting, 1);
	ck_assert_uint_eq(back.unreported, 0);
	ck_assert_uint_eq(back.reports, 1);
	ck_assert_uint_eq(back.reported, 1);
	ck_assert(back.warned && back.hold);
	ck_assert_int_eq(back.attempted, 1764000900);
	ck_assert_int_eq(back.first_attempted, 1764000900);
	ck_assert_int_eq(envelope_due_at(&back), INT64_MAX);
	buf_adds(&text, "hold|0\nattempted|1764009000\n");
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_int_eq(envelope_due_at(&back), 1764009000 + 1800);
	ck_assert_int_eq(back.first_attempted, 1764000900);
}
END_TEST

START_TEST(a_null_sender_and_no_sender_differ)
{
	ck_assert_int_eq(parse("Content-type: application/x-citadel-delivery-list\n\nformat|1\n"
			       "msgid|a\nenvelope_from|\nremote|b|0|\nrecipients|1\n"),
	    ENVELOPE_OK);
	ck_assert_str_eq(back.sender, "");
	ck_assert_int_eq(back.uid, -1);
	ck_assert_int_eq(parse("Content-type: application/x-citadel-delivery-list\n\nformat|1\n"
			       "msgid|a\nremote|b|0|\nrecipients|1\n"),
	    ENVELOPE_OK);
	ck_assert_ptr_null(back.sender);
}
END_TEST

/* The last line about a recipient wins; a report covers those above it, once. */
START_TEST(later_lines_win)
{
	sample(false);
	buf_adds(&text, "remote|bob@example.net|5|no\nreport|1\n"
			"remote|carol@example.com|5|no\nremote|bob@example.net|0|\n");
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_int_eq(rcpt("bob@example.net")->status, RCPT_NEW);
	ck_assert_uint_eq(rcpt("bob@example.net")->report, 0);
	ck_assert_uint_eq(back.waiting, 2);
	ck_assert_uint_eq(back.unreported, 1);
	buf_adds(&text, "report|1\n"); /* repeated: covers nobody new */
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_uint_eq(back.unreported, 1);
	buf_adds(&text, "remote|bob@example.net|5|again\nreport|2\nreported|2\nreported|1\n");
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_uint_eq(rcpt("bob@example.net")->report, 2);
	ck_assert_uint_eq(rcpt("carol@example.com")->report, 2);
	ck_assert_uint_eq(back.unreported, 0);
	ck_assert_uint_eq(back.reported, 2);
	buf_adds(&text, "remote|carol@example.com|5|other words\n");
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_uint_eq(rcpt("carol@example.com")->report, 2);
	buf_adds(&text, "remote|carol@example.com|5|no\nremote|dave@example.net|5|no\n"
			"remote|dave@example.net|4|later\n");
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_uint_eq(back.unreported, 0);
	ck_assert_uint_eq(back.waiting, 1);
}
END_TEST

START_TEST(progress_that_does_not_parse_is_skipped)
{
	static const struct {
		const char *line;
		unsigned bad;
	} lines[] = {
	    {"\n", 0},
	    {"blorp|x\n", 0},
	    {"some-new_thing2\n", 0},
	    {"Remote|bob@example.net|2|\n", 1},
	    {"remote\n", 1},
	    {"remote|bob@example.net\n", 1},
	    {"remote|bob@example.net|2\n", 1}, /* cut, then glued to a newline */
	    {"remote|bob@example.net|1|x\n", 1},
	    {"remote|bob@example.net|6|x\n", 1},
	    {"remote|bob@example.net|22|x\n", 1},
	    {"remote|bob@example.net||x\n", 1},
	    {"remote|bob@example.net|2|bad \\x escape\n", 1},
	    {"remote|bob@example.net|2|bad escape\\\n", 1},
	    {"remote|eve@example.net|2|not a recipient\n", 1},
	    {"remote||2|\n", 1},
	    {"attempted|\n", 1},
	    {"attempted|-1\n", 1},
	    {"attempted|9999999999999999999999\n", 1},
	    {"retry\n", 1},
	    {"report|x\n", 1},
	    {"reported|\n", 1},
	    {"hold|2\n", 1},
	    {"warned|yes\n", 1},
	    {"msgid|other\n", 1},
	    {"recipients|3\n", 1},
	    {"format|1\n", 1},
	    {"\x01\x02\xff\n", 1},
	    {"|||\n", 1},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		sample(false);
		buf_adds(&text, lines[i].line);
		buf_adds(&text, "remote|carol@example.com|2|ok\n");
		ck_assert_int_eq(parse_text(), ENVELOPE_OK);
		ck_assert_msg(
		    back.bad_lines == lines[i].bad, "%u: %s", back.bad_lines, lines[i].line);
		ck_assert_int_eq(rcpt("bob@example.net")->status, RCPT_NEW);
		ck_assert_int_eq(rcpt("carol@example.com")->status, RCPT_DELIVERED);
		ck_assert_uint_eq(back.waiting, 2);
	}
}
END_TEST

START_TEST(a_line_with_nul_is_skipped)
{
	static const char line[] = "remote|bob@example.net|2|o\0k\nremote\0|bob@example.net|2|\n"
				   "\0\0\0\nremote|carol@example.com|2|ok\n";

	sample(false);
	buf_add(&text, line, sizeof(line) - 1);
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_uint_eq(back.bad_lines, 3);
	ck_assert_int_eq(rcpt("bob@example.net")->status, RCPT_NEW);
	ck_assert_int_eq(rcpt("carol@example.com")->status, RCPT_DELIVERED);
}
END_TEST

START_TEST(a_reason_is_cleaned_on_the_way_in)
{
	sample(false);
	buf_adds(&text, "remote|bob@example.net|4|a\x1b[31mb\\nc\xff\n");
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_str_eq(rcpt("bob@example.net")->reason, "a?[31mb c?");
}
END_TEST

START_TEST(damage_is_noticed)
{
	static const struct {
		const char *file, *why;
	} files[] = {
	    {"", "not a delivery list"},
	    {"\n\n\n", "not a delivery list"},
	    {"Content-type: text/plain\n\nformat|1\n", "not a delivery list"},
	    {"Content-type: application/x-citadel-delivery-list", "not a delivery list"},
	    {"Content-type: application/x-citadel-delivery-list\n\n", "no msgid"},
	    {"C|format|1\nmsgid|a\nremote|b|0|\n", "cut before the end of the recipients"},
	    {"C|format|1\nmsgid|a\nremote|b|0|\nrecipients|1", "cut before"},
	    {"C|format|1\nmsgid|a\nremote|b|0|\nrecipients|2\n", "instruction 4"},
	    {"C|format|1\nmsgid|a\nrecipients|0\n", "instruction 3"},
	    {"C|format|2\nmsgid|a\nremote|b|0|\nrecipients|1\n", "instruction 1"},
	    {"C|msgid|a\nformat|1\nremote|b|0|\nrecipients|1\n", "instruction 2"},
	    {"C|format|1\nremote|b|0|\nrecipients|1\n", "no msgid"},
	    {"C|format|1\nmsgid|../etc\nremote|b|0|\nrecipients|1\n", "instruction 2"},
	    {"C|format|1\nmsgid\nremote|b|0|\nrecipients|1\n", "instruction 2"},
	    {"C|format|1\nmsgid|a\nremote||0|\nrecipients|1\n", "instruction 3"},
	    {"C|format|1\nmsgid|a\nremote|b\x01|0|\nrecipients|1\n", "instruction 3"},
	    {"C|format|1\nmsgid|a\nremote|b\xe4|0|\nrecipients|1\n", "instruction 3"},
	    {"C|format|1\nmsgid|a\nremote|b|9|\nrecipients|1\n", "instruction 3"},
	    {"C|format|1\nmsgid|a\nuid|x\nremote|b|0|\nrecipients|1\n", "instruction 3"},
	    {"C|format|1\nmsgid|a\nsize|-1\nremote|b|0|\nrecipients|1\n", "instruction 3"},
	    {"C|format|1\nmsgid|a\nsubmitted|\nremote|b|0|\nrecipients|1\n", "instruction 3"},
	    {"C|format|1\nmsgid|a\nbody\nremote|b|0|\nrecipients|1\n", "instruction 3"},
	    {"C|format|1\nmsgid|a\nsource_room\nremote|b|0|\nrecipients|1\n", "instruction 3"},
	    {"C|format|1\nmsgid|a\nenvelope_from\nremote|b|0|\nrecipients|1\n", "instruction 3"},
	    {"C|format|1\nmsgid|a\nbounceto|\\x\nremote|b|0|\nrecipients|1\n", "instruction 3"},
	    {"C|format|1\nmsgid|a\n???\nremote|b|0|\nrecipients|1\n", "instruction 3"},
	    {"C|msgid|a\n", "no recipients"},
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *file = files[i].file;

		buf_clear(&text);
		if (strncmp(file, "C|", 2) == 0) {
			buf_adds(&text, "Content-type: application/x-citadel-delivery-list\n\n");
			file += 2;
		}
		buf_adds(&text, file);
		ck_assert_msg(parse_text() == ENVELOPE_DAMAGED, "%s", files[i].file);
		ck_assert_msg(strstr(why, files[i].why) == why, "%s: %s", files[i].file, why);
	}
}
END_TEST

/* Instead of a newline it glues two lines together: that, too, is a line with a NUL. */
START_TEST(nul_in_the_first_part_is_damage)
{
	char copy[sizeof(first_part)];

	for (size_t i = 0; i < sizeof(first_part) - 1; i++) {
		memcpy(copy, first_part, sizeof(copy));
		copy[i] = '\0';
		ck_assert_msg(parse_bytes(copy, sizeof(copy) - 1) == ENVELOPE_DAMAGED, "at %zu", i);
	}
}
END_TEST

START_TEST(recipients_more_than_promised_or_twice_are_merged)
{
	ck_assert_int_eq(
	    parse("Content-type: application/x-citadel-delivery-list\n\nformat|1\nmsgid|a\n"
		  "remote|b@x|0|\nremote|B@x|0|\nremote|b@x|0||notify=never\nrecipients|3\n"),
	    ENVELOPE_OK);
	ck_assert_uint_eq(back.nrcpts, 2);
	ck_assert_uint_eq(back.waiting, 2);
	ck_assert_str_eq(rcpt("b@x")->extra, "notify=never");
}
END_TEST

START_TEST(unknown_instructions_are_kept)
{
	static const char file[] =
	    "content-TYPE: application/x-citadel-delivery-list; charset=utf-8\n"
	    "X-Other: header\n\nformat|1\nmsgid|a\ndsn|full|env=1\n"
	    "body|9bit,,longest=x,utf8,longest=77\nremote|b|0|\nrecipients|1\n";

	ck_assert_int_eq(parse(file), ENVELOPE_OK);
	ck_assert(back.utf8 && !back.eightbit);
	ck_assert_uint_eq(back.longest, 77);
	envelope_write(&text, &back);
	ck_assert_ptr_nonnull(strstr(buf_str(&text), "\ndsn|full|env=1\nremote|"));
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_uint_eq(buf_len(&back.unknown), strlen("dsn|full|env=1\n"));
}
END_TEST

/* --- cut and garbled files --- */

START_TEST(cut_at_every_length)
{
	size_t first = sizeof(first_part) - 1, whole, waiting = 0;
	char *copy;

	sample(true);
	whole = buf_len(&text);
	copy = xstrndup(buf_data(&text), whole);
	for (size_t n = 0; n <= whole; n++) {
		enum envelope_error error = parse_bytes(copy, n);

		ck_assert_msg(
		    error == (n < first ? ENVELOPE_DAMAGED : ENVELOPE_OK), "at %zu: %s", n, why);
		if (n < first)
			continue;
		ck_assert_uint_eq(back.bad_lines, 0);
		ck_assert(n == first || back.waiting <= waiting);
		ck_assert(back.torn == (copy[n - 1] != '\n'));
		ck_assert(copy[back.whole_size - 1] == '\n' && back.whole_size <= n);
		waiting = back.waiting;
	}
	ck_assert_uint_eq(waiting, 1);
	free(copy);
}
END_TEST

/* What is behind the first part never condemns a file, whatever is in it. */
START_TEST(random_bytes_behind_the_first_part)
{
	unsigned x = 7;

	for (int round = 0; round < 2000; round++) {
		sample(false);
		for (int i = 0; i < 200; i++) {
			x = x * 1103515245U + 12345U;
			buf_addc(
			    &text, i % 3 != 0 ? (char)(x >> 16) : "remote|\n\\025"[x >> 16 & 7]);
		}
		ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	}
}
END_TEST

START_TEST(random_bytes_anywhere)
{
	unsigned x = 11;
	char *copy;

	sample(true);
	copy = xstrndup(buf_data(&text), buf_len(&text));
	for (int round = 0; round < 20000; round++) {
		size_t at;
		char old;

		x = x * 1103515245U + 12345U;
		at = (x >> 8) % buf_len(&text);
		old = copy[at];
		copy[at] = (char)(x >> 16 & 0xff);
		parse_bytes(copy, buf_len(&text));
		if (round % 5 != 0)
			copy[at] = old;
	}
	free(copy);
}
END_TEST

/* --- Citadel's own lists --- */

static const char citadel_list[] = "Content-type: application/x-citadel-delivery-list\r\n"
				   "\n"
				   "msgid|4711\n"
				   "submitted|1764000000\n"
				   "attempted|1764005400\n"
				   "retry|3600\n"
				   "bounceto|alice@uncensored\n"
				   "envelope_from|alice@example.org\n"
				   "source_room|Mail\n"
				   "local|Friko|0\n"
				   "remote|bob@example.net|0||\n"
				   "remote|o\\b@example.net|1|\n"
				   "remote|carol@example.com|4|451 a|b\\c \xe4|\r\n"
				   "remote|dave@example.org|5|550 no\n"
				   "remote|erin@example.org|2";

START_TEST(a_citadel_list_means_the_same)
{
	ck_assert_int_eq(parse(citadel_list), ENVELOPE_OK);
	ck_assert(back.citadel && !back.ended && !back.torn);
	ck_assert_uint_eq(back.whole_size, sizeof(citadel_list) - 1);
	ck_assert_str_eq(back.msgid, "4711");
	ck_assert_str_eq(back.sender, "alice@example.org");
	ck_assert_str_eq(back.bounceto, "alice@uncensored");
	ck_assert_int_eq(back.uid, -1);
	/* `attempted` is when the next attempt is due. */
	ck_assert_int_eq(envelope_due_at(&back), 1764005400);
	ck_assert_int_eq(back.attempted, 1764001800);
	ck_assert_int_eq(back.retry, 3600);
	ck_assert_uint_eq(back.nrcpts, 5);
	ck_assert_uint_eq(back.waiting, 3);
	ck_assert_ptr_null(rcpt("bob@example.net")->reason);
	ck_assert_int_eq(rcpt("o\\b@example.net")->status, RCPT_NEW);
	ck_assert_str_eq(rcpt("carol@example.com")->reason, "451 a|b\\c ?");
	ck_assert_uint_eq(back.unreported, 1);
	ck_assert_int_eq(rcpt("erin@example.org")->status, RCPT_DELIVERED);
	ck_assert_str_eq(buf_str(&back.unknown), "local|Friko|0\n");
}
END_TEST

/* recipients|N, appended by us, is where our own rules begin. */
START_TEST(what_we_append_to_a_citadel_list_is_ours)
{
	buf_adds(&text, citadel_list);
	buf_adds(&text, "\nrecipients|5");
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert(!back.ended && back.torn);
	ck_assert_uint_eq(back.whole_size, sizeof(citadel_list));
	buf_adds(&text, "\nattempted|1764005500\nretry|7200\nremote|o\\\\b@example.net|4|a\\|b\n");
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert(back.ended && !back.torn);
	ck_assert_uint_eq(back.bad_lines, 0);
	ck_assert_int_eq(envelope_due_at(&back), 1764005500 + 7200);
	ck_assert_int_eq(back.first_attempted, 1764001800);
	ck_assert_str_eq(rcpt("o\\b@example.net")->reason, "a|b");
}
END_TEST

START_TEST(a_citadel_list_without_attempts_is_due)
{
	ck_assert_int_eq(
	    parse("Content-type: application/x-citadel-delivery-list\n\nmsgid|1\nremote|b@x|0\n"),
	    ENVELOPE_OK);
	ck_assert_int_eq(envelope_due_at(&back), 0);
	ck_assert_ptr_null(back.sender);
	ck_assert_int_eq(
	    parse("Content-type: application/x-citadel-delivery-list\n\nmsgid|1\nremote|b\xe4|0\n"),
	    ENVELOPE_DAMAGED);
	ck_assert_int_eq(parse("Content-type: application/x-citadel-delivery-list\n\nmsgid|1\n"
			       "envelope_from|\xe4\nremote|b|0\n"),
	    ENVELOPE_DAMAGED);
	ck_assert_int_eq(
	    parse("Content-type: application/x-citadel-delivery-list\n\nmsgid|1\nremote|b@x"),
	    ENVELOPE_DAMAGED);
}
END_TEST

START_TEST(a_citadel_list_cut_at_every_length)
{
	for (size_t n = 0; n < sizeof(citadel_list); n++) {
		if (parse_bytes(citadel_list, n) == ENVELOPE_OK)
			ck_assert_uint_le(back.nrcpts, 5);
	}
}
END_TEST

/* --- writing --- */

static void
assert_same(const struct envelope *a, const struct envelope *b)
{
	ck_assert_str_eq(a->msgid, b->msgid);
	ck_assert_pstr_eq(a->sender, b->sender);
	ck_assert_pstr_eq(a->bounceto, b->bounceto);
	ck_assert_pstr_eq(a->source_room, b->source_room);
	ck_assert_int_eq(a->uid, b->uid);
	ck_assert_uint_eq(a->size, b->size);
	ck_assert_int_eq(a->eightbit, b->eightbit);
	ck_assert_int_eq(a->utf8, b->utf8);
	ck_assert_int_eq(a->dots, b->dots);
	ck_assert_uint_eq(a->longest, b->longest);
	ck_assert_int_eq(a->submitted, b->submitted);
	ck_assert_int_eq(a->attempted, b->attempted);
	ck_assert_int_eq(a->first_attempted, b->first_attempted);
	ck_assert_int_eq(a->retry, b->retry);
	ck_assert_int_eq(a->hold, b->hold);
	ck_assert_int_eq(a->warned, b->warned);
	ck_assert_uint_eq(a->nrcpts, b->nrcpts);
	ck_assert_uint_eq(a->waiting, b->waiting);
	ck_assert_uint_eq(a->reports, b->reports);
	ck_assert_uint_eq(a->reported, b->reported);
	ck_assert_uint_eq(a->unreported, b->unreported);
	for (size_t i = 0; i < a->nrcpts; i++) {
		ck_assert_str_eq(a->rcpts[i].address, b->rcpts[i].address);
		ck_assert_pstr_eq(a->rcpts[i].extra, b->rcpts[i].extra);
		ck_assert_pstr_eq(a->rcpts[i].reason, b->rcpts[i].reason);
		ck_assert_int_eq(a->rcpts[i].status, b->rcpts[i].status);
		ck_assert_uint_eq(a->rcpts[i].report, b->rcpts[i].report);
	}
}

static void
fill(void)
{
	memcpy(e.msgid, "abc.r1", 7);
	e.sender = xstrdup("al|i\\ce@example.org");
	e.source_room = xstrdup("a|b");
	e.uid = 33;
	e.size = 1ULL << 40;
	e.eightbit = e.utf8 = e.dots = true;
	e.longest = 4000000000U;
	e.submitted = 1764000000;
	envelope_add(&e, "plain@example.org");
	envelope_add(&e, "p|i|p|e@example.org");
	envelope_add(&e, "back\\slash\\@example.org");
	envelope_add(&e, "new\nline\n@example.org");
	envelope_add(&e, "\xc3\xa4@example.org");
	envelope_add(&e, "|");
	envelope_add(&e, "\\");
	envelope_add(&e, "\n");
	e.rcpts[2].extra = xstrdup("notify=never");
}

START_TEST(writes_and_reads_back)
{
	fill();
	ck_assert(!envelope_add(&e, "p|i|p|e@example.org"));
	envelope_write(&text, &e);
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	assert_same(&e, &back);
	e.bounceto = xstrdup("b\xff\x1b@x");
	buf_clear(&text);
	envelope_write(&text, &e);
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_str_eq(back.bounceto, "b??@x");
}
END_TEST

/* A file never holds a newline or NUL from outside, whatever was asked for. */
START_TEST(foreign_bytes_do_not_reach_the_file)
{
	fill();
	envelope_add(&e, "a\x01\xff\nb\r\nc\x7f@x");
	ck_assert_str_eq(e.rcpts[8].address, "a??\nb \nc?@x");
	e.rcpts[8].extra = xstrdup("x\nremote|eve@x|0|");
	envelope_write(&text, &e);
	envelope_write_remote(&text, &e.rcpts[8], RCPT_DEFERRED, "4\n5\x1b\nremote|plain|2|");
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_uint_eq(back.bad_lines, 0);
	ck_assert_uint_eq(back.nrcpts, 9);
	ck_assert_ptr_null(back.rcpts[8].extra);
	ck_assert_str_eq(rcpt("a??\nb \nc?@x")->reason, "4 5? remote|plain|2|");
	ck_assert_int_eq(back.rcpts[0].status, RCPT_NEW);
}
END_TEST

START_TEST(a_long_reason_is_cut)
{
	char reason[5000];

	memset(reason, 'r', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	fill();
	envelope_write(&text, &e);
	envelope_write_remote(&text, &e.rcpts[0], RCPT_FAILED, reason);
	envelope_settle(&e, 0, RCPT_FAILED, reason);
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	ck_assert_uint_eq(strlen(back.rcpts[0].reason), ENVELOPE_REASON_MAX);
	assert_same(&e, &back);
}
END_TEST

/* Settling in memory and reading one's own lines back come to the same. */
START_TEST(memory_and_file_agree)
{
	static const enum rcpt_status status[] = {
	    RCPT_NEW, RCPT_DELIVERED, RCPT_UNREACHED, RCPT_DEFERRED, RCPT_FAILED};
	unsigned x = 3;

	fill();
	envelope_write(&text, &e);
	for (int i = 0; i < 3000; i++) {
		size_t n;
		char reason[40];

		x = x * 1103515245U + 12345U;
		n = (x >> 16) % e.nrcpts;
		if (x >> 28 == 3) {
			envelope_write_number(&text, "report", e.reports + 1);
			envelope_report(&e, e.reports + 1);
			continue;
		}
		snprintf(reason, sizeof(reason), "reason %u", x);
		envelope_write_remote(&text, &e.rcpts[n], status[x >> 8 & 3 ? x % 5 : 4], reason);
		envelope_settle(&e, n, status[x >> 8 & 3 ? x % 5 : 4], reason);
	}
	envelope_write_number(&text, "attempted", 1764000100);
	envelope_attempted(&e, 1764000100, 0);
	envelope_write_number(&text, "attempted", 1764000200);
	envelope_write_number(&text, "retry", 900);
	envelope_attempted(&e, 1764000200, 900);
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	assert_same(&e, &back);
}
END_TEST

START_TEST(all_of_it_can_be_written_anew)
{
	fill();
	envelope_settle(&e, 0, RCPT_FAILED, "one");
	envelope_report(&e, 1);
	envelope_settle(&e, 1, RCPT_FAILED, "two");
	envelope_settle(&e, 5, RCPT_FAILED, "two and a half");
	envelope_report(&e, 2);
	envelope_settle(&e, 2, RCPT_FAILED, NULL);
	envelope_settle(&e, 3, RCPT_DELIVERED, "ok");
	envelope_settle(&e, 4, RCPT_UNREACHED, "no route");
	envelope_attempted(&e, 100, 5);
	envelope_attempted(&e, 200, 10);
	e.reported = 1;
	e.hold = e.warned = true;
	for (int round = 0; round < 2; round++) {
		buf_clear(&text);
		envelope_write(&text, &e);
		envelope_write_progress(&text, &e);
		ck_assert_int_eq(parse_text(), ENVELOPE_OK);
		ck_assert_uint_eq(back.bad_lines, 0);
		assert_same(&e, &back);
		/* Once more with a highest report that covers nobody any more. */
		envelope_report(&e, 3);
		envelope_settle(&e, 2, RCPT_NEW, NULL);
		envelope_settle(&e, 6, RCPT_FAILED, "late");
	}
}
END_TEST

/* --- times and names --- */

START_TEST(when_it_is_due)
{
	ck_assert_int_eq(envelope_due_at(&e), 0);
	envelope_attempted(&e, 1000, 900);
	ck_assert_int_eq(envelope_due_at(&e), 1900);
	e.retry = INT64_MAX;
	ck_assert_int_eq(envelope_due_at(&e), INT64_MAX);
	e.retry = 1;
	e.hold = true;
	ck_assert_int_eq(envelope_due_at(&e), INT64_MAX);
}
END_TEST

START_TEST(a_submission_time_that_cannot_be)
{
	const int64_t now = 1764000000;

	e.submitted = now - 5;
	ck_assert_int_eq(envelope_submitted(&e, now), now - 5);
	e.submitted = now + 5; /* the clock has been set back */
	ck_assert_int_eq(envelope_submitted(&e, now), now);
	e.submitted = 100; /* written while the clock was not set */
	ck_assert_int_eq(envelope_submitted(&e, now), now);
	envelope_attempted(&e, now - 50, 900);
	envelope_attempted(&e, now - 10, 900);
	ck_assert_int_eq(envelope_submitted(&e, now), now - 50);
	ck_assert_int_eq(envelope_submitted(&e, 1000), 1000); /* it is not set now */
}
END_TEST

START_TEST(ids)
{
	static const char *const good[] = {"a", "69240000abcdezyxwvut", "4711", "A.r1", "0_-."};
	static const char *const bad[] = {
	    "", ".", "..", ".nfs0001", "-a", "_a", "a/b", "a b", "a\n", "\xc3\xa4", "../a"};
	char name[ENVELOPE_ID_MAX + 2];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert(envelope_id_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert(!envelope_id_ok(bad[i]));
	memset(name, 'a', sizeof(name));
	name[ENVELOPE_ID_MAX + 1] = '\0';
	ck_assert(!envelope_id_ok(name));
	name[ENVELOPE_ID_MAX] = '\0';
	ck_assert(envelope_id_ok(name));
}
END_TEST

/* --- size --- */

START_TEST(a_hundred_thousand_recipients)
{
	char address[40];
	clock_t start;
	double took;

	memcpy(e.msgid, "a", 2);
	for (int i = 0; i < 100000; i++) {
		snprintf(address, sizeof(address), "user%d@example%d.org", i, i % 1000);
		ck_assert(envelope_add(&e, address));
	}
	envelope_write(&text, &e);
	for (size_t i = 0; i < e.nrcpts; i++)
		envelope_write_remote(&text, &e.rcpts[i], RCPT_DEFERRED, "451 4.7.1 later");
	start = clock();
	ck_assert_int_eq(parse_text(), ENVELOPE_OK);
	took = (double)(clock() - start) / CLOCKS_PER_SEC;
	ck_assert_uint_eq(back.nrcpts, 100000);
	ck_assert_str_eq(rcpt("user99999@example999.org")->reason, "451 4.7.1 later");
	ck_assert_msg(took < 5, "%f s", took); /* a fraction of one; sanitizers and valgrind too */
	if (getenv("SHOW_TIMES") != NULL)
		printf("100,000 recipients, 200,000 lines: %.3f s\n", took);
}
END_TEST

Suite *
suite_envelope(void)
{
	Suite *s = suite_create("envelope");
	TCase *tc = tcase_create("envelope");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, reads_what_submission_wrote);
	tcase_add_test(tc, reads_what_happened_since);
	tcase_add_test(tc, a_null_sender_and_no_sender_differ);
	tcase_add_test(tc, later_lines_win);
	tcase_add_test(tc, progress_that_does_not_parse_is_skipped);
	tcase_add_test(tc, a_line_with_nul_is_skipped);
	tcase_add_test(tc, a_reason_is_cleaned_on_the_way_in);
	tcase_add_test(tc, damage_is_noticed);
	tcase_add_test(tc, nul_in_the_first_part_is_damage);
	tcase_add_test(tc, recipients_more_than_promised_or_twice_are_merged);
	tcase_add_test(tc, unknown_instructions_are_kept);
	tcase_add_test(tc, cut_at_every_length);
	tcase_add_test(tc, random_bytes_behind_the_first_part);
	tcase_add_test(tc, random_bytes_anywhere);
	tcase_add_test(tc, a_citadel_list_means_the_same);
	tcase_add_test(tc, what_we_append_to_a_citadel_list_is_ours);
	tcase_add_test(tc, a_citadel_list_without_attempts_is_due);
	tcase_add_test(tc, a_citadel_list_cut_at_every_length);
	tcase_add_test(tc, writes_and_reads_back);
	tcase_add_test(tc, foreign_bytes_do_not_reach_the_file);
	tcase_add_test(tc, a_long_reason_is_cut);
	tcase_add_test(tc, memory_and_file_agree);
	tcase_add_test(tc, all_of_it_can_be_written_anew);
	tcase_add_test(tc, when_it_is_due);
	tcase_add_test(tc, a_submission_time_that_cannot_be);
	tcase_add_test(tc, ids);
	tcase_add_test(tc, a_hundred_thousand_recipients);
	suite_add_tcase(s, tc);
	return s;
}
