/*
 * story_files.c: the files of a story: what it writes, what it reads; that no secret is in any file
 * that the program wrote, and nothing in what people look at that does something to a terminal.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "certs.h"
#include "logcap.h"
#include "proto/sasl_impl.h"
#include "t/story/story.h"
#include "trace.h"

enum { TEXT_MAX = 64 << 20, SECRET_MIN = 6, VARIABLE_MAX = 64 };

/* --- reading and writing --- */

static bool
read_all(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "r");
	char bytes[4096];
	size_t n;

	if (f == NULL)
		return false;
	while ((n = fread(bytes, 1, sizeof(bytes), f)) > 0)
		buf_add(b, bytes, n);
	fclose(f);
	return true;
}

char *
story_read_path(const char *path)
{
	struct buf b;
	char *text = NULL;

	buf_init(&b, TEXT_MAX);
	if (read_all(path, &b))
		text = xstrdup(buf_str(&b));
	buf_free(&b);
	return text;
}

static void
path_of(const struct story *s, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", s->dir, name);
}

char *
story_read(const struct story *s, const char *name)
{
	char path[STORY_PATH_MAX + 300];

	path_of(s, name, path, sizeof(path));
	return story_read_path(path);
}

void
story_write(const struct story *s, const char *name, const char *data, size_t n)
{
	char path[STORY_PATH_MAX + 300];
	FILE *f;

	path_of(s, name, path, sizeof(path));
	umask(077);
	f = fopen(path, "w");
	if (f == NULL || fwrite(data, 1, n, f) != n || fclose(f) != 0)
		story_fail(s, "cannot write %s: %s", path, strerror(errno));
}

void
story_folder(const struct story *s, const char *name)
{
	char path[STORY_PATH_MAX + 300];

	path_of(s, name, path, sizeof(path));
	if (mkdir(path, 0700) != 0)
		story_fail(s, "cannot make %s: %s", path, strerror(errno));
}

void
story_mode(const struct story *s, const char *args)
{
	char word[16], path[STORY_PATH_MAX + 300];
	char *end;
	unsigned long mode;

	if (!story_word(&args, word, sizeof(word)))
		story_fail(s, "mode OCTAL NAME");
	mode = strtoul(word, &end, 8);
	path_of(s, args, path, sizeof(path));
	if (*end != '\0' || chmod(path, (mode_t)mode) != 0)
		story_fail(s, "cannot give %s the mode %s", path, word);
}

/* As sortiectl trace does; what was asked for already, or kept, stays. */
void
story_ask(const struct story *s, const char *name)
{
	char path[STORY_PATH_MAX + 300], file[TRACE_NAME_MAX + 1];
	int fd;

	if (!trace_file_name(file, name))
		story_fail(s, "nothing is called so: %s", name);
	path_of(s, "spool", path, sizeof(path));
	(void)mkdir(path, 0700);
	path_of(s, "spool/" TRACE_FOLDER, path, sizeof(path));
	(void)mkdir(path, 0700);
	snprintf(
	    path, sizeof(path), "%.*s/spool/" TRACE_FOLDER "/%s", STORY_PATH_MAX, s->dir, file);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (fd == -1 || close(fd) != 0)
		story_fail(s, "cannot make %s: %s", path, strerror(errno));
}

char *
story_kept(const struct story *s)
{
	char path[STORY_PATH_MAX + 300];
	struct buf all;
	char *text;
	DIR *d;

	path_of(s, "spool/" TRACE_FOLDER, path, sizeof(path));
	d = opendir(path);
	buf_init(&all, TEXT_MAX);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		snprintf(path, sizeof(path), "%.*s/spool/" TRACE_FOLDER "/%.255s", STORY_PATH_MAX,
		    s->dir, e->d_name);
		if (e->d_name[0] != '.')
			(void)read_all(path, &all);
	}
	if (d != NULL)
		closedir(d);
	text = xstrdup(buf_str(&all));
	buf_free(&all);
	return text;
}

/* --- certificates and variables --- */

