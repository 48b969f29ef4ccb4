// SPDX-License-Identifier: Apache-2.0
/* key list, key show, key remove. Nothing here needs a lock, and list and show change no file. */
#include "cli/cmd_key.h"
#include "cli/show.h"

#include <stdlib.h>

#define LOAD_BATCH 64U

enum column { NAME, PEER, SENDER, RECIPIENT, NEXT_SEQ, LEASED_TO, WINDOW, USED_FOR, COLUMN_COUNT };

static const char *const titles[COLUMN_COUNT] = {"NAME",     "PEER",      "SENDER", "RECIPIENT",
                                                 "NEXT SEQ", "LEASED TO", "WINDOW", "USED FOR"};

#define CELL_MAX (CPS_STORE_PATTERN_MAX + 1U)

typedef char line_t[COLUMN_COUNT][CELL_MAX];

typedef struct table {
    line_t *lines;
    size_t count;
    size_t room;
} table_t;

static const char *window_text(const cps_store_loaded_t *loaded, char out[32])
{
    if (loaded->key.retired)
        snprintf(out, 32, "retired");
    else if (loaded->key.rekey)
        snprintf(out, 32, "rekey due");
    else
        snprintf(out, 32, "%u, %s", loaded->key.window, loaded->state.window_known ? "ok" : "unknown");
    return out;
}

/* ---- the table ---- */

static bool add_line(table_t *table, const cps_store_loaded_t *loaded)
{
    char id[2 * CPS_STORE_BYTES_MAX + 8];
    char window[32];
    if (table->count == table->room) {
        size_t room = table->room == 0 ? 16 : 2 * table->room;
        line_t *lines = realloc(table->lines, room * sizeof *lines);
        if (lines == NULL)
            return false;
        table->lines = lines;
        table->room = room;
    }
    line_t *line = &table->lines[table->count++];
    memset(line, 0, sizeof *line);
    const cps_store_key_t *key = &loaded->key;
    snprintf((*line)[NAME], CELL_MAX, "%s", key->name);
    snprintf((*line)[PEER], CELL_MAX, "%s", key->peer[0] != '\0' ? key->peer : "-");
    if (loaded->result != CPS_OK && !(loaded->result == CPS_ERR_STATE_LOST && key->rekey)) {
        snprintf((*line)[WINDOW], CELL_MAX, "%s", loaded->result == CPS_ERR_STATE_LOST ? "state lost" : "damaged");
        return true;
    }
    snprintf((*line)[SENDER], CELL_MAX, "%s", cps_key_id(&key->sender_id, id));
    snprintf((*line)[RECIPIENT], CELL_MAX, "%s", cps_key_id(&key->recipient_id, id));
    snprintf((*line)[NEXT_SEQ], CELL_MAX, "%llu", (unsigned long long)loaded->state.next);
    snprintf((*line)[LEASED_TO], CELL_MAX, "%llu", (unsigned long long)loaded->ceiling);
    snprintf((*line)[WINDOW], CELL_MAX, "%s", window_text(loaded, window));
    snprintf((*line)[USED_FOR], CELL_MAX, "%s", key->pattern[0] != '\0' ? key->pattern : "-");
    return true;
}

static void print_table(const table_t *table)
{
    int widths[COLUMN_COUNT];
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        widths[c] = (int)strlen(titles[c]);
        for (size_t i = 0; i < table->count; i++)
            if ((int)strlen(table->lines[i][c]) > widths[c])
                widths[c] = (int)strlen(table->lines[i][c]);
    }
    widths[USED_FOR] = 0;
    for (size_t c = 0; c < COLUMN_COUNT; c++)
        printf("%-*s%s", widths[c], titles[c], c + 1 < COLUMN_COUNT ? "  " : "\n");
    for (size_t i = 0; i < table->count; i++)
        for (size_t c = 0; c < COLUMN_COUNT; c++)
            printf("%-*s%s", widths[c], table->lines[i][c], c + 1 < COLUMN_COUNT ? "  " : "\n");
}

/* ---- JSON ---- */

static void json_member(const char *name, const char *text)
{
    printf(", \"%s\": ", name);
    if (text[0] == '\0')
        fputs("null", stdout);
    else
        cps_json_text(stdout, cps_bytes_str(text));
}

