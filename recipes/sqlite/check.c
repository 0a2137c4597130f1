/* Checks the features that the recipe of sqlite declares; prints the name of each feature that is missing. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sqlite3_session sqlite3_session;
int sqlite3session_create(sqlite3 *, const char *, sqlite3_session **);
void sqlite3session_delete(sqlite3_session *);

/* Returns whether a script succeeds and the last statement's only value is `expected`. */
static int answers(const char *path, const char *script, const char *query, const char *expected) {
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    int is_right = 0;

    if (sqlite3_open(path, &database) == SQLITE_OK && sqlite3_exec(database, script, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(database, query, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        is_right = strcmp((const char *)sqlite3_column_text(statement, 0), expected) == 0;
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return is_right;
}

/* The database is on the disk when it is opened again. */
static int has_file(void) {
    static const char path[] = "check.sqlite";
    int is_right;

    remove(path);
    is_right = answers(path, "create table t(a); insert into t values(42)", "select 1", "1") &&
               answers(path, "", "select a from t", "42");
    remove(path);
    return is_right;
}

static int has_session(void) {
    sqlite3 *database = NULL;
    sqlite3_session *session = NULL;
    int exists = sqlite3_open(":memory:", &database) == SQLITE_OK &&
                 sqlite3session_create(database, "main", &session) == SQLITE_OK;

    sqlite3session_delete(session);
    sqlite3_close(database);
    return exists;
}

static int has_feature(const char *name) {
    if (strcmp(name, "file") == 0)
        return has_file();
    if (strcmp(name, "fts5") == 0)
        return answers(":memory:", "create virtual table t using fts5(a); insert into t values('one two'), ('three')",
                       "select a from t where t match 'two'", "one two");
    if (strcmp(name, "json") == 0)
        return answers(":memory:", "", "select '{\"a\": [1, 2]}' ->> '$.a[1]'", "2");
    if (strcmp(name, "math") == 0)
        return answers(":memory:", "", "select round(sqrt(2), 6)", "1.414214");
    if (strcmp(name, "rtree") == 0)
        return answers(":memory:", "create virtual table t using rtree(id, a, b); insert into t values(7, 1, 2)",
                       "select id from t where a > 0", "7");
    if (strcmp(name, "session") == 0)
        return has_session();
    return strcmp(name, "threads") == 0 && sqlite3_threadsafe() == 1;
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        if (!has_feature(features[i])) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
