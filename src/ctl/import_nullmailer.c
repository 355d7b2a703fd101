/*
 * import_nullmailer.c: nullmailer: a file for each setting, and its queue.
 *
 *	remotes		HOST [PROTOCOL [OPTION]...] a line, in words as the shell has them; the first that
 *			works is used
 *	the queue	a file a message: the sender, the recipients, an empty line, the message. It moves
 *			no file while it works and locks none: nobody may be there but us.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth_file.h"
#include "base/alloc.h"
#include "base/str.h"
#include "ctl/import.h"
#include "ctl/import_folder.h"

enum { FILE_BYTES = 1 << 20, VALUE_BYTES = 512, WORDS = 64 };
enum { OLDEST = 1577836800 }; /* 2020: before that no clock was right */

static const char usual_folder[] = "/etc/nullmailer";

/* --- remotes ------------------------------------------------------------------------------ */

struct remote {
	struct import_out *o;
	struct import_relay relay;
	const char *password, *certificate, *key;
	bool tls, starttls, login;
};

static void
on_source(struct remote *r, const char *value)
{
	out_line(r->o, "bind %s", value);
}

/* The option's name without its dashes; false: it is none that takes a value. */
static bool
on_value(struct remote *r, const char *name, const char *value)
{
	if (strcmp(name, "port") == 0 || strcmp(name, "p") == 0)
		r->relay.port = import_port(value, 0);
	else if (strcmp(name, "user") == 0)
		r->relay.user = value;
	else if (strcmp(name, "pass") == 0)
		r->password = value;
	else if (strcmp(name, "source") == 0)
		on_source(r, value);
	else if (strcmp(name, "x509certfile") == 0)
		r->certificate = value;
	else if (strcmp(name, "x509keyfile") == 0)
		r->key = value;
	else if (strcmp(name, "x509cafile") == 0)
		out_line(r->o, "ca %s", value);
	else if (strcmp(name, "x509crlfile") == 0)
		out_note(r->o, "%s for %s: lists of revoked certificates are not read here", name,
		    r->relay.host);
	else
		return false;
	return true;
}