static void json_key(const cps_store_loaded_t *loaded, const char *before)
{
    char hex[2 * CPS_STORE_BYTES_MAX + 8];
    const cps_store_key_t *key = &loaded->key;
    printf("%s{\"name\": ", before);
    cps_json_text(stdout, cps_bytes_str(key->name));
    json_member("peer", key->peer);
    json_member("used_for", key->pattern);
    json_member("state", loaded->result == CPS_OK ? "ok" : cps_err_name(loaded->result));
    if (key->rekey)
        printf(", \"rekey\": true");
    if (loaded->result == CPS_OK) {
        printf(", \"sender\": \"%s\"", key->sender_id.len != 0 ? cps_key_id(&key->sender_id, hex) : "");
        printf(", \"recipient\": \"%s\"", key->recipient_id.len != 0 ? cps_key_id(&key->recipient_id, hex) : "");
        json_member("algorithm", cps_key_algorithm(key));
        json_member("hkdf", cps_key_hash(key));
        printf(", \"next_seq\": %llu, \"leased_to\": %llu", (unsigned long long)loaded->state.next,
               (unsigned long long)loaded->ceiling);
        printf(", \"window\": %u, \"window_known\": %s", key->window, loaded->state.window_known ? "true" : "false");
        printf(", \"retired\": %s, \"rederivable\": %s", key->retired ? "true" : "false",
               key->rederivable ? "true" : "false");
    }
    putchar('}');
}

/* ---- list ---- */

static cps_err_t list_some(const cps_key_ask_t *ask, table_t *table, const cps_store_loaded_t *loaded, size_t count)
{
    cps_err_t err = CPS_OK;
    for (size_t i = 0; i < count && err == CPS_OK; i++) {
        if (ask->json)
            json_key(&loaded[i], table->count++ == 0 ? "[" : ",\n ");
        else
            err = add_line(table, &loaded[i]) ? CPS_OK : CPS_ERR_MEMORY;
    }
    return err;
}

static int list(const cps_key_ask_t *ask, cps_store_t *store, cps_store_loaded_t *loaded)
{
    table_t table = {0};
    int64_t cursor = 0;
    size_t count = 0;
    cps_err_t err;
    while ((err = store->table->load(store, &cursor, false, loaded, LOAD_BATCH, &count)) == CPS_OK && count != 0)
        if ((err = list_some(ask, &table, loaded, count)) != CPS_OK)
            break;
    if (ask->json)
        puts(table.count == 0 ? "[]" : "]");
    else if (err == CPS_OK)
        print_table(&table);
    free(table.lines);
    return err == CPS_OK ? 0 : cps_key_fail(ask, err, "%s", err == CPS_ERR_MEMORY ? "no memory" : cps_store_detail());
}

int cps_key_list(const cps_key_ask_t *ask)
{
    cps_store_t *store = NULL;
    int status = cps_key_open(ask, false, true, &store);
    if (status != 0)
        return status;
    cps_store_loaded_t *loaded = calloc(LOAD_BATCH, sizeof *loaded);
    status = loaded != NULL ? list(ask, store, loaded) : cps_key_fail(ask, CPS_ERR_MEMORY, "no memory");
    if (loaded != NULL)
        cps_wipe(loaded, LOAD_BATCH * sizeof *loaded);
    free(loaded);
    store->table->close(store);
    return status;
}

/* ---- show ---- */

static void print_hex(const char *title, cps_bytes_t bytes)
{
    printf("%-12s", title);
    for (size_t i = 0; i < bytes.len; i++)
        printf("%02x", bytes.ptr[i]);
    puts(bytes.len == 0 ? "empty" : "");
}

