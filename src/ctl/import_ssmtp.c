/*
 * import_ssmtp.c: sSMTP: ssmtp.conf and revaliases. It has no queue.
 *
 *	ssmtp.conf	KEY=VALUE a line, keys in any case; # begins a comment, wherever it stands
 *	revaliases	login:address[:mailhub[:port]]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ctl/import.h"

enum { FILE_BYTES = 1 << 20, PATH_BYTES = 1024 };

struct ssmtp {
	struct import_out *o;
	const char *root, *mailhub, *hostname, *domain, *certificate, *user, *password, *method;
	const char *port, *from_override, *tls, *starttls, *use_certificate;
};

static bool
is_yes(const char *value)
{
	return value != NULL && str_eqi(value, "yes");
}

static void
on_key(struct ssmtp *s, const char *key, const char *value)
{
	const struct {
		const char *key;
		const char **at;
	} keys[] = {{"Root", &s->root}, {"MailHub", &s->mailhub}, {"HostName", &s->hostname},
	    {"RewriteDomain", &s->domain}, {"TLSCert", &s->certificate}, {"AuthUser", &s->user},
	    {"AuthPass", &s->password}, {"AuthMethod", &s->method}, {"RemotePort", &s->port},
	    {"FromLineOverride", &s->from_override}, {"UseTLS", &s->tls},
	    {"UseSTARTTLS", &s->starttls}, {"UseTLSCert", &s->use_certificate}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!str_eqi(key, keys[i].key))
			continue;
		if (*value != '\0')
			*keys[i].at = value;
		return;
	}
	if (str_eqi(key, "AddHeader"))
		out_note(s->o, "AddHeader: header fields cannot be added here");
	else if (!str_eqi(key, "Debug") && !str_eqi(key, "UseOldAUTH"))
		out_note(s->o, "%s: unknown, left out", key);
}

static void
take_lines(struct ssmtp *s, char *text)
{
	char *rest = text, *line, *value;

	while ((line = import_line(&rest)) != NULL) {
		bool cut = line[strcspn(line, "#")] != '\0';

		line[strcspn(line, "#")] = '\0';
		value = strchr(line, '=');
		if (value == NULL)
			continue; /* as sSMTP does */
		*value++ = '\0';
		line = import_trim(line);
		on_key(s, line, import_trim(value));
		if (cut && str_eqi(line, "AuthPass"))
			out_note(s->o, "AuthPass has a # in its line; what stands behind it is a "
				       "comment, as for sSMTP. Is the password right?");
	}
}

/* "host" or "host:port" into host, which is cut. */
static void
set_hub(struct import_relay *r, char *hub, unsigned otherwise)
{
	char *colon = strrchr(hub, ':');

	r->port = otherwise;
	if (colon != NULL && strchr(hub, ':') == colon) { /* else an IPv6 address */
		*colon = '\0';
		r->port = import_port(colon + 1, otherwise);
	}
	r->host = hub;
}

static struct import_relay
relay_of(const struct ssmtp *s)
{
	struct import_relay r = {.unchecked = true, .user = s->user, .tls = IMPORT_TLS_NONE};

	if (is_yes(s->starttls))
		r.tls = IMPORT_TLS_STARTTLS;
	else if (is_yes(s->tls))
		r.tls = IMPORT_TLS_FIRST;
	return r;
}

static unsigned
usual_port(const struct ssmtp *s)
{
	return s->port != NULL ? import_port(s->port, 25) : 25;
}

static void
put_login(struct ssmtp *s, const char *host)
{
	bool cram = s->method != NULL && str_eqi(s->method, "cram-md5");

	if (s->user == NULL)
		return;
	out_login(s->o, &(struct import_login){.host = host,
			    .user = s->user,
			    .secret = s->password,
			    .mechanism = cram ? "CRAM-MD5" : NULL});
	if (s->method != NULL && !cram)
		out_note(s->o, "AuthMethod %s: the strongest that the server offers is taken",
		    s->method);
}

