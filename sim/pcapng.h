// SPDX-License-Identifier: Apache-2.0
/* Writes captures in pcapng (draft-ietf-opsawg-pcapng), little-endian: each datagram stands in IPv4 or IPv6 and UDP
 * with right checksums, link type RAW. The encoders fill a caller's buffer; the file below them writes each block with
 * one call, so that a kill loses nothing that was written before. */
#ifndef CPS_SIM_PCAPNG_H
#define CPS_SIM_PCAPNG_H

#include "base/bytes.h"

#define CPS_PCAPNG_PAYLOAD_MAX 65507U /* what one UDP datagram over IPv4 can carry */
#define CPS_PCAPNG_COMMENT_MAX 256U   /* longer ones are cut */

/** Which way a packet crossed its interface (epb_flags). */
typedef enum cps_pcapng_way {
    CPS_PCAPNG_UNKNOWN = 0,
    CPS_PCAPNG_INBOUND = 1,
    CPS_PCAPNG_OUTBOUND = 2
} cps_pcapng_way_t;

typedef struct cps_pcapng_packet {
    uint32_t interface;  /**< in the order of cps_pcapng_put_interface, from 0 on */
    uint8_t way;         /**< cps_pcapng_way_t */
    uint64_t time_us;    /**< since 1970 where the capture shall show dates */
    cps_addr_t from;     /**< of the same family as `to` */
    cps_addr_t to;       /**< */
    cps_bytes_t payload; /**< at most CPS_PCAPNG_PAYLOAD_MAX bytes */
    const char *comment; /**< NULL or "" for none */
} cps_pcapng_packet_t;

/** Write the section header. `program` is shown as the application that captured. */
void cps_pcapng_put_section(cps_writer_t *w, const char *program);

/** Write an interface description: link type RAW (101), microseconds. */
void cps_pcapng_put_interface(cps_writer_t *w, const char *name);

/** Write a packet. The writer fails where families differ, the payload is too large, or room is short. */
void cps_pcapng_put_packet(cps_writer_t *w, const cps_pcapng_packet_t *packet);

/** Bytes that a packet takes at most. */
size_t cps_pcapng_packet_len(const cps_pcapng_packet_t *packet);

/** An open capture. */
typedef struct cps_pcapng_file {
    int fd; /**< -1: closed, everything is accepted and forgotten */
    uint8_t *buffer;
    uint32_t interfaces;
} cps_pcapng_file_t;

/** Create or overwrite a capture and write its section header. CPS_ERR_IO (errno tells), CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_pcapng_open(cps_pcapng_file_t *file, const char *path, const char *program);

/** Add an interface; its number in `*number`. CPS_ERR_IO. */
CPS_MUST_USE cps_err_t cps_pcapng_add(cps_pcapng_file_t *file, const char *name, uint32_t *number);

/** Write a packet. CPS_ERR_IO (the capture ends with its last whole block), CPS_ERR_ARGUMENT. */
CPS_MUST_USE cps_err_t cps_pcapng_write(cps_pcapng_file_t *file, const cps_pcapng_packet_t *packet);

/** Close and free. Harmless on a closed one. */
void cps_pcapng_close(cps_pcapng_file_t *file);

#endif /* CPS_SIM_PCAPNG_H */
