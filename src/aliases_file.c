/*
 * aliases_file.c: a file of aliases into entries, and an entry, or a list, into targets.
 */
#include "aliases_impl.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "privilege.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* --- reading ------------------------------------------------------------------------------ */

/* What may pass by itself is worth another try. */
static int
read_error(const char *path, int error, char *why, size_t whysize)
{
	bool lasts = error == EACCES || error == EPERM || error == ENOTDIR || error == ELOOP ||
		     error == ENAMETOOLONG || error == EISDIR || error == ENXIO;

	snprintf(why, whysize, "%s: %s", path, strerror(error));
	if (error == ENOENT)
		return EX_NOINPUT;
	return lasts ? EX_CONFIG : EX_TEMPFAIL;
}

/*
 * A list may lie in somebody's home, who can put a link to any file in its place. What we may read and he
 * may not is not for him: what is taken for addresses there gets into reports, and so to him.
 */
static const char *
refused_file(const struct stat *st, bool list, size_t max)
{
	if (!S_ISREG(st->st_mode))
		return "not a plain file";
	if (list && privilege_is_set_id() && (st->st_mode & S_IROTH) == 0)
		return "not readable for everybody; chmod o+r it, or put the addresses into the "
		       "file of aliases";
	if ((uintmax_t)st->st_size <= max)
		return NULL;
	return list ? "too large; a list may have 16 MiB, and all lists of a message 32 MiB"
		    : "too large";
}

static int
read_whole(int fd, struct buf *b)
{
	enum { PIECE = 16 * 1024 };
	ssize_t n;
	char *at;

	do {
		if ((at = buf_reserve(b, PIECE)) == NULL) {
			errno = EFBIG;
			return -1;
		}
		n = sys.read(fd, at, PIECE);
		if (n > 0)
			buf_commit(b, (size_t)n);
	} while (n > 0 || (n == -1 && errno == EINTR));
	return (int)n;
}

int
aliases_read(const char *path, bool list, struct buf *b, char *why, size_t whysize)
{
	int fd = sys.openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0),
	    rc = EX_OK;
	const char *bad = NULL;
	struct stat st;

	if (fd == -1)
		return read_error(path, errno, why, whysize);
	if (sys.fstat(fd, &st) == -1)
		rc = read_error(path, errno, why, whysize);
	else if ((bad = refused_file(&st, list, b->max)) == NULL && read_whole(fd, b) == -1)
		rc = read_error(path, errno, why, whysize);
	else if (bad == NULL && memchr(buf_data(b), '\0', buf_len(b)) != NULL)
		bad = "holds a NUL byte; not a file of aliases";
	sys.close(fd);
	if (bad == NULL)
		return rc;
	snprintf(why, whysize, "%s: %s", path, bad);
	return EX_CONFIG;
}

int
aliases_lists_read(
    struct aliases_lists *l, const char *path, struct buf *b, char *why, size_t whysize)
{
	size_t left = ALIASES_LISTS_BYTES - l->bytes;
	int rc;

	buf_init(b, left < ALIASES_FILE_MAX ? left : ALIASES_FILE_MAX);
	rc = aliases_read(path, true, b, why, whysize);
	l->bytes += buf_len(b);
	return rc;
}

size_t
aliases_lists_add(struct aliases_lists *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].path, path) == 0)
			return i;
	l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n] = (struct aliases_list){.path = xstrdup(path)};
	return l->n++;
}

void
aliases_lists_free(struct aliases_lists *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].path);
	free(l->v);
}

/* --- targets ------------------------------------------------------------------------------ */

/* A comment: to the end of its line. At the start of a line # is enough, elsewhere it stands alone. */
static bool
is_comment(const struct aliases_text *t, const char *p, bool start)
{
	return *p == '#' && (start || p + 1 == t->end || is_blank(p[1]) || p[1] == '\n');
}

/* To where the next target starts. */
static void
skip_between(struct aliases_text *t)
{
	for (; t->at < t->end; t->at++) {
		if (is_comment(t, t->at, t->start)) {
			while (t->at < t->end && *t->at != '\n')
				t->at++;
			if (t->at == t->end)
				return;
		}
		if (*t->at == '\n')
			t->line++;
		if (*t->at == '\n')
			t->start = true;
		else if (*t->at == ',')
			t->start = false;
		else if (!is_blank(*t->at))
			return;
	}
}

/* Up to a comma, a comment or the end of the line; what stands in quotes holds together. */
static const char *
target_end(const struct aliases_text *t)
{
	const char *p = t->at;
	bool quoted = false;

	for (; p < t->end && *p != '\n' && (quoted || *p != ','); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (*p == '\\' && quoted && p + 1 < t->end && p[1] != '\n')
			p++;
		else if (!quoted && is_blank(*p) && p + 1 < t->end && is_comment(t, p + 1, false))
			break;
	}
	return p;
}

