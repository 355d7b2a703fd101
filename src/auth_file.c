/* auth_file.c: the credentials file. */
#include "auth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"

/* --- reading it --- */

/* NULL: only root and we can read or change it. */
static const char *
mistrust(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "is not a file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "belongs to somebody else; chown it to root or to the user that sends mail";
	if ((st->st_mode & 077) != 0)
		return "can be read or written by others; chmod 600 it";
	if (st->st_size > AUTH_FILE_MAX)
		return "is too large";
	return NULL;
}

/* All of it, at most AUTH_FILE_MAX; -1 and errno. It may have grown since fstat(2). */
static int
read_all(int fd, struct auth_text *t)
{
	/* Whole at once: growing would leave copies behind. */
	t->text = xmalloc(AUTH_FILE_MAX + 1);
	while (t->n < AUTH_FILE_MAX) {
		ssize_t n = sys.read(fd, t->text + t->n, AUTH_FILE_MAX - t->n);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		t->n += (size_t)n;
	}
	t->text[t->n] = '\0';
	return 0;
}

int
auth_file_read(struct auth_text *t, const char *path, bool missing_ok, char *why, size_t whysize)
{
	/* O_NONBLOCK: somebody may have put a FIFO there. */
	int fd = sys.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
	const char *what = NULL;
	struct stat st;

	*t = (struct auth_text){.text = NULL};
	if (fd == -1 && errno == ENOENT && missing_ok)
		return 0;
	if (fd == -1) {
		snprintf(why, whysize, "%s: %s%s", path, strerror(errno),
		    errno == EACCES ? "; chown it to the user that sends mail" : "");
		return -1;
	}
	if (sys.fstat(fd, &st) == -1 || ((what = mistrust(&st)) == NULL && read_all(fd, t) == -1))
		what = strerror(errno);
	sys.close(fd);
	if (what == NULL)
		return 0;
	auth_file_free(t);
	snprintf(why, whysize, "%s: %s", path, what);
	return -1;
}

void
auth_file_free(struct auth_text *t)
{
	if (t->text != NULL)
		xwipe(t->text, AUTH_FILE_MAX + 1);
	free(t->text);
	*t = (struct auth_text){.text = NULL};
}

/* --- words --- */

struct reader {
	char *p, *end;
	int line; /* of what is read next */
	int word_line; /* of the last word */
	bool ended_line; /* the last word ended its line */
	bool bad; /* sticks; why is set */
	const char *name;
	char *why;
	size_t whysize;
};

/*
 * What is wrong, and where. Never with a word of the file: a word that is out of place may be half
 * of a password.
 */
static void
complain(struct reader *r, int line, const char *what)
{
	if (!r->bad)
		snprintf(r->why, r->whysize, "%s:%d: %s", r->name, line, what);
	r->bad = true;
}

