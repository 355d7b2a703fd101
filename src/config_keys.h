/*
 * config_keys.h: the keys of sortie.conf, one line at a time. For config.c alone.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h" /* LOG_PRINTF */
#include "config.h"

enum { CONFIG_WORDS_MAX = 64, CONFIG_KEYS_MAX = 40 };

struct config_key;

struct config_line { /* one of the file, being parsed */
	struct config *c;
	const char *file;
	int number;
	char *words[CONFIG_WORDS_MAX]; /* key, value... */
	int nwords;
	const struct config_key *key;
	char *why;
	size_t whysize;
};

/* Writes "FILE:LINE: ..." into why, clean. Always false. */
bool config_bad(struct config_line *l, const char *fmt, ...) LOG_PRINTF(2, 3);

/* Does what a line of at least one word says. first_at, zeroed before the first line, remembers in
 * which line each key stood first. False: why has the reason. */
bool config_keys_take(struct config_line *l, int first_at[CONFIG_KEYS_MAX]);

/* config_local.c: the value of a `local` line, of a `local-domains` line. False: why has the reason. */
bool config_local_parse(struct config_line *l);
bool config_local_domains_parse(struct config_line *l);
/* ... of a `deliver` line. */
bool config_deliver_parse(struct config_line *l);

/* config_tls_keys.c: the same for `tls`, `client-cert` and `auth-in-clear`. */
bool config_tls_parse(struct config_line *l);
bool config_client_cert_parse(struct config_line *l);
bool config_auth_in_clear_parse(struct config_line *l);

/* Replaces a string of the configuration by a copy of value. */
void config_set(char **at, const char *value);

#endif
