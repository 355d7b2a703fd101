#include <netinet/in.h>

#include <stdio.h>
#include <string.h>

#include "dns/resolvconf.h"
#include "t/unit/suites.h"

static struct resolvconf rc;

static void
parse(const char *text)
{
	resolvconf_parse(&rc, text, strlen(text));
}

static const char *
server(size_t i)
{
	static char text[RESOLVCONF_SERVER_TEXT];

	ck_assert_uint_lt(i, rc.nservers);
	return resolvconf_server_text(&rc.servers[i], text);
}

static void
assert_defaults(void)
{
	ck_assert_uint_eq(rc.nservers, 1);
	ck_assert_str_eq(server(0), "127.0.0.1");
	ck_assert_uint_eq(rc.timeout_s, 5);
	ck_assert_uint_eq(rc.attempts, 2);
	ck_assert(!rc.rotate);
}

START_TEST(says_nothing)
{
	static const char *const texts[] = {"", "\n\n", "search example.org\ndomain example.org\n",
	    "# nameserver 192.0.2.1\n", ";nameserver 192.0.2.1\n", "nameserver\n", "nameserver \n",
	    " nameserver 192.0.2.1\n", "nameservers 192.0.2.1\n", "nameserver ns.example.org\n",
	    "nameserver 192.0.2\n", "nameserver 192.0.2.1:53\n", "nameserver [::1]\n", "options\n",
	    "options timeout: attempts: rotated\n", "options timeout:x attempts:-1\n",
	    "nameserver fe80::1%no-such-interface\n", "options timeout:99999999999999999999\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		parse(texts[i]);
		assert_defaults();
	}
}
END_TEST

START_TEST(servers_in_order)
{
	parse("# made by hand\n"
	      "search example.org\n"
	      "nameserver 192.0.2.1\n"
	      "nameserver\t2001:db8::1 # the other\r\n"
	      "nameserver  fe80::1%1\n"
	      "nameserver 192.0.2.4");
	ck_assert_uint_eq(rc.nservers, 4);
	ck_assert_str_eq(server(0), "192.0.2.1");
	ck_assert_str_eq(server(1), "2001:db8::1");
	ck_assert_str_eq(server(2), "fe80::1%1");
	ck_assert_str_eq(server(3), "192.0.2.4");
	ck_assert_int_eq(resolvconf_server_len(&rc.servers[0]), sizeof(struct sockaddr_in));
	ck_assert_int_eq(resolvconf_server_len(&rc.servers[1]), sizeof(struct sockaddr_in6));
}
END_TEST

START_TEST(interface_by_name)
{
	parse("nameserver fe80::1%lo\nnameserver 192.0.2.1\n");
	ck_assert_str_ne(server(0), "127.0.0.1"); /* where lo has another name: the second */
}
END_TEST

START_TEST(more_servers_than_we_take)
{
	char text[600] = "";

	for (int i = 1; i <= 10; i++)
		snprintf(
		    text + strlen(text), sizeof(text) - strlen(text), "nameserver 192.0.2.%d\n", i);
	parse(text);
	ck_assert_uint_eq(rc.nservers, RESOLVCONF_SERVERS);
	ck_assert_str_eq(server(7), "192.0.2.8");
}
END_TEST

START_TEST(options)
{
	parse("options ndots:2 timeout:3\tattempts:4 rotate edns0\n");
	ck_assert_uint_eq(rc.timeout_s, 3);
	ck_assert_uint_eq(rc.attempts, 4);
	ck_assert(rc.rotate);
	parse("options timeout:0 attempts:0\n");
	ck_assert_uint_eq(rc.timeout_s, 1);
	ck_assert_uint_eq(rc.attempts, 1);
	parse("options timeout:100\noptions attempts:100\n");
	ck_assert_uint_eq(rc.timeout_s, 30);
	ck_assert_uint_eq(rc.attempts, 5);
}
END_TEST

/* Whatever the bytes, there is a server to ask. */
START_TEST(rubbish)
{
	static const char text[] = "nameserver \0 192.0.2.1\nnameserver 192.0.2.2\0\noptions "
				   "\xff\xfe rotate\nnameserver 192.0.2.3\n\0";
	char longline[2000];

	resolvconf_parse(&rc, text, sizeof(text));
	ck_assert_uint_ge(rc.nservers, 1);
	ck_assert_str_eq(server(rc.nservers - 1), "192.0.2.3");
	ck_assert(rc.rotate);
	for (size_t i = 0; i <= sizeof(text); i++)
		resolvconf_parse(&rc, text, i < sizeof(text) ? i : 0);
	assert_defaults();

	memset(longline, '1', sizeof(longline));
	memcpy(longline, "nameserver ", 11);
	resolvconf_parse(&rc, longline, sizeof(longline));
	assert_defaults();
	memset(longline, 'x', 11);
	resolvconf_parse(&rc, longline, sizeof(longline));
	assert_defaults();
}
END_TEST

static const struct {
	const char *text, *means; /* NULL: refused */
} own[] = {
    {"192.0.2.1", "192.0.2.1"},
    {"192.0.2.1:53", "192.0.2.1"},
    {"127.0.0.1:5353", "127.0.0.1:5353"},
    {"2001:db8::1", "2001:db8::1"},
    {"::1", "::1"},
    {"[::1]", "::1"},
    {"[::1]:53", "::1"},
    {"[::1]:5353", "[::1]:5353"},
    {"[fe80::1%1]:54", "[fe80::1%1]:54"},
    {"fe80::1%1", "fe80::1%1"},
    {"", NULL},
    {":53", NULL},
    {"192.0.2.1:", NULL},
    {"192.0.2.1:0", NULL},
    {"192.0.2.1:65536", NULL},
    {"192.0.2.1:x", NULL},
    {"192.0.2.256", NULL},
    {"[192.0.2.1]:53", NULL},
    {"[::1", NULL},
    {"[::1]53", NULL},
    {"[::1]:", NULL},
    {"[::1]:0", NULL},
    {"ns.example.org", NULL},
    {"::1%", NULL},
    {"::1%0", NULL},
    {"::g", NULL},
    {"192.0.2.1111111111111111111111111111111111111111111111111111111111111111111111111111111111"
     "111111111111111111111111111111111111111111111111111111111111",
	NULL},
};

START_TEST(server_of_our_own_configuration)
{
	struct sockaddr_storage ss;
	char text[RESOLVCONF_SERVER_TEXT];

	ck_assert_msg(
	    resolvconf_server(own[_i].text, &ss) == (own[_i].means != NULL), "%s", own[_i].text);
	if (own[_i].means != NULL)
		ck_assert_str_eq(resolvconf_server_text(&ss, text), own[_i].means);
}
END_TEST

Suite *
suite_resolvconf(void)
{
	Suite *s = suite_create("resolvconf");
	TCase *tc = tcase_create("resolvconf");

	tcase_add_test(tc, says_nothing);
	tcase_add_test(tc, servers_in_order);
	tcase_add_test(tc, interface_by_name);
	tcase_add_test(tc, more_servers_than_we_take);
	tcase_add_test(tc, options);
	tcase_add_test(tc, rubbish);
	tcase_add_loop_test(tc, server_of_our_own_configuration, 0, sizeof(own) / sizeof(own[0]));
	suite_add_tcase(s, tc);
	return s;
}
