#include "scene.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
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
#include "receiver.h"
#include "spool/envelope.h"
#include "tree.h"
#include "whole.h"

enum { HOUR = 3600, DAY = 24 * HOUR, CONTROL_MAX = 1 << 16 };

#define FIVE \
	{ \
		"a@one.example", "b@one.example", "c@two.example", "later@two.example", \
		    "no@three.example" \
	}

const struct scene scenes[] = {
    {.name = "submission",
	.args = {"sendmail", "-odq"},
	.rcpts = {"a@one.example", "c@two.example"}},
    {.name = "submission, its child delivers",
	.args = {"sendmail", "-odb"},
	.rcpts = {"a@one.example", "c@two.example"},
	.stop = STOP_CHILD},
    {.name = "submission, its child waits for more",
	.args = {"sendmail", "-odb"},
	.rcpts = {"a@one.example"},
	.slow = true},
    {.name = "submission, delivered at once",
	.args = {"sendmail", "-odi"},
	.rcpts = {"a@one.example", "no@three.example"}},
    {.name = "submission over SMTP",
	.args = {"sendmail", "-bs", "-odq"},
	.rcpts = {"a@one.example", "c@two.example"},
	.smtp = true},
    {.name = "first submission of all",
	.args = {"sendmail", "-odq"},
	.rcpts = {"a@one.example"},
	.no_spool = true},
    {.name = "run: 3 messages, 5 recipients, 3 sites",
	.args = {"sortie", "-q"},
	.messages = {{"6b0000000000000aaaaaa1", "s1@one.example", FIVE, 60, false},
	    {"6b0000000000000aaaaaa2", "s2@two.example", FIVE, 50, false},
	    {"6b0000000000000aaaaaa3", "s3@three.example", FIVE, 40, false}}},
    {.name = "run: 4 messages in chunks, 1 connection",
	.args = {"sortie", "-q"},
	.messages = {{"6b0000000000000aaaaaa1", "s1@one.example", {"a@one.example"}, 60, false},
	    {"6b0000000000000aaaaaa2", "s2@two.example", {"a@one.example", "b@one.example"}, 50,
		false},
	    {"6b0000000000000aaaaaa3", "s3@three.example", {"no@one.example"}, 40, false},
	    {"6b0000000000000aaaaaa4", "s4@three.example", {"c@one.example"}, 30, false}},
	.chunking = true},
    {.name = "run, its sites found by DNS",
	.args = {"sortie", "-q"},
	.messages = {{"6b0000000000000aaaaaa1", "s1@one.example",
	    {"a@one.example", "c@two.example"}, 60, false}},
	.dns = true},
    {.name = "report",
	.args = {"sortie", "-q"},
	.messages = {{"6b0000000000000aaaaaa1", "s1@one.example",
	    {"no1@three.example", "no2@two.example"}, 60, false}}},
    {.name = "report that is refused, too",
	.args = {"sortie", "-q"},
	.messages = {{"6b0000000000000aaaaaa1", "nobody@one.example", {"no@three.example"}, 60,
	    false}}},
    {.name = "expired message",
	.args = {"sortie", "-q"},
	.messages = {{"6b0000000000000aaaaaa1", "s1@one.example",
	    {"later@two.example", "a@one.example"}, 6 * DAY, false}}},
    {.name = "warning of a delay",
	.args = {"sortie", "-q"},
	.messages = {{"6b0000000000000aaaaaa1", "s1@one.example",
	    {"later@two.example", "a@one.example"}, 5 * HOUR, false}},
	.warns = true},
    {.name = "damaged control file",
	.args = {"sortie", "-q"},
	.messages = {{"6b0000000000000aaaaaa1", "s1@one.example", {"a@one.example"}, 60, true},
	    {"6b0000000000000aaaaaa2", "s2@one.example", {"a@one.example"}, 60, false}}},
    {.name = "cleaning",
	.args = {"sortie", "-q"},
	.messages = {{"6b0000000000000aaaaaa1", "s1@one.example", {"a@one.example"}, 60, false}},
	.leftovers = true},
    {.name = "mailq",
	.args = {"mailq"},
	.messages = {{"6b0000000000000aaaaaa1", "s1@one.example", {"a@one.example"}, 60, false}},
	.changes_nothing = true},
    {.name = "resident runner, stopped",
	.args = {"sortie", "-q5m"},
	.messages = {{"6b0000000000000aaaaaa1", "s1@one.example",
			 {"a@one.example", "no@three.example"}, 60, false},
	    {"6b0000000000000aaaaaa2", "s2@one.example", {"c@two.example"}, 60, false}},
	.stop = STOP_FIRST},
};
const size_t nscenes = sizeof(scenes) / sizeof(scenes[0]);

const char scene_sender[] = "s@one.example";
const char scene_header[] = "From: <s@one.example>\r\nTo: <a@one.example>\r\n"
			    "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nSubject: kept\r\n";
const char scene_body[] =
    "\r\nDear A,\r\n.one line begins with a dot\r\n\r\nand this is the end.\r\n";

const char *
scene_text(const struct scene_message *m)
{
	static char text[512];

	snprintf(text, sizeof(text),
	    "Received: by out.example (sortie, from userid 0)\r\n\tid %s; "
	    "Mon, 23 Nov 2026 10:00:00 +0000\r\nFrom: <%s>\r\n"
	    "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@out.example>\r\n\r\n"
	    "This is %s.\r\n.a dot\r\nThe end.\r\n",
	    m->id, m->sender, m->id, m->id);
	return text;
}

/* --- the spool before --- */

