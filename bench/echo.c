// SPDX-License-Identifier: Apache-2.0
/* bench-echo: sends back each datagram, by the same calls of the system as our server (host/udp.h) and nothing else. What
 * it costs is what the kernel costs. Prints "ready PORT". */
#include "host/udp.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFFER (1 << 20) /* as the worker asks for */

static void serve(cps_udp_t *udp, cps_udp_batch_t *batch)
{
    struct pollfd ready = {.fd = udp->fd, .events = POLLIN};
    while (poll(&ready, 1, -1) > 0)
        while (cps_udp_recv(udp, batch) == CPS_OK && batch->used != 0) {
            size_t done = 0;
            while (done < batch->used) {
                size_t sent = 0;
                cps_err_t err = cps_udp_send(udp, batch->datagrams + done, batch->used - done, &sent);
                done += err == CPS_OK ? sent : sent + 1; /* what cannot go is lost, as UDP is */
            }
        }
}

int main(int argc, char **argv)
{
    cps_udp_t udp;
    cps_udp_batch_t batch;
    cps_udp_options_t options = {.receive_buffer = BUFFER, .send_buffer = BUFFER};
    cps_addr_t at = {.ip = {127, 0, 0, 1}, .family = CPS_FAMILY_IPV4};
    at.port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0;
    if (cps_udp_open(&udp, &at, &options) != CPS_OK || cps_udp_batch_init(&batch, 0, 0) != CPS_OK) {
        fprintf(stderr, "bench-echo: %s\n", udp.detail);
        return 1;
    }
    printf("ready %u\n", (unsigned)udp.local.port);
    fflush(stdout);
    serve(&udp, &batch);
    return 0;
}
