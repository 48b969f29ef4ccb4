// SPDX-License-Identifier: Apache-2.0
/* Our own UDP sockets: non-blocking, IPv4 and IPv6 apart, many datagrams a system call, each with the address that it
 * was sent to (IP_PKTINFO), so that an answer leaves from there. The caller polls `fd` and loops until nothing is left.
 * Nothing is allocated for a datagram. */
#ifndef CPS_HOST_UDP_H
#define CPS_HOST_UDP_H

#include "host/addr.h"

#define CPS_UDP_BATCH       32U   /* datagrams a system call, by default */
#define CPS_UDP_MESSAGE_MAX 1500U /* largest datagram taken, by default */
#define CPS_UDP_DETAIL_MAX  160U

typedef struct cps_udp_options {
    uint16_t socket;    /**< the caller's number; stands in the path of every datagram */
    bool reuse_port;    /**< SO_REUSEPORT: the workers of one process share the port */
    bool errors;        /**< IP_RECVERR: ICMP errors are queued for cps_udp_next_error */
    int receive_buffer; /**< SO_RCVBUF in bytes, 0 for the system's */
    int send_buffer;    /**< SO_SNDBUF in bytes, 0 for the system's */
} cps_udp_options_t;

typedef struct cps_udp {
    int fd;
    cps_addr_t local;                /**< where it is bound: with the real port where 0 was asked for */
    uint16_t socket;                 /**< the caller's number */
    uint64_t lost;                   /**< datagrams that the system refused to send for want of room */
    uint64_t cut;                    /**< datagrams received that were longer than the batch takes */
    char detail[CPS_UDP_DETAIL_MAX]; /**< sentence of the last error of cps_udp_open, naming the address */
} cps_udp_t;

/**
 * Open a socket at an address; port 0 takes a free one, found in `udp->local`. An IPv6 socket never takes IPv4.
 * CPS_ERR_ADDRESS_IN_USE; CPS_ERR_IO for all else; `udp->detail` says what and where. After an error it is closed.
 */
CPS_MUST_USE cps_err_t cps_udp_open(cps_udp_t *udp, const cps_addr_t *at, const cps_udp_options_t *options);

/** Close; nothing happens where it is closed. */
void cps_udp_close(cps_udp_t *udp);

/** Room for the datagrams of one system call. */
typedef struct cps_udp_batch {
    uint32_t capacity;         /**< datagrams */
    uint32_t slot;             /**< bytes a datagram: one more than the largest taken */
    uint32_t used;             /**< datagrams of the last cps_udp_recv */
    cps_datagram_t *datagrams; /**< `used` of them are filled */
    struct cps_udp_slots *slots;
} cps_udp_batch_t;

/** Take memory for `capacity` datagrams of up to `message_max` bytes; 0 for the defaults. CPS_ERR_MEMORY,
 * CPS_ERR_ARGUMENT for more than 1,024 datagrams or 65,535 bytes. */
CPS_MUST_USE cps_err_t cps_udp_batch_init(cps_udp_batch_t *batch, uint32_t capacity, uint32_t message_max);
void cps_udp_batch_fini(cps_udp_batch_t *batch);

/**
 * Receive up to a batch: `batch->datagrams[0..used)`, valid until the next call with this batch. None with CPS_OK means
 * that there is nothing now. A datagram above `message_max` comes with exactly message_max + 1 bytes, so that a reader
 * which holds to the same limit knows it as too large. `path.local` is the address that was asked; with
 * CPS_PATH_MULTICAST it is the group (or IP broadcast). `path.ifindex` is set where the interface matters: group and
 * link-local addresses. Everything else goes by the routing table.
 * CPS_ERR_IO where the socket itself is broken; what an earlier datagram of ours caused is never an error here.
 */
CPS_MUST_USE cps_err_t cps_udp_recv(cps_udp_t *udp, cps_udp_batch_t *batch);

/**
 * Send `count` datagrams in order, each from its `path.local` and `path.ifindex` where they are set and no group.
 * `*sent` says how many are done. CPS_OK: all. CPS_ERR_BUSY: the socket takes no more now; wait until it is writable.
 * Any other error is that of datagrams[*sent] alone, tried twice: CPS_ERR_TOO_LARGE, CPS_ERR_UNREACHABLE, CPS_ERR_IO;
 * the caller skips it and goes on.
 */
CPS_MUST_USE cps_err_t cps_udp_send(cps_udp_t *udp, const cps_datagram_t *datagrams, size_t count, size_t *sent);

/** What the network reported of a datagram of ours. */
typedef enum cps_udp_error_kind {
    CPS_UDP_UNREACHABLE, /**< port, host or network unreachable, or prohibited */
    CPS_UDP_TOO_LARGE,   /**< larger than the path takes */
    CPS_UDP_OTHER        /**< Time Exceeded, Source Quench and the like: to be ignored (RFC 7252 §4.2) */
} cps_udp_error_kind_t;

typedef struct cps_udp_error {
    cps_path_t path; /**< of the datagram that caused it; `remote` is where it was sent to */
    cps_udp_error_kind_t kind;
    cps_bytes_t quoted; /**< first bytes of that datagram, as the report quotes them; may be empty */
} cps_udp_error_t;

/**
 * The next queued error; `quoted` points into `buf` of `size` bytes. False when the queue is empty; then SO_ERROR is
 * cleared too, so that the descriptor can be polled again. ICMP is not authenticated: a hint, nothing more.
 */
bool cps_udp_next_error(cps_udp_t *udp, uint8_t *buf, size_t size, cps_udp_error_t *out);

struct sock_extended_err;

/** What a report of the kernel means. Here for tests: most reports cannot be caused on one machine. */
cps_udp_error_kind_t cps_udp_error_kind(const struct sock_extended_err *report);

#endif /* CPS_HOST_UDP_H */
