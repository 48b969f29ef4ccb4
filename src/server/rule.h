// SPDX-License-Identifier: Apache-2.0
/* Who may do what with a resource: the policy of the public header, read once into a form that is quick to ask. */
#ifndef CPS_SERVER_RULE_H
#define CPS_SERVER_RULE_H

#include <coapsule/server.h>

/** Methods of one credential. */
typedef struct cps_rule_entry {
    const char *name; /**< into the text of the rule */
    uint8_t methods;  /**< bit 0: GET, ... bit 6: iPATCH */
} cps_rule_entry_t;

typedef struct cps_rule {
    char *text;
    cps_rule_entry_t *entries; /**< sorted by name */
    size_t count;
    uint64_t fresh_us;
    uint8_t others; /**< methods of credentials that are not named: "*" */
    bool sealed;
    bool fresh_reads;
    bool named; /**< there is an allow list, or the resource is sealed: nobody but those named */
} cps_rule_t;

/**
 * Read a policy. CPS_ERR_CONFIG with `*reason` (static text) for freshness without sealing, which nothing could prove
 * (RFC 9175 §2.3: the Echo has to be integrity protected), and for an allow list that does not parse; CPS_ERR_MEMORY.
 * The rule holds nothing after an error.
 */
CPS_MUST_USE cps_err_t cps_rule_init(cps_rule_t *rule, const cps_policy_t *policy, const char **reason);

/** Give it back. */
void cps_rule_fini(cps_rule_t *rule);

/** Whether the credential of that name (NULL: the request is not protected) may use that method. */
bool cps_rule_allows(const cps_rule_t *rule, const char *credential, uint8_t method);

/** Whether a request that was proven to be made at most `age_us` ago (CPS_AGE_UNKNOWN: not proven) may run. */
bool cps_rule_is_fresh(const cps_rule_t *rule, uint8_t method, uint64_t age_us);

#endif /* CPS_SERVER_RULE_H */
