/* check_ctl_sites.c: what sortiectl shows of what runs have seen: sites, and counters. */
#include <sys/stat.h>

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ledger.h"
#include "promtext.h"
#include "suites.h"
#include "testctl.h"
#include "testspool.h"
#include "whole.h"

enum { T0 = 1764000000, DAY = 24 * 3600 };

#define SITES_SCHEMA "src/t/system/sites.schema.json"
#define STATS_SCHEMA "src/t/system/stats.schema.json"

static struct spool *sp;
static struct testctl t;

static void
setup(void)
{
	sp = testctl_begin(&t, T0);
}

static void
teardown(void)
{
	testctl_end(&t, &sp);
}

#define RUN(...) testctl_run(&t, __VA_ARGS__, NULL)

static const struct ledger_record good = {
    .counts = {[LEDGER_SENT] = 120,
	[LEDGER_DEFERRED] = 4,
	[LEDGER_MESSAGES] = 110,
	[LEDGER_BYTES] = 5000,
	[LEDGER_SESSIONS] = 30,
	[LEDGER_TLS] = 29},
    .since = T0 - 3 * DAY,
    .ok_at = T0 - 60,
    .bad_at = T0 - DAY,
    .relay = "mx.good.example[192.0.2.1]:25",
    .tls = "TLSv1.3, trusted",
    .reason = "451 4.7.1 greylisted, try later",
};

static const struct ledger_record bad = {
    .counts = {[LEDGER_DEFERRED] = 12, [LEDGER_FAILED] = 24, [LEDGER_DUPLICATES] = 1},
    .since = T0 - DAY,
    .bad_at = T0 - 7200,
    .reason = "4.4.1 mx.bad.example[192.0.2.2]:25: Connection refused",
};

static const struct ledger_record relayed = {
    .counts =
	{[LEDGER_SENT] = 1, [LEDGER_BOUNCED] = 1, [LEDGER_MESSAGES] = 1, [LEDGER_SESSIONS] = 2},
    .since = T0 - 8000,
    .ok_at = T0 - 8000,
    .relay = "smtp.example.org[192.0.2.3]:587",
};

static const char relay_name[] = "relay smtp.example.org:587 submission,bob@backup.example.org:25";

static void
fill(void)
{
	struct ledger *l = ledger_new(sp);

	ledger_tell(l, "bad.example", &bad);
	ledger_tell(l, "good.example", &good);
	ledger_tell(l, relay_name, &relayed);
	ledger_tell(l, "",
	    &(struct ledger_record){
		.counts = {121, 16, 1, 2, [LEDGER_MESSAGES] = 105, [LEDGER_PASSES] = 40},
		.ok_at = T0 - 240});
	ledger_free(&l);
}

static void
terminal(unsigned width)
{
	t.c.tty = true;
	t.c.width = width;
	t.c.colours = true;
}

/* --- sites -------------------------------------------------------------------------------- */

START_TEST(a_table_tells_how_sites_are_doing)
{
	fill();
	ck_assert_int_eq(RUN(ctl_sites, "sites"), EX_OK);
	ck_assert_str_eq(t.out,
	    "SITE                                                              SENT  DEFER  BOUNCE "
	    "  MSGS   "
	    "CONN    TLS   LOST  SINCE    OK   BAD  RELAY                            REASON\n"
	    "good.example                                                       120      4       0 "
	    "   110     "
	    "30     29      0     3d   60s   24h  mx.good.example[192.0.2.1]:25    451 4.7.1 "
	    "greylisted, try later\n"
	    "bad.example                                                          0     12       0 "
	    "     0      "
	    "0      0     24    24h     -    2h                                   4.4.1 "
	    "mx.bad.example[192.0.2.2]:25: "
	    "Connection refused\n"
	    "relay smtp.example.org:587 submission,bob@backup.example.org:25      1      0       1 "
	    "     1      "
	    "2      0      0     2h    2h     -  smtp.example.org[192.0.2.3]:587\n");
	terminal(80);
	ck_assert_int_eq(RUN(ctl_sites, "sites"), EX_OK);
	ck_assert_str_eq(t.out,
	    "\033[1mSITE                                             SENT  DEFER  BOUNCE    OK   "
	    "BAD\033[0m\n"
	    "good.example                                      120      4       0   60s   24h\n"
	    "\033[31mbad.example                                         0     12       0     -    "
	    "2h\033[0m\n"
	    "    \033[31m4.4.1 mx.bad.example[192.0.2.2]:25: Connection refused\033[0m\n"
	    "relay smtp.example.org:587 submission,bob@bac\xe2\x80\xa6      1      0       1    2h "
	    "    "
	    "-\n");
}
END_TEST

