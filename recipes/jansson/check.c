/* Checks the features that the recipe of jansson declares; prints the name of each feature that is missing. */
#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The decimal point is that of JSON in every locale, and a number has its shortest spelling. */
static int has_numbers(void) {
    json_t *value;
    char *text;
    int is_right;

    setlocale(LC_ALL, "");
    value = json_loads("[0.1, 9007199254740993]", 0, NULL);
    text = json_dumps(value, JSON_COMPACT);
    is_right = text != NULL && strcmp(text, "[0.1,9007199254740993]") == 0 &&
               json_real_value(json_array_get(value, 0)) == 0.1 &&
               json_integer_value(json_array_get(value, 1)) == 9007199254740993;
    free(text);
    json_decref(value);
    return is_right;
}

static int has_parser(void) {
    json_error_t error;
    json_t *value = json_loads("{\"a\": [true, null, \"\\u00e9\"]}", 0, &error), *list = json_object_get(value, "a");
    int is_right = json_array_size(list) == 3 && json_is_true(json_array_get(list, 0)) &&
                   strcmp(json_string_value(json_array_get(list, 2)), "\xc3\xa9") == 0 &&
                   json_loads("[1,\n2,,]", 0, &error) == NULL && error.line == 2;

    json_decref(value);
    return is_right;
}

static int has_writer(void) {
    json_t *value = json_pack("{s:i, s:[s, b]}", "b", 1, "a", "\n", 0);
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    int is_right = text != NULL && strcmp(text, "{\"a\":[\"\\n\",false],\"b\":1}") == 0;

    free(text);
    json_decref(value);
    return is_right;
}

static int has_feature(const char *name) {
    if (strcmp(name, "numbers") == 0)
        return has_numbers();
    return strcmp(name, "parser") == 0 ? has_parser() : strcmp(name, "writer") == 0 && has_writer();
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
