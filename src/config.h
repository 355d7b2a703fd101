/*
 * config.h: sortie.conf as a struct. Every key is a row of one table in config_keys.c.
 *
 * A key and its value a line; # starts a comment; unknown keys and bad values are errors with file
 * and line. Nothing below the top level sees this struct: who calls a layer fills that layer's own options.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <netinet/in.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/tls.h"
#include "proto/smtp.h"

enum target_kind {
	TARGET_HOST, /* smtp://host[:port]: its addresses, no MX */
	TARGET_ADDRESS, /* smtp://[192.0.2.7]:2525 */
	TARGET_MX, /* mx:example.net: as if the mail were for that domain */
	TARGET_LMTP_HOST, /* lmtp://host:port */
	TARGET_LMTP_PATH, /* lmtp:/path */
};

struct target { /* where a relay, route or fallback line points */
	enum target_kind kind;
	char *host; /* name, address in text form without [], domain, or path */
	uint16_t port; /* 0: the default (`port` for smtp) */
	int line; /* in the configuration file, for the log */
	bool tls_first; /* smtps: TLS from the start (RFC 8314 3.3) */
	/* submission or smtps: a provider's server, verified unless a tls line says else */
	bool submission;
	char *user; /* of the URL: whose credentials; NULL: whichever are there for the host */
	char *pattern; /* relay: sender pattern or NULL; route: the recipient domain */
};

struct targets {
	struct target *v;
	size_t n, cap;
};

struct net { /* refuse: address/prefix */
	struct in6_addr ip; /* IPv4 as mapped */
	unsigned bits; /* of 128 */
};

struct tls_rule { /* tls NAME LEVEL */
	char *name; /* host or recipient domain; .NAME: those below it; the longest counts */
	struct tls_policy policy;
};

struct masquerade { /* masquerade WHOM ADDRESS */
	char *whom; /* user, user@domain, @domain, or * */
	char *as; /* user@domain, or @domain: the domain alone */
};

enum config_local { /* where mail for users of this machine goes */
	CONFIG_LOCAL_AS_ANY, /* where all other mail goes */
	CONFIG_LOCAL_MAILDIR, /* into their mailboxes, by the local helper (local/local.h) */
	CONFIG_LOCAL_MBOX,
	CONFIG_LOCAL_LMTP,
	CONFIG_LOCAL_DISCARD, /* nowhere */
};

typedef void config_bad_fn(void *ctx, int line, const char *why);

struct config {
	char *path; /* of the file, for messages */
	bool roots; /* ... which root alone can write to */
	config_bad_fn *on_bad; /* hears of each bad line; NULL: reading ends at the first */
	void *on_bad_ctx;
	/* The effective user's, for commands that print secrets; NULL: unknown. */
	char *home, *user;
	char *hostname, *domain; /* NULL: found out */
	char *spool;
	struct targets relays, fallbacks, routes;
	enum config_local local;
	char *local_path; /* MAILDIR: below their homes; MBOX: the folder of the mboxes */
	struct targets local_lmtp; /* LMTP: the one */
	char **local_domains; /* besides the host's name and localhost */
	size_t nlocal_domains, local_domains_cap;
	int local_only; /* the line that forbids all other mail; 0: none does */
	char *aliases; /* file; NULL or "": none */
	bool aliases_missing_ok; /* it is the default one */
	struct masquerade *masquerades; /* the first that fits counts */
	size_t nmasquerades, masquerades_cap;
	char *masquerade_domain; /* instead of the names of this machine; NULL: they stay */
	char **nameservers;
	size_t nnameservers, nameservers_cap;
	char *hosts; /* "/etc/hosts"; "" none */
	char *resolv_conf;
	uint16_t port; /* 25 */
	struct sockaddr_storage bind4, bind6; /* ss_family 0: not set */
	unsigned sessions, sessions_per_site, recipients, addresses;
	int64_t retry_min_s, retry_max_s, expire_s; /* 15 min, 12 h, 5 days */
	int64_t warn_s; /* 4 h: when the sender hears of a delay; 0: never */
	bool chunking; /* BDAT where it is offered */
	int connect_s, tls_s;
	int patience_s[SMTP_NWAITS];
	struct tls_policy tls; /* `tls LEVEL`; may */
	bool tls_given; /* ... by such a line */
	struct tls_rule *tls_rules;
	size_t ntls_rules, tls_rules_cap;
	char *ca, *client_cert, *client_key; /* NULL: the system's; none; in the same file */
	char *auth; /* file of credentials; NULL: none */
	bool auth_missing_ok; /* it is the default one */
	char **auth_in_clear; /* hosts that may have them over clear text */
	size_t nauth_in_clear, auth_in_clear_cap;
	char *postmaster;
	uint64_t max_size; /* 0: any */
	char *log;
	bool refuse_default; /* no refuse line: loopback, unspecified, own */
	struct net *refuse; /* with refuse none: n == 0 and !refuse_default */
	size_t nrefuse, refuse_cap;
};

void config_init(struct config *c); /* built-in values */
void config_free(struct config *c);
/*
 * Reads path into c. missing_ok: a file that does not exist changes nothing. Returns 0, or a sysexits(3) code
 * (EX_CONFIG; EX_NOINPUT is reported as EX_CONFIG too) and "FILE:LINE: what, what to do" in why.
 */
int config_read(struct config *c, const char *path, bool missing_ok, char *why, size_t whysize);
int config_parse(
    struct config *c, const char *name, const char *text, size_t n, char *why, size_t whysize);

/* config_value.c. Whether the sender matches a relay's `from` pattern: "*@example.org", "example.org", ".example.org",
 * "alice@example.org"; a domain without case; * and ? as in fnmatch(3); "<>" is the null sender. */
bool config_sender_matches(const char *pattern, const char *sender);

/*
 * The policy for a host: the tls line for the recipient domain, else that for the host's name, else
 * the default. For a provider's server (submission, or credentials go there): the line for its name,
 * else `verify`. domain NULL: none.
 */
const struct tls_policy *config_tls_policy(
    const struct config *c, const char *host, const char *domain, bool provider);
/* Whether there is a tls line for it. */
bool config_tls_names(const struct config *c, const char *domain);
bool config_auth_in_clear(const struct config *c, const char *host);
/* Whether some mail needs a CA store: a policy says verify, or a relay is a provider's. gets_login (NULL:
 * no): whether credentials go to a host that is not known for a provider's otherwise. */
typedef bool config_login_fn(const void *ctx, const struct target *t);
bool config_wants_ca(const struct config *c, config_login_fn *gets_login, const void *ctx);
/* The host of an smtps:// URL (TLS from the start) for which a tls line says none, or NULL. */
const char *config_tls_contradiction(const struct config *c);

/*
 * config_local.c. Whether the domain's users are this machine's, and their mail is not as any other: it is the
 * machine's name (hostname; NULL: none) or the first part of it, localhost, in a local-domains line, or not
 * there at all (NULL).
 */
bool config_is_local(const struct config *c, const char *hostname, const char *domain);
/* The same, and it does not matter where mail for them goes. */
bool config_is_ours(const struct config *c, const char *hostname, const char *domain);

/* The name for EHLO, Message-ID and unqualified addresses: FQDN, or NULL if there is none. Asks
 * gethostname(2) once. Result valid while c is. */
const char *config_hostname(struct config *c);

#endif