static size_t
widest(const char *text)
{
	size_t columns = 0, most = 0;

	for (; *text != '\0'; text++) {
		columns = *text == '\n' ? 0 : columns + ((*text & 0xc0) != 0x80);
		most = columns > most ? columns : most;
	}
	return most;
}

START_TEST(no_line_is_wider_than_the_terminal)
{
	fill();
	t.c.tty = true;
	for (unsigned width = 20; width < 220; width++) {
		t.c.width = width;
		for (int how = 0; how < 2; how++) {
			ck_assert_int_eq(
			    RUN(ctl_sites, "sites", how == 1 ? "--hoststat" : NULL), EX_OK);
			ck_assert_msg(widest(t.out) <= width || (how == 1 && width < 80), "%u: %s",
			    width, t.out);
		}
	}
}
END_TEST

START_TEST(of_a_site_that_is_named_all_is_told)
{
	fill();
	ck_assert_int_eq(RUN(ctl_sites, "sites", "bad.example", "GOOD.example"), EX_OK);
	ck_assert_str_eq(t.out,
	    "good.example\n"
	    "  recipients  120 sent, 0 bounced; deferred 4 times\n"
	    "  messages    110, 4.9K\n"
	    "  connections 30, 29 with TLS; 0 failed\n"
	    "  last taken  Mon Nov 24 15:59:00, 1m ago\n"
	    "  trouble     Sun Nov 23 16:00:00, 1d ago: 451 4.7.1 greylisted, try later\n"
	    "  relay       mx.good.example[192.0.2.1]:25\n"
	    "  TLS         TLSv1.3, trusted\n"
	    "  since       Fri Nov 21 16:00:00, 3d ago\n"
	    "\n"
	    "bad.example\n"
	    "  recipients  0 sent, 0 bounced; deferred 12 times\n"
	    "  twice       perhaps 1 of them\n"
	    "  messages    0, 0B\n"
	    "  connections 0, 0 with TLS; 24 failed\n"
	    "  last taken  never\n"
	    "  trouble     Mon Nov 24 14:00:00, 2h ago: 4.4.1 mx.bad.example[192.0.2.2]:25: "
	    "Connection refused\n"
	    "  since       Sun Nov 23 16:00:00, 1d ago\n");
}
END_TEST

START_TEST(sites_are_called_by_their_names_and_hosts)
{
	static const struct {
		const char *word, *site; /* NULL: nothing is called so */
	} cases[] = {
	    {"bad.example", "bad.example"},
	    {"Bad.Example", "bad.example"},
	    {"mx.good.example", "good.example"},
	    {relay_name, relay_name},
	    {"smtp.example.org:587", relay_name},
	    {"smtp.example.org", relay_name},
	    {"Backup.example.org", relay_name},
	    {"bob@backup.example.org:25", relay_name},
	    {"backup.example.org:25", relay_name},
	    {"example.org", NULL},
	    {"mx.bad.example", NULL}, /* it never took anything */
	    {"good", NULL},
	    {"relay", NULL},
	    {"", NULL},
	    {"bob", NULL},
	    {"587", NULL},
	};
	char start[128];

	fill();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = RUN(ctl_sites, "sites", "--json", cases[i].word);

		if (cases[i].site == NULL) {
			ck_assert_msg(
			    rc == EX_NOINPUT && t.out[0] == '\0', "%s: %s", cases[i].word, t.out);
			testctl_tells(&t, "nothing is known of");
			continue;
		}
		snprintf(start, sizeof(start), "{\"site\":\"%s\"", cases[i].site);
		ck_assert_msg(rc == EX_OK && strncmp(t.out, start, strlen(start)) == 0 &&
				  strchr(t.out, '\n')[1] == '\0',
		    "%s: %s", cases[i].word, t.out);
	}
	ck_assert_int_eq(RUN(ctl_sites, "sites", "good.example", "nowhere.example"), EX_NOINPUT);
	testctl_shows(&t, "good.example\n");
	testctl_tells(&t, "nothing is known of nowhere.example\n");
}
END_TEST