static void print_key(const cps_key_ask_t *ask, const cps_store_loaded_t *loaded)
{
    char hex[2 * CPS_STORE_BYTES_MAX + 8];
    char window[32];
    const cps_store_key_t *key = &loaded->key;
    printf("%-12s%s\n", "name", key->name);
    printf("%-12s%s\n", "peer", key->peer[0] != '\0' ? key->peer : "-");
    printf("%-12s%s\n", "used for", key->pattern[0] != '\0' ? key->pattern : "-");
    printf("%-12s%s\n", "algorithm", cps_key_algorithm(key));
    printf("%-12s%s\n", "hkdf", cps_key_hash(key));
    printf("%-12s%s\n", "sender", cps_key_id(&key->sender_id, hex));
    printf("%-12s%s\n", "recipient", cps_key_id(&key->recipient_id, hex));
    printf("%-12s%s\n", "id context", key->has_id_context ? cps_key_id(&key->id_context, hex) : "-");
    printf("%-12s%llu\n", "next seq", (unsigned long long)loaded->state.next);
    printf("%-12s%llu\n", "leased to", (unsigned long long)loaded->ceiling);
    printf("%-12s%s\n", "window", window_text(loaded, window));
    printf("%-12s%s\n", "rekey",
           key->rekey ? "due with the next request" : (key->rederivable ? "allowed" : "not allowed"));
    print_hex("state id", cps_bytes(key->state_id, sizeof key->state_id)); /* one way from the key: no secret */
    if (!ask->secret)
        return;
    print_hex("salt", cps_bytes(key->salt.data, key->salt.len));
    /* shows a secret: the user asked for it by --secret */
    print_hex("secret", cps_bytes(key->secret, key->secret_len));
}

int cps_key_say_none(const cps_key_ask_t *ask, cps_store_t *store, cps_err_t err)
{
    cps_store_key_t key;
    int64_t cursor = 0;
    char near[CPS_STORE_NAME_MAX + 1] = "";
    if (err != CPS_ERR_NOT_FOUND)
        return cps_key_fail(ask, err, "%s", cps_store_detail());
    while (store->table->key_next(store, &cursor, &key) == CPS_OK) {
        const char *name = key.name;
        if (cps_nearest(ask->word, &name, 1) != NULL)
            memcpy(near, key.name, sizeof near);
    }
    cps_wipe(&key, sizeof key);
    return cps_key_fail(ask, CPS_ERR_NOT_FOUND, "there is no key \"%s\"%s%s", ask->word,
                        near[0] != '\0' ? "; did you mean " : "; coapsule key list shows those there are", near);
}

static int show(const cps_key_ask_t *ask, cps_store_t *store, cps_store_loaded_t *loaded)
{
    cps_err_t err = store->table->key_get(store, ask->word, &loaded->key);
    if (err != CPS_OK)
        return cps_key_say_none(ask, store, err);
    err = store->table->state_get(store, &loaded->key, &loaded->state, &loaded->ceiling);
    if (err != CPS_OK && !(err == CPS_ERR_STATE_LOST && loaded->key.rekey))
        return cps_key_fail(ask, err, "%s: %s", ask->word, cps_err_text(err));
    print_key(ask, loaded);
    return 0;
}

int cps_key_show(const cps_key_ask_t *ask)
{
    cps_store_t *store = NULL;
    cps_store_loaded_t loaded = {0};
    int status = cps_key_open(ask, false, true, &store);
    if (status != 0)
        return status;
    status = show(ask, store, &loaded);
    cps_wipe(&loaded, sizeof loaded);
    store->table->close(store);
    return status;
}

/* ---- remove ---- */

static int remove_key(const cps_key_ask_t *ask, cps_store_t *store, cps_store_key_t *key)
{
    int64_t pid = 0;
    cps_err_t err = store->table->key_get(store, ask->word, key);
    if (err != CPS_OK)
        return cps_key_say_none(ask, store, err);
    err = store->table->lock(store, key, &pid); /* a key that is in use stays */
    if (err == CPS_ERR_IN_USE)
        return cps_key_fail(ask, err, "%s: context in use by pid %lld", ask->word, (long long)pid);
    if (err == CPS_OK || err == CPS_ERR_STATE_LOST)
        err = store->table->key_remove(store, ask->word);
    if (err != CPS_OK)
        return cps_key_fail(ask, err, "%s", cps_store_detail());
    printf("removed  %s\n", ask->word);
    return 0;
}

int cps_key_remove(const cps_key_ask_t *ask)
{
    cps_store_t *store = NULL;
    cps_store_key_t key = {0};
    int status = cps_key_open(ask, false, false, &store);
    if (status != 0)
        return status;
    status = remove_key(ask, store, &key);
    cps_wipe(&key, sizeof key);
    store->table->close(store);
    return status;
}
