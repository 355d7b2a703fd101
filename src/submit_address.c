/* submit_address.c: addresses in the fields of a header, made good where they stand. */
#include "submit_address.h"

#include <stdio.h>
#include <string.h>

#include "masquerade.h"
#include "submit_header.h"

enum { FIELD_OUT_MAX = 20 * 1024 * 1024 };

struct rewrite {
	const struct submit_names *names;
	const struct submit_field *field;
	bool sender; /* the field names whoever sends */
	bool reply; /* ... or hears: no stranger becomes one of us there */
	struct buf out; /* the value anew */
	size_t copied; /* bytes of the old one that are in it */
	bool bad, changed;
};

/* What it becomes; false: it stays. */
static bool
better(const struct rewrite *r, const char *mailbox, char becomes[2 * ADDRESS_MAX])
{
	const struct submit_names *names = r->names;
	const char *domain = address_domain(mailbox);
	bool stranger =
	    names->config == NULL || !config_is_ours(names->config, names->hostname, domain);

	if (r->sender && names->config != NULL && !(r->reply && stranger) &&
	    masquerade(names->config, names->hostname, mailbox, becomes))
		return strcmp(becomes, mailbox) != 0;
	if (domain != NULL)
		return false;
	snprintf(becomes, 2 * ADDRESS_MAX, "%s@%s", mailbox, names->domain);
	return true;
}

/* Where only the domain is missing, the local part stays as it was written. */
static void
on_address(void *ctx, const char *mailbox, enum address_error e, size_t from, size_t to)
{
	struct rewrite *r = ctx;
	char becomes[2 * ADDRESS_MAX];
	size_t n = strlen(mailbox);

	r->bad = r->bad || e != ADDRESS_OK;
	if (r->bad || !better(r, mailbox, becomes))
		return;
	if (address_check(becomes, false) != ADDRESS_OK)
		return;
	r->changed = true;
	if (address_domain(mailbox) == NULL && strncmp(becomes, mailbox, n) == 0 &&
	    becomes[n] == '@') {
		buf_add(&r->out, r->field->value + r->copied, to - r->copied);
		buf_adds(&r->out, becomes + n);
	} else {
		buf_add(&r->out, r->field->value + r->copied, from - r->copied);
		buf_adds(&r->out, becomes);
	}
	r->copied = to;
}

/* False: it stays. Fields that nobody answers to, and those that we do not know, are none of ours. */
static bool
rewrite_field(struct rewrite *r, const struct submit_field *f)
{
	static const char *const senders[] = {
	    "From", "Sender", "Resent-From", "Resent-Sender", NULL};
	static const char *const replies[] = {"Reply-To", "Resent-Reply-To", NULL};
	static const char *const others[] = {"To", "Cc", "Resent-To", "Resent-Cc", NULL};

	r->reply = submit_field_one_of(f, replies);
	r->sender = r->reply || submit_field_one_of(f, senders);
	if (!r->sender && !submit_field_one_of(f, others))
		return false;
	r->field = f;
	r->bad = r->changed = false;
	r->copied = 0;
	buf_clear(&r->out);
	(void)address_list_places(f->value, f->nvalue, on_address, r);
	buf_add(&r->out, f->value + r->copied, f->nvalue - r->copied);
	return r->changed && !r->bad && !r->out.overflow;
}

static bool
is_signed(const char *text, size_t n)
{
	const char *at = text;
	struct submit_field f;

	while (submit_field_next(&at, text + n, &f))
		if (submit_field_named(&f, "DKIM-Signature"))
			return true;
	return false;
}

bool
submit_address_rewrite(
    struct buf *out, const char *text, size_t n, const struct submit_names *names)
{
	struct rewrite r = {.names = names};
	const char *at = text, *copied = text;
	struct submit_field f;

	if (is_signed(text, n))
		return false;
	buf_init(&r.out, FIELD_OUT_MAX);
	while (submit_field_next(&at, text + n, &f)) {
		if (!rewrite_field(&r, &f))
			continue;
		buf_add(out, copied, (size_t)(f.value - copied));
		buf_add(out, buf_data(&r.out), buf_len(&r.out));
		copied = at;
	}
	if (copied != text)
		buf_add(out, copied, (size_t)(text + n - copied));
	buf_free(&r.out);
	return copied != text;
}
