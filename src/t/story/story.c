/* story.c: reads a story and makes it happen. */
#include "t/story/story.h"

#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "dns_server.h"
#include "local_fake.h"
#include "logcap.h"
#include "net_fake.h"
#include "sortie.h"
#include "vclock.h"

enum { TEXT_MAX = 64 << 20, ARGS_MAX = 64 };

/* --- small things --- */

bool
story_word(const char **p, char *word, size_t size)
{
	size_t n = strcspn(*p, " \t");

	if (n == 0 || n >= size)
		return false;
	memcpy(word, *p, n);
	word[n] = '\0';
	*p += n;
	*p += strspn(*p, " \t");
	return true;
}

unsigned long
story_number(const struct story *s, const char *word)
{
	uint64_t v;

	if (!str_u64(word, 1000000000, &v))
		story_fail(s, "not a number: %s", word);
	return (unsigned long)v;
}

static void
show(struct buf *b, const char *title, const char *text)
{
	if (text != NULL && *text != '\0')
		buf_addf(b, "--- %s\n%s", title, text);
}

void
story_fail(const struct story *s, const char *fmt, ...)
{
	struct buf b, what;
	va_list ap;
	char *err = s->dir[0] != '\0' ? story_read(s, "err") : NULL;

	buf_init(&what, TEXT_MAX);
	buf_addf(&what, "%s:%d: ", s->path, s->line);
	va_start(ap, fmt);
	buf_vaddf(&what, fmt, ap);
	va_end(ap);
	buf_init(&b, TEXT_MAX);
	buf_addf(&b, "=== %s\n", buf_str(&what));
	show(&b, "log", logcap_text());
	show(&b, "stderr of the last command", err);
	if (getenv("STORY_TRACE") != NULL)
		show(&b, "conversation", logcap_trace());
	for (size_t i = 0; i < s->nservers; i++) {
		show(&b, s->servers[i].fake->name, buf_str(&s->servers[i].fake->transcript));
		show(&b, "complaints", buf_str(&s->servers[i].fake->complaints));
	}
	buf_addf(&b, "--- spool: %s/spool\n", s->dir);
	fputs(buf_str(&b), stderr);
	ck_abort_msg("%.1000s", buf_str(&what)); /* Check has no room for all of it */
	abort();
}

struct story_server *
story_server(struct story *s, const char *name)
{
	for (size_t i = 0; i < s->nservers; i++)
		if (strcmp(s->servers[i].fake->name, name) == 0)
			return &s->servers[i];
	return NULL;
}

/* --- commands of the program --- */

/* Splits at blanks; '...' and "..." hold them together. Returns argc; argv ends with NULL. */
static int
split_args(struct story *s, char *text, char **argv)
{
	int argc = 0;

	for (char *in = text; *in != '\0';) {
		char *out = in, quote = '\0';

		if (argc == ARGS_MAX - 1)
			story_fail(s, "too many arguments");
		argv[argc++] = in;
		for (; *in != '\0' && (quote != '\0' || !isspace((unsigned char)*in)); in++)
			if (*in == quote)
				quote = '\0';
			else if (quote == '\0' && (*in == '\'' || *in == '"'))
				quote = *in;
			else
				*out++ = *in;
		while (isspace((unsigned char)*in))
			in++;
		*out = '\0';
	}
	argv[argc] = NULL;
	return argc;
}

/* Points a descriptor at a file below the story's directory; returns what it was, to undo that. */
static int
redirect(const struct story *s, int fd, const char *name, int flags)
{
	char path[STORY_PATH_MAX + 300];
	int saved = fcntl(fd, F_DUPFD_CLOEXEC, 100), to;

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	to = open(path, flags | O_CLOEXEC, 0600);
	if (saved == -1 || to == -1 || dup2(to, fd) == -1)
		story_fail(s, "cannot redirect to %s: %s", path, strerror(errno));
	close(to);
	return saved;
}

static void
undo_redirect(int fd, int saved)
{
	dup2(saved, fd);
	close(saved);
}

/* Its exit is looked at by the next "exit N", or must have been 0. */
static void
check_exit(struct story *s)
{
	if (s->ran && s->exit != 0)
		story_fail(s, "the command before this line ended with %d", s->exit);
	s->ran = false;
}

