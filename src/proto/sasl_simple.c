/* sasl_simple.c: the mechanisms that say what they have and are done. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string.h>

#include "proto/sasl_impl.h"

/*
 * RFC 4616 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd
 */
bool
plain_respond(struct sasl *s, const char *in, size_t n)
{
	(void)in;
	(void)n;
	buf_addc(&s->raw, '\0');
	buf_adds(&s->raw, s->c->user);
	buf_addc(&s->raw, '\0');
	buf_adds(&s->raw, s->c->secret);
	return true;
}

/*
 * LOGIN was never more than a draft (draft-murchison-sasl-login): the server prompts for the user name
 * and then for the password, with whatever text it likes.
 */
bool
login_respond(struct sasl *s, const char *in, size_t n)
{
	(void)in;
	(void)n;
	buf_adds(&s->raw, s->round == 0 ? s->c->user : s->c->secret);
	return true;
}

/*
 * RFC 2195 2: the challenge, keyed with the password, after the user name and a space.
 */
bool
cram_md5_respond(struct sasl *s, const char *in, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (n == 0)
		return sasl_fail(s, "the server sends an empty challenge");
	if (HMAC(EVP_md5(), s->c->secret, (int)strlen(s->c->secret), (const unsigned char *)in, n,
		digest, &len) == NULL)
		return sasl_fail(s, "this system's OpenSSL does not do MD5; set another mechanism");
	buf_adds(&s->raw, s->c->user);
	buf_addc(&s->raw, ' ');
	for (unsigned i = 0; i < len; i++) {
		buf_addc(&s->raw, hex[digest[i] >> 4]);
		buf_addc(&s->raw, hex[digest[i] & 15]);
	}
	OPENSSL_cleanse(digest, sizeof(digest));
	return true;
}

/*
 * RFC 4422 A: the authorization identity, empty when the certificate is to decide.
 */
bool
external_respond(struct sasl *s, const char *in, size_t n)
{
	(void)in;
	(void)n;
	if (s->c->user != NULL)
		buf_adds(&s->raw, s->c->user);
	return true;
}

/*
 * The server's word on a token it refuses: a JSON object whose "status" is a code for people. Nothing
 * else of it is shown, and of the status nothing but letters and digits.
 */
static void
note_refusal(struct sasl *s, const char *in, size_t n)
{
	static const char key[] = "\"status\"";
	char status[32];
	size_t i = 0, end;

	while (i + strlen(key) < n && memcmp(in + i, key, strlen(key)) != 0)
		i++;
	if (i + strlen(key) >= n) {
		sasl_fail(s, "the server does not take the token; is it still valid?");
		return;
	}
	i += strlen(key);
	while (i < n && strchr(": \t\r\n\"", in[i]) != NULL && in[i] != '\0')
		i++;
	for (end = i; end < n && strchr("\", \t\r\n}", in[end]) == NULL;)
		end++;
	sasl_word(s, status, sizeof(status), in + i, end - i);
	sasl_fail(s, "the server does not take the token (%s); is it still valid?", status);
}

/*
 * Google's and Microsoft's form: "user=" USER ^A "auth=Bearer " TOKEN ^A ^A. An error comes as a 334
 * with JSON and is acknowledged with an empty line, whereupon the server says 535.
 */
bool
xoauth2_respond(struct sasl *s, const char *in, size_t n)
{
	if (s->round > 0) {
		note_refusal(s, in, n);
		return true;
	}
	buf_adds(&s->raw, "user=");
	buf_adds(&s->raw, s->c->user);
	buf_adds(&s->raw, "\001auth=Bearer ");
	buf_adds(&s->raw, s->c->secret);
	buf_adds(&s->raw, "\001\001");
	return true;
}

/*
 * RFC 7628 3.1:
 *   kvsep = %x01      kvpair = key "=" value kvsep
 *   client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep
 * 3.2.3: an error comes as a challenge and is acknowledged with a lone kvsep.
 */
bool
oauthbearer_respond(struct sasl *s, const char *in, size_t n)
{
	if (s->round > 0) {
		note_refusal(s, in, n);
		buf_addc(&s->raw, '\001');
		return true;
	}
	buf_adds(&s->raw, "n,a=");
	sasl_add_name(&s->raw, s->c->user);
	buf_adds(&s->raw, ",\001");
	if (s->c->host != NULL)
		buf_addf(&s->raw, "host=%s\001", s->c->host);
	if (s->c->port != 0)
		buf_addf(&s->raw, "port=%u\001", s->c->port);
	buf_adds(&s->raw, "auth=Bearer ");
	buf_adds(&s->raw, s->c->secret);
	buf_adds(&s->raw, "\001\001");
	return true;
}