static bool
takes_value(const char *name)
{
	static const char *const names[] = {"port", "p", "user", "pass", "source", "x509certfile",
	    "x509keyfile", "x509cafile", "x509crlfile"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void
on_flag(struct remote *r, const char *name)
{
	if (strcmp(name, "tls") == 0 || strcmp(name, "ssl") == 0)
		r->tls = true;
	else if (strcmp(name, "starttls") == 0)
		r->starttls = true;
	else if (strcmp(name, "insecure") == 0)
		r->relay.unchecked = true;
	else if (strcmp(name, "auth-login") == 0)
		r->login = true;
	else if (strcmp(name, "x509fmtder") == 0)
		out_note(r->o,
		    "x509fmtder for %s: the files must be in PEM here (openssl x509 -inform "
		    "der)",
		    r->relay.host);
	else if (strcmp(name, "d") != 0 && strcmp(name, "daemon") != 0 && strcmp(name, "s") != 0 &&
		 strcmp(name, "syslog") != 0)
		out_note(r->o, "the option %s for %s has no counterpart here", name, r->relay.host);
}

static void
take_options(struct remote *r, char **words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *name = words[i] + strspn(words[i], "-"), *value = strchr(name, '=');

		if (value != NULL)
			*value++ = '\0';
		else if (takes_value(name) && i + 1 < n)
			value = words[++i];
		if (value == NULL)
			on_flag(r, name);
		else if (!on_value(r, name, value))
			out_note(r->o, "the option %s for %s has no counterpart here", name,
			    r->relay.host);
	}
}

static void
put_remote(struct remote *r)
{
	r->relay.tls = r->tls        ? IMPORT_TLS_FIRST
		       : r->starttls ? IMPORT_TLS_STARTTLS
				     : IMPORT_TLS_NONE;
	if (r->relay.port == 0)
		r->relay.port = r->tls ? 465 : 25;
	out_relay(r->o, &r->relay);
	if (r->relay.user != NULL)
		out_login(r->o, &(struct import_login){.host = r->relay.host,
				    .user = r->relay.user,
				    .secret = r->password,
				    .mechanism = r->login ? "LOGIN" : NULL});
	if (r->certificate != NULL)
		out_line(r->o, "client-cert %s%s%s", r->certificate, r->key != NULL ? " " : "",
		    r->key != NULL ? r->key : "");
}

static void
take_remote(struct import_out *o, char *line)
{
	struct remote r = {.o = o};
	char *words[WORDS];
	size_t n;

	if (line[0] == '#' || line[0] == '\0')
		return;
	n = auth_split(line, words, WORDS);
	if (n == 0) {
		out_note(o, "a line of remotes has a quote without its partner, or too many words");
		return;
	}
	r.relay.host = words[0];
	if (n > 1 && strcmp(words[1], "smtp") != 0) {
		out_note(o, "%s is reached by %s, which is not spoken here", words[0], words[1]);
		return;
	}
	if (n > 2)
		take_options(&r, words + 2, n - 2);
	put_remote(&r);
}

static int
read_remotes(struct import_out *o, const char *folder, char *why, size_t whysize)
{
	char path[VALUE_BYTES], *copy, *rest, *line;
	struct buf text;
	int rc;

	snprintf(path, sizeof(path), "%s/remotes", folder);
	buf_init(&text, FILE_BYTES);
	(void)buf_reserve(&text, FILE_BYTES); /* it has passwords */
	rc = import_read(&text, path);
	if (rc == -1)
		snprintf(why, whysize, "%s: %s", path, strerror(errno));
	copy = rest = xstrndup(buf_data(&text), buf_len(&text));
	while (rc == 0 && (line = import_line(&rest)) != NULL)
		take_remote(o, import_trim(line));
	xwipe(copy, buf_len(&text));
	free(copy);
	buf_wipe(&text);
	buf_free(&text);
	return rc == -1 ? EX_NOINPUT : EX_OK;
}

/* --- the other files ---------------------------------------------------------------------- */

/* The name that is said in EHLO comes first. */
static void
put_names(struct import_out *o, const char *folder)
{
	char name[VALUE_BYTES], host[VALUE_BYTES], domain[VALUE_BYTES];
	bool own = strcmp(folder, usual_folder) == 0; /* /etc/mailname is for the installed one */

	if (import_first_line(folder, "helohost", name, sizeof(name)) ||
	    import_first_line(folder, "me", name, sizeof(name)) ||
	    (own && import_first_line("/etc", "mailname", name, sizeof(name))))
		out_line(o, "hostname %s", name);
	if (!import_first_line(folder, "defaulthost", host, sizeof(host)))
		return;
	if (strchr(host, '.') == NULL &&
	    import_first_line(folder, "defaultdomain", domain, sizeof(domain)))
		out_line(o, "domain %s.%s", host, domain);
	else
		out_line(o, "domain %s", host);
}

/* pausetime and maxpause are one line here. */
static void
put_pauses(struct import_out *o, const char *folder)
{
	char least[VALUE_BYTES] = "60", most[VALUE_BYTES] = "86400";
	bool given = import_first_line(folder, "pausetime", least, sizeof(least));

	given = import_first_line(folder, "maxpause", most, sizeof(most)) || given;
	if (!given)
		return;
	if (strcmp(least, "0") == 0)
		out_note(o, "pausetime 0: sortie -q goes through the queue once and ends");
	else
		out_line(o, "retry %ss %ss", least, most);
}

static void
put_idhost(struct import_out *o, const char *value)
{
	out_note(o, "idhost %s: a Message-ID has the hostname", value);
}

static void
put_adminaddr(struct import_out *o, const char *value)
{
	out_note(o,
	    "adminaddr %s: whatever was for users of this machine went there. Here it is one "
	    "line of /etc/aliases: *: %s",
	    value, value);
}

static void
put_allmailfrom(struct import_out *o, const char *value)
{
	out_line(o, "masquerade * %s", value);
	out_note(o, "allmailfrom changed the envelope's sender alone; masquerade changes the "
		    "header's From as well");
}

static void
put_lifetime(struct import_out *o, const char *value)
{
	out_line(o, "expire %ss", value);
}

static void
put_sendtimeout(struct import_out *o, const char *value)
{
	out_note(o,
	    "sendtimeout %s: each step of a conversation has a timeout of its own here, and "
	    "none stops other mail",
	    value);
}

static void
put_doublebounce(struct import_out *o, const char *value)
{
	out_line(o, "postmaster %s", value);
}

static const struct setting {
	const char *name;
	void (*put)(struct import_out *o, const char *value); /* NULL: it was looked at already */
} settings[] = {
    {"remotes", NULL},
    {"me", NULL},
    {"helohost", NULL},
    {"defaulthost", NULL},
    {"defaultdomain", NULL},
    {"pausetime", NULL},
    {"maxpause", NULL},
    {"idhost", put_idhost},
    {"adminaddr", put_adminaddr},
    {"allmailfrom", put_allmailfrom},
    {"queuelifetime", put_lifetime},
    {"sendtimeout", put_sendtimeout},
    {"doublebounceto", put_doublebounce},
};

enum { NSETTINGS = sizeof(settings) / sizeof(settings[0]) };

static void
put_others(struct import_out *o, const char *folder)
{
	char value[VALUE_BYTES];
	struct dirent *de;
	DIR *d;
	size_t i;

	for (i = 0; i < NSETTINGS; i++)
		if (settings[i].put != NULL &&
		    import_first_line(folder, settings[i].name, value, sizeof(value)))
			settings[i].put(o, value);
	d = opendir(folder);
	while (d != NULL && (de = readdir(d)) != NULL) {
		for (i = 0; i < NSETTINGS && strcmp(de->d_name, settings[i].name) != 0; i++)
			;
		if (i == NSETTINGS && de->d_name[0] != '.')
			out_note(o, "%s: unknown, left out", de->d_name);
	}
	if (d != NULL)
		closedir(d);
}

static int
nullmailer_read(struct import_out *o, const char *folder, char *why, size_t whysize)
{
	int rc = read_remotes(o, folder, why, whysize);

	if (rc != EX_OK)
		return rc;
	put_names(o, folder);
	put_pauses(o, folder);
	put_others(o, folder);
	return EX_OK;
}

/* --- its queue ---------------------------------------------------------------------------- */

static bool
is_nullmailer_item(const char *name)
{
	return name[0] >= '0' && name[0] <= '9';
}

static int
nullmailer_enter(struct folder *f, char *why, size_t whysize)
{
	if (!folder_has_reader(f, "trigger"))
		return EX_OK;
	snprintf(why, whysize,
	    "nullmailer-send is running and locks nothing; stop it first "
	    "(systemctl stop nullmailer, or its init script)");
	return EX_TEMPFAIL;
}

/* Names begin with the time; a file that has been copied is younger than its mail. */
static int64_t
time_of(const char *name, int64_t mtime)
{
	uint64_t at;

	if (str_u64n(name, strspn(name, "0123456789"), INT64_MAX, &at) && (int64_t)at <= mtime &&
	    at >= OLDEST)
		return (int64_t)at;
	return mtime;
}

/* The envelope: everything up to the first empty line but the sender's, which may be empty. */
static bool
parse_envelope(struct import_mail *m, const char *text, size_t n)
{
	const char *p = text, *end = text + n, *eol;

	for (bool first = true; p < end; first = false, p = eol + 1) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL || memchr(p, '\0', (size_t)(eol - p)) != NULL)
			return false;
		if (first) {
			m->sender = xstrndup(p, (size_t)(eol - p));
		} else if (eol == p) {
			m->at = eol + 1 - text;
			return m->nrecipients > 0;
		} else {
			import_add_recipient(m, p, (size_t)(eol - p));
		}
	}
	return false;
}