/* The directory of certificates, made when it is first wanted. */
static const char *
certs_dir(struct story *s)
{
	if (s->certs[0] == '\0') {
		snprintf(s->certs, sizeof(s->certs), "%.*s/certs", STORY_PATH_MAX, s->dir);
		story_folder(s, "certs");
		certs_make_quickly(s->certs);
	}
	return s->certs;
}

void
story_use_certs(struct story *s, struct smtp_fake *f)
{
	if (f->script.tls != NULL)
		f->certs = certs_dir(s);
}

static bool
is_certificate(const char *name)
{
	for (size_t i = 0; certs_names[i] != NULL; i++)
		if (strcmp(certs_names[i], name) == 0)
			return true;
	return false;
}

static void
add_fingerprint(struct story *s, struct buf *out, const char *name, bool key)
{
	char path[STORY_PATH_MAX + 128], print[100];

	if (!is_certificate(name))
		story_fail(s, "no certificate is called %s", name);
	snprintf(path, sizeof(path), "%s/%s.pem", certs_dir(s), name);
	certs_fingerprint(path, key, print, sizeof(print));
	buf_adds(out, print);
}

/* What stands behind a $ in a block; returns how long it was, 0: it is no variable. */
static size_t
add_variable(struct story *s, struct buf *out, const char *p)
{
	size_t n = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	size_t all =
	    p[n] == ':' ? n + 1 + strspn(p + n + 1, "abcdefghijklmnopqrstuvwxyz0123456789-") : n;
	char name[VARIABLE_MAX];

	if (all >= sizeof(name))
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)all, p);
	if (strcmp(name, "DIR") == 0)
		buf_adds(out, s->dir);
	else if (strcmp(name, "CA") == 0)
		buf_addf(out, "%s/ca.pem", certs_dir(s));
	else if (str_starts(name, "PRINT:"))
		add_fingerprint(s, out, name + 6, false);
	else if (str_starts(name, "KEYPRINT:"))
		add_fingerprint(s, out, name + 9, true);
	else
		return 0;
	return all;
}

void
story_expand(struct story *s, struct buf *out, const char *block)
{
	for (const char *p = block; *p != '\0';) {
		size_t n = *p == '$' ? add_variable(s, out, p + 1) : 0;

		if (n == 0)
			buf_addc(out, *p);
		p += n + 1;
	}
}

void
story_file(struct story *s, const char *name, const char *block)
{
	struct buf b;

	buf_init(&b, TEXT_MAX);
	story_expand(s, &b, block);
	story_write(s, name, buf_data(&b), buf_len(&b));
	buf_free(&b);
	buf_addf(&s->written, "%s\n", name);
}

/* --- secrets --- */

/*
 * What base64 makes of the secret wherever it stands in what is encoded: three ways, without the
 * characters that its neighbours have a part in.
 */
static void
add_base64(struct buf *needles, const char *secret)
{
	static const size_t skip[] = {0, 2, 3};
	size_t n = strlen(secret);

	for (size_t at = 0; at < 3; at++) {
		struct buf plain, coded;

		buf_init(&plain, TEXT_MAX);
		buf_init(&coded, TEXT_MAX);
		buf_add(&plain, "\0\0", at);
		buf_adds(&plain, secret);
		sasl_encode(&coded, buf_data(&plain), buf_len(&plain));
		buf_add(needles, buf_data(&coded) + skip[at], (at + n) * 8 / 6 - skip[at]);
		buf_addc(needles, '\n');
		buf_free(&plain);
		buf_free(&coded);
	}
}

void
story_secret(struct story *s, const char *secret)
{
	char line[300];

	if (strlen(secret) < SECRET_MIN)
		story_fail(s, "so short a secret might be found by chance: %s", secret);
	snprintf(line, sizeof(line), "%s\n", secret);
	if (strstr(buf_str(&s->secrets), line) != NULL)
		return;
	buf_adds(&s->secrets, line);
	add_base64(&s->secrets, secret);
}

