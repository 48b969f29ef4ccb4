// SPDX-License-Identifier: Apache-2.0
#include "server/rule.h"

#include "wire/msg.h"

#include <stdlib.h>

#define METHODS 7U /* GET to iPATCH (RFC 7252 §12.1.1, RFC 8132) */

static const char *const method_names[METHODS] = {"get", "post", "put", "delete", "fetch", "patch", "ipatch"};

static uint8_t bit_of(uint8_t method)
{
    return method >= CPS_GET && method <= METHODS ? (uint8_t)(1U << (method - 1U)) : 0;
}

/* ---- the allow list: "phone: get put; *: get" ---- */

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n'; }

static char *skip_space(char *at)
{
    while (is_space(*at))
        at++;
    return at;
}

/* Cut the text at `at` off in front of trailing space. */
static void trim(char *from, char *at)
{
    while (at > from && is_space(at[-1]))
        at--;
    *at = '\0';
}

static bool read_method(const char *word, size_t len, uint8_t *methods)
{
    for (uint8_t i = 0; i < METHODS; i++) {
        if (strlen(method_names[i]) == len && memcmp(method_names[i], word, len) == 0) {
            *methods |= (uint8_t)(1U << i);
            return true;
        }
    }
    return false;
}

static bool read_methods(const char *at, uint8_t *methods)
{
    *methods = 0;
    for (;;) {
        at += strspn(at, " \t\n,");
        size_t len = strcspn(at, " \t\n,");
        if (len == 0)
            return true;
        if (!read_method(at, len, methods))
            return false;
        at += len;
    }
}

static size_t count_entries(const char *text)
{
    size_t count = 1;
    for (; *text != '\0'; text++)
        count += *text == ';';
    return count;
}

static const char *read_entry(cps_rule_t *rule, char *at)
{
    char *colon = strchr(at, ':');
    uint8_t methods;
    if (colon == NULL)
        return "an entry of the allow list has no colon; write name: get put";
    at = skip_space(at);
    trim(at, colon);
    if (*at == '\0')
        return "an entry of the allow list has no name; write name: get put";
    if (!read_methods(colon + 1, &methods))
        return "methods of an allow list are get, post, put, delete, fetch, patch and ipatch";
    if (strcmp(at, "*") == 0)
        rule->others |= methods;
    else
        rule->entries[rule->count++] = (cps_rule_entry_t){at, methods};
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const cps_rule_entry_t *)a)->name, ((const cps_rule_entry_t *)b)->name);
}

/* What is wrong with the list, or NULL. */
static const char *read_list(cps_rule_t *rule)
{
    for (char *at = rule->text; at != NULL;) {
        char *end = strchr(at, ';');
        if (end != NULL)
            *end++ = '\0';
        const char *wrong = *skip_space(at) != '\0' ? read_entry(rule, at) : NULL;
        if (wrong != NULL)
            return wrong;
        at = end;
    }
    if (rule->count != 0)
        qsort(rule->entries, rule->count, sizeof *rule->entries, compare);
    for (size_t i = 1; i < rule->count; i++)
        if (compare(&rule->entries[i - 1], &rule->entries[i]) == 0)
            return "a name stands twice in the allow list";
    return NULL;
}

cps_err_t cps_rule_init(cps_rule_t *rule, const cps_policy_t *policy, const char **reason)
{
    memset(rule, 0, sizeof *rule);
    rule->sealed = policy->sealed;
    rule->fresh_reads = policy->fresh_reads;
    rule->fresh_us = (uint64_t)policy->fresh_ms * 1000U;
    rule->named = policy->sealed || policy->allow != NULL;
    if (!policy->sealed && (policy->fresh_ms != 0 || policy->fresh_reads)) {
        *reason = "fresh needs sealed: without OSCORE nothing proves freshness";
        return CPS_ERR_CONFIG;
    }
    if (policy->fresh_reads && policy->fresh_ms == 0) {
        *reason = "fresh_reads needs fresh_ms: how old may a request be?";
        return CPS_ERR_CONFIG;
    }
    if (policy->allow == NULL)
        return CPS_OK;
    rule->text = strdup(policy->allow);
    rule->entries = calloc(count_entries(policy->allow), sizeof *rule->entries);
    *reason = rule->text != NULL && rule->entries != NULL ? read_list(rule) : cps_err_text(CPS_ERR_MEMORY);
    if (*reason == NULL)
        return CPS_OK;
    cps_err_t err = rule->text != NULL && rule->entries != NULL ? CPS_ERR_CONFIG : CPS_ERR_MEMORY;
    cps_rule_fini(rule);
    return err;
}

void cps_rule_fini(cps_rule_t *rule)
{
    free(rule->text);
    free(rule->entries);
    memset(rule, 0, sizeof *rule);
}

/* ---- asking ---- */

static uint8_t methods_of(const cps_rule_t *rule, const char *credential)
{
    cps_rule_entry_t key = {credential, 0};
    if (credential == NULL)
        return 0;
    const cps_rule_entry_t *entry =
        rule->count == 0 ? NULL : bsearch(&key, rule->entries, rule->count, sizeof *rule->entries, compare);
    return (uint8_t)(rule->others | (entry != NULL ? entry->methods : 0));
}

bool cps_rule_allows(const cps_rule_t *rule, const char *credential, uint8_t method)
{
    return !rule->named || (methods_of(rule, credential) & bit_of(method)) != 0;
}

bool cps_rule_is_fresh(const cps_rule_t *rule, uint8_t method, uint64_t age_us)
{
    bool safe = !cps_method_is_unsafe(method);
    if (rule->fresh_us == 0 || (safe && !rule->fresh_reads))
        return true;
    return age_us < rule->fresh_us; /* RFC 9175 §2.3: strictly younger; CPS_AGE_UNKNOWN never is */
}