static void
bad_target(
    const struct aliases_text *t, struct aliases_target *target, const char *shown, const char *why)
{
	enum { SHOWN_MAX = 200 };
	char clean[SHOWN_MAX + 1];

	str_clean(clean, sizeof(clean), shown, strlen(shown));
	target->kind = ALIASES_BAD;
	snprintf(target->text, sizeof(target->text), "%s%s%s", t->secret ? "" : clean,
	    t->secret ? "" : ": ", why);
}

struct one { /* address of a target */
	char *mailbox;
	bool good;
};

static void
take_address(void *ctx, const char *mailbox, enum address_error e)
{
	struct one *one = ctx;

	one->good = e == ADDRESS_OK;
	(void)str_copy(one->mailbox, ADDRESS_MAX + 1, mailbox);
}

/* Something else than an address, which may stand in quotes, too. */
static bool
is_special(const char *raw)
{
	const char *p = raw + (raw[0] == '"');

	return *p == '|' || *p == '/' || *p == ':' || str_starts(p, "~/");
}

/* RFC 5322 3.4 has groups, "name: address;". Here that is another entry with its line end forgotten. */
static bool
is_group(const char *raw)
{
	const char *p = raw + strcspn(raw, ":;<[\"");

	return *p == ':' || *p == ';';
}

static void
read_address(const struct aliases_text *t, struct aliases_target *target, const char *raw)
{
	const char *all = raw;
	struct one one = {.mailbox = target->text};

	target->kind = raw[0] == '\\' ? ALIASES_AS_IT_IS : ALIASES_ADDRESS;
	raw += raw[0] == '\\';
	if (is_special(raw) || is_group(raw) || address_argument(raw, take_address, &one) != 1 ||
	    !one.good)
		bad_target(
		    t, target, all, "not a mail address; write addresses with commas between them");
}

static void
read_special(const struct aliases_text *t, struct aliases_target *target, const char *raw)
{
	static const char include[] = ":include:";
	const char *path = raw + sizeof(include) - 1;

	if (raw[0] == '|') {
		bad_target(t, target, raw, "commands are not run; write an address instead");
	} else if (strcmp(raw, "/dev/null") == 0) {
		target->kind = ALIASES_NOBODY;
	} else if (raw[0] == '/' || raw[0] == '~') {
		bad_target(t, target, raw, "files are not written to; write an address instead");
	} else if (!str_neqi(raw, include, sizeof(include) - 1)) {
		bad_target(t, target, raw, "unknown; write an address, or :include:/path");
	} else {
		path += strspn(path, " \t");
		target->kind = ALIASES_INCLUDE;
		if (path[0] != '/' || !str_copy(target->text, sizeof(target->text), path))
			bad_target(t, target, raw,
			    "write the whole path of the list, like "
			    ":include:/etc/mail/list");
	}
}

bool
aliases_next(struct aliases_text *t, struct aliases_target *target)
{
	char raw[2 * ADDRESS_MAX];
	const char *from, *to;

	skip_between(t);
	if (t->at == t->end)
		return false;
	from = t->at;
	t->at = to = target_end(t);
	t->start = false;
	while (is_blank(to[-1]))
		to--;
	target->line = t->line;
	if ((size_t)(to - from) >= sizeof(raw)) {
		bad_target(t, target, "a target", "too long");
		return true;
	}
	memcpy(raw, from, (size_t)(to - from));
	raw[to - from] = '\0';
	if (!is_special(raw)) {
		read_address(t, target, raw);
	} else if (raw[0] == '"') {
		if (to[-1] == '"')
			raw[to - from - 1] = '\0';
		read_special(t, target, raw + 1);
	} else {
		read_special(t, target, raw);
	}
	return true;
}

/* --- entries ------------------------------------------------------------------------------ */

struct parse {
	struct aliases_file *file;
	char *at, *end;
	int line;
	aliases_bad_fn *bad;
	void *ctx;
};

static void
bad_entry(const struct parse *p, int line, const char *shown, const char *why)
{
	enum { SHOWN_MAX = 100 };
	char text[ALIASES_WHY_MAX], clean[SHOWN_MAX + 1];

	str_clean(clean, sizeof(clean), shown, strcspn(shown, "\n"));
	snprintf(text, sizeof(text), "%s: %s", clean, why);
	p->bad(p->ctx, line, text);
}

/* The text has a NUL at its end. */
static char *
line_end(const struct parse *p, char *from)
{
	char *eol = memchr(from, '\n', (size_t)(p->end - from));

	return eol == NULL ? p->end : eol;
}

/* To the closing quote of what starts with one; NULL: there is none. */
static char *
quoted_end(char *from, char *eol)
{
	for (char *p = from + 1; p < eol; p++) {
		if (*p == '"')
			return p;
		if (*p == '\\' && p + 1 < eol)
			p++;
	}
	return NULL;
}

