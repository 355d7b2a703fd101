/* verify_aliases.c: -bv: what aliases make of the addresses. */
#include "verify.h"

#include <stdlib.h>
#include <sysexits.h>

#include "aliases.h"
#include "base/alloc.h"
#include "proto/address.h"

struct expand {
	const struct verify_options *options;
	struct verify_list *list;
	FILE *out;
	const char *from; /* being expanded */
	int rc;
};

static void
add(struct verify_list *list, const char *address)
{
	list->v = xgrow((void *)list->v, list->n, &list->cap, sizeof(*list->v));
	list->v[list->n++] = xstrdup(address);
}

void
verify_list_free(struct verify_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free((void *)list->v);
	*list = (struct verify_list){0};
}

/* aliases_fn */
static bool
take_target(void *ctx, const char *mailbox)
{
	struct expand *x = ctx;

	if (mailbox != x->from)
		fprintf(x->out, "%s... aliased to %s\n", x->from, mailbox);
	add(x->list, mailbox);
	return true;
}

static void
note_bad(void *ctx, const char *mailbox, enum address_error e)
{
	(void)mailbox;
	*(bool *)ctx = *(bool *)ctx || e != ADDRESS_OK;
}

/* Each has aliases of its own: what one has come to is shown for the next, too. */
static void
on_address(void *ctx, const char *mailbox, enum address_error e)
{
	struct expand *x = ctx;
	struct config *c = x->options->config;
	struct aliases *a = aliases_new(c, config_hostname(c));
	char why[2 * ADDRESS_MAX];
	int rc;

	(void)e;
	x->from = mailbox;
	rc = aliases_expand(a, mailbox, take_target, x, why, sizeof(why));
	if (rc != EX_OK)
		fprintf(x->out, "%s... not deliverable: %s\n", mailbox, why);
	else if (aliases_discarded(a))
		fprintf(x->out, "%s... aliased to nobody\n", mailbox);
	if (x->rc == EX_OK)
		x->rc = rc;
	aliases_free(&a);
}

int
verify_expand(const struct verify_options *o, struct verify_list *list, FILE *out)
{
	struct expand x = {.options = o, .list = list, .out = out};

	for (int i = 0; i < o->naddresses; i++) {
		bool bad = false;

		(void)address_argument(o->addresses[i], note_bad, &bad);
		if (bad)
			add(list, o->addresses[i]);
		else
			(void)address_argument(o->addresses[i], on_address, &x);
	}
	return x.rc;
}
