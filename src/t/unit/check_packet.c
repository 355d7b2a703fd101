#include <sys/socket.h>
#include <sys/uio.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/packet.h"
#include "fault.h"
#include "suites.h"

static int ends[2], pipes[2];
static char data[64];

static void
setup(void)
{
	ck_assert_int_eq(packet_pair(ends), 0);
	ck_assert_int_eq(pipe(pipes), 0);
	memset(data, 'x', sizeof(data));
}

static void
teardown(void)
{
	close(ends[0]);
	close(ends[1]);
	close(pipes[0]);
	close(pipes[1]);
}

START_TEST(whole_or_not_at_all)
{
	ck_assert_int_eq(packet_receive(ends[0], data, sizeof(data), NULL), -1);
	ck_assert(errno == EAGAIN || errno == EWOULDBLOCK);
	ck_assert_int_eq(packet_send(ends[1], "one", 3, -1), 0);
	ck_assert_int_eq(packet_send(ends[1], "two three", 9, -1), 0);
	ck_assert_int_eq(packet_receive(ends[0], data, sizeof(data), NULL), 3);
	ck_assert_int_eq(memcmp(data, "onexxx", 6), 0);
	ck_assert_int_eq(packet_receive(ends[0], data, sizeof(data), NULL), 9);
	ck_assert_int_ne(fcntl(ends[0], F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(ends[1], F_GETFD) & FD_CLOEXEC, 0);
}
END_TEST

START_TEST(longer_than_there_is_room_for)
{
	ck_assert_int_eq(packet_send(ends[1], data, 11, -1), 0);
	ck_assert_int_eq(packet_receive(ends[0], data, 10, NULL), -1);
	ck_assert_int_eq(errno, EBADMSG);
}
END_TEST

START_TEST(other_side_has_gone)
{
	ck_assert_int_eq(packet_send(ends[0], "last", 4, -1), 0);
	close(ends[0]);
	ck_assert_int_eq(packet_receive(ends[1], data, sizeof(data), NULL), 4);
	ck_assert_int_eq(packet_receive(ends[1], data, sizeof(data), NULL), 0);
	ck_assert_int_eq(packet_send(ends[1], "x", 1, -1), -1); /* and no SIGPIPE */
	ck_assert_int_eq(errno, EPIPE);
}
END_TEST

START_TEST(a_descriptor_comes_along)
{
	int fd;

	ck_assert_int_eq(packet_send(ends[1], "x", 1, pipes[1]), 0);
	ck_assert_int_eq(packet_receive(ends[0], data, sizeof(data), &fd), 1);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(write(fd, "through", 7), 7);
	ck_assert_int_eq(read(pipes[0], data, sizeof(data)), 7);
	close(fd);
	ck_assert_int_eq(packet_send(ends[1], "x", 1, -1), 0);
	ck_assert_int_eq(packet_receive(ends[0], data, sizeof(data), &fd), 1);
	ck_assert_int_eq(fd, -1);
}
END_TEST

/* As nobody sends it who keeps to packet.h. */
static void
send_many(size_t n)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} c;
	const int fds[3] = {pipes[0], pipes[1], pipes[1]};
	struct iovec part = {.iov_base = data, .iov_len = 1};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	memset(&c, 0, sizeof(c));
	c.header.cmsg_level = SOL_SOCKET;
	c.header.cmsg_type = SCM_RIGHTS;
	c.header.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&c.header), fds, n * sizeof(int));
	m.msg_control = c.room;
	m.msg_controllen = CMSG_SPACE(n * sizeof(int));
	ck_assert_int_eq(sendmsg(ends[1], &m, 0), 1);
}

START_TEST(descriptors_that_nobody_asked_for)
{
	unsigned before = fault_open_fds();
	int fd;

	send_many((size_t)_i);
	if (_i == 1)
		ck_assert_int_eq(packet_receive(ends[0], data, sizeof(data), NULL), -1);
	else
		ck_assert_int_eq(packet_receive(ends[0], data, sizeof(data), &fd), -1);
	ck_assert_int_eq(errno, EBADMSG);
	ck_assert_uint_eq(fault_open_fds(), before);
}
END_TEST

START_TEST(closing_all_but_one)
{
	int high = fcntl(pipes[0], F_DUPFD, 700); /* in another batch */

	fcntl(pipes[1], F_SETFD, FD_CLOEXEC);
	descriptors_close(ends[0], true);
	ck_assert_int_eq(fcntl(pipes[0], F_GETFD), -1);
	ck_assert_int_eq(fcntl(high, F_GETFD), -1);
	ck_assert_int_ne(fcntl(pipes[1], F_GETFD), -1);
	descriptors_close(ends[0], false);
	ck_assert_int_eq(fcntl(pipes[1], F_GETFD), -1);
	ck_assert_int_eq(fcntl(ends[1], F_GETFD), -1);
	ck_assert_int_ne(fcntl(ends[0], F_GETFD), -1);
	for (int i = 0; i <= 2; i++)
		ck_assert_int_ne(fcntl(i, F_GETFD), -1);
}
END_TEST

Suite *
suite_packet(void)
{
	Suite *s = suite_create("packet");
	TCase *t = tcase_create("packet");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, whole_or_not_at_all);
	tcase_add_test(t, longer_than_there_is_room_for);
	tcase_add_test(t, other_side_has_gone);
	tcase_add_test(t, a_descriptor_comes_along);
	tcase_add_loop_test(t, descriptors_that_nobody_asked_for, 1, 4);
	tcase_add_test(t, closing_all_but_one);
	suite_add_tcase(s, t);
	return s;
}
