// SPDX-License-Identifier: Apache-2.0
/* Rules as a person writes them: "up code POST nth 2 then hold unlock". docs/man/coapsule-foe.1 is the reference. */
#ifndef CPS_SIM_RULE_TEXT_H
#define CPS_SIM_RULE_TEXT_H

#include "sim/rule.h"
#include "sim/words.h"

/**
 * Read matching words into `rule`, up to the first word that is none of them (which is left to the caller):
 * up, down, leg N, from ADDR, to ADDR, type T, code C, mid N, token HEX, oscore yes|no, kid HEX, piv HEX, size MIN-MAX,
 * bytes HEX [at N], nth N, times N. Fails through `w`.
 */
void cps_rule_text_match(cps_words_t *w, cps_foe_rule_t *rule);

/** Read an action (pass, drop, hold, delay, duplicate, modify, release, replay, inject) with all that belongs to it. */
void cps_rule_text_action(cps_words_t *w, cps_foe_rule_t *rule);

/** Read a whole rule: matching words, "then", an action, the end. `*rule` is set from nothing. */
void cps_rule_text(cps_words_t *w, cps_foe_rule_t *rule);

/** "0.03", "POST", "2.05" and so on; fails through `w`. */
uint8_t cps_rule_text_code(cps_words_t *w);

/** "con", "non", "ack" or "rst" of a cps_type_t. */
const char *cps_rule_text_type_name(uint8_t type);

#endif /* CPS_SIM_RULE_TEXT_H */
