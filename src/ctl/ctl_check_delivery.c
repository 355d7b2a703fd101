/*
 * ctl_check_delivery.c: the servers that get the mail: each relay, by a sender that it is for, or a domain's. They
 * are spoken to by `sortie -bv -v`: as a delivery would, with its TLS and its login, and nothing is sent.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "ctl/ctl_check.h"

enum { OUTPUT_MAX = 256 * 1024, TRIALS_MAX = 8, ADDRESS_SIZE = 300, NOT_STARTED = 127 };

struct trial {
	const char *pattern; /* of the relay line; NULL: for every sender */
	char sender[ADDRESS_SIZE]; /* whom it fits */
	char recipient[ADDRESS_SIZE];
};

/* --- whom to ask for ---------------------------------------------------------------------- */

/* With a relay the recipient does not matter, unless his domain goes elsewhere. */
static void
choose_recipient(const struct check *k, char dst[ADDRESS_SIZE])
{
	static const char *const nobodys[] = {/* RFC 2606 */
	    "example.org", "example.net", "example.com", "example.invalid"};
	const struct config *c = &k->c->program.config;
	const char *domain = k->domain;

	for (size_t i = 0; domain == NULL && i < sizeof(nobodys) / sizeof(nobodys[0]); i++) {
		bool elsewhere = config_is_local(c, c->hostname, nobodys[i]);

		for (size_t r = 0; r < c->routes.n; r++)
			elsewhere = elsewhere || str_eqi(c->routes.v[r].pattern, nobodys[i]);
		if (!elsewhere)
			domain = nobodys[i];
	}
	snprintf(dst, ADDRESS_SIZE, "postmaster@%s", domain != NULL ? domain : nobodys[3]);
}

/* A sender whom the pattern fits: *@example.org, .example.org, <> ... False: we know none. */
static bool
choose_sender(const char *pattern, char dst[ADDRESS_SIZE])
{
	char name[ADDRESS_SIZE];
	size_t n = 0;

	for (const char *p = pattern; *p != '\0' && n + 1 < sizeof(name); p++)
		name[n++] = *p == '*' || *p == '?' ? 'x' : *p;
	name[n] = '\0';
	if (strcmp(pattern, "<>") == 0 || strchr(name, '@') != NULL)
		str_copy(dst, ADDRESS_SIZE, name);
	else
		snprintf(dst, ADDRESS_SIZE, "postmaster@%s%.250s", name[0] == '.' ? "x" : "", name);
	return config_sender_matches(pattern, strcmp(dst, "<>") == 0 ? "" : dst);
}

/* Relays for the same senders stand in for each other: one trial. */
static size_t
choose_trials(const struct check *k, struct trial trials[TRIALS_MAX])
{
	const struct targets *relays = &k->c->program.config.relays;
	bool for_all = relays->n == 0;
	size_t n = 0;

	for (size_t i = 0; i < relays->n && n < TRIALS_MAX - 1; i++) {
		const char *pattern = relays->v[i].pattern;
		size_t same = 0;

		for_all = for_all || pattern == NULL;
		while (pattern != NULL && same < n && strcmp(trials[same].pattern, pattern) != 0)
			same++;
		if (pattern == NULL || same < n || !choose_sender(pattern, trials[n].sender))
			continue;
		trials[n++].pattern = pattern;
	}
	if (for_all || k->domain != NULL) {
		trials[n].sender[0] = '\0';
		trials[n++].pattern = NULL;
	}
	for (size_t i = 0; i < n; i++)
		choose_recipient(k, trials[i].recipient);
	return n;
}

/* --- asking ------------------------------------------------------------------------------- */

static int
exec_verify(struct check *k, const void *ctx)
{
	const struct trial *t = ctx;
	const char *argv[10], *file = k->c->program.options.config;
	int null = open("/dev/null", O_RDWR);
	size_t n = 0;

	dup2(null, STDIN_FILENO);
	dup2(STDOUT_FILENO, STDERR_FILENO); /* complaints, and the conversation */
	argv[n++] = k->program;
	if (file != NULL) {
		argv[n++] = "-C";
		argv[n++] = file;
	}
	argv[n++] = "-bv";
	argv[n++] = "-v";
	if (t->pattern != NULL) {
		argv[n++] = "-f";
		argv[n++] = t->sender;
	}
	argv[n++] = t->recipient;
	argv[n] = NULL;
	execv(k->program, (char *const *)(void *)argv);
	return NOT_STARTED;
}

struct facts {
	struct buf text; /* what -bv says of host, TLS and login, in a line */
	struct buf last; /* of the conversation */
};