void
story_program(struct story *s, const char *name, const char *args, const char *input)
{
	struct buf line;
	char *argv[ARGS_MAX], *text;
	int in, out, err, argc;
	int64_t start;

	check_exit(s);
	if (getenv("STORY_ASK") != NULL && !s->asks)
		for (size_t i = 0; i < s->nservers; i++)
			story_ask(s, s->servers[i].fake->name);
	story_write(s, "in", input, strlen(input));
	story_write(s, "hosts", buf_data(&s->hosts), buf_len(&s->hosts));
	story_write(s, "conf", buf_data(&s->config), buf_len(&s->config));
	buf_init(&line, TEXT_MAX);
	buf_addf(&line, "%s -C %s/conf %s", name, s->dir, args);
	text = xstrdup(buf_str(&line));
	buf_free(&line);
	argc = split_args(s, text, argv);
	fflush(stdout);
	fflush(stderr);
	in = redirect(s, 0, "in", O_RDONLY);
	out = redirect(s, 1, "out", O_WRONLY | O_CREAT | O_TRUNC);
	err = redirect(s, 2, "err", O_WRONLY | O_CREAT | O_TRUNC);
	start = vclock_ms();
	s->exit = sortie_run(argc, argv);
	s->took_ms = vclock_ms() - start;
	sys.poll(NULL, 0, 0); /* the servers see what it did last */
	s->ran = true;
	fflush(stdout);
	fflush(stderr);
	undo_redirect(0, in);
	undo_redirect(1, out);
	undo_redirect(2, err);
	free(text);
	story_check_secrets(s);
	story_check_clean(s);
}

static void
submit(struct story *s, const char *args, const char *input)
{
	struct buf b;

	buf_init(&b, TEXT_MAX);
	buf_addf(&b, "-odq %s", args);
	story_program(s, "sendmail", buf_str(&b), input);
	buf_free(&b);
}

/* "submits 50 ARGS": one after another; %d in ARGS is the number, from 1. */
static void
submits(struct story *s, const char *args, const char *input)
{
	char word[32];
	const char *number;
	unsigned long n;

	if (!story_word(&args, word, sizeof(word)))
		story_fail(s, "how many?");
	n = story_number(s, word);
	number = strstr(args, "%d");
	for (unsigned long i = 1; i <= n; i++) {
		struct buf b;

		buf_init(&b, TEXT_MAX);
		if (number != NULL)
			buf_addf(&b, "%.*s%lu%s", (int)(number - args), args, i, number + 2);
		else
			buf_adds(&b, args);
		submit(s, buf_str(&b), input);
		buf_free(&b);
	}
}

/* "runs 96 15m -q": so often, a time apart; each must end with 0. */
static void
runs(struct story *s, const char *args)
{
	char times[32], apart[32];
	int64_t ms;
	unsigned long n;

	if (!story_word(&args, times, sizeof(times)) || !story_word(&args, apart, sizeof(apart)) ||
	    !smtp_script_time(apart, &ms))
		story_fail(s, "runs N TIME ARGS");
	n = story_number(s, times);
	for (unsigned long i = 0; i < n; i++) {
		story_program(s, "sortie", args, "");
		vclock_advance(ms);
	}
}

/* --- the world --- */

/* Calls fn for every line of a block. */
static void
each_line(
    struct story *s, const char *block, void (*fn)(struct story *, void *, const char *), void *ctx)
{
	int first = s->line;

	for (const char *p = block; *p != '\0';) {
		size_t n = strcspn(p, "\n");
		char *line = xstrndup(p, n);

		s->line++;
		if (line[0] != '\0' && line[0] != '#')
			fn(s, ctx, line);
		free(line);
		p += n;
		p += *p == '\n';
	}
	s->line = first;
}

static void
zone_line(struct story *s, void *ctx, const char *line)
{
	(void)ctx;
	if (!dns_fake_add(&s->zone, line))
		story_fail(s, "not a line of a zone: %s", line);
}

static void
script_line(struct story *s, void *ctx, const char *line)
{
	struct smtp_fake *f = ctx;

	if (!smtp_script_line(&f->script, line))
		story_fail(s, "not a line of a server's script: %s", line);
}

/* The lines of a server's script, and what of them concerns the story too. */
static void
script_lines(struct story *s, const char *block, struct smtp_fake *f)
{
	each_line(s, block, script_line, f);
	story_use_certs(s, f);
	if (f->script.secret != NULL)
		story_secret(s, f->script.secret);
}

/* "server NAME ADDRESS..."; a second one of the same name adds to it. */
static void
server(struct story *s, const char *args, const char *block, bool lmtp)
{
	char name[128], address[NET_FAKE_ADDRESS_MAX];
	struct story_server *v;

	if (!story_word(&args, name, sizeof(name)))
		story_fail(s, "a server needs a name");
	v = story_server(s, name);
	if (v == NULL) {
		if (s->nservers == STORY_SERVERS_MAX)
			story_fail(s, "too many servers");
		v = &s->servers[s->nservers++];
		v->fake = smtp_fake_new(name);
		v->fake->lmtp = lmtp;
	}
	while (story_word(&args, address, sizeof(address)))
		smtp_fake_serve(v->fake, address);
	script_lines(s, block, v->fake);
}

