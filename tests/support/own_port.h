/* own_port.h - a port for a server that leaves, comes back, or is dialled while it isn't there.
 * Not one that the kernel gives away (from 32768): what another test is given while nobody listens would be taken for ours. While this process lives no other test gets it here or
 * in tests/interop: a name in Linux's abstract namespace reserves it. */
#ifndef TESTS_SUPPORT_OWN_PORT_H
#define TESTS_SUPPORT_OWN_PORT_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

static inline bool own_port_is_free(unsigned port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons((uint16_t)port)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_free = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return is_free;
}

/* false: another test has it. The socket is open until the process ends. */
static inline bool own_port_reserve(unsigned port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const size_t len = (size_t)snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "sluice-port-%u", port);
    if (bind(fd, (const struct sockaddr *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) == 0)
        return true;
    close(fd);
    return false;
}

/* On 127.0.0.1. Tests that run at once begin their search apart from each other. */
static inline unsigned own_port(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        const unsigned port = 20000 + ((unsigned)getpid() + i * 101) % 10000;
        if (own_port_reserve(port) && own_port_is_free(port))
            return port;
    }
    cr_assert_fail("no free port");
    return 0;
}

#endif
