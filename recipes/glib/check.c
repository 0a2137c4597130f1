/* Checks the features that the recipe of glib declares; prints the name of each feature that is missing. */
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

static int can_match(void) {
    return g_regex_match_simple("^\\p{Lu}+$", "\xce\xa9", 0, 0);
}

static int add(int first, int second, void *third) {
    return first + second + *(int *)third;
}

/* Without a marshaller of its own, a closure calls its function through libffi. */
static int has_closures(void) {
    int third = 4;
    GClosure *closure = g_cclosure_new(G_CALLBACK(add), &third, NULL);
    GValue sum = G_VALUE_INIT, values[2] = {G_VALUE_INIT, G_VALUE_INIT};

    g_closure_ref(closure);
    g_closure_sink(closure);
    g_closure_set_marshal(closure, g_cclosure_marshal_generic);
    g_value_init(&sum, G_TYPE_INT);
    for (int i = 0; i < 2; i++) {
        g_value_init(&values[i], G_TYPE_INT);
        g_value_set_int(&values[i], i + 1);
    }
    g_closure_invoke(closure, &sum, 2, values, NULL);
    g_closure_unref(closure);
    return g_value_get_int(&sum) == 7;
}

static int has_streams(void) {
    GInputStream *stream = g_memory_input_stream_new_from_data("line\nrest", -1, NULL);
    GDataInputStream *lines = g_data_input_stream_new(stream);
    char *line = g_data_input_stream_read_line(lines, NULL, NULL, NULL);
    int is_right = line != NULL && strcmp(line, "line") == 0;

    g_free(line);
    g_object_unref(lines);
    g_object_unref(stream);
    return is_right;
}

static int has_feature(const char *name) {
    if (strcmp(name, "regex") == 0)
        return can_match();
    if (strcmp(name, "closures") == 0)
        return has_closures();
    if (strcmp(name, "streams") == 0)
        return has_streams();
    return 0;
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