/* Of several hosts the one that it ended with counts. */
static void
take_line(struct facts *f, const struct trial *t, const char *line)
{
	static const char host[] = "  host: ", complaint[] = "sortie: ";

	if (str_starts(line, host)) {
		buf_clear(&f->text);
		buf_adds(&f->text, line + strlen(host));
	} else if (str_starts(line, "  TLS: ") || str_starts(line, "  login: ")) {
		buf_addf(&f->text, "; %s", line + 2);
	} else if (str_starts(line, "-- ") || str_starts(line, ">>> ") ||
		   str_starts(line, "<<< ")) {
		buf_clear(&f->last);
		buf_adds(&f->last, line);
	} else if (buf_len(&f->text) > 0) {
		return;
	} else if (str_starts(line, complaint)) {
		buf_adds(&f->text, line + strlen(complaint));
	} else if (str_starts(line, t->recipient)) { /* there is no route, and why */
		buf_adds(&f->text, line);
	}
}

static void
take_facts(struct facts *f, const struct trial *t, const struct buf *out)
{
	const char *at = buf_data(out), *end = at + buf_len(out);
	char line[1024];
	size_t n;

	for (; at < end; at += n + 1) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		n = newline == NULL ? (size_t)(end - at) : (size_t)(newline - at);
		snprintf(line, sizeof(line), "%.*s", (int)n, at);
		take_line(f, t, line);
	}
}

/*
 * A server that is asked for everybody's mail should be the one that was meant; of the recipients' own few can show
 * it. Nobody stands between us and a server on this machine.
 */
static bool
is_exposed(const struct check *k, const char *facts)
{
	if (strstr(facts, "[127.") != NULL || strstr(facts, "[::1]") != NULL ||
	    strstr(facts, "; TLS: ") == NULL)
		return false;
	return strstr(facts, "; TLS: none") != NULL ||
	       (k->c->program.config.relays.n > 0 && strstr(facts, "; TLS: verified") == NULL);
}

static void
type_trial(struct check *k, const struct trial *t)
{
	const char *file = k->c->program.options.config;

	check_type(k, "%s%s%s -bv -v%s%s%s %s", k->program, file != NULL ? " -C " : "",
	    file != NULL ? file : "", t->pattern != NULL ? " -f '" : "",
	    t->pattern != NULL ? t->sender : "", t->pattern != NULL ? "'" : "", t->recipient);
}

static void
say_trial(struct check *k, const struct trial *t, int status, struct facts *f)
{
	const char *text = buf_str(&f->text), *last = buf_str(&f->last);
	char from[ADDRESS_SIZE + 16] = "";
	enum check_result result = CHECK_FAIL;

	if (t->pattern != NULL)
		snprintf(from, sizeof(from), "from %s: ", t->pattern);
	if (status == 0)
		result = is_exposed(k, text) ? CHECK_WARN : CHECK_OK;
	if (result != CHECK_OK)
		type_trial(k, t);
	if (status == CHECK_TOO_LATE)
		check_say(k, result, "%sno answer in time%s%s", from,
		    last[0] == '\0' ? "" : "; last: ", last);
	else if (status == NOT_STARTED)
		check_say(k, result, "%s could not be started", k->program);
	else
		check_say(k, result, "%s%s", from, text[0] == '\0' ? "nothing was said" : text);
}

static void
ask_for(struct check *k, const struct trial *t, int64_t at_most_ms)
{
	struct facts f;
	struct buf out;
	int status;

	buf_init(&out, OUTPUT_MAX);
	buf_init(&f.text, OUTPUT_MAX);
	buf_init(&f.last, OUTPUT_MAX);
	status = check_child(k, exec_verify, t, at_most_ms, &out);
	take_facts(&f, t, &out);
	say_trial(k, t, status, &f);
	buf_free(&f.last);
	buf_free(&f.text);
	buf_free(&out);
}

void
check_delivery(struct check *k)
{
	const struct config *c = &k->c->program.config;
	struct trial trials[TRIALS_MAX];
	size_t n = choose_trials(k, trials);

	if (c->local_only != 0) {
		check_say(
		    k, CHECK_OK, "no mail leaves this machine (%s:%d)", c->path, c->local_only);
		return;
	}
	if (c->relays.n == 0 && k->domain == NULL) {
		check_say(k, CHECK_OK,
		    "to the recipients' own servers; `sortiectl check DOMAIN' tries those of one");
		return;
	}
	for (size_t i = 0; i < n; i++)
		ask_for(k, &trials[i], (k->deadline_ms - clock_mono_ms()) / (int64_t)(n - i));
}