/* Without the quotes, at the place where they were. */
static void
unquote(char *from, const char *end)
{
	char *to = from;

	for (const char *p = from + 1; p < end; p++) {
		if (*p == '\\')
			p++;
		*to++ = *p;
	}
	*to = '\0';
}

static char *
quoted_name(char *line, char *eol, char **value, const char **why)
{
	char *end = quoted_end(line, eol), *p;

	if (end == NULL) {
		*why = "the name has no second quotation mark";
		return NULL;
	}
	for (p = end + 1; p < eol && is_blank(*p);)
		p++;
	if (p == eol || *p != ':')
		return NULL;
	unquote(line, end);
	*value = p + 1;
	return line;
}

static char *
bare_name(char *line, char *eol, char **value, const char **why)
{
	char *p = memchr(line, ':', (size_t)(eol - line)), *last = p;

	if (p == NULL)
		return NULL;
	*value = p + 1;
	*p = '\0';
	while (last > line && is_blank(last[-1]))
		last--;
	if (last == line || strcspn(line, " \t,\"<>()") < (size_t)(last - line)) {
		*why = "not a name; write it in quotes if it is";
		return NULL;
	}
	*last = '\0';
	return line;
}

/* The name before the colon, and where the value begins; NULL: why says what is wrong. */
static char *
read_name(char *line, char *eol, char **value, const char **why)
{
	char *name;

	*why = "there is no colon; write name: address";
	name =
	    line[0] == '"' ? quoted_name(line, eol, value, why) : bare_name(line, eol, value, why);
	if (name == NULL || strchr(name, '@') == NULL)
		return name;
	*why = "aliases are for names of this machine; write it without @ and domain";
	return NULL;
}

/* The lines that continue the value, with empty ones and comments among them. */
static char *
value_end(struct parse *p, char *eol)
{
	p->line++;
	for (; eol < p->end; p->line++) {
		char *next = eol + 1;

		if (next == p->end || (!is_blank(*next) && *next != '#' && *next != '\n'))
			break;
		eol = line_end(p, next);
	}
	return eol;
}

static void
take_entry(struct parse *p)
{
	struct aliases_file *f = p->file;
	int line = p->line;
	char *eol = line_end(p, p->at), *name, *value = NULL;
	const char *why;

	name = read_name(p->at, eol, &value, &why);
	if (name == NULL)
		bad_entry(p, line, p->at, why);
	eol = value_end(p, eol);
	p->at = eol < p->end ? eol + 1 : eol;
	if (name == NULL)
		return;
	str_lowercase(name);
	f->v = xgrow(f->v, f->n, &f->cap, sizeof(*f->v));
	f->v[f->n++] =
	    (struct alias){.name = name, .value = value, .n = (size_t)(eol - value), .line = line};
}

static bool
is_empty_line(const char *p, const char *eol)
{
	while (p < eol && is_blank(*p))
		p++;
	return p == eol || *p == '#';
}

/* The entries have come to rest. */
static void
index_names(struct parse *p)
{
	struct aliases_file *f = p->file;

	for (size_t i = 0; i < f->n; i++) {
		struct alias *a = &f->v[i];
		struct map_node *before = map_get(&f->names, a->name);
		char why[80];

		if (before == NULL) {
			map_put(&f->names, &a->node, a->name);
			continue;
		}
		snprintf(why, sizeof(why), "given before, in line %d, which counts; remove one",
		    map_item(before, struct alias, node)->line);
		bad_entry(p, a->line, a->name, why);
	}
}

void
aliases_parse(struct aliases_file *f, const char *text, size_t n, aliases_bad_fn *bad, void *ctx)
{
	struct parse p = {.file = f, .line = 1, .bad = bad, .ctx = ctx};

	memset(f, 0, sizeof(*f));
	f->text = xstrndup(text, n);
	map_init(&f->names);
	p.at = f->text;
	p.end = f->text + strlen(f->text);
	while (p.at < p.end) {
		char *eol = line_end(&p, p.at);

		if (!is_empty_line(p.at, eol) && !is_blank(*p.at)) {
			take_entry(&p);
			continue;
		}
		if (!is_empty_line(p.at, eol))
			bad_entry(&p, p.line, p.at,
			    "starts with a blank, but there is no line before it to continue");
		p.line++;
		p.at = eol < p.end ? eol + 1 : eol;
	}
	index_names(&p);
}

void
aliases_file_free(struct aliases_file *f)
{
	if (f->text == NULL)
		return;
	map_free(&f->names);
	free(f->v);
	free(f->text);
	memset(f, 0, sizeof(*f));
}

struct alias *
aliases_find(const struct aliases_file *f, const char *name)
{
	char key[ADDRESS_MAX + 1];
	struct map_node *node;

	if (f->n == 0 || !str_copy(key, sizeof(key), name))
		return NULL;
	str_lowercase(key);
	node = map_get(&f->names, key);
	return node == NULL ? NULL : map_item(node, struct alias, node);
}
