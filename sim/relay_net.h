// SPDX-License-Identifier: Apache-2.0
/* The sockets of the relay: legs, each with a listening socket for the clients, and one upstream socket per client
 * address, so that answers find back. In the foe's eyes a datagram goes from client to server and back; the relay's own
 * addresses stand only in the capture, which shows both sides of each leg as a capture there would. */
#ifndef CPS_SIM_RELAY_NET_H
#define CPS_SIM_RELAY_NET_H

#include "sim/foe.h"
#include "sim/pcapng.h"

#include <poll.h>

#define CPS_RELAY_LEGS_MAX     16U
#define CPS_RELAY_FLOWS_MAX    256U /* the longest unused one makes room */
#define CPS_RELAY_DATAGRAM_MAX CPS_PCAPNG_PAYLOAD_MAX
#define CPS_RELAY_POLL_MAX     (CPS_RELAY_LEGS_MAX + CPS_RELAY_FLOWS_MAX)

typedef struct cps_relay_leg {
    cps_addr_t listen;  /**< as bound */
    cps_addr_t forward; /**< the server */
    cps_addr_t source;  /**< our address on the way to it, port 0 */
    uint32_t near;      /**< capture interface of the clients' side */
    uint32_t far;       /**< capture interface of the server's side */
    int fd;
} cps_relay_leg_t;

/** A socket that stands for somebody. */
typedef struct cps_relay_flow {
    int fd; /**< -1: free */
    uint16_t leg;
    uint8_t dir;       /**< CPS_FOE_UP: sends to the server; CPS_FOE_DOWN: to the clients */
    bool own;          /**< the foe's own: nobody stands behind it, what comes back ends here */
    cps_addr_t client; /**< for whom; an own one's is `local` */
    cps_addr_t local;  /**< as bound */
    uint64_t used;     /**< count of uses at the last one */
} cps_relay_flow_t;

typedef struct cps_relay {
    cps_foe_t foe;
    cps_pcapng_file_t capture;
    cps_relay_leg_t legs[CPS_RELAY_LEGS_MAX];
    uint32_t leg_count;
    cps_relay_flow_t flows[CPS_RELAY_FLOWS_MAX];
    uint64_t uses;
    uint64_t wall_us;     /**< add to our time to get the time since 1970 */
    uint64_t strangers;   /**< datagrams to an upstream socket from others than the server */
    uint64_t absorbed;    /**< what went back to the foe's own addresses */
    uint64_t oversize;    /**< larger than UDP over IPv4 can carry */
    uint64_t send_errors; /**< refused by the kernel */
    uint8_t buffer[CPS_RELAY_DATAGRAM_MAX + 1];
} cps_relay_t;

/** Start with no leg; `capture` closed. */
void cps_relay_init(cps_relay_t *relay);

/** Close all sockets and the capture. */
void cps_relay_fini(cps_relay_t *relay);

/** Microseconds of the monotonic clock. */
cps_time_us_t cps_relay_now(void);

/** Open a leg. CPS_ERR_FULL; CPS_ERR_ARGUMENT: no address, or a wildcard; CPS_ERR_IO (errno tells). */
CPS_MUST_USE cps_err_t cps_relay_open(cps_relay_t *relay, const cps_addr_t *listen, const cps_addr_t *forward);

/** Open a socket of the foe's own that sends in that direction. `bind`: its address, port 0 for any port; NULL for any
 * address that fits. Its address in `*out`. CPS_ERR_IO (errno tells). */
CPS_MUST_USE cps_err_t cps_relay_own(cps_relay_t *relay, uint16_t leg, cps_foe_dir_t dir, const cps_addr_t *bind,
                                     cps_addr_t *out);

/** Whether datagrams can go in that direction in the name of that address already. */
bool cps_relay_knows(const cps_relay_t *relay, uint16_t leg, cps_foe_dir_t dir, const cps_addr_t *from);

/** Fill in what to poll, at most CPS_RELAY_POLL_MAX; the count. */
size_t cps_relay_poll(const cps_relay_t *relay, struct pollfd *fds);

/** Receive what waits on one polled socket and hand it to the foe. CPS_ERR_IO: the capture could not be written. */
CPS_MUST_USE cps_err_t cps_relay_receive(cps_relay_t *relay, int fd);

/** Send all that is due by now. CPS_ERR_IO: the capture could not be written. */
CPS_MUST_USE cps_err_t cps_relay_send(cps_relay_t *relay);

#endif /* CPS_SIM_RELAY_NET_H */