static void
configure(const char *text)
{
	char path[1100], why[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf", spool_path(sp));
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	config_free(&t.c.program.config);
	config_init(&t.c.program.config);
	ck_assert_msg(
	    config_read(&t.c.program.config, path, false, why, sizeof(why)) == EX_OK, "%s", why);
}

/* And it forgets no relay because of one domain, nor is another site's name a domain of the relay. */
START_TEST(a_domain_means_the_site_that_its_mail_goes_to)
{
	fill();
	configure("hostname here.example\nrelay submission://smtp.example.org\nrelay "
		  "smtp://bob@backup.example.org\n");
	ck_assert_int_eq(RUN(ctl_sites, "sites", "some.example"), EX_OK);
	ck_assert_int_eq(strncmp(t.out, relay_name, strlen(relay_name)), 0);
	ck_assert_int_eq(RUN(ctl_sites, "sites", "bad.example"), EX_OK);
	ck_assert_int_eq(strncmp(t.out, "bad.example\n", 12), 0);
	ck_assert_ptr_null(strstr(t.out, "relay"));
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--forget", "some.example"), EX_NOINPUT);
	testctl_shows(&t, "forgot 0 sites\n");
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--forget", "bad.example"), EX_OK);
	testctl_shows(&t, "forgot 1 site\n");
}
END_TEST

START_TEST(json_of_sites_is_as_its_schema_has_it)
{
	struct jtree *v;

	fill();
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--json"), EX_OK);
	v = testctl_json(&t, "{\"site\":\"good.example\"", SITES_SCHEMA);
	ck_assert_str_eq(jtree_get(v, "state")->string, "ok");
	ck_assert_str_eq(jtree_get(v, "tls")->string, "TLSv1.3, trusted");
	ck_assert_double_eq(jtree_get(v, "last_ok")->number, T0 - 60);
	ck_assert_double_eq(jtree_get(v, "last_trouble")->number, T0 - DAY);
	ck_assert_double_eq(jtree_get(v, "sent")->number, 120);
	ck_assert_double_eq(jtree_get(v, "messages")->number, 110);
	ck_assert_double_eq(jtree_get(v, "tls_connections")->number, 29);
	jtree_free(&v);
	v = testctl_json(&t, "{\"site\":\"bad.example\"", SITES_SCHEMA);
	ck_assert_str_eq(jtree_get(v, "state")->string, "trouble");
	ck_assert_int_eq(jtree_get(v, "last_ok")->kind, J_NULL);
	ck_assert_int_eq(jtree_get(v, "relay")->kind, J_NULL);
	ck_assert_double_eq(jtree_get(v, "failed_connections")->number, 24);
	ck_assert_double_eq(jtree_get(v, "duplicates")->number, 1);
	jtree_free(&v);
}
END_TEST

/* The ledger is a file: whoever gets something into it, nobody's terminal obeys it. */
START_TEST(hostile_words_reach_neither_terminal_nor_json)
{
	static const char line[] =
	    "\nx.\033]0;owned\007\"\xff\t1\t2\t3\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\tr\033[2J"
	    "\xc2\x9b\ttls\"\\\tno\033[31m\r\n";
	char path[1100];
	struct jtree *v;
	FILE *f;

	snprintf(path, sizeof(path), "%s/ledger", spool_path(sp));
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(line, f);
	fclose(f);
	for (int how = 0; how < 4; how++) {
		ck_assert_int_eq(RUN(ctl_sites, "sites",
				     how == 1   ? "--hoststat"
				     : how == 2 ? "--json"
				     : how == 3 ? "x.\033]0;owned\007\"\xff"
						: NULL),
		    EX_OK);
		ck_assert_ptr_nonnull(strstr(t.out, "owned"));
		for (const char *p = t.out; *p != '\0'; p++)
			ck_assert_msg(*p == '\n' || (unsigned char)*p >= ' ', "%s", t.out);
		ck_assert_ptr_null(strstr(t.out, "\xc2\x9b"));
	}
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--json"), EX_OK);
	v = testctl_json(&t, "{\"site\":", SITES_SCHEMA);
	ck_assert_str_eq(jtree_get(v, "tls")->string, "tls\"\\");
	jtree_free(&v);
	ck_assert_int_eq(RUN(ctl_sites, "sites", "\033[31m"), EX_NOINPUT);
	ck_assert_ptr_null(strchr(t.err, '\033'));
}
END_TEST

START_TEST(hoststat_is_as_sendmail_prints_it)
{
	fill();
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--hoststat"), EX_OK);
	ck_assert_str_eq(t.out,
	    " -------------- Hostname --------------- How long ago ---------Results---------\n"
	    " good.example                                00:01:00 OK, by "
	    "mx.good.example[192.0.2.1]:25\n"
	    " bad.example                                 02:00:00 4.4.1 "
	    "mx.bad.example[192.0.2.2]:25: Connection "
	    "refused\n"
	    " relay smtp.example.org:587 submission,bob@backup.example.org:25     02:13:20 OK, by "
	    "smtp.example.org[192.0.2.3]:587\n");
	terminal(80);
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--hoststat", "good.example"), EX_OK);
	testctl_shows(&t, "\n good.example                                00:01:00 OK, by "
			  "mx.good.example[19\xe2\x80\xa6\n");
}
END_TEST

START_TEST(what_is_forgotten_is_gone_and_stays_counted)
{
	fill();
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--forget", "smtp.example.org"), EX_OK);
	ck_assert_str_eq(t.out, "forgot 1 site\n");
	ck_assert_int_eq(RUN(ctl_sites, "sites", "smtp.example.org"), EX_NOINPUT);
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--forget"), EX_OK);
	ck_assert_str_eq(t.out, "forgot 2 sites\n");
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--json"), EX_OK);
	ck_assert_str_eq(t.out, "");
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--hoststat"), EX_OK);
	ck_assert_str_eq(t.out, "");
	ck_assert_int_eq(RUN(ctl_stats, "stats"), EX_OK);
	testctl_shows(&t, "  recipients  121 sent, 1 bounced, 2 expired; deferred 16 times\n");
	terminal(80);
	ck_assert_int_eq(RUN(ctl_sites, "sites"), EX_OK);
	ck_assert_str_eq(t.err, "no site is known yet\n");
}
END_TEST

START_TEST(a_run_that_writes_is_waited_for_a_second)
{
	int fd;

	fill();
	fd = spool_state_append(sp, "ledger");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--forget"), EX_TEMPFAIL);
	testctl_tells(&t, "a run is writing to it");
	close(fd);
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--forget"), EX_OK);
	ck_assert_str_eq(t.out, "forgot 3 sites\n");
}
END_TEST

START_TEST(one_way_to_show_it_at_a_time)
{
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--json", "--hoststat"), EX_USAGE);
	ck_assert_int_eq(RUN(ctl_sites, "sites", "--json", "--forget"), EX_USAGE);
	ck_assert_int_eq(RUN(ctl_stats, "stats", "--json", "--prometheus"), EX_USAGE);
	ck_assert_int_eq(RUN(ctl_stats, "stats", "--output="), EX_USAGE);
	ck_assert_int_eq(RUN(ctl_stats, "stats", "x"), EX_USAGE);
}
END_TEST

/* --- stats -------------------------------------------------------------------------------- */

/* Three messages (testctl_fill), and two that are damaged: in the queue, and put aside. */
static void
fill_queue(void)
{
	struct testctl_queue q;
	char id[ENVELOPE_ID_MAX + 1], path[1100];

	testctl_fill(sp, &q);
	testctl_add(sp, id, NULL, 60, "x@x.example", NULL);
	snprintf(path, sizeof(path), "%s/ctl/%s", spool_path(sp), id);
	ck_assert_int_eq(truncate(path, 10), 0);
	snprintf(path, sizeof(path), "%s/corrupt/x.ctl", spool_path(sp));
	fclose(fopen(path, "w"));
}

START_TEST(counters_and_the_queue_for_people)
{
	ck_assert_int_eq(RUN(ctl_stats, "stats"), EX_OK);
	ck_assert_int_eq(strncmp(t.out,
			     "Nothing has been counted yet\nQueued now\n"
			     "  due         0 messages, 0 recipients\n",
			     60),
	    0);
	testctl_shows(&t, "  oldest      none\n");
	fill();
	fill_queue();
	ck_assert_int_eq(RUN(ctl_stats, "stats"), EX_OK);
	testctl_shows(&t,
	    "Counted since Mon Nov 24 16:00:00, 0s ago\n"
	    "  recipients  121 sent, 1 bounced, 2 expired; deferred 16 times\n"
	    "  twice       perhaps 1 of them\n"
	    "  messages    105 finished; 4.9K were sent\n"
	    "  connections 32, 29 with TLS; 24 failed\n"
	    "  runs        40 over the whole queue, the last Mon Nov 24 15:56:00, 4m ago\n"
	    "Queued now\n"
	    "  due         1 message, 1 recipient\n"
	    "  waiting     1 message, 1 recipient\n"
	    "  held        1 message, 1 recipient\n"
	    "  damaged     2\n"
	    "  oldest      Sat Nov 22 16:00:00, 2d ago\n"
	    "  size        81B\n"
	    "  disk        ");
}
END_TEST

START_TEST(json_of_stats_is_as_its_schema_has_it)
{
	const struct jtree *part;
	struct jtree *v;

	ck_assert_int_eq(RUN(ctl_stats, "stats", "--json"), EX_OK);
	v = testctl_json(&t, "{", STATS_SCHEMA);
	ck_assert_int_eq(jtree_get(v, "since")->kind, J_NULL);
	jtree_free(&v);
	fill();
	fill_queue();
	ck_assert_int_eq(RUN(ctl_stats, "stats", "--json"), EX_OK);
	v = testctl_json(&t, "{", STATS_SCHEMA);
	ck_assert_double_eq(jtree_get(v, "since")->number, T0);
	ck_assert_double_eq(jtree_get(v, "last_pass")->number, T0 - 240);
	ck_assert_double_eq(jtree_get(jtree_get(v, "counters"), "deferred")->number, 16);
	ck_assert_double_eq(jtree_get(jtree_get(v, "counters"), "passes")->number, 40);
	part = jtree_get(jtree_get(v, "queue"), "messages");
	ck_assert_double_eq(jtree_get(part, "waiting")->number, 1);
	ck_assert_double_eq(jtree_get(part, "damaged")->number, 2);
	ck_assert_double_eq(jtree_get(jtree_get(v, "queue"), "oldest")->number, T0 - 2 * DAY);
	ck_assert_double_gt(jtree_get(jtree_get(v, "spool"), "free_bytes")->number, 0);
	jtree_free(&v);
}
END_TEST

static double
value_of(const char *sample)
{
	double v = -1;

	ck_assert_msg(promtext_value(t.out, sample, &v), "no %s in\n%s", sample, t.out);
	return v;
}

START_TEST(prometheus_can_read_it)
{
	char why[1500] = "";

	ck_assert_int_eq(RUN(ctl_stats, "stats", "--prometheus"), EX_OK);
	ck_assert_msg(promtext_ok(t.out, why, sizeof(why)), "%s", why);
	ck_assert_double_eq(value_of("sortie_queue_oldest_age_seconds"), 0);
	fill();
	fill_queue();
	ck_assert_int_eq(RUN(ctl_stats, "stats", "--prometheus"), EX_OK);
	ck_assert_msg(promtext_ok(t.out, why, sizeof(why)), "%s", why);
	ck_assert_double_eq(value_of("sortie_recipients_sent_total"), 121);
	ck_assert_double_eq(value_of("sortie_recipients_expired_total"), 2);
	ck_assert_double_eq(value_of("sortie_tls_connections_total"), 29);
	ck_assert_double_eq(value_of("sortie_last_pass_timestamp_seconds"), T0 - 240);
	ck_assert_double_eq(value_of("sortie_queue_messages{state=\"held\"}"), 1);
	ck_assert_double_eq(value_of("sortie_queue_messages{state=\"damaged\"}"), 2);
	ck_assert_double_eq(value_of("sortie_queue_recipients{state=\"due\"}"), 1);
	ck_assert_double_eq(value_of("sortie_queue_oldest_age_seconds"), 2 * DAY);
}
END_TEST

START_TEST(what_is_no_such_text_is_found)
{
	static const char *const wrong[] = {
	    "",
	    "a 1\n",
	    "# HELP a x\n# TYPE a gauge\n",
	    "# HELP a x\n# TYPE a gauge\na 1",
	    "# HELP a x\na 1\n",
	    "# TYPE a gauge\na 1\n",
	    "# HELP a x\n# TYPE b gauge\nb 1\n",
	    "# HELP a x\n# TYPE a counter\na 1\n",
	    "# HELP a_total x\n# TYPE a_total gauge\na_total 1\n",
	    "# HELP a_total x\n# TYPE a_total counter\na_total -1\n",
	    "# HELP a x\n# TYPE a gauge\na 1\na 2\n",
	    "# HELP a x\n# TYPE a gauge\na one\n",
	    "# HELP a x\n# TYPE a gauge\na{b=c} 1\n",
	    "# HELP a x\n# TYPE a gauge\na{b=\"c} 1\n",
	    "# HELP a x\n# TYPE a gauge\na{0=\"c\"} 1\n",
	    "# HELP a x\n# TYPE a gauge\na{b=\"\\c\"} 1\n",
	    "# HELP a x\n# TYPE a gauge\na 1\n# HELP b y\n# TYPE b gauge\nb 1\na{c=\"d\"} 1\n",
	    "# HELP a x\n# TYPE a gauge\na 1\n# HELP a x\n# TYPE a gauge\na{c=\"d\"} 1\n",
	    "# HELP a \\x\n# TYPE a gauge\na 1\n",
	    "\n# HELP a x\n# TYPE a gauge\na 1\n",
	};
	char why[1500] = "";

	ck_assert_msg(
	    promtext_ok("# HELP a x\n# TYPE a gauge\na{b=\"\\\"c\\\\\",d=\"\"} 1\na{b=\"c\"} 2e3\n",
		why, sizeof(why)),
	    "%s", why);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!promtext_ok(wrong[i], why, sizeof(why)), "%s", wrong[i]);
}
END_TEST