/* To the next word; for a keyword over line ends and comments too. false: there is none. */
static bool
skip_to_word(struct reader *r, bool keyword)
{
	if (r->ended_line && !keyword)
		return false;
	r->ended_line = false;
	for (; r->p < r->end; r->p++) {
		if (*r->p == '\n' && !keyword)
			return false;
		if (*r->p == '#' && keyword)
			while (r->p + 1 < r->end && r->p[1] != '\n')
				r->p++;
		else if (*r->p == '\n')
			r->line++;
		else if (strchr(" \t\r", *r->p) == NULL || *r->p == '\0')
			return true;
	}
	return false;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The rest of "...", which becomes shorter in place. */
static char *
quoted(struct reader *r)
{
	char *start = ++r->p, *out = start;

	for (; r->p < r->end && *r->p != '"' && *r->p != '\n'; r->p++) {
		if (*r->p == '\\' && r->p + 1 < r->end && r->p[1] != '\n')
			r->p++;
		*out++ = *r->p;
	}
	if (r->p == r->end || *r->p != '"')
		complain(r, r->line, "a \" without its partner on the same line");
	else if (++r->p < r->end && !is_blank(*r->p))
		complain(
		    r, r->line, "something right behind a closing \"; a \" within is written \\\"");
	else if (r->p < r->end && *r->p == '\n') {
		r->ended_line = true;
		r->line++;
	}
	if (r->p < r->end)
		r->p++;
	*out = '\0';
	return start;
}

/* The next word, with a NUL behind it; NULL: there is none (for a value: on this line). */
static char *
next_word(struct reader *r, bool keyword)
{
	char *start;

	if (r->bad || !skip_to_word(r, keyword))
		return NULL;
	r->word_line = r->line;
	if (*r->p == '"')
		return quoted(r);
	for (start = r->p; r->p < r->end && !is_blank(*r->p);)
		r->p++;
	if (r->p < r->end && *r->p == '\n') {
		r->ended_line = true;
		r->line++;
	}
	*r->p = '\0'; /* text has one byte more than it is long */
	if (r->p < r->end)
		r->p++;
	return start;
}

/* --- entries --- */

static const char *
value(struct reader *r)
{
	int line = r->word_line;
	char *word = next_word(r, false);

	if (word == NULL)
		complain(r, line, "a keyword without its value on the same line");
	else if (*word == '\0')
		complain(r, line, "an empty value");
	return word != NULL ? word : "";
}

static void
set(struct reader *r, const char **field)
{
	int line = r->word_line;

	if (*field != NULL)
		complain(r, line, "the same thing twice for one machine");
	*field = value(r);
}

static void
set_port(struct reader *r, unsigned *port)
{
	uint64_t n;

	if (!str_u64(value(r), 65535, &n) || n == 0)
		complain(r, r->word_line, "port is a number from 1 to 65535");
	else
		*port = (unsigned)n;
}

static void
set_command(struct reader *r, struct auth_entry *e)
{
	char copy[1024], *argv[AUTH_WORDS_MAX];

	set(r, &e->command);
	if (!str_copy(copy, sizeof(copy), e->command))
		complain(r, r->word_line, "the command is too long");
	else if (auth_split(copy, argv, AUTH_WORDS_MAX) == 0)
		complain(r, r->word_line, "the command has a quote without end, or too many words");
	else if (argv[0][0] != '/')
		complain(r, r->word_line, "the command is not given by its absolute path");
	xwipe(copy, sizeof(copy));
}

static void
set_field(struct reader *r, const char *keyword, struct auth_entry *e)
{
	const char *skipped = NULL;

	if (str_eqi(keyword, "login"))
		set(r, &e->user);
	else if (str_eqi(keyword, "password"))
		set(r, &e->secret);
	else if (str_eqi(keyword, "token")) {
		set(r, &e->secret);
		e->token = true;
	} else if (str_eqi(keyword, "command"))
		set_command(r, e);
	else if (str_eqi(keyword, "token-command")) {
		set_command(r, e);
		e->token = true;
	} else if (str_eqi(keyword, "mechanism"))
		set(r, &e->mechanism);
	else if (str_eqi(keyword, "port"))
		set_port(r, &e->port);
	else if (str_eqi(keyword, "external"))
		e->external = true;
	else if (str_eqi(keyword, "account"))
		set(r, &skipped);
	else
		complain(r, r->word_line,
		    "an unknown keyword; a value with blanks stands in \"...\" (known: machine, "
		    "default, "
		    "port, login, password, token, command, token-command, external, mechanism)");
}

static void
check_entry(struct reader *r, const struct auth_entry *e)
{
	if (e->secret != NULL && e->command != NULL)
		complain(r, e->line, "a secret and a command for one machine");
	if (e->secret == NULL && e->command == NULL && !e->external)
		complain(r, e->line, "no password, token or command for this machine");
}

static bool
fits(const struct auth_entry *e, const struct auth_want *w)
{
	if (e->host != NULL && !str_eqi(e->host, w->host))
		return false;
	if (e->port != 0 && e->port != w->port)
		return false;
	return w->user == NULL || e->user == NULL || strcmp(w->user, e->user) == 0;
}

int
auth_file_find(const char *name, struct auth_text *t, const struct auth_want *w,
    struct auth_entry *e, char *why, size_t whysize)
{
	struct reader r = {.line = 1, .word_line = 1, .name = name, .why = why, .whysize = whysize};
	struct auth_entry one;
	bool found = false, any = false;
	char *word;

	if (t->text == NULL)
		return 0;
	r.p = t->text;
	r.end = t->text + t->n;
	if (memchr(t->text, '\0', t->n) != NULL)
		complain(&r, 1, "not a text file");
	word = next_word(&r, true);
	while (word != NULL) {
		one = (struct auth_entry){.line = r.word_line};
		if (str_eqi(word, "machine"))
			set(&r, &one.host);
		else if (!str_eqi(word, "default"))
			complain(&r, r.word_line, "does not begin with machine or default");
		while ((word = next_word(&r, true)) != NULL && !str_eqi(word, "machine") &&
		       !str_eqi(word, "default"))
			set_field(&r, word, &one);
		check_entry(&r, &one);
		t->ncommands += one.command != NULL;
		if (!fits(&one, w) || found || (one.host == NULL && any))
			continue;
		*e = one;
		found = one.host != NULL;
		any = true;
	}
	return r.bad ? -1 : any ? 1 : 0;
}

/* --- command lines --- */

/* The end of the word at *p, which is written to out; false: a quote without end. */
static bool
split_word(char **p, char *out)
{
	char quote = '\0';

	for (; **p != '\0' && (quote != '\0' || !is_blank(**p)); (*p)++) {
		if (quote == '\0' && (**p == '"' || **p == '\''))
			quote = **p;
		else if (quote != '\0' && **p == quote)
			quote = '\0';
		else if (**p == '\\' && quote != '\'' && (*p)[1] != '\0')
			*out++ = *++*p;
		else
			*out++ = **p;
	}
	if (**p != '\0')
		(*p)++;
	*out = '\0';
	return quote == '\0';
}

size_t
auth_split(char *line, char **argv, size_t max)
{
	size_t n = 0;
	char *p = line;

	for (;;) {
		while (is_blank(*p))
			p++;
		if (*p == '\0')
			break;
		if (n + 1 == max)
			return 0;
		argv[n++] = p;
		if (!split_word(&p, p))
			return 0;
	}
	argv[n] = NULL;
	return n;
}