static void
make_control(const struct scene_message *m, struct buf *out)
{
	struct envelope e;
	size_t i;

	envelope_init(&e);
	snprintf(e.id, sizeof(e.id), "%s", m->id);
	snprintf(e.msgid, sizeof(e.msgid), "%s", m->id);
	e.sender = xstrdup(m->sender);
	e.uid = (long long)getuid();
	e.size = strlen(scene_text(m));
	e.dots = true;
	e.submitted = (int64_t)time(NULL) - m->age_s;
	for (i = 0; i < SCENE_RCPTS && m->rcpts[i] != NULL; i++)
		envelope_add(&e, m->rcpts[i]);
	envelope_write(out, &e);
	envelope_free(&e);
}

static void
make_message(const struct scene_message *m, const char *spool)
{
	struct buf control;

	whole_write_file(tree_path(tree_path(spool, "msg"), m->id), "%s", scene_text(m));
	buf_init(&control, CONTROL_MAX);
	make_control(m, &control);
	/* Damage: the first part ends before its recipients|N. */
	whole_write_file(tree_path(tree_path(spool, "ctl"), m->id), "%.*s",
	    (int)(buf_len(&control) - (m->damaged ? 20 : 0)), buf_str(&control));
	buf_free(&control);
}

static void
make_leftovers(const char *spool)
{
	static const char *const names[] = {"tmp/6a0000000000000bbbbbb1",
	    "tmp/6a0000000000000bbbbbb1.c", "msg/6a0000000000000bbbbbb2"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		whole_write_file(tree_path(spool, names[i]), "left over\r\n");
	tree_age(tree_path(spool, "tmp"), 37 * HOUR);
	tree_age(tree_path(spool, "msg"), 37 * HOUR); /* the queued may be as old as they like */
	unlink(tree_path(spool, "run/clean"));
}

/* An empty spool, made by the program itself, and what is to be in it. */
static void
make_spool(const struct scene *s, const char *dir)
{
	char spool[TREE_PATH_MAX];
	const char *program = tree_path(dir, "sortie");
	const char *const argv[] = {program, "-C", tree_path(dir, "conf"), "-q", NULL};
	size_t i;

	str_copy(spool, sizeof(spool), tree_path(dir, "spool"));
	waitpid(whole_start(argv, tree_path(dir, "output")), NULL, 0);
	umask(077);
	for (i = 0; i < SCENE_MESSAGES && s->messages[i].id != NULL; i++)
		make_message(&s->messages[i], spool);
	if (s->leftovers)
		make_leftovers(spool);
	if (rename(spool, tree_path(dir, "before")) != 0)
		die(EX_CANTCREAT, "%s made no spool: %s", program, strerror(errno));
}

/* --- the rest of its world --- */

static void
make_conf(const struct scene *s, const char *dir)
{
	char routes[512];
	int port = receiver_port();

	if (s->dns)
		snprintf(routes, sizeof(routes), "nameserver 127.0.0.1:%d\nport %d\n",
		    receiver_dns_port(), port);
	else
		snprintf(routes, sizeof(routes),
		    "route one.example smtp://[127.0.0.1]:%d\n"
		    "route two.example smtp://[127.0.0.2]:%d\n"
		    "route three.example smtp://[127.0.0.3]:%d\n",
		    port, port, port);
	whole_write_file(tree_path(dir, "conf"),
	    "hostname out.example\nspool %s/spool\nlog %s/log\nrefuse none\nhosts none\n"
	    "postmaster postmaster@one.example\n%s%s",
	    dir, dir, s->chunking ? "sessions-per-site 1\n" : "", routes);
}

/* What a user's program writes: LF. */
static void
add_text(struct buf *text)
{
	const char *p;
	int part;

	for (part = 0; part < 2; part++)
		for (p = part == 0 ? scene_header : scene_body; *p != '\0'; p++)
			if (*p != '\r')
				buf_addc(text, *p);
}

static void
add_conversation(struct buf *text, const char *const *rcpts)
{
	const char *p;

	buf_addf(text, "EHLO client.example\r\nMAIL FROM:<%s>\r\n", scene_sender);
	for (; *rcpts != NULL; rcpts++)
		buf_addf(text, "RCPT TO:<%s>\r\n", *rcpts);
	buf_addf(text, "DATA\r\n%s", scene_header);
	for (p = scene_body; *p != '\0'; p++)
		buf_addf(text, "%s%c", *p == '.' && p[-1] == '\n' ? "." : "", *p);
	buf_adds(text, ".\r\nQUIT\r\n");
}

static void
make_input(const struct scene *s, const char *dir)
{
	struct buf text;

	buf_init(&text, CONTROL_MAX);
	if (s->smtp)
		add_conversation(&text, s->rcpts);
	else
		add_text(&text);
	whole_write_file(tree_path(dir, "input"), "%s", buf_str(&text));
	buf_free(&text);
}

static void
link_program(const char *program, const char *name)
{
	char *absolute = realpath(program, NULL);

	if (absolute == NULL || symlink(absolute, name) != 0)
		die(EX_CANTCREAT, "%s as %s: %s", program, name, strerror(errno));
	free(absolute);
}

void
scene_make(const struct scene *s, const char *dir, const struct scene_programs *p)
{
	receiver_offer_chunking(s->chunking);
	link_program(p->sortie, tree_path(dir, "sortie"));
	link_program(p->front, tree_path(dir, "sendmail"));
	link_program(p->front, tree_path(dir, "mailq"));
	make_conf(s, dir);
	make_input(s, dir);
	if (!s->no_spool)
		make_spool(s, dir);
}
