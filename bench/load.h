// SPDX-License-Identifier: Apache-2.0
/* The load: many sources that ask one server, in a closed loop (so many requests open at each source) or an open one (so
 * many a second, whatever becomes of them). Requests are made, and sealed, before the clock starts; sealed answers are
 * opened after it stops. */
#ifndef CPS_BENCH_LOAD_H
#define CPS_BENCH_LOAD_H

#include "count.h"
#include "hist.h"

#include "base/bytes.h"

#define LOAD_MESSAGE_MAX 160U
#define LOAD_TOKEN_LEN   4U /* the number of the request */
#define LOAD_PAYLOAD_LEN 8U /* random bytes that come back */

/** What is asked for. */
typedef struct load_plan {
    const char *server; /**< "127.0.0.1" */
    uint16_t port;
    const char *path; /**< without the first slash */
    uint8_t method;
    bool confirmable;
    bool raw;                /**< no CoAP: the server sends each datagram back */
    uint32_t sources;        /**< sockets, each with an address of its own in 127.0.0.0/8 */
    uint8_t net;             /**< third byte of these addresses: no two runs in a server's life take the same */
    uint32_t window;         /**< closed loop: requests open at a source */
    uint32_t rate;           /**< open loop: requests a second of all sources; 0: closed */
    uint32_t requests;       /**< how many in all */
    uint32_t warm_up;        /**< of these: not counted */
    uint64_t number_first;   /**< sealed: the first Partial IV of each context */
    const char *credentials; /**< sealed: "key%u.cred", one a source; NULL: plain */
    int pid;                 /**< of the server; 0: unknown */
    int core;                /**< that the server is pinned to; -1: none */
    const char *count_file;  /**< of libcount.so in the server; NULL: none */
} load_plan_t;

/** One request and what became of it. */
typedef struct load_request {
    uint64_t from_ns; /**< sent, or due to be sent where the loop is open */
    uint64_t took_ns; /**< 0: no answer */
    uint16_t len;
    uint16_t answer_len;
    uint8_t bytes[LOAD_MESSAGE_MAX];
    uint8_t answer[LOAD_MESSAGE_MAX];
    uint8_t payload[LOAD_PAYLOAD_LEN];
} load_request_t;

/** What the server used up to a moment. */
typedef struct load_usage {
    uint64_t cpu_ns;      /**< by its threads */
    uint64_t core_busy;   /**< ticks of its core: user, system, softirq and the like, */
    uint64_t core_ticks;  /**< and all */
    uint64_t allocations; /**< since it started */
    uint64_t rss_kib;
} load_usage_t;

typedef struct load_result {
    uint64_t answered, lost, wrong, sent;
    uint64_t measured; /**< of `answered`: after the warm-up */
    double seconds;
    bench_hist_t hist;
    load_usage_t before, after;
    bool has_usage;
} load_result_t;

struct load_seal;

/** Make all requests. False, with a line on standard error, where it cannot be done. */
bool load_make(const load_plan_t *plan, load_request_t *requests, struct load_seal **seal);

/** Whether the answer is the one that was asked for: opened, 2.xx, with the request's random bytes where `plan` has the
 * server send them back. */
bool load_is_right(const load_plan_t *plan, struct load_seal *seal, const load_request_t *request, uint32_t number);

/** Give back what load_make made. */
void load_seal_free(struct load_seal *seal);

/** Send them all and wait for the answers. False, with a line on standard error, where it cannot be done. */
bool load_run(const load_plan_t *plan, load_request_t *requests, load_result_t *result);

/** What the server has used by now. */
load_usage_t load_usage(const load_plan_t *plan);

/** The result as one line of JSON on standard output. */
void load_print(const load_plan_t *plan, const load_result_t *result);

#endif /* CPS_BENCH_LOAD_H */
