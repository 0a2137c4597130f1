/* Checks the features that the recipe of lmdb declares; prints the name of each feature that is missing. */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <process.h>
#define getpid _getpid
#else
#include <unistd.h>
#endif

static MDB_val value(const char *text) { return (MDB_val){strlen(text), (void *)text}; }

static int equals(MDB_val found, const char *text) {
    return found.mv_size == strlen(text) && memcmp(found.mv_data, text, found.mv_size) == 0;
}

/* What is committed is found, what is aborted is not. */
static int has_transactions(MDB_env *env) {
    MDB_val key = value("key"), data = value("first"), other = value("second"), found;
    MDB_txn *txn;
    MDB_dbi dbi;
    int is_right;

    if (mdb_txn_begin(env, NULL, 0, &txn) != 0 || mdb_dbi_open(txn, NULL, 0, &dbi) != 0 ||
        mdb_put(txn, dbi, &key, &data, 0) != 0 || mdb_txn_commit(txn) != 0)
        return 0;
    if (mdb_txn_begin(env, NULL, 0, &txn) != 0 || mdb_put(txn, dbi, &key, &other, 0) != 0)
        return 0;
    mdb_txn_abort(txn);
    if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0)
        return 0;
    is_right = mdb_get(txn, dbi, &key, &found) == 0 && equals(found, "first");
    mdb_txn_abort(txn);
    return is_right;
}

/* Keys are in their order, and a key may have several values. */
static int has_cursors(MDB_env *env) {
    static const char *const pairs[][2] = {{"b", "2"}, {"a", "1"}, {"b", "1"}};
    static const char *const sorted[][2] = {{"a", "1"}, {"b", "1"}, {"b", "2"}};
    MDB_val key, data;
    MDB_cursor *cursor;
    MDB_txn *txn;
    MDB_dbi dbi;
    int is_right = 1;

    if (mdb_txn_begin(env, NULL, 0, &txn) != 0 || mdb_dbi_open(txn, "many", MDB_CREATE | MDB_DUPSORT, &dbi) != 0)
        return 0;
    for (int i = 0; i < 3; i++) {
        key = value(pairs[i][0]);
        data = value(pairs[i][1]);
        is_right = is_right && mdb_put(txn, dbi, &key, &data, 0) == 0;
    }
    if (mdb_cursor_open(txn, dbi, &cursor) != 0)
        return 0;
    for (int i = 0; i < 3; i++)
        is_right = is_right && mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0 && equals(key, sorted[i][0]) &&
                   equals(data, sorted[i][1]);
    is_right = is_right && mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == MDB_NOTFOUND;
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return is_right;
}

static int has_feature(const char *name) {
    char path[64], lock[64];
    MDB_env *env;
    int is_right = 0;

    snprintf(path, sizeof(path), "check-%d.mdb", (int)getpid());
    snprintf(lock, sizeof(lock), "%s-lock", path);
    if (mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 2) == 0 && mdb_env_set_mapsize(env, 1 << 20) == 0 &&
        mdb_env_open(env, path, MDB_NOSUBDIR, 0600) == 0)
        is_right = strcmp(name, "transactions") == 0 ? has_transactions(env)
                                                     : strcmp(name, "cursors") == 0 && has_cursors(env);
    mdb_env_close(env);
    remove(path);
    remove(lock);
    return is_right;
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
