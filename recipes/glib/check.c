/* Checks the features that the recipe of glib declares; prints the name of each feature that is missing. */
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

static int can_match(void) {
    return g_regex_match_simple("^\\p{Lu}+$", "\xce\xa9", 0, 0);
}

static void count(GObject *object, GParamSpec *parameter, int *calls) {
    (void)object;
    (void)parameter;
    *calls += 1;
}

/* The signal `notify` reaches a function, through libffi. */
static int has_signals(void) {
    GSimpleAction *action = g_simple_action_new("open", NULL);
    int calls = 0;

    g_signal_connect(action, "notify::enabled", G_CALLBACK(count), &calls);
    g_simple_action_set_enabled(action, FALSE);
    g_object_unref(action);
    return calls == 1;
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
    if (strcmp(name, "signals") == 0)
        return has_signals();
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