/* "script NAME": from now on the server's script is this alone. */
static void
script(struct story *s, const char *args, const char *block)
{
	struct story_server *v = story_server(s, args);

	if (v == NULL)
		story_fail(s, "no server %s", args);
	smtp_script_free(&v->fake->script);
	smtp_script_init(&v->fake->script);
	script_lines(s, block, v->fake);
}

static void
latency(struct story *s, const char *args)
{
	char address[NET_FAKE_ADDRESS_MAX];
	int64_t ms;

	if (!story_word(&args, address, sizeof(address)) || !smtp_script_time(args, &ms))
		story_fail(s, "latency ADDRESS TIME");
	net_fake_latency(address, ms);
}

/* One more name server for the zone. */
static void
resolver(struct story *s, const char *args)
{
	char address[NET_FAKE_ADDRESS_MAX];
	int64_t ms = 5;

	if (!story_word(&args, address, sizeof(address)) ||
	    (*args != '\0' && !smtp_script_time(args, &ms)))
		story_fail(s, "resolver ADDRESS [TIME]");
	dns_server(address, &s->zone, ms);
}

static void
advance(struct story *s, const char *args)
{
	int64_t ms;

	check_exit(s);
	if (!smtp_script_time(args, &ms))
		story_fail(s, "not a time: %s", args);
	vclock_advance(ms);
}

/* "3600", now; "3600 in 5s", while a command runs */
static void
set_clock(struct story *s, const char *args)
{
	char *end;
	long long by = strtoll(args, &end, 10);
	int64_t ms;

	if (*end == '\0')
		vclock_step_wall(by);
	else if (str_starts(end, " in ") && smtp_script_time(end + 4, &ms))
		vclock_step_wall_in(ms, by);
	else
		story_fail(s, "set-clock SECONDS [in TIME]");
}

/* "user NAME": somebody on this machine; with the first there is a local helper. */
static void
user(struct story *s, const char *name)
{
	char folder[128];

	if (s->homes[0] == '\0') {
		snprintf(s->homes, sizeof(s->homes), "%.*s/home", STORY_PATH_MAX, s->dir);
		story_folder(s, "home");
		local_fake_start(s->homes);
	}
	snprintf(folder, sizeof(folder), "home/%.100s", name);
	story_folder(s, folder);
}

static bool
network(struct story *s, const char *verb, const char *args, const char *block)
{
	if (strcmp(verb, "server") == 0 || strcmp(verb, "lmtp") == 0)
		server(s, args, block, verb[0] == 'l');
	else if (strcmp(verb, "script") == 0)
		script(s, args, block);
	else if (strcmp(verb, "zone") == 0)
		each_line(s, block, zone_line, NULL);
	else if (strcmp(verb, "forget-zone") == 0) {
		dns_fake_free(&s->zone);
		dns_fake_init(&s->zone);
	} else if (strcmp(verb, "refused") == 0)
		net_fake_down(args, ECONNREFUSED);
	else if (strcmp(verb, "unreachable") == 0)
		net_fake_down(args, ENETUNREACH);
	else if (strcmp(verb, "silent") == 0)
		net_fake_down(args, 0);
	else if (strcmp(verb, "own") == 0)
		net_fake_own(args);
	else if (strcmp(verb, "latency") == 0)
		latency(s, args);
	else if (strcmp(verb, "resolver") == 0)
		resolver(s, args);
	else if (strcmp(verb, "user") == 0)
		user(s, args);
	else
		return false;
	return true;
}

static void
tolerate(struct story *s, const char *name)
{
	struct story_server *v = story_server(s, name);

	if (v == NULL)
		story_fail(s, "no server %s", name);
	v->tolerated = true;
}

static void
look_at_exit(struct story *s, const char *args)
{
	unsigned long n = story_number(s, args);

	if (!s->ran || s->exit != (int)n)
		story_fail(s, "ended with %d, not %lu", s->exit, n);
	s->ran = false;
}

static void
ask(struct story *s, const char *name)
{
	s->asks = true;
	story_ask(s, name);
}

