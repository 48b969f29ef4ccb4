// SPDX-License-Identifier: Apache-2.0
/* Datagrams that leave: a ring of slots, so that a socket that is full for a while loses nothing. */
#include "ep/ep.h"

/* As much as is taken: a token that is too long is said with the token (RFC 8974 §2.2.2). */
static size_t slot_size(const cps_ep_t *ep) { return ep->take_max; }

static uint8_t *slot_bytes(const cps_ep_t *ep, uint32_t slot) { return ep->out_bytes + slot * slot_size(ep); }

static uint32_t free_slot(const cps_ep_t *ep) { return (ep->out_first + ep->out_used) % ep->config.output_slots; }

bool cps_out_has_room(const cps_ep_t *ep) { return ep->out_used + CPS_EP_OUTPUT_SPARE <= ep->config.output_slots; }

cps_writer_t cps_out_begin(cps_ep_t *ep)
{
    if (ep->out_used == ep->config.output_slots) {
        cps_writer_t full = cps_writer(NULL, 0);
        full.failed = true;
        return full;
    }
    return cps_writer(slot_bytes(ep, free_slot(ep)), slot_size(ep));
}

cps_bytes_t cps_out_commit(cps_ep_t *ep, const cps_path_t *path, const cps_writer_t *w)
{
    cps_bytes_t bytes = cps_written(w);
    if (w->failed || bytes.len == 0)
        return cps_bytes(NULL, 0);
    ep->out_slots[free_slot(ep)] = (cps_out_slot_t){*path, (uint32_t)bytes.len};
    ep->out_used++;
    return bytes;
}

void cps_out_empty(cps_ep_t *ep, const cps_path_t *path, cps_type_t type, uint16_t mid)
{
    cps_writer_t w = cps_out_begin(ep);
    cps_msg_write_empty(&w, type, mid);
    (void)cps_out_commit(ep, path, &w);
}

void cps_out_chain(cps_ep_t *ep, const cps_path_t *path, const cps_chain_store_t *store, const cps_chain_t *chain)
{
    cps_writer_t w = cps_out_begin(ep);
    uint8_t *place = chain->len == 0 ? NULL : cps_write_skip(&w, chain->len);
    if (place == NULL)
        return;
    cps_chain_get(store, chain, place);
    (void)cps_out_commit(ep, path, &w);
}

size_t cps_ep_output(cps_ep_t *ep, cps_time_us_t now_us, cps_datagram_t *out, size_t cap)
{
    if (now_us > ep->now_us)
        ep->now_us = now_us;
    size_t count = cap < ep->out_used ? cap : ep->out_used;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = (uint32_t)(ep->out_first + i) % ep->config.output_slots;
        out[i].path = ep->out_slots[slot].path;
        out[i].bytes = cps_bytes(slot_bytes(ep, slot), ep->out_slots[slot].len);
    }
    return count;
}

void cps_ep_sent(cps_ep_t *ep, size_t count)
{
    uint32_t sent = count < ep->out_used ? (uint32_t)count : ep->out_used;
    ep->out_first = (ep->out_first + sent) % ep->config.output_slots;
    ep->out_used -= sent;
    ep->stats.datagrams_out += sent;
}
