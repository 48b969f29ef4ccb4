// SPDX-License-Identifier: Apache-2.0
/* What fuzz_store found. */
#include "store_fixture.h"

static unsigned root_page(const box_t *box, const char *name)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(box->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_schema WHERE name = ?1", -1, &stmt, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    unsigned page = (unsigned)sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return page;
}

/* The first two rows change places: their pointers stand behind the 8 bytes of a leaf page's head
 * (www.sqlite.org/fileformat.html, "B-tree Pages"). */
static void swap_rows(const box_t *box, const char *table)
{
    enum { PAGE = 4096, HEAD = 8, LEAF = 13 };
    uint8_t page[HEAD + 4];
    off_t at = (off_t)(root_page(box, table) - 1) * PAGE;
    int fd = open(box->path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, page, sizeof page, at), sizeof page);
    assert_int_equal(page[0], LEAF);
    assert_int_equal(pwrite(fd, page + HEAD + 2, 2, at + HEAD), 2);
    assert_int_equal(pwrite(fd, page + HEAD, 2, at + HEAD + 2), 2);
    close(fd);
}

/* A daemon would have read the same keys for ever at its start. */
static void keys_out_of_order_are_damage(void **state)
{
    (void)state;
    box_t box;
    cps_store_t *s;
    cps_store_loaded_t loaded[2];
    int64_t cursor = 0;
    size_t count = 1;
    box_make(&box);
    s = box_open(&box);
    (void)add_sample(s, 1, 1);
    (void)add_sample(s, 2, 2);
    s->table->close(s);
    swap_rows(&box, "keys");
    s = box_open(&box);
    assert_err(CPS_ERR_STORE_CORRUPT, s->table->load(s, &cursor, false, loaded, 2, &count));
    assert_int_equal(count, 0);
    s->table->close(s);
    box_drop(&box);
}

/* Another first letter in the row, but not in the index. */
static void misspell(const box_t *box, const char *name)
{
    enum { PAGE = 4096 };
    uint8_t page[PAGE];
    off_t at = (off_t)(root_page(box, "keys") - 1) * PAGE;
    int fd = open(box->path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, page, sizeof page, at), sizeof page);
    const uint8_t *found = memmem(page, sizeof page, name, strlen(name));
    assert_non_null(found);
    assert_int_equal(pwrite(fd, "A", 1, at + (off_t)(found - page)), 1);
    close(fd);
}

/* `key list` would have shown the same key for ever. */
static void a_walk_over_damaged_names_ends(void **state)
{
    (void)state;
    box_t box;
    cps_store_t *s;
    cps_store_key_t key;
    int64_t cursor = 0;
    unsigned steps = 0;
    cps_err_t err;
    box_make(&box);
    s = box_open(&box);
    (void)add_sample(s, 1, 1);
    (void)add_sample(s, 2, 2);
    s->table->close(s);
    misspell(&box, "key-1-1");
    s = box_open(&box);
    while ((err = s->table->key_next(s, &cursor, &key)) == CPS_OK)
        assert_true(steps++ < 10);
    assert_int_equal(err, CPS_ERR_STORE_CORRUPT);
    s->table->close(s);
    box_drop(&box);
}

/* The list of locks would have grown to hold that place. */
static void a_key_of_an_absurd_state_is_damaged_alone(void **state)
{
    (void)state;
    box_t box;
    cps_store_t *s;
    sqlite3 *db = NULL;
    cps_store_loaded_t loaded[2];
    int64_t cursor = 0;
    size_t count = 0;
    box_make(&box);
    s = box_open(&box);
    (void)add_sample(s, 1, 1);
    (void)add_sample(s, 2, 2);
    s->table->close(s);
    assert_int_equal(sqlite3_open(box.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE keys SET state = 1 << 62 WHERE id = 1", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    s = box_open(&box);
    assert_ok(s->table->load(s, &cursor, true, loaded, 2, &count));
    assert_int_equal(count, 2);
    assert_int_equal(loaded[0].result, CPS_ERR_STORE_CORRUPT);
    assert_int_equal(loaded[1].result, CPS_OK);
    s->table->close(s);
    box_drop(&box);
}

static void hear(void *user, const char *finding)
{
    (void)finding;
    ++*(unsigned *)user;
}

/* The check called it sound, and no writer could open it. */
static void a_file_that_sqlite_would_not_write_is_damaged(void **state)
{
    (void)state;
    box_t box;
    cps_store_t *s;
    unsigned findings = 0;
    box_make(&box);
    s = box_open(&box);
    (void)add_sample(s, 1, 1);
    s->table->close(s);
    int fd = open(box.path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\x89", 1, 18), 1); /* "file format write version" */
    close(fd);
    assert_err(CPS_ERR_STORE_CORRUPT, cps_store_check(box.path, hear, &findings));
    assert_int_equal(findings, 1);
    assert_err(CPS_ERR_STORE_CORRUPT, box_open_as(&box, false, false, &s));
    box_drop(&box);
}

static const cps_case_t cases[] = {
    {"", "keys out of order are damage", keys_out_of_order_are_damage},
    {"", "a walk over damaged names ends", a_walk_over_damaged_names_ends},
    {"", "a key of an absurd state is damaged alone", a_key_of_an_absurd_state_is_damaged_alone},
    {"", "a file that SQLite would not write is damaged", a_file_that_sqlite_would_not_write_is_damaged},
};

CPS_RUN("store_fuzzed", cases)
