/* Checks the features that the recipe of libyaml declares; prints the name of each feature that is missing. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

static int can_parse(void) {
    static const unsigned char text[] = "key: [1, 2]\n";
    yaml_parser_t parser;
    yaml_document_t document;
    yaml_node_t *root;
    int is_right = 0;

    if (!yaml_parser_initialize(&parser))
        return 0;
    yaml_parser_set_input_string(&parser, text, sizeof(text) - 1);
    if (yaml_parser_load(&parser, &document)) {
        root = yaml_document_get_root_node(&document);
        is_right = root != NULL && root->type == YAML_MAPPING_NODE;
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return is_right;
}

static int can_emit(void) {
    unsigned char text[64] = "";
    size_t size = 0;
    yaml_emitter_t emitter;
    yaml_document_t document;
    int is_right;

    if (!yaml_emitter_initialize(&emitter) || !yaml_document_initialize(&document, NULL, NULL, NULL, 1, 1))
        return 0;
    yaml_document_add_scalar(&document, NULL, (yaml_char_t *)"value", 5, YAML_PLAIN_SCALAR_STYLE);
    yaml_emitter_set_output_string(&emitter, text, sizeof(text), &size);
    is_right = yaml_emitter_open(&emitter) && yaml_emitter_dump(&emitter, &document) && yaml_emitter_close(&emitter) &&
               strncmp((const char *)text, "value\n", 6) == 0;
    yaml_emitter_delete(&emitter);
    return is_right;
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        int works = strcmp(features[i], "parse") == 0 ? can_parse() : strcmp(features[i], "emit") == 0 ? can_emit() : 0;
        if (!works) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
