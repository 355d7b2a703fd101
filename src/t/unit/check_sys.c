#include <sys/socket.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "suites.h"

START_TEST(the_table_starts_as_libcs_and_has_no_hole)
{
	void (*entries[sizeof(struct sys) / sizeof(void (*)(void))])(void);

	ck_assert_mem_eq(&sys, &sys_libc, sizeof(sys));
	memcpy(entries, &sys, sizeof(sys));
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		ck_assert(entries[i] != NULL);
}
END_TEST

START_TEST(sockets_are_nonblocking_and_close_on_exec)
{
	int fd = sys_socket(AF_INET, SOCK_DGRAM);

	ck_assert_int_ge(fd, 0);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	errno = 0;
	ck_assert_int_eq(sys_socket(-1, SOCK_STREAM), -1);
	ck_assert_int_ne(errno, 0);
}
END_TEST

START_TEST(the_pending_error_is_told_once)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);
	int holder = sys_socket(AF_INET, SOCK_STREAM), fd = sys_socket(AF_INET, SOCK_STREAM);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int rc, err;

	/* A port that is bound and does not listen. */
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(holder, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(getsockname(holder, (struct sockaddr *)&in, &len), 0);
	ck_assert_int_eq(sys_socket_error(fd), 0);
	rc = sys.connect(fd, (struct sockaddr *)&in, sizeof(in));
	err = errno;
	ck_assert_int_eq(rc, -1);
	if (err == EINPROGRESS) {
		ck_assert_int_eq(sys.poll(&p, 1, -1), 1);
		err = sys_socket_error(fd);
	}
	ck_assert_int_eq(err, ECONNREFUSED);
	ck_assert_int_eq(sys_socket_error(fd), 0);
	close(fd);
	close(holder);
	ck_assert_int_eq(sys_socket_error(fd), EBADF);
}
END_TEST

START_TEST(the_clocks_go_forward)
{
	long long mono = sys.mono_ns(), wall = sys.wall_ns();

	ck_assert_int_gt(wall, 1500000000LL * 1000000000);
	for (int i = 0; i < 1000; i++) {
		long long now = sys.mono_ns();

		ck_assert_int_ge(now, mono);
		mono = now;
	}
}
END_TEST

START_TEST(the_kernel_is_random)
{
	unsigned char a[32] = {0}, b[32] = {0};

	ck_assert_int_eq(sys.getentropy(a, sizeof(a)), 0);
	ck_assert_int_eq(sys.getentropy(b, sizeof(b)), 0);
	ck_assert_int_ne(memcmp(a, b, sizeof(a)), 0);
}
END_TEST

Suite *
suite_sys(void)
{
	Suite *s = suite_create("sys");
	TCase *tc = tcase_create("sys");

	tcase_add_test(tc, the_table_starts_as_libcs_and_has_no_hole);
	tcase_add_test(tc, sockets_are_nonblocking_and_close_on_exec);
	tcase_add_test(tc, the_pending_error_is_told_once);
	tcase_add_test(tc, the_clocks_go_forward);
	tcase_add_test(tc, the_kernel_is_random);
	suite_add_tcase(s, tc);
	return s;
}