/* --- into a file -------------------------------------------------------------------------- */

static char folder[64], file[96];

static void
setup_folder(void)
{
	setup();
	snprintf(folder, sizeof(folder), "/tmp/sortie-stats.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/sortie.prom", folder);
}

static void
teardown_folder(void)
{
	whole_remove(folder);
	teardown();
}

static char *
file_text(void)
{
	char *text = xcalloc(1, 65536);
	FILE *f = fopen(file, "r");

	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, 65535, f)] = '\0';
	fclose(f);
	return text;
}

static size_t
files_in_folder(void)
{
	DIR *d = opendir(folder);
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

START_TEST(a_file_is_replaced_as_a_whole_and_anybody_may_read_it)
{
	char why[1500] = "";
	struct stat st;
	FILE *old;
	char *text;

	fill();
	umask(077);
	whole_write_file(file, "old\n");
	old = fopen(file, "r");
	ck_assert_int_eq(RUN(ctl_stats, "stats", "--prometheus", "--output", file), EX_OK);
	ck_assert_str_eq(t.out, "");
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert_uint_eq(files_in_folder(), 1);
	ck_assert_int_eq(fgetc(old), 'o'); /* whoever reads the old one has all of it */
	fclose(old);
	text = file_text();
	ck_assert_msg(promtext_ok(text, why, sizeof(why)), "%s", why);
	free(text);
}
END_TEST

START_TEST(what_cannot_be_written_leaves_nothing)
{
	char deep[128];

	fill();
	snprintf(deep, sizeof(deep), "%s/nowhere/x", folder);
	ck_assert_int_eq(RUN(ctl_stats, "stats", "--output", deep), EX_CANTCREAT);
	ck_assert_int_eq(mkdir(file, 0755), 0);
	ck_assert_int_eq(RUN(ctl_stats, "stats", "--output", file), EX_CANTCREAT);
	testctl_tells(&t, "sortie.prom: ");
	ck_assert_int_eq(rmdir(file), 0);
	ck_assert_int_eq(
	    symlink("/dev/null", file), 0); /* as /dev/stdout is; nor is /dev/null a file */
	ck_assert_int_eq(RUN(ctl_stats, "stats", "--output", file), EX_CANTCREAT);
	testctl_tells(&t, "not a plain file");
	ck_assert_uint_eq(files_in_folder(), 1);
}
END_TEST

/* Half the truth replaces nothing: an old file is seen to be old. */
START_TEST(what_was_not_all_seen_is_not_written)
{
	char away[1100], *text;

	fill();
	whole_write_file(file, "old\n");
	snprintf(away, sizeof(away), "%s.away", spool_path(sp));
	ck_assert_int_eq(rename(spool_path(sp), away), 0);
	ck_assert_int_eq(RUN(ctl_stats, "stats", "--output", file), EX_TEMPFAIL);
	ck_assert_int_eq(rename(away, spool_path(sp)), 0);
	text = file_text();
	ck_assert_str_eq(text, "old\n");
	free(text);
	ck_assert_uint_eq(files_in_folder(), 1);
}
END_TEST

Suite *
suite_ctl_sites(void)
{
	Suite *s = suite_create("ctl_sites");
	TCase *tc = tcase_create("sites");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_table_tells_how_sites_are_doing);
	tcase_add_test(tc, no_line_is_wider_than_the_terminal);
	tcase_add_test(tc, of_a_site_that_is_named_all_is_told);
	tcase_add_test(tc, sites_are_called_by_their_names_and_hosts);
	tcase_add_test(tc, a_domain_means_the_site_that_its_mail_goes_to);
	tcase_add_test(tc, json_of_sites_is_as_its_schema_has_it);
	tcase_add_test(tc, hostile_words_reach_neither_terminal_nor_json);
	tcase_add_test(tc, hoststat_is_as_sendmail_prints_it);
	tcase_add_test(tc, what_is_forgotten_is_gone_and_stays_counted);
	tcase_add_test(tc, a_run_that_writes_is_waited_for_a_second);
	tcase_add_test(tc, one_way_to_show_it_at_a_time);
	suite_add_tcase(s, tc);
	tc = tcase_create("stats");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, counters_and_the_queue_for_people);
	tcase_add_test(tc, json_of_stats_is_as_its_schema_has_it);
	tcase_add_test(tc, prometheus_can_read_it);
	tcase_add_test(tc, what_is_no_such_text_is_found);
	suite_add_tcase(s, tc);
	tc = tcase_create("output");
	tcase_add_checked_fixture(tc, setup_folder, teardown_folder);
	tcase_add_test(tc, a_file_is_replaced_as_a_whole_and_anybody_may_read_it);
	tcase_add_test(tc, what_cannot_be_written_leaves_nothing);
	tcase_add_test(tc, what_was_not_all_seen_is_not_written);
	suite_add_tcase(s, tc);
	return s;
}