static void
directive(struct story *s, const char *verb, const char *args, const char *block)
{
	if (network(s, verb, args, block))
		return;
	if (strcmp(verb, "config") == 0)
		story_expand(s, &s->config, block);
	else if (strcmp(verb, "hosts") == 0)
		buf_adds(&s->hosts, block);
	else if (strcmp(verb, "file") == 0)
		story_file(s, args, block);
	else if (strcmp(verb, "folder") == 0)
		story_folder(s, args);
	else if (strcmp(verb, "mode") == 0)
		story_mode(s, args);
	else if (strcmp(verb, "ask") == 0)
		ask(s, args);
	else if (strcmp(verb, "secret") == 0)
		story_secret(s, args);
	else if (strcmp(verb, "submit") == 0)
		submit(s, args, block);
	else if (strcmp(verb, "submits") == 0)
		submits(s, args, block);
	else if (strcmp(verb, "run") == 0)
		story_program(s, "sortie", args, "");
	else if (strcmp(verb, "runs") == 0)
		runs(s, args);
	else if (strcmp(verb, "mailq") == 0)
		story_program(s, "mailq", args, "");
	else if (strcmp(verb, "exit") == 0)
		look_at_exit(s, args);
	else if (strcmp(verb, "advance") == 0)
		advance(s, args);
	else if (strcmp(verb, "set-clock") == 0)
		set_clock(s, args);
	else if (strcmp(verb, "tolerate") == 0)
		tolerate(s, args);
	else if (strcmp(verb, "expect") == 0)
		story_expect(s, args);
	else
		story_fail(s, "not a directive: %s", verb);
}

/* --- the file --- */

/*
 * The block below a directive: lines that start with a tab, without it, and the empty lines between
 * them. Returns where the next directive may be.
 */
static const char *
read_block(const char *p, struct buf *block, int *lines)
{
	int empty = 0;

	buf_clear(block);
	*lines = 0;
	for (;;) {
		size_t n = strcspn(p, "\n");

		if (*p == '\0' || (n > 0 && *p != '\t'))
			return p;
		(*lines)++;
		if (n == 0)
			empty++;
		else {
			for (; empty > 0; empty--)
				buf_addc(block, '\n');
			buf_add(block, p + 1, n - 1);
			buf_addc(block, '\n');
		}
		p += n;
		p += *p == '\n';
	}
}

void
story_tell(struct story *s, const char *text)
{
	struct buf block;
	const char *p = text;
	int lines;

	buf_init(&block, TEXT_MAX);
	while (*p != '\0') {
		size_t n = strcspn(p, "\n");
		char *line = xstrndup(p, n), verb[32];
		const char *args = line;
		bool comment = n == 0 || *line == '#';

		p = read_block(p + n + (p[n] == '\n'), &block, &lines);
		s->line++;
		if (!comment && !story_word(&args, verb, sizeof(verb)))
			story_fail(s, "not understood: %s", line);
		if (!comment)
			directive(s, verb, args, buf_str(&block));
		s->line += lines;
		free(line);
	}
	buf_free(&block);
}

/* The same story draws the same random numbers every time. */
static int
seeded_getentropy(void *bytes, size_t n)
{
	static uint64_t state;
	unsigned char *p = bytes;

	if (state == 0 && getenv("STORY_SEED") != NULL)
		state = strtoull(getenv("STORY_SEED"), NULL, 10);
	for (size_t i = 0; i < n; i++) { /* splitmix64 */
		uint64_t z = (state += 0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
		p[i] = (unsigned char)(z >> 56);
	}
	return 0;
}

/* No power fails in a story; what must be durable when is shown in fault/. */
static int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

void
story_begin(struct story *s)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(s->dir, sizeof(s->dir), "%s/sortie-story.XXXXXX",
	    tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
	if (mkdtemp(s->dir) == NULL)
		story_fail(s, "cannot make %s: %s", s->dir, strerror(errno));
	buf_init(&s->config, TEXT_MAX);
	buf_init(&s->hosts, TEXT_MAX);
	buf_init(&s->written, TEXT_MAX);
	buf_init(&s->secrets, TEXT_MAX);
	dns_fake_init(&s->zone);
	buf_addf(&s->config,
	    "hostname out.example.org\nspool %s/spool\nhosts %s/hosts\n"
	    "nameserver 192.0.2.53\nlog stderr\n",
	    s->dir, s->dir);
	/* Ahead of the kernel's clock, which gives new files their times: none is from the future. */
	vclock_install(time(NULL) + 3600);
	vclock_waits_for_processes();
	net_fake_install();
	logcap_start();
	sys.getentropy = seeded_getentropy;
	sys.fsync = sys.fdatasync = no_sync;
	dns_server("192.0.2.53:53", &s->zone, 5);
}

void
story_free(struct story *s)
{
	logcap_stop();
	dns_fake_free(&s->zone);
	buf_free(&s->config);
	buf_free(&s->hosts);
	buf_free(&s->written);
	buf_free(&s->secrets);
}

void
story_run(const char *path)
{
	struct story s = {.path = path};
	char *text = story_read_path(path);

	if (text == NULL) {
		story_fail(&s, "cannot read it");
		return;
	}
	story_begin(&s);
	story_tell(&s, text);
	check_exit(&s);
	story_end(&s);
	story_free(&s);
	free(text);
}