static int
nullmailer_load(struct folder *f, const char *name, struct import_mail *m)
{
	char *text;
	struct folder_file file;
	ssize_t n;
	int rc = EX_OK;

	if (folder_file(f, name, false, &file) == -1) {
		snprintf(m->why, sizeof(m->why), "%s", strerror(errno));
		return errno == EINVAL || errno == ELOOP ? IMPORT_NONE : EX_TEMPFAIL;
	}
	m->fd = file.fd;
	m->submitted = time_of(name, file.mtime);
	m->submitted_once = true;
	str_copy(m->files[0], sizeof(m->files[0]), name);
	text = xmalloc(FILE_BYTES);
	n = pread(m->fd, text, FILE_BYTES, 0);
	if (n == -1) {
		snprintf(m->why, sizeof(m->why), "%s", strerror(errno));
		rc = EX_TEMPFAIL;
	} else if (!parse_envelope(m, text, (size_t)n)) {
		snprintf(m->why, sizeof(m->why), "it does not begin with a sender and recipients");
		rc = EX_DATAERR;
	}
	free(text);
	return rc;
}

const struct import_from import_nullmailer = {
    .name = "nullmailer",
    .config = usual_folder,
    .read = nullmailer_read,
    .has_queue = true,
    .queue = "/var/spool/nullmailer",
    .below = "queue",
    .is_item = is_nullmailer_item,
    .enter = nullmailer_enter,
    .load = nullmailer_load,
};
