/*
 * ctl_trace.c: asks for the next conversation with a site.
 */
#include "ctl/ctl_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>

#include "base/str.h"
#include "base/sys.h"
#include "ctl/ctl_term.h"
#include "route.h"

/* --- which site --------------------------------------------------------------------------- */

/* Sites have names of several words, "relay mx.example.net:25", which need not be quoted. */
static int
join(struct ctl *c, int argc, char **argv, char said[TRACE_SITE_MAX])
{
	size_t n = 0;

	for (int i = 1; i < argc; i++) {
		int more = snprintf(said + n, TRACE_SITE_MAX - n, i > 1 ? " %s" : "%s", argv[i]);

		if (more < 0 || (size_t)more >= TRACE_SITE_MAX - n)
			return ctl_usage(c, "no site has so long a name");
		n += (size_t)more;
	}
	if (strchr(said, '@') != NULL && strchr(said, ' ') == NULL)
		return ctl_usage(c, "an address is no site, its domain may be one");
	return EX_OK;
}

static bool
names_host(const struct targets *t, const char *host)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eqi(t->v[i].host, host))
			return true;
	return false;
}

/* A host of the configuration may have been meant, and not what its domain's mail is sent to. */
static bool
is_host(const struct config *c, const char *said)
{
	return names_host(&c->relays, said) || names_host(&c->routes, said) ||
	       names_host(&c->fallbacks, said) || names_host(&c->local_lmtp, said);
}

/* Mail for a domain may go by a relay, and then that is the site. */
static void
find_site(struct config *c, const char *domain, char name[TRACE_SITE_MAX])
{
	struct router *r = router_new(NULL, NULL, c, config_hostname(c));
	struct buf key;

	buf_init(&key, TRACE_SITE_MAX);
	router_site_key(r, "", domain, &key);
	str_copy(name, TRACE_SITE_MAX, buf_str(&key));
	buf_free(&key);
	router_free(&r);
}

static int
parse_site(struct ctl *c, struct trace_site *s, int argc, char **argv)
{
	int rc = join(c, argc, argv, s->said);

	if (rc != EX_OK)
		return rc;
	if (strchr(s->said, ' ') != NULL || str_eqi(s->said, "local") ||
	    is_host(&c->program.config, s->said))
		str_copy(s->name, sizeof(s->name), s->said);
	else
		find_site(&c->program.config, s->said, s->name);
	str_lowercase(s->name);
	if (!trace_file_name(s->file, s->name))
		return ctl_usage(c, "so long a name cannot be asked for; one of its hosts can");
	return EX_OK;
}

/* --- asking ------------------------------------------------------------------------------- */

static int
make_request(int folder, const char *file)
{
	int fd =
	    sys.openat(folder, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd == -1)
		return -1;
	sys.close(fd);
	return 0;
}

/* What was kept before is not wanted any more. */
static int
ask(int folder, const struct trace_site *s)
{
	struct kept k;

	for (int tries = 0; tries < 3; tries++) {
		if (make_request(folder, s->file) == 0)
			return EX_OK;
		if (errno != EEXIST)
			break;
		if (kept_look(folder, s->file, &k) == 0 && k.state == TRACE_ASKED_FOR)
			return EX_OK;
		if (k.state == TRACE_UNDER_WAY)
			return ctl_fail(
			    EX_TEMPFAIL, "a conversation with %s is being kept just now", s->name);
		if (sys.unlinkat(folder, s->file, 0) == -1 && errno != ENOENT)
			break;
	}
	return ctl_fail(EX_IOERR, "%s cannot be asked for: %s", s->name, strerror(errno));
}

/* What is typed next; a resident run would come to it by itself, with the next mail. */
static void
say_asked(struct ctl *c, const struct trace_site *s)
{
	bool domain = !is_host(&c->program.config, s->said) && strchr(s->said, ' ') == NULL &&
		      !str_eqi(s->said, "local");

	if (!str_eqi(s->said, s->name)) {
		term_print(c, s->said);
		fputs(" is sent to ", c->out);
		term_print(c, s->name);
		putc('\n', c->out);
	}
	fputs("the next conversation with ", c->out);
	term_print(c, s->name);
	fputs(" will be kept\nnow:   sortiectl retry ", c->out);
	fputs(domain ? "--site " : "--all", c->out);
	term_print(c, domain ? s->said : "");
	if (!spool_runner_present(c->program.spool, "full"))
		fputs("; sortie -q", c->out);
	fputs("\nthen:  sortiectl trace --show ", c->out);
	term_print(c, s->said);
	putc('\n', c->out);
}

static int
trace_ask(struct ctl *c, const struct trace_site *s)
{
	int rc, folder;

	if (strcmp(s->name, "local") == 0 && c->program.config.local != CONFIG_LOCAL_LMTP)
		return ctl_fail(EX_USAGE, "what stays on this machine is not sent to anybody");
	if ((folder = kept_folder(c, true, &rc)) == -1)
		return rc;
	rc = ask(folder, s);
	sys.close(folder);
	if (rc != EX_OK)
		return rc;
	spool_wake_anew(c->program.spool);
	say_asked(c, s);
	return EX_OK;
}

/* --- removing ----------------------------------------------------------------------------- */

static int
remove_one(int folder, const char *file, size_t *n)
{
	char name[TRACE_NAME_MAX + 1];

	if (sys.unlinkat(folder, file, 0) == 0)
		++*n;
	else if (errno != ENOENT)
		return ctl_fail(EX_IOERR, "%s: %s", kept_site(file, name), strerror(errno));
	return EX_OK;
}

static int
remove_all(int folder, size_t *removed)
{
	size_t n;
	char **names = kept_names(folder, &n);
	int rc = EX_OK;

	for (size_t i = 0; i < n; i++)
		if (remove_one(folder, names[i], removed) != EX_OK)
			rc = EX_IOERR;
	kept_free_names(names, n);
	return rc;
}

/* The folder, too, if it is empty: without it no run has anything to look into. */
static int
trace_off(struct ctl *c, const struct trace_site *s)
{
	int rc, folder = kept_folder(c, false, &rc);
	char path[TRACE_SITE_MAX];
	size_t n = 0;

	if (folder != -1) {
		rc = s != NULL ? remove_one(folder, s->file, &n) : remove_all(folder, &n);
		sys.close(folder);
		snprintf(path, sizeof(path), "%s/" TRACE_FOLDER, spool_path(c->program.spool));
		(void)sys.unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
	}
	if (rc == EX_OK && s != NULL && n == 0)
		return ctl_fail(EX_NOINPUT, "%s: no conversation was asked for", s->name);
	fprintf(c->out, "removed %zu\n", n);
	return rc;
}

/* --- the command -------------------------------------------------------------------------- */

int
ctl_trace(struct ctl *c, int argc, char **argv)
{
	bool show = false, off = false;
	const struct ctl_option options[] = {{"--show", &show, NULL}, {"--off", &off, NULL},
	    {"--json", &c->json, NULL}, {NULL, NULL, NULL}};
	struct trace_site s = {.said = ""};
	int rc = ctl_options(c, options, &argc, argv);

	if (rc == EX_OK && argc > 1)
		rc = parse_site(c, &s, argc, argv);
	if (rc != EX_OK)
		return rc;
	if ((show && off) || (c->json && (show || off || argc > 1)))
		return ctl_usage(c, "only one of these at once");
	if (show)
		return argc > 1 ? kept_show(c, &s) : ctl_usage(c, "whose conversation?");
	if (off)
		return trace_off(c, argc > 1 ? &s : NULL);
	return argc > 1 ? trace_ask(c, &s) : kept_list(c);
}