static bool
holds(const struct buf *hay, const char *needle, size_t n)
{
	const char *data = buf_data(hay);

	for (size_t i = 0; i + n <= buf_len(hay); i++)
		if (data[i] == needle[0] && memcmp(data + i, needle, n) == 0)
			return true;
	return false;
}

static void
check_text(struct story *s, const char *where, const struct buf *text)
{
	for (const char *p = buf_str(&s->secrets); *p != '\0';) {
		size_t n = strcspn(p, "\n");

		if (holds(text, p, n))
			story_fail(s, "the secret can be seen in %s: %.*s", where, (int)n, p);
		p += n + 1;
	}
}

static bool
written_by_story(struct story *s, const char *path)
{
	const char *name = path + strlen(s->dir) + 1;
	char line[STORY_PATH_MAX + 300];

	snprintf(line, sizeof(line), "%s\n", name);
	return strstr(buf_str(&s->written), line) != NULL;
}

static void
check_files(struct story *s, const char *path)
{
	DIR *d = opendir(path);
	struct buf b;

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char below[STORY_PATH_MAX + 300];
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		if (lstat(below, &st) != 0 || written_by_story(s, below))
			continue;
		if (S_ISDIR(st.st_mode))
			check_files(s, below);
		if (!S_ISREG(st.st_mode))
			continue; /* the spool has a FIFO */
		buf_init(&b, TEXT_MAX);
		if (read_all(below, &b))
			check_text(s, below, &b);
		buf_free(&b);
	}
	if (d != NULL)
		closedir(d);
}

static void
check_string(struct story *s, const char *where, const char *text)
{
	struct buf b;

	buf_init(&b, TEXT_MAX);
	buf_adds(&b, text);
	check_text(s, where, &b);
	buf_free(&b);
}

void
story_check_secrets(struct story *s)
{
	if (buf_len(&s->secrets) == 0)
		return;
	check_string(s, "the log", logcap_text());
	check_string(s, "the conversation", logcap_trace());
	check_files(s, s->dir);
}

/* --- what people look at --- */

/* How many bytes the character at p has, 0: it is none that may be shown. */
static size_t
character(const unsigned char *p)
{
	size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc0 ? 2 : 1;

	if (n == 1)
		return (*p >= 0x20 && *p < 0x7f) || *p == '\n' || *p == '\t';
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if (p[0] == 0xc2 && p[1] < 0xa0)
		return 0; /* the control characters of ISO 6429 beyond ASCII */
	if (p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae)
		return 0; /* ends of lines, and what turns the direction of writing */
	return n;
}

static void
check_clean(struct story *s, const char *where, const char *text)
{
	size_t n;

	for (const char *p = text; *p != '\0'; p += n) {
		n = character((const unsigned char *)p);
		if (n == 0)
			story_fail(s, "byte %02x in %s, behind: %.*s", (unsigned char)*p, where,
			    (int)(p - text < 60 ? p - text : 60),
			    p - (p - text < 60 ? p - text : 60));
	}
}

void
story_check_clean(struct story *s)
{
	static const char *const names[] = {"out", "err"};
	char path[STORY_PATH_MAX + 32], *kept = story_kept(s);
	DIR *d;

	check_clean(s, "the log", logcap_text());
	check_clean(s, "the conversation", logcap_trace());
	check_clean(s, "what was kept of it", kept);
	free(kept);
	for (size_t i = 0; i < 2; i++) {
		char *text = story_read(s, names[i]);

		check_clean(s, names[i], text != NULL ? text : "");
		free(text);
	}
	snprintf(path, sizeof(path), "%s/spool/ctl", s->dir);
	d = opendir(path);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char name[300], *text;

		snprintf(name, sizeof(name), "spool/ctl/%.255s", e->d_name);
		snprintf(path, sizeof(path), "%.255s/%.280s", s->dir, name);
		text = written_by_story(s, path) ? NULL : story_read(s, name);
		check_clean(s, name, text != NULL ? text : "");
		free(text);
	}
	if (d != NULL)
		closedir(d);
}