/* login:address[:hub[:port]]: his mail comes from there, and goes that way. */
static void
take_revalias(struct ssmtp *s, char *line)
{
	struct import_relay r = relay_of(s);
	char *address, *hub;

	line = import_trim(line);
	if (*line == '#' || *line == '\0')
		return;
	address = strchr(line, ':');
	if (address == NULL) {
		out_note(s->o, "a line of revaliases is not login:address:mailhub");
		return;
	}
	*address++ = '\0';
	hub = strchr(address, ':');
	if (hub != NULL)
		*hub++ = '\0';
	out_line(s->o, "masquerade %s %s", line, address);
	if (hub == NULL || *hub == '\0' || (s->mailhub != NULL && strcmp(hub, s->mailhub) == 0))
		return;
	set_hub(&r, hub, usual_port(s));
	r.from = address;
	out_relay(s->o, &r);
	put_login(s, r.host);
}

static void
read_revaliases(struct ssmtp *s, const char *conf)
{
	char path[PATH_BYTES], *copy, *rest, *line;
	const char *slash = strrchr(conf, '/');
	struct buf text;

	snprintf(path, sizeof(path), "%.*srevaliases", slash == NULL ? 0 : (int)(slash + 1 - conf),
	    conf);
	buf_init(&text, FILE_BYTES);
	if (import_read(&text, path) == -1 && errno != ENOENT)
		out_note(s->o, "%s: %s", path, strerror(errno));
	copy = rest = xstrndup(buf_data(&text), buf_len(&text));
	while ((line = import_line(&rest)) != NULL)
		take_revalias(s, line);
	free(copy);
	buf_free(&text);
}

static void
put_hub(struct ssmtp *s)
{
	struct import_relay r = relay_of(s);
	char *hub = xstrdup(s->mailhub != NULL ? s->mailhub : "mailhub");

	if (s->mailhub == NULL)
		out_note(s->o, "no MailHub: sSMTP then takes the host called mailhub");
	set_hub(&r, hub, usual_port(s));
	out_relay(s->o, &r);
	put_login(s, r.host);
	if (r.tls != IMPORT_TLS_NONE && r.port == 25)
		out_note(s->o,
		    "port 25 is what sSMTP takes where none is given; providers take logins "
		    "on 587 (submission://) or 465 (smtps://)");
	free(hub);
}

static void
put_names(struct ssmtp *s)
{
	if (s->hostname != NULL)
		out_line(s->o, "hostname %s", s->hostname);
	if (s->domain != NULL) {
		const char *at = strrchr(s->domain, '@');

		out_line(s->o, "masquerade-domain %s", at != NULL ? at + 1 : s->domain);
	}
	if (s->domain != NULL && !is_yes(s->from_override))
		out_note(s->o,
		    "FromLineOverride no: sSMTP replaced every From. Here a From that is "
		    "not this host's stays; to replace all of them: masquerade * ADDRESS");
	if (s->root != NULL)
		out_note(s->o,
		    "Root %s: mail for users with low numbers went there. Here it is one "
		    "line of /etc/aliases for each: root: %s",
		    s->root, s->root);
}

static void
put_certificate(struct ssmtp *s)
{
	if (!is_yes(s->use_certificate))
		return;
	if (s->certificate != NULL)
		out_line(s->o, "client-cert %s", s->certificate);
	else
		out_note(s->o, "UseTLSCert: without TLSCert it is /etc/ssl/certs/ssmtp.pem: "
			       "client-cert FILE");
}

static int
ssmtp_read(struct import_out *o, const char *path, char *why, size_t whysize)
{
	struct ssmtp s = {.o = o};
	struct buf text;
	char *copy;

	buf_init(&text, FILE_BYTES);
	(void)buf_reserve(&text, FILE_BYTES); /* it has a password */
	if (import_read(&text, path) == -1) {
		snprintf(why, whysize, "%s: %s", path, strerror(errno));
		buf_free(&text);
		return EX_NOINPUT;
	}
	copy = xstrndup(buf_data(&text), buf_len(&text));
	take_lines(&s, copy);
	read_revaliases(&s, path); /* relays for some senders come first */
	put_hub(&s);
	put_names(&s);
	put_certificate(&s);
	xwipe(copy, buf_len(&text));
	free(copy);
	buf_wipe(&text);
	buf_free(&text);
	return EX_OK;
}

const struct import_from import_ssmtp = {
    .name = "ssmtp",
    .config = "/etc/ssmtp/ssmtp.conf",
    .read = ssmtp_read,
};
